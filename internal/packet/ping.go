package packet

// AppendPingreq writes a PINGREQ. Like a PINGRESP it has no body, so there is nothing to decode: [ParseHeader] refuses
// one that has.
func AppendPingreq(dst []byte) []byte { return append(dst, byte(TypePingreq)<<4, 0) }

// AppendPingresp writes a PINGRESP.
func AppendPingresp(dst []byte) []byte { return append(dst, byte(TypePingresp)<<4, 0) }

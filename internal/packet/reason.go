package packet

// ValidReason reports whether a packet of type t may carry the reason code of MQTT 5, sent by a server or by a client.
// Types without a reason code have no valid one. For a SUBACK and an UNSUBACK it judges one of the codes.
func ValidReason(t Type, code byte, fromServer bool) bool {
	switch t {
	case TypeConnack:
		switch code {
		case 0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a,
			0x9b, 0x9c, 0x9d, 0x9f:
			return fromServer
		}
	case TypePuback, TypePubrec:
		switch code {
		case 0x00, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99:
			return true
		case 0x10: // no matching subscribers
			return fromServer
		}
	case TypePubrel, TypePubcomp:
		return code == 0x00 || code == 0x92
	case TypeSuback:
		switch code {
		case 0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2:
			return fromServer
		}
	case TypeUnsuback:
		switch code {
		case 0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91:
			return fromServer
		}
	case TypeDisconnect:
		switch code {
		case 0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99:
			return true
		case 0x04: // disconnect with will
			return !fromServer
		case 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2:
			return fromServer
		}
	case TypeAuth:
		switch code {
		case 0x00: // success
			return fromServer
		case 0x18: // continue authentication
			return true
		case 0x19: // re-authenticate
			return !fromServer
		}
	default: // has no reason code
	}
	return false
}

// validFromAny is for packets that both sides send and whose Decode does not ask from whom.
func validFromAny(t Type, code byte) bool {
	return ValidReason(t, code, true) || ValidReason(t, code, false)
}

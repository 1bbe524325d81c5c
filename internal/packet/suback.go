package packet

// Suback is a SUBACK packet, from server to client.
type Suback struct {
	PacketID uint16
	Props    Properties
	Codes    []byte // one per filter of the SUBSCRIBE, in its order
}

var (
	fieldSubackID = newField("SUBACK packet identifier")

	errSubackID    = protocolError("SUBACK packet identifier: 0, want at least 1")
	errSubackEmpty = protocolError("SUBACK codes: none, want at least one")
)

// The one code of 3.1.1 that says no.
const subackFailure = 0x80

// Decode reads the part of a SUBACK behind its fixed header.
func (s *Suback) Decode(body []byte, v Version) error {
	s.Props.Reset()
	s.Codes = nil
	r := reader{b: body}
	s.PacketID = r.uint16(&fieldSubackID)
	if r.err == nil && s.PacketID == 0 {
		return errSubackID
	}
	if v == V5 {
		s.Props.decode(&r, &inSuback)
	}
	if r.err != nil {
		return r.err
	}
	if len(r.b) == 0 {
		return errSubackEmpty
	}
	for _, c := range r.b { // [MQTT-3.9.3-2]
		if !ValidReason(TypeSuback, c, true) || v != V5 && c > 2 && c != subackFailure {
			return badReason(TypeSuback, c)
		}
	}
	s.Codes = r.b[:len(r.b):len(r.b)]
	return nil
}

// Append writes the packet for version v. In 3.1.1 every failure is written as 0x80, its only one.
func (s *Suback) Append(dst []byte, v Version) []byte {
	n := 2 + s.Props.sizeWithLength(&inSuback, v) + len(s.Codes)
	if n > MaxRemaining {
		return dst
	}
	dst = appendUint16(appendHeader(dst, TypeSuback, 0, n), s.PacketID)
	dst = s.Props.appendWithLength(dst, &inSuback, v)
	if v == V5 {
		return append(dst, s.Codes...)
	}
	for _, c := range s.Codes {
		dst = append(dst, min(c, subackFailure))
	}
	return dst
}

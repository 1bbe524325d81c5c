package packet

// Unsuback is an UNSUBACK packet, from server to client.
type Unsuback struct {
	PacketID uint16
	Props    Properties
	Codes    []byte // version 5: one per filter of the UNSUBSCRIBE, in its order; 3.1.1 has none
}

var (
	fieldUnsubackID = newField("UNSUBACK packet identifier")

	errUnsubackID    = protocolError("UNSUBACK packet identifier: 0, want at least 1")
	errUnsubackEmpty = protocolError("UNSUBACK codes: none, want at least one")
)

// Decode reads the part of an UNSUBACK behind its fixed header.
func (u *Unsuback) Decode(body []byte, v Version) error {
	u.Props.Reset()
	u.Codes = nil
	r := reader{b: body}
	u.PacketID = r.uint16(&fieldUnsubackID)
	if r.err == nil && u.PacketID == 0 {
		return errUnsubackID
	}
	if v != V5 {
		return r.end()
	}
	u.Props.decode(&r, &inUnsuback)
	if r.err != nil {
		return r.err
	}
	if len(r.b) == 0 {
		return errUnsubackEmpty
	}
	for _, c := range r.b { // [MQTT-3.11.3-2]
		if !ValidReason(TypeUnsuback, c, true) {
			return badReason(TypeUnsuback, c)
		}
	}
	u.Codes = r.b[:len(r.b):len(r.b)]
	return nil
}

// Append writes the packet for version v.
func (u *Unsuback) Append(dst []byte, v Version) []byte {
	n := 2 + u.Props.sizeWithLength(&inUnsuback, v)
	if v == V5 {
		n += len(u.Codes)
	}
	if n > MaxRemaining {
		return dst
	}
	dst = appendUint16(appendHeader(dst, TypeUnsuback, 0, n), u.PacketID)
	if v != V5 {
		return dst
	}
	return append(u.Props.appendWithLength(dst, &inUnsuback, v), u.Codes...)
}

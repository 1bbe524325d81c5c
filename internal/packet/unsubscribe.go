package packet

// Unsubscribe is an UNSUBSCRIBE packet, from client to server.
type Unsubscribe struct {
	PacketID uint16
	Props    Properties
	Filters  [][]byte
}

var (
	fieldUnsubscribeID     = newField("UNSUBSCRIBE packet identifier")
	fieldUnsubscribeFilter = newField("UNSUBSCRIBE topic filter")

	errUnsubscribeID    = protocolError("UNSUBSCRIBE packet identifier: 0, want at least 1")
	errUnsubscribeEmpty = protocolError("UNSUBSCRIBE topic filters: none, want at least one")
)

// Decode reads the part of an UNSUBSCRIBE behind its fixed header. Filters are checked to be strings and no further.
func (u *Unsubscribe) Decode(body []byte, v Version) error {
	u.Props.Reset()
	u.Filters = u.Filters[:0]
	r := reader{b: body}
	u.PacketID = r.uint16(&fieldUnsubscribeID)
	if r.err == nil && u.PacketID == 0 { // [MQTT-2.2.1-3]
		return errUnsubscribeID
	}
	if v == V5 {
		u.Props.decode(&r, &inUnsubscribe)
	}
	if r.err == nil && len(r.b) == 0 { // [MQTT-3.10.3-2]
		return errUnsubscribeEmpty
	}
	for len(r.b) > 0 {
		f := r.string(&fieldUnsubscribeFilter)
		if r.err != nil {
			return r.err
		}
		u.Filters = append(u.Filters, f)
	}
	return r.end()
}

// Append writes the packet for version v.
func (u *Unsubscribe) Append(dst []byte, v Version) []byte {
	n := 2 + u.Props.sizeWithLength(&inUnsubscribe, v)
	for _, f := range u.Filters {
		n += binaryLen(f)
	}
	if n > MaxRemaining {
		return dst
	}
	dst = appendUint16(appendHeader(dst, TypeUnsubscribe, 2, n), u.PacketID)
	dst = u.Props.appendWithLength(dst, &inUnsubscribe, v)
	for _, f := range u.Filters {
		dst = appendBinary(dst, f)
	}
	return dst
}

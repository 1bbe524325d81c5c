package packet

// Ack is a PUBACK, PUBREC, PUBREL or PUBCOMP packet, in either direction.
type Ack struct {
	Type     Type
	PacketID uint16
	Code     byte // a reason code in version 5, 0 in 3.1.1
	Props    Properties
}

var (
	fieldAckID = newField("acknowledgement packet identifier")

	errAckID = protocolError("acknowledgement packet identifier: 0, want at least 1")
)

// Decode reads the part of a packet of type t behind its fixed header. It accepts the reason codes of both directions.
func (a *Ack) Decode(t Type, body []byte, v Version) error {
	a.Type, a.Code = t, 0
	a.Props.Reset()
	if len(body) < 2 {
		return fieldAckID.truncated
	}
	a.PacketID = uint16(body[0])<<8 | uint16(body[1])
	if a.PacketID == 0 { // [MQTT-2.2.1-3]
		return errAckID
	}
	body = body[2:]
	if len(body) == 0 {
		return nil
	}
	if v != V5 {
		return errTrailing
	}
	a.Code = body[0]
	if !validFromAny(t, a.Code) { // [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1]
		return badReason(t, a.Code)
	}
	if len(body) == 1 {
		return nil
	}
	r := reader{b: body[1:]}
	a.Props.decode(&r, &inAck)
	return r.end()
}

// Append writes the packet for version v. In 3.1.1 that is the packet identifier alone.
func (a *Ack) Append(dst []byte, v Version) []byte {
	flags := byte(0)
	if a.Type == TypePubrel {
		flags = 2
	}
	props := a.Props.sizeIn(&inAck, v)
	if v != V5 || a.Code == 0 && props == 0 {
		return append(dst, byte(a.Type)<<4|flags, 2, byte(a.PacketID>>8), byte(a.PacketID))
	}
	if props == 0 {
		return append(dst, byte(a.Type)<<4|flags, 3, byte(a.PacketID>>8), byte(a.PacketID), a.Code)
	}
	n := 3 + varintLen(props) + props
	if n > MaxRemaining {
		return dst
	}
	dst = appendUint16(appendHeader(dst, a.Type, flags, n), a.PacketID)
	return a.Props.append(append(dst, a.Code), &inAck, props)
}

package packet

import (
	"encoding/binary"
	"slices"
)

// Publish is a PUBLISH packet, in either direction.
type Publish struct {
	Dup      bool
	QoS      byte
	Retain   bool
	Topic    []byte // empty in version 5 where Props has a topic alias instead
	PacketID uint16 // 0 with QoS 0
	Props    Properties
	Payload  []byte
}

var (
	fieldTopic     = newField("PUBLISH topic")
	fieldPublishID = newField("PUBLISH packet identifier")

	errTopicEmpty    = &Error{CodeTopicNameInvalid, "PUBLISH topic: empty, want at least one character"}
	errTopicWildcard = &Error{CodeTopicNameInvalid, "PUBLISH topic: has a wildcard"}
	errTopicMissing  = protocolError("PUBLISH topic: empty without a topic alias")
	errPublishID     = protocolError("PUBLISH packet identifier: 0, want at least 1")
)

// Decode reads the part of a PUBLISH behind its fixed header, which had these flags.
func (p *Publish) Decode(flags byte, body []byte, v Version) error {
	p.Dup = flags&0x08 != 0
	p.QoS = flags >> 1 & 0x03
	p.Retain = flags&0x01 != 0
	p.PacketID = 0
	p.Props.Reset()
	switch {
	case p.QoS == 3:
		return errPublishQoS
	case p.Dup && p.QoS == 0:
		return errPublishDup
	case len(body) < 2:
		return fieldTopic.truncated
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	if n > len(body) {
		return fieldTopic.truncated
	}
	p.Topic, body = body[:n:n], body[n:]
	if !plainTopic(p.Topic) {
		if !validString(p.Topic) { // [MQTT-3.3.2-1]
			return fieldTopic.notUTF8
		}
		if hasWildcard(p.Topic) { // [MQTT-3.3.2-2]
			return errTopicWildcard
		}
	}
	if n == 0 && v != V5 { // 3.1.1: [MQTT-4.7.3-1]
		return errTopicEmpty
	}
	if p.QoS > 0 {
		if len(body) < 2 {
			return fieldPublishID.truncated
		}
		p.PacketID = binary.BigEndian.Uint16(body)
		body = body[2:]
		if p.PacketID == 0 { // [MQTT-2.2.1-3]
			return errPublishID
		}
	}
	if v == V5 {
		if len(body) > 0 && body[0] == 0 {
			body = body[1:]
		} else {
			r := reader{b: body}
			p.Props.decode(&r, &inPublish)
			if r.err != nil {
				return r.err
			}
			body = r.b
		}
		if n == 0 && !p.Props.Has(PropTopicAlias) {
			return errTopicMissing
		}
	}
	p.Payload = body[:len(body):len(body)]
	return nil
}

// Size is the length of the whole frame that Append writes for version v.
func (p *Publish) Size(v Version) int {
	n := p.remaining(p.Props.sizeIn(&inPublish, v), v)
	return 1 + varintLen(n) + n
}

// remaining is the remaining length with that many bytes of properties.
func (p *Publish) remaining(props int, v Version) int {
	n := binaryLen(p.Topic) + len(p.Payload)
	if p.QoS > 0 {
		n += 2
	}
	if v == V5 {
		n += varintLen(props) + props
	}
	return n
}

// Append writes the packet for version v. idAt is where out has the two bytes of the packet identifier, so that a copy
// for another receiver needs no more than a new one there; it is -1 with QoS 0, and if the packet is too long to be
// written. DUP is not written with QoS 0 ([MQTT-3.3.1-2]).
func (p *Publish) Append(dst []byte, v Version) (out []byte, idAt int) {
	props := p.Props.sizeIn(&inPublish, v)
	n := p.remaining(props, v)
	if n > MaxRemaining {
		return dst, -1
	}
	flags := p.QoS << 1 & 0x06
	if p.Dup && p.QoS > 0 {
		flags |= 0x08
	}
	if p.Retain {
		flags |= 0x01
	}
	dst = appendHeader(slices.Grow(dst, n+5), TypePublish, flags, n)
	dst = appendBinary(dst, p.Topic)
	idAt = -1
	if p.QoS > 0 {
		idAt = len(dst)
		dst = appendUint16(dst, p.PacketID)
	}
	if v == V5 {
		dst = p.Props.append(dst, &inPublish, props)
	}
	return append(dst, p.Payload...), idAt
}

package packet

// Subscribe is a SUBSCRIBE packet, from client to server.
type Subscribe struct {
	PacketID uint16
	Props    Properties
	Filters  []Subscription
}

// A Subscription is one entry of a SUBSCRIBE.
type Subscription struct {
	Filter  []byte
	Options byte // in 3.1.1 the QoS alone
}

// Bits of the subscription options.
const (
	optionQoS               = 0x03
	optionNoLocal           = 0x04
	optionRetainAsPublished = 0x08
	optionRetainHandling    = 0x30
)

// QoS is the highest QoS the client wants to receive with.
func (s Subscription) QoS() byte { return s.Options & optionQoS }

// NoLocal reports whether the client's own messages shall not come back to it.
func (s Subscription) NoLocal() bool { return s.Options&optionNoLocal != 0 }

// RetainAsPublished reports whether messages keep the RETAIN flag they were published with.
func (s Subscription) RetainAsPublished() bool { return s.Options&optionRetainAsPublished != 0 }

// RetainHandling says when retained messages are sent: 0 always, 1 if the subscription is new, 2 never.
func (s Subscription) RetainHandling() byte { return s.Options & optionRetainHandling >> 4 }

var (
	fieldSubscribeID      = newField("SUBSCRIBE packet identifier")
	fieldSubscribeFilter  = newField("SUBSCRIBE topic filter")
	fieldSubscribeOptions = newField("SUBSCRIBE options")

	errSubscribeID       = protocolError("SUBSCRIBE packet identifier: 0, want at least 1")
	errSubscribeEmpty    = protocolError("SUBSCRIBE topic filters: none, want at least one")
	errSubscribeReserved = malformed("SUBSCRIBE options: reserved bits are not 0")
	errSubscribeQoS      = protocolError("SUBSCRIBE options: QoS 3, want 0, 1 or 2")
	errSubscribeRetain   = protocolError("SUBSCRIBE options: Retain Handling 3, want 0, 1 or 2")
)

// Decode reads the part of a SUBSCRIBE behind its fixed header. Filters are checked to be strings and no further: not for
// their length, not for the places of their wildcards.
func (s *Subscribe) Decode(body []byte, v Version) error {
	s.Props.Reset()
	s.Filters = s.Filters[:0]
	r := reader{b: body}
	s.PacketID = r.uint16(&fieldSubscribeID)
	if r.err == nil && s.PacketID == 0 { // [MQTT-2.2.1-3]
		return errSubscribeID
	}
	if v == V5 {
		s.Props.decode(&r, &inSubscribe)
	}
	if r.err == nil && len(r.b) == 0 { // [MQTT-3.8.3-2]
		return errSubscribeEmpty
	}
	for len(r.b) > 0 {
		f := Subscription{Filter: r.string(&fieldSubscribeFilter), Options: r.byte(&fieldSubscribeOptions)}
		if r.err != nil {
			return r.err
		}
		if err := checkOptions(f.Options, v); err != nil {
			return err
		}
		s.Filters = append(s.Filters, f)
	}
	return r.end()
}

// checkOptions judges subscription options ([MQTT-3.8.3-5]; 3.1.1: [MQTT-3.8.3-4]).
func checkOptions(o byte, v Version) error {
	reserved := byte(0xc0)
	if v != V5 {
		reserved = 0xfc
	}
	switch {
	case o&reserved != 0:
		return errSubscribeReserved
	case o&optionQoS == optionQoS:
		return errSubscribeQoS
	case o&optionRetainHandling == optionRetainHandling:
		return errSubscribeRetain
	}
	return nil
}

// Append writes the packet for version v. Of the options 3.1.1 has the QoS alone.
func (s *Subscribe) Append(dst []byte, v Version) []byte {
	n := 2 + s.Props.sizeWithLength(&inSubscribe, v)
	for i := range s.Filters {
		n += binaryLen(s.Filters[i].Filter) + 1
	}
	if n > MaxRemaining {
		return dst
	}
	mask := byte(0xff)
	if v != V5 {
		mask = optionQoS
	}
	dst = appendUint16(appendHeader(dst, TypeSubscribe, 2, n), s.PacketID)
	dst = s.Props.appendWithLength(dst, &inSubscribe, v)
	for i := range s.Filters {
		dst = append(appendBinary(dst, s.Filters[i].Filter), s.Filters[i].Options&mask)
	}
	return dst
}

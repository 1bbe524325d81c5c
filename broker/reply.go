package broker

import "github.com/thinghub/thinghub/internal/packet"

var pingresp = []byte{byte(packet.TypePingresp) << 4, 0}

// reply appends an encoded packet to the outbox.
func (c *conn) reply(b *batch, p []byte) {
	s := c.lock()
	if !c.closing {
		o := c.box()
		o.b = append(o.b, p...)
		b.touch(c)
	}
	s.unlock()
}

// appendAck appends a PUBACK, PUBREC, PUBREL or PUBCOMP. The session's lock is held.
func (c *conn) appendAck(b *batch, t packet.Type, pid uint16, err error) {
	if c.closing {
		return // nothing may follow DISCONNECT [MQTT-3.14.4-1]
	}
	o := c.box()
	if err == nil {
		flags := byte(0)
		if t == packet.TypePubrel {
			flags = 2
		}
		o.b = append(o.b, byte(t)<<4|flags, 2, byte(pid>>8), byte(pid))
	} else {
		a := packet.Ack{Type: t, PacketID: pid, Code: byte(ReasonOf(err))}
		c.explain(&a.Props, err)
		start := len(o.b)
		o.b = a.Append(o.b, c.ver)
		if c.maxPacket > 0 && len(o.b)-start > c.maxPacket {
			a.Props.Reset()
			o.b = a.Append(o.b[:start], c.ver)
		}
	}
	b.touch(c)
}

// explain sets the reason string, unless the client did not ask for it
// [MQTT-3.1.2-29].
func (c *conn) explain(p *packet.Properties, err error) {
	if text := reasonText(err); text != "" && !c.quiet {
		p.SetReasonString([]byte(text))
	}
}

package broker

import (
	"math/bits"
	"time"

	"github.com/thinghub/thinghub/internal/packet"
)

// frames holds the PUBLISH of the message a batch is routing, encoded once per
// variant of version, QoS and RETAIN. Receivers copy it and patch the packet id.
type frames struct {
	m    *Message
	have uint16 // bit per variant
	v    [12]frame
	pub  packet.Publish // scratch
}

type frame struct {
	b    []byte
	idAt int
}

func (fs *frames) get(f *flight, v packet.Version, now time.Time) *frame {
	if fs.m != f.m {
		fs.reset()
		fs.m = f.m
	}
	i := int(f.qos) * 2
	if f.retain {
		i++
	}
	if v == packet.V5 {
		i += 6
	}
	fr := &fs.v[i]
	if fs.have&(1<<i) == 0 {
		fs.have |= 1 << i

		fill(&fs.pub, f, v, now)
		fr.b, fr.idAt = fs.pub.Append(fr.b[:0], v)
	}
	return fr
}

// reset forgets the message, so that the next one at the same address is encoded,
// and the memory of large ones.
func (fs *frames) reset() {
	for have := fs.have; have != 0; have &= have - 1 {
		if fr := &fs.v[bits.TrailingZeros16(have)]; cap(fr.b) > flushAt {
			fr.b = nil
		}
	}
	fs.m, fs.have = nil, 0
}

// fill sets p to the PUBLISH that carries f, without subscription identifiers and
// alias.
func fill(p *packet.Publish, f *flight, v packet.Version, now time.Time) {
	m := f.m
	p.Dup, p.QoS, p.Retain, p.PacketID = false, f.qos, f.retain, f.pid
	p.Topic, p.Payload = bytesOf(m.Topic, false), m.Payload
	p.Props.Reset()
	if v != packet.V5 {
		return
	}
	if m.PayloadFormat != FormatUnset {
		p.Props.SetPayloadFormat(byte(m.PayloadFormat - FormatBytes))
	}
	if !m.Expires.IsZero() {
		p.Props.SetMessageExpiry(m.remaining(now))
	}
	if m.ContentType != "" || m.emptyType {
		p.Props.SetContentType(bytesOf(m.ContentType, false))
	}
	if m.ResponseTopic != "" {
		p.Props.SetResponseTopic(bytesOf(m.ResponseTopic, false))
	}
	if m.CorrelationData != nil {
		p.Props.SetCorrelationData(m.CorrelationData)
	}
	if len(m.user) > 0 {
		p.Props.SetUser(m.user)
	}
}

// appendPublish appends the PUBLISH that carries f to the outbox. It reports false,
// and appends nothing, when that would exceed the client's Maximum Packet Size. b
// may be nil. The session's lock is held.
func (c *conn) appendPublish(b *batch, f *flight, dup bool, now time.Time) bool {
	o := c.box()
	start := len(o.b)
	var idAt int
	if b != nil && f.subID == 0 && c.outAliasMax == 0 {
		fr := b.frames.get(f, c.ver, now)
		if c.maxPacket > 0 && len(fr.b) > c.maxPacket {
			return false
		}
		o.b = append(o.b, fr.b...)
		if idAt = fr.idAt; idAt >= 0 {
			idAt += start
		}
	} else {
		var own packet.Publish
		p := &own
		if b != nil {
			p = &b.frames.pub
		}
		fill(p, f, c.ver, now)
		if c.ver == packet.V5 {
			if f.subID != 0 {
				p.Props.AddSubscriptionID(f.subID)
				if f.more != nil {
					for _, id := range *f.more {
						p.Props.AddSubscriptionID(id)
					}
				}
			}
			if c.outAliasMax > 0 {
				c.useAlias(p)
			}
		}
		// An alias that is set makes the packet larger, so it has to fit without.
		if c.maxPacket > 0 && p.Size(c.ver) > c.maxPacket && (!c.forgetAlias(p) || p.Size(c.ver) > c.maxPacket) {
			return false
		}
		o.b, idAt = p.Append(o.b, c.ver)
	}
	if idAt < 0 && f.qos > 0 {
		return false // larger than MQTT allows: nothing was appended
	}
	if f.qos > 0 {
		o.b[idAt], o.b[idAt+1] = byte(f.pid>>8), byte(f.pid)
	}
	if dup && f.qos > 0 {
		o.b[start] |= 0x08
	}
	return true
}

// useAlias replaces the topic by its alias, or sets an alias for it while there are
// free ones [MQTT-3.3.2-8 and following].
func (c *conn) useAlias(p *packet.Publish) {
	if id, ok := c.outAliases[stringOf(p.Topic)]; ok {
		p.Topic = nil
		p.Props.SetTopicAlias(id)
		return
	}
	if len(c.outAliases) >= c.outAliasMax || len(p.Topic) < 4 {
		return
	}
	if c.outAliases == nil {
		c.outAliases = map[string]uint16{}
	}
	id := uint16(len(c.outAliases) + 1)
	c.outAliases[string(p.Topic)] = id
	p.Props.SetTopicAlias(id)
}

// forgetAlias takes back an alias that useAlias set with this packet, if it did.
func (c *conn) forgetAlias(p *packet.Publish) bool {
	if len(p.Topic) == 0 || !p.Props.Has(packet.PropTopicAlias) {
		return false
	}
	delete(c.outAliases, stringOf(p.Topic))
	p.Props.Remove(packet.PropTopicAlias)
	return true
}

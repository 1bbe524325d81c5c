// Package mq is a minimal MQTT 3.1.1/5 codec and a single-threaded epoll client
// loop, made for load generation: no allocation per message, no goroutine per
// connection.
package mq

import (
	"encoding/binary"
	"errors"
)

// Control packet types.
const (
	CONNECT = iota + 1
	CONNACK
	PUBLISH
	PUBACK
	PUBREC
	PUBREL
	PUBCOMP
	SUBSCRIBE
	SUBACK
	UNSUBSCRIBE
	UNSUBACK
	PINGREQ
	PINGRESP
	DISCONNECT
)

var errMalformed = errors.New("malformed packet")

func appendLen(b []byte, n int) []byte {
	for n >= 128 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func appendStr(b []byte, s string) []byte {
	b = append(b, byte(len(s)>>8), byte(len(s)))
	return append(b, s...)
}

// ConnectOptions describes one CONNECT packet.
type ConnectOptions struct {
	Version   byte // 4 or 5
	ClientID  string
	User      string
	Password  string
	Clean     bool
	KeepAlive uint16
	Expiry    uint32 // MQTT 5 session expiry interval
	RecvMax   uint16 // MQTT 5 receive maximum, 0 = absent
}

// AppendConnect appends a CONNECT packet.
func AppendConnect(b []byte, o ConnectOptions) []byte {
	n := 10 + 2 + len(o.ClientID)
	props := 0
	if o.Version == 5 {
		if o.Expiry > 0 {
			props += 5
		}
		if o.RecvMax > 0 {
			props += 3
		}
		n += 1 + props
	}
	flags := byte(0)
	if o.Clean {
		flags |= 2
	}
	if o.User != "" {
		flags |= 0x80
		n += 2 + len(o.User)
	}
	if o.Password != "" {
		flags |= 0x40
		n += 2 + len(o.Password)
	}
	b = append(b, CONNECT<<4)
	b = appendLen(b, n)
	b = append(b, 0, 4, 'M', 'Q', 'T', 'T', o.Version, flags, byte(o.KeepAlive>>8), byte(o.KeepAlive))
	if o.Version == 5 {
		b = append(b, byte(props))
		if o.Expiry > 0 {
			b = append(b, 0x11)
			b = binary.BigEndian.AppendUint32(b, o.Expiry)
		}
		if o.RecvMax > 0 {
			b = append(b, 0x21, byte(o.RecvMax>>8), byte(o.RecvMax))
		}
	}
	b = appendStr(b, o.ClientID)
	if o.User != "" {
		b = appendStr(b, o.User)
	}
	if o.Password != "" {
		b = appendStr(b, o.Password)
	}
	return b
}

// AppendPublish appends a PUBLISH packet.
func AppendPublish(b []byte, v byte, topic []byte, payload []byte, qos byte, retain bool, pid uint16) []byte {
	n := 2 + len(topic) + len(payload)
	if qos > 0 {
		n += 2
	}
	if v == 5 {
		n++
	}
	h := byte(PUBLISH<<4) | qos<<1
	if retain {
		h |= 1
	}
	b = append(b, h)
	b = appendLen(b, n)
	b = append(b, byte(len(topic)>>8), byte(len(topic)))
	b = append(b, topic...)
	if qos > 0 {
		b = append(b, byte(pid>>8), byte(pid))
	}
	if v == 5 {
		b = append(b, 0)
	}
	return append(b, payload...)
}

// AppendAck appends PUBACK, PUBREC, PUBREL or PUBCOMP with success.
func AppendAck(b []byte, typ byte, pid uint16) []byte {
	h := typ << 4
	if typ == PUBREL {
		h |= 2
	}
	return append(b, h, 2, byte(pid>>8), byte(pid))
}

// AppendSubscribe appends a SUBSCRIBE packet for the filters.
func AppendSubscribe(b []byte, v byte, pid uint16, qos byte, filters []string) []byte {
	n := 2
	if v == 5 {
		n++
	}
	for _, f := range filters {
		n += 3 + len(f)
	}
	b = append(b, SUBSCRIBE<<4|2)
	b = appendLen(b, n)
	b = append(b, byte(pid>>8), byte(pid))
	if v == 5 {
		b = append(b, 0)
	}
	for _, f := range filters {
		b = appendStr(b, f)
		b = append(b, qos)
	}
	return b
}

// Packet is a decoded packet; the slices point into the read buffer.
type Packet struct {
	Type    byte
	Flags   byte
	ID      uint16
	Code    byte // CONNACK return/reason code, ack reason
	Session bool // CONNACK session present
	Codes   []byte
	Topic   []byte
	Payload []byte
}

// QoS of a PUBLISH.
func (p *Packet) QoS() byte { return p.Flags >> 1 & 3 }

// Parse decodes one packet of b. It returns the number of bytes used, 0 when b
// does not hold a whole packet.
func Parse(b []byte, v byte, p *Packet) (int, error) {
	if len(b) < 2 {
		return 0, nil
	}
	n, i, shift := 0, 1, 0
	for {
		if i >= len(b) {
			return 0, nil
		}
		c := b[i]
		i++
		n |= int(c&0x7f) << shift
		if c < 128 {
			break
		}
		shift += 7
		if shift > 21 {
			return 0, errMalformed
		}
	}
	if len(b)-i < n {
		return 0, nil
	}
	body := b[i : i+n]
	p.Type = b[0] >> 4
	p.Flags = b[0] & 15
	p.ID, p.Code, p.Codes, p.Topic, p.Payload = 0, 0, nil, nil, nil
	switch p.Type {
	case PUBLISH:
		if n < 2 {
			return 0, errMalformed
		}
		tl := int(body[0])<<8 | int(body[1])
		if n < 2+tl {
			return 0, errMalformed
		}
		p.Topic = body[2 : 2+tl]
		j := 2 + tl
		if p.Flags&6 != 0 {
			if n < j+2 {
				return 0, errMalformed
			}
			p.ID = uint16(body[j])<<8 | uint16(body[j+1])
			j += 2
		}
		if v == 5 {
			pl, m := varint(body[j:])
			if m == 0 || n < j+m+pl {
				return 0, errMalformed
			}
			j += m + pl
		}
		p.Payload = body[j:]
	case CONNACK:
		if n < 2 {
			return 0, errMalformed
		}
		p.Session = body[0]&1 == 1
		p.Code = body[1]
	case PUBACK, PUBREC, PUBREL, PUBCOMP:
		if n < 2 {
			return 0, errMalformed
		}
		p.ID = uint16(body[0])<<8 | uint16(body[1])
		if n > 2 {
			p.Code = body[2]
		}
	case SUBACK:
		if n < 2 {
			return 0, errMalformed
		}
		p.ID = uint16(body[0])<<8 | uint16(body[1])
		j := 2
		if v == 5 {
			pl, m := varint(body[j:])
			if m == 0 || n < j+m+pl {
				return 0, errMalformed
			}
			j += m + pl
		}
		p.Codes = body[j:]
	case DISCONNECT:
		if n > 0 {
			p.Code = body[0]
		}
	}
	return i + n, nil
}

func varint(b []byte) (v, n int) {
	shift := 0
	for n < len(b) && n < 4 {
		c := b[n]
		n++
		v |= int(c&0x7f) << shift
		if c < 128 {
			return v, n
		}
		shift += 7
	}
	return 0, 0
}

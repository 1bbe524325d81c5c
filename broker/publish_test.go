package broker_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// wantMessage receives a PUBLISH and checks what every test is about.
func (r *raw) wantMessage(topic, payload string, qos byte) *packet.Publish {
	r.t.Helper()
	p := r.wantPublish()
	require.Equal(r.t, topic, string(p.Topic))
	require.Equal(r.t, payload, string(p.Payload))
	require.Equal(r.t, qos, p.QoS)
	return p
}

// acknowledge sends a PUBACK, PUBREC, PUBREL or PUBCOMP.
func (r *raw) acknowledge(t packet.Type, id uint16, code ...broker.ReasonCode) {
	r.t.Helper()
	a := &packet.Ack{Type: t, PacketID: id}
	if len(code) > 0 {
		a.Code = byte(code[0])
	}
	r.send(a)
}

// finish is the receiver's side of an exchange, up to its end. Messages that come
// before PUBREL are received afterwards.
func (r *raw) finish(p *packet.Publish) {
	r.t.Helper()
	switch p.QoS {
	case 1:
		r.acknowledge(packet.TypePuback, p.PacketID)
	case 2:
		r.acknowledge(packet.TypePubrec, p.PacketID)
		var messages []byte
		for {
			f, err := r.next(patience)
			require.NoError(r.t, err, "waiting for PUBREL")
			if f.Type != packet.TypePublish {
				require.Equal(r.t, packet.TypePubrel.String(), f.Type.String())
				require.Equal(r.t, p.PacketID, uint16(f.body[0])<<8|uint16(f.body[1]))
				break
			}
			messages = append(messages, control(byte(f.Type)<<4|f.Flags, f.body...)...)
		}
		r.in = append(messages, r.in...)
		r.acknowledge(packet.TypePubcomp, p.PacketID)
	}
}

// put publishes and is the sender's side of the exchange, up to its end; behind it
// the message is on its way to everybody.
func (r *raw) put(topic, payload string, qos byte, id uint16) {
	r.putPacket(publish(topic, payload, qos, id))
}

func (r *raw) putPacket(p *packet.Publish) {
	r.t.Helper()
	r.send(p)
	switch p.QoS {
	case 0:
		r.ping()
	case 1:
		a := r.wantAck(packet.TypePuback)
		require.Equal(r.t, p.PacketID, a.PacketID)
		require.Less(r.t, a.Code, byte(0x80))
	case 2:
		a := r.wantAck(packet.TypePubrec)
		require.Equal(r.t, p.PacketID, a.PacketID)
		require.Less(r.t, a.Code, byte(0x80))
		r.acknowledge(packet.TypePubrel, p.PacketID)
		require.Equal(r.t, p.PacketID, r.wantAck(packet.TypePubcomp).PacketID)
	}
}

// retained is a PUBLISH that is to be kept.
func retained(topic, payload string, qos byte, id uint16) *packet.Publish {
	p := publish(topic, payload, qos, id)
	p.Retain = true
	return p
}

// DUP says whether the server itself sends again [MQTT-3.3.1-1, -3]: what the
// publisher said is not passed on.
func TestPublishDupIsNotPassedOn(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub"), join(t, srv, v, "pub")
		sub.subscribe("dup", 2)
		for i, qos := range []byte{1, 2} {
			p := publish("dup", "again", qos, uint16(i+1))
			p.Dup = true
			pub.putPacket(p)
			got := sub.wantMessage("dup", "again", qos)
			require.False(t, got.Dup)
			sub.finish(got)
		}
	})
}

// What no PUBLISH may be ends the connection.
func TestPublishMalformed(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte{'x'}, 65535)
	for name, c := range map[string]struct {
		first byte
		body  []byte // without properties
		code  broker.ReasonCode
	}{
		"DUP with QoS 0 [3.3.1-2]":       {0x38, cat(str("a"), "x"), broker.MalformedPacket},
		"QoS 3 [3.3.1-4]":                {0x36, cat(str("a"), 0, 1, "x"), broker.MalformedPacket},
		"id 0 with QoS 1 [2.2.1-3]":      {0x32, cat(str("a"), 0, 0, "x"), broker.ProtocolError},
		"id 0 with QoS 2 [2.2.1-3]":      {0x34, cat(str("a"), 0, 0, "x"), broker.ProtocolError},
		"topic with + [3.3.2-2]":         {0x30, str("a/+"), broker.TopicNameInvalid},
		"topic with # [3.3.2-2]":         {0x30, str("a/#"), broker.TopicNameInvalid},
		"topic with + in a level":        {0x30, str("a+b"), broker.TopicNameInvalid},
		"topic with # in a level":        {0x30, str("a#"), broker.TopicNameInvalid},
		"topic with U+0000 [4.7.3-2]":    {0x30, str("a\x00b"), broker.MalformedPacket},
		"topic not UTF-8 [3.3.2-1]":      {0x30, str("a\xff"), broker.MalformedPacket},
		"topic with a surrogate":         {0x30, str("a\xed\xa0\x80"), broker.MalformedPacket},
		"topic longer than the packet":   {0x30, cat(0, 9, "abc"), broker.MalformedPacket},
		"no topic":                       {0x30, nil, broker.MalformedPacket},
		"topic ends after one byte":      {0x30, []byte{0}, broker.MalformedPacket},
		"no packet identifier":           {0x32, str("a"), broker.MalformedPacket},
		"half a packet identifier":       {0x32, cat(str("a"), 0), broker.MalformedPacket},
		"wildcard behind 65534 bytes":    {0x30, cat(0xff, 0xff, long[1:], "#"), broker.TopicNameInvalid},
		"retained topic with a wildcard": {0x31, cat(str("a/+/b"), ""), broker.TopicNameInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
				r := join(t, srv, v, "c")
				r.write(control(c.first, c.body...)...)
				r.wantRefused(c.code)
			})
		})
	}
	t.Run("empty topic [4.7.3-1]", func(t *testing.T) {
		t.Parallel()
		bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
			r := join(t, srv, v, "c")
			r.send(publish("", "x", 0, 0))
			r.wantRefused(broker.ProtocolError)
		})
	})
}

// Topics are compared as they are: no normalisation, no case folding, and empty
// levels count [MQTT-4.7.3-4].
func TestPublishTopicsAreNotNormalised(t *testing.T) {
	t.Parallel()
	topics := []string{
		"a/b", "A/b", "a/B", "/a/b", "a/b/", "a//b", "a/b ", " a/b", "a", "/", "//", "a/\u00e9", "a/e\u0301",
		"\ufeffa/b", "a/\u2028", "$a/b", "a/$b", strings.Repeat("l/", 150), strings.Repeat("x", 65535),
	}
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub := join(t, srv, v, "pub")
		for _, name := range topics {
			sub := join(t, srv, v, "sub")
			require.Equal(t, byte(0), sub.subscribe(name, 0), "%.20q", name)
			for _, other := range topics {
				pub.send(publish(other, "x", 0, 0))
			}
			pub.ping()
			sub.wantMessage(name, "x", 0)
			sub.ping()
			sub.disconnect()
		}
	})
}

// The payload arrives byte for byte [MQTT-3.3.4-1], at every length of the
// remaining length field.
func TestPublishPayloadIsUnaltered(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, quiet())
		sub, pub := connect(t, addr, v, "sub"), connect(t, addr, v, "pub")
		sub.subscribe("data/#", 2)
		for i, n := range []int{0, 1, 100, 127, 128, 16_000, 16_383, 16_384, 65_535, 65_536, 2_097_120, 2_097_151, 2_097_152, 3_000_000} {
			payload := make([]byte, n)
			for j := range payload {
				payload[j] = byte(j*7 + j>>8)
			}
			qos := byte(i % 3)
			pub.putPacket(&packet.Publish{Topic: []byte("data/x"), Payload: payload, QoS: qos, PacketID: uint16(i + 1)})
			got := sub.wantPublish()
			require.True(t, bytes.Equal(payload, got.Payload), "%d bytes", n)
			sub.finish(got)
		}
	})
}

// Messages of one publisher keep their order per topic and QoS [MQTT-4.6.0-5, -6],
// however many publish at once.
func TestPublishOrderUnderConcurrency(t *testing.T) {
	t.Parallel()
	const publishers, messages = 6, 300
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, quiet())
		for _, granted := range []byte{0, 2} {
			sub := connect(t, addr, v, fmt.Sprint("sub", granted))
			sub.subscribe(fmt.Sprintf("%d/#", granted), granted)
			var wg sync.WaitGroup
			for p := range publishers {
				pub := connect(t, addr, v, fmt.Sprintf("pub%d-%d", granted, p))
				wg.Go(func() {
					var b []byte
					for i := range messages {
						b = append(b, encode(v, publish(fmt.Sprintf("%d/p%d", granted, p), fmt.Sprint(i), byte(p%3), uint16(i+1)))...)
						if p%3 == 2 {
							b = append(b, encode(v, &packet.Ack{Type: packet.TypePubrel, PacketID: uint16(i + 1)})...)
						}
					}
					_, err := pub.nc.Write(b)
					require.NoError(t, err)
				})
			}
			next := map[string]int{}
			for range publishers * messages {
				var got *packet.Publish
				for got == nil {
					f, err := sub.next(patience)
					require.NoError(t, err)
					if f.Type == packet.TypePubrel {
						sub.acknowledge(packet.TypePubcomp, uint16(f.body[0])<<8|uint16(f.body[1]))
						continue
					}
					require.Equal(t, packet.TypePublish, f.Type)
					got = &packet.Publish{}
					require.NoError(t, got.Decode(f.Flags, f.body, v))
				}
				require.Equal(t, fmt.Sprint(next[string(got.Topic)]), string(got.Payload), "%s", got.Topic)
				next[string(got.Topic)]++
				switch got.QoS {
				case 1:
					sub.acknowledge(packet.TypePuback, got.PacketID)
				case 2:
					sub.acknowledge(packet.TypePubrec, got.PacketID)
				}
			}
			wg.Wait()
		}
	})
}

// Acknowledgements come in the order of the PUBLISHes [MQTT-4.6.0-2, -3, -4].
func TestPublishAcknowledgementsInOrder(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub := join(t, srv, v, "pub")
		ids := []uint16{5, 1, 65535, 300, 2}
		for _, c := range []struct {
			qos    byte
			answer packet.Type
		}{{1, packet.TypePuback}, {2, packet.TypePubrec}} {
			var all []any
			for _, id := range ids {
				all = append(all, publish("t", "x", c.qos, id))
			}
			pub.send(all...)
			for _, id := range ids {
				require.Equal(t, id, pub.wantAck(c.answer).PacketID)
			}
		}
		for _, id := range ids {
			pub.acknowledge(packet.TypePubrel, id)
		}
		for _, id := range ids {
			require.Equal(t, id, pub.wantAck(packet.TypePubcomp).PacketID)
		}
	})
}

// An MQTT 5 publisher learns that nobody wanted its message; that is no error
// [MQTT-3.4.2-1, 3.5.2-1].
func TestPublishWithoutSubscribers(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub := join(t, srv, v, "pub")
		none := broker.NoMatchingSubscribers
		if v == packet.V311 {
			none = broker.Success
		}
		pub.send(publish("nobody", "x", 1, 1))
		require.Equal(t, byte(none), pub.wantAck(packet.TypePuback).Code)
		pub.send(publish("nobody", "x", 2, 2))
		require.Equal(t, byte(none), pub.wantAck(packet.TypePubrec).Code)
		pub.acknowledge(packet.TypePubrel, 2)
		require.Zero(t, pub.wantAck(packet.TypePubcomp).Code)

		sub := join(t, srv, v, "sub")
		sub.subscribe("somebody", 0)
		pub.send(publish("somebody", "x", 1, 3))
		require.Zero(t, pub.wantAck(packet.TypePuback).Code)
		sub.wantMessage("somebody", "x", 0)
	})
}

// Every client with a matching subscription gets the message, whatever its version
// [MQTT-4.5.0-1], and nobody else.
func TestPublishReachesEverySubscriber(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		var subs []*raw
		for i := range 10 {
			sv := []packet.Version{packet.V311, packet.V5}[i%2]
			sub := join(t, srv, sv, fmt.Sprint("sub", i))
			sub.subscribe([]string{"a/b", "a/+", "#"}[i%3], byte(i%3))
			subs = append(subs, sub)
		}
		other := join(t, srv, v, "other")
		other.subscribe("a/c", 0)
		pub := join(t, srv, v, "pub")
		p := publish("a/b", "x", 2, 1)
		p.Props.AddUser("k", "v") // not sent by 3.1.1
		pub.putPacket(p)
		for i, sub := range subs {
			got := sub.wantMessage("a/b", "x", byte(i%3))
			require.Equal(t, v == packet.V5 && sub.v == packet.V5, got.Props.Has(packet.PropUser))
			sub.finish(got)
			sub.ping()
		}
		other.ping()
		pub.ping()
	})
}

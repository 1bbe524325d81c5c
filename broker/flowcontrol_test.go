package broker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// maxPacket sets the client's Maximum Packet Size.
func maxPacket(n uint32) func(*packet.Connect) {
	return func(c *packet.Connect) { c.Props.SetMaximumPacketSize(n) }
}

// At the client's Receive Maximum QoS 1 and 2 wait, in order, and nothing else does;
// each acknowledgement makes room for one [MQTT-3.3.4-9, -10, MQTT-4.9.0-1 to -3].
func TestReceiveMaximumOfClient(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 10} {
		for _, qos := range []byte{1, 2} {
			t.Run(fmt.Sprintf("%d messages of QoS %d", n, qos), func(t *testing.T) {
				t.Parallel()
				bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
					sub, pub := join(t, srv, packet.V5, "sub", window(uint16(n))), join(t, srv, packet.V5, "pub")
					sub.subscribe("t", 2)
					pub.putPacket(retained("kept", "kept", 0, 0))
					for i := range 3 * n {
						pub.put("t", fmt.Sprint(i), qos, 1)
					}
					var sent []*packet.Publish
					for i := range n {
						sent = append(sent, sub.wantMessage("t", fmt.Sprint(i), qos))
					}
					sub.ping()
					pub.put("t", "at once", 0, 0)
					sub.wantMessage("t", "at once", 0)
					require.Zero(t, sub.subscribe("kept", 0))
					sub.wantMessage("kept", "kept", 0)
					sub.put("other", "x", 2, sent[0].PacketID) // acknowledgements are not held back

					for i := range 3 * n {
						p := sent[i]
						if qos == 2 {
							sub.acknowledge(packet.TypePubrec, p.PacketID)
							sub.wantAck(packet.TypePubrel)
							sub.ping() // it takes PUBCOMP
							sub.acknowledge(packet.TypePubcomp, p.PacketID)
						} else {
							sub.finish(p)
						}
						if i < 2*n {
							sent = append(sent, sub.wantMessage("t", fmt.Sprint(i+n), qos))
						}
						sub.ping()
					}
					require.Zero(t, srv.Metrics().InFlight)
				})
			})
		}
	}
}

// An error PUBACK and an error PUBREC make room as well [MQTT-4.9.0-2]; other
// acknowledgements, of an unknown id or repeated, do not.
func TestReceiveMaximumAndErrors(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", window(1)), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 2)
		for i := range 4 {
			pub.put("t", fmt.Sprint(i), byte(1+i%2), 1)
		}
		p := sub.wantMessage("t", "0", 1)
		for _, typ := range []packet.Type{packet.TypePuback, packet.TypePubcomp} {
			sub.acknowledge(typ, p.PacketID+1000)
			sub.ping()
		}
		sub.acknowledge(packet.TypePuback, p.PacketID, broker.QuotaExceeded)
		p = sub.wantMessage("t", "1", 2)
		sub.acknowledge(packet.TypePubrec, p.PacketID, broker.NotAuthorized)
		p = sub.wantMessage("t", "2", 1)
		sub.acknowledge(packet.TypePuback, p.PacketID)
		sub.acknowledge(packet.TypePuback, p.PacketID)
		p = sub.wantMessage("t", "3", 2)
		sub.acknowledge(packet.TypePubrec, p.PacketID)
		sub.wantAck(packet.TypePubrel)
		sub.acknowledge(packet.TypePubcomp, p.PacketID, broker.PacketIDNotFound)
		sub.ping()
		require.Zero(t, srv.Metrics().InFlight)
	})
}

// A new connection begins with the whole quota [MQTT-4.9.0-1], and it is its own
// CONNECT that says how large that is.
func TestReceiveMaximumIsPerConnection(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", persistent, window(2)), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 1)
		for i := range 12 {
			pub.put("t", fmt.Sprint(i), 1, 1)
		}
		sub.wantMessage("t", "0", 1)
		sub.wantMessage("t", "1", 1)
		sub.ping()
		sub.cut()
		next := 0
		for _, n := range []int{2, 5, 1} {
			sub = resume(t, srv, packet.V5, "sub", window(uint16(n)))
			for range n {
				sub.finish(sub.wantMessage("t", fmt.Sprint(next), 1))
				next++
			}
			for range n {
				sub.wantPublish()
			}
			sub.ping()
			sub.cut()
		}
		sub = resume(t, srv, packet.V5, "sub") // without one: 65,535
		for ; next < 12; next++ {
			sub.wantMessage("t", fmt.Sprint(next), 1)
		}
		sub.ping()
	})
}

// 3.1.1 has no Receive Maximum; the server bounds what is in flight itself.
func TestMaxInFlight(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxInFlight = 3
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub"), join(t, srv, v, "pub")
		sub.subscribe("t", 1)
		for i := range 9 {
			pub.put("t", fmt.Sprint(i), 1, 1)
		}
		for i := 0; i < 9; i += 3 {
			a, b, c := sub.wantMessage("t", fmt.Sprint(i), 1), sub.wantMessage("t", fmt.Sprint(i+1), 1), sub.wantMessage("t", fmt.Sprint(i+2), 1)
			sub.ping()
			sub.send(&packet.Ack{Type: packet.TypePuback, PacketID: c.PacketID}, &packet.Ack{Type: packet.TypePuback, PacketID: a.PacketID},
				&packet.Ack{Type: packet.TypePuback, PacketID: b.PacketID})
		}
		sub.ping()
	})
}

// A client that has more QoS 2 messages unfinished than the server announced is
// disconnected with 0x93 [MQTT-3.3.4-8]; one sent again is not one more, and
// PUBREL makes room.
func TestReceiveMaximumOfServer(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.ReceiveMaximum = 3
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		pub, ack := tryJoin(t, srv, packet.V5, "pub", persistent)
		require.EqualValues(t, 3, ack.Props.ReceiveMaximum)
		for i := range 3 {
			pub.send(publish("t", "x", 2, uint16(i+1)))
			pub.wantAck(packet.TypePubrec)
		}
		for i := range 10 {
			pub.put("t", "QoS 1 is acknowledged at once", 1, uint16(i+10))
			pub.send(publish("t", "x", 2, uint16(i%3+1)))
			pub.wantAck(packet.TypePubrec)
		}
		pub.acknowledge(packet.TypePubrel, 2)
		pub.wantAck(packet.TypePubcomp)
		pub.send(publish("t", "x", 2, 4))
		pub.wantAck(packet.TypePubrec)
		pub.send(publish("t", "x", 2, 5))
		pub.wantDisconnect(broker.ReceiveMaximumExceeded)
	})
}

// Both sides begin with a full quota on a new connection: ids that the client has
// not released before do not count against it.
func TestReceiveMaximumOfServerIsPerConnection(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.ReceiveMaximum = 2
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		pub := join(t, srv, packet.V5, "pub", persistent)
		for round := range 3 {
			for i := range 2 {
				id := uint16(10*round + i + 1)
				pub.send(publish("t", "x", 2, id))
				require.Equal(t, id, pub.wantAck(packet.TypePubrec).PacketID)
			}
			pub.cut()
			pub = resume(t, srv, packet.V5, "pub")
		}
		pub.send(publish("t", "x", 2, 100), publish("t", "x", 2, 101), publish("t", "x", 2, 102))
		pub.wantAck(packet.TypePubrec)
		pub.wantAck(packet.TypePubrec)
		pub.wantDisconnect(broker.ReceiveMaximumExceeded)
	})
}

// Nothing above the client's Maximum Packet Size is sent; a message that would be
// counts as delivered [MQTT-3.1.2-24, -25].
func TestMaximumPacketSizeOfClient(t *testing.T) {
	t.Parallel()
	const limit = 100
	fit := func(qos byte) string { // the largest payload for topic "t"
		p := publish("t", "", qos, 1)
		return strings.Repeat("x", limit-p.Size(packet.V5))
	}
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub := join(t, srv, packet.V5, "sub", persistent, window(1), maxPacket(limit))
		all, pub := join(t, srv, packet.V5, "all"), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 2)
		all.subscribe("t", 0)
		for qos := range byte(3) {
			pub.put("t", fit(qos), qos, 1)
			sub.finish(sub.wantMessage("t", fit(qos), qos))
			pub.put("t", fit(qos)+"x", qos, 1)
			sub.ping()
			all.wantMessage("t", fit(qos), 0)
			all.wantMessage("t", fit(qos)+"x", 0) // others get it
		}
		p := publish("t", fit(1), 1, 1)
		p.Props.AddUser("a", "b") // properties count
		pub.putPacket(p)
		sub.ping()
		require.Zero(t, srv.Metrics().InFlight)
		require.EqualValues(t, 4, srv.Metrics().Dropped["too_large"])

		// Behind one that waits, and from the queue of a session.
		pub.put("t", "first", 1, 1)
		first := sub.wantMessage("t", "first", 1)
		pub.put("t", fit(1)+"x", 1, 1)
		pub.put("t", "second", 1, 1)
		sub.ping()
		sub.finish(first)
		second := sub.wantMessage("t", "second", 1)
		sub.cut()
		pub.put("t", strings.Repeat("x", 50), 1, 1)
		pub.put("t", "third", 1, 1)
		sub = resume(t, srv, packet.V5, "sub", maxPacket(40))
		require.Equal(t, second.PacketID, sub.wantMessage("t", "second", 1).PacketID)
		sub.wantMessage("t", "third", 1)
		sub.ping()

		// Retained messages as well, and what was in flight before the limit fell.
		pub.putPacket(retained("kept/1", fit(0), 0, 0))
		pub.putPacket(retained("kept/2", "small", 0, 0))
		sub.subscribe("kept/+", 0)
		sub.wantMessage("kept/2", "small", 0)
		pub.put("t", "in flight, short", 1, 1)
		sub.wantMessage("t", "in flight, short", 1)
		sub.cut()
		sub = resume(t, srv, packet.V5, "sub", maxPacket(20))
		sub.wantMessage("t", "second", 1)
		sub.wantMessage("t", "third", 1)
		sub.ping()
	})
}

// Reason strings are left out where they would make a packet too large
// [MQTT-3.4.2-2, 3.5.2-2, 3.9.2-1].
func TestMaximumPacketSizeAndReasons(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.Authorizer = permit(func(_ string, _ auth.Action, resource string) bool { return resource != "no" })
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		for _, limit := range []uint32{30, 200} {
			c := join(t, srv, packet.V5, "c", maxPacket(limit))
			c.send(publish("no", "", 1, 1))
			ack := c.wantAck(packet.TypePuback)
			require.Equal(t, byte(broker.NotAuthorized), ack.Code)
			require.Equal(t, limit == 200, ack.Props.Has(packet.PropReasonString))
			c.send(publish("no", "", 2, 1))
			ack = c.wantAck(packet.TypePubrec)
			require.Equal(t, limit == 200, ack.Props.Has(packet.PropReasonString))
			c.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("no")}}})
			sub := c.wantSuback()
			require.Equal(t, []byte{byte(broker.NotAuthorized)}, sub.Codes)
			require.Equal(t, limit == 200, sub.Props.Has(packet.PropReasonString))
			c.ping()
		}
	})
}

// An answer that cannot be made small enough is not sent either: the connection ends.
func TestMaximumPacketSizeAndAnswers(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		s, u := &packet.Subscribe{PacketID: 1}, &packet.Unsubscribe{PacketID: 1}
		for range 40 {
			s.Filters = append(s.Filters, filter("f", 0))
			u.Filters = append(u.Filters, []byte("f"))
		}
		for _, p := range []any{s, u} {
			c := join(t, srv, packet.V5, "c", maxPacket(45))
			c.send(p)
			require.EqualValues(t, 45, len(encode(packet.V5, &packet.Suback{PacketID: 1, Codes: make([]byte, 40)})))
			_, err := c.next(patience)
			require.NoError(t, err)
			c.ping()
			c = join(t, srv, packet.V5, "c", maxPacket(44))
			c.send(p)
			c.wantDisconnect(broker.PacketTooLarge)
		}
	})
}

// The server closes, with 0x95, on a packet above its own limit, which CONNACK told
// [MQTT-3.2.2-15], without waiting for the rest of it.
func TestMaximumPacketSizeOfServer(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxPacketSize = 1000
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		c, ack := tryJoin(t, srv, v, "c")
		if v == packet.V5 {
			require.EqualValues(t, 1000, ack.Props.MaximumPacketSize)
		}
		p := publish("t", "", 1, 1)
		p.Payload = make([]byte, 1000-p.Size(v)-1) // a second byte of remaining length
		require.Equal(t, 1000, p.Size(v))
		c.putPacket(p)
		c.write(0x30, 0xe6, 0x07) // 998 bytes to come
		c.wantRefused(broker.PacketTooLarge)
	})
}

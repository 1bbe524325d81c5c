package broker_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// permit is an Authorizer made of one function; everybody may connect.
type permit func(client string, a auth.Action, resource string) bool

func (f permit) Authorize(_ context.Context, _ *auth.Identity, r *auth.Request) error {
	if r.Action == auth.Connect || f(r.Conn.ClientID, r.Action, r.Resource) {
		return nil
	}
	return auth.ErrDenied
}

// An opener is a permit that is asked about every message without waiting.
type opener struct{ permit }

func (o opener) Open(_ context.Context, _ *auth.Identity, c *auth.Conn) (auth.Session, error) {
	return opened{o.permit, c.ClientID}, nil
}

type opened struct {
	permit
	client string
}

func (o opened) Allow(a auth.Action, resource string) error {
	if o.permit(o.client, a, resource) {
		return nil
	}
	return auth.ErrDenied
}

func (opened) Close() {}

// The server delivers at the lower of the published and the granted QoS
// [MQTT-3.8.4-8; 3.1.1: 3.8.4-6].
func TestQoSIsTheLowerOfBoth(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub"), join(t, srv, v, "pub")
		for granted := range byte(3) {
			require.Equal(t, granted, sub.subscribe(fmt.Sprintf("granted/%d", granted), granted))
		}
		for granted := range byte(3) {
			for published := range byte(3) {
				topic := fmt.Sprintf("granted/%d", granted)
				pub.put(topic, fmt.Sprint(published), published, uint16(published)+1)
				got := sub.wantMessage(topic, fmt.Sprint(published), min(granted, published))
				require.Equal(t, got.QoS > 0, got.PacketID > 0)
				sub.finish(got)
			}
		}
		sub.ping()
	})
}

// A message that matches several subscriptions of a client comes at the highest
// QoS granted [MQTT-3.3.4-2; 3.1.1: 3.3.5-1], from us once.
func TestQoSOfOverlappingSubscriptions(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub := join(t, srv, v, "pub")
		for i, filters := range [][]string{{"a/b", "a/+", "a/#"}, {"#", "a/b", "+/b"}, {"+/+", "#", "a/b"}} {
			for best := range filters {
				sub := join(t, srv, v, "sub")
				for j, f := range filters {
					sub.subscribe(f, []byte{0, 1, 2}[(j+best)%3])
				}
				pub.put("a/b", "x", 2, uint16(i+1))
				got := sub.wantMessage("a/b", "x", 2)
				sub.finish(got)
				pub.put("a/b", "y", 1, uint16(i+1))
				sub.finish(sub.wantMessage("a/b", "y", 1))
				sub.ping()
				sub.disconnect()
			}
		}
	})
}

// QoS 1 in: PUBACK has the id, which is free afterwards [MQTT-4.3.2-4, -5]; a
// message sent again is a message [3.1.1: 4.3.2-2].
func TestQoS1FromClient(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub"), join(t, srv, v, "pub")
		sub.subscribe("t", 1)
		for i := range 3 {
			pub.put("t", fmt.Sprint(i), 1, 42)
			sub.finish(sub.wantMessage("t", fmt.Sprint(i), 1))
		}
		p := publish("t", "again", 1, 42)
		p.Dup = true
		pub.putPacket(p)
		sub.wantMessage("t", "again", 1)
	})
}

// QoS 2 in: until PUBREL a PUBLISH with the id is the same message and answered
// with PUBREC again; afterwards it is a new one [MQTT-4.3.3-8 to -13].
func TestQoS2FromClient(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub"), join(t, srv, v, "pub")
		sub.subscribe("t", 2)
		for round := range 3 {
			text := fmt.Sprint("round ", round)
			for again := range 3 {
				p := publish("t", text, 2, 7)
				p.Dup = again > 0
				pub.send(p)
				rec := pub.wantAck(packet.TypePubrec)
				require.Equal(t, uint16(7), rec.PacketID)
				require.Zero(t, rec.Code)
			}
			sub.finish(sub.wantMessage("t", text, 2))
			sub.ping() // and no second one

			pub.acknowledge(packet.TypePubrel, 7)
			comp := pub.wantAck(packet.TypePubcomp)
			require.Equal(t, uint16(7), comp.PacketID)
			require.Zero(t, comp.Code)
		}
	})
}

// PUBREL is always answered; MQTT 5 says that the id was unknown [MQTT-4.3.3-11].
func TestQoS2ReleaseOfUnknownID(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub := join(t, srv, v, "pub")
		want := broker.PacketIDNotFound
		if v == packet.V311 {
			want = broker.Success
		}
		pub.acknowledge(packet.TypePubrel, 99)
		comp := pub.wantAck(packet.TypePubcomp)
		require.Equal(t, uint16(99), comp.PacketID)
		require.Equal(t, byte(want), comp.Code)

		pub.put("t", "x", 2, 5)
		pub.acknowledge(packet.TypePubrel, 5)
		comp = pub.wantAck(packet.TypePubcomp)
		require.Equal(t, uint16(5), comp.PacketID)
		require.Equal(t, byte(want), comp.Code)

		if v == packet.V5 { // what a client sends that has lost the id itself
			pub.send(publish("t", "x", 2, 6))
			pub.wantAck(packet.TypePubrec)
			pub.acknowledge(packet.TypePubrel, 6, broker.PacketIDNotFound)
			require.Equal(t, uint16(6), pub.wantAck(packet.TypePubcomp).PacketID)
		}
	})
}

// The exactly-once promise holds across a reconnect [MQTT-4.3.3-10].
func TestQoS2FromClientAcrossReconnect(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub := join(t, srv, v, "sub")
		sub.subscribe("t", 2)
		pub := join(t, srv, v, "pub", persistent)
		pub.send(publish("t", "once", 2, 7), publish("t", "twice", 2, 8))
		pub.wantAck(packet.TypePubrec)
		pub.wantAck(packet.TypePubrec)
		once, twice := sub.wantMessage("t", "once", 2), sub.wantMessage("t", "twice", 2)
		sub.finish(once)
		sub.finish(twice)
		pub.drop()

		pub, ack := tryJoin(t, srv, v, "pub", persistent)
		require.True(t, ack.SessionPresent)
		p := publish("t", "once", 2, 7)
		p.Dup = true
		pub.send(p)
		require.Equal(t, uint16(7), pub.wantAck(packet.TypePubrec).PacketID)
		sub.ping()
		for _, id := range []uint16{7, 8} {
			pub.acknowledge(packet.TypePubrel, id)
			comp := pub.wantAck(packet.TypePubcomp)
			require.Equal(t, id, comp.PacketID)
			require.Zero(t, comp.Code)
		}
		pub.put("t", "new", 2, 7)
		sub.finish(sub.wantMessage("t", "new", 2))
		pub.drop()

		// A clean start forgets the ids.
		pub = join(t, srv, v, "pub", persistent)
		pub.send(publish("t", "third", 2, 9))
		pub.wantAck(packet.TypePubrec)
		sub.wantMessage("t", "third", 2)
		pub.drop()
		pub = join(t, srv, v, "pub")
		pub.send(publish("t", "fourth", 2, 9))
		pub.wantAck(packet.TypePubrec)
		sub.wantMessage("t", "fourth", 2)
	})
}

// QoS 2 out: PUBREL follows PUBREC, also a repeated one, and the id is in use until
// PUBCOMP [MQTT-4.3.3-1 to -7].
func TestQoS2ToClient(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub"), join(t, srv, v, "pub")
		sub.subscribe("t", 2)
		pub.put("t", "x", 2, 1)
		got := sub.wantMessage("t", "x", 2)
		require.False(t, got.Dup)
		for range 3 {
			sub.acknowledge(packet.TypePubrec, got.PacketID)
			rel := sub.wantAck(packet.TypePubrel)
			require.Equal(t, got.PacketID, rel.PacketID)
			require.Zero(t, rel.Code)
		}
		sub.acknowledge(packet.TypePubcomp, got.PacketID)
		sub.ping()
		require.Zero(t, srv.Metrics().InFlight)

		// Of no exchange that is still going on.
		sub.acknowledge(packet.TypePubcomp, got.PacketID)
		sub.acknowledge(packet.TypePuback, got.PacketID)
		sub.ping()
		sub.acknowledge(packet.TypePubrec, got.PacketID)
		rel := sub.wantAck(packet.TypePubrel)
		require.Equal(t, got.PacketID, rel.PacketID)
		if v == packet.V5 {
			require.Equal(t, byte(broker.PacketIDNotFound), rel.Code)
			sub.acknowledge(packet.TypePubrec, got.PacketID, broker.UnspecifiedError)
		}
		sub.ping()
	})
}

// PUBREC with an error ends the exchange [MQTT-4.3.3-4], PUBACK with any code does;
// neither message is sent again [MQTT-4.4.0-2].
func TestQoSErrorAcknowledgements(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", persistent), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 2)
		for i, code := range []broker.ReasonCode{
			broker.UnspecifiedError, broker.ImplementationSpecificError, broker.NotAuthorized,
			broker.TopicNameInvalid, broker.PacketIDInUse, broker.QuotaExceeded, broker.PayloadFormatInvalid,
		} {
			pub.put("t", "2", 2, 1)
			sub.acknowledge(packet.TypePubrec, sub.wantMessage("t", "2", 2).PacketID, code)
			sub.ping() // no PUBREL
			pub.put("t", "1", 1, 1)
			sub.acknowledge(packet.TypePuback, sub.wantMessage("t", "1", 1).PacketID, code)
			sub.ping()
			require.Zero(t, srv.Metrics().InFlight, "%d", i)
		}
		sub.drop()
		sub = join(t, srv, packet.V5, "sub", persistent)
		sub.ping()
	})
}

// The ids of the client and those of the server have nothing to do with each other
// [MQTT-2.2.1-4], in either state of either side, for any kind of packet.
func TestPacketIDSpacesAreIndependent(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		c, pub := join(t, srv, v, "c"), join(t, srv, v, "pub")
		c.subscribe("in", 2)
		pub.put("in", "1", 1, 1)
		pub.put("in", "2", 2, 2)
		one, two := c.wantMessage("in", "1", 1), c.wantMessage("in", "2", 2)
		require.NotEqual(t, one.PacketID, two.PacketID)

		// The same ids the other way round, of the other QoS too.
		c.put("out", "x", 1, two.PacketID)
		c.put("out", "x", 2, one.PacketID)
		c.send(publish("out", "x", 2, two.PacketID))
		c.wantAck(packet.TypePubrec)
		c.send(&packet.Subscribe{PacketID: one.PacketID, Filters: []packet.Subscription{{Filter: []byte("f"), Options: 1}}})
		require.Equal(t, one.PacketID, c.wantSuback().PacketID)
		c.send(&packet.Unsubscribe{PacketID: two.PacketID, Filters: [][]byte{[]byte("f")}})
		require.Equal(t, two.PacketID, c.wantUnsuback().PacketID)

		c.acknowledge(packet.TypePubrec, two.PacketID)
		require.Zero(t, c.wantAck(packet.TypePubrel).Code)
		c.acknowledge(packet.TypePubrel, two.PacketID) // our own exchange, not the server's
		require.Zero(t, c.wantAck(packet.TypePubcomp).Code)
		c.acknowledge(packet.TypePubcomp, two.PacketID)
		c.acknowledge(packet.TypePuback, one.PacketID)
		c.ping()
		require.Zero(t, srv.Metrics().InFlight)
	})
}

// Ids in flight towards a client are distinct and not 0 [MQTT-2.2.1-4], also when
// the sequence has gone round while an old one is still in use, and acknowledgements
// may come in any order.
func TestPacketIDsInFlightAreDistinct(t *testing.T) {
	t.Parallel()
	const window, total = 128, 70_000
	const v = packet.V5
	_, addr := start(t, quiet())
	sub, pub := connect(t, addr, v, "sub"), connect(t, addr, v, "pub")
	sub.subscribe("t", 1)
	var burst []byte
	for i := range window {
		burst = append(burst, encode(v, publish("t", "x", 1, uint16(i+1)))...)
	}
	used := map[uint16]bool{}
	for n := 0; n < total; n += window {
		pub.write(burst...)
		var acks []byte
		for i := range window {
			p := sub.wantPublish()
			require.NotZero(t, p.PacketID)
			require.False(t, used[p.PacketID], "%d is in use", p.PacketID)
			used[p.PacketID] = true
			if n == 0 && i%50 == 7 {
				continue // stays for ever
			}
			delete(used, p.PacketID)
			ack := encode(v, &packet.Ack{Type: packet.TypePuback, PacketID: p.PacketID})
			if i%3 == 0 {
				acks = append(ack, acks...)
			} else {
				acks = append(acks, ack...)
			}
		}
		sub.write(acks...)
		for range window {
			pub.want(packet.TypePuback)
		}
	}
	for id := range used {
		sub.acknowledge(packet.TypePuback, id)
	}
	sub.ping()
}

// What a client may not publish is refused in MQTT 5 and acknowledged and dropped
// in 3.1.1 [3.1.1: MQTT-3.3.5-2]; the refused QoS 2 id is free at once
// [MQTT-4.3.3-9], and nothing stays behind.
func TestQoSOfRefusedPublish(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.Authorizer = permit(func(client string, a auth.Action, resource string) bool {
		return client == "sub" || a != auth.Publish || resource != "no"
	})
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub"), join(t, srv, v, "pub")
		sub.subscribe("#", 2)
		want := broker.NotAuthorized
		if v == packet.V311 {
			want = broker.Success
		}
		pub.send(publish("no", "0", 0, 0), publish("no", "1", 1, 1), retained("no", "2", 2, 2))
		require.Equal(t, byte(want), pub.wantAck(packet.TypePuback).Code)
		require.Equal(t, byte(want), pub.wantAck(packet.TypePubrec).Code)
		pub.acknowledge(packet.TypePubrel, 2)
		comp := pub.wantAck(packet.TypePubcomp)
		if v == packet.V5 {
			require.Equal(t, byte(broker.PacketIDNotFound), comp.Code)
		}
		pub.put("yes", "x", 2, 2)
		sub.finish(sub.wantMessage("yes", "x", 2))
		sub.ping()
		require.Zero(t, srv.Metrics().RetainedMessages)
	})
}

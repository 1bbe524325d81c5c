package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// lasting is a PUBLISH with a Message Expiry Interval.
func lasting(p *packet.Publish, secs uint32) *packet.Publish {
	p.Props.SetMessageExpiry(secs)
	return p
}

// The interval that arrives is what is left of it; messages that had none get none
// [MQTT-3.3.2-6].
func TestExpiryIsCountedDown(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", persistent), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 1)
		require.EqualValues(t, 100, func() uint32 {
			pub.putPacket(lasting(publish("t", "at once", 1, 1), 100))
			p := sub.wantMessage("t", "at once", 1)
			sub.finish(p)
			return p.Props.MessageExpiry
		}())
		sub.ping()
		sub.cut()

		pub.putPacket(lasting(publish("t", "100", 1, 1), 100))
		pub.putPacket(lasting(publish("t", "30", 1, 1), 30))
		pub.putPacket(publish("t", "none", 1, 1))
		pub.putPacket(lasting(publish("t", "for long", 1, 1), 0xFFFFFFFF))
		pub.putPacket(lasting(publish("t", "0", 1, 1), 0))
		time.Sleep(31 * time.Second)
		sub = resume(t, srv, packet.V5, "sub")
		require.EqualValues(t, 69, sub.wantMessage("t", "100", 1).Props.MessageExpiry)
		require.False(t, sub.wantMessage("t", "none", 1).Props.Has(packet.PropMessageExpiry))
		require.EqualValues(t, 0xFFFFFFFF-31, sub.wantMessage("t", "for long", 1).Props.MessageExpiry)
		sub.ping()
		require.EqualValues(t, 2, srv.Metrics().Dropped["expired"])
	})
}

// A message whose time has passed before its delivery began is dropped
// [MQTT-3.3.2-5]: from the queue of a session, and behind the Receive Maximum.
func TestExpiryInQueue(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", window(1)), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 1)
		pub.putPacket(publish("t", "first", 1, 1))
		first := sub.wantMessage("t", "first", 1)
		pub.putPacket(lasting(publish("t", "10", 1, 1), 10))
		pub.putPacket(lasting(publish("t", "20", 2, 1), 20))
		pub.putPacket(lasting(publish("t", "30", 1, 1), 30))
		time.Sleep(25 * time.Second)
		sub.finish(first)
		p := sub.wantMessage("t", "30", 1)
		require.EqualValues(t, 5, p.Props.MessageExpiry)
		sub.finish(p)
		sub.ping()
		require.Zero(t, srv.Metrics().Queued)
	})
}

// Delivery that began goes on: what was sent and not acknowledged is sent again,
// expired or not, with nothing left.
func TestExpiryInFlight(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", persistent), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 2)
		pub.putPacket(lasting(publish("t", "x", 2, 1), 10))
		id := sub.wantMessage("t", "x", 2).PacketID
		sub.cut()
		time.Sleep(time.Minute)
		sub = resume(t, srv, packet.V5, "sub")
		p := sub.wantMessage("t", "x", 2)
		require.True(t, p.Dup)
		require.Equal(t, id, p.PacketID)
		require.True(t, p.Props.Has(packet.PropMessageExpiry))
		require.Zero(t, p.Props.MessageExpiry)
		sub.finish(p)
	})
}

// The exchange with the publisher goes on, too [MQTT-4.3.3-13].
func TestExpiryDuringQoS2FromClient(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		pub := join(t, srv, packet.V5, "pub")
		pub.send(lasting(publish("t", "x", 2, 30), 1))
		pub.wantAck(packet.TypePubrec)
		time.Sleep(5 * time.Second)
		pub.send(lasting(publish("t", "x", 2, 30), 1))
		require.Zero(t, pub.wantAck(packet.TypePubrec).Code)
		pub.acknowledge(packet.TypePubrel, 30)
		require.Zero(t, pub.wantAck(packet.TypePubcomp).Code)
	})
}

// Retained messages expire too, and their interval runs while they are kept
// [MQTT-3.3.2-6].
func TestExpiryOfRetained(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		pub := join(t, srv, packet.V5, "pub")
		pub.putPacket(lasting(retained("r/60", "x", 0, 0), 60))
		pub.putPacket(lasting(retained("r/10", "x", 1, 1), 10))
		pub.putPacket(retained("r/none", "x", 0, 0))
		time.Sleep(15 * time.Second)
		sub := join(t, srv, packet.V5, "sub")
		for _, filter := range []string{"r/60", "r/10", "r/none"} {
			sub.subscribe(filter, 1)
			if filter != "r/10" {
				p := sub.wantMessage(filter, "x", 0)
				require.True(t, p.Retain)
				require.Equal(t, filter == "r/60", p.Props.Has(packet.PropMessageExpiry))
				if filter == "r/60" {
					require.EqualValues(t, 45, p.Props.MessageExpiry)
				}
			}
			sub.ping()
		}
		time.Sleep(time.Minute)
		sub = join(t, srv, packet.V5, "sub2")
		sub.subscribe("r/#", 0)
		sub.wantMessage("r/none", "x", 0)
		sub.ping()
		require.EqualValues(t, 1, srv.Metrics().RetainedMessages)
		pub.ping()
	})
}

// A message for a shared group that expired with one member is not given to another
// one when the first member's session ends.
func TestExpiryInSharedQueue(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		gone, pub := join(t, srv, packet.V5, "gone", expiry(20)), join(t, srv, packet.V5, "pub")
		gone.subscribe("$share/g/t", 1)
		gone.cut()
		pub.putPacket(lasting(publish("t", "10", 1, 1), 10))
		pub.putPacket(lasting(publish("t", "60", 1, 1), 60))
		sub := join(t, srv, packet.V5, "sub")
		time.Sleep(15 * time.Second)
		sub.subscribe("$share/g/t", 1)
		sub.ping()
		time.Sleep(10 * time.Second) // the session of the other member ended
		require.EqualValues(t, 40, sub.wantMessage("t", "60", 1).Props.MessageExpiry)
		sub.ping()
	})
}

// 3.1.1 clients see no interval, but the time counts for them as well.
func TestExpiryForOldClients(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V311, "sub", persistent), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 1)
		sub.cut()
		pub.putPacket(lasting(publish("t", "10", 1, 1), 10))
		pub.putPacket(lasting(publish("t", "60", 1, 1), 60))
		time.Sleep(20 * time.Second)
		sub = resume(t, srv, packet.V311, "sub")
		sub.wantMessage("t", "60", 1)
		sub.ping()
	})
}

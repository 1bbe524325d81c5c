package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// window sets the client's Receive Maximum.
func window(n uint16) func(*packet.Connect) {
	return func(c *packet.Connect) { c.Props.SetReceiveMaximum(n) }
}

// resume connects again and requires the session.
func resume(t *testing.T, srv *broker.Server, v packet.Version, id string, mod ...func(*packet.Connect)) *raw {
	t.Helper()
	r, ack := tryJoin(t, srv, v, id, append([]func(*packet.Connect){persistent}, mod...)...)
	require.Zero(t, ack.Code)
	require.True(t, ack.SessionPresent)
	return r
}

// On resume the server sends what was not acknowledged again, in its order, with
// its ids and DUP 1, PUBREL where PUBREC came, and then what waited, without DUP
// [MQTT-4.4.0-1, MQTT-4.6.0-1, MQTT-3.3.1-1].
func TestRedeliveryOnResume(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub", persistent), join(t, srv, v, "pub")
		sub.subscribe("t/#", 2)
		ids := map[string]uint16{}
		for i, qos := range []byte{1, 2, 2, 1, 2, 1, 0} {
			text := fmt.Sprint(i)
			pub.put("t/"+text, text, qos, 1)
			ids[text] = sub.wantMessage("t/"+text, text, qos).PacketID
		}
		sub.acknowledge(packet.TypePuback, ids["3"])
		sub.acknowledge(packet.TypePubrec, ids["1"])
		require.Equal(t, ids["1"], sub.wantAck(packet.TypePubrel).PacketID)
		sub.acknowledge(packet.TypePubrec, ids["4"])
		require.Equal(t, ids["4"], sub.wantAck(packet.TypePubrel).PacketID)
		sub.acknowledge(packet.TypePubcomp, ids["4"])
		sub.ping()
		sub.cut()

		for i, qos := range []byte{0, 1, 2} { // QoS 0 is not kept
			pub.put("t/offline", fmt.Sprint("offline ", i), qos, 1)
		}
		fresh := false
		for range 3 { // as often as the connection breaks
			sub = resume(t, srv, v, "sub")
			for _, text := range []string{"0", "1", "2", "5"} {
				if text == "1" {
					require.Equal(t, ids["1"], sub.wantAck(packet.TypePubrel).PacketID)
					continue
				}
				p := sub.wantPublish()
				require.Equal(t, text, string(p.Payload))
				require.Equal(t, ids[text], p.PacketID)
				require.True(t, p.Dup)
			}
			for _, qos := range []byte{1, 2} {
				p := sub.wantMessage("t/offline", fmt.Sprint("offline ", qos), qos)
				require.Equal(t, fresh, p.Dup, "only what was sent before is sent again")
				ids[fmt.Sprint("offline ", qos)] = p.PacketID
			}
			sub.ping()
			sub.cut()
			fresh = true
		}
		sub = resume(t, srv, v, "sub")
		for range 6 {
			_, err := sub.next(patience)
			require.NoError(t, err)
		}
		for _, text := range []string{"0", "5", "offline 1"} {
			sub.acknowledge(packet.TypePuback, ids[text])
		}
		sub.acknowledge(packet.TypePubcomp, ids["1"])
		for _, text := range []string{"2", "offline 2"} {
			sub.acknowledge(packet.TypePubrec, ids[text])
			require.Equal(t, ids[text], sub.wantAck(packet.TypePubrel).PacketID)
			sub.acknowledge(packet.TypePubcomp, ids[text])
		}
		sub.ping()
		sub.cut()
		sub = resume(t, srv, v, "sub")
		sub.ping()
		require.Zero(t, srv.Metrics().InFlight)
		require.Zero(t, srv.Metrics().Queued)
	})
}

// Nothing is sent again while the connection lasts [MQTT-4.4.0-1].
func TestRedeliveryOnlyOnResume(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub", persistent), join(t, srv, v, "pub")
		sub.subscribe("t", 2)
		pub.put("t", "1", 1, 1)
		pub.put("t", "2", 2, 1)
		pub.put("t", "3", 2, 1)
		one := sub.wantMessage("t", "1", 1)
		sub.wantMessage("t", "2", 2)
		three := sub.wantMessage("t", "3", 2)
		sub.acknowledge(packet.TypePubrec, three.PacketID)
		sub.wantAck(packet.TypePubrel)
		f, err := sub.next(24 * time.Hour)
		require.Error(t, err, "got %s", f.Type)
		sub.acknowledge(packet.TypePuback, one.PacketID) // late, but good
		sub.ping()
		require.EqualValues(t, 2, srv.Metrics().InFlight)
	})
}

// A clean start has nothing to redeliver.
func TestRedeliveryNotAfterCleanStart(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub", persistent), join(t, srv, v, "pub")
		sub.subscribe("t", 2)
		pub.put("t", "1", 1, 1)
		sub.wantMessage("t", "1", 1)
		sub.cut()
		pub.put("t", "2", 1, 1)
		sub, ack := tryJoin(t, srv, v, "sub")
		require.False(t, ack.SessionPresent)
		sub.ping()
		pub.put("t", "3", 1, 1)
		sub.ping()
		require.Zero(t, srv.Metrics().InFlight)
		require.Zero(t, srv.Metrics().Queued)
	})
}

// What is published around a resume comes behind what is redelivered and queued
// [MQTT-4.6.0-1, -5], also when the new connection takes over from the old one.
func TestRedeliveryComesBeforeLiveMessages(t *testing.T) {
	t.Parallel()
	const messages = 400
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, quiet())
		sub := connect(t, addr, v, "sub", persistent)
		sub.subscribe("t", 1)
		pub := connect(t, addr, v, "pub")
		done := make(chan error, 1)
		go func() {
			var err error
			for i := 0; i < messages && err == nil; i += 4 {
				var b []byte
				for j := range 4 {
					b = append(b, encode(v, publish("t", fmt.Sprint(i+j), 1, uint16(i+j+1)))...)
				}
				_, err = pub.nc.Write(b)
			}
			done <- err
		}()
		next := 0
		for round := 0; next < messages; round++ {
			for k := range 30 + 5*round {
				p := sub.wantPublish()
				require.Equal(t, fmt.Sprint(next), string(p.Payload), "round %d, message %d", round, k)
				if sub.acknowledge(packet.TypePuback, p.PacketID); next == messages-1 {
					next++
					break
				}
				next++
			}
			if next < messages {
				sub.flushed()
				old := sub
				var ack *packet.Connack
				sub, ack = tryConnect(t, addr, v, "sub", persistent)
				require.True(t, ack.SessionPresent)
				old.drop()
			}
		}
		require.NoError(t, <-done)
	})
}

// cut drops the connection, and the server has seen it. In a bubble only.
func (r *raw) cut() {
	r.drop()
	synctest.Wait()
}

// flushed makes sure that the server has handled what was sent, whatever comes before
// the answer.
func (r *raw) flushed() {
	r.t.Helper()
	r.write(0xC0, 0)
	for {
		f, err := r.next(patience)
		require.NoError(r.t, err)
		if f.Type == packet.TypePingresp {
			return
		}
	}
}

// A session may be resumed in the other version; its messages are encoded for it.
func TestRedeliveryInTheOtherVersion(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		other := packet.V311 + packet.V5 - v
		sub, pub := join(t, srv, v, "sub", persistent), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 1)
		p := publish("t", "sent", 1, 1)
		p.Props.AddUser("k", "v")
		pub.putPacket(p)
		sub.wantMessage("t", "sent", 1)
		sub.cut()
		p.Payload = []byte("queued")
		pub.putPacket(p)
		sub = resume(t, srv, other, "sub")
		for _, text := range []string{"sent", "queued"} {
			got := sub.wantMessage("t", text, 1)
			require.Equal(t, text == "sent", got.Dup)
			require.Equal(t, other == packet.V5, got.Props.Has(packet.PropUser))
			sub.finish(got)
		}
		sub.ping()
	})
}

// The Receive Maximum of the new connection holds for what is sent again, too
// [MQTT-3.3.4-9]; the order stays.
func TestRedeliveryWithinReceiveMaximum(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", persistent), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 2)
		ids := make([]uint16, 6)
		for i := range ids {
			pub.put("t", fmt.Sprint(i), byte(1+i%2), 1)
			ids[i] = sub.wantMessage("t", fmt.Sprint(i), byte(1+i%2)).PacketID
		}
		sub.cut()
		pub.put("t", "queued", 1, 1)

		sub = resume(t, srv, packet.V5, "sub", window(2))
		pub.put("t", "live", 1, 1)
		pub.put("t", "not held back", 0, 0)
		var waiting []*packet.Publish
		for i := range 2 {
			waiting = append(waiting, sub.wantMessage("t", fmt.Sprint(i), byte(1+i%2)))
		}
		sub.wantMessage("t", "not held back", 0)
		for i := 2; ; i++ {
			sub.ping() // no more than two
			p := waiting[0]
			waiting = waiting[1:]
			if i <= len(ids) {
				require.True(t, p.Dup)
				require.Equal(t, ids[i-2], p.PacketID)
			}
			sub.finish(p)
			if i == 8 {
				break
			}
			switch {
			case i < len(ids):
				waiting = append(waiting, sub.wantMessage("t", fmt.Sprint(i), byte(1+i%2)))
			case i == 6:
				p = sub.wantMessage("t", "queued", 1)
				require.False(t, p.Dup)
				waiting = append(waiting, p)
			case i == 7:
				waiting = append(waiting, sub.wantMessage("t", "live", 1))
			}
		}
		sub.finish(waiting[0])
		sub.ping()
		require.Zero(t, srv.Metrics().InFlight)
	})
}

// What has to wait for the Receive Maximum after a resume is still owed, with DUP,
// when that connection ends too; it may also be acknowledged before it is sent again.
func TestRedeliveryCutShort(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", persistent), join(t, srv, packet.V5, "pub")
		sub.subscribe("t", 2)
		ids := make([]uint16, 5)
		for i := range ids {
			pub.put("t", fmt.Sprint(i), 2-byte(i%2), 1)
			ids[i] = sub.wantMessage("t", fmt.Sprint(i), 2-byte(i%2)).PacketID
		}
		sub.cut()
		sub = resume(t, srv, packet.V5, "sub", window(1))
		require.True(t, sub.wantMessage("t", "0", 2).Dup)
		sub.acknowledge(packet.TypePuback, ids[3]) // on its way when the connection broke
		sub.acknowledge(packet.TypePubrec, ids[2])
		require.Equal(t, ids[2], sub.wantAck(packet.TypePubrel).PacketID)
		sub.ping()
		sub.cut()
		sub = resume(t, srv, packet.V5, "sub")
		require.True(t, sub.wantMessage("t", "0", 2).Dup)
		require.True(t, sub.wantMessage("t", "1", 1).Dup)
		require.Equal(t, ids[2], sub.wantAck(packet.TypePubrel).PacketID)
		got := sub.wantMessage("t", "4", 2)
		require.True(t, got.Dup)
		require.Equal(t, ids[4], got.PacketID)
		sub.ping()
		require.EqualValues(t, 4, srv.Metrics().InFlight)
	})
}

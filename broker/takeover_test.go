package broker_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// [MQTT-3.1.4-3; 3.1.1: MQTT-3.1.4-2]: the old connection is told in 5 and closed, for
// every pair of versions and both values of the clean flag.
func TestTakeOver_3_1_4_3_OldIsClosed(t *testing.T) {
	t.Parallel()
	for _, loops := range []int{1, -1} {
		cfg := open()
		cfg.EventLoops = loops
		srv, addr := start(t, cfg)
		for _, old := range []packet.Version{packet.V311, packet.V5} {
			for _, v := range []packet.Version{packet.V311, packet.V5} {
				for _, clean := range []bool{true, false} {
					first := connect(t, addr, old, "c", keep)
					second := connect(t, addr, v, "c", func(c *packet.Connect) {
						keep(c)
						c.CleanStart = clean
					})
					first.wantRefused(broker.SessionTakenOver)
					second.ping()
					require.Len(t, srv.Clients(), 1)
					second.disconnect()
				}
			}
		}
	}
}

// Another client identifier, and one that differs in case, are others.
func TestTakeOver_OnlySameClientIdentifier(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		ids := []string{"c", "C", "c ", "c1", "\ufeffc"}
		var all []*raw
		for _, id := range ids {
			all = append(all, connect(t, addr, v, id))
		}
		for _, r := range all {
			r.ping()
		}
	})
}

// The new connection goes on with the session: subscriptions, what is in flight, what
// waits. The late end of the old one harms nothing.
func TestTakeOver_SessionGoesOn(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		first := connect(t, addr, v, "c", keep)
		require.Equal(t, byte(1), first.subscribe("t", 1))
		pub := connect(t, addr, v, "pub")
		pub.send(publish("t", "in flight", 1, 1))
		pub.wantAck(packet.TypePuback)
		sent := first.wantPublish()

		second, ack := tryConnect(t, addr, v, "c", keep)
		require.True(t, ack.SessionPresent)
		again := second.wantPublish()
		require.True(t, again.Dup)
		require.Equal(t, sent.PacketID, again.PacketID)
		first.wantRefused(broker.SessionTakenOver)
		first.drop()
		second.send(&packet.Ack{Type: packet.TypePuback, PacketID: again.PacketID})
		pub.send(publish("t", "live", 1, 2))
		pub.wantAck(packet.TypePuback)
		require.Equal(t, "live", string(second.wantPublish().Payload))
		second.drop()

		_, ack = tryConnect(t, addr, v, "c", keep)
		require.True(t, ack.SessionPresent)
	})
}

// A session that would have ended with the old connection does so; a clean start
// discards one that would not.
func TestTakeOver_SessionEnds(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		clean := func(*packet.Connect) {}
		for _, c := range []struct{ old, new func(*packet.Connect) }{{clean, keep}, {keep, clean}, {clean, clean}, {keep, cleanKeep}} {
			connect(t, addr, v, "c").disconnect() // nothing is left
			first := connect(t, addr, v, "c", c.old)
			first.subscribe("t", 1)
			second, ack := tryConnect(t, addr, v, "c", c.new)
			require.False(t, ack.SessionPresent)
			first.wantRefused(broker.SessionTakenOver)
			pub := connect(t, addr, v, "pub")
			pub.send(publish("t", "m", 1, 1))
			pub.wantAck(packet.TypePuback)
			second.ping()
			second.disconnect()
			pub.disconnect()
		}
	})
}

// What brokers commonly get wrong, 7: twenty connections with one id at a time leave
// exactly one, and every 5 client that was accepted is told why it lost.
func TestTakeOver_3_1_4_3_Stress(t *testing.T) {
	t.Parallel()
	for name, loops := range map[string]int{"loops": 2, "goroutines": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, v packet.Version) {
				cfg := open()
				cfg.EventLoops = loops
				srv, addr := start(t, cfg)
				for round := range 10 {
					mod := func(*packet.Connect) {}
					if round%2 == 1 {
						mod = keep
					}
					const n = 20
					var all [n]*raw
					for i := range all {
						all[i] = dial(t, addr, v)
					}
					var wg sync.WaitGroup
					for _, r := range all {
						wg.Go(func() { _, _ = r.nc.Write(encode(v, hello(v, "one", mod))) })
					}
					wg.Wait()
					alive := 0
					for _, r := range all {
						require.Zero(t, r.wantConnack().Code)
					}
					// Every CONNECT was answered, so only one connection is left to end: find it.
					require.Len(t, srv.Clients(), 1)
					for _, r := range all {
						_, _ = r.nc.Write([]byte{0xc0, 0})
						f, err := r.next(patience)
						switch {
						case err == nil && f.Type == packet.TypePingresp:
							alive++
						case v == packet.V5:
							require.NoError(t, err)
							require.Equal(t, packet.TypeDisconnect, f.Type)
							require.Equal(t, byte(broker.SessionTakenOver), f.body[0])
							r.wantClosed()
						default:
							require.Error(t, err)
							r.wantClosed()
						}
					}
					require.Equal(t, 1, alive)
					for _, r := range all {
						r.drop()
					}
				}
			})
		})
	}
}

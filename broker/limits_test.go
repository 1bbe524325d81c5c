package broker_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// A Maximum QoS below 2 is announced [MQTT-3.2.2-9]; SUBSCRIBE is granted less
// [MQTT-3.2.2-10], PUBLISH above it ends the connection with 0x9B [MQTT-3.2.2-11].
func TestMaxQoS(t *testing.T) {
	t.Parallel()
	for limit, most := range map[broker.QoSLimit]byte{broker.OnlyQoS0: 0, broker.UpToQoS1: 1, broker.UpToQoS2: 2} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			cfg := quiet()
			cfg.MaxQoS = limit
			bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
				c, ack := tryJoin(t, srv, v, "c")
				require.Equal(t, most < 2 && v == packet.V5, ack.Props.Has(packet.PropMaximumQoS))
				if ack.Props.Has(packet.PropMaximumQoS) {
					require.Equal(t, most, ack.Props.MaximumQoS)
				}
				require.Equal(t, []byte{0, min(1, most), most}, c.subscribes(0, filter("0", 0), filter("1", 1), filter("2", 2)))
				for qos := range most + 1 {
					c.send(publish("none", "x", qos, 1))
				}
				for range most {
					_, err := c.next(patience)
					require.NoError(t, err)
				}
				c.ping()
				if most < 2 {
					c.send(publish("none", "x", most+1, 2))
					c.wantRefused(broker.QoSNotSupported)
				}
			})
		})
	}
}

// Without retained messages: announced [MQTT-3.2.2-13 and 3.2.2.3.5], RETAIN 1 ends
// the connection with 0x9A [MQTT-3.2.2-14].
func TestDisableRetain(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.DisableRetain = true
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		c, ack := tryJoin(t, srv, v, "c")
		require.Equal(t, v == packet.V5, ack.Props.Has(packet.PropRetainAvailable))
		require.Zero(t, ack.Props.RetainAvailable)
		c.subscribe("#", 1)
		c.send(publish("t", "x", 0, 0))
		c.wantMessage("t", "x", 0)
		c.send(retained("t", "x", 1, 1))
		c.wantRefused(broker.RetainNotSupported)
		require.Zero(t, srv.Metrics().RetainedMessages)
	})
}

// Features that are off: announced, and refused in SUBACK with their own codes, 0x80
// in 3.1.1.
func TestDisableSubscriptionFeatures(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.DisableShared, cfg.DisableWildcards, cfg.DisableSubscriptionIDs = true, true, true
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		c, ack := tryJoin(t, srv, v, "c")
		shared, wild := byte(broker.SharedNotSupported), byte(broker.WildcardsNotSupported)
		for _, id := range []packet.PropertyID{packet.PropSharedAvailable, packet.PropWildcardAvailable, packet.PropSubIDAvailable} {
			require.Equal(t, v == packet.V5, ack.Props.Has(id), "%s", id)
		}
		require.Zero(t, ack.Props.SharedAvailable+ack.Props.WildcardAvailable+ack.Props.SubIDAvailable)
		if v == packet.V311 {
			shared, wild = 0x80, 0x80
		}
		require.Equal(t, []byte{shared, wild, wild, wild, 2, shared}, c.subscribes(0, filter("$share/g/t", 1), filter("#", 1), filter("a/+", 1),
			filter("a/+/b", 1), filter("plain", 2), filter("$share/g/#", 1)))
		c.send(publish("plain", "x", 0, 0), publish("t", "x", 0, 0))
		c.wantMessage("plain", "x", 0)
		c.ping()
		if v == packet.V5 {
			s := &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{filter("t", 0)}}
			s.Props.AddSubscriptionID(1)
			c.send(s)
			c.wantDisconnect(broker.SubscriptionIDsNotSupported)
		}
	})
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) { // silence means available
		_, ack := tryJoin(t, srv, packet.V5, "c")
		for _, id := range []packet.PropertyID{
			packet.PropSharedAvailable, packet.PropWildcardAvailable, packet.PropSubIDAvailable,
			packet.PropRetainAvailable, packet.PropMaximumQoS,
		} {
			require.False(t, ack.Props.Has(id), "%s", id)
		}
	})
}

// Bounds on subscriptions: 0x97 for one too many, replacing is no new one, and
// UNSUBSCRIBE makes room. Too many filters in one SUBSCRIBE end the connection.
func TestMaxSubscriptions(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxSubscriptions, cfg.MaxFiltersPerSubscribe = 3, 5
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		c := join(t, srv, v, "c")
		full := byte(broker.QuotaExceeded)
		if v == packet.V311 {
			full = 0x80
		}
		require.Equal(t, []byte{0, 1, 0, 2, full}, c.subscribes(0, filter("a", 0), filter("b", 1), filter("a", 0), filter("$share/g/c", 2), filter("d", 0)))
		require.Equal(t, byte(2), c.subscribe("b", 2))
		require.Equal(t, full, c.subscribe("d", 0))
		c.unsubscribe("a")
		require.Equal(t, byte(0), c.subscribe("d", 0))
		join(t, srv, v, "other").subscribe("a", 0)
		f := filter("a", 0)
		c.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{f, f, f, f, f, f}})
		c.wantRefused(broker.QuotaExceeded)
	})
}

// Bounds on topics and filters, at their edges.
func TestMaxTopic(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxTopicBytes, cfg.MaxTopicLevels = 20, 5
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		c := join(t, srv, v, "c")
		no := byte(broker.TopicFilterInvalid)
		if v == packet.V311 {
			no = 0x80
		}
		long := strings.Repeat("x", 20)
		require.Equal(t, []byte{0, no, 0, no, no, 0, no}, c.subscribes(0, filter(long, 0), filter(long+"x", 0), filter("1/2/3/4/5", 0), filter("1/2/3/4/5/6", 0),
			filter("/////", 0), filter("$share/group/"+long, 0), filter("$share/group/x"+long, 0)))
		c.send(publish("1/2/3/4/5", "x", 0, 0))
		c.wantMessage("1/2/3/4/5", "x", 0)
		c.send(publish(long, "x", 1, 1))
		c.wantMessage(long, "x", 0)
		c.wantMessage(long, "x", 0)
		c.wantAck(packet.TypePuback)
		for _, name := range []string{long + "x", "1/2/3/4/5/", "/////"} {
			c := join(t, srv, v, "pub")
			c.send(publish(name, "x", 1, 1))
			c.wantRefused(broker.TopicNameInvalid)
		}
	})
}

// A payload above the bound ends the connection.
func TestMaxPayloadBytes(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxPayloadBytes = 100
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		c := join(t, srv, v, "c")
		p := publish("t", strings.Repeat("x", 100), 1, 1)
		p.Props.AddUser("properties", "do not count")
		c.putPacket(p)
		p.Payload = append(p.Payload, 'x')
		c.send(p)
		c.wantRefused(broker.PacketTooLarge)
	})
}

// dropHook collects what was dropped.
type dropHook struct {
	mu   sync.Mutex
	what []string
}

func (h *dropHook) Dropped(clientID string, m *broker.Message, why broker.DropReason) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.what = append(h.what, fmt.Sprintf("%s %s %s", clientID, m.Payload, why))
}

func (h *dropHook) reported() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.what
}

// What happens at MaxQueuedMessages, by policy; every drop is counted and told.
func TestMaxQueuedMessages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		policy  broker.Overflow
		kept    []string
		dropped []string
	}{
		{"newest", broker.DropNewest, []string{"0", "1", "2"}, []string{"sub 3 queue_full", "sub 4 queue_full"}},
		{"oldest", broker.DropOldest, []string{"2", "3", "4"}, []string{"sub 0 queue_full", "sub 1 queue_full"}},
		{"disconnect", broker.DisconnectClient, []string{"0", "1", "2"}, []string{"sub 3 queue_full", "sub 4 queue_full"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range []packet.Version{packet.V311, packet.V5} {
				hook := &dropHook{}
				cfg := quiet()
				cfg.MaxQueuedMessages, cfg.Overflow, cfg.Hooks = 3, c.policy, []broker.Hook{hook}
				bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
					sub, pub := join(t, srv, v, "sub", persistent), join(t, srv, v, "pub")
					sub.subscribe("t", 1)
					sub.cut()
					for i := range 5 {
						pub.put("t", fmt.Sprint(i), 1, 1)
					}
					pub.put("t", "QoS 0 is not queued", 0, 0)
					require.Equal(t, c.dropped, hook.reported())
					require.EqualValues(t, 2, srv.Metrics().Dropped["queue_full"])
					sub = resume(t, srv, v, "sub")
					for _, want := range c.kept {
						sub.finish(sub.wantMessage("t", want, 1))
					}
					sub.ping()
					pub.put("t", "room again", 1, 1)
					sub.finish(sub.wantMessage("t", "room again", 1))
					sub.ping()
					require.Zero(t, srv.Metrics().Queued)
				})
			}
		})
	}
}

// A connected client that does not acknowledge is disconnected, if that is the policy,
// and finds what was kept when it comes back.
func TestOverflowDisconnects(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxQueuedMessages, cfg.Overflow, cfg.MaxInFlight = 2, broker.DisconnectClient, 1
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub", persistent), join(t, srv, v, "pub")
		sub.subscribe("t", 1)
		for i := range 4 {
			pub.put("t", fmt.Sprint(i), 1, 1)
		}
		sub.wantMessage("t", "0", 1)
		sub.wantRefused(broker.QuotaExceeded)
		synctest.Wait()
		sub = resume(t, srv, v, "sub")
		for i := range 3 {
			sub.finish(sub.wantMessage("t", fmt.Sprint(i), 1))
		}
		sub.ping()
	})
}

// MaxQueuedBytes bounds as well; a message that is larger than all of it displaces
// nothing.
func TestMaxQueuedBytes(t *testing.T) {
	t.Parallel()
	for _, policy := range []broker.Overflow{broker.DropNewest, broker.DropOldest} {
		cfg := quiet()
		cfg.MaxQueuedBytes, cfg.Overflow = 4096, policy
		bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
			sub, pub := join(t, srv, v, "sub", persistent), join(t, srv, v, "pub")
			sub.subscribe("t", 1)
			sub.cut()
			text := func(i int) string { return fmt.Sprint(i, strings.Repeat("x", 1800)) }
			pub.put("t", text(0), 1, 1)
			pub.put("t", text(1), 1, 1)
			pub.put("t", strings.Repeat("y", 5000), 1, 1) // never fits
			pub.put("t", text(2), 1, 1)
			pub.put("t", "small", 1, 1)
			sub = resume(t, srv, v, "sub")
			first := 0
			if policy == broker.DropOldest {
				first = 1
			}
			sub.finish(sub.wantMessage("t", text(first), 1))
			sub.finish(sub.wantMessage("t", text(first+1), 1))
			sub.finish(sub.wantMessage("t", "small", 1))
			sub.ping()
			pub.put("t", text(3), 1, 1)
			sub.finish(sub.wantMessage("t", text(3), 1))
			sub.ping()
		})
	}
}

// A client that does not read loses QoS 0 above MaxOutboxBytes and nothing of QoS 1,
// and slows nobody; what it gets is in order.
func TestMaxOutboxBytes(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxOutboxBytes = 10_000
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		slow, quick, pub := join(t, srv, v, "slow"), join(t, srv, v, "quick"), join(t, srv, v, "pub")
		slow.subscribe("t/#", 1)
		quick.subscribe("t/#", 0)
		body := strings.Repeat("x", 1000)
		const messages = 100
		for i := range messages {
			pub.put("t/0", fmt.Sprint(i, body), 0, 0)
			quick.wantMessage("t/0", fmt.Sprint(i, body), 0)
			pub.put("t/1", fmt.Sprint(i, body), 1, 1)
			quick.wantMessage("t/1", fmt.Sprint(i, body), 0)
		}
		dropped := srv.Metrics().Dropped["outbox_full"]
		require.NotZero(t, dropped)
		require.Less(t, dropped, uint64(messages))
		next, got, last := 0, 0, -1
		for next < messages {
			p := slow.wantPublish()
			n := 0
			_, _ = fmt.Sscan(string(p.Payload), &n)
			if p.QoS == 1 {
				require.Equal(t, next, n)
				next++
				slow.finish(p)
				continue
			}
			require.Greater(t, n, last)
			last = n
			got++
		}
		slow.ping()
		require.EqualValues(t, messages-dropped, got)
		pub.put("t/0", "again", 0, 0)
		slow.wantMessage("t/0", "again", 0)
	})
}

// The store of retained messages is bounded: MQTT 5 publishers learn it, replacing and
// removing still work, and those who are there get the message.
func TestMaxRetainedMessages(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxRetainedMessages = 2
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		c, live := join(t, srv, v, "c"), join(t, srv, v, "live")
		live.subscribe("#", 0)
		for _, name := range []string{"a", "b"} {
			c.putPacket(retained(name, "x", 1, 1))
			live.wantMessage(name, "x", 0)
		}
		c.send(retained("c", "x", 1, 1))
		ack := c.wantAck(packet.TypePuback)
		if v == packet.V5 {
			require.Equal(t, byte(broker.QuotaExceeded), ack.Code)
		}
		live.wantMessage("c", "x", 0)
		c.putPacket(retained("a", "y", 1, 1))
		c.putPacket(retained("b", "", 1, 1))
		c.putPacket(retained("c", "y", 1, 1))
		late := join(t, srv, v, "late")
		late.wantRetained("#", 0, "a=y", "c=y")
	})
}

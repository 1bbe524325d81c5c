package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// Each message goes to one member of each group, in turn, and to every ordinary
// subscriber [MQTT-4.8.2-3].
func TestSharedOneMemberEach(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		const members, messages = 3, 30
		pub, plain := join(t, srv, v, "pub"), join(t, srv, v, "plain")
		plain.subscribe("t/#", 1)
		groups := map[string][]*raw{}
		for _, name := range []string{"g", "h"} {
			for i := range members {
				m := join(t, srv, v, fmt.Sprint(name, i))
				require.Equal(t, byte(1), m.subscribe("$share/"+name+"/t/#", 1))
				groups[name] = append(groups[name], m)
			}
		}
		for i := range messages {
			pub.put("t/x", fmt.Sprint(i), 1, 1)
			plain.finish(plain.wantMessage("t/x", fmt.Sprint(i), 1))
		}
		plain.ping()
		for _, group := range groups {
			seen := map[string]bool{}
			for _, m := range group {
				last := -1
				for range messages / members {
					p := m.wantPublish()
					require.False(t, p.Retain)
					require.False(t, seen[string(p.Payload)])
					seen[string(p.Payload)] = true
					n := 0
					_, _ = fmt.Sscan(string(p.Payload), &n)
					require.Greater(t, n, last)
					last = n
					m.finish(p)
				}
				m.ping()
			}
			require.Len(t, seen, messages)
		}
	})
}

// A member gets messages at the QoS it was granted itself [MQTT-4.8.2-3], with its own
// identifier and options.
func TestSharedOptionsOfMember(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		pub := join(t, srv, packet.V5, "pub")
		var members []*raw
		for qos := range byte(3) {
			m := join(t, srv, packet.V5, fmt.Sprint("m", qos))
			require.Equal(t, []byte{qos}, m.subscribes(uint32(qos)+1, filter("$share/g/t", qos|asPublished)))
			members = append(members, m)
		}
		for range 6 {
			pub.putPacket(retained("t", "x", 2, 1))
		}
		for qos, m := range members {
			for range 2 {
				p := m.wantMessage("t", "x", byte(qos))
				require.Equal(t, []uint32{uint32(qos) + 1}, p.Props.SubscriptionIDs)
				require.True(t, p.Retain) // as published; not because it was kept
				m.finish(p)
			}
			m.ping()
		}
	})
}

// A client may be in several groups, and have ordinary subscriptions beside them:
// these are independent. UNSUBSCRIBE leaves one group.
func TestSharedBesideOthers(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		c, pub := join(t, srv, v, "c"), join(t, srv, v, "pub")
		for _, f := range []string{"$share/g/t", "$share/h/t", "$share/g/+", "t"} {
			c.subscribe(f, 1)
		}
		count := func(want int) {
			t.Helper()
			pub.put("t", "x", 0, 0)
			for range want {
				c.wantMessage("t", "x", 0)
			}
			c.ping()
		}
		count(4)
		require.EqualValues(t, 4, srv.Metrics().Subscriptions)
		c.unsubscribe("$share/g/t")
		count(3)
		c.unsubscribe("t", "$share/h/t")
		count(1)
		c.unsubscribe("$share/g/+")
		count(0)
		pub.send(publish("t", "x", 1, 1))
		if ack := pub.wantAck(packet.TypePuback); v == packet.V5 {
			require.Equal(t, byte(broker.NoMatchingSubscribers), ack.Code)
		}
	})
}

// Wildcards and $ work in a shared filter as in others; the share name is text.
func TestSharedFilters(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub := join(t, srv, v, "pub")
		for f, want := range map[string]string{
			"$share/g/#": "a/b", "$share/g/a/#": "a", "$share/g/+": "a", "$share/g//": "/", "$share/g//a": "/a", "$share/$x/a": "a",
			"$share/ /a": "a", "$share/\u00fc/a": "a", "$share/g/$x/#": "$x/y", "$share/g/$share/g/a": "$share/g/a", "$share/share/+/+": "a/",
		} {
			c := join(t, srv, v, "c")
			require.Zero(t, c.subscribe(f, 0), f)
			for _, no := range []string{"$y/a", "b/c/d/e/"} {
				if f != "$share/g/#" {
					pub.send(publish(no, "x", 0, 0))
				}
			}
			pub.send(publish(want, "x", 0, 0))
			c.wantMessage(want, "x", 0)
			c.ping()
			c.disconnect()
		}
	})
}

// Retained messages are not sent for shared subscriptions.
func TestSharedGetsNoRetained(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		c, pub := join(t, srv, v, "c"), join(t, srv, v, "pub")
		pub.putPacket(retained("t", "x", 1, 1))
		for range 2 {
			c.wantRetained("$share/g/t", 1)
			c.wantRetained("$share/g/#", 1)
		}
		c.wantRetained("t", 1, "t=x")
	})
}

// While a member is away, those that are there get the messages; when all are away,
// one of them gets each when it comes back.
func TestSharedOfflineMembers(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		a, b, pub := join(t, srv, v, "a", persistent), join(t, srv, v, "b", persistent), join(t, srv, v, "pub")
		a.subscribe("$share/g/t", 1)
		b.subscribe("$share/g/t", 1)
		a.cut()
		for i := range 4 {
			pub.put("t", fmt.Sprint(i), 1, 1)
			b.finish(b.wantMessage("t", fmt.Sprint(i), 1))
		}
		b.cut()
		for i := range 4 {
			pub.put("t", fmt.Sprint("offline ", i), 1, 1)
		}
		pub.put("t", "QoS 0 is not kept", 0, 0)
		require.EqualValues(t, 4, srv.Metrics().Queued)
		seen := map[string]int{}
		for _, id := range []string{"a", "b"} {
			m := resume(t, srv, v, id)
			for {
				f, err := m.next(silence)
				if err != nil {
					break
				}
				p := &packet.Publish{}
				require.NoError(t, p.Decode(f.Flags, f.body, v))
				require.False(t, p.Dup)
				seen[string(p.Payload)]++
				m.finish(p)
			}
		}
		require.Equal(t, map[string]int{"offline 0": 1, "offline 1": 1, "offline 2": 1, "offline 3": 1}, seen)
	})
}

// When a member's session ends, its unacknowledged QoS 1 messages and those that wait
// go to another member; a QoS 2 message whose delivery began does not
// [MQTT-4.8.2-4, -5].
func TestSharedSessionEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, srv *broker.Server, gone *raw){
		"disconnect": func(_ *testing.T, _ *broker.Server, gone *raw) { gone.disconnect() },
		"broken":     func(_ *testing.T, _ *broker.Server, gone *raw) { gone.cut() },
		"clean start": func(t *testing.T, srv *broker.Server, gone *raw) {
			join(t, srv, gone.v, "gone").ping()
			gone.drop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
				gone, pub := join(t, srv, packet.V5, "gone", window(2)), join(t, srv, packet.V5, "pub")
				gone.subscribe("$share/g/t", 2)
				for i, qos := range []byte{1, 2, 1, 2, 1} {
					pub.put("t", fmt.Sprint(i), qos, 1)
				}
				gone.wantMessage("t", "0", 1)
				gone.wantMessage("t", "1", 2)
				gone.ping()
				other := join(t, srv, packet.V5, "other")
				other.subscribe("$share/g/t", 2)
				other.ping()
				end(t, srv, gone)
				for _, i := range []int{0, 2, 3, 4} {
					p := other.wantMessage("t", fmt.Sprint(i), byte(1+i%2))
					require.False(t, p.Dup)
					other.finish(p)
				}
				other.ping()
				require.Zero(t, srv.Metrics().InFlight)
				require.Zero(t, srv.Metrics().Queued)
			})
		})
	}
}

// A persistent member keeps what was sent to it until its session ends, by expiry
// here.
func TestSharedSessionExpires(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		gone, pub := join(t, srv, packet.V5, "gone", expiry(60)), join(t, srv, packet.V5, "pub")
		gone.subscribe("$share/g/t", 2)
		pub.put("t", "1", 1, 1)
		pub.put("t", "2", 2, 1)
		gone.wantMessage("t", "1", 1)
		gone.wantMessage("t", "2", 2)
		other := join(t, srv, packet.V5, "other")
		other.subscribe("$share/g/t", 2)
		gone.cut()
		other.ping()
		_, err := other.next(59 * time.Second)
		require.Error(t, err)
		other.finish(other.wantMessage("t", "1", 1))
		other.ping()
		require.Zero(t, srv.Metrics().InFlight)
	})
}

// A QoS 2 delivery that began is finished with its member, across its reconnects
// [MQTT-4.8.2-4].
func TestSharedQoS2WaitsForItsMember(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		a, b, pub := join(t, srv, v, "a", persistent), join(t, srv, v, "b"), join(t, srv, v, "pub")
		a.subscribe("$share/g/t", 2)
		pub.put("t", "x", 2, 1)
		id := a.wantMessage("t", "x", 2).PacketID
		b.subscribe("$share/g/t", 2)
		a.cut()
		b.ping()
		a = resume(t, srv, v, "a")
		p := a.wantMessage("t", "x", 2)
		require.True(t, p.Dup)
		require.Equal(t, id, p.PacketID)
		a.finish(p)
		a.ping()
		b.ping()
	})
}

// An error acknowledgement discards the message; nobody else gets it [MQTT-4.8.2-6].
func TestSharedErrorAcknowledgement(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		a, pub := join(t, srv, packet.V5, "a"), join(t, srv, packet.V5, "pub")
		a.subscribe("$share/g/t", 2)
		pub.put("t", "1", 1, 1)
		pub.put("t", "2", 2, 1)
		b := join(t, srv, packet.V5, "b")
		b.subscribe("$share/g/t", 2)
		one, two := a.wantMessage("t", "1", 1), a.wantMessage("t", "2", 2)
		a.acknowledge(packet.TypePuback, one.PacketID, broker.UnspecifiedError)
		a.acknowledge(packet.TypePubrec, two.PacketID, broker.QuotaExceeded)
		a.ping()
		a.disconnect()
		b.ping()
		require.Zero(t, srv.Metrics().InFlight)
	})
}

// A member that cannot take a message at the moment is passed over; one that may not
// receive it, or takes no packet that large, too.
func TestSharedPassesOver(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.Authorizer = opener{func(client string, a auth.Action, _ string) bool { return a != auth.Receive || client != "deaf" }}
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		pub, busy := join(t, srv, packet.V5, "pub"), join(t, srv, packet.V5, "busy", window(1))
		small, deaf := join(t, srv, packet.V5, "small", maxPacket(30)), join(t, srv, packet.V5, "deaf")
		busy.subscribe("$share/g/t", 1)
		pub.put("t", "first", 1, 1)
		first := busy.wantMessage("t", "first", 1)
		small.subscribe("$share/g/t", 1)
		deaf.subscribe("$share/g/t", 1)
		ready := join(t, srv, packet.V5, "ready")
		ready.subscribe("$share/g/t", 1)
		large := string(make([]byte, 100))
		for range 12 {
			pub.put("t", large, 1, 1)
			ready.finish(ready.wantMessage("t", large, 1))
		}
		for _, m := range []*raw{busy, small, deaf} {
			m.ping()
		}
		busy.finish(first)
		busy.ping()
	})
}

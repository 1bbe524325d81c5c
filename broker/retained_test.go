package broker_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// Subscription options of MQTT 5.
const (
	noLocal     = 0x04
	asPublished = 0x08
	onlyIfNew   = 0x10 // Retain Handling 1
	notRetained = 0x20 // Retain Handling 2
)

// subscribes sends one SUBSCRIBE with a subscription identifier, 0 for none, and
// returns its codes.
func (r *raw) subscribes(id uint32, filters ...packet.Subscription) []byte {
	r.t.Helper()
	s := &packet.Subscribe{PacketID: 77, Filters: filters}
	if id > 0 {
		s.Props.AddSubscriptionID(id)
	}
	r.send(s)
	ack := r.wantSuback()
	require.EqualValues(r.t, 77, ack.PacketID)
	return ack.Codes
}

func filter(f string, options byte) packet.Subscription {
	return packet.Subscription{Filter: []byte(f), Options: options}
}

func (r *raw) unsubscribe(filters ...string) *packet.Unsuback {
	r.t.Helper()
	u := &packet.Unsubscribe{PacketID: 78}
	for _, f := range filters {
		u.Filters = append(u.Filters, []byte(f))
	}
	r.send(u)
	ack := r.wantUnsuback()
	require.EqualValues(r.t, 78, ack.PacketID)
	return ack
}

// wantRetained subscribes and requires exactly the given "topic=payload" to come as
// retained, in any order.
func (r *raw) wantRetained(f string, options byte, want ...string) {
	r.t.Helper()
	r.subscribe(f, options)
	var got []string
	for range want {
		p := r.wantPublish()
		require.True(r.t, p.Retain, "RETAIN says that the message was kept [MQTT-3.3.1-8 of 3.1.1]")
		require.False(r.t, p.Dup)
		got = append(got, string(p.Topic)+"="+string(p.Payload))
		r.finish(p)
	}
	require.ElementsMatch(r.t, want, got)
	r.ping()
}

// RETAIN 1 replaces what is kept, of any QoS; RETAIN 0 changes nothing; an empty
// payload removes it, is not kept, and is delivered [MQTT-3.3.1-5 to -8; 3.1.1:
// 3.3.1-5 to -12].
func TestRetainedReplaceAndRemove(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub, live := join(t, srv, v, "pub"), join(t, srv, v, "live")
		live.subscribe("#", 0)
		check := func(want ...string) {
			t.Helper()
			late := join(t, srv, v, "late")
			late.wantRetained("r", 2, want...)
			late.disconnect()
		}
		for i, qos := range []byte{0, 1, 2, 1, 0, 2, 0} {
			text := fmt.Sprint("kept ", i)
			pub.putPacket(retained("r", text, qos, 1))
			require.False(t, live.wantMessage("r", text, 0).Retain, "live delivery [MQTT-3.3.1-12]")
			check("r=" + text)
			pub.put("r", "not kept", qos, 1)
			live.wantMessage("r", "not kept", 0)
			check("r=" + text)
			pub.put("r", "", qos, 1) // RETAIN 0: nothing is removed
			live.wantMessage("r", "", 0)
			check("r=" + text)
		}
		require.EqualValues(t, 1, srv.Metrics().RetainedMessages)
		for _, qos := range []byte{0, 1, 2} {
			pub.putPacket(retained("r", "x", 0, 1))
			live.wantMessage("r", "x", 0)
			pub.putPacket(retained("r", "", qos, 1))
			require.False(t, live.wantMessage("r", "", 0).Retain)
			check()
			pub.putPacket(retained("r", "", qos, 1)) // there is none
			live.wantMessage("r", "", 0)
			require.Zero(t, srv.Metrics().RetainedMessages)
		}
		check()
		live.ping()
	})
}

// The QoS of a retained message is the lower of its own and the granted one.
func TestRetainedQoS(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub, sub := join(t, srv, v, "pub"), join(t, srv, v, "sub")
		for qos := range byte(3) {
			pub.putPacket(retained(fmt.Sprint("r", qos), "x", qos, 1))
		}
		for granted := range byte(3) {
			for qos := range byte(3) {
				sub.subscribe(fmt.Sprint("r", qos), granted)
				p := sub.wantMessage(fmt.Sprint("r", qos), "x", min(qos, granted))
				require.True(t, p.Retain)
				sub.finish(p)
			}
		}
		sub.ping()
	})
}

// Every matching message comes [3.1.1: MQTT-3.3.1-6], with the wildcard rules of
// filters, also that of topics that begin with $ [MQTT-4.7.2-1].
func TestRetainedMatching(t *testing.T) {
	t.Parallel()
	topics := []string{"a", "a/b", "a/b/c", "a/", "/a", "/", "//", "b", "$x", "$x/a", "a/$x", "$"}
	cases := map[string][]string{
		"#":       {"a", "a/b", "a/b/c", "a/", "/a", "/", "//", "b", "a/$x"},
		"a/#":     {"a", "a/b", "a/b/c", "a/", "a/$x"},
		"+":       {"a", "b"},
		"+/+":     {"a/b", "a/", "/a", "/", "a/$x"},
		"/+":      {"/a", "/"},
		"+/":      {"a/", "/"},
		"/#":      {"/a", "/", "//"},
		"+/a":     {"/a"},
		"+/#":     {"a", "a/b", "a/b/c", "a/", "/a", "/", "//", "b", "a/$x"},
		"$x/#":    {"$x", "$x/a"},
		"$x/+":    {"$x/a"},
		"$x":      {"$x"},
		"$":       {"$"},
		"$/#":     {"$"},
		"a/b/#":   {"a/b", "a/b/c"},
		"a/+/#":   {"a/b", "a/b/c", "a/", "a/$x"},
		"a/+/c":   {"a/b/c"},
		"a/+/c/#": {"a/b/c"},
		"/":       {"/"},
		"+/+/+":   {"a/b/c", "//"},
		"c":       nil, "c/#": nil, "A": nil, "$y/#": nil, "$x/#/": nil,
	}
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub := join(t, srv, v, "pub")
		for _, name := range topics {
			pub.putPacket(retained(name, name, 1, 1))
		}
		for f, want := range cases {
			sub := join(t, srv, v, "sub")
			var all []string
			for _, name := range want {
				all = append(all, name+"="+name)
			}
			sub.wantRetained(f, 0, all...)
			sub.disconnect()
		}
	})
}

// Retain Handling: 0 always, 1 if the subscription is new, 2 never [MQTT-3.3.1-9,
// -10, -11]; 3.1.1 has 0 only [3.1.1: MQTT-3.8.4-3].
func TestRetainedHandling(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub, sub := join(t, srv, v, "pub"), join(t, srv, v, "sub")
		pub.putPacket(retained("r/a", "x", 0, 0))
		for range 3 {
			sub.wantRetained("r/+", 0, "r/a=x")
			sub.wantRetained("r/a", 1, "r/a=x")
		}
		if v == packet.V311 {
			return
		}
		sub.wantRetained("r/+", onlyIfNew)
		sub.wantRetained("r/a", onlyIfNew|2)
		sub.unsubscribe("r/a")
		sub.wantRetained("r/a", onlyIfNew, "r/a=x")
		sub.wantRetained("r/a", onlyIfNew)
		sub.wantRetained("r/a", 0, "r/a=x")
		sub.wantRetained("r/a", notRetained)
		sub.wantRetained("r/#", notRetained)
		sub.wantRetained("r/#", onlyIfNew) // it exists
		sub.wantRetained("r/#", 0, "r/a=x")
		pub.putPacket(retained("r/a", "live", 0, 0))
		sub.wantMessage("r/a", "live", 0)
		sub.ping()
	})
}

// Resuming a session is no subscription: retained messages do not come again; a
// subscription in the resumed session is not new.
func TestRetainedAndResume(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub, sub := join(t, srv, v, "pub"), join(t, srv, v, "sub", persistent)
		pub.putPacket(retained("r/a", "x", 1, 1))
		sub.wantRetained("r/#", 1, "r/a=x")
		sub.cut()
		sub = resume(t, srv, v, "sub")
		sub.ping()
		if v == packet.V5 {
			sub.wantRetained("r/#", onlyIfNew|1)
		}
		sub.wantRetained("r/#", 1, "r/a=x")
		sub.cut()
		// Kept by no session [3.1.1: MQTT-3.1.2-7].
		pub.cut()
		sub = join(t, srv, v, "sub")
		sub.wantRetained("r/#", 1, "r/a=x")
	})
}

// Live messages have RETAIN 0 unless the subscription asks for Retain As Published
// [MQTT-3.3.1-12, -13].
func TestRetainAsPublished(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		pub, sub := join(t, srv, packet.V5, "pub"), join(t, srv, packet.V5, "sub")
		sub.subscribe("rap", asPublished|2)
		sub.subscribe("plain", 2)
		for qos := range byte(3) {
			for _, kept := range []bool{true, false} {
				for _, topic := range []string{"rap", "plain"} {
					p := publish(topic, "x", qos, 1)
					p.Retain = kept
					pub.putPacket(p)
					got := sub.wantMessage(topic, "x", qos)
					require.Equal(t, kept && topic == "rap", got.Retain)
					sub.finish(got)
				}
			}
		}
		p := retained("rap", "", 0, 0) // the one that removes
		pub.putPacket(p)
		require.True(t, sub.wantMessage("rap", "", 0).Retain)

		// The option may change, holds for queued messages, and for each client by itself.
		sub.subscribe("plain", asPublished|notRetained)
		other := join(t, srv, packet.V5, "other")
		other.subscribe("plain", notRetained)
		pub.putPacket(retained("plain", "x", 0, 0))
		require.True(t, sub.wantMessage("plain", "x", 0).Retain)
		require.False(t, other.wantMessage("plain", "x", 0).Retain)

		off := join(t, srv, packet.V5, "off", persistent)
		off.subscribe("rap", asPublished|1)
		off.subscribe("plain", notRetained|1)
		off.cut()
		pub.putPacket(retained("rap", "x", 1, 1))
		pub.putPacket(retained("plain", "x", 1, 1))
		off = resume(t, srv, packet.V5, "off")
		require.True(t, off.wantMessage("rap", "x", 1).Retain)
		require.False(t, off.wantMessage("plain", "x", 1).Retain)
	})
}

// SUBACK comes before the retained messages, which carry the subscription
// identifier [MQTT-3.3.4-3]; each filter of a SUBSCRIBE brings its own.
func TestRetainedAndIdentifiers(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		pub, sub := join(t, srv, packet.V5, "pub"), join(t, srv, packet.V5, "sub")
		pub.putPacket(retained("r/a", "x", 2, 1))
		pub.putPacket(retained("r/b", "x", 2, 1))
		require.Equal(t, []byte{1, 2}, sub.subscribes(9, filter("r/a", 1), filter("r/b", 2)))
		for i, topic := range []string{"r/a", "r/b"} {
			p := sub.wantMessage(topic, "x", byte(i+1))
			require.True(t, p.Retain)
			require.Equal(t, []uint32{9}, p.Props.SubscriptionIDs)
			sub.finish(p)
		}
		sub.subscribes(10, filter("r/a", onlyIfNew), filter("+/a", onlyIfNew), filter("r/b", 0))
		require.Equal(t, []uint32{10}, sub.wantMessage("r/a", "x", 0).Props.SubscriptionIDs)
		require.Equal(t, []uint32{10}, sub.wantMessage("r/b", "x", 0).Props.SubscriptionIDs)
		sub.ping()
	})
}

// Retained messages of the client itself come with No Local as little as live ones
// [MQTT-3.8.3-3].
func TestRetainedAndNoLocal(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		c, other := join(t, srv, packet.V5, "c"), join(t, srv, packet.V5, "other")
		c.putPacket(retained("r/mine", "x", 0, 0))
		other.putPacket(retained("r/theirs", "x", 0, 0))
		c.wantRetained("r/+", noLocal, "r/theirs=x")
		c.wantRetained("r/+", 0, "r/theirs=x", "r/mine=x")
	})
}

// The retained messages of many topics all come, whatever the client's pace, and
// live messages are not overtaken by older retained ones.
func TestRetainedMany(t *testing.T) {
	t.Parallel()
	t.Run("pipe", func(t *testing.T) {
		t.Parallel()
		bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
			testRetainedMany(t, join(t, srv, v, "pub"), join(t, srv, v, "sub"), 3000, 200)
		})
	})
	t.Run("TCP", func(t *testing.T) {
		t.Parallel()
		both(t, func(t *testing.T, v packet.Version) {
			_, addr := start(t, quiet())
			testRetainedMany(t, connect(t, addr, v, "pub"), connect(t, addr, v, "sub"), 1000, 20_000)
		})
	})
}

func testRetainedMany(t *testing.T, pub, sub *raw, topics, size int) {
	payload := string(make([]byte, size))
	for i := range topics {
		pub.send(retained(fmt.Sprint("r/", i), payload, byte(i%2), 1))
		if i%2 == 1 {
			pub.want(packet.TypePuback)
		}
	}
	sub.subscribe("r/#", 1)
	for i := range topics { // while sub has read nothing
		pub.send(retained(fmt.Sprint("r/", i), payload+"new", byte(i%2), 1))
		if i%2 == 1 {
			pub.want(packet.TypePuback)
		}
	}
	last := map[string]int{}
	fresh := 0 // of QoS 1, of which nothing may be dropped
	for fresh < topics/2 || len(last) < topics {
		f, err := sub.next(patience)
		require.NoError(t, err, "%d topics, %d new messages", len(last), fresh)
		p := &packet.Publish{}
		require.NoError(t, p.Decode(f.Flags, f.body, sub.v))
		require.GreaterOrEqual(t, len(p.Payload), last[string(p.Topic)], "%s goes back", p.Topic)
		if p.QoS == 1 && len(p.Payload) > size && last[string(p.Topic)] <= size {
			fresh++
		}
		last[string(p.Topic)] = len(p.Payload)
		sub.finish(p)
	}
}

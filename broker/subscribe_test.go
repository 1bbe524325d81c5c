package broker_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// One SUBACK with the id of the SUBSCRIBE and a code per filter, in order
// [MQTT-3.8.4-1, -2, -5, -6, -7, MQTT-3.9.3-1, -2].
func TestSubscribeManyFilters(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		c := join(t, srv, v, "c")
		s := &packet.Subscribe{PacketID: 4711}
		var want []byte
		for i := range 1000 {
			s.Filters = append(s.Filters, filter(fmt.Sprintf("f/%d", i), byte(i%3)))
			want = append(want, byte(i%3))
		}
		s.Filters[10].Filter, want[10] = []byte("not/#/valid"), byte(broker.TopicFilterInvalid)
		s.Filters[500].Filter, want[500] = []byte("a+"), byte(broker.TopicFilterInvalid)
		s.Filters[999].Filter, want[999] = []byte("$share/g"), byte(broker.TopicFilterInvalid)
		if v == packet.V311 {
			want[10], want[500], want[999] = 0x80, 0x80, 0x80 // its only failure
		}
		c.send(s)
		ack := c.wantSuback()
		require.EqualValues(t, 4711, ack.PacketID)
		require.Equal(t, want, ack.Codes)
		for _, i := range []int{0, 1, 2, 998} {
			topic := fmt.Sprintf("f/%d", i)
			c.send(publish(topic, "x", 0, 0))
			c.wantMessage(topic, "x", 0)
		}
		require.EqualValues(t, 997, srv.Metrics().Subscriptions)

		u := &packet.Unsubscribe{PacketID: 4712, Filters: [][]byte{[]byte("f/0"), []byte("none"), []byte("f/0"), []byte("f/1")}}
		c.send(u)
		unack := c.wantUnsuback()
		require.EqualValues(t, 4712, unack.PacketID)
		if v == packet.V5 { // [MQTT-3.11.3-1, -2]
			require.Equal(t, []byte{0, 0x11, 0x11, 0}, unack.Codes)
		}
		require.EqualValues(t, 995, srv.Metrics().Subscriptions)
	})
}

// What no SUBSCRIBE and no UNSUBSCRIBE may be ends the connection.
func TestSubscribeMalformed(t *testing.T) {
	t.Parallel()
	v5, v311 := []packet.Version{packet.V5}, []packet.Version{packet.V311}
	all := append(v5, v311...)
	for name, c := range map[string]struct {
		first    byte
		id       []byte
		body     []byte // behind the properties
		props    []byte
		code     broker.ReasonCode
		versions []packet.Version
	}{
		"no filter [3.8.3-2; 3.1.1: 3.8.3-3]":             {0x82, []byte{0, 1}, nil, nil, broker.ProtocolError, all},
		"id 0 [2.2.1-3]":                                  {0x82, []byte{0, 0}, cat(str("a"), 0), nil, broker.ProtocolError, all},
		"flags 0 [3.8.1-1]":                               {0x80, []byte{0, 1}, cat(str("a"), 0), nil, broker.MalformedPacket, all},
		"QoS 3 [3.8.3-5; 3.1.1: 3.8.3-4]":                 {0x82, []byte{0, 1}, cat(str("a"), 3), nil, broker.ProtocolError, all},
		"QoS 3 in the second":                             {0x82, []byte{0, 1}, cat(str("a"), 1, str("b"), 3), nil, broker.ProtocolError, all},
		"reserved bits 6, 7 [3.8.3-5]":                    {0x82, []byte{0, 1}, cat(str("a"), 0x40), nil, broker.MalformedPacket, all},
		"reserved bit 7":                                  {0x82, []byte{0, 1}, cat(str("a"), 0x80), nil, broker.MalformedPacket, all},
		"No Local in 3.1.1 [3.1.1: 3.8.3-4]":              {0x82, []byte{0, 1}, cat(str("a"), 4), nil, broker.MalformedPacket, v311},
		"Retain As Published in 3.1.1":                    {0x82, []byte{0, 1}, cat(str("a"), 8), nil, broker.MalformedPacket, v311},
		"Retain Handling 3 [3.8.3-5]":                     {0x82, []byte{0, 1}, cat(str("a"), 0x30), nil, broker.ProtocolError, v5},
		"filter without options":                          {0x82, []byte{0, 1}, str("a"), nil, broker.MalformedPacket, all},
		"filter cut":                                      {0x82, []byte{0, 1}, cat(0, 5, "ab"), nil, broker.MalformedPacket, all},
		"filter not UTF-8 [3.8.3-1]":                      {0x82, []byte{0, 1}, cat(str("\xff"), 0), nil, broker.MalformedPacket, all},
		"filter with U+0000 [4.7.3-2]":                    {0x82, []byte{0, 1}, cat(str("a\x00"), 0), nil, broker.MalformedPacket, all},
		"identifier 0":                                    {0x82, []byte{0, 1}, cat(str("a"), 0), []byte{11, 0}, broker.ProtocolError, v5},
		"two identifiers":                                 {0x82, []byte{0, 1}, cat(str("a"), 0), []byte{11, 1, 11, 2}, broker.ProtocolError, v5},
		"identifier of five bytes":                        {0x82, []byte{0, 1}, cat(str("a"), 0), []byte{11, 0x80, 0x80, 0x80, 0x80, 1}, broker.MalformedPacket, v5},
		"a property of another packet":                    {0x82, []byte{0, 1}, cat(str("a"), 0), []byte{0x21, 0, 1}, broker.ProtocolError, v5},
		"No Local on a shared subscription [3.8.3-4]":     {0x82, []byte{0, 1}, cat(str("$share/g/a"), 4), nil, broker.ProtocolError, v5},
		"UNSUBSCRIBE: no filter [3.10.3-2]":               {0xa2, []byte{0, 1}, nil, nil, broker.ProtocolError, all},
		"UNSUBSCRIBE: id 0 [2.2.1-3]":                     {0xa2, []byte{0, 0}, str("a"), nil, broker.ProtocolError, all},
		"UNSUBSCRIBE: flags 0 [3.10.1-1]":                 {0xa0, []byte{0, 1}, str("a"), nil, broker.MalformedPacket, all},
		"UNSUBSCRIBE: filter cut":                         {0xa2, []byte{0, 1}, cat(0, 5, "ab"), nil, broker.MalformedPacket, all},
		"UNSUBSCRIBE: one byte behind the last filter":    {0xa2, []byte{0, 1}, cat(str("a"), 0), nil, broker.MalformedPacket, all},
		"UNSUBSCRIBE: filter not UTF-8 [3.10.3-1]":        {0xa2, []byte{0, 1}, str("\xed\xbf\xbf"), nil, broker.MalformedPacket, all},
		"UNSUBSCRIBE: with a Subscription Identifier":     {0xa2, []byte{0, 1}, str("a"), []byte{11, 1}, broker.ProtocolError, v5},
		"nothing at all":                                  {0x82, nil, nil, nil, broker.MalformedPacket, v311},
		"UNSUBSCRIBE: nothing at all":                     {0xa2, nil, nil, nil, broker.MalformedPacket, v311},
		"an id of one byte":                               {0x82, []byte{1}, nil, nil, broker.MalformedPacket, v311},
		"one byte behind the last filter":                 {0x82, []byte{0, 1}, cat(str("a"), 0, 0), nil, broker.MalformedPacket, all},
		"filter longer than the packet by its own length": {0x82, []byte{0, 1}, cat(0xff, 0xff, "a"), nil, broker.MalformedPacket, all},
	} {
		for _, v := range c.versions {
			t.Run(fmt.Sprintf("%s/%d", name, v), func(t *testing.T) {
				t.Parallel()
				bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
					r := join(t, srv, v, "c")
					body := slices.Clone(c.id)
					if v == packet.V5 {
						body = append(append(body, byte(len(c.props))), c.props...)
					}
					r.write(control(c.first, append(body, c.body...)...)...)
					if v == packet.V311 {
						r.wantClosed()
						return
					}
					p := &packet.Disconnect{}
					require.NoError(t, p.Decode(r.want(packet.TypeDisconnect).body, v, false))
					if p.Code != byte(c.code) { // the standard leaves some open
						require.Contains(t, []byte{byte(broker.MalformedPacket), byte(broker.ProtocolError)}, p.Code)
					}
					r.wantClosed()
				})
			})
		}
	}
}

// A second subscription with the same filter replaces the first, with all options
// [MQTT-3.8.4-3], and messages are neither lost nor doubled meanwhile [MQTT-3.8.4-4].
func TestSubscribeReplaces(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		srv, addr := start(t, quiet())
		sub, pub := connect(t, addr, v, "sub"), connect(t, addr, v, "pub")
		for _, f := range []string{"t", "t/#", "$share/g/t"} {
			for i, qos := range []byte{2, 0, 1} {
				require.Equal(t, qos, sub.subscribe(f, qos))
				pub.put("t", "x", 2, 1)
				p := sub.wantMessage("t", "x", qos)
				require.Equal(t, qos > 0, p.PacketID > 0, "%s %d", f, i)
				sub.finish(p)
				sub.ping()
			}
			require.EqualValues(t, 1, srv.Metrics().Subscriptions)
			sub.unsubscribe(f)
		}

		sub.subscribe("t", 1)
		const messages = 2000
		var stop atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			again := encode(v, &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{filter("t", 1)}})
			for !stop.Load() {
				if _, err := sub.nc.Write(again); err != nil {
					return
				}
			}
		}()
		go func() {
			for i := range messages {
				if _, err := pub.nc.Write(encode(v, publish("t", fmt.Sprint(i), 0, 0))); err != nil {
					return
				}
			}
		}()
		for next := 0; next < messages; {
			f, err := sub.next(patience)
			require.NoError(t, err)
			if f.Type == packet.TypePublish {
				p := &packet.Publish{}
				require.NoError(t, p.Decode(f.Flags, f.body, v))
				require.Equal(t, fmt.Sprint(next), string(p.Payload))
				next++
			}
		}
		stop.Store(true)
		for {
			select {
			case <-done:
				return
			default:
				_, _ = sub.next(silence)
			}
		}
	})
}

// A subscription is in force before its SUBACK leaves: what is sent right behind it,
// even in the same write, matches.
func TestSubscribeIsInForceAtOnce(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		c := join(t, srv, v, "c")
		for i := range 50 {
			topic := fmt.Sprint("t", i)
			c.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{filter(topic, 1)}}, publish(topic, "x", 0, 0),
				&packet.Unsubscribe{PacketID: 2, Filters: [][]byte{[]byte(topic)}}, publish(topic, "y", 0, 0))
			c.wantSuback()
			c.wantMessage(topic, "x", 0)
			c.wantUnsuback()
			c.ping()
		}
	})
}

// UNSUBSCRIBE compares filters byte by byte [MQTT-3.10.4-1], ends what is named and
// nothing else [-2], lets deliveries that began finish [-3] and is answered also
// when nothing was there [-4, -5]; the end holds for a resumed session.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub", persistent), join(t, srv, v, "pub")
		sub.subscribe("a/+", 2)
		sub.subscribe("a/b", 0)
		codes := func(want broker.ReasonCode, filters ...string) {
			t.Helper()
			ack := sub.unsubscribe(filters...)
			if v == packet.V5 {
				require.Len(t, ack.Codes, len(filters))
				for _, c := range ack.Codes {
					require.Equal(t, byte(want), c)
				}
			}
		}
		codes(broker.NoSubscriptionExisted, "a/#", "A/b", "a/b/", "a/c", "#", "+/+", "$share/g/a/b", "a", "/a/b")
		pub.put("a/b", "x", 2, 1)
		p := sub.wantMessage("a/b", "x", 2)
		sub.acknowledge(packet.TypePubrec, p.PacketID)
		sub.wantAck(packet.TypePubrel)
		codes(broker.Success, "a/+")
		sub.acknowledge(packet.TypePubcomp, p.PacketID)
		require.Zero(t, srv.Metrics().Queued)
		pub.put("a/b", "y", 2, 1)
		sub.wantMessage("a/b", "y", 0) // the other one is left
		pub.put("a/c", "y", 2, 1)
		codes(broker.Success, "a/b")
		pub.put("a/b", "z", 1, 1)
		sub.ping()
		codes(broker.NoSubscriptionExisted, "a/b", "a/+")

		sub.subscribe("a/b", 1)
		sub.cut()
		pub.put("a/b", "queued", 1, 1)
		sub = resume(t, srv, v, "sub")
		sub.finish(sub.wantMessage("a/b", "queued", 1))
		codes(broker.Success, "a/b")
		sub.cut()
		pub.put("a/b", "not any more", 1, 1)
		sub = resume(t, srv, v, "sub")
		sub.ping()
		require.Zero(t, srv.Metrics().Subscriptions)
	})
}

// No Local keeps a client's messages from itself, and from nobody else
// [MQTT-3.8.3-3]; each subscription has its own.
func TestSubscribeNoLocal(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		a, b := join(t, srv, packet.V5, "a", persistent, will("nl", "will of a")), join(t, srv, packet.V5, "b")
		a.subscribe("nl", noLocal|2)
		b.subscribe("nl", noLocal|2)
		for qos := range byte(3) {
			a.send(publish("nl", "from a", qos, 1))
			p := b.wantMessage("nl", "from a", qos)
			b.finish(p)
			switch qos {
			case 1:
				a.want(packet.TypePuback)
			case 2:
				a.want(packet.TypePubrec)
				a.acknowledge(packet.TypePubrel, 1)
				a.want(packet.TypePubcomp)
			}
			a.ping()
		}
		b.send(publish("nl", "from b", 1, 1))
		b.wantAck(packet.TypePuback)
		a.finish(a.wantMessage("nl", "from b", 1))
		b.ping()

		a.subscribe("+", 0) // overlaps, without the option
		a.send(publish("nl", "from a", 0, 0))
		a.wantMessage("nl", "from a", 0)
		b.wantMessage("nl", "from a", 0)
		a.unsubscribe("+")

		// The client id counts, not the connection: a will, and a message published by
		// the connection before.
		a.cut()
		require.Equal(t, "will of a", string(b.wantPublish().Payload))
		a = resume(t, srv, packet.V5, "a")
		a.ping()
		a.send(publish("nl", "from a", 0, 0))
		b.wantMessage("nl", "from a", 0)
		a.subscribe("nl", 0) // replaced: no option any more
		a.send(publish("nl", "from a", 0, 0))
		a.wantMessage("nl", "from a", 0)
	})
}

// A message carries the identifiers of all subscriptions that caused it
// [MQTT-3.3.4-3, -4, -5], also from the queue and again.
func TestSubscribeIdentifiers(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", persistent), join(t, srv, packet.V5, "pub")
		sub.subscribes(1, filter("a/b", 0), filter("x", 1))
		sub.subscribes(268435455, filter("a/+", 2))
		sub.subscribes(128, filter("a/#", 1))
		sub.subscribe("+/b", 1) // without
		check := func(topic, payload string, qos byte, ids ...uint32) *packet.Publish {
			t.Helper()
			p := sub.wantMessage(topic, payload, qos)
			require.ElementsMatch(t, ids, p.Props.SubscriptionIDs)
			return p
		}
		for qos := range byte(3) {
			pub.put("a/b", "x", qos, 1)
			sub.finish(check("a/b", "x", qos, 1, 268435455, 128))
		}
		pub.put("a/b/c", "x", 0, 0)
		check("a/b/c", "x", 0, 128)
		pub.put("a/c", "x", 2, 1)
		sub.finish(check("a/c", "x", 2, 268435455, 128))
		pub.put("b/b", "x", 1, 1)
		sub.finish(check("b/b", "x", 1))
		pub.put("x", "x", 1, 1)
		sub.finish(check("x", "x", 1, 1))

		sub.subscribes(5, filter("x", 1)) // another one
		pub.put("x", "x", 1, 1)
		sub.finish(check("x", "x", 1, 5))
		sub.subscribe("x", 1) // none any more
		pub.put("x", "x", 1, 1)
		sub.finish(check("x", "x", 1))

		pub.put("a/b", "in flight", 2, 1)
		sub.wantPublish()
		sub.cut()
		pub.put("a/b", "queued", 2, 1)
		sub = resume(t, srv, packet.V5, "sub")
		require.True(t, check("a/b", "in flight", 2, 1, 268435455, 128).Dup)
		check("a/b", "queued", 2, 1, 268435455, 128)
		sub.unsubscribe("a/+", "a/#", "a/b")
		pub.put("a/b", "x", 0, 1)
		check("a/b", "x", 0)
	})
}

// Refused filters: 0x87 in MQTT 5, 0x80 in 3.1.1; the others of the SUBSCRIBE count.
func TestSubscribeDenied(t *testing.T) {
	t.Parallel()
	allowed := permit(func(_ string, a auth.Action, resource string) bool {
		return (a != auth.Receive || resource != "secret") && (a != auth.Subscribe || resource != "no")
	})
	t.Run("asked", func(t *testing.T) { t.Parallel(); testSubscribeDenied(t, allowed) })
	t.Run("opened", func(t *testing.T) { t.Parallel(); testSubscribeDenied(t, opener{allowed}) })
}

func testSubscribeDenied(t *testing.T, z auth.Authorizer) {
	cfg := quiet()
	cfg.DenySubscribe = []string{"deny/exactly", "deny/#", "#"}
	cfg.Authorizer = z
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		no := byte(broker.NotAuthorized)
		if v == packet.V311 {
			no = 0x80
		}
		c, pub := join(t, srv, v, "c"), join(t, srv, v, "pub")
		require.Equal(t, []byte{no, no, no, no, 0, 1, 2, no, no}, c.subscribes(0, filter("deny/exactly", 0), filter("deny/#", 0),
			filter("#", 0), filter("no", 0), filter("deny/other", 0), filter("deny/+", 1), filter("yes", 2),
			filter("$share/g/deny/#", 0), filter("$share/g/#", 1)))
		pub.put("deny/other", "x", 1, 1)
		c.finish(c.wantMessage("deny/other", "x", 1))
		pub.put("no", "x", 0, 0)
		c.ping()
		require.EqualValues(t, 3, srv.Metrics().Subscriptions)
		// What may be subscribed to and not received.
		require.Zero(t, c.subscribe("+", 0))
		pub.put("open", "x", 0, 0)
		pub.put("secret", "x", 0, 0)
		c.wantMessage("open", "x", 0)
		c.ping()
		require.EqualValues(t, 1, srv.Metrics().Dropped["denied"])
	})
}

package broker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// aliased is a PUBLISH with a topic alias; an empty topic stands for the alias.
func aliased(topic, payload string, alias uint16) *packet.Publish {
	p := publish(topic, payload, 0, 0)
	p.Props.SetTopicAlias(alias)
	return p
}

// aliases sets the client's Topic Alias Maximum.
func aliases(n uint16) func(*packet.Connect) {
	return func(c *packet.Connect) { c.Props.SetTopicAliasMaximum(n) }
}

// An alias of the client stands for its topic until it is set to another one
// [MQTT-3.3.2-12]; it is not passed on [MQTT-3.3.2-7].
func TestAliasFromClient(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub := join(t, srv, packet.V5, "sub")
		pub, ack := tryJoin(t, srv, packet.V5, "pub")
		require.EqualValues(t, 32, ack.Props.TopicAliasMaximum)
		sub.subscribe("#", 2)
		for i, c := range []struct {
			topic string
			alias uint16
			want  string
		}{
			{"a", 1, "a"},
			{"", 1, "a"},
			{"b", 2, "b"},
			{"", 1, "a"},
			{"", 2, "b"},
			{"", 2, "b"},
			{"c", 1, "c"},
			{"", 1, "c"},
			{"", 2, "b"},
			{"c", 2, "c"},
			{"", 2, "c"},
			{"", 1, "c"},
			{"max", 32, "max"},
			{"", 32, "max"},
			{"a", 0, "a"},
		} {
			p := publish(c.topic, fmt.Sprint(i), byte(i%3), uint16(i+1))
			if c.alias > 0 {
				p.Props.SetTopicAlias(c.alias)
			}
			pub.putPacket(p)
			got := sub.wantMessage(c.want, fmt.Sprint(i), byte(i%3))
			require.False(t, got.Props.Has(packet.PropTopicAlias))
			sub.finish(got)
		}
	})
}

// An alias is set by a PUBLISH whatever becomes of it: by a repeated QoS 2 one, and
// by one that is not allowed.
func TestAliasSetByPublishThatGoesNoFurther(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub"), join(t, srv, packet.V5, "pub")
		sub.subscribe("#", 0)
		pub.send(publish("first", "x", 2, 1), func() *packet.Publish {
			p := publish("again", "x", 2, 1)
			p.Dup = true
			p.Props.SetTopicAlias(1)
			return p
		}(), aliased("", "y", 1), aliased("$SYS/no", "x", 2), aliased("", "x", 2))
		sub.wantMessage("first", "x", 0)
		sub.wantMessage("again", "y", 0)
		pub.wantAck(packet.TypePubrec)
		pub.wantAck(packet.TypePubrec)
		sub.ping()
		pub.ping()
	})
}

// An alias of 0, above the maximum or not set ends the connection with 0x94
// [MQTT-3.3.2-8 to -11].
func TestAliasInvalid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		maximum int
		p       *packet.Publish
		code    broker.ReasonCode
	}{
		"zero":                    {0, aliased("a", "x", 0), broker.TopicAliasInvalid},
		"zero without topic":      {0, aliased("", "x", 0), broker.TopicAliasInvalid},
		"above the maximum":       {0, aliased("a", "x", 33), broker.TopicAliasInvalid},
		"the largest":             {0, aliased("a", "x", 65535), broker.TopicAliasInvalid},
		"not set":                 {0, aliased("", "x", 5), broker.TopicAliasInvalid},
		"not set, below others":   {0, aliased("", "x", 1), broker.TopicAliasInvalid},
		"aliases are not offered": {-1, aliased("a", "x", 1), broker.TopicAliasInvalid},
		"above a small maximum":   {3, aliased("a", "x", 4), broker.TopicAliasInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quiet()
			cfg.TopicAliasMaximum = c.maximum
			bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
				pub, ack := tryJoin(t, srv, packet.V5, "pub")
				require.Equal(t, c.maximum >= 0, ack.Props.Has(packet.PropTopicAliasMaximum))
				if c.maximum >= 0 {
					pub.send(aliased("b", "x", 2))
				}
				pub.send(c.p)
				pub.wantDisconnect(c.code)
			})
		})
	}
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
			pub := join(t, srv, packet.V5, "pub")
			pub.write(control(0x30, cat(str("a"), 6, 0x23, 0, 1, 0x23, 0, 1)...)...)
			pub.wantDisconnect(broker.ProtocolError)
		})
	})
}

// Aliases end with the connection [MQTT-3.3.2-7], also where the session goes on, in
// both directions.
func TestAliasDoesNotSurvive(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		pub := join(t, srv, packet.V5, "pub", persistent)
		pub.send(aliased("topic", "x", 1), aliased("", "x", 1))
		pub.ping()
		pub.cut()
		pub = resume(t, srv, packet.V5, "pub")
		pub.send(aliased("", "x", 1))
		pub.wantDisconnect(broker.TopicAliasInvalid)

		sub := join(t, srv, packet.V5, "sub", persistent, aliases(10))
		pub = join(t, srv, packet.V5, "pub")
		sub.subscribe("topic", 1)
		sub.finish(sub.wantAliased(t, map[uint16]string{}, "topic", "x", func() { pub.put("topic", "x", 1, 1) }))
		pub.put("topic", "in flight", 1, 1)
		sub.wantPublish()
		sub.cut()
		pub.put("topic", "queued", 1, 1)
		known := map[uint16]string{}
		sub = resume(t, srv, packet.V5, "sub", aliases(10))
		sub.wantAliased(t, known, "topic", "in flight", func() {})
		sub.wantAliased(t, known, "topic", "queued", func() {})
		sub.cut()
		sub = resume(t, srv, packet.V5, "sub") // none allowed now
		sub.wantMessage("topic", "in flight", 1)
		sub.wantMessage("topic", "queued", 1)
	})
}

// wantAliased receives a PUBLISH whose topic may be an alias of the server's.
func (r *raw) wantAliased(t *testing.T, known map[uint16]string, topic, payload string, act func()) *packet.Publish {
	t.Helper()
	act()
	p := r.wantPublish()
	name := string(p.Topic)
	if p.Props.Has(packet.PropTopicAlias) {
		if name != "" {
			known[p.Props.TopicAlias] = name
		}
		name = known[p.Props.TopicAlias]
	}
	require.Equal(t, topic, name)
	require.Equal(t, payload, string(p.Payload))
	return p
}

// The server uses aliases only as far as the client allows [MQTT-3.3.2-9, -10, -11],
// and uses them right.
func TestAliasToClient(t *testing.T) {
	t.Parallel()
	for _, n := range []uint16{0, 1, 3, 65535} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
				sub, pub := join(t, srv, packet.V5, "sub", aliases(n)), join(t, srv, packet.V5, "pub")
				plain := join(t, srv, packet.V5, "plain")
				old := join(t, srv, packet.V311, "old")
				sub.subscribe("topic/#", 2)
				plain.subscribe("topic/#", 0)
				old.subscribe("topic/#", 0)
				known := map[uint16]string{}
				used := 0
				for i := range 60 {
					topic := fmt.Sprint("topic/", i%6)
					got := sub.wantAliased(t, known, topic, fmt.Sprint(i), func() { pub.put(topic, fmt.Sprint(i), byte(i%3), 1) })
					if got.Props.Has(packet.PropTopicAlias) {
						require.NotZero(t, got.Props.TopicAlias)
						require.LessOrEqual(t, got.Props.TopicAlias, n)
						used++
					}
					sub.finish(got)
					require.False(t, plain.wantMessage(topic, fmt.Sprint(i), 0).Props.Has(packet.PropTopicAlias))
					old.wantMessage(topic, fmt.Sprint(i), 0)
				}
				require.Equal(t, n > 0, used > 0)
			})
		})
	}
}

// An alias must not make a message too large that fits without, and one whose first
// message was not sent is not used.
func TestAliasAndMaximumPacketSize(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub", aliases(5), maxPacket(60)), join(t, srv, packet.V5, "pub")
		sub.subscribe("topic/#", 0)
		known := map[uint16]string{}
		exact := strings.Repeat("x", 60-publish("topic/x", "", 0, 0).Size(packet.V5))
		pub.send(publish("topic/x", exact+"x", 0, 0))
		sub.wantAliased(t, known, "topic/x", exact, func() { pub.send(publish("topic/x", exact, 0, 0)) })
		for range 3 {
			sub.wantAliased(t, known, "topic/x", "short", func() { pub.send(publish("topic/x", "short", 0, 0)) })
		}
		// With the topic replaced there is room for more.
		sub.wantAliased(t, known, "topic/x", exact+"1", func() { pub.send(publish("topic/x", exact+"1", 0, 0)) })
		sub.ping()
	})
}

package broker_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// full is a PUBLISH with every property that travels.
func full(topic string, qos byte, retain bool) *packet.Publish {
	p := publish(topic, "payload \u20ac", qos, 1)
	p.Retain = retain
	p.Props.SetPayloadFormat(1)
	p.Props.SetContentType([]byte("text/plain; charset=utf-8"))
	p.Props.SetResponseTopic([]byte("answers/here"))
	p.Props.SetCorrelationData([]byte{0, 1, 0xff, 0xc3, 0x28, 0})
	for _, kv := range [][2]string{{"b", "1"}, {"a", "2"}, {"b", "1"}, {"b", "3"}, {"", ""}, {"\u00fc", strings.Repeat("long", 500)}} {
		p.Props.AddUser(kv[0], kv[1])
	}
	return p
}

func requireProperties(t *testing.T, want, got *packet.Properties) {
	t.Helper()
	for _, id := range []packet.PropertyID{
		packet.PropPayloadFormat, packet.PropContentType, packet.PropResponseTopic,
		packet.PropCorrelationData, packet.PropUser, packet.PropMessageExpiry,
	} {
		require.Equal(t, want.Has(id), got.Has(id), "%s", id)
	}
	require.Equal(t, want.PayloadFormat, got.PayloadFormat)
	require.Equal(t, string(want.ContentType), string(got.ContentType))
	require.Equal(t, string(want.ResponseTopic), string(got.ResponseTopic))
	require.Equal(t, string(want.CorrelationData), string(got.CorrelationData))
	require.Equal(t, string(want.User), string(got.User))
}

// Properties are passed on unaltered, user properties in their order [MQTT-3.3.2-4,
// -15, -16, -17, -18, -20], whichever way the message takes.
func TestPropertiesPassOn(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		pub := join(t, srv, packet.V5, "pub")
		live := join(t, srv, packet.V5, "live", aliases(5))
		live.subscribe("p/#", 2)
		ids := join(t, srv, packet.V5, "ids")
		s := &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("p/#"), Options: 2}}}
		s.Props.AddSubscriptionID(268435455)
		ids.send(s)
		ids.wantSuback()
		shared := join(t, srv, packet.V5, "shared")
		shared.subscribe("$share/g/p/#", 2)
		offline := join(t, srv, packet.V5, "offline", persistent)
		offline.subscribe("p/#", 2)
		offline.cut()

		for qos := range byte(3) {
			want := full("p/x", qos, true)
			pub.putPacket(want)
			for _, r := range []*raw{live, ids, shared} {
				got := r.wantPublish()
				requireProperties(t, &want.Props, &got.Props)
				require.Equal(t, want.Payload, got.Payload)
				if r == ids {
					require.Equal(t, []uint32{268435455}, got.Props.SubscriptionIDs)
				}
				r.finish(got)
			}
			late := join(t, srv, packet.V5, "late")
			late.subscribe("p/x", 2)
			got := late.wantMessage("p/x", string(want.Payload), qos)
			require.True(t, got.Retain)
			requireProperties(t, &want.Props, &got.Props)
			late.finish(got)
			late.disconnect()
		}
		offline = resume(t, srv, packet.V5, "offline")
		want := full("p/x", 1, true)
		for _, qos := range []byte{1, 2} {
			requireProperties(t, &want.Props, &offline.wantMessage("p/x", string(want.Payload), qos).Props)
		}
		offline.cut()
		offline = resume(t, srv, packet.V5, "offline")
		for _, qos := range []byte{1, 2} {
			got := offline.wantMessage("p/x", string(want.Payload), qos)
			require.True(t, got.Dup)
			requireProperties(t, &want.Props, &got.Props)
		}
	})
}

// A property that is there and empty, or has its default value, stays there; one
// that is not there stays away.
func TestPropertiesEmptyAndAbsent(t *testing.T) {
	t.Parallel()
	bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
		sub, pub := join(t, srv, packet.V5, "sub"), join(t, srv, packet.V5, "pub")
		sub.subscribe("p/#", 1)
		p := publish("p/empty", "", 1, 1)
		p.Props.SetPayloadFormat(0)
		p.Props.SetContentType(nil)
		p.Props.SetCorrelationData(nil)
		p.Props.SetMessageExpiry(7)
		pub.putPacket(p)
		got := sub.wantMessage("p/empty", "", 1)
		requireProperties(t, &p.Props, &got.Props)
		require.EqualValues(t, 7, got.Props.MessageExpiry)

		p = publish("p/none", "x", 1, 1)
		pub.putPacket(p)
		require.True(t, sub.wantMessage("p/none", "x", 1).Props.Empty())
		old := join(t, srv, packet.V311, "old")
		old.putPacket(p)
		require.True(t, sub.wantMessage("p/none", "x", 1).Props.Empty())
	})
}

// A PUBLISH with properties that it may not have, with one twice, or with a bad
// value ends the connection.
func TestPropertiesInvalid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		props []byte
		code  broker.ReasonCode
	}{
		"Response Topic with a wildcard [3.3.2-14]":    {cat(8, str("a/+")), broker.ProtocolError},
		"Response Topic with # [3.3.2-14]":             {cat(8, str("a/#")), broker.ProtocolError},
		"Response Topic empty [4.7.3-1]":               {cat(8, str("")), broker.ProtocolError},
		"Response Topic not UTF-8 [3.3.2-13]":          {cat(8, str("\xff")), broker.MalformedPacket},
		"Response Topic twice":                         {cat(8, str("a"), 8, str("a")), broker.ProtocolError},
		"Content Type not UTF-8 [3.3.2-19]":            {cat(3, str("\xc0\x80")), broker.MalformedPacket},
		"Content Type twice":                           {cat(3, str("a"), 3, str("b")), broker.ProtocolError},
		"Correlation Data twice":                       {cat(9, str("a"), 9, str("b")), broker.ProtocolError},
		"Message Expiry twice":                         {cat(2, 0, 0, 0, 1, 2, 0, 0, 0, 1), broker.ProtocolError},
		"Payload Format 2":                             {cat(1, 2), broker.ProtocolError},
		"Payload Format twice":                         {cat(1, 0, 1, 0), broker.ProtocolError},
		"Subscription Identifier [3.3.4-6]":            {cat(11, 1), broker.ProtocolError},
		"Subscription Identifier 0":                    {cat(11, 0), broker.ProtocolError},
		"User Property cut by the property length":     {cat(0x26, str("a"), 0, 9, "b"), broker.MalformedPacket},
		"User Property without value":                  {cat(0x26, str("a")), broker.MalformedPacket},
		"User Property not UTF-8":                      {cat(0x26, str("a"), str("\xed\xa0\x80")), broker.MalformedPacket},
		"a property of another packet":                 {cat(0x21, 0, 5), broker.ProtocolError},
		"an unknown property":                          {cat(0x7f, 0), broker.MalformedPacket},
		"Message Expiry cut by the property length":    {cat(2, 0, 0), broker.MalformedPacket},
		"Correlation Data cut by the property length":  {cat(9, 0, 5, "abc"), broker.MalformedPacket},
		"Topic Alias cut by the property length":       {cat(0x23, 0), broker.MalformedPacket},
		"a property identifier of two bytes, too long": {cat(0x81, 0x00, 1), broker.MalformedPacket},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, quiet(), func(t *testing.T, srv *broker.Server) {
				r := join(t, srv, packet.V5, "c")
				r.write(control(0x30, cat(str("a"), len(c.props), c.props, "payload")...)...)
				p := &packet.Disconnect{}
				require.NoError(t, p.Decode(r.want(packet.TypeDisconnect).body, r.v, false))
				if p.Code != byte(c.code) { // the standard leaves some open
					require.Contains(t, []byte{byte(broker.MalformedPacket), byte(broker.ProtocolError)}, p.Code)
				}
				r.wantClosed()
			})
		})
	}
}

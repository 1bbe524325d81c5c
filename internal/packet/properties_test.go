package packet_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

// value is a valid encoding of property id with its identifier.
func value(id packet.PropertyID) string {
	s := string([]byte{byte(id)})
	switch packet.Kind(id) {
	case 'b':
		return s + "\x01"
	case '2':
		return s + "\x00\x01"
	case '4':
		return s + "\x00\x00\x00\x01"
	case 'v':
		return s + "\x01"
	case 'u':
		return s + "\x00\x01k\x00\x01v"
	default:
		return s + "\x00\x01x"
	}
}

// bodies makes the body of a packet around encoded properties, by the name of the carrier.
var bodies = map[string]struct {
	t             packet.Type
	before, after string
}{
	"CONNECT":     {packet.TypeConnect, "\x00\x04MQTT\x05\x00\x00\x00", "\x00\x00"},
	"will":        {packet.TypeConnect, "\x00\x04MQTT\x05\x04\x00\x00\x00\x00\x00", "\x00\x01w\x00\x00"},
	"CONNACK":     {packet.TypeConnack, "\x00\x00", ""},
	"PUBLISH":     {packet.TypePublish, "\x00\x01a", ""},
	"PUBACK":      {packet.TypePuback, "\x00\x01\x00", ""},
	"PUBREC":      {packet.TypePubrec, "\x00\x01\x00", ""},
	"PUBREL":      {packet.TypePubrel, "\x00\x01\x00", ""},
	"PUBCOMP":     {packet.TypePubcomp, "\x00\x01\x00", ""},
	"SUBSCRIBE":   {packet.TypeSubscribe, "\x00\x01", "\x00\x01a\x00"},
	"SUBACK":      {packet.TypeSuback, "\x00\x01", "\x00"},
	"UNSUBSCRIBE": {packet.TypeUnsubscribe, "\x00\x01", "\x00\x01a"},
	"UNSUBACK":    {packet.TypeUnsuback, "\x00\x01", "\x00"},
	"DISCONNECT":  {packet.TypeDisconnect, "\x00", ""},
	"AUTH":        {packet.TypeAuth, "\x18", ""},
}

// decodeProps decodes a packet with these encoded properties.
func decodeProps(carrier, props string) (appender, error) {
	b := bodies[carrier]
	body := b.before + string(binary.AppendUvarint(nil, uint64(len(props)))) + props + b.after
	return decodeBody(b.t, 0, []byte(body), packet.V5, true)
}

// needs is what must stand before property id for the packet to be valid otherwise.
func needs(carrier string, id packet.PropertyID) string {
	if carrier == "AUTH" && id != packet.PropAuthMethod || id == packet.PropAuthData {
		return value(packet.PropAuthMethod)
	}
	return ""
}

// Which packet may have which property, and how often, for all identifiers.
func TestPropertyPlaces(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, slices.Collect(maps.Keys(allowed)), slices.Collect(maps.Keys(bodies)))
	for carrier, ids := range allowed {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			for id := range packet.PropertyID(255) {
				_, err := decodeProps(carrier, needs(carrier, id)+value(id))
				if !slices.Contains(ids, id) {
					requireCode(t, packet.CodeMalformed, err)
					continue
				}
				require.NoError(t, err, id.String())
				_, err = decodeProps(carrier, needs(carrier, id)+value(id)+value(id))
				if id == packet.PropUser || id == packet.PropSubscriptionID && carrier == "PUBLISH" {
					require.NoError(t, err, id.String())
					continue
				}
				requireCode(t, packet.CodeProtocolError, err) // what brokers commonly get wrong, 12
			}
		})
	}
}

// Every property is cut short in every place, with the bytes behind the properties there to be taken by mistake.
func TestPropertyCut(t *testing.T) {
	t.Parallel()
	for carrier, ids := range allowed {
		for _, id := range ids {
			whole := value(id)
			for n := 1; n < len(whole); n++ {
				_, err := decodeProps(carrier, needs(carrier, id)+whole[:n])
				requireCode(t, packet.CodeMalformed, err)
			}
		}
	}
}

func TestPropertyValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, carrier, props string
		code                 byte
	}{
		{"Receive Maximum 0", "CONNECT", "\x21\x00\x00", packet.CodeProtocolError},
		{"Receive Maximum 0 in CONNACK", "CONNACK", "\x21\x00\x00", packet.CodeProtocolError},
		{"Maximum Packet Size 0", "CONNECT", "\x27\x00\x00\x00\x00", packet.CodeProtocolError},
		{"Topic Alias Maximum 0", "CONNECT", "\x22\x00\x00", 0},
		{"Request Problem Information 2", "CONNECT", "\x17\x02", packet.CodeProtocolError},
		{"Request Response Information 2", "CONNECT", "\x19\x02", packet.CodeProtocolError},
		{"Payload Format Indicator 2", "PUBLISH", "\x01\x02", packet.CodeProtocolError},
		{"Payload Format Indicator 2 in a will", "will", "\x01\x02", packet.CodeProtocolError},
		{"Maximum QoS 2", "CONNACK", "\x24\x02", packet.CodeProtocolError},
		{"Retain Available 2", "CONNACK", "\x25\x02", packet.CodeProtocolError},
		{"Wildcard Subscription Available 255", "CONNACK", "\x28\xff", packet.CodeProtocolError},
		{"Subscription Identifiers Available 2", "CONNACK", "\x29\x02", packet.CodeProtocolError},
		{"Shared Subscription Available 2", "CONNACK", "\x2a\x02", packet.CodeProtocolError},
		{"Authentication Data without Method", "CONNECT", "\x16\x00\x01d", packet.CodeProtocolError},
		{"Authentication Data before Method", "CONNECT", "\x16\x00\x01d\x15\x00\x01m", 0},
		{"Subscription Identifier 0", "PUBLISH", "\x0b\x00", packet.CodeProtocolError},
		{"Subscription Identifier of four bytes", "PUBLISH", "\x0b\xff\xff\xff\x7f", 0},
		{"Subscription Identifier of five bytes", "PUBLISH", "\x0b\x80\x80\x80\x80\x01", packet.CodeMalformed},
		{"MQTT-1.5.5-1 Subscription Identifier padded", "SUBSCRIBE", "\x0b\x81\x00", packet.CodeMalformed},
		{"MQTT-3.3.2-8 Topic Alias 0", "PUBLISH", "\x23\x00\x00", packet.CodeTopicAliasInvalid},
		{"User Property name is UTF-8", "UNSUBSCRIBE", "\x26\x00\x01\xff\x00\x00", packet.CodeMalformed},
		{"MQTT-1.5.7-1 User Property value is UTF-8", "UNSUBSCRIBE", "\x26\x00\x00\x00\x01\xff", packet.CodeMalformed},
		{"MQTT-1.5.7-1 User Property with U+0000", "UNSUBSCRIBE", "\x26\x00\x01\x00\x00\x00", packet.CodeMalformed},
		{"Reason String is UTF-8", "PUBACK", "\x1f\x00\x01\xff", packet.CodeMalformed},
		{"Content Type is UTF-8", "PUBLISH", "\x03\x00\x01\xff", packet.CodeMalformed},
		{"Correlation Data is any bytes", "PUBLISH", "\x09\x00\x02\x00\xff", 0},
		{"identifier of two bytes", "PUBLISH", "\x81\x00\x01", packet.CodeMalformed},
		{"Response Topic of a will empty", "will", "\x08\x00\x00", packet.CodeProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeProps(c.carrier, c.props)
			if c.code == 0 {
				require.NoError(t, err)
				return
			}
			requireCode(t, c.code, err)
		})
	}
}

func TestPropertyLength(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body string }{
		{"missing", "\x00\x01a"},
		{"cut", "\x00\x01a\x80"},
		{"behind the end", "\x00\x01a\x02\x01"},
		{"five bytes", "\x00\x01a\x80\x80\x80\x80\x00"},
		{"MQTT-1.5.5-1 padded", "\x00\x01a\x80\x00"},
		{"value cut by the length", "\x00\x01a\x02\x23\x00\x01"},
		{"268 million, nothing there", "\x00\x01a\xff\xff\xff\x7f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var p packet.Publish
			requireCode(t, packet.CodeMalformed, p.Decode(0, []byte(c.body), packet.V5))
		})
	}
}

// Setters, Has, Remove and Reset, for each property.
func TestPropertyPresence(t *testing.T) {
	t.Parallel()
	for _, id := range allProperties {
		t.Run(id.String(), func(t *testing.T) {
			t.Parallel()
			var p packet.Properties
			require.True(t, p.Empty())
			require.False(t, p.Has(id))
			fill(&p, id)
			require.True(t, p.Has(id))
			require.False(t, p.Empty())
			p.Remove(id)
			require.False(t, p.Has(id))
			p.Remove(id)

			fill(&p, id)
			p.Reset()
			require.True(t, p.Empty())
			p.SubscriptionIDs = nil
			require.Equal(t, packet.Properties{}, p)
		})
	}
	require.Equal(t, "Receive Maximum", packet.PropReceiveMaximum.String())
	require.Equal(t, "Property(0x00)", packet.PropertyID(0).String())
	require.Equal(t, "Property(0xff)", packet.PropertyID(255).String())
	var p packet.Properties
	require.False(t, p.Has(255))
}

// [MQTT-3.1.3-10], 3.1.3-9: the properties of a will become those of its PUBLISH, without Will Delay.
func TestWillPropertiesInPublish(t *testing.T) {
	t.Parallel()
	var will packet.Properties
	for _, id := range allowed["will"] {
		fill(&will, id)
	}
	p := packet.Publish{Topic: []byte("w"), Props: will}
	out, _ := p.Append(nil, packet.V5)
	got, err := decode(out, packet.V5, false)
	require.NoError(t, err)
	will.Remove(packet.PropWillDelay)
	requireSame(t, &publish{packet.Publish{Topic: []byte("w"), Props: will}}, got)
}

func TestUserProperties(t *testing.T) {
	t.Parallel()
	const a, b, c = "\x26\x00\x01k\x00\x011", "\x26\x00\x00\x00\x00", "\x26\x00\x01k\x00\x012"
	const other, third = "\x02\x00\x00\x00\x09", "\x03\x00\x01t"
	for _, props := range []string{
		a + b + c, other + a + b + c, a + b + c + other, a + other + b + c, a + b + other + c, a + other + b + third + c,
		other + a + third + b + c,
	} {
		var p packet.Publish
		body := []byte("\x00\x01t" + string([]byte{byte(len(props))}) + props + "payload")
		require.NoError(t, p.Decode(0, body, packet.V5))
		require.Equal(t, a+b+c, string(p.Props.User), "[MQTT-3.3.2-17] order and repeats are kept")
		require.Equal(t, "payload", string(p.Payload))
		if strings.Contains(props, a+b+c) {
			i := strings.Index(string(body), a)
			require.Same(t, &body[i], &p.Props.User[0], "one run is not copied")
		}
		// Appending to a field does not reach into the input.
		before := string(body)
		p.Props.AddUser("x", "y")
		_ = append(p.Topic, "zzz"...)
		require.Equal(t, before, string(body))
	}

	var keys []string
	for k, v := range packet.UserProperties([]byte(a + b + c)) {
		keys = append(keys, k+"="+v)
	}
	require.Equal(t, []string{"k=1", "=", "k=2"}, keys)

	for range packet.UserProperties([]byte(a + b)) {
		break
	}
	count := 0
	for range packet.UserProperties([]byte(a + "\x26\x00\x01k\x00\x02v")) {
		count++
	}
	require.Equal(t, 1, count, "ends where it is not well formed")
	for range packet.UserProperties([]byte("\x01")) {
		require.Fail(t, "not a user property")
	}
}

// The setters do not make one Properties write into what another holds.
func TestPropertiesDoNotShare(t *testing.T) {
	t.Parallel()
	ids := []uint32{1, 2, 3}
	var p packet.Publish
	p.Props.SetSubscriptionIDs(ids)
	require.NoError(t, p.Decode(0, []byte("\x00\x01a\x02\x0b\x09"), packet.V5))
	require.Equal(t, []uint32{1, 2, 3}, ids)

	raw := append(make([]byte, 0, 100), packet.AppendUserProperty(nil, "a", "b")...)
	var q packet.Properties
	q.SetUser(raw)
	q.AddUser("c", "d")
	require.Equal(t, make([]byte, 10), raw[len(raw):len(raw)+10])
}

// No length runs over its two bytes.
func TestLongStrings(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 40000) // 80,000 bytes
	cut := long[:65534]                // the last whole character
	p := packet.Publish{Topic: []byte(long), Payload: []byte("x")}
	p.Props.SetContentType([]byte(long))
	p.Props.SetCorrelationData(make([]byte, 65536))
	p.Props.AddUser(long, long)
	out, _ := p.Append(nil, packet.V5)
	require.Len(t, out, p.Size(packet.V5))
	got, err := decode(out, packet.V5, true)
	require.NoError(t, err)
	g := got.(*publish)
	require.Equal(t, cut, string(g.Topic))
	require.Equal(t, cut, string(g.Props.ContentType))
	require.Len(t, g.Props.CorrelationData, 65535)
	for k, v := range packet.UserProperties(g.Props.User) {
		require.Equal(t, cut, k)
		require.Equal(t, cut, v)
	}

	// Nor does a subscription identifier over its four.
	p = packet.Publish{Topic: []byte("a")}
	p.Props.AddSubscriptionID(0xffffffff)
	out, _ = p.Append(nil, packet.V5)
	require.Len(t, out, p.Size(packet.V5))
	_, err = decode(out, packet.V5, true)
	require.NoError(t, err)
}

// An error in a property leaves no value behind for the next packet.
func TestPropertiesAfterError(t *testing.T) {
	t.Parallel()
	for _, id := range allowed["PUBLISH"] {
		var p packet.Publish
		bad := value(id) + "\xff"
		require.Error(t, p.Decode(0, []byte(fmt.Sprintf("\x00\x01a%c%s", len(bad), bad)), packet.V5))
		require.NoError(t, p.Decode(0, []byte("\x00\x01a\x00"), packet.V5))
		p.Props.SubscriptionIDs = nil
		require.Equal(t, packet.Properties{}, p.Props)
	}
	var p packet.Publish
	requireCode(t, packet.CodeProtocolError, p.Decode(0, []byte("\x00\x01a\x02\x01\x05"), packet.V5))
	require.NoError(t, p.Decode(0, []byte("\x00\x01a\x00"), packet.V5))
	require.Equal(t, packet.Properties{}, p.Props)
}

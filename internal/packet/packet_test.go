package packet_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

// An appender is a packet of any type.
type appender interface {
	Append(dst []byte, v packet.Version) []byte
}

// publish and connect make their types appenders; ping is what has no type.
type (
	publish struct{ packet.Publish }
	connect struct{ packet.Connect }
	ping    struct{ packet.Type }
)

func (p *publish) Append(dst []byte, v packet.Version) []byte {
	dst, _ = p.Publish.Append(dst, v)
	return dst
}

func (c *connect) Append(dst []byte, _ packet.Version) []byte {
	return c.Connect.Append(dst, c.Version)
}

func (p *ping) Append(dst []byte, _ packet.Version) []byte {
	if p.Type == packet.TypePingreq {
		return packet.AppendPingreq(dst)
	}
	return packet.AppendPingresp(dst)
}

var errIncomplete = errors.New("frame incomplete")

// decode reads one whole frame of any type.
func decode(b []byte, v packet.Version, fromClient bool) (appender, error) {
	h, ok, err := packet.ParseHeader(b, v)
	if err != nil {
		return nil, err
	}
	if !ok || len(b) < h.Size {
		return nil, errIncomplete
	}
	return decodeBody(h.Type, h.Flags, b[h.Body:h.Size], v, fromClient)
}

func decodeBody(t packet.Type, flags byte, body []byte, v packet.Version, fromClient bool) (appender, error) {
	switch t {
	case packet.TypeConnect:
		p := &connect{}
		return p, p.Decode(body)
	case packet.TypeConnack:
		p := &packet.Connack{}
		return p, p.Decode(body, v)
	case packet.TypePublish:
		p := &publish{}
		return p, p.Decode(flags, body, v)
	case packet.TypePuback, packet.TypePubrec, packet.TypePubrel, packet.TypePubcomp:
		p := &packet.Ack{}
		return p, p.Decode(t, body, v)
	case packet.TypeSubscribe:
		p := &packet.Subscribe{}
		return p, p.Decode(body, v)
	case packet.TypeSuback:
		p := &packet.Suback{}
		return p, p.Decode(body, v)
	case packet.TypeUnsubscribe:
		p := &packet.Unsubscribe{}
		return p, p.Decode(body, v)
	case packet.TypeUnsuback:
		p := &packet.Unsuback{}
		return p, p.Decode(body, v)
	case packet.TypeDisconnect:
		p := &packet.Disconnect{}
		return p, p.Decode(body, v, fromClient)
	case packet.TypeAuth:
		p := &packet.Auth{}
		return p, p.Decode(body, v)
	}
	return &ping{t}, nil
}

// requireCode wants err to be an *Error with that code, and one that says something.
func requireCode(t *testing.T, code byte, err error) {
	t.Helper()
	var e *packet.Error
	require.ErrorAs(t, err, &e)
	require.Equalf(t, code, e.Code, "%v", err)
	require.NotEmpty(t, e.Reason)
}

// A wire case is a frame and the code it is refused with, 0 if it is accepted.
type wireCase struct {
	name  string
	v     packet.Version
	frame string
	code  byte
}

// runWire decodes each frame as a packet from a client, or from a server if the type is one that servers alone send.
func runWire(t *testing.T, cases []wireCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := decode([]byte(c.frame), c.v, true)
			if c.code == 0 {
				require.NoError(t, err)
				return
			}
			requireCode(t, c.code, err)
		})
	}
}

// frame puts a header before a body of fewer than 128 bytes.
func frame(first byte, body string) string {
	return string([]byte{first, byte(len(body))}) + body
}

// A sample is a valid packet.
type sample struct {
	name       string
	v          packet.Version
	fromClient bool
	p          appender
}

// fill sets property id to some value.
func fill(p *packet.Properties, id packet.PropertyID) {
	switch id {
	case packet.PropPayloadFormat:
		p.SetPayloadFormat(1)
	case packet.PropMessageExpiry:
		p.SetMessageExpiry(0xfffefdfc)
	case packet.PropContentType:
		p.SetContentType([]byte("text/plain"))
	case packet.PropResponseTopic:
		p.SetResponseTopic([]byte("réponse/à"))
	case packet.PropCorrelationData:
		p.SetCorrelationData([]byte{0, 0xff, 0xc0})
	case packet.PropSubscriptionID:
		p.AddSubscriptionID(packet.MaxRemaining)
	case packet.PropSessionExpiry:
		p.SetSessionExpiry(3600)
	case packet.PropAssignedClientID:
		p.SetAssignedClientID([]byte("auto-1"))
	case packet.PropServerKeepAlive:
		p.SetServerKeepAlive(30)
	case packet.PropAuthMethod:
		p.SetAuthMethod([]byte("SCRAM"))
	case packet.PropAuthData:
		p.SetAuthMethod([]byte("SCRAM"))
		p.SetAuthData([]byte{1, 2, 0})
	case packet.PropRequestProblem:
		p.SetRequestProblem(1)
	case packet.PropWillDelay:
		p.SetWillDelay(5)
	case packet.PropRequestResponse:
		p.SetRequestResponse(1)
	case packet.PropResponseInfo:
		p.SetResponseInfo([]byte("resp/"))
	case packet.PropServerReference:
		p.SetServerReference([]byte("other:1883"))
	case packet.PropReasonString:
		p.SetReasonString([]byte("because"))
	case packet.PropReceiveMaximum:
		p.SetReceiveMaximum(1)
	case packet.PropTopicAliasMaximum:
		p.SetTopicAliasMaximum(0)
	case packet.PropTopicAlias:
		p.SetTopicAlias(65535)
	case packet.PropMaximumQoS:
		p.SetMaximumQoS(1)
	case packet.PropRetainAvailable:
		p.SetRetainAvailable(0)
	case packet.PropUser:
		p.AddUser("k", "v")
		p.AddUser("", "")
		p.AddUser("k", "v2")
	case packet.PropMaximumPacketSize:
		p.SetMaximumPacketSize(1)
	case packet.PropWildcardAvailable:
		p.SetWildcardAvailable(0)
	case packet.PropSubIDAvailable:
		p.SetSubIDAvailable(1)
	case packet.PropSharedAvailable:
		p.SetSharedAvailable(1)
	}
}

var allProperties = []packet.PropertyID{
	0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1c, 0x1f, 0x21, 0x22,
	0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a,
}

// allowed is table 2-4 of the standard, by carrier.
var allowed = map[string][]packet.PropertyID{
	"CONNECT":     {0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27},
	"will":        {0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26},
	"CONNACK":     {0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a},
	"PUBLISH":     {0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26},
	"PUBACK":      {0x1f, 0x26},
	"PUBREC":      {0x1f, 0x26},
	"PUBREL":      {0x1f, 0x26},
	"PUBCOMP":     {0x1f, 0x26},
	"SUBSCRIBE":   {0x0b, 0x26},
	"SUBACK":      {0x1f, 0x26},
	"UNSUBSCRIBE": {0x26},
	"UNSUBACK":    {0x1f, 0x26},
	"DISCONNECT":  {0x11, 0x1c, 0x1f, 0x26},
	"AUTH":        {0x15, 0x16, 0x1f, 0x26},
}

// withProps makes a packet that carries props, by the name of the carrier.
func withProps(carrier string, props packet.Properties) appender {
	switch carrier {
	case "CONNECT":
		return &connect{packet.Connect{Version: packet.V5, ClientID: []byte("c"), Props: props}}
	case "will":
		return &connect{packet.Connect{Version: packet.V5, HasWill: true, WillTopic: []byte("w"), WillProps: props}}
	case "CONNACK":
		return &packet.Connack{Props: props}
	case "PUBLISH":
		return &publish{packet.Publish{QoS: 1, Topic: []byte("a/b"), PacketID: 7, Props: props, Payload: []byte("x")}}
	case "PUBACK":
		return &packet.Ack{Type: packet.TypePuback, PacketID: 7, Props: props}
	case "PUBREC":
		return &packet.Ack{Type: packet.TypePubrec, PacketID: 7, Props: props}
	case "PUBREL":
		return &packet.Ack{Type: packet.TypePubrel, PacketID: 7, Props: props}
	case "PUBCOMP":
		return &packet.Ack{Type: packet.TypePubcomp, PacketID: 7, Props: props}
	case "SUBSCRIBE":
		return &packet.Subscribe{PacketID: 7, Props: props, Filters: []packet.Subscription{{Filter: []byte("a/#")}}}
	case "SUBACK":
		return &packet.Suback{PacketID: 7, Props: props, Codes: []byte{0}}
	case "UNSUBSCRIBE":
		return &packet.Unsubscribe{PacketID: 7, Props: props, Filters: [][]byte{[]byte("a/#")}}
	case "UNSUBACK":
		return &packet.Unsuback{PacketID: 7, Props: props, Codes: []byte{0x11}}
	case "DISCONNECT":
		return &packet.Disconnect{Props: props}
	default:
		return &packet.Auth{Code: 0x18, Props: props}
	}
}

// samples has every packet in several shapes, and every property in every packet that may have it.
func samples() []sample {
	var all []sample
	add := func(name string, fromClient bool, p func() appender, versions ...packet.Version) {
		for _, v := range versions {
			suffix := " v5"
			if v == packet.V311 {
				suffix = " v3.1.1"
			}
			a := p()
			if c, ok := a.(*connect); ok {
				c.Version = v
			}
			all = append(all, sample{name + suffix, v, fromClient, a})
		}
	}
	const v3, v5 = packet.V311, packet.V5

	add("CONNECT least", true, func() appender { return &connect{} }, v3, v5)
	add("CONNECT most", true, func() appender {
		return &connect{packet.Connect{
			CleanStart: true, KeepAlive: 0xfffe, ClientID: []byte("pümp"), HasWill: true, WillQoS: 2, WillRetain: true,
			WillTopic: []byte("will/é"), WillPayload: []byte{0, 1, 0xff}, HasUsername: true, Username: []byte("u"),
			HasPassword: true, Password: []byte{0, 0xff},
		}}
	}, v3, v5)
	add("CONNECT empty fields", true, func() appender {
		return &connect{packet.Connect{HasWill: true, WillTopic: []byte("/"), HasUsername: true, HasPassword: true}}
	}, v3, v5)
	add("CONNECT password alone", true, func() appender {
		return &connect{packet.Connect{HasPassword: true, Password: []byte("p")}}
	}, v5)
	add("CONNACK", false, func() appender { return &packet.Connack{SessionPresent: true} }, v3, v5)
	add("CONNACK refused", false, func() appender { return &packet.Connack{Code: 5} }, v3)
	add("CONNACK refused", false, func() appender { return &packet.Connack{Code: 0x87} }, v5)
	add("PUBLISH QoS 0", true, func() appender {
		return &publish{packet.Publish{Retain: true, Topic: []byte("a/b")}}
	}, v3, v5)
	add("PUBLISH QoS 1", true, func() appender {
		return &publish{packet.Publish{Dup: true, QoS: 1, PacketID: 1, Topic: []byte("dt/pump-1/température"), Payload: []byte("x")}}
	}, v3, v5)
	add("PUBLISH QoS 2", false, func() appender {
		return &publish{packet.Publish{QoS: 2, PacketID: 65535, Topic: []byte("/"), Payload: make([]byte, 200)}}
	}, v3, v5)
	add("PUBLISH alias", true, func() appender {
		p := &publish{}
		p.Props.SetTopicAlias(1)
		return p
	}, v5)
	add("PUBLISH subscription identifiers", false, func() appender {
		p := &publish{packet.Publish{Topic: []byte("a")}}
		p.Props.SetSubscriptionIDs([]uint32{1, 127, 128, 16383, 16384, 2097151, 2097152, 1})
		return p
	}, v5)
	for t := packet.TypePuback; t <= packet.TypePubcomp; t++ {
		add(t.String(), true, func() appender { return &packet.Ack{Type: t, PacketID: 0x1234} }, v3, v5)
		add(t.String()+" code", true, func() appender {
			code := byte(0x80)
			if t >= packet.TypePubrel {
				code = 0x92
			}
			return &packet.Ack{Type: t, PacketID: 1, Code: code}
		}, v5)
	}
	add("SUBSCRIBE", true, func() appender {
		return &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{
			{Filter: []byte("a/+/é"), Options: 2}, {Filter: []byte("#")}, {Filter: []byte("$share/g/x"), Options: 1},
		}}
	}, v3, v5)
	add("SUBSCRIBE options", true, func() appender {
		return &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("a"), Options: 0x2e}}}
	}, v5)
	add("SUBACK", false, func() appender { return &packet.Suback{PacketID: 1, Codes: []byte{0, 1, 2, 0x80}} }, v3, v5)
	add("UNSUBSCRIBE", true, func() appender {
		return &packet.Unsubscribe{PacketID: 1, Filters: [][]byte{[]byte("a"), []byte("+/é")}}
	}, v3, v5)
	add("UNSUBACK", false, func() appender { return &packet.Unsuback{PacketID: 1} }, v3)
	add("UNSUBACK", false, func() appender { return &packet.Unsuback{PacketID: 1, Codes: []byte{0, 0x11, 0x87}} }, v5)
	add("PINGREQ", true, func() appender { return &ping{packet.TypePingreq} }, v3, v5)
	add("PINGRESP", false, func() appender { return &ping{packet.TypePingresp} }, v3, v5)
	add("DISCONNECT", true, func() appender { return &packet.Disconnect{} }, v3, v5)
	add("DISCONNECT with will", true, func() appender { return &packet.Disconnect{Code: 4} }, v5)
	add("DISCONNECT from server", false, func() appender { return &packet.Disconnect{Code: 0x8e} }, v5)
	add("AUTH", false, func() appender { return &packet.Auth{} }, v5)

	for carrier, ids := range allowed {
		fromClient := carrier != "CONNACK" && carrier != "SUBACK" && carrier != "UNSUBACK"
		var every packet.Properties
		for _, id := range ids {
			add(carrier+" "+id.String(), fromClient, func() appender {
				var p packet.Properties
				if carrier == "AUTH" {
					fill(&p, packet.PropAuthMethod)
				}
				fill(&p, id)
				return withProps(carrier, p)
			}, v5)
			fill(&every, id)
		}
		add(carrier+" all properties", fromClient, func() appender { return withProps(carrier, every) }, v5)
	}
	return all
}

func TestPackets(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			wire := s.p.Append([]byte("before"), s.v)
			require.Equal(t, "before", string(wire[:6]))
			wire = wire[6:]

			t.Run("round trip", func(t *testing.T) {
				got, err := decode(wire, s.v, s.fromClient)
				require.NoError(t, err)
				require.Equal(t, wire, got.Append(nil, s.v))
				requireSame(t, s.p, got)
			})

			t.Run("every prefix is refused", func(t *testing.T) {
				h, ok, err := packet.ParseHeader(wire, s.v)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, len(wire), h.Size)
				for n := range h.Size {
					_, err := decode(wire[:n:n], s.v, s.fromClient)
					require.ErrorIs(t, err, errIncomplete, "%d bytes", n)
				}
				whole := wire[h.Body:]
				for n := range whole {
					got, err := decodeBody(h.Type, h.Flags, whole[:n:n], s.v, s.fromClient)
					if err == nil { // Some packets have shorter forms: then it is one of those.
						short := got.Append(nil, s.v)
						require.LessOrEqual(t, len(short), len(wire), "%d bytes of body", n)
						require.True(t, mayEnd(h.Type), "%d bytes of body", n)
						continue
					}
					var e *packet.Error
					require.ErrorAs(t, err, &e)
				}
			})

			t.Run("a byte more is refused", func(t *testing.T) {
				h, _, _ := packet.ParseHeader(wire, s.v)
				if h.Type == packet.TypePublish || h.Type == packet.TypePingreq || h.Type == packet.TypePingresp ||
					h.Type == packet.TypeSuback || h.Type == packet.TypeUnsuback && s.v == packet.V5 {
					return // the last field takes it, or ParseHeader refuses it
				}
				body := append(append([]byte(nil), wire[h.Body:]...), 0xff)
				_, err := decodeBody(h.Type, h.Flags, body, s.v, s.fromClient)
				requireCode(t, packet.CodeMalformed, err)
			})
		})
	}
}

// mayEnd tells whether a packet of type t can be cut short and still be whole: its last field has no length, or the
// type has short forms.
func mayEnd(t packet.Type) bool {
	switch t {
	case packet.TypeConnect, packet.TypeConnack:
		return false
	}
	return true
}

// requireSame compares what was encoded with what was decoded, taking nil and empty for the same.
func requireSame(t *testing.T, want, got appender) {
	t.Helper()
	require.Equal(t, normal(want), normal(got))
}

// TestDecodeInPlace decodes every sample into the same structs, so that nothing of one may show in the next.
func TestDecodeInPlace(t *testing.T) {
	t.Parallel()
	var (
		con   packet.Connect
		cack  packet.Connack
		pub   packet.Publish
		ack   packet.Ack
		sub   packet.Subscribe
		sack  packet.Suback
		unsub packet.Unsubscribe
		uack  packet.Unsuback
		dis   packet.Disconnect
		auth  packet.Auth
	)
	all := samples()
	for round := range 3 {
		for i := range all {
			s := all[(i*7+round)%len(all)]
			wire := s.p.Append(nil, s.v)
			h, _, err := packet.ParseHeader(wire, s.v)
			require.NoError(t, err)
			body := wire[h.Body:]
			var got appender
			// First a cut one, which fails halfway and must leave nothing behind.
			for _, b := range [][]byte{body[:len(body)*2/3], body} {
				switch h.Type {
				case packet.TypeConnect:
					err = con.Decode(b)
					got = &connect{con}
				case packet.TypeConnack:
					err = cack.Decode(b, s.v)
					got = &cack
				case packet.TypePublish:
					err = pub.Decode(h.Flags, b, s.v)
					got = &publish{pub}
				case packet.TypePuback, packet.TypePubrec, packet.TypePubrel, packet.TypePubcomp:
					err = ack.Decode(h.Type, b, s.v)
					got = &ack
				case packet.TypeSubscribe:
					err = sub.Decode(b, s.v)
					got = &sub
				case packet.TypeSuback:
					err = sack.Decode(b, s.v)
					got = &sack
				case packet.TypeUnsubscribe:
					err = unsub.Decode(b, s.v)
					got = &unsub
				case packet.TypeUnsuback:
					err = uack.Decode(b, s.v)
					got = &uack
				case packet.TypeDisconnect:
					err = dis.Decode(b, s.v, s.fromClient)
					got = &dis
				case packet.TypeAuth:
					err = auth.Decode(b, s.v)
					got = &auth
				default:
					err, got = nil, s.p
				}
			}
			require.NoError(t, err, s.name)
			requireSame(t, s.p, got)
		}
	}
}

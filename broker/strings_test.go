package broker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// badStrings are no MQTT strings [MQTT-1.5.4-1, -2; 3.1.1: MQTT-1.5.3-1, -2].
var badStrings = map[string]string{
	"surrogate D800":       "\xed\xa0\x80",
	"surrogate DFFF":       "x\xed\xbf\xbf",
	"surrogate pair":       "\xed\xa0\x81\xed\xb0\x80",
	"overlong in two":      "\xc0\xaf",
	"overlong in three":    "\xe0\x80\xaf",
	"overlong in four":     "\xf0\x80\x80\xaf",
	"overlong U+0000":      "\xc0\x80",
	"above U+10FFFF":       "\xf4\x90\x80\x80",
	"five bytes":           "\xf8\x88\x80\x80\x80",
	"continuation alone":   "a\x80b",
	"truncated two":        "abcdefgh\xc3",
	"truncated three":      "\xe2\x82",
	"truncated four":       "\xf0\x9f\x98",
	"byte FF":              "\xff",
	"U+0000":               "a\x00b",
	"U+0000 alone":         "\x00",
	"U+0000 far behind":    "abcdefghijklmnop\x00",
	"U+0000 behind umlaut": "\xc3\xa4\x00",
}

// props puts properties behind their length.
func props(list ...any) []byte {
	b := cat(list...)
	return append([]byte{byte(len(b))}, b...)
}

// stringPlaces makes packets, on an accepted connection, that hold s as a string.
func stringPlaces(v packet.Version, s string) map[string][]byte {
	f := str(s)
	if v == packet.V311 {
		return map[string][]byte{
			"PUBLISH topic":      control(0x30, f...),
			"SUBSCRIBE filter":   control(0x82, cat(0, 1, f, 0)...),
			"UNSUBSCRIBE filter": control(0xa2, cat(0, 1, f)...),
		}
	}
	user, userValue, reason := props(0x26, f, str("v")), props(0x26, str("k"), f), props(0x1f, f)
	return map[string][]byte{
		"PUBLISH topic":          control(0x30, cat(f, 0)...),
		"PUBLISH user name":      control(0x30, cat(str("t"), user)...),
		"PUBLISH user value":     control(0x30, cat(str("t"), userValue)...),
		"PUBLISH content type":   control(0x30, cat(str("t"), props(0x03, f))...),
		"PUBLISH response topic": control(0x30, cat(str("t"), props(0x08, f))...),
		"PUBACK reason":          control(0x40, cat(0, 1, 0, reason)...),
		"PUBREC user":            control(0x50, cat(0, 1, 0, user)...),
		"PUBREL reason":          control(0x62, cat(0, 1, 0, reason)...),
		"PUBCOMP user":           control(0x70, cat(0, 1, 0, userValue)...),
		"SUBSCRIBE filter":       control(0x82, cat(0, 1, 0, f, 0)...),
		"SUBSCRIBE user":         control(0x82, cat(0, 1, user, str("t"), 0)...),
		"UNSUBSCRIBE filter":     control(0xa2, cat(0, 1, 0, f)...),
		"UNSUBSCRIBE user":       control(0xa2, cat(0, 1, userValue, str("t"))...),
		"DISCONNECT reason":      control(0xe0, cat(0, reason)...),
		"DISCONNECT user":        control(0xe0, cat(0, user)...),
	}
}

func TestStrings_3_1_1_1_5_3_1_and_5_0_1_5_4_1_IllFormed(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		for name, s := range badStrings {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for place, b := range stringPlaces(v, s) {
					r := connect(t, addr, v, "str-"+name)
					r.send(b)
					f, err := r.next(patience)
					if v == packet.V5 {
						require.NoError(t, err, place)
						require.Equal(t, packet.TypeDisconnect, f.Type, place)
						require.Equal(t, byte(broker.MalformedPacket), f.body[0], place)
						r.wantClosed()
					} else {
						require.Error(t, err, place)
						r.wantClosed()
					}
				}
			})
		}
	})
}

// connectPlaces makes CONNECT packets that hold s as a string.
func connectPlaces(v packet.Version, s string) map[string]*packet.Connect {
	list := map[string]func(c *packet.Connect){
		"client identifier": func(c *packet.Connect) { c.ClientID = []byte(s) },
		"user name":         func(c *packet.Connect) { c.HasUsername, c.Username = true, []byte(s) },
		"will topic":        func(c *packet.Connect) { c.HasWill, c.WillTopic = true, []byte(s) },
	}
	if v == packet.V5 {
		withWill := func(f func(p *packet.Properties)) func(c *packet.Connect) {
			return func(c *packet.Connect) {
				c.HasWill, c.WillTopic = true, []byte("w")
				f(&c.WillProps)
			}
		}
		list["user property name"] = func(c *packet.Connect) { c.Props.AddUser(s, "v") }
		list["user property value"] = func(c *packet.Connect) { c.Props.AddUser("k", s) }
		list["authentication method"] = func(c *packet.Connect) { c.Props.SetAuthMethod([]byte(s)) }
		list["will content type"] = withWill(func(p *packet.Properties) { p.SetContentType([]byte(s)) })
		list["will response topic"] = withWill(func(p *packet.Properties) { p.SetResponseTopic([]byte(s)) })
		list["will user property"] = withWill(func(p *packet.Properties) { p.AddUser("k", s) })
	}
	out := map[string]*packet.Connect{}
	for name, f := range list {
		out[name] = hello(v, "c", f)
	}
	return out
}

// [MQTT-3.1.3-4, -11, -12; 3.1.1: MQTT-3.1.3-4, -10, -11] and the properties.
func TestStrings_3_1_3_4_InConnect(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		for name, s := range badStrings {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for place, c := range connectPlaces(v, s) {
					r := dial(t, addr, v)
					r.send(c)
					if v == packet.V5 {
						require.Equal(t, byte(broker.MalformedPacket), r.wantConnack().Code, place)
					}
					r.wantClosed()
				}
			})
		}
	})
}

// U+FEFF is a character [MQTT-1.5.4-3; 3.1.1: MQTT-1.5.3-3], and the strange ones that
// may be refused pass unchanged.
func TestStrings_3_1_1_1_5_3_3_and_5_0_1_5_4_3_Unusual(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		r := connect(t, addr, v, "\ufeffid")
		plain := connect(t, addr, v, "id") // another id: nobody is taken over
		for i, topic := range []string{
			"\ufeffa", "a\ufeff", "\ufeff", "\u0001\u001f\u007f\u0085", "\ufffe\uffff", "\U0001f600", "\U0010ffff", "e\u0301", "\u00e9", " ", "A/a",
		} {
			t.Logf("%d %q", i, topic)
			require.Zero(t, r.subscribe(topic, 0))
			r.send(publish(topic, topic, 0, 0))
			p := r.wantPublish()
			require.Equal(t, topic, string(p.Topic))
			require.Equal(t, topic, string(p.Payload))
		}
		r.send(publish("a", "no BOM", 0, 0), publish("a/a", "case", 0, 0))
		r.ping()
		plain.ping()
	})
}

package broker_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// Which topics a filter matches [MQTT-4.7.1-1, -2, -3, MQTT-4.7.2-1, MQTT-4.7.3-4].
func TestFilterMatching(t *testing.T) {
	t.Parallel()
	topics := []string{
		"a", "b", "A", "a/b", "a/B", "a/b/c", "a/b/c/d", "a/", "/a", "/", "//", "///", "a//b", "a//", "/finance",
		"finance", "$SYS/fake", "$x", "$x/a", "$x/a/b", "a/$x", "$", "$/a", "sport/tennis/player1", "sport/tennis/player1/ranking",
		"sport", "sport/", "sport/tennis", " ", "a b", "a\tb", "\u00fc/\u65e5\u672c", "ab", "$share", "$shared/x", "a/x",
	}
	for filter, want := range map[string]string{
		"#":                        "a,b,A,a/b,a/B,a/b/c,a/b/c/d,a/,/a,/,//,///,a//b,a//,/finance,finance,a/$x,sport/tennis/player1,sport/tennis/player1/ranking,sport,sport/,sport/tennis, ,a b,a\tb,\u00fc/\u65e5\u672c,ab,a/x",
		"+":                        "a,b,A,finance,sport, ,a b,a\tb,ab",
		"a/#":                      "a,a/b,a/B,a/b/c,a/b/c/d,a/,a//b,a//,a/$x,a/x",
		"a/b/#":                    "a/b,a/b/c,a/b/c/d",
		"a/+":                      "a/b,a/B,a/,a/$x,a/x",
		"a/+/#":                    "a/b,a/B,a/b/c,a/b/c/d,a/,a//b,a//,a/$x,a/x",
		"a/+/c":                    "a/b/c",
		"a/+/+":                    "a/b/c,a//b,a//",
		"+/+":                      "a/b,a/B,a/,/a,/,/finance,a/$x,sport/,sport/tennis,\u00fc/\u65e5\u672c,a/x",
		"/+":                       "/a,/,/finance",
		"+/":                       "a/,/,sport/",
		"+/#":                      "a,b,A,a/b,a/B,a/b/c,a/b/c/d,a/,/a,/,//,///,a//b,a//,/finance,finance,a/$x,sport/tennis/player1,sport/tennis/player1/ranking,sport,sport/,sport/tennis, ,a b,a\tb,\u00fc/\u65e5\u672c,ab,a/x",
		"/#":                       "/a,/,//,///,/finance",
		"//#":                      "/,//,///",
		"+/+/+":                    "a/b/c,//,a//b,a//,sport/tennis/player1",
		"/":                        "/",
		"//":                       "//",
		"a":                        "a",
		"a/":                       "a/",
		"/a":                       "/a",
		"a/b":                      "a/b",
		"A/b":                      "",
		"sport/tennis/player1/#":   "sport/tennis/player1,sport/tennis/player1/ranking",
		"sport/#":                  "sport/tennis/player1,sport/tennis/player1/ranking,sport,sport/,sport/tennis",
		"sport/+":                  "sport/,sport/tennis",
		"sport/tennis/+":           "sport/tennis/player1",
		"+/tennis/#":               "sport/tennis/player1,sport/tennis/player1/ranking,sport/tennis",
		"$x/#":                     "$x,$x/a,$x/a/b",
		"$x/+":                     "$x/a",
		"$x":                       "$x",
		"$x/+/#":                   "$x/a,$x/a/b",
		"$/+":                      "$/a",
		"$":                        "$",
		"+/a":                      "/a",
		"+/a/b":                    "",
		"a/b/c/d/#":                "a/b/c/d",
		"a/b/c/d/e/#":              "",
		"\u00fc/+":                 "\u00fc/\u65e5\u672c",
		" ":                        " ",
		"$shared/#":                "$shared/x",
		"a b":                      "a b",
		"+/+/+/+":                  "a/b/c/d,///,sport/tennis/player1/ranking",
		"+/+/#":                    "a/b,a/B,a/b/c,a/b/c/d,a/,/a,/,//,///,a//b,a//,/finance,a/$x,sport/tennis/player1,sport/tennis/player1/ranking,sport/,sport/tennis,\u00fc/\u65e5\u672c,a/x",
		strings.Repeat("+/", 99):   "",
		strings.Repeat("x", 65535): "",
	} {
		t.Run(filter[:min(30, len(filter))], func(t *testing.T) {
			t.Parallel()
			bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
				c := join(t, srv, v, "c")
				require.Zero(t, c.subscribe(filter, 0))
				for _, name := range topics {
					if !strings.HasPrefix(name, "$SYS/") {
						c.send(publish(name, "x", 0, 0))
					}
				}
				var got []string
				c.write(0xC0, 0)
				for {
					f, err := c.next(patience)
					require.NoError(t, err)
					if f.Type == packet.TypePingresp {
						break
					}
					p := &packet.Publish{}
					require.NoError(t, p.Decode(f.Flags, f.body, v))
					got = append(got, string(p.Topic))
				}
				require.Equal(t, want, strings.Join(got, ","))
			})
		})
	}
}

// Filters that are none: SUBACK says so and the connection goes on.
func TestFilterInvalid(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		want := byte(broker.TopicFilterInvalid)
		if v == packet.V311 {
			want = 0x80
		}
		c := join(t, srv, v, "c")
		for _, f := range []string{
			"", "a#", "#a", "a/#/b", "#/", "#/a", "a/b#", "##", "a/##", "a+", "+a", "a/+b", "a/b+/c", "++", "a/+#", "+#", "#+",
			"$share", "$share/", "$share//", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/#/a", "$share/g+/a", "$share/a#b/a",
			"$share/g/a#", "$share/g/#/a", "$share/g/a+", "$share/#", "$share/+",
		} {
			require.Equal(t, want, c.subscribe(f, 0), "%q", f)
			ack := c.unsubscribe(f)
			if v == packet.V5 {
				require.NotEqual(t, byte(0), ack.Codes[0], "%q", f)
			}
		}
		require.Zero(t, srv.Metrics().Subscriptions)
		c.ping()
	})
}

// The server's own topics: clients do not publish there, wildcards do not match
// them, and they can be subscribed to by name [MQTT-4.7.2-1].
func TestFilterAndSys(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.SysInterval = 10e9
	cfg.Version = "tested"
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		all, sys := join(t, srv, v, "all"), join(t, srv, v, "sys")
		all.subscribe("#", 1)
		all.subscribe("+/broker/version", 1)
		all.subscribe("+/#", 1)
		sys.wantRetained("$SYS/broker/version", 1, "$SYS/broker/version=tested")
		sys.send(retained("$SYS/broker/version", "forged", 1, 1))
		ack := sys.wantAck(packet.TypePuback)
		if v == packet.V5 {
			require.Equal(t, byte(broker.NotAuthorized), ack.Code)
		}
		sys.send(publish("$SYS/x", "forged", 0, 0))
		late := join(t, srv, v, "late")
		late.wantRetained("$SYS/broker/version", 1, "$SYS/broker/version=tested")
		_, err := all.next(100e9)
		require.Error(t, err)
		sys.ping()
	})
}

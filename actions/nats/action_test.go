package nats_test

import (
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/nats"
)

// nowhere is a client of a server that is not there.
func nowhere(t *testing.T, name string) *nats.Client {
	t.Helper()
	return open(t, "nats://127.0.0.1:1", func(c *nats.Config) { c.Sink.Name = name })
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	c := nowhere(t, "main")
	kinds := nats.Kinds(c)
	for _, tt := range []struct {
		name, json string
		want       nats.Action
	}{
		{"subject", `{"nats":{"subject":"dt.${clientid()}"}}`, nats.Action{Subject: "dt.${clientid()}"}},
		{
			"all", `{"nats":{"sink":"main","subject":"$KV.b.${a}","headers":[{"key":"<k>","value":"${b}"},{"key":"l","value":""}],"jetStream":true,"stream":"KV_b","atomic":true}}`,
			nats.Action{
				SinkName: "main", Subject: "$KV.b.${a}", Headers: []nats.Header{{Key: "<k>", Value: "${b}"}, {Key: "l"}},
				JetStream: true, Stream: "KV_b", Atomic: true,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, err := actions.Decode([]byte(tt.json), kinds)
			require.NoError(t, err)
			require.Equal(t, c.Action(tt.want), a)
			data, ok, err := actions.Encode(a, kinds)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, tt.json, string(data))
		})
	}
	a := bind(t, c, nats.Action{Subject: "dt.${a}", Headers: []nats.Header{{Key: "k", Value: "${b}"}}})
	require.Equal(t, []actions.Param{{Name: "subject", Text: "dt.${a}"}, {Name: "headers[0].value", Text: "${b}", Optional: true}}, a.Params())
	require.Equal(t, "dt.x", a.Resource(event("", "dt.x", "")))
	require.Equal(t, "nats", a.Kind())
	require.Same(t, c.Sink(), a.Sink())
}

func TestRefused(t *testing.T) {
	t.Parallel()
	one, other := nowhere(t, "main"), nowhere(t, "other")
	long := strings.Repeat("a", 1025)
	for _, tt := range []struct{ name, json, want string }{
		{"nothing", `{}`, `subject is missing, expected a text`},
		{"unknown member", `{"subject":"a","jetstream":true}`, `jetstream is not known, expected atomic, headers, jetStream, sink, stream or subject`},
		{"wildcard", `{"subject":"a.*"}`, `subject is "a.*", expected 1 to 1024 bytes without spaces, control characters, * and >, and without empty tokens`},
		{"full wildcard", `{"subject":"a.>"}`, `subject is "a.>", expected 1 to 1024 bytes without spaces, control characters, * and >, and without empty tokens`},
		{"space", `{"subject":"a b"}`, `subject is "a b", expected 1 to 1024 bytes without spaces, control characters, * and >, and without empty tokens`},
		{"empty token", `{"subject":"a..b"}`, `subject is "a..b", expected 1 to 1024 bytes without spaces, control characters, * and >, and without empty tokens`},
		{"long", `{"subject":"` + long + `"}`, `subject is "` + long[:80] + `"..., expected 1 to 1024 bytes without spaces, control characters, * and >, and without empty tokens`},
		{"the server's", `{"subject":"$JS.API.STREAM.DELETE.S"}`, `subject is "$JS.API.STREAM.DELETE.S", expected a subject other than those of the server itself`},
		{"stream without JetStream", `{"subject":"a","stream":"S"}`, `jetStream is missing, expected true, which stream and atomic need`},
		{"atomic without JetStream", `{"subject":"a","atomic":true}`, `jetStream is missing, expected true, which stream and atomic need`},
		{"stream", `{"subject":"a","stream":"S.T","jetStream":true}`, `stream is "S.T", expected the name of a stream`},
		{"header", `{"subject":"a","headers":[{"key":"a:b","value":""}]}`, `headers[0].key is "a:b", expected the name of a header`},
		{"header without key", `{"subject":"a","headers":[{"value":""}]}`, `headers[0].key is missing, expected a text`},
		{"header of NATS", `{"subject":"a","headers":[{"key":"nats-Rollup","value":"all"}]}`, `headers[0].key is "nats-Rollup", expected a header that is not NATS' own, Nats-Msg-Id or Nats-TTL`},
		{"value", `{"subject":"a","headers":[{"key":"k","value":"a\r\nb"}]}`, `headers[0].value is "a\r\nb", expected a text without control characters`},
		{"which client", `{"subject":"a"}`, `sink is missing, expected "main" or "other"`},
		{"no such client", `{"subject":"a","sink":"x"}`, `sink is "x", expected "main" or "other"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			decode := nats.Kinds(one)["nats"]
			if strings.HasSuffix(tt.name, "client") {
				decode = nats.Kinds(one, other)["nats"]
			}
			_, err := decode([]byte(tt.json))
			require.EqualError(t, err, tt.want)
		})
	}
	unbound := &nats.Action{Subject: "a"}
	require.EqualError(t, unbound.Check(), "nats: the action has no client, expected what Client.Action returns")
	require.ErrorIs(t, unbound.Do(t.Context(), event("", "a")), actions.ErrPermanent)
	many := one.Action(nats.Action{Subject: "a", Headers: make([]nats.Header, 101)})
	require.EqualError(t, many.Check(), "headers is an array of 101, expected 0 to 100 items")
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, err := nats.Kinds()["nats"]([]byte(`{"subject":"a"}`))
	require.EqualError(t, err, "the host has no client for this action")
	_, err = nats.Open(nats.Config{})
	require.EqualError(t, err, "nats: Config.Servers is empty, expected the URL of a server")
	for _, url := range []string{"", "nats://", "nats://hub:geheim@a b:4222", "nats://a,,nats://b", "nats://hub:geheim@[::1:4222"} {
		_, err = nats.Open(nats.Config{Servers: []string{"nats://127.0.0.1:1", url}})
		require.EqualError(t, err, "nats: Config.Servers[1] is not the URL of a server")
	}
	_, err = nats.Open(nats.Config{Servers: []string{"nats://127.0.0.1:1"}, Options: []natsgo.Option{nil, natsgo.UserCredentials("/no/such/file")}})
	require.ErrorContains(t, err, "nats: ")
}

// TestRenderedTexts checks what a template may bring in.
func TestRenderedTexts(t *testing.T) {
	t.Parallel()
	c := nowhere(t, "main")
	for _, tt := range []struct {
		name, text, subject, header string
		ok                          bool
	}{
		{"plain", "a.${x}", "a.b", "v", true},
		{"more tokens", "a.${x}", "a.b.c", "", true},
		{"slashes", "a.${x}", "a.b/c", "\tünïcode", true},
		{"empty token", "a.${x}.b", "a..b", "", false},
		{"empty token at the end", "a.${x}", "a.b.", "", false},
		{"wildcard", "a.${x}", "a.*", "", false},
		{"full wildcard", "${x}", ">", "", false},
		{"space", "a.${x}", "a.b c", "", false},
		{"line break", "a.${x}", "a.b\r\nPUB x 1\r\na", "", false},
		{"not UTF-8", "a.${x}", "a.\xff", "", false},
		{"dollar of a template", "${x}", "$KV.b.k", "", false},
		{"dollar of the author", "$KV.b.${x}", "$KV.b.k", "", true},
		{"API", "$${x}", "$JS.API.STREAM.DELETE.S", "", false},
		{"inbox", "${x}", "_INBOX.a.b", "", false},
		{"system", "$${x}", "$SYS.REQ.SERVER.PING", "", false},
		{"line break in a header", "a.${x}", "a.b", "v\r\nNats-Rollup: all", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := bind(t, c, nats.Action{Subject: tt.text, Headers: []nats.Header{{Key: "k", Value: "${h}"}}})
			err := a.Do(t.Context(), event("", tt.subject, tt.header))
			require.Error(t, err) // there is no server
			if tt.ok {
				require.NotErrorIs(t, err, actions.ErrPermanent)
				require.ErrorIs(t, err, natsgo.ErrDisconnected)
			} else {
				require.ErrorIs(t, err, actions.ErrPermanent)
			}
		})
	}
}

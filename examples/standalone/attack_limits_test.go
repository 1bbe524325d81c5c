package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAttackTestAuthorization: what the hub says that it would decide is what it decides.
func TestAttackTestAuthorization(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	topics := []string{"open/x", "open/secret/x", "open/readonly/x", "closed", "dt/pump-2/x", "dt/pump-1/x", "id/carol/x", "id/x", "a/b", "a/restricted/x", "sync", "u/known", "u/x", "old/${iot:ClientId}", "$aws/things/pump-2/shadow/update", "ä/x", "a//b"}
	filters := append([]string{"#", "a/#", "+/b", "a/+", "open/#", "some/+/t", "$share/g/a/b", "$share/mine/x", "$share/g/a/restricted/x", "dt/+/x", "$aws/#"}, topics...)
	root := h.user(t, hello{user: "root", id: "publisher"})
	for _, u := range attackUsers {
		user, id := u[0], idFor(u[0])
		if user == "nix" {
			continue
		}
		t.Run(user, func(t *testing.T) {
			said := func(action, kind string, names []string) (all []bool) {
				for chunk := range slices.Chunk(names, 10) {
					type info struct {
						Action    string   `json:"actionType"`
						Resources []string `json:"resources"`
					}
					in := struct {
						Principal string `json:"principal"`
						Infos     []info `json:"authInfos"`
					}{Principal: scope + "user/" + user}
					for _, n := range chunk {
						in.Infos = append(in.Infos, info{action, []string{scope + kind + n}})
					}
					text, err := json.Marshal(in)
					require.NoError(t, err)
					a := h.do(t, call{method: "POST", path: "/test-authorization?clientId=" + id, body: string(text), key: adminKey, service: "iot"})
					require.Equal(t, 200, a.status, a.body)
					var out struct {
						Results []struct {
							Decision string `json:"authDecision"`
						} `json:"authResults"`
					}
					require.NoError(t, json.Unmarshal([]byte(a.body), &out))
					for _, r := range out.Results {
						all = append(all, r.Decision == "ALLOWED")
					}
				}
				return all
			}
			require.Equal(t, []bool{true}, said("CONNECT", "client/", []string{id}))
			w := h.user(t, hello{user: user, id: id})
			for i, may := range said("SUBSCRIBE", "topicfilter/", filters) {
				require.Equal(t, granted(5, may), w.subscribe(filters[i]), filters[i])
			}
			for i, may := range said("PUBLISH", "topic/", topics) {
				if strings.HasPrefix(topics[i], "$aws/") {
					continue // which tells others
				}
				require.Equal(t, may, w.publish(topics[i], "own", false) == 0, topics[i])
			}
			w.bye()
			// Deliveries, to a session that has all of them if it may.
			w = h.user(t, hello{user: user, id: id})
			subscribed := map[string]bool{}
			for _, topic := range topics {
				subscribed[topic] = w.subscribe(topic) < 0x80
			}
			for i, may := range said("RECEIVE", "topic/", topics) {
				topic := topics[i]
				if !subscribed[topic] || strings.HasPrefix(topic, "$aws/") {
					continue
				}
				require.Zero(t, root.publish(topic, "delivery", false))
				w.send([]byte{0xc0, 0})
				_, err := w.next(0xd0)
				require.NoError(t, err)
				require.Equal(t, may, len(w.got) == 1, topic)
				w.got = nil
			}
			w.bye()
		})
	}
}

// TestAttackAnonymous: what somebody without credentials sends is neither kept nor waited
// for.
func TestAttackAnonymous(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "-set", "connect_timeout=1")
	for _, port := range []string{"mqtt", "mqtts"} {
		for name, text := range map[string]string{
			"nothing": "", "half a CONNECT": "\x10\x20\x00\x04MQTT", "a length without an end": "\x10\xff\xff\xff\xff\xff", "a CONNECT of 256 MB": "\x10\xff\xff\xff\x7f", "PINGREQ": "\xc0\x00", "HTTP": "GET / HTTP/1.1\r\n\r\n", "zeros": strings.Repeat("\x00", 4096),
			"TLS on the wrong port": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		} {
			t.Run(port+" "+name, func(t *testing.T) {
				nc, err := net.Dial("tcp", h.addr[port])
				require.NoError(t, err)
				defer func() { _ = nc.Close() }()
				_, _ = io.WriteString(nc, text)
				require.NoError(t, nc.SetReadDeadline(time.Now().Add(wait)))
				_, err = io.Copy(io.Discard, nc)
				if ne, ok := err.(net.Error); ok { //nolint:errorlint // it is what net returns
					require.False(t, ne.Timeout(), "the connection is kept")
				}
			})
		}
	}
	t.Run("a CONNECT that says it is long", func(t *testing.T) {
		nc := h.tcp(t)
		_, err := nc.Write(append([]byte{0x10}, varint(7<<20)...))
		require.NoError(t, err)
		big := make([]byte, 1<<20)
		for err == nil { // it is cut long before
			_ = nc.SetWriteDeadline(time.Now().Add(wait))
			_, err = nc.Write(big)
		}
		require.NotContains(t, err.Error(), "timeout")
	})
	t.Run("properties without an end", func(t *testing.T) {
		body := append(text16("MQTT"), 5, 2, 0, 60)
		var props []byte
		for len(props) < 200<<10 {
			props = append(append(append(props, 0x26), text16("k")...), text16("v")...)
		}
		body = append(append(append(body, varint(len(props))...), props...), text16("x")...)
		nc := h.tcp(t)
		_, _ = nc.Write(frame(0x10, body))
		w := &wire{t: t, nc: nc, r: newReader(nc)}
		w.ended()
	})
	for name, c := range map[string]struct {
		call call
		want []int
	}{
		"long headers":             {call{path: "/things", header: http.Header{"X-Long": {strings.Repeat("x", 100<<10)}}}, []int{431}},
		"many headers":             {call{path: "/things", header: many(20_000)}, []int{431, refused}},
		"long path":                {call{path: "/topics/" + strings.Repeat("x", 100<<10)}, []int{414, 431}},
		"long body":                {call{path: "/topics/x", body: strings.Repeat("x", 4<<20)}, []int{401, 413, refused}},
		"long body, signed":        {call{path: "/topics/open/x", body: strings.Repeat("x", 4<<20), key: dataKey}, []int{413, refused}},
		"long body, forged":        {call{method: "POST", path: "/things/x", body: strings.Repeat("x", 4<<20), key: nobodyKey, change: func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }}, []int{401, 413, refused}},
		"long document, deep":      {call{method: "POST", path: "/things/x", body: strings.Repeat("[", 900_000), key: adminKey, service: "iot"}, []int{400}},
		"long shadow, deep":        {call{method: "POST", path: "/things/pump-1/shadow", body: `{"state":` + strings.Repeat(`{"a":`, 100_000), key: adminKey}, []int{400, 413}},
		"many parameters":          {call{path: "/things?" + strings.Repeat("a=b&", 10_000), key: adminKey, service: "iot"}, []int{200, 400, 401}},
		"policy without an end":    {call{method: "POST", path: "/policies/deep", body: `{"policyDocument":"` + strings.Repeat("[", 500_000) + `"}`, key: adminKey, service: "iot"}, []int{400}},
		"policy of many stars":     {call{method: "POST", path: "/policies/stars", body: `{"policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"iot:*\",\"Resource\":\"arn:` + strings.Repeat("*a", 5_000) + `*b\"}}"}`, key: adminKey, service: "iot"}, []int{200, 400}},
		"long Authorization":       {call{path: "/things", header: http.Header{"Authorization": {"AWS4-HMAC-SHA256 " + strings.Repeat("Credential=x,", 3000)}}}, []int{401}},
		"Basic without an end":     {call{path: "/things", header: http.Header{"Authorization": {"Basic " + strings.Repeat("QUFB", 10_000)}}}, []int{401}},
		"CONNECT of HTTP":          {call{method: "TRACE", path: "/things"}, []int{401, 404, 405}},
		"options":                  {call{method: "OPTIONS", path: "/things"}, []int{401, 404, 405}},
		"profiles are not there":   {call{path: "/debug/pprof/"}, []int{404}},
		"nor is the file":          {call{path: "/hub.json"}, []int{404}},
		"nor is what is beside it": {call{path: "/..%2f..%2fhub.json"}, []int{404}},
	} {
		t.Run(name, func(t *testing.T) {
			got := h.do(t, c.call)
			require.Contains(t, c.want, got.status, "%.300s", got.body)
		})
	}
	t.Run("stars take no time", func(t *testing.T) {
		a := h.do(t, call{method: "PUT", path: "/target-policies/stars", body: `{"target":"` + scope + `user/nix"}`, key: adminKey, service: "iot"})
		require.Contains(t, []int{200, 400, 404}, a.status)
		_, code := connect(t, h.tcp(t), hello{id: strings.Repeat("a", 60_000), user: "nix", password: "nix-pw"})
		require.Equal(t, 0x87, code)
	})
	t.Run("many at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				nc, err := net.Dial("tcp", h.addr["mqtt"])
				if err != nil {
					return
				}
				defer func() { _ = nc.Close() }()
				o := hello{v: 5, id: fmt.Sprint("x", i), user: fmt.Sprint("mallory", i), password: "x"}
				_, _ = nc.Write(o.bytes())
				_, _ = io.Copy(io.Discard, nc)
			})
		}
		wg.Wait()
	})
	t.Run("the hub is still there", func(t *testing.T) {
		require.Equal(t, "ok\n", h.do(t, call{path: "/healthz"}).body)
		require.NotContains(t, h.p.Stderr(), "panic")
		require.NotContains(t, h.p.Stderr(), "DATA RACE")
	})
}

func many(n int) http.Header {
	h := http.Header{}
	for i := range n {
		h[fmt.Sprint("X-", i)] = []string{"x"}
	}
	return h
}

// TestAttackSlowBody: a request whose body comes drop by drop does not hold a connection
// for ever, nor does one that never comes.
func TestAttackSlowBody(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]time.Duration{"drop by drop": 5 * time.Second, "nothing": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &servers{log: slog.New(slog.DiscardHandler)}
				srv := s.newHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.ReadAll(r.Body); err != nil {
						w.WriteHeader(http.StatusBadRequest)
					}
				}))
				ln := &pipes{conns: make(chan net.Conn)}
				go func() { _ = srv.Serve(ln) }()
				client, server := net.Pipe()
				ln.conns <- server
				begin := time.Now()
				var writer sync.WaitGroup
				writer.Go(func() {
					_, err := io.WriteString(client, "POST /topics/x HTTP/1.1\r\nHost: hub\r\nContent-Length: 100000\r\n\r\n")
					for err == nil && drop > 0 {
						time.Sleep(drop)
						_, err = client.Write([]byte("x"))
					}
				})
				_, _ = io.Copy(io.Discard, client)
				require.LessOrEqual(t, time.Since(begin), 2*time.Minute)
				require.NoError(t, client.Close())
				writer.Wait()
				require.NoError(t, srv.Close())
			})
		})
	}
}

// pipes is a listener without a port.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	if c, ok := <-p.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.conns) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

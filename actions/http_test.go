package actions_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// request is what an endpoint got.
type request struct {
	path, query, body string
	header            http.Header
}

// endpoint is a web service that answers with respond and tells of each request.
func endpoint(t *testing.T, respond http.HandlerFunc) (base string, requests chan request, w *actions.Web) {
	t.Helper()
	requests = make(chan request, 16)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- request{path: r.URL.Path, query: r.URL.RawQuery, body: string(body), header: r.Header}
		if respond != nil {
			respond(w, r)
		}
	}))
	t.Cleanup(s.Close)
	c := actions.NewClient(actions.ClientConfig{AllowPrivate: true})
	t.Cleanup(c.CloseIdleConnections)
	return s.URL, requests, &actions.Web{Client: c, Plain: true}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	base, requests, web := endpoint(t, nil)
	a := actions.HTTP{URL: base + "/in/${x}?q=${y}", ConfirmationURL: base + "/in", Headers: []actions.HTTPHeader{{Key: "x-key", Value: "${k}"}, {Key: "X-Key", Value: "2"}, {Key: "x-none", Value: "${n}"}}}
	require.NoError(t, a.Check())
	require.Equal(t, []string{"url", "confirmationUrl", "headers[0].value", "headers[1].value", "headers[2].value"}, names(a))
	require.Equal(t, base+"/in", a.Destination())
	var asked string
	web.Enabled = func(u string) error { asked = u; return nil }
	do := on(t, a, actions.Host{Web: web})
	ev := event(`{"t":1}`, base+"/in/1 2?q=a%20b", base+"/in", "v", "2", "")
	require.NoError(t, do.Do(t.Context(), ev))
	r := <-requests
	require.Equal(t, "/in/1 2", r.path)
	require.Equal(t, "q=a%20b", r.query)
	require.Equal(t, `{"t":1}`, r.body)
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	require.Equal(t, []string{"v", "2"}, r.header.Values("X-Key"))
	require.NotContains(t, r.header, "X-None")
	require.Equal(t, base+"/in", asked)
	require.Equal(t, ev.Params[0], a.Resource(ev))
	require.Equal(t, actions.Retry{Tries: 3}, do.(actions.Retrier).Retry())
	require.Zero(t, do.(actions.Batcher).Batch())

	web.Enabled = func(string) error { return errors.New("the destination is DISABLED") }
	err := do.Do(t.Context(), ev)
	require.EqualError(t, err, "the destination is DISABLED")
	require.ErrorIs(t, err, actions.ErrPermanent)
	require.Empty(t, requests)
}

func TestHTTPContentType(t *testing.T) {
	t.Parallel()
	base, requests, web := endpoint(t, nil)
	do := on(t, actions.HTTP{URL: base + "/"}, actions.Host{Web: web})
	require.NoError(t, do.Do(t.Context(), event("no json", base+"/", base+"/")))
	require.Equal(t, "application/octet-stream", (<-requests).header.Get("Content-Type"))

	do = on(t, actions.HTTP{URL: base + "/", Headers: []actions.HTTPHeader{{Key: "content-TYPE", Value: "text/csv"}}}, actions.Host{Web: web})
	require.NoError(t, do.Do(t.Context(), event("1", base+"/", base+"/", "text/csv")))
	require.Equal(t, []string{"text/csv"}, (<-requests).header.Values("Content-Type"))
}

func TestHTTPAnswers(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 20000)
	for _, tt := range []struct {
		name      string
		respond   http.HandlerFunc
		want      string
		permanent bool
	}{
		{"200", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, big) }, "", false},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "", false},
		{"400", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }, "the endpoint answered 400 Bad Request", true},
		{"429", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, "the endpoint answered 429 Too Many Requests", false},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "the endpoint answered 500 Internal Server Error", false},
		{"599", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(599) }, "the endpoint answered 599", false},
		{"600", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(600) }, "the endpoint answered 600", true},
		{"500 with a long answer", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, big)
		}, "the endpoint answered 500 Internal Server Error", true},
		{"closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", true},
		{"redirect to another host", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		}, "the endpoint answered 307 Temporary Redirect", true},
		{"redirect to another port", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusPermanentRedirect)
		}, "the endpoint answered 308 Permanent Redirect", true},
		{"redirect that forgets the body", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusFound)
		}, "the endpoint answered 302 Found", true},
		{"redirect in a circle", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/in", http.StatusTemporaryRedirect)
		}, "the endpoint answered 307 Temporary Redirect", true},
		{"redirect to itself", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/in" {
				http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
			}
		}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			base, requests, web := endpoint(t, tt.respond)
			do := on(t, actions.HTTP{URL: base + "/in"}, actions.Host{Web: web})
			err := do.Do(t.Context(), event("payload", base+"/in", base+"/in"))
			if tt.want == "" {
				require.NoError(t, err)
				for len(requests) > 0 {
					require.Equal(t, "payload", (<-requests).body, "a redirect repeats the request")
				}
				return
			}
			require.EqualError(t, err, tt.want)
			require.Equal(t, tt.permanent, errors.Is(err, actions.ErrPermanent))
			require.LessOrEqual(t, len(requests), 4)
		})
	}
}

func TestHTTPTimeLimit(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	base, _, web := endpoint(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := on(t, actions.HTTP{URL: base}, actions.Host{Web: web}).Do(ctx, event("", base, base))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, actions.ErrPermanent)
	if strings.Contains(err.Error(), base) {
		t.Fatalf("%q repeats the URL", err)
	}
}

func TestHTTPKeepsItsHost(t *testing.T) {
	t.Parallel()
	base, requests, web := endpoint(t, nil)
	host := strings.TrimPrefix(base, "http://")
	a := actions.HTTP{URL: base + "/a/${x}", ConfirmationURL: base + "/a"}
	do := on(t, a, actions.Host{Web: web})
	for _, tt := range []struct{ name, rendered, confirmation, want string }{
		{"another host", "http://192.0.2.1/a/", base + "/a", `url is "http://192.0.2.1/a/", expected a URL of ` + base},
		{"user", "http://a@" + host + "/a/", base + "/a", `url is "http://a@` + host + `/a/", expected a URL of ` + base},
		{"another scheme", "https://" + host + "/a/", base + "/a", `url is "https://` + host + `/a/", expected a URL of ` + base},
		{"dots", base + "/a/../b", base + "/a", `url is "` + base + `/a/../b", expected a path without . and ..`},
		{"escaped dots", base + "/a/%2e%2E/b", base + "/a", `url is "` + base + `/a/%2e%2E/b", expected a path without . and ..`},
		{"fragment", base + "/a/#b", base + "/a", `url is "` + base + `/a/#b", expected a URL of ` + base},
		{"control character", base + "/a/\n", base + "/a", "url: net/url: invalid control character in URL"},
		{"bad escape", base + "/a/%zz", base + "/a", `url: invalid URL escape "%zz"`},
		{"not below what was confirmed", base + "/a/b", base + "/a/c", `url is "` + base + `/a/b", expected a URL that begins with ` + base + `/a/c`},
		{"too long", base + "/a/" + strings.Repeat("x", 2000), base + "/a", `expected at most 2000 bytes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := do.Do(t.Context(), event("", tt.rendered, tt.confirmation))
			require.ErrorContains(t, err, tt.want)
			require.ErrorIs(t, err, actions.ErrPermanent)
		})
	}
	require.Empty(t, requests)

	a = actions.HTTP{URL: base + "/", Headers: []actions.HTTPHeader{{Key: "A", Value: "${x}"}}}
	err := on(t, a, actions.Host{Web: web}).Do(t.Context(), event("", base+"/", base+"/", "a\r\nB: c"))
	require.EqualError(t, err, `headers[0].value is "a\r\nB: c", expected a text without control characters`)
}

func TestHTTPChecks(t *testing.T) {
	t.Parallel()
	header := func(k, v string) []actions.HTTPHeader { return []actions.HTTPHeader{{Key: k, Value: v}} }
	for _, tt := range []struct {
		name string
		a    actions.HTTP
		want string
	}{
		{"no scheme", actions.HTTP{URL: "example.com"}, `url is "example.com", expected a URL that begins with https://`},
		{"no host", actions.HTTP{URL: "https:///a"}, `url is "https:///a", expected a URL with a host and without a user`},
		{"bad port", actions.HTTP{URL: "https://a:b/"}, `url is "https://a:b/", expected a URL with a host and without a user`},
		{"user", actions.HTTP{URL: "https://a:b@c/"}, `url is "https://a:b@c/", expected a URL with a host and without a user`},
		{"fragment", actions.HTTP{URL: "https://a/#b"}, `url is "https://a/#b", expected a valid URL without a fragment`},
		{"host from a template", actions.HTTP{URL: "https://${x}/", ConfirmationURL: "https://a/"}, `url is "https://${x}/", expected a URL whose host is followed by / before a template begins, so that no message chooses the host`},
		{"end of the host from a template", actions.HTTP{URL: "https://a${x}/", ConfirmationURL: "https://a"}, `url is "https://a${x}/", expected a URL whose host is followed by / before a template begins, so that no message chooses the host`},
		{"template without confirmationUrl", actions.HTTP{URL: "https://a/${x}"}, `confirmationUrl is missing, expected the part of url without templates that was confirmed`},
		{"no prefix", actions.HTTP{URL: "https://a/b", ConfirmationURL: "https://a/c"}, `url is "https://a/b", expected a URL that begins with confirmationUrl`},
		{"longer than the url", actions.HTTP{URL: "https://a/b", ConfirmationURL: "https://a/b/c"}, `url is "https://a/b", expected a URL that begins with confirmationUrl`},
		{"a prefix of another host", actions.HTTP{URL: "https://a.b/", ConfirmationURL: "https://a"}, `url is "https://a.b/", expected a URL that begins with confirmationUrl`},
		{"bad confirmationUrl", actions.HTTP{URL: "https://a/b", ConfirmationURL: "a"}, `confirmationUrl is "a", expected a URL that begins with https://`},
		{"too long", actions.HTTP{URL: "https://a/" + strings.Repeat("b", 2000)}, `url is "https://a/` + strings.Repeat("b", 70) + `"..., expected at most 2000 bytes`},
		{"too many headers", actions.HTTP{URL: "https://a", Headers: make([]actions.HTTPHeader, 101)}, `headers is an array of 101, expected 0 to 100 items`},
		{"header without name", actions.HTTP{URL: "https://a", Headers: header("", "")}, `headers[0].key is missing, expected 1 to 256 bytes`},
		{"header with a blank", actions.HTTP{URL: "https://a", Headers: header("a b", "")}, `headers[0].key is "a b", expected the name of a header`},
		{"header of HTTP", actions.HTTP{URL: "https://a", Headers: header("host", "b")}, `headers[0].key is "host", expected a header that is not HTTP's own`},
		{"header with a line break", actions.HTTP{URL: "https://a", Headers: header("b", "c\nd")}, `headers[0].value is "c\nd", expected a text without control characters`},
		{"auth", actions.HTTP{URL: "https://a", Auth: &actions.HTTPAuth{}}, `auth.sigv4 is missing, expected signingRegion, serviceName and roleArn`},
		{"batch", actions.HTTP{URL: "https://a", BatchConfig: &actions.BatchConfig{MaxBatchOpenMs: 201}}, `batchConfig.maxBatchOpenMs is 201, expected 5 to 200`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.EqualError(t, tt.a.Check(), tt.want)
		})
	}
	for _, a := range []actions.HTTP{
		{URL: "https://a"},
		{URL: "https://a?q=${x}", ConfirmationURL: "https://a"},
		{URL: "https://a/${x}/b", ConfirmationURL: "https://a/${x}"},
		{URL: "https://[2001:db8::1]:8443/${x}", ConfirmationURL: "https://[2001:db8::1]:8443/"},
	} {
		require.NoError(t, a.Check(), a.URL)
	}
	require.Equal(t, "https://a", actions.HTTP{URL: "https://a"}.Destination())
	require.Empty(t, actions.HTTP{URL: "https://a/${x}/b", ConfirmationURL: "https://a/${x}"}.Destination())

	w := &actions.Web{Client: http.DefaultClient}
	_, err := actions.HTTP{URL: "http://a"}.On(actions.Host{Web: w})
	require.EqualError(t, err, `url is "http://a", expected a URL that begins with https://`)
	_, err = actions.HTTP{URL: "https://a", Auth: &actions.HTTPAuth{SigV4: &actions.SigV4{}}}.On(actions.Host{Web: w})
	require.ErrorIs(t, err, actions.ErrNoHost)
}

func TestHTTPBatch(t *testing.T) {
	t.Parallel()
	base, requests, web := endpoint(t, nil)
	a := actions.HTTP{URL: base, EnableBatching: true, Headers: []actions.HTTPHeader{{Key: "A", Value: "${x}"}}}
	do := on(t, a, actions.Host{Web: web}).(actions.Batcher)
	b := do.Batch()
	require.Equal(t, base, b.Key(event("", base)))
	b.Key = nil
	require.Equal(t, actions.Batch{Events: 10, Bytes: 5120, Open: 20 * time.Millisecond}, b)

	errs := do.DoBatch(t.Context(), []actions.Event{
		event(` {"a":1}`, base, base, "1"), event("text", base, base, "2"), event("\xff", base, base, "3"), event("", base, base, "4"),
	})
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	require.EqualError(t, errs[2], "the payload is not UTF-8, which a batch cannot hold")
	require.ErrorIs(t, errs[2], actions.ErrPermanent)
	require.NoError(t, errs[3])
	r := <-requests
	require.Equal(t, `[ {"a":1},"text",""]`, r.body)
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	require.Equal(t, "4", r.header.Get("A"), "the last one's headers")

	errs = do.DoBatch(t.Context(), []actions.Event{event("\xff", base, base, "1")})
	require.Error(t, errs[0])
	require.Empty(t, requests)

	a.BatchConfig = &actions.BatchConfig{MaxBatchOpenMs: 50, MaxBatchSize: 2, MaxBatchSizeBytes: 100, BatchAcrossTopics: true}
	b = on(t, a, actions.Host{Web: web}).(actions.Batcher).Batch()
	b.Key = nil
	require.Equal(t, actions.Batch{Events: 2, Bytes: 100, Open: 50 * time.Millisecond, AcrossTopics: true}, b)
}

// signer puts what it signs into a header.
type signer struct{ err error }

func (s signer) Sign(_ context.Context, r *http.Request, body []byte, a actions.SigV4) error {
	r.Header.Set("Authorization", fmt.Sprintf("%s %s %d", a.ServiceName, a.SigningRegion, len(body)))
	return s.err
}

func TestHTTPSigns(t *testing.T) {
	t.Parallel()
	base, requests, web := endpoint(t, nil)
	web.Signer = signer{}
	a := actions.HTTP{URL: base, Auth: &actions.HTTPAuth{SigV4: &actions.SigV4{ServiceName: "s", SigningRegion: "r", RoleARN: "arn"}}}
	require.NoError(t, on(t, a, actions.Host{Web: web}).Do(t.Context(), event("abc", base, base)))
	require.Equal(t, "s r 3", (<-requests).header.Get("Authorization"))

	web.Signer = signer{err: errors.New("no credentials")}
	err := on(t, a, actions.Host{Web: web}).Do(t.Context(), event("abc", base, base))
	require.EqualError(t, err, "sign: no credentials")
	require.NotErrorIs(t, err, actions.ErrPermanent)
}

func TestClientRefusesPrivateAddresses(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request arrived") }))
	defer s.Close()
	web := &actions.Web{Client: actions.NewClient(actions.ClientConfig{}), Plain: true}
	err := on(t, actions.HTTP{URL: s.URL}, actions.Host{Web: web}).Do(t.Context(), event("", s.URL, s.URL))
	require.ErrorIs(t, err, actions.ErrPrivateAddress)
	require.ErrorIs(t, err, actions.ErrPermanent)
	name := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	err = on(t, actions.HTTP{URL: name}, actions.Host{Web: web}).Do(t.Context(), event("", name, name))
	require.ErrorIs(t, err, actions.ErrPrivateAddress, "names are resolved first")
}

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for address, public := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1111]:443": true, "172.32.0.1:1": true, "100.128.0.1:1": true,
		"127.0.0.1:80": false, "10.1.2.3:80": false, "172.16.0.1:80": false, "192.168.0.1:80": false, "169.254.169.254:80": false,
		"100.64.0.1:80": false, "0.0.0.0:80": false, "0.1.2.3:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false, "240.0.0.1:80": false,
		"192.0.0.170:80": false, "198.18.0.1:80": false, "[::1]:80": false, "[::]:80": false, "[fe80::1]:80": false, "[fe80::1%eth0]:80": false,
		"[fc00::1]:80": false, "[fd00:ec2::254]:80": false, "[ff02::1]:80": false, "[::ffff:127.0.0.1]:80": false, "[::ffff:10.0.0.1]:80": false,
		"[64:ff9b::7f00:1]:80": false, "[::7f00:1]:80": false, "[::ffff:0:7f00:1]:80": false, "[2002:7f00:1::]:80": false, "[2001:db8::1]:80": false, "nonsense": false,
	} {
		err := actions.CheckAddress(address)
		if public {
			require.NoError(t, err, address)
		} else {
			require.ErrorIs(t, err, actions.ErrPrivateAddress, address)
		}
	}
}

func TestClientDefaults(t *testing.T) {
	t.Parallel()
	c := actions.NewClient(actions.ClientConfig{})
	require.Equal(t, 10*time.Second, c.Timeout)
	require.Nil(t, c.Jar)
	require.Nil(t, c.Transport.(*http.Transport).Proxy)
}

package oidc_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

// A wire is a way to an issuer without a network, for bubbles.
type wire struct {
	mu    sync.Mutex
	asked map[string]int
	serve func(r *http.Request) (status int, body any, err error)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.asked[r.URL.Path]++
	serve := w.serve
	w.mu.Unlock()
	status, body, err := serve(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(string(asJSON(body)))),
	}, nil
}

func (w *wire) count(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[path]
}

func (w *wire) set(serve func(r *http.Request) (int, any, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serve = serve
}

// publishes answers as an issuer with these keys: ids and private keys in turn.
func publishes(pairs ...any) func(*http.Request) (int, any, error) {
	var set issuer
	set.keys(pairs...)
	return func(r *http.Request) (int, any, error) {
		if r.URL.Path == "/keys" {
			return 200, set.set, nil
		}
		return 200, object{"issuer": issuerName, "jwks_uri": issuerName + "/keys"}, nil
	}
}

const discovery, keysPath = "/.well-known/openid-configuration", "/keys"

// remote is a Provider that asks an issuer over a wire.
func remote(t *testing.T, serve func(*http.Request) (int, any, error), change ...func(*oidc.Config)) (*oidc.Provider, *wire) {
	t.Helper()
	w := &wire{asked: map[string]int{}, serve: serve}
	cfg := oidc.Config{Issuer: issuerName, Audiences: []string{"hub"}, Client: &http.Client{Transport: w}}
	for _, c := range change {
		c(&cfg)
	}
	p, err := oidc.New(cfg)
	require.NoError(t, err)
	return p, w
}

// fresh is a token that counts for an hour from now on.
func fresh(kid string, key any) string {
	now := time.Now()
	return jwt(with(rs256, "kid", kid), with(good(), "iat", now.Unix(), "exp", now.Add(time.Hour).Unix()), key)
}

func down(*http.Request) (int, any, error) { return 0, nil, errors.New("connection refused") }

func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, w := remote(t, publishes("r1", rsaKey))
		require.False(t, p.Immediate())
		require.Zero(t, w.count(discovery), "nobody is asked before there is a token")
		verify := func(kid string, key any) error {
			_, err := p.Verify(t.Context(), fresh(kid, key))
			return err
		}
		require.NoError(t, verify("r1", rsaKey))
		require.NoError(t, verify("r1", rsaKey))
		require.Equal(t, 1, w.count(discovery))
		require.Equal(t, 1, w.count(keysPath))

		// A new key is found when the first token comes that is signed with it, without
		// discovery; but not within the cooldown.
		w.set(publishes("r2", otherRSA))
		require.ErrorIs(t, verify("r2", otherRSA), auth.ErrBadCredentials)
		require.Equal(t, 1, w.count(keysPath))
		time.Sleep(10 * time.Second)
		require.NoError(t, verify("r2", otherRSA))
		require.Equal(t, 2, w.count(keysPath))
		require.Equal(t, 1, w.count(discovery))
		require.ErrorIs(t, verify("r1", rsaKey), auth.ErrBadCredentials, "the old one is gone")

		// A key that is withdrawn counts until the keys are fetched again.
		w.set(publishes("r3", rsaKey))
		time.Sleep(time.Hour)
		require.NoError(t, verify("r2", otherRSA))
		synctest.Wait()
		require.Equal(t, 2, w.count(discovery))
		require.ErrorIs(t, verify("r2", otherRSA), auth.ErrBadCredentials)
		require.NoError(t, verify("r3", rsaKey))
	})
}

// TestForgeriesDoNotAsk: whoever sends rubbish does not make us ask the issuer all the time.
func TestForgeriesDoNotAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, w := remote(t, publishes("r1", rsaKey))
		for range 100 {
			for _, kid := range []string{"r1", "x", ""} {
				_, err := p.Verify(t.Context(), fresh(kid, otherRSA))
				require.ErrorIs(t, err, auth.ErrBadCredentials)
			}
			time.Sleep(100 * time.Millisecond)
		}
		require.LessOrEqual(t, w.count(keysPath), 2)
		require.Equal(t, 1, w.count(discovery))
	})
}

// TestUnreachable: without keys nobody can tell; the issuer is asked again, at growing
// distances.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, w := remote(t, down)
		start, asked := time.Now(), []time.Duration{}
		for time.Since(start) < 5*time.Minute {
			before := w.count(discovery)
			_, err := p.Verify(t.Context(), fresh("r1", rsaKey))
			require.ErrorIs(t, err, auth.ErrUnavailable)
			require.NotErrorIs(t, err, auth.ErrBadCredentials)
			require.ErrorContains(t, err, "connection refused")
			if w.count(discovery) > before {
				asked = append(asked, time.Since(start))
			}
			time.Sleep(time.Second)
		}
		require.Equal(t, []time.Duration{0, 1e9, 3e9, 7e9, 15e9, 31e9, 63e9, 123e9, 183e9, 243e9}, asked)
		w.set(publishes("r1", rsaKey))
		time.Sleep(time.Minute)
		_, err := p.Verify(t.Context(), fresh("r1", rsaKey))
		require.NoError(t, err)
	})
}

// TestKeysOutlastTheIssuer: while the issuer is away, what is known of it counts for a day.
func TestKeysOutlastTheIssuer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, w := remote(t, publishes("r1", rsaKey))
		start := time.Now()
		for time.Since(start) < 24*time.Hour {
			_, err := p.Verify(t.Context(), fresh("r1", rsaKey))
			require.NoError(t, err)
			w.set(down)
			time.Sleep(10 * time.Minute)
		}
		_, err := p.Verify(t.Context(), fresh("r2", rsaKey))
		require.ErrorIs(t, err, auth.ErrUnavailable)
		_, err = p.Verify(t.Context(), fresh("r1", rsaKey))
		require.ErrorIs(t, err, auth.ErrUnavailable)
	})
}

// TestUnknownKeyWhileAway: a token with a key that is not known may be good.
func TestUnknownKeyWhileAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, w := remote(t, publishes("r1", rsaKey))
		_, err := p.Verify(t.Context(), fresh("r1", rsaKey))
		require.NoError(t, err)
		w.set(down)
		time.Sleep(time.Minute)
		for range 3 {
			_, err = p.Verify(t.Context(), fresh("r2", otherRSA))
			require.ErrorIs(t, err, auth.ErrUnavailable)
		}
		require.Equal(t, 2, w.count(keysPath))
		_, err = p.Verify(t.Context(), fresh("r1", rsaKey))
		require.NoError(t, err)
	})
}

// TestOneQuestion: those who come at the same time wait for one answer, each as long as
// it likes.
func TestOneQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		serve := publishes("r1", rsaKey)
		p, w := remote(t, func(r *http.Request) (int, any, error) {
			time.Sleep(3 * time.Second)
			return serve(r)
		})
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Second+time.Millisecond)
				defer cancel()
				_, err := p.Verify(ctx, fresh("r1", rsaKey))
				if i < 6 {
					require.ErrorIs(t, err, auth.ErrUnavailable)
					require.ErrorIs(t, err, context.DeadlineExceeded)
				} else {
					require.NoError(t, err)
				}
			})
		}
		wait.Wait()
		require.Equal(t, 1, w.count(discovery))
		require.Equal(t, 1, w.count(keysPath))
	})
}

func TestSlowIssuer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := remote(t, func(r *http.Request) (int, any, error) {
			<-r.Context().Done()
			return 0, nil, r.Context().Err()
		}, func(c *oidc.Config) { c.Timeout = 4 * time.Second })
		start := time.Now()
		_, err := p.Verify(t.Context(), fresh("r1", rsaKey))
		require.ErrorIs(t, err, auth.ErrUnavailable)
		require.Equal(t, 4*time.Second, time.Since(start))
	})
}

// TestKeysURL: issuers without discovery.
func TestKeysURL(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	p, err := oidc.New(oidc.Config{Issuer: "some issuer", Audiences: []string{"hub"}, KeysURL: is.URL + "/keys", Now: clock})
	require.NoError(t, err)
	_, err = p.Verify(t.Context(), jwt(rs256, with(good(), "iss", "some issuer"), rsaKey))
	require.NoError(t, err)
	require.Zero(t, is.count(discovery))
	_, err = p.Discover(t.Context())
	require.ErrorContains(t, err, "Config.KeysURL is set")
}

// TestBadIssuers are issuers that answer, but not as they should: nobody can tell then
// whether a token is good.
func TestBadIssuers(t *testing.T) {
	t.Parallel()
	says := func(path string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	for _, c := range []struct {
		name, expects string
		broken        func(http.ResponseWriter, *http.Request) bool
		metadata      []any
	}{
		{"discovery: 500", "500", says(discovery, 500, strings.Repeat("x", 5000)), nil},
		{"discovery: no JSON", "decode", says(discovery, 200, "<html>"), nil},
		{"discovery: another issuer", "did not match", nil, []any{"issuer", "https://evil.test"}},
		{"discovery: trailing slash", "did not match", nil, []any{"issuer", "SLASH"}},
		{"discovery: no keys", "jwks_uri", nil, []any{"jwks_uri", nil}},
		{"discovery: keys in a file", "jwks_uri", nil, []any{"jwks_uri", "file:///etc/passwd"}},
		{"discovery: keys from another machine in plain text", "jwks_uri", nil, []any{"jwks_uri", "http://issuer.test/keys"}},
		{"discovery: too long", "more than", says(discovery, 200, `{"x":"`+strings.Repeat("x", 1<<20)+`"}`), nil},
		{"keys: 404", "404", says(keysPath, 404, ""), nil},
		{"keys: no JSON", "no JSON Web Key Set", says(keysPath, 200, "x"), nil},
		{"keys: no set", "no JSON Web Key Set", says(keysPath, 200, "{}"), nil},
		{"keys: too long", "more than", says(keysPath, 200, strings.Repeat(" ", 1<<20)+`{"keys":[]}`), nil},
		{"keys: too many", "101 keys", says(keysPath, 200, `{"keys":[`+strings.Repeat(`{},`, 100)+`{}]}`), nil},
		{"round and round", "redirected 10 times", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, nil},
		{"no answer", "EOF", func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			is := newIssuer(t)
			is.breaks(c.broken)
			is.mu.Lock()
			is.metadata = with(is.metadata, c.metadata...)
			if is.metadata["issuer"] == "SLASH" {
				is.metadata["issuer"] = is.URL + "/"
			}
			is.mu.Unlock()
			p, err := oidc.New(oidc.Config{Issuer: is.URL, Audiences: []string{"hub"}, Now: clock})
			require.NoError(t, err)
			_, err = p.Verify(t.Context(), jwt(rs256, with(good(), "iss", is.URL), rsaKey))
			require.ErrorIs(t, err, auth.ErrUnavailable)
			require.ErrorContains(t, err, c.expects)
			require.Less(t, len(err.Error()), 600)
		})
	}
}

// TestNoWayDown: from https:// nobody is sent to http://.
func TestNoWayDown(t *testing.T) {
	t.Parallel()
	p, _ := remote(t, func(*http.Request) (int, any, error) {
		return 200, object{"issuer": issuerName, "jwks_uri": "http://127.0.0.1/keys"}, nil
	}, func(c *oidc.Config) { c.AllowPlain = true })
	_, err := p.Verify(t.Context(), fresh("r1", rsaKey))
	require.ErrorContains(t, err, "expected https:// as the issuer has")

	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		require.Equal(t, "https", r.URL.Scheme, "asked in plain text")
		return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"http://issuer.test" + r.URL.Path}}, Body: http.NoBody, Request: r}, nil
	})}
	p, err = oidc.New(oidc.Config{Issuer: issuerName, Audiences: []string{"hub"}, Client: client})
	require.NoError(t, err)
	_, err = p.Verify(t.Context(), fresh("r1", rsaKey))
	require.ErrorContains(t, err, "redirected from https:// to http://")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestKeySets: keys that are of no use are no harm to the others.
func TestKeySets(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	is.keys("r1", rsaKey)
	one := asJSON(is.set.Keys[0])
	enc := strings.Replace(string(one), `"use":"sig"`, `"use":"enc"`, 1)
	other := strings.Replace(string(one), `"use":"sig"`, `"use":"sig","alg":"RS512"`, 1)
	short := asJSON(object{"kty": "RSA", "kid": "r1", "n": b64(newRSA(1024).N.Bytes()), "e": "AQAB"})
	for name, c := range map[string]struct {
		set  string
		want bool
	}{
		"alone":             {string(one), true},
		"with strangers":    {`{"kty":"oct","k":"AAAA","kid":"r1"},{"kty":"OKP","crv":"Ed448","x":"AA","kid":"r1"},{"kty":"new"},3,null,"x",{},` + string(one), true},
		"for encryption":    {enc, false},
		"for another alg":   {other, false},
		"too short":         {string(short), false},
		"shared":            {`{"kty":"oct","k":"AAAA","kid":"r1"}`, false},
		"private":           {string(asJSON(object{"kty": "RSA", "kid": "r1", "n": b64(rsaKey.N.Bytes()), "e": "AQAB", "d": b64(rsaKey.D.Bytes()), "p": b64(rsaKey.Primes[0].Bytes()), "q": b64(rsaKey.Primes[1].Bytes())})), false},
		"two with one name": {string(one) + "," + strings.ReplaceAll(string(one), b64(rsaKey.N.Bytes()), b64(otherRSA.N.Bytes())), true},
		"none":              {"", false},
	} {
		p, err := oidc.New(oidc.Config{Issuer: "x", Audiences: []string{"hub"}, KeysURL: is.URL + "/keys", Now: clock})
		require.NoError(t, err)
		is.breaks(func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, `{"keys":[`+c.set+`]}`)
			return true
		})
		_, err = p.Verify(t.Context(), jwt(rs256, with(good(), "iss", "x"), rsaKey))
		require.Equal(t, c.want, err == nil, "%s: %v", name, err)
	}
}

// TestNoKeyID: a token without a key id is good if there is one key only that it can be of.
func TestNoKeyID(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	p, err := oidc.New(oidc.Config{Issuer: is.URL, Audiences: []string{"hub"}, Now: clock})
	require.NoError(t, err)
	token := jwt(with(rs256, "kid", nil), with(good(), "iss", is.URL), rsaKey)
	is.keys("r1", rsaKey, "e1", ecKey)
	_, err = p.Verify(t.Context(), token)
	require.NoError(t, err)
	is.keys("r1", rsaKey, "r2", otherRSA)
	p, err = oidc.New(oidc.Config{Issuer: is.URL, Audiences: []string{"hub"}, Now: clock})
	require.NoError(t, err)
	_, err = p.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	p, err := oidc.New(oidc.Config{Issuer: is.URL, Audiences: []string{"hub"}})
	require.NoError(t, err)
	m, err := p.Discover(t.Context())
	require.NoError(t, err)
	require.Equal(t, oidc.Metadata{Issuer: is.URL, AuthorizationEndpoint: is.URL + "/authorize", TokenEndpoint: is.URL + "/token", KeysURL: is.URL + "/keys"}, m)
	is.Close()
	again, err := p.Discover(t.Context())
	require.NoError(t, err)
	require.Equal(t, m, again)
	_, err = static(t).Discover(t.Context())
	require.ErrorContains(t, err, "are given")
}

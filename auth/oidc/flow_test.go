package oidc_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

const clientID, clientSecret, backURL = "hub", "s3:cret", "https://hub.test/back"

// A site is an issuer at which people sign in: it speaks the code flow, and checks what it
// is sent as the standards say.
type site struct {
	*issuer
	change func(claims object) // of ID tokens
	answer func(body object)   // of the token endpoint
	inBody bool                // the secret is expected there
	codes  map[string]url.Values
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{issuer: newIssuer(t), codes: map[string]url.Values{}}
	s.breaks(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/token" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		status, body := s.token(r)
		w.WriteHeader(status)
		_, _ = w.Write(asJSON(body))
		return true
	})
	return s
}

// visit is what somebody does who is sent to the site and says yes: it returns what the
// browser brings back.
func (s *site) visit(t *testing.T, to string) url.Values {
	t.Helper()
	u, err := url.Parse(to)
	require.NoError(t, err)
	q := u.Query()
	require.Equal(t, s.URL+"/authorize", u.Scheme+"://"+u.Host+u.Path)
	require.Equal(t, clientID, q.Get("client_id"))
	require.Equal(t, "code", q.Get("response_type"))
	require.Equal(t, backURL, q.Get("redirect_uri"))
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	require.Len(t, q.Get("code_challenge"), 43)
	require.GreaterOrEqual(t, len(q.Get("state")), 43)
	require.Contains(t, strings.Fields(q.Get("scope")), "openid")
	code := "code-" + q.Get("state")[:8]
	s.codes[code] = q
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

func (s *site) token(r *http.Request) (int, object) {
	refuse := func(status int, code string) (int, object) {
		return status, object{"error": code, "error_description": "no"}
	}
	if r.Method != http.MethodPost || r.ParseForm() != nil || r.PostForm.Get("grant_type") != "authorization_code" {
		return refuse(400, "invalid_request")
	}
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if id != clientID || secret != clientSecret || basic == s.inBody {
		return refuse(401, "invalid_client")
	}
	q, known := s.codes[r.PostForm.Get("code")]
	delete(s.codes, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !known || r.PostForm.Get("redirect_uri") != q.Get("redirect_uri") || b64(sum[:]) != q.Get("code_challenge") {
		return refuse(400, "invalid_grant")
	}
	hash := sha256.Sum256([]byte("access-1"))
	claims := with(good(), "iss", s.URL, "nonce", q.Get("nonce"), "at_hash", b64(hash[:16]))
	if s.change != nil {
		s.change(claims)
	}
	body := object{"access_token": "access-1", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "refresh-1", "id_token": jwt(rs256, claims, rsaKey)}
	if s.answer != nil {
		s.answer(body)
	}
	return 200, body
}

func newFlow(t *testing.T, s *site, change ...func(*oidc.FlowConfig)) *oidc.Flow {
	t.Helper()
	p, err := oidc.New(oidc.Config{Issuer: s.URL, Audiences: []string{clientID}, Now: clock})
	require.NoError(t, err)
	cfg := oidc.FlowConfig{
		Provider: p, ClientID: clientID, RedirectURL: backURL, Scopes: []string{"email"}, Now: clock, Params: url.Values{"prompt": {"consent"}},
		Secret: func(context.Context) (string, error) { return clientSecret, nil },
	}
	for _, c := range change {
		c(&cfg)
	}
	f, err := oidc.NewFlow(cfg)
	require.NoError(t, err)
	return f
}

func TestFlow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := newFlow(t, s)
	p, err := f.Begin(t.Context())
	require.NoError(t, err)
	require.Equal(t, epoch.Add(10*time.Minute), p.Expires)
	require.Contains(t, p.URL, "prompt=consent")
	require.NotContains(t, p.URL, p.Verifier)
	back := s.visit(t, p.URL)
	kept := *p
	kept.URL = ""
	got, err := f.Exchange(t.Context(), &kept, back)
	require.NoError(t, err)
	require.Equal(t, "alice", got.Token.Subject)
	require.Equal(t, []string{"access-1", "refresh-1"}, []string{got.AccessToken, got.RefreshToken})
	require.NotEmpty(t, got.IDToken)
	require.False(t, got.AccessExpires.IsZero())

	_, err = f.Exchange(t.Context(), &kept, back)
	require.ErrorIs(t, err, auth.ErrBadCredentials, "a code counts once")

	again, err := f.Begin(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, []string{p.State, p.Nonce, p.Verifier}, []string{again.State, again.Nonce, again.Verifier})
}

// TestFlowRefuses brings back what should not be.
func TestFlowRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, expects string
		want          error
		back          func(s *site, p *oidc.Pending, v url.Values)
	}{
		{"state of another browser", "state is not", auth.ErrBadCredentials, func(_ *site, _ *oidc.Pending, v url.Values) { v.Set("state", "x") }},
		{"no state", "state is not", auth.ErrBadCredentials, func(_ *site, _ *oidc.Pending, v url.Values) { v.Del("state") }},
		{"state twice", "there 2 times", auth.ErrBadCredentials, func(_ *site, _ *oidc.Pending, v url.Values) { v.Add("state", v.Get("state")) }},
		{"no state on either side", "incomplete", auth.ErrBadCredentials, func(_ *site, p *oidc.Pending, v url.Values) { v.Del("state"); p.State = "" }},
		{"nobody", "incomplete", auth.ErrBadCredentials, func(_ *site, p *oidc.Pending, _ url.Values) { *p = oidc.Pending{} }},
		{"no nonce kept", "incomplete", auth.ErrBadCredentials, func(_ *site, p *oidc.Pending, _ url.Values) { p.Nonce = "" }},
		{"no code", "code is missing", auth.ErrBadCredentials, func(_ *site, _ *oidc.Pending, v url.Values) { v.Del("code") }},
		{"code of another", "code does not count", auth.ErrBadCredentials, func(_ *site, _ *oidc.Pending, v url.Values) { v.Set("code", "code-x") }},
		{"long code", "code is missing or too long", auth.ErrBadCredentials, func(_ *site, _ *oidc.Pending, v url.Values) { v.Set("code", strings.Repeat("x", 9000)) }},
		{"verifier of another", "code does not count", auth.ErrBadCredentials, func(_ *site, p *oidc.Pending, _ url.Values) { p.Verifier += "x" }},
		{"too late", "longer than 10m", auth.ErrBadCredentials, func(_ *site, p *oidc.Pending, _ url.Values) { p.Expires = epoch }},
		{"no", `"access_denied" "she says no"`, auth.ErrBadCredentials, func(_ *site, _ *oidc.Pending, v url.Values) {
			v.Del("code")
			v.Set("error", "access_denied")
			v.Set("error_description", "she says no")
		}},
		{"provider fails", "temporarily_unavailable", auth.ErrUnavailable, func(_ *site, _ *oidc.Pending, v url.Values) { v.Set("error", "temporarily_unavailable") }},
		{"answer of another provider", "iss is", auth.ErrBadCredentials, func(_ *site, _ *oidc.Pending, v url.Values) { v.Set("iss", "https://evil.test") }},
		{"nonce of another", "nonce is", auth.ErrBadCredentials, func(s *site, _ *oidc.Pending, _ url.Values) { s.change = func(c object) { c["nonce"] = "x" } }},
		{"no nonce", "nonce is", auth.ErrBadCredentials, func(s *site, _ *oidc.Pending, _ url.Values) { s.change = func(c object) { delete(c, "nonce") } }},
		{"token for another", "aud is", auth.ErrBadCredentials, func(s *site, _ *oidc.Pending, _ url.Values) { s.change = func(c object) { c["aud"] = "other" } }},
		{"expired", "expired", auth.ErrTokenExpired, func(s *site, _ *oidc.Pending, _ url.Values) { s.change = func(c object) { c["exp"] = 1 } }},
		{"access token of another", "not the one of the ID token", auth.ErrBadCredentials, func(s *site, _ *oidc.Pending, _ url.Values) { s.answer = func(b object) { b["access_token"] = "x" } }},
		{"no ID token", "no ID token", auth.ErrBadCredentials, func(s *site, _ *oidc.Pending, _ url.Values) { s.answer = func(b object) { delete(b, "id_token") } }},
		{"no access token", "access_token", auth.ErrUnavailable, func(s *site, _ *oidc.Pending, _ url.Values) { s.answer = func(b object) { delete(b, "access_token") } }},
		{"our secret is wrong", "invalid_client", auth.ErrUnavailable, func(s *site, _ *oidc.Pending, _ url.Values) { s.inBody = true }},
		{"nobody there", "token endpoint", auth.ErrUnavailable, func(s *site, _ *oidc.Pending, _ url.Values) { s.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			f := newFlow(t, s)
			p, err := f.Begin(t.Context())
			require.NoError(t, err)
			back := s.visit(t, p.URL)
			c.back(s, p, back)
			got, err := f.Exchange(t.Context(), p, back)
			require.Nil(t, got)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.expects)
			require.NotContains(t, err.Error(), clientSecret)
		})
	}
}

// TestFlowOfAnotherProvider: what is meant for one provider is not taken from another,
// where they say who they are (RFC 9207).
func TestFlowOfAnotherProvider(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.metadata["authorization_response_iss_parameter_supported"] = true
	f := newFlow(t, s)
	p, err := f.Begin(t.Context())
	require.NoError(t, err)
	back := s.visit(t, p.URL)
	_, err = f.Exchange(t.Context(), p, back)
	require.ErrorContains(t, err, `iss is ""`)
	back.Set("iss", s.URL)
	_, err = f.Exchange(t.Context(), p, back)
	require.NoError(t, err)
}

// TestSecretInBody: the provider says so, or the host.
func TestSecretInBody(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*site, *oidc.FlowConfig){
		"provider": func(s *site, _ *oidc.FlowConfig) {
			s.metadata["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
		},
		"host": func(_ *site, c *oidc.FlowConfig) { c.SecretInBody = true },
	} {
		s := newSite(t)
		s.inBody = true
		f := newFlow(t, s, func(c *oidc.FlowConfig) { change(s, c) })
		p, err := f.Begin(t.Context())
		require.NoError(t, err)
		_, err = f.Exchange(t.Context(), p, s.visit(t, p.URL))
		require.NoError(t, err, name)
	}
}

// verifier proves the access token access-1.
type verifier struct{}

func (verifier) Verify(_ context.Context, token string) (*auth.Token, error) {
	if token != "access-1" {
		return nil, auth.ErrBadCredentials
	}
	return &auth.Token{Issuer: "x", Subject: "alice"}, nil
}

// TestFlowWithoutIDTokens: OAuth 2.0 alone.
func TestFlowWithoutIDTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := newFlow(t, s, func(c *oidc.FlowConfig) {
		c.Provider, c.Verifier, c.AuthURL, c.TokenURL, c.Scopes = nil, verifier{}, s.URL+"/authorize", s.URL+"/token", []string{"openid"}
	})
	p, err := f.Begin(t.Context())
	require.NoError(t, err)
	require.Empty(t, p.Nonce)
	got, err := f.Exchange(t.Context(), p, s.visit(t, p.URL))
	require.NoError(t, err)
	require.Equal(t, "alice", got.Token.Subject)
	require.Empty(t, got.IDToken)
	for expects, answer := range map[string]func(object){
		"bad credentials": func(b object) { b["access_token"] = "other" },
		`type "MAC"`:      func(b object) { b["token_type"] = "mac" },
	} {
		s.answer = answer
		p, err := f.Begin(t.Context())
		require.NoError(t, err)
		_, err = f.Exchange(t.Context(), p, s.visit(t, p.URL))
		require.ErrorContains(t, err, expects)
		require.ErrorIs(t, err, auth.ErrBadCredentials)
	}
}

func TestFlowConfig(t *testing.T) {
	t.Parallel()
	p, err := oidc.New(oidc.Config{Issuer: issuerName, Audiences: []string{"hub"}})
	require.NoError(t, err)
	for expects, change := range map[string]func(*oidc.FlowConfig){
		"expected one":                                func(c *oidc.FlowConfig) { c.Verifier = verifier{} },
		"or none of them":                             func(c *oidc.FlowConfig) { c.Provider = nil },
		"expected both without Provider":              func(c *oidc.FlowConfig) { c.Provider, c.Verifier = nil, verifier{} },
		"it is not discovered":                        func(c *oidc.FlowConfig) { c.Provider = static(t) },
		"ClientID is empty":                           func(c *oidc.FlowConfig) { c.ClientID = "" },
		`FlowConfig.RedirectURL is ""`:                func(c *oidc.FlowConfig) { c.RedirectURL = "" },
		`FlowConfig.RedirectURL is "http://hub.test"`: func(c *oidc.FlowConfig) { c.RedirectURL = "http://hub.test" },
		`FlowConfig.TokenURL is "x"`:                  func(c *oidc.FlowConfig) { c.TokenURL = "x" },
		`Params has 2 values of "resource"`:           func(c *oidc.FlowConfig) { c.Params = url.Values{"resource": {"a", "b"}} },
		`Params has "state"`:                          func(c *oidc.FlowConfig) { c.Params = url.Values{"state": {"x"}} },
		"Lifetime is 25h":                             func(c *oidc.FlowConfig) { c.Lifetime = 25 * time.Hour },
		"Timeout is -1s":                              func(c *oidc.FlowConfig) { c.Timeout = -time.Second },
	} {
		cfg := oidc.FlowConfig{Provider: p, ClientID: "hub", RedirectURL: backURL}
		change(&cfg)
		_, err := oidc.NewFlow(cfg)
		require.ErrorContains(t, err, expects)
	}
}

func TestFlowUnavailable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := newFlow(t, s, func(c *oidc.FlowConfig) {
		c.Secret = func(context.Context) (string, error) { return "", errors.New("vault is sealed") }
	})
	p, err := f.Begin(t.Context())
	require.NoError(t, err)
	_, err = f.Exchange(t.Context(), p, s.visit(t, p.URL))
	require.ErrorIs(t, err, auth.ErrUnavailable)
	require.ErrorContains(t, err, "vault is sealed")

	delete(s.metadata, "token_endpoint")
	_, err = newFlow(t, s).Begin(t.Context())
	require.ErrorIs(t, err, auth.ErrUnavailable)
	s.Close()
	_, err = newFlow(t, s).Begin(t.Context())
	require.ErrorIs(t, err, auth.ErrUnavailable)
}

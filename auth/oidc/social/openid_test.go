package social_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
	"github.com/thinghub/thinghub/auth/oidc/social"
)

const webClient, androidClient = "1-web.apps.googleusercontent.com", "1-android.apps.googleusercontent.com"

func googleClaims(s *stand) object {
	now := time.Now().Unix()
	return object{
		"iss": s.URL, "azp": androidClient, "aud": webClient, "sub": "110169484474386276334", "hd": "example.com",
		"email": "a@example.com", "email_verified": true, "iat": now, "exp": now + 3600,
	}
}

func TestGoogle(t *testing.T) {
	t.Parallel()
	var s *stand
	s = newStand(t, openID(func() string { return s.URL }, nil))
	g, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{webClient}, Issuer: s.URL})
	require.NoError(t, err)
	got, err := g.Verify(t.Context(), jwt(t, googleClaims(s)))
	require.NoError(t, err)
	require.Equal(t, "110169484474386276334", got.Subject, "never the e-mail address")
	require.True(t, g.Recognises(jwt(t, googleClaims(s))))
	for name, c := range map[string]struct {
		pairs []any
		want  error
	}{
		"another app":      {[]any{"aud", "2-web.apps.googleusercontent.com"}, auth.ErrBadCredentials},
		"azp is no aud":    {[]any{"aud", "2-web.apps.googleusercontent.com", "azp", webClient}, auth.ErrBadCredentials},
		"another issuer":   {[]any{"iss", "https://accounts.google.com"}, auth.ErrBadCredentials},
		"expired":          {[]any{"exp", 1}, auth.ErrTokenExpired},
		"no sub but email": {[]any{"sub", nil}, auth.ErrBadCredentials},
	} {
		_, err := g.Verify(t.Context(), jwt(t, with(googleClaims(s), c.pairs...)))
		require.ErrorIs(t, err, c.want, name)
	}
	hosted, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{webClient}, Issuer: s.URL, HostedDomains: []string{"example.com"}})
	require.NoError(t, err)
	for domain, want := range map[any]bool{"example.com": true, "evil.com": false, nil: false} {
		_, err = hosted.Verify(t.Context(), jwt(t, with(googleClaims(s), "hd", domain)))
		require.Equal(t, want, err == nil, "%v: %v", domain, err)
	}
}

// TestGoogleBothNames: Google has called itself by two names.
func TestGoogleBothNames(t *testing.T) {
	t.Parallel()
	s := newStand(t, openID(func() string { return "https://accounts.google.com" }, nil))
	client := &http.Client{Transport: toStand{s}}
	g, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{webClient}, Client: client})
	require.NoError(t, err)
	for iss, want := range map[string]bool{"https://accounts.google.com": true, "accounts.google.com": true, "http://accounts.google.com": false, "https://accounts.google.com/": false} {
		got, err := g.Verify(t.Context(), jwt(t, with(googleClaims(s), "iss", iss)))
		require.Equal(t, want, err == nil, "%s: %v", iss, err)
		if want {
			require.Equal(t, "https://accounts.google.com", got.Issuer)
		}
	}
}

// toStand sends all requests to a stand.
type toStand struct{ s *stand }

func (d toStand) RoundTrip(r *http.Request) (*http.Response, error) {
	u, err := url.Parse(d.s.URL + r.URL.RequestURI())
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL, r.Host = u, u.Host
	return http.DefaultTransport.RoundTrip(r)
}

func TestGoogleFlow(t *testing.T) {
	t.Parallel()
	hd := "example.com"
	var s *stand
	s = newStand(t, openID(func() string { return s.URL }, map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != webClient || secret != "secret" {
			answer(w, 401, object{"error": "invalid_client"})
			return
		}
		if q, ok := s.redeem(w, r); ok {
			answer(w, 200, object{"access_token": "ya29.x", "token_type": "Bearer", "expires_in": 3599, "id_token": jwt(t, with(googleClaims(s), "nonce", q.Get("nonce"), "hd", hd))})
		}
	}}))
	g, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{webClient}, Issuer: s.URL, HostedDomains: []string{"example.com"}})
	require.NoError(t, err)
	f, err := g.Flow(social.FlowConfig{RedirectURL: backURL, Secret: "secret", Scopes: []string{"email"}})
	require.NoError(t, err)
	expects := url.Values{"client_id": {webClient}, "hd": {"example.com"}, "scope": {"openid email"}}
	in, err := signIn(t, s, f, expects)
	require.NoError(t, err)
	require.Equal(t, "110169484474386276334", in.Token.Subject)
	again, err := g.Verify(t.Context(), in.Login)
	require.NoError(t, err)
	require.Equal(t, in.Token, again)
	hd = "evil.com"
	_, err = signIn(t, s, f, expects)
	require.ErrorIs(t, err, auth.ErrBadCredentials, "hd in the address only chooses the page")
	_, err = g.Flow(social.FlowConfig{RedirectURL: backURL, ClientID: "other"})
	require.ErrorContains(t, err, `FlowConfig.ClientID is "other"`)
	_, err = g.Flow(social.FlowConfig{})
	require.ErrorContains(t, err, "RedirectURL")
}

func TestApple(t *testing.T) {
	t.Parallel()
	key, file := newP256(t)
	var s *stand
	s = newStand(t, openID(func() string { return s.URL }, map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil || r.PostForm.Get("client_id") != "com.example.hub" || !goodSecret(r.PostForm.Get("client_secret"), key.Public(), s.URL) {
			answer(w, 400, object{"error": "invalid_client"})
			return
		}
		if q, ok := s.redeem(w, r); ok {
			now := time.Now().Unix()
			answer(w, 200, object{"access_token": "a.0", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r.0", "id_token": jwt(t, object{
				"iss": s.URL, "aud": "com.example.hub", "sub": "001234.abc.0001", "iat": now, "exp": now + 600, "nonce": q.Get("nonce"), "nonce_supported": true, "email_verified": "true",
			})})
		}
	}}))
	cfg := social.AppleConfig{ClientIDs: []string{"com.example.hub", "com.example.app"}, Issuer: s.URL, Key: &social.AppleKey{ID: "ABC123DEFG", TeamID: "DEF123GHIJ", PEM: file}}
	a, err := social.NewApple(cfg)
	require.NoError(t, err)
	f, err := a.Flow(social.FlowConfig{RedirectURL: backURL, Scopes: []string{"name"}})
	require.NoError(t, err)
	in, err := signIn(t, s, f, url.Values{"client_id": {"com.example.hub"}, "response_mode": {"form_post"}, "scope": {"openid name"}})
	require.NoError(t, err)
	require.Equal(t, "001234.abc.0001", in.Token.Subject)
	_, err = a.Verify(t.Context(), in.Login)
	require.NoError(t, err)

	now := time.Now().Unix()
	claims := object{"iss": s.URL, "aud": "com.example.app", "sub": "1", "iat": now, "exp": now + 600}
	_, err = a.Verify(t.Context(), jwt(t, claims))
	require.NoError(t, err)
	_, err = a.Verify(t.Context(), jwt(t, with(claims, "aud", "com.evil.app")))
	require.ErrorIs(t, err, auth.ErrBadCredentials)

	_, err = a.Flow(social.FlowConfig{RedirectURL: backURL, Secret: "x"})
	require.ErrorContains(t, err, "FlowConfig.Secret is set")
	cfg.Key = nil
	a, err = social.NewApple(cfg)
	require.NoError(t, err)
	_, err = a.Flow(social.FlowConfig{RedirectURL: backURL})
	require.ErrorContains(t, err, "AppleConfig.Key is nil")
	_, err = a.Secret("x")
	require.ErrorContains(t, err, "AppleConfig.Key is nil")
}

// goodSecret checks a client's secret as Apple does.
func goodSecret(secret string, key any, audience string) bool {
	jws, err := jose.ParseSignedCompact(secret, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || jws.Signatures[0].Protected.KeyID != "ABC123DEFG" {
		return false
	}
	text, err := jws.Verify(key)
	var c struct {
		Iss, Aud, Sub string
		Iat, Exp      int64
	}
	if err != nil || json.Unmarshal(text, &c) != nil {
		return false
	}
	return c.Iss == "DEF123GHIJ" && c.Sub == "com.example.hub" && c.Aud == audience && c.Exp > time.Now().Unix() && c.Exp-c.Iat <= 15777000
}

func TestAppleName(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]social.Name{
		`{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"a@b"}`: {First: "Ada", Last: "Lovelace"},
		`{"name":{"firstName":"Ada"}}`:                                     {First: "Ada"},
		``:                                                                 {},
		`{}`:                                                               {},
		`null`:                                                             {},
		`x`:                                                                {},
		`{"name":1}`:                                                       {},
		`{"name":null}`:                                                    {},
		"{\"name\":{\"firstName\":\"\xff\"}}":                              {},
		`{"name":{"firstName":"` + strings.Repeat("x", 5000) + `"}}`: {},
	} {
		got, there := social.AppleName(url.Values{"user": {raw}})
		require.Equal(t, want, got, "%.40s", raw)
		require.Equal(t, want != social.Name{}, there)
	}
}

func TestOpenIDConfig(t *testing.T) {
	t.Parallel()
	key := func(change func(*social.AppleKey)) *social.AppleKey {
		_, file := newP256(t)
		k := &social.AppleKey{ID: "a", TeamID: "b", PEM: file}
		change(k)
		return k
	}
	for expects, make := range map[string]func() error{
		"GoogleConfig.ClientIDs is empty":    func() error { _, err := social.NewGoogle(social.GoogleConfig{}); return err },
		"GoogleConfig.ClientIDs[0] is empty": func() error { _, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{""}}); return err },
		`GoogleConfig.Issuer is "http://a.b"`: func() error {
			_, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{"a"}, Issuer: "http://a.b"})
			return err
		},
		"GoogleConfig: oidc: Config.Timeout": func() error {
			_, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{"a"}, Timeout: time.Hour})
			return err
		},
		"AppleConfig.ClientIDs is empty": func() error { _, err := social.NewApple(social.AppleConfig{}); return err },
		`AppleConfig.Issuer is "x"`: func() error {
			_, err := social.NewApple(social.AppleConfig{ClientIDs: []string{"a"}, Issuer: "x"})
			return err
		},
		"AppleConfig: oidc: Config.Timeout": func() error {
			_, err := social.NewApple(social.AppleConfig{ClientIDs: []string{"a"}, Timeout: time.Hour})
			return err
		},
		"AppleConfig.Key.ID or TeamID is": func() error { return newApple(key(func(k *social.AppleKey) { k.ID = "" })) },
		"AppleConfig.Key.PEM is no PEM":   func() error { return newApple(key(func(k *social.AppleKey) { k.PEM = []byte("x") })) },
		"AppleConfig.Key.PEM cannot be read": func() error {
			return newApple(key(func(k *social.AppleKey) {
				k.PEM = []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
			}))
		},
	} {
		require.ErrorContains(t, make(), expects)
	}
	var _ oidc.Recogniser = (*social.Apple)(nil)
}

func newApple(k *social.AppleKey) error {
	_, err := social.NewApple(social.AppleConfig{ClientIDs: []string{"a"}, Key: k})
	return err
}

package social_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc/social"
)

type object = map[string]any

func with(o object, pairs ...any) object {
	o = maps.Clone(o)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(o, pairs[i].(string))
			continue
		}
		o[pairs[i].(string)] = pairs[i+1]
	}
	return o
}

var rsaKey = func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}()

func newP256(t testing.TB) (key *ecdsa.PrivateKey, file []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func jwt(t testing.TB, claims object) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{KeyID: "k1", Key: rsaKey}}, nil)
	require.NoError(t, err)
	text, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := signer.Sign(text)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

// A stand is a provider on this machine. Each path answers as its handler says; what is
// not expected there is a failure of the test.
type stand struct {
	*httptest.Server
	mu     sync.Mutex
	broken http.HandlerFunc // instead of all
	codes  map[string]url.Values
	asked  int
}

func newStand(t testing.TB, paths map[string]http.HandlerFunc) *stand {
	t.Helper()
	s := &stand{codes: map[string]url.Values{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked++
		broken := s.broken
		s.mu.Unlock()
		handler := paths[r.URL.Path]
		switch {
		case broken != nil:
			broken(w, r)
		case handler == nil:
			http.NotFound(w, r)
		default:
			handler(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *stand) breaks(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = h
}

func (s *stand) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// openID are the paths of an OpenID Connect provider with rsaKey.
func openID(self func() string, more map[string]http.HandlerFunc) map[string]http.HandlerFunc {
	paths := map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, object{
				"issuer": self(), "jwks_uri": self() + "/keys", "authorization_endpoint": self() + "/auth", "token_endpoint": self() + "/token",
			})
		},
		"/keys": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "k1", Key: rsaKey.Public(), Use: "sig", Algorithm: "RS256"}}})
		},
	}
	maps.Copy(paths, more)
	return paths
}

const backURL = "https://hub.test/back"

// visit is what somebody does who is sent to a provider and says yes.
func (s *stand) visit(t testing.TB, to string, expects url.Values) url.Values {
	t.Helper()
	u, err := url.Parse(to)
	require.NoError(t, err)
	q := u.Query()
	expects = maps.Clone(expects)
	expects.Set("response_type", "code")
	expects.Set("redirect_uri", backURL)
	expects.Set("code_challenge_method", "S256")
	for name, values := range expects {
		require.Equal(t, values, q[name], name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code := "code-" + q.Get("state")[:8]
	s.codes[code] = q
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

// redeem checks a code at a token endpoint, but for the client's secret. ok is false if it
// has answered.
func (s *stand) redeem(w http.ResponseWriter, r *http.Request) (q url.Values, ok bool) {
	if r.Method != http.MethodPost || r.ParseForm() != nil || r.PostForm.Get("grant_type") != "authorization_code" {
		answer(w, 400, object{"error": "unsupported_grant_type"})
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, known := s.codes[r.PostForm.Get("code")]
	delete(s.codes, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !known || r.PostForm.Get("redirect_uri") != q.Get("redirect_uri") || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") {
		answer(w, 400, object{"error": "invalid_grant"})
		return nil, false
	}
	return q, true
}

// signIn goes through a flow.
func signIn(t testing.TB, s *stand, f *social.Flow, expects url.Values) (*social.SignIn, error) {
	t.Helper()
	p, err := f.Begin(t.Context())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(p.URL, s.URL+"/"), p.URL)
	return f.Exchange(t.Context(), p, s.visit(t, p.URL, expects))
}

// outage tries everything that can go wrong on the way to a provider that must be asked:
// nobody can tell then whether the token is good.
func outage(t *testing.T, s *stand, v auth.TokenVerifier, token string) {
	t.Helper()
	for name, h := range map[string]http.HandlerFunc{
		"500":     func(w http.ResponseWriter, _ *http.Request) { answer(w, 500, object{"error": "ServerError"}) },
		"503":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"429":     func(w http.ResponseWriter, _ *http.Request) { answer(w, 429, object{"title": "Too Many Requests"}) },
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"null":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("null")) },
		"a list":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) },
		"204":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"x":"` + strings.Repeat("x", 1<<20) + `"}`))
		},
		"in the dark": func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		"slow":        func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		s.breaks(h)
		_, err := v.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrUnavailable, name)
		require.NotErrorIs(t, err, auth.ErrBadCredentials, name)
		require.NotContains(t, err.Error(), token, name)
	}
	s.breaks(nil)
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	s.Close()
	_, err = v.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrUnavailable)
	require.NotContains(t, err.Error(), token)
}

// rubbish are tokens that must not even be asked about.
func rubbish(t *testing.T, s *stand, v auth.TokenVerifier) {
	t.Helper()
	before := s.count()
	for _, token := range []string{"", " ", "a b", "a\r\nHost: x", "a\x00", "ä", strings.Repeat("x", 8<<10+1)} {
		_, err := v.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadCredentials, "%.20q", token)
	}
	require.Equal(t, before, s.count())
}

const brief = 300 * time.Millisecond

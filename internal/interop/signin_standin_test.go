package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// newSigningKey makes a key for an algorithm of JWTs.
func newSigningKey(t *testing.T, algorithm string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if algorithm == "ES256" {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	require.NoError(t, err)
	return key
}

// signJWT signs claims.
func signJWT(t *testing.T, key any, kid, algorithm string, claims object) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm), Key: jose.JSONWebKey{KeyID: kid, Key: key}}, nil)
	require.NoError(t, err)
	text, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := signer.Sign(text)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

// A standIn speaks the protocol of a login provider on this machine. It knows one client and
// one user, alice, and asks for her password on a page of its own.
type standIn struct {
	*httptest.Server
	mux            *http.ServeMux
	client, secret string
	back           string // where the client may have people sent to
	scope          string // what it has to ask for
	formPost       bool   // people go back with a form
	fragment       string // behind the address that they go back to
	first          string // a parameter that they bring along the first time

	mu     sync.Mutex
	codes  map[string]url.Values // what the client has asked for
	tokens map[string]object     // access tokens
	asked  bool                  // whether somebody has signed in before
}

func newStandIn(t *testing.T, client, back, scope string) *standIn {
	t.Helper()
	s := &standIn{
		mux: http.NewServeMux(), client: client, secret: "secret of " + client, back: back, scope: scope, codes: map[string]url.Values{}, tokens: map[string]object{},
	}
	s.Server = httptest.NewServer(s.mux)
	t.Cleanup(s.Close)
	return s
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// signsInAt adds the page that a client sends people to. What a client must not get wrong
// is shown to the person, who stays.
func (s *standIn) signsInAt(path string) {
	check := func(q url.Values) string {
		for name, want := range map[string]string{"client_id": s.client, "redirect_uri": s.back, "response_type": "code", "code_challenge_method": "S256"} {
			if !slices.Equal(q[name], []string{want}) {
				return name
			}
		}
		switch {
		case len(q.Get("state")) < 22:
			return "state"
		case len(q.Get("code_challenge")) != 43:
			return "code_challenge"
		case s.formPost && q.Get("response_mode") != "form_post":
			return "response_mode"
		}
		for _, scope := range strings.Fields(s.scope) {
			if !slices.Contains(strings.Fields(q.Get("scope")), scope) {
				return "scope"
			}
		}
		return ""
	}
	s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		if wrong := check(r.URL.Query()); wrong != "" {
			http.Error(w, "wrong "+wrong+" in "+r.URL.RawQuery, http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(`<form method="post" action="` + html.EscapeString(r.URL.RequestURI()) + `"><input name="user"><input name="password" type="password"></form>`))
	})
	s.mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if check(q) != "" || r.ParseForm() != nil || r.PostForm.Get("user") != "alice" || r.PostForm.Get("password") != "alice-pw" {
			http.Error(w, "try again", http.StatusForbidden)
			return
		}
		code := rand.Text()
		s.mu.Lock()
		s.codes[code] = q
		first := !s.asked
		s.asked = true
		s.mu.Unlock()
		back := url.Values{"code": {code}, "state": {q.Get("state")}}
		if first && s.first != "" {
			back.Set("user", s.first)
		}
		if !s.formPost {
			http.Redirect(w, r, s.back+"?"+back.Encode()+s.fragment, http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(`<form method="post" action="` + s.back + `">`))
		for name := range back {
			_, _ = w.Write([]byte(`<input type="hidden" name="` + name + `" value="` + html.EscapeString(back.Get(name)) + `">`))
		}
		_, _ = w.Write([]byte(`</form>`))
	})
}

// exchangesAt adds the endpoint for codes. authenticates checks the client, grant is what it
// gets for what it has asked for.
func (s *standIn) exchangesAt(path string, authenticates func(r *http.Request) bool, grant func(asked url.Values) object) {
	s.mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil || !authenticates(r) {
			reply(w, 401, object{"error": "invalid_client"})
			return
		}
		form := r.PostForm
		s.mu.Lock()
		asked, known := s.codes[form.Get("code")]
		delete(s.codes, form.Get("code"))
		s.mu.Unlock()
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if !known || form.Get("grant_type") != "authorization_code" || form.Get("redirect_uri") != s.back ||
			base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
			reply(w, 400, object{"error": "invalid_grant"})
			return
		}
		reply(w, 200, grant(asked))
	})
}

// inBody checks a client's secret among the parameters, inHeader in the header.
func (s *standIn) inBody(r *http.Request) bool {
	return r.PostForm.Get("client_id") == s.client && r.PostForm.Get("client_secret") == s.secret
}

func (s *standIn) inHeader(r *http.Request) bool {
	id, secret, _ := r.BasicAuth()
	id, idErr := url.QueryUnescape(id)
	secret, secretErr := url.QueryUnescape(secret)
	return idErr == nil && secretErr == nil && id == s.client && secret == s.secret
}

// issue makes an access token.
func (s *standIn) issue(prefix string, about object) (token string) {
	token = prefix + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = about
	return token
}

// about is what an access token is about.
func (s *standIn) about(token string) (object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, known := s.tokens[token]
	return o, known
}

// bearer is what the access token in the header is about.
func (s *standIn) bearer(r *http.Request) (object, bool) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return s.about(token)
}

// openID makes it a provider of OpenID Connect with a key.
func (s *standIn) openID(key crypto.Signer, authorization, token, keys string) {
	s.mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, object{
			"issuer": s.URL, "authorization_endpoint": s.URL + authorization, "token_endpoint": s.URL + token, "jwks_uri": s.URL + keys,
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
			"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		})
	})
	s.mux.HandleFunc("GET "+keys, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "k1", Key: key.Public(), Use: "sig", Algorithm: "RS256"}}})
	})
	s.signsInAt(authorization)
}

// claims are those of an ID token for alice, with changes.
func (s *standIn) claims(changes ...object) object {
	now := time.Now().Unix()
	o := object{"iss": s.URL, "aud": s.client, "sub": "110169484474386276334", "iat": now, "exp": now + 3600, "email": "alice@example.com", "email_verified": true}
	for _, c := range changes {
		maps.Copy(o, c)
	}
	return o
}

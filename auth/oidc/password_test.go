package oidc_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/broker"
)

func passwords(t testing.TB, cfg oidc.PasswordConfig) *oidc.Passwords {
	t.Helper()
	p, err := oidc.Password(cfg)
	require.NoError(t, err)
	return p
}

func request(t testing.TB, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/mqtt", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func named(name, password string) *auth.Credentials {
	return &auth.Credentials{Username: name, HasUsername: true, Password: []byte(password)}
}

// TestWhoIsRecognised: what is for others is left to them, what is for us is decided.
func TestWhoIsRecognised(t *testing.T) {
	t.Parallel()
	token, foreign := jwt(rs256, good(), rsaKey), jwt(rs256, with(good(), "iss", "x"), rsaKey)
	forged := jwt(rs256, good(), otherRSA)
	p := passwords(t, oidc.PasswordConfig{UserName: "jwt", Bearer: true, Verifiers: []auth.TokenVerifier{static(t)}})
	require.True(t, p.Immediate())
	with := func(c *auth.Credentials, f func(c *auth.Credentials)) *auth.Credentials { f(c); return c }
	certificate := func(c *auth.Credentials) { c.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}} }
	basic := request(t)
	basic.SetBasicAuth("jwt", token)
	presigned := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/mqtt?X-Amz-Signature=00", nil)
	for _, c := range []struct {
		name  string
		creds *auth.Credentials
		want  error
	}{
		{"good", named("jwt", token), nil},
		{"with the version of an SDK", named("jwt?SDK=Python&Version=1.4.9", token), nil},
		{"Basic", &auth.Credentials{Request: basic}, nil},
		{"bearer", &auth.Credentials{Request: request(t, "Authorization", "Bearer "+token)}, nil},
		{"bearer in other letters", &auth.Credentials{Request: request(t, "Authorization", "bearer  "+token)}, nil},
		{"bearer, with the version of an SDK", with(named("?SDK=x", ""), func(c *auth.Credentials) {
			c.Password, c.Request = nil, request(t, "Authorization", "Bearer "+token)
		}), nil},
		{"TLS without certificate", with(named("jwt", token), func(c *auth.Credentials) { c.TLS = &tls.ConnectionState{} }), nil},

		{"forged", named("jwt", forged), auth.ErrBadCredentials},
		{"of another issuer", named("jwt", foreign), auth.ErrBadCredentials},
		{"no token", named("jwt", ""), auth.ErrBadCredentials},
		{"no password", &auth.Credentials{Username: "jwt", HasUsername: true}, auth.ErrBadCredentials},
		{"a password", named("jwt", "secret"), auth.ErrBadCredentials},
		{"zero byte behind the token", named("jwt", token+"\x00"), auth.ErrBadCredentials},
		{"forged bearer", &auth.Credentials{Request: request(t, "Authorization", "Bearer "+forged)}, auth.ErrBadCredentials},

		{"another name", named("alice", token), auth.ErrUnrecognised},
		{"name in other letters", named("JWT", token), auth.ErrUnrecognised},
		{"zero byte behind the name", named("jwt\x00", token), auth.ErrUnrecognised},
		{"nothing", &auth.Credentials{}, auth.ErrUnrecognised},
		{"no name", named("", token), auth.ErrUnrecognised},
		{"certificate", with(named("jwt", token), certificate), auth.ErrUnrecognised},
		{"custom authorizer", named("jwt?x-amz-customauthorizer-name=a", token), auth.ErrUnrecognised},
		{"signed request", with(named("jwt", token), func(c *auth.Credentials) { c.Request = presigned }), auth.ErrUnrecognised},
		{"signed request, header", &auth.Credentials{Request: request(t, "Authorization", "AWS4-HMAC-SHA256 x")}, auth.ErrUnrecognised},
		{"bearer of another issuer", &auth.Credentials{Request: request(t, "Authorization", "Bearer "+foreign)}, auth.ErrUnrecognised},
		{"bearer that is no JWT", &auth.Credentials{Request: request(t, "Authorization", "Bearer x")}, auth.ErrUnrecognised},
		{"two bearers", &auth.Credentials{Request: request(t, "Authorization", "Bearer "+token, "Authorization", "Bearer "+token)}, auth.ErrUnrecognised},
		{"bearer beside a name", with(named("alice", ""), func(c *auth.Credentials) {
			c.Password, c.Request = nil, request(t, "Authorization", "Bearer "+token)
		}), auth.ErrUnrecognised},
	} {
		id, err := p.Authenticate(t.Context(), c.creds)
		require.ErrorIs(t, err, c.want, c.name)
		require.Equal(t, errors.Is(c.want, auth.ErrUnrecognised), errors.Is(err, auth.ErrUnrecognised), c.name)
		if c.want == nil {
			require.Equal(t, &auth.Identity{
				Principal: "alice", Kind: auth.User, ARN: issuerName + "#alice", Expires: epoch.Add(time.Hour + time.Minute),
				Attributes: map[string]string{"issuer": issuerName, "subject": "alice"},
			}, id, c.name)
		}
	}

	only := passwords(t, oidc.PasswordConfig{UserName: "jwt", Verifiers: []auth.TokenVerifier{static(t)}})
	_, err := only.Authenticate(t.Context(), &auth.Credentials{Request: request(t, "Authorization", "Bearer "+token)})
	require.ErrorIs(t, err, auth.ErrUnrecognised)
	only = passwords(t, oidc.PasswordConfig{Bearer: true, Verifiers: []auth.TokenVerifier{static(t)}})
	_, err = only.Authenticate(t.Context(), named("", token))
	require.ErrorIs(t, err, auth.ErrUnrecognised)
}

// TestReservedSubjects: nobody comes in under the name of something else.
func TestReservedSubjects(t *testing.T) {
	t.Parallel()
	plain := passwords(t, oidc.PasswordConfig{UserName: "jwt", Verifiers: []auth.TokenVerifier{static(t)}})
	prefixed := passwords(t, oidc.PasswordConfig{UserName: "jwt", Prefix: "corp/", Verifiers: []auth.TokenVerifier{static(t)}})
	for subject, want := range map[string]bool{
		"alice": true, "auth0|123": true, "11223344": true, strings.Repeat("a", 63): true,
		strings.Repeat("a", 64):                           false,
		"arn:aws:iot:local:000000000000:cert/x":           false,
		"us-east-1:01234567-89ab-cdef-0123-456789abcdef":  false,
		"us-east-1:01234567-89ab-cdef-0123-456789abcdefg": true,
	} {
		creds := named("jwt", jwt(rs256, with(good(), "sub", subject), rsaKey))
		_, err := plain.Authenticate(t.Context(), creds)
		require.Equal(t, want, err == nil, "%s: %v", subject, err)
		if !want {
			require.ErrorIs(t, err, auth.ErrNotAuthorized)
		}
		id, err := prefixed.Authenticate(t.Context(), creds)
		require.NoError(t, err)
		require.Equal(t, "corp/"+subject, id.Principal)
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	var seen *auth.Token
	answer := error(nil)
	p := passwords(t, oidc.PasswordConfig{
		UserName: "jwt", Verifiers: []auth.TokenVerifier{static(t)}, Policies: []auth.Document{{Name: "all", Text: "{}"}},
		Admit: func(_ context.Context, tok *auth.Token, id *auth.Identity) error {
			seen = tok
			require.Equal(t, []auth.Document{{Name: "all", Text: "{}"}}, id.Grant.Policies)
			id.Principal, id.Grant = strings.Trim(tok.Claims["email"].(string), "x"), nil
			return answer
		},
	})
	require.False(t, p.Immediate())
	creds := named("jwt", jwt(rs256, with(good(), "email", "a@b"), rsaKey))
	id, err := p.Authenticate(t.Context(), creds)
	require.NoError(t, err)
	require.Equal(t, "a@b", id.Principal)
	require.Equal(t, "alice", seen.Subject)
	answer = auth.ErrBanned
	_, err = p.Authenticate(t.Context(), creds)
	require.ErrorIs(t, err, auth.ErrBanned)
	answer = nil
	_, err = p.Authenticate(t.Context(), named("jwt", jwt(rs256, with(good(), "email", "x"), rsaKey)))
	require.ErrorContains(t, err, "has left no Principal")
}

func TestSeveralIssuers(t *testing.T) {
	t.Parallel()
	second := static(t, func(c *oidc.Config) { c.Issuer = "second" })
	p := passwords(t, oidc.PasswordConfig{UserName: "jwt", Verifiers: []auth.TokenVerifier{static(t), second}})
	for _, issuer := range []string{issuerName, "second"} {
		id, err := p.Authenticate(t.Context(), named("jwt", jwt(rs256, with(good(), "iss", issuer), rsaKey)))
		require.NoError(t, err)
		require.Equal(t, issuer, id.Attributes["issuer"])
	}
	_, err := p.Authenticate(t.Context(), named("jwt", jwt(rs256, with(good(), "iss", "third"), rsaKey)))
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	require.False(t, passwords(t, oidc.PasswordConfig{UserName: "jwt", Verifiers: []auth.TokenVerifier{second, blind{}}}).Immediate())
}

type blind struct{ auth.TokenVerifier }

func TestPasswordConfig(t *testing.T) {
	t.Parallel()
	v := []auth.TokenVerifier{static(t)}
	for expects, cfg := range map[string]oidc.PasswordConfig{
		"UserName is empty and Bearer false":       {Verifiers: v},
		`PasswordConfig.UserName is "a?b"`:         {UserName: "a?b", Verifiers: v},
		"Verifiers is empty":                       {UserName: "a"},
		"Verifiers[0] is nil":                      {UserName: "a", Verifiers: []auth.TokenVerifier{nil}},
		"Verifiers[0] is a oidc_test.blind, expec": {UserName: "a", Verifiers: []auth.TokenVerifier{blind{}, v[0]}},
	} {
		_, err := oidc.Password(cfg)
		require.ErrorContains(t, err, expects)
	}
}

const mayAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`

// tokenHub is a hub with token logins, the user alice, and a policy for everything.
func tokenHub(t *testing.T, cfg oidc.PasswordConfig) *thinghub.Hub {
	t.Helper()
	hub, err := thinghub.New(thinghub.Config{
		Logins:     []auth.Authenticator{passwords(t, cfg)},
		UserConfig: users.Config{Hash: users.HashParams{Memory: 256, Time: 1}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = hub.Close() })
	_, err = hub.Users().Create(t.Context(), users.NewUser{Name: "alice", Password: "alice-pw"})
	require.NoError(t, err)
	_, err = hub.Policies().CreatePolicy(t.Context(), "all", mayAll)
	require.NoError(t, err)
	return hub
}

func connect(t *testing.T, hub *thinghub.Hub, id, name, password string, left func(byte)) (*paho.Client, byte) {
	t.Helper()
	nc, err := hub.Dial(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(nc), OnServerDisconnect: func(d *paho.Disconnect) { left(d.ReasonCode) }})
	ack, err := c.Connect(t.Context(), &paho.Connect{ClientID: id, CleanStart: true, UsernameFlag: true, Username: name, PasswordFlag: true, Password: []byte(password)})
	require.NotNil(t, ack, "%v", err)
	return c, ack.ReasonCode
}

// TestHub lets clients into a hub, and out of it when their tokens end.
func TestHub(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := tokenHub(t, oidc.PasswordConfig{UserName: "jwt", Verifiers: []auth.TokenVerifier{static(t, func(c *oidc.Config) { c.Now = nil })}})
		now := time.Now()
		token := func(subject string) string {
			return jwt(rs256, with(good(), "sub", subject, "iat", now.Unix(), "exp", now.Add(time.Hour).Unix()), rsaKey)
		}
		_, code := connect(t, hub, "x", "jwt", token("bob"), nil)
		require.EqualValues(t, broker.NotAuthorized, code, "nobody has attached a policy")
		require.NoError(t, hub.Policies().AttachPolicy(t.Context(), "all", issuerName+"#bob"))
		gone := make(chan time.Duration, 1)
		var why byte
		_, code = connect(t, hub, "bob-1", "jwt", token("bob"), func(r byte) {
			why = r
			gone <- time.Since(now)
		})
		require.EqualValues(t, broker.Success, code)
		for name, c := range map[string]struct {
			name, password string
			want           broker.ReasonCode
		}{
			"forged":      {"jwt", jwt(rs256, with(good(), "sub", "bob"), otherRSA), broker.BadUserNameOrPassword},
			"expired":     {"jwt", jwt(rs256, with(good(), "sub", "bob", "iat", 1, "exp", 2), rsaKey), broker.BadUserNameOrPassword},
			"other name":  {"carol", token("bob"), broker.BadUserNameOrPassword},
			"not allowed": {"jwt", token("carol"), broker.NotAuthorized},
		} {
			_, code := connect(t, hub, "x", c.name, c.password, nil)
			require.EqualValues(t, c.want, code, name)
		}
		select {
		case at := <-gone:
			require.Equal(t, time.Hour+time.Minute, at, "the token's end, and the skew")
			require.EqualValues(t, broker.MaximumConnectTime, why)
		case <-time.After(2 * time.Hour):
			require.Fail(t, "the connection outlived the token")
		}
	})
}

// TestOverHTTP: bearer tokens and HTTP Basic on the planes.
func TestOverHTTP(t *testing.T) {
	t.Parallel()
	hub := tokenHub(t, oidc.PasswordConfig{UserName: "jwt", Bearer: true, Verifiers: []auth.TokenVerifier{static(t)}, Policies: []auth.Document{{Name: "all", Text: mayAll}}})
	srv := httptest.NewServer(hub.Handler())
	t.Cleanup(srv.Close)
	token := jwt(rs256, good(), rsaKey)
	for _, c := range []struct {
		name, path, authorization string
		want                      int
	}{
		{"bearer", "/topics/a?qos=1", "Bearer " + token, 200},
		{"forged", "/topics/a", "Bearer " + jwt(rs256, good(), otherRSA), 401},
		{"expired", "/topics/a", "Bearer " + jwt(rs256, with(good(), "exp", 1), rsaKey), 401},
		{"of another", "/topics/a", "Bearer " + jwt(rs256, with(good(), "iss", "x"), rsaKey), 401},
		{"nothing", "/topics/a", "", 401},
		{"control plane", "/things/x", "Bearer " + token, 403},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+c.path, strings.NewReader("{}"))
		require.NoError(t, err)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		resp, err := srv.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, c.want, resp.StatusCode, c.name)
	}
}

// TestCertificateComesFirst: what a client sends in CONNECT does not make somebody else of
// who has shown a certificate, or signed its request.
func TestCertificateComesFirst(t *testing.T) {
	t.Parallel()
	hub := tokenHub(t, oidc.PasswordConfig{UserName: "jwt", Bearer: true, Verifiers: []auth.TokenVerifier{static(t)}, Policies: []auth.Document{{Name: "all", Text: mayAll}}})
	srv := httptest.NewServer(hub.Handler())
	t.Cleanup(srv.Close)
	token := jwt(rs256, good(), rsaKey)
	for _, query := range []string{"X-Amz-Signature=00", "x-amz-signature=00"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/topics/a?"+query, strings.NewReader("{}"))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := srv.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 401, resp.StatusCode, query)
	}
}

package custom_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/custom"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

const (
	allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`
	lambda   = "arn:aws:lambda:eu-central-1:123456789012:function:login"
)

// keys are made once: they take time.
var keys = sync.OnceValue(func() (list [3]*rsa.PrivateKey) {
	for i := range list {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		list[i] = k
	}
	return list
})

func public(k *rsa.PrivateKey) string {
	b, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b}))
}

func sign(k *rsa.PrivateKey, token string) string {
	h := sha256.Sum256([]byte(token))
	b, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, h[:])
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// A rig is a service whose function "login" answers what the test says, and keeps what
// it was asked.
type rig struct {
	*custom.Service
	clock time.Time
	dir   *auth.Memory

	mu     sync.Mutex
	asked  []*custom.Request
	answer *custom.Response
	err    error
}

func newRig(t testing.TB, change ...func(*custom.Config)) *rig {
	t.Helper()
	r := &rig{clock: noon, dir: auth.NewMemory(), answer: welcome()}
	cfg := custom.Config{
		Directory: r.dir, Scope: custom.Scope{Region: "eu-central-1", Account: "123456789012"},
		Functions: map[string]custom.Function{"login": custom.Func(r.login)}, Now: func() time.Time { return r.clock },
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := custom.New(cfg)
	require.NoError(t, err)
	r.Service = s
	return r
}

func welcome() *custom.Response {
	return &custom.Response{
		IsAuthenticated: true, PrincipalID: "alice1", PolicyDocuments: []custom.Document{allowAll},
		DisconnectAfterInSeconds: 3600, RefreshAfterInSeconds: 600,
	}
}

func (r *rig) login(_ context.Context, q *custom.Request) (*custom.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, q)
	return r.answer, r.err
}

func (r *rig) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

func (r *rig) last(t testing.TB) *custom.Request {
	t.Helper()
	require.NotZero(t, r.calls())
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[len(r.asked)-1]
}

// create makes an active authorizer: one that wants tokens, signed by the first key, as
// "token", or one without tokens.
func (r *rig) create(t testing.TB, name string, signed bool, change ...func(*custom.NewAuthorizer)) {
	t.Helper()
	n := custom.NewAuthorizer{Name: name, FunctionARN: lambda, Status: custom.Active, SigningDisabled: !signed}
	if signed {
		n.TokenKeyName, n.TokenSigningPublicKeys = "token", map[string]string{"k1": public(keys()[0])}
	}
	for _, c := range change {
		c(&n)
	}
	_, err := r.CreateAuthorizer(t.Context(), n)
	require.NoError(t, err)
}

// connect is a CONNECT packet over TLS.
func connect(username, password string) *auth.Credentials {
	return &auth.Credentials{
		ClientID: "client-1", Username: username, HasUsername: true, Password: []byte(password), ProtocolVersion: 5,
		TLS: &tls.ConnectionState{ServerName: "hub.test"},
	}
}

// get is an HTTP request.
func get(t testing.TB, url string, header ...string) *auth.Credentials {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return &auth.Credentials{Request: r, RemoteAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1000}}
}

func pointer[T any](v T) *T { return &v }

// failure checks that an error is the caller's or the function's doing.
func failure(t testing.TB, err, kind error, exception, text string) {
	t.Helper()
	var e *custom.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, kind)
	require.Equal(t, exception, e.Exception())
	require.ErrorContains(t, err, text)
}

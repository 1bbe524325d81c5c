package certs_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

const (
	account   = "123456789012"
	other     = "210987654321"
	arnPrefix = "arn:aws:iot:eu-west-1:" + account + ":"
)

// newService returns a service that makes P-256 keys.
func newService(t testing.TB, change ...func(*certs.Config)) *certs.Service {
	t.Helper()
	cfg := certs.Config{Scope: certs.Scope{Region: "eu-west-1", Account: account}, Keys: certs.P256}
	for _, c := range change {
		c(&cfg)
	}
	s, err := certs.New(cfg)
	require.NoError(t, err)
	return s
}

// is checks the kind of an error, its exception and what it says.
func is(t testing.TB, err, kind error, parts ...string) {
	t.Helper()
	_ = failure(t, err, kind, parts...)
}

// failure is the same for who wants to see more of it.
func failure(t testing.TB, err, kind error, parts ...string) *certs.Error {
	t.Helper()
	require.ErrorIs(t, err, kind)
	e, ok := errors.AsType[*certs.Error](err)
	require.True(t, ok, "%T: %v", err, err)
	require.Regexp(t, `^[A-Za-z]+Exception$`, e.Exception())
	for _, p := range parts {
		require.ErrorContains(t, err, p)
	}
	return e
}

// testCA is somebody else's CA, or a chain's next one.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	require.NoError(t, err)
	return n
}

func newCA(t testing.TB, name string, change ...func(*x509.Certificate)) *testCA {
	t.Helper()
	a := &testCA{key: newKey(t)}
	a.cert = a.sign(t, a.key.Public(), append([]func(*x509.Certificate){func(c *x509.Certificate) {
		*c = x509.Certificate{
			Subject: pkix.Name{CommonName: name}, SerialNumber: c.SerialNumber, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
	}}, change...)...)
	return a
}

// sign signs a certificate of a device, changed; itself, as long as it has none.
func (a *testCA) sign(t testing.TB, pub crypto.PublicKey, change ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: "pump"}, SerialNumber: serial(t),
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, f := range change {
		f(c)
	}
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, pub, a.key)
	require.NoError(t, err)
	out, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return out
}

// device signs a certificate for a key of its own.
func (a *testCA) device(t testing.TB, change ...func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := newKey(t)
	return a.sign(t, key.Public(), change...), key
}

func text(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func parse(t testing.TB, text string) *x509.Certificate {
	t.Helper()
	b, _ := pem.Decode([]byte(text))
	require.NotNil(t, b)
	c, err := x509.ParseCertificate(b.Bytes)
	require.NoError(t, err)
	return c
}

func named(cn string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: cn} }
}

// registerCA registers a CA with proof of its key.
func registerCA(t testing.TB, s *certs.Service, a *testCA, change ...func(*certs.RegisterCAInput)) string {
	t.Helper()
	code, err := s.GetRegistrationCode(t.Context())
	require.NoError(t, err)
	v, _ := a.device(t, named(code))
	in := certs.RegisterCAInput{PEM: text(a.cert), Verification: text(v), SetAsActive: true, AllowAutoRegistration: true}
	for _, f := range change {
		f(&in)
	}
	id, arn, err := s.RegisterCACertificate(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, s.CAARN(id), arn)
	return id
}

// connect asks for the identity of a client that has shown a certificate.
func connect(t testing.TB, s *certs.Service, c *x509.Certificate) (*auth.Identity, error) {
	t.Helper()
	return s.Authenticate(t.Context(), shown(c))
}

func shown(c *x509.Certificate) *auth.Credentials {
	return &auth.Credentials{ClientID: "pump-1", TLS: &tls.ConnectionState{ServerName: "hub.local", PeerCertificates: []*x509.Certificate{c}}}
}

// refused checks that somebody may not come in, for good.
func refused(t testing.TB, err error, parts ...string) {
	t.Helper()
	require.ErrorIs(t, err, auth.ErrNotAuthorized)
	require.NotErrorIs(t, err, auth.ErrUnrecognised, "the next of a chain must not be asked")
	for _, p := range parts {
		require.ErrorContains(t, err, p)
	}
}

// status returns what a certificate has.
func status(t testing.TB, s *certs.Service, id string) certs.Status {
	t.Helper()
	c, err := s.DescribeCertificate(t.Context(), id)
	require.NoError(t, err)
	return c.Status
}

// issue makes an active certificate.
func issue(t testing.TB, s *certs.Service) (certs.Issued, *x509.Certificate) {
	t.Helper()
	out, err := s.CreateKeysAndCertificate(t.Context(), true)
	require.NoError(t, err)
	return out, parse(t, out.PEM)
}

// attachments are policies and things by ARN.
type attachments struct {
	mu               sync.Mutex
	policies, things map[string]map[string]bool
	err              error
}

func newAttachments() *attachments {
	return &attachments{policies: map[string]map[string]bool{}, things: map[string]map[string]bool{}}
}

func attach(m map[string]map[string]bool, arn, name string) {
	if m[arn] == nil {
		m[arn] = map[string]bool{}
	}
	m[arn][name] = true
}

func (a *attachments) Attached(_ context.Context, arn string) (policies, things bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.policies[arn]) > 0, len(a.things[arn]) > 0, a.err
}

func (a *attachments) DetachPolicies(_ context.Context, arn string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.policies, arn)
	return nil
}

func (a *attachments) CopyAttachments(_ context.Context, from, to string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return a.err
	}
	for _, m := range []map[string]map[string]bool{a.policies, a.things} {
		if m[from] != nil {
			m[to] = maps.Clone(m[from])
		}
	}
	return nil
}

// A change is what Config.Changed was told.
type change struct {
	id     string
	status certs.Status
}

// changes records them.
type changes struct {
	mu  sync.Mutex
	all []change
}

func (c *changes) changed(id string, s certs.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, change{id, s})
}

// take returns what came since the last call.
func (c *changes) take() []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

// A message is what was published.
type message struct{ topic, payload string }

type publisher struct {
	mu  sync.Mutex
	all []message
	err error
}

func (p *publisher) Publish(_ context.Context, topic string, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, message{topic, string(payload)})
	return p.err
}

func (p *publisher) take() []message {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.all
	p.all = nil
	return all
}

// An acting clock.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

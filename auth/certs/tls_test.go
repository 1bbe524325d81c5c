package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

// A door is a TLS listener of a hub that greets whoever comes in. What a client learns of
// a refusal differs with the TLS version; who came in is what counts.
type door struct {
	addr string
	done chan struct{} // a handshake has ended, well or not
	mu   sync.Mutex
	seen []tls.ConnectionState
	errs []error
}

const greeting = "welcome"

func open(t *testing.T, cfg *tls.Config) *door {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := &door{addr: ln.Addr().String(), done: make(chan struct{}, 1000)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { d.serve(nc, cfg) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return d
}

func (d *door) serve(nc net.Conn, cfg *tls.Config) {
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second)) // hosts that hang end the test
	c := tls.Server(nc, cfg)
	err := c.Handshake()
	d.mu.Lock()
	if err != nil {
		d.errs = append(d.errs, err)
	} else {
		d.seen = append(d.seen, c.ConnectionState())
	}
	d.mu.Unlock()
	d.done <- struct{}{}
	if err == nil {
		_, _ = io.WriteString(c, greeting)
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c) // until the client is done
	}
}

func (d *door) last(t *testing.T) tls.ConnectionState {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	require.NotEmpty(t, d.seen)
	return d.seen[len(d.seen)-1]
}

func (d *door) lastError() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.errs) == 0 {
		return nil
	}
	return d.errs[len(d.errs)-1]
}

// knock connects and reads the greeting.
func (d *door) knock(t *testing.T, cfg *tls.Config) error {
	t.Helper()
	dialer := tls.Dialer{Config: cfg}
	nc, err := dialer.DialContext(t.Context(), "tcp", d.addr)
	<-d.done
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	got, err := io.ReadAll(nc)
	if err == nil {
		require.Equal(t, greeting, string(got))
	}
	return err
}

// server is the base configuration of a listener.
func server(t *testing.T, s *certs.Service) *tls.Config {
	t.Helper()
	cert, err := s.IssueServer("hub.local", "127.0.0.1")
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

func client(t *testing.T, s *certs.Service, out certs.Issued) *tls.Config {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(out.PEM), []byte(out.Keys.PrivateKey))
	require.NoError(t, err)
	return &tls.Config{RootCAs: s.CAPool(), ServerName: "hub.local", Certificates: []tls.Certificate{pair}}
}

var versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

func TestTLS(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			base := server(t, s)
			base.MaxVersion = version
			d := open(t, s.TLSConfig(base))
			out, c := issue(t, s)
			cfg := client(t, s, out)
			require.NoError(t, d.knock(t, cfg))
			cs := d.last(t)
			require.Equal(t, version, cs.Version)
			id, err := s.Authenticate(t.Context(), &auth.Credentials{TLS: &cs})
			require.NoError(t, err)
			require.Equal(t, out.ID, id.Principal)
			require.Equal(t, c.Raw, id.Certificate.Raw)

			require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Inactive))
			require.Error(t, d.knock(t, cfg))
			require.ErrorContains(t, d.lastError(), out.ID+" is INACTIVE")

			require.NoError(t, d.knock(t, &tls.Config{RootCAs: s.CAPool(), ServerName: "hub.local"}), "who has no certificate may have a password")
			cs = d.last(t)
			_, err = s.Authenticate(t.Context(), &auth.Credentials{TLS: &cs})
			require.ErrorIs(t, err, auth.ErrUnrecognised)

			leaf, key := newCA(t, "elsewhere").device(t)
			cfg.Certificates = []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}
			require.Error(t, d.knock(t, cfg))
			require.ErrorContains(t, d.lastError(), "is not registered")
		})
	}
}

// A session that was begun with a good certificate is not resumed with a revoked one.
func TestResumption(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log lockedLog
			s := newService(t, func(c *certs.Config) {
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			base := server(t, s)
			base.MaxVersion = version
			d := open(t, s.TLSConfig(base))
			out, _ := issue(t, s)
			cfg := client(t, s, out)
			cfg.ClientSessionCache = tls.NewLRUClientSessionCache(8)
			require.NoError(t, d.knock(t, cfg))
			require.False(t, d.last(t).DidResume)
			require.NoError(t, d.knock(t, cfg))
			cs := d.last(t)
			require.True(t, cs.DidResume, "else this test tests nothing")
			id, err := s.Authenticate(t.Context(), &auth.Credentials{TLS: &cs})
			require.NoError(t, err)
			require.Equal(t, out.ID, id.Principal)

			require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Revoked))
			cfg.Certificates = nil // only the session is left
			require.Error(t, d.knock(t, cfg))
			require.ErrorContains(t, d.lastError(), "is REVOKED")
			require.Contains(t, log.String(), `level=INFO msg="auth: refused" service=tls operation=Handshake`)
			require.Contains(t, log.String(), out.ID)
			_, err = s.Authenticate(t.Context(), &auth.Credentials{TLS: &cs})
			refused(t, err, "is REVOKED")
		})
	}
}

// The handshake registers nobody; the CONNECT does.
func TestTLSJustInTime(t *testing.T) {
	t.Parallel()
	p := &publisher{}
	s := newService(t, func(c *certs.Config) { c.Events = p })
	d := open(t, s.TLSConfig(server(t, s)))
	a := newCA(t, "plant")
	ca := registerCA(t, s, a)
	leaf, key := a.device(t)
	id := certs.Fingerprint(leaf)
	cfg := &tls.Config{RootCAs: s.CAPool(), ServerName: "hub.local", Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key}}}
	require.NoError(t, d.knock(t, cfg))
	_, err := s.DescribeCertificate(t.Context(), id)
	is(t, err, certs.ErrNotFound)
	require.Empty(t, p.take())
	cs := d.last(t)
	_, err = s.Authenticate(t.Context(), &auth.Credentials{TLS: &cs})
	refused(t, err, "PENDING_ACTIVATION")
	require.Len(t, p.take(), 1)
	require.NoError(t, d.knock(t, cfg), "it comes again to be announced again")
	require.NoError(t, s.UpdateCertificate(t.Context(), id, certs.Active))
	require.NoError(t, d.knock(t, cfg))
	require.NoError(t, s.UpdateCertificate(t.Context(), id, certs.Inactive))
	require.Error(t, d.knock(t, cfg))

	require.NoError(t, s.UpdateCACertificate(t.Context(), certs.UpdateCAInput{ID: ca, Auto: certs.Disable}))
	leaf, key = a.device(t)
	cfg.Certificates = []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}
	require.Error(t, d.knock(t, cfg))
	require.ErrorContains(t, d.lastError(), "is not registered")

	pending, err := s.IssueKeys(t.Context(), certs.Terms{Status: certs.PendingActivation})
	require.NoError(t, err)
	require.Error(t, d.knock(t, client(t, s, pending)), "of fleet provisioning: nothing is to be announced")
}

func TestServerNames(t *testing.T) {
	t.Parallel()
	s := newService(t, func(c *certs.Config) { c.ServerNames = []string{"hub.local", "*.Example.org"} })
	base := server(t, s)
	d := open(t, s.TLSConfig(base))
	out, _ := issue(t, s)
	for name, good := range map[string]bool{
		"hub.local": true, "HUB.LOCAL": true, "a.example.org": true, "": false, "other.local": false,
		"example.org": false, "a.b.example.org": false, "xhub.local": false,
	} {
		cfg := client(t, s, out)
		cfg.InsecureSkipVerify = true // the certificate of the server has not all of the names
		cfg.ServerName = name
		err := d.knock(t, cfg)
		if good {
			require.NoError(t, err, name)
			continue
		}
		require.Error(t, err, name)
		require.ErrorContains(t, d.lastError(), "hub.local or *.Example.org")
	}
}

func TestTLSConfigKeepsBase(t *testing.T) {
	t.Parallel()
	s := newService(t)
	cfg := s.TLSConfig(nil)
	require.Equal(t, uint16(tls.VersionTLS12), cfg.MinVersion)
	require.Equal(t, tls.RequestClientCert, cfg.ClientAuth)
	require.Equal(t, []string{"x-amzn-mqtt-ca", "mqtt", "x-amzn-http-ca", "http/1.1"}, cfg.NextProtos)
	no := errors.New("no")
	base := server(t, s)
	base.MinVersion, base.ClientAuth, base.NextProtos = tls.VersionTLS13, tls.RequireAnyClientCert, []string{"mqtt"}
	base.VerifyConnection = func(tls.ConnectionState) error { return no }
	cfg = s.TLSConfig(base)
	require.Equal(t, uint16(tls.VersionTLS13), cfg.MinVersion)
	require.Equal(t, tls.RequireAnyClientCert, cfg.ClientAuth)
	require.Equal(t, []string{"mqtt"}, cfg.NextProtos)
	require.ErrorIs(t, cfg.VerifyConnection(tls.ConnectionState{}), no)
	base.VerifyConnection = nil
	d := open(t, s.TLSConfig(base))
	require.Error(t, d.knock(t, &tls.Config{RootCAs: s.CAPool(), ServerName: "hub.local"}), "without a certificate")
}

// A configuration that the host chooses per client is not a way around.
func TestGetConfigForClient(t *testing.T) {
	t.Parallel()
	s := newService(t)
	chosen := server(t, s)
	var fail error
	var none bool
	base := server(t, s)
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if none {
			return nil, fail
		}
		return chosen, fail
	}
	cfg := s.TLSConfig(base)
	d := open(t, cfg)
	out, _ := issue(t, s)
	mine := client(t, s, out)
	mine.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	require.NoError(t, d.knock(t, mine))
	require.NoError(t, d.knock(t, mine))
	require.True(t, d.last(t).DidResume, "the same configuration each time")
	require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Inactive))
	require.Error(t, d.knock(t, mine))
	none = true
	require.Error(t, d.knock(t, mine))
	none, fail = false, errors.New("out of order")
	_, err := cfg.GetConfigForClient(nil)
	require.ErrorIs(t, err, fail)
}

func TestALPN(t *testing.T) {
	t.Parallel()
	s := newService(t)
	d := open(t, s.TLSConfig(server(t, s)))
	out, _ := issue(t, s)
	cfg := client(t, s, out)
	for _, p := range []string{certs.ALPNMQTT, certs.ALPNMQTTCustom, certs.ALPNHTTP, certs.ALPNHTTP1} {
		cfg.NextProtos = []string{p}
		require.NoError(t, d.knock(t, cfg), p)
		require.Equal(t, p, d.last(t).NegotiatedProtocol)
	}
	cfg.NextProtos = nil
	require.NoError(t, d.knock(t, cfg))
	cfg.NextProtos = []string{"h2"}
	require.Error(t, d.knock(t, cfg))
}

// A handshake looks at the validity as well.
func TestTLSExpiry(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newService(t, func(cfg *certs.Config) { cfg.Now = c.time })
	leaf, _ := newCA(t, "plant").device(t)
	_, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
	require.NoError(t, err)
	verify := s.TLSConfig(nil).VerifyConnection
	cs := tls.ConnectionState{ServerName: "hub.local", PeerCertificates: []*x509.Certificate{leaf}, DidResume: true}
	require.NoError(t, verify(cs))
	c.forward(2 * time.Hour)
	refused(t, verify(cs), "has expired")
}

// The directory fails: nobody gets through a handshake unchecked.
func TestTLSDirectoryIsDown(t *testing.T) {
	t.Parallel()
	dir := &slow{Memory: auth.NewMemory()}
	s := newService(t, func(c *certs.Config) { c.Directory = dir })
	out, c := issue(t, s)
	verify := s.TLSConfig(nil).VerifyConnection
	cs := tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
	require.NoError(t, verify(cs))
	dir.set(func(auth.Record, error) (auth.Record, error) { return auth.Record{}, context.DeadlineExceeded })
	require.ErrorIs(t, verify(cs), context.DeadlineExceeded)
	require.NotEmpty(t, out.ID)
}

// A lockedLog keeps what handshakes log.
type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

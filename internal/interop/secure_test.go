package interop_test

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/users"
)

// A secureHub is a hub that lets nobody in whom it does not know, and decides by its own
// policies. Its server certificate is of its own CA.
type secureHub struct {
	*testHub
	mqtts string // the address for MQTT over TLS
	https string // the address for everything on one port, with ALPN
	ca    string // a file with the CA's certificate
	dir   string
}

func startSecure(t *testing.T, changes ...change) *secureHub {
	t.Helper()
	closed := func(c *thinghub.Config) {
		c.Authenticator, c.Authorizer = nil, nil
		c.Account, c.Region = account, region
		c.CertificateConfig = certs.Config{Keys: certs.P256}
		c.UserConfig = users.Config{Hash: users.HashParams{Memory: 64, Time: 1}}
		c.RegistryConfig.Limits.TypeDeletionDelay = -1
	}
	s := &secureHub{testHub: startHub(t, append([]change{closed}, changes...)...), dir: t.TempDir()}
	s.ca = s.file(t, "ca.pem", s.Certificates().CAPEM())
	server, err := s.Certificates().IssueServer("localhost", "127.0.0.1")
	require.NoError(t, err)
	cfg := &tls.Config{Certificates: []tls.Certificate{server}}
	s.mqtts = s.serveTLS(t, s.Certificates().TLSConfig(cfg))

	ln := listen(t, "127.0.0.1:0")
	s.https = ln.Addr().String()
	srv := &http.Server{Handler: s.Handler(), TLSConfig: cfg, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	s.ConfigureServer(srv)
	done := make(chan error, 1)
	go func() { done <- srv.ServeTLS(ln, "", "") }()
	t.Cleanup(func() {
		s.stop()
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	return s
}

// file writes a file for a program to read.
func (s *secureHub) file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// A keyed is a device with its certificate, in memory and as PEM files.
type keyed struct {
	*thinghub.Device
	cert, key string
}

// device provisions a device.
func (s *secureHub) device(t *testing.T, name string, policies ...string) keyed {
	t.Helper()
	d, err := s.Provision(t.Context(), name, policies...)
	require.NoError(t, err)
	return keyed{d, s.file(t, d.CertificateID+".pem", d.CertificatePEM), s.file(t, d.CertificateID+".key", d.PrivateKeyPEM)}
}

// files are the device's as the tests with the hub's CA have them.
func (s *secureHub) files(d keyed) *pki { return &pki{caFile: s.ca, certFile: d.cert, keyFile: d.key} }

// policy makes a policy and attaches it.
func (s *secureHub) policy(t *testing.T, name, document string, targets ...string) {
	t.Helper()
	_, err := s.Policies().CreatePolicy(t.Context(), name, document)
	require.NoError(t, err)
	for _, target := range targets {
		require.NoError(t, s.Policies().AttachPolicy(t.Context(), name, target))
	}
}

// setStatus changes the status of a device's certificate.
func (s *secureHub) setStatus(t *testing.T, d keyed, to certs.Status) {
	t.Helper()
	require.NoError(t, s.Certificates().UpdateCertificate(t.Context(), d.CertificateID, to))
}

package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/bench/internal/pki"
)

// Both sides accept each other's certificates, and no client has that of another.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, pki.Write(dir, 2))
	server, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	require.NoError(t, err)
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	for i, want := range []string{"idle-device-0", "idle-device-1"} {
		here, there := net.Pipe()
		at := tls.Server(here, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
		cfg, err := pki.Client(dir, i, true)
		require.NoError(t, err)
		from := tls.Client(there, cfg)
		done := make(chan error, 1)
		go func() {
			err := from.HandshakeContext(t.Context())
			_, _ = from.Read(make([]byte, 1)) // tickets, and the end
			done <- err
		}()
		require.NoError(t, at.HandshakeContext(t.Context()))
		require.Equal(t, want, at.ConnectionState().PeerCertificates[0].Subject.CommonName)
		require.NoError(t, at.Close())
		require.NoError(t, <-done)
	}
	_, err = pki.Client(dir, 2, true)
	require.ErrorIs(t, err, os.ErrNotExist)
	cfg, err := pki.Client(dir, 2, false)
	require.NoError(t, err)
	require.Empty(t, cfg.Certificates)
}

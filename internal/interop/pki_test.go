package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A pki is a certificate authority, a server certificate for localhost and the
// certificate of the client "pump-1", in memory and as PEM files.
type pki struct {
	pool                      *x509.CertPool
	server, client            tls.Certificate
	caFile, certFile, keyFile string
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	dir := t.TempDir()
	p := &pki{
		pool:   x509.NewCertPool(),
		caFile: filepath.Join(dir, "ca.pem"), certFile: filepath.Join(dir, "pump-1.pem"), keyFile: filepath.Join(dir, "pump-1.key"),
	}
	now := time.Now()
	serial := int64(0)
	var ca *x509.Certificate
	var caKey *ecdsa.PrivateKey
	issue := func(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		serial++
		c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(serial), now.Add(-time.Hour), now.Add(time.Hour)
		parent, signer := ca, caKey
		if parent == nil {
			parent, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
		require.NoError(t, err)
		c, err = x509.ParseCertificate(der)
		require.NoError(t, err)
		return c, key
	}
	ca, caKey = issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "interop CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	server, serverKey := issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	client, clientKey := issue(&x509.Certificate{
		Subject:  pkix.Name{CommonName: "pump-1"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	p.pool.AddCert(ca)
	p.server = tls.Certificate{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}
	p.client = tls.Certificate{Certificate: [][]byte{client.Raw}, PrivateKey: clientKey}
	write := func(file, kind string, der []byte) {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(clientKey)
	require.NoError(t, err)
	write(p.caFile, "CERTIFICATE", ca.Raw)
	write(p.certFile, "CERTIFICATE", client.Raw)
	write(p.keyFile, "PRIVATE KEY", keyDER)
	return p
}

// alpn are the protocol names MQTT clients offer: the registered one, and the one
// AWS devices are configured with.
var alpn = []string{"mqtt", "x-amzn-mqtt-ca", "http/1.1"}

func (p *pki) serverConfig(clients tls.ClientAuthType) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{p.server}, ClientAuth: clients, ClientCAs: p.pool, NextProtos: alpn}
}

func (p *pki) clientConfig(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: p.pool, Certificates: certs}
}

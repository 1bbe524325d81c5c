package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/examples/internal/programtest"
)

// A signer is a CA made for a test.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plant CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &signer{cert, key}
}

func (s *signer) issue(t *testing.T, serial int64, use x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "device"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.cert, key.Public(), s.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writePEM(t *testing.T, dir, name, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// TestPrincipals starts a hub with everything that the file can say about who may come in.
func TestPrincipals(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newSigner(t)
	der, err := x509.MarshalPKCS8PrivateKey(ca.key)
	require.NoError(t, err)
	writePEM(t, dir, "ca.crt", "CERTIFICATE", ca.cert.Raw)
	writePEM(t, dir, "ca.key", "PRIVATE KEY", der)
	server, device, idle, revoked, unknown := ca.issue(t, 2, x509.ExtKeyUsageServerAuth), ca.issue(t, 3, x509.ExtKeyUsageClientAuth), ca.issue(t, 4, x509.ExtKeyUsageClientAuth), ca.issue(t, 5, x509.ExtKeyUsageClientAuth), ca.issue(t, 6, x509.ExtKeyUsageClientAuth)
	der, err = x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	require.NoError(t, err)
	writePEM(t, dir, "server.key", "PRIVATE KEY", der)
	for name, c := range map[string]tls.Certificate{"server": server, "device": device, "idle": idle, "revoked": revoked} {
		writePEM(t, dir, name+".crt", "CERTIFICATE", c.Certificate[0])
	}
	der, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(5), RevocationTime: time.Now().Add(-time.Minute)}},
	}, ca.cert, ca.key)
	require.NoError(t, err)
	writePEM(t, dir, "ca.crl", "X509 CRL", der)
	config := filepath.Join(dir, "hub.json")
	require.NoError(t, os.WriteFile(config, []byte(`{
		"account": "123456789012", "region": "local",
		"policies": {
			"own": { "Version": "2012-10-17", "Statement": [
				{ "Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:local:123456789012:client/${iot:Connection.Thing.ThingName}" },
				{ "Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:local:123456789012:topic/dt/${iot:Connection.Thing.ThingName}" } ] },
			"admin": { "Version": "2012-10-17", "Statement": [ { "Effect": "Allow", "Action": "iot:*", "Resource": "*" } ] }
		},
		"users": [ { "name": "alice", "password": "alice-pw", "policies": ["own"], "thing": "pump-2" }, { "name": "bob", "password": "b" } ],
		"certificateAuthorities": [ { "file": "ca.crt", "keyFile": "ca.key", "autoRegister": false } ],
		"certificates": [
			{ "file": "device.crt", "status": "ACTIVE", "policies": ["own"], "things": ["pump-1"] },
			{ "file": "idle.crt", "status": "INACTIVE", "policies": ["own"], "things": ["pump-1"] },
			{ "file": "revoked.crt", "policies": ["own"], "things": ["pump-1"] }
		],
		"crl": "ca.crl",
		"tls": { "cert": "server.crt", "key": "server.key" },
		"accessKeys": [ { "id": "AKIAEXAMPLE", "secret": "s", "policies": ["admin"] }, { "id": "AKIANOBODY", "secret": "n" } ]
	}`), 0o600))
	p := programtest.Start(t, "-config", config, "-mqtt", "127.0.0.1:0", "-mqtts", "127.0.0.1:0", "-http", "127.0.0.1:0", "-https", "127.0.0.1:0")
	addr := map[string]string{}
	for _, name := range []string{"mqtt", "mqtts", "http", "https"} {
		addr[name] = p.Line(t, "listening "+name+" ")
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	connect := func(nc net.Conn, id, user, password string) (*paho.Client, error) {
		t.Cleanup(func() { _ = nc.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(nc)})
		_, err := c.Connect(ctx, &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 30, UsernameFlag: user != "", Username: user, PasswordFlag: password != "", Password: []byte(password)})
		return c, err
	}
	over := func(list ...tls.Certificate) func() (net.Conn, error) {
		return func() (net.Conn, error) {
			return (&tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: list, NextProtos: []string{"x-amzn-mqtt-ca"}}}).DialContext(t.Context(), "tcp", addr["mqtts"])
		}
	}
	plain := func() (net.Conn, error) { return net.Dial("tcp", addr["mqtt"]) }
	for _, c := range []struct {
		name               string
		dial               func() (net.Conn, error)
		id, user, password string
		want               bool
	}{
		{"device", over(device), "pump-1", "", "", true},
		{"device under another name", over(device), "pump-2", "", "", false},
		{"inactive", over(idle), "pump-1", "", "", false},
		{"revoked", over(revoked), "pump-1", "", "", false},
		{"unknown", over(unknown), "pump-1", "", "", false},
		{"unknown with a password", over(unknown), "pump-2", "alice", "alice-pw", false},
		{"certificate of the server", over(server), "pump-1", "", "", false},
		{"no certificate", over(), "pump-1", "", "", false},
		{"user", plain, "pump-2", "alice", "alice-pw", true},
		{"user over TLS", over(), "pump-2", "alice", "alice-pw", true},
		{"user under another name", plain, "pump-1", "alice", "alice-pw", false},
		{"wrong password", plain, "pump-2", "alice", "b", false},
		{"user without policies", plain, "bob", "bob", "b", false},
		{"unknown user", plain, "pump-2", "carol", "b", false},
		{"nobody", plain, "pump-2", "", "", false},
	} {
		nc, err := c.dial()
		if err == nil {
			var client *paho.Client
			if client, err = connect(nc, c.id, c.user, c.password); err == nil {
				_, err := client.Publish(t.Context(), &paho.Publish{Topic: "dt/" + c.id, QoS: 1})
				require.NoError(t, err, c.name)
				_, err = client.Publish(t.Context(), &paho.Publish{Topic: "dt/else", QoS: 1})
				require.Error(t, err, c.name)
			}
		}
		require.Equal(t, c.want, err == nil, "%s: %v", c.name, err)
	}

	for _, c := range []struct {
		key  sigv4.Signer
		want int
	}{
		{sigv4.Signer{ID: "AKIAEXAMPLE", Secret: "s"}, 200}, {sigv4.Signer{ID: "AKIAEXAMPLE", Secret: "t"}, 401}, {sigv4.Signer{ID: "AKIANOBODY", Secret: "n"}, 403}, {sigv4.Signer{}, 401},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr["http"]+"/things/pump-1", http.NoBody)
		require.NoError(t, err)
		if c.key.ID != "" {
			c.key.Region, c.key.Service = "local", "iot"
			require.NoError(t, c.key.Sign(r, nil))
		}
		a, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, a.Body.Close())
		require.Equal(t, c.want, a.StatusCode, c.key.ID)
	}

	// A device publishes over HTTPS with its certificate, where no variable has a thing.
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: []tls.Certificate{device}, NextProtos: []string{"x-amzn-http-ca"}}}}
	t.Cleanup(web.CloseIdleConnections)
	a, err := web.Post("https://"+addr["https"]+"/topics/dt/pump-1", "", bytes.NewReader([]byte("x")))
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	require.Equal(t, 403, a.StatusCode)
}

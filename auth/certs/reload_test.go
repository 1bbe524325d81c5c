package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
)

// files writes the certificate of a server, and its CA, as files.
func files(t *testing.T, dir string, cert tls.Certificate, ca string) (certFile, keyFile, caFile string) {
	t.Helper()
	certFile, keyFile, caFile = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"), filepath.Join(dir, "ca.crt")
	var chain strings.Builder
	for _, der := range cert.Certificate {
		chain.WriteString(certPEM(der))
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, []byte(chain.String()), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(caFile, []byte(ca), 0o600))
	return certFile, keyFile, caFile
}

func issueServer(t *testing.T, s *certs.Service) tls.Certificate {
	t.Helper()
	cert, err := s.IssueServer("hub.local")
	require.NoError(t, err)
	return cert
}

func TestReloader(t *testing.T) {
	t.Parallel()
	s, c, dir := newService(t), newClock(), t.TempDir()
	log := &strings.Builder{}
	one := issueServer(t, s)
	certFile, keyFile, _ := files(t, dir, one, "")
	r, err := certs.NewReloader(certs.ReloaderConfig{
		CertFile: certFile, KeyFile: keyFile, Now: c.time, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	serves := func(want tls.Certificate) {
		t.Helper()
		got, err := r.GetCertificate(nil)
		require.NoError(t, err)
		require.Equal(t, want.Certificate, got.Certificate)
	}
	serves(one)
	require.Nil(t, r.ClientCAs())

	d := open(t, s.TLSConfig(r.TLSConfig(nil)))
	out, _ := issue(t, s)
	stays, err := (&tls.Dialer{Config: client(t, s, out)}).DialContext(t.Context(), "tcp", d.addr)
	require.NoError(t, err)
	defer func() { _ = stays.Close() }()
	<-d.done

	two := issueServer(t, s)
	files(t, dir, two, "")
	serves(one) // it is not time to look
	c.forward(time.Minute)
	serves(two)
	require.NoError(t, d.knock(t, client(t, s, out)))

	// A file that is half written, or of another key, changes nothing and is told once.
	require.NoError(t, os.WriteFile(keyFile, []byte("-----BEGIN"), 0o600))
	require.Error(t, r.Reload())
	serves(two)
	c.forward(time.Minute)
	serves(two)
	serves(two)
	require.Equal(t, 1, strings.Count(log.String(), "was not renewed"))
	three := issueServer(t, s)
	files(t, dir, three, "")
	require.NoError(t, r.Reload())
	serves(three)
	require.NoError(t, os.Remove(certFile))
	c.forward(time.Minute)
	serves(three)
	require.ErrorContains(t, r.Reload(), "server.crt")
	serves(three)

	got, err := io.ReadAll(stays)
	require.NoError(t, err)
	require.Equal(t, greeting, string(got), "whoever is connected stays")
}

func TestReloaderClientCAs(t *testing.T) {
	t.Parallel()
	s, dir := newService(t), t.TempDir()
	a, b := newCA(t, "a"), newCA(t, "b")
	cert := issueServer(t, s)
	certFile, keyFile, caFile := files(t, dir, cert, text(a.cert))
	r, err := certs.NewReloader(certs.ReloaderConfig{CertFile: certFile, KeyFile: keyFile, ClientCAFile: caFile, Every: -1})
	require.NoError(t, err)
	d := open(t, r.TLSConfig(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}))
	with := func(ca *testCA) *tls.Config {
		leaf, key := ca.device(t)
		return &tls.Config{
			RootCAs: s.CAPool(), ServerName: "hub.local", Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}},
			ClientSessionCache: tls.NewLRUClientSessionCache(8),
		}
	}
	ofA, ofB := with(a), with(b)
	require.NoError(t, d.knock(t, ofA))
	require.NoError(t, d.knock(t, ofA))
	require.True(t, d.last(t).DidResume)
	require.Error(t, d.knock(t, ofB))
	require.NoError(t, os.WriteFile(caFile, []byte("nothing"), 0o600))
	require.ErrorContains(t, r.Reload(), "ca.crt has no certificate")
	require.NoError(t, d.knock(t, ofA))
	require.NoError(t, os.WriteFile(caFile, []byte(text(b.cert)), 0o600))
	require.NoError(t, r.Reload())
	require.NoError(t, d.knock(t, ofB))
	require.Error(t, d.knock(t, ofA), "with its session neither")
	require.NoError(t, os.Remove(caFile))
	require.ErrorContains(t, r.Reload(), "CAs of clients")
	require.NoError(t, d.knock(t, ofB))
}

func TestNewReloaderRefuses(t *testing.T) {
	t.Parallel()
	_, err := certs.NewReloader(certs.ReloaderConfig{KeyFile: "x"})
	require.ErrorContains(t, err, "CertFile or KeyFile is empty")
	_, err = certs.NewReloader(certs.ReloaderConfig{CertFile: "/none.crt", KeyFile: "/none.key"})
	require.ErrorContains(t, err, "/none.crt")
}

// MQTT clients stay connected while the certificate of the server and the CAs of clients
// are renewed, on both kinds of listeners, and whoever comes then meets the new ones.
func TestReloadLive(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, dir := newLiveHub(t), t.TempDir()
			a, b := newCA(t, "a"), newCA(t, "b")
			registerCA(t, h.certs, a)
			registerCA(t, h.certs, b)
			device := func(ca *testCA, id string) *tls.Config {
				leaf, key := ca.device(t)
				_, err := h.certs.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
				require.NoError(t, err, id)
				cfg := h.holds(leaf, key)
				cfg.MaxVersion, cfg.NextProtos, cfg.ClientSessionCache = version, []string{certs.ALPNMQTT}, tls.NewLRUClientSessionCache(1)
				return cfg
			}
			one, two := issueServer(t, h.certs), issueServer(t, h.certs)
			certFile, keyFile, caFile := files(t, dir, one, text(a.cert))
			r, err := certs.NewReloader(certs.ReloaderConfig{CertFile: certFile, KeyFile: keyFile, ClientCAFile: caFile, Every: -1})
			require.NoError(t, err)
			base := r.TLSConfig(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert})
			mqtts, https := h.mqtts(t, h.certs.TLSConfig(base)), h.https(t, base, h.ConfigureServer)
			ofA, alsoOfA, ofB := device(a, "one"), device(a, "two"), device(b, "three")
			join := func(addr, id string, cfg *tls.Config, want tls.Certificate) *liveClient {
				t.Helper()
				c, code := dial(t, addr, id, cfg)
				require.Zero(t, code)
				require.Equal(t, want.Certificate[0], c.server())
				c.listens(t)
				return c
			}
			first, second := join(mqtts, "first", ofA, one), join(https, "second", alsoOfA, one)
			talks(t, first, second)
			_, code := dial(t, mqtts, "third", ofB)
			require.NotZero(t, code, "its CA is not in the file")

			// The files change again and again while they talk.
			bundle := text(a.cert) + text(b.cert)
			for i := range 20 {
				files(t, dir, []tls.Certificate{two, one}[i%2], bundle)
				require.NoError(t, r.Reload())
				talks(t, first, second)
			}

			// Then CA a goes.
			files(t, dir, two, text(b.cert))
			require.NoError(t, r.Reload())
			third := join(mqtts, "third", ofB, two)
			fourth := join(https, "fourth", device(b, "four"), two)
			for _, addr := range []string{mqtts, https} {
				_, code = dial(t, addr, "fifth", ofA)
				require.NotZero(t, code, "with its session neither")
			}
			for _, c := range []*liveClient{third, fourth} {
				_, err := c.Unsubscribe(t.Context(), &paho.Unsubscribe{Topics: []string{"all"}})
				require.NoError(t, err)
			}
			talks(t, first, second)

			// Files that cannot be used change nothing for anybody.
			require.NoError(t, os.WriteFile(certFile, []byte("-----BEGIN"), 0o600))
			require.Error(t, r.Reload())
			join(mqtts, "third", ofB, two)
			select {
			case reason := <-first.ended:
				require.Fail(t, "the first client was disconnected", "reason %d", reason)
			case reason := <-second.ended:
				require.Fail(t, "the second client was disconnected", "reason %d", reason)
			default:
			}
		})
	}
}

package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/broker"
)

// A liveHub is a hub that knows clients by their certificates, and lets those it knows do
// everything.
type liveHub struct {
	*thinghub.Hub
	certs *certs.Service
}

func newLiveHub(t *testing.T, change ...func(*thinghub.Config)) *liveHub {
	t.Helper()
	cfg := thinghub.Config{
		CertificateConfig: certs.Config{Keys: certs.P256}, Authorizer: auth.InsecureAllowAll{}, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&cfg)
	}
	hub, err := thinghub.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	return &liveHub{hub, hub.Certificates()}
}

// mqtts serves MQTT over TLS and returns where.
func (h *liveHub) mqtts(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- h.Serve(tls.NewListener(ln, cfg)) }()
	t.Cleanup(func() {
		require.NoError(t, h.Close())
		require.ErrorIs(t, <-served, broker.ErrClosed)
	})
	return ln.Addr().String()
}

// https serves HTTP, and MQTT for those who ask for it, as configure says.
func (h *liveHub) https(t *testing.T, cfg *tls.Config, configure func(*http.Server)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: h.Handler(), TLSConfig: cfg, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	configure(srv)
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(ln, "", "") }()
	t.Cleanup(func() {
		require.NoError(t, h.Close())
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return ln.Addr().String()
}

// A liveClient is an MQTT client over TLS.
type liveClient struct {
	*paho.Client
	tls   *tls.Conn
	heard chan string // payloads
	ended chan byte   // the reason that the hub gave
}

// dial connects a client. The code is 0xff if there was no CONNACK.
func dial(t *testing.T, addr, id string, cfg *tls.Config) (*liveClient, byte) {
	t.Helper()
	const none = 0xff
	nc, err := (&tls.Dialer{Config: cfg}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return nil, none
	}
	t.Cleanup(func() { _ = nc.Close() })
	c := &liveClient{tls: nc.(*tls.Conn), heard: make(chan string, 100), ended: make(chan byte, 1)}
	c.Client = paho.NewClient(paho.ClientConfig{
		Conn:               packets.NewThreadSafeConn(nc),
		OnServerDisconnect: func(d *paho.Disconnect) { c.ended <- d.ReasonCode },
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.heard <- string(p.Packet.Payload)
			return true, nil
		}},
	})
	ack, err := c.Connect(t.Context(), &paho.Connect{ClientID: id, KeepAlive: 30, CleanStart: true})
	if ack == nil {
		require.Error(t, err)
		return nil, none
	}
	return c, ack.ReasonCode
}

// talks checks that a client is connected: it hears from another one what that says, and
// the other way round.
func talks(t *testing.T, a, b *liveClient) {
	t.Helper()
	for _, c := range []*liveClient{a, b} {
		_, err := c.Publish(t.Context(), &paho.Publish{Topic: "all", QoS: 1, Payload: []byte("hello")})
		require.NoError(t, err)
		require.Equal(t, "hello", next(t, a.heard))
		require.Equal(t, "hello", next(t, b.heard))
	}
}

func (c *liveClient) listens(t *testing.T) {
	t.Helper()
	_, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "all", QoS: 1}}})
	require.NoError(t, err)
}

// server returns the certificate that the hub showed to the client.
func (c *liveClient) server() []byte { return c.tls.ConnectionState().PeerCertificates[0].Raw }

func next[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		require.FailNow(t, "nothing arrived")
	}
	return v
}

// publish publishes over HTTPS and returns the status, 0 if the handshake failed.
func publish(t *testing.T, addr string, cfg *tls.Config) int {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+addr+"/topics/all?qos=1", http.NoBody)
	require.NoError(t, err)
	a, err := tr.RoundTrip(r)
	if err != nil {
		require.ErrorContains(t, err, "tls: ")
		return 0
	}
	_, err = io.Copy(io.Discard, a.Body)
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	return a.StatusCode
}

// holds is the configuration of a client with a certificate.
func (h *liveHub) holds(c *x509.Certificate, key any) *tls.Config {
	return &tls.Config{RootCAs: h.certs.CAPool(), ServerName: "hub.local", Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw}, PrivateKey: key}}}
}

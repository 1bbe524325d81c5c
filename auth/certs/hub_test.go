package certs_test

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/broker"
)

// A hub with certificates on a real listener: what an MQTT client gets to see.
func TestHub(t *testing.T) {
	t.Parallel()
	p := &publisher{}
	s := newService(t, func(c *certs.Config) { c.Events = p })
	hub, err := thinghub.New(thinghub.Config{Authenticator: auth.Chain(s), Authorizer: auth.InsecureAllowAll{}})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- hub.Serve(tls.NewListener(ln, s.TLSConfig(server(t, s)))) }()
	defer func() {
		require.NoError(t, hub.Close())
		require.ErrorIs(t, <-served, broker.ErrClosed)
	}()
	call := func(cfg *tls.Config) (*paho.Client, byte, error) {
		nc, err := (&tls.Dialer{Config: cfg}).DialContext(t.Context(), "tcp", ln.Addr().String())
		require.NoError(t, err)
		c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(nc)})
		ack, err := c.Connect(t.Context(), &paho.Connect{ClientID: "pump-1", KeepAlive: 30, CleanStart: true})
		if ack == nil {
			return c, 0, err
		}
		return c, ack.ReasonCode, err
	}

	a := newCA(t, "plant")
	registerCA(t, s, a)
	leaf, key := a.device(t)
	cfg := &tls.Config{RootCAs: s.CAPool(), ServerName: "hub.local", Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}}
	id := certs.Fingerprint(leaf)
	_, code, err := call(cfg)
	require.Error(t, err)
	require.Equal(t, byte(broker.NotAuthorized), code)
	require.Len(t, p.take(), 1)
	require.NoError(t, s.UpdateCertificate(t.Context(), id, certs.Active))
	c, code, err := call(cfg)
	require.NoError(t, err)
	require.Zero(t, code)
	require.Equal(t, id, hub.Clients()[0].Principal)
	require.NoError(t, c.Disconnect(&paho.Disconnect{}))

	_, code, err = call(&tls.Config{RootCAs: s.CAPool(), ServerName: "hub.local"})
	require.Error(t, err)
	require.Equal(t, byte(broker.NotAuthorized), code, "without a certificate, and nobody else is asked")

	require.NoError(t, s.UpdateCertificate(t.Context(), id, certs.Revoked))
	nc, err := (&tls.Dialer{Config: cfg}).DialContext(t.Context(), "tcp", ln.Addr().String())
	if err == nil { // TLS 1.3: the client reads the refusal first thing
		_, err = nc.Read(make([]byte, 1))
		require.NoError(t, nc.Close())
	}
	opErr, ok := errors.AsType[*net.OpError](err)
	require.True(t, ok, "%v", err)
	require.ErrorContains(t, opErr, "bad certificate")
}

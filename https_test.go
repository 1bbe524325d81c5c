package thinghub_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
)

// One port takes MQTT and HTTP, by what clients ask for, with and without certificates.
func TestConfigureServer(t *testing.T) {
	t.Parallel()
	hub, err := thinghub.New(thinghub.Config{Logger: slog.New(slog.DiscardHandler), CertificateConfig: certs.Config{Keys: certs.P256}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	server, err := hub.Certificates().IssueServer("localhost")
	require.NoError(t, err)
	srv := &http.Server{
		Handler: hub.Handler(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{server}}, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	hub.ConfigureServer(srv)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- srv.ServeTLS(l, "", "") }()

	d, err := hub.Provision(t.Context(), "pump-1")
	require.NoError(t, err)
	_, err = hub.Policies().CreatePolicy(t.Context(), "web", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}}`)
	require.NoError(t, err)
	require.NoError(t, hub.Policies().AttachPolicy(t.Context(), "web", d.CertificateARN))
	device, err := d.TLS()
	require.NoError(t, err)
	dial := func(protos ...string) *tls.Conn {
		t.Helper()
		c := device.Clone()
		c.ServerName, c.NextProtos = "localhost", protos
		nc, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = nc.Close() })
		return nc.(*tls.Conn)
	}
	for _, proto := range []string{"x-amzn-mqtt-ca", "mqtt"} {
		nc := dial(proto)
		require.Equal(t, proto, nc.ConnectionState().NegotiatedProtocol)
		c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(nc)})
		_, err := c.Connect(t.Context(), &paho.Connect{ClientID: "pump-1", CleanStart: true, KeepAlive: 30})
		require.NoError(t, err)
		info, ok := hub.Client("pump-1")
		require.True(t, ok)
		require.Equal(t, "tls", info.Transport)
		require.NoError(t, c.Disconnect(&paho.Disconnect{}))
	}
	for _, protos := range [][]string{nil, {"http/1.1"}, {"x-amzn-http-ca"}, {"h2", "x-amzn-http-ca"}} {
		nc := dial(protos...)
		r := bufio.NewReader(nc)
		for range 2 { // on one connection
			_, err := io.WriteString(nc, "POST /topics/a?qos=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
			require.NoError(t, err)
			a, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			_, err = io.ReadAll(a.Body)
			require.NoError(t, err)
			require.NoError(t, a.Body.Close())
			require.Equal(t, 200, a.StatusCode, protos)
		}
	}
	// A WebSocket takes the connection over.
	web := &http.Client{Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return dial("x-amzn-http-ca"), nil }}}
	ws, _, err := websocket.Dial(t.Context(), "wss://localhost/mqtt", &websocket.DialOptions{HTTPClient: web, Subprotocols: []string{"mqtt"}}) //nolint:bodyclose // the library closes it
	require.NoError(t, err)
	c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(websocket.NetConn(t.Context(), ws, websocket.MessageBinary))})
	_, err = c.Connect(t.Context(), &paho.Connect{ClientID: "pump-1", CleanStart: true, KeepAlive: 30})
	require.NoError(t, err)

	// Idle connections do not hold up the end.
	idle := dial("x-amzn-http-ca")
	_, err = io.WriteString(idle, "GET /things HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	a, err := http.ReadResponse(bufio.NewReader(idle), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	require.Equal(t, 403, a.StatusCode, strings.TrimSpace(string(body)))
	require.NoError(t, hub.Shutdown(t.Context()))
	require.NoError(t, srv.Shutdown(t.Context()))
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
}

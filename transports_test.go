package thinghub_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/hubtest"
)

// TestAllTransportsAtOnce connects one client over each transport; what each says
// reaches all.
func TestAllTransportsAtOnce(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	secure := httptest.NewTLSServer(hub.Handler())
	t.Cleanup(secure.Close)
	trust := secure.Client().Transport.(*http.Transport).TLSClientConfig

	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	withTLS, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: secure.TLS.Certificates})
	require.NoError(t, err)
	served := make(chan error, 2)
	for _, l := range []net.Listener{tcp, withTLS} {
		go func() { served <- hub.Serve(l) }()
	}

	dial := map[string]func() (net.Conn, error){
		"inproc": func() (net.Conn, error) { return hub.Dial(t.Context()) },
		"tcp":    func() (net.Conn, error) { return net.Dial("tcp", tcp.Addr().String()) },
		"tls": func() (net.Conn, error) {
			return tls.Dial("tcp", withTLS.Addr().String(), &tls.Config{RootCAs: trust.RootCAs, ServerName: "example.com"})
		},
		"ws": func() (net.Conn, error) { return dialWebSocket(t, hub.URL(t), http.DefaultClient) },
		"wss": func() (net.Conn, error) {
			return dialWebSocket(t, "wss"+strings.TrimPrefix(secure.URL, "https")+"/mqtt", secure.Client())
		},
	}
	clients, got := map[string]*paho.Client{}, map[string]<-chan *paho.Publish{}
	for transport, f := range dial {
		clients[transport], got[transport] = receiver(t, hub, "over-"+transport, "say/#", func(cfg *paho.ClientConfig, _ *paho.Connect) {
			nc, err := f()
			require.NoError(t, err)
			t.Cleanup(func() { _ = nc.Close() })
			cfg.Conn = packets.NewThreadSafeConn(nc)
		})
	}
	for _, i := range hub.Clients() {
		require.Equal(t, "over-"+i.Transport, i.ClientID)
		require.NotNil(t, i.RemoteAddr)
	}

	for transport, c := range clients {
		publish(t, c, "say/"+transport, strings.Repeat(transport, 10_000))
		for _, received := range got {
			p := <-received
			require.Equal(t, "say/"+transport, p.Topic)
			require.Equal(t, strings.Repeat(transport, 10_000), string(p.Payload))
		}
	}
	require.NoError(t, hub.Shutdown(t.Context()))
	require.ErrorIs(t, <-served, thinghub.ErrClosed)
	require.ErrorIs(t, <-served, thinghub.ErrClosed)
}

func dialWebSocket(t testing.TB, url string, client *http.Client) (net.Conn, error) {
	t.Helper()
	opts := &websocket.DialOptions{Subprotocols: []string{"mqtt"}, HTTPClient: client}
	ws, _, err := websocket.Dial(t.Context(), url, opts) //nolint:bodyclose // the library closes it
	if err != nil {
		return nil, err
	}
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary), nil
}

// TestHandler looks at the WebSocket endpoint as plain HTTP clients and browsers of
// other sites see it.
func TestHandler(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t, func(c *thinghub.Config) { c.Gateway.WebSocketOrigins = []string{"*.plant.test"} })
	addr := strings.TrimSuffix(strings.TrimPrefix(hub.URL(t), "ws://"), "/mqtt")
	tests := []struct {
		name, path string
		header     map[string]string
		status     string
	}{
		{"upgrade", "/mqtt", nil, "101"},
		{"same site", "/mqtt", map[string]string{"Origin": "http://" + addr}, "101"},
		{"allowed site", "/mqtt", map[string]string{"Origin": "https://ui.plant.test"}, "101"},
		{"other site", "/mqtt", map[string]string{"Origin": "https://evil.test"}, "403"},
		{"other path", "/", nil, "404"},
		{"no subprotocol", "/mqtt", map[string]string{"Sec-WebSocket-Protocol": ""}, "400"},
		{"wrong subprotocol", "/mqtt", map[string]string{"Sec-WebSocket-Protocol": "amqp"}, "400"},
		{"no upgrade", "/mqtt", map[string]string{"Upgrade": "", "Connection": "close"}, "426"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nc, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			t.Cleanup(func() { _ = nc.Close() })
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+tt.path, nil)
			require.NoError(t, err)
			header := map[string]string{
				"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
				"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "mqtt",
			}
			for k, v := range tt.header {
				header[k] = v
			}
			for k, v := range header {
				if v != "" {
					req.Header.Set(k, v)
				}
			}
			require.NoError(t, req.Write(nc))
			resp, err := http.ReadResponse(bufio.NewReader(nc), req)
			require.NoError(t, err)
			defer func() { _ = resp.Body.Close() }()
			require.True(t, strings.HasPrefix(resp.Status, tt.status), resp.Status)
			if tt.status == "101" {
				require.Equal(t, "mqtt", resp.Header.Get("Sec-WebSocket-Protocol"))
			}
		})
	}
}

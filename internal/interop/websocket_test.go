package interop_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
)

// dialWeb opens a WebSocket, or returns nil. status is that of the HTTP answer.
func dialWeb(t *testing.T, addr, origin string, protocols ...string) (ws *websocket.Conn, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o := &websocket.DialOptions{Subprotocols: protocols, HTTPHeader: http.Header{}}
	if origin != "" {
		o.HTTPHeader.Set("Origin", origin)
	}
	ws, resp, err := websocket.Dial(ctx, "ws://"+addr+"/mqtt", o)
	require.NotNil(t, resp, "%v", err)
	if err != nil {
		_ = resp.Body.Close()
		return nil, resp.StatusCode
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws, resp.StatusCode
}

// bytesOf encodes packets, one after the other.
func bytesOf(t *testing.T, ps ...packets.ControlPacket) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range ps {
		require.NoError(t, p.Write(&b))
	}
	return b.Bytes()
}

// conversation is a CONNECT, a SUBSCRIBE, a large and a small PUBLISH to oneself, and
// the answers to them.
func conversation(t *testing.T, id string) (out []byte, check func(io.Reader)) {
	connect := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	connect.ProtocolName, connect.ProtocolVersion, connect.ClientIdentifier, connect.CleanSession = "MQTT", 4, id, true
	sub := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	sub.MessageID, sub.Topics, sub.Qoss = 1, []string{id}, []byte{0}
	large := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	large.TopicName, large.Payload = id, huge[:5000]
	small := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	small.TopicName, small.Payload = id, []byte("small")
	return bytesOf(t, connect, sub, large, small), func(r io.Reader) {
		t.Helper()
		next := func() packets.ControlPacket {
			p, err := packets.ReadPacket(r)
			require.NoError(t, err)
			return p
		}
		require.Zero(t, next().(*packets.ConnackPacket).ReturnCode)
		require.Equal(t, []byte{0}, next().(*packets.SubackPacket).ReturnCodes)
		require.Equal(t, large.Payload, next().(*packets.PublishPacket).Payload)
		require.Equal(t, small.Payload, next().(*packets.PublishPacket).Payload)
	}
}

// TestWebSocketMessages cuts a stream of packets into WebSocket messages in various
// ways: their borders mean nothing [MQTT-6.0.0-2].
func TestWebSocketMessages(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	addr := h.serveHTTP(t, nil)
	for name, size := range map[string]int{"all-in-one": 1 << 20, "thousands": 1000, "sevens": 7, "single": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws, status := dialWeb(t, addr, "", "mqtt")
			require.Equal(t, http.StatusSwitchingProtocols, status)
			require.Equal(t, "mqtt", ws.Subprotocol())
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out, check := conversation(t, name)
			sent := make(chan error, 1)
			go func() {
				for len(out) > 0 {
					n := min(size, len(out))
					if err := ws.Write(ctx, websocket.MessageBinary, out[:n]); err != nil {
						sent <- err
						return
					}
					out = out[n:]
				}
				sent <- ws.Ping(ctx)
			}()
			check(websocket.NetConn(ctx, ws, websocket.MessageBinary))
			go func() { _, _, _ = ws.Read(ctx) }() // a Ping needs a reader
			require.NoError(t, <-sent)
		})
	}
}

// TestWebSocketText checks that a text message ends the connection [MQTT-6.0.0-1].
func TestWebSocketText(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	ws, status := dialWeb(t, h.serveHTTP(t, nil), "", "mqtt")
	require.Equal(t, http.StatusSwitchingProtocols, status)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, _ := conversation(t, "text")
	require.NoError(t, ws.Write(ctx, websocket.MessageText, out))
	_, _, err := ws.Read(ctx)
	require.Error(t, err)
	require.NoError(t, ctx.Err())
	require.Empty(t, h.Clients())
}

func TestWebSocketSubprotocol(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	addr := h.serveHTTP(t, nil)
	for _, tc := range []struct {
		offered []string
		chosen  string
		status  int
	}{
		{[]string{"mqtt"}, "mqtt", 101},
		{[]string{"mqttv3.1"}, "mqttv3.1", 101},
		{[]string{"mqttv3.1", "mqtt"}, "mqtt", 101},
		{[]string{"chat", "mqtt"}, "mqtt", 101},
		{nil, "", 400},
		{[]string{"chat"}, "", 400},
	} {
		ws, status := dialWeb(t, addr, "", tc.offered...)
		require.Equal(t, tc.status, status, "%q", tc.offered)
		if ws != nil {
			require.Equal(t, tc.chosen, ws.Subprotocol())
		}
	}
	// Something that is no WebSocket at all.
	resp, err := http.Get("http://" + addr + "/mqtt")
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, http.StatusUpgradeRequired, resp.StatusCode)
}

// TestWebSocketOrigin connects as a browser does, with an Origin.
func TestWebSocketOrigin(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) {
		c.Gateway.WebSocketOrigins = []string{"app.example.com", "*.trusted.example"}
	})
	addr := h.serveHTTP(t, nil)
	_, port, _ := strings.Cut(addr, ":")
	for origin, want := range map[string]int{
		"": 101, "http://" + addr: 101, "https://app.example.com": 101, "https://a.trusted.example": 101,
		"https://evil.example": 403, "https://app.example.com.evil.example": 403, "https://trusted.example": 403,
		"http://127.0.0.1:1": 403, "null": 403, "http://localhost:" + port: 403,
	} {
		_, status := dialWeb(t, addr, origin, "mqtt")
		require.Equal(t, want, status, "Origin %q", origin)
	}
}

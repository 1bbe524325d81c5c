package broker_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// web returns the address of a WebSocket server.
func web(t *testing.T, cfg broker.Config) string {
	t.Helper()
	srv, _ := start(t, cfg)
	h := httptest.NewServer(srv.WebSocket())
	t.Cleanup(h.Close)
	t.Cleanup(func() { _ = srv.Close() }) // first: its connections are hijacked ones
	return "ws" + strings.TrimPrefix(h.URL, "http")
}

func dialWeb(t *testing.T, url string, offer ...string) *websocket.Conn {
	t.Helper()
	ws, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: offer})
	if resp != nil && resp.Body != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

// overWeb is a raw client over ws.
func overWeb(t *testing.T, ws *websocket.Conn, v packet.Version) *raw {
	return &raw{t: t, nc: websocket.NetConn(context.Background(), ws, websocket.MessageBinary), v: v}
}

// [MQTT-6.0.0-3, -4]: the subprotocol.
func TestWebSocket_6_0_0_3_Subprotocol(t *testing.T) {
	t.Parallel()
	url := web(t, open())
	for _, c := range []struct {
		offer []string
		want  string
	}{{[]string{"mqtt"}, "mqtt"}, {[]string{"chat", "mqtt"}, "mqtt"}, {[]string{"mqttv3.1", "mqtt"}, "mqtt"}, {[]string{"mqttv3.1"}, "mqttv3.1"}} {
		ws := dialWeb(t, url, c.offer...)
		require.Equal(t, c.want, ws.Subprotocol())
		r := overWeb(t, ws, packet.V5)
		require.Zero(t, r.hello("c").Code)
		r.ping()
		_ = ws.CloseNow()
	}
	for _, offer := range [][]string{nil, {"chat"}, {"mqttx"}} {
		_, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: offer})
		require.Error(t, err)
		require.Equal(t, 400, resp.StatusCode)
		_ = resp.Body.Close()
	}
}

// [MQTT-6.0.0-2]: packets and messages need not begin and end together.
func TestWebSocket_6_0_0_2_AnySplit(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		url := web(t, open())
		all := cat(encode(v, hello(v, "c")), samples(v)[5].b, encode(v, publish("a/b", strings.Repeat("x", 300), 0, 0)), []byte{0xc0, 0})
		for _, size := range []int{1, 2, 5, 100, len(all)} {
			ws := dialWeb(t, url, "mqtt")
			for i := 0; i < len(all); i += size {
				require.NoError(t, ws.Write(t.Context(), websocket.MessageBinary, all[i:min(i+size, len(all))]))
			}
			r := overWeb(t, ws, v)
			r.wantConnack()
			r.wantSuback()
			got := map[packet.Type]int{}
			for range 2 {
				f, err := r.next(patience)
				require.NoError(t, err)
				got[f.Type]++
			}
			require.Equal(t, map[packet.Type]int{packet.TypePublish: 1, packet.TypePingresp: 1}, got)
			_ = ws.CloseNow()
		}
	})
}

// [MQTT-6.0.0-1]: a message that is not binary ends the connection.
func TestWebSocket_6_0_0_1_TextMessage(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		url := web(t, open())
		ws := dialWeb(t, url, "mqtt")
		require.NoError(t, ws.Write(t.Context(), websocket.MessageText, encode(v, hello(v, "c"))))
		overWeb(t, ws, v).wantClosed()

		ws = dialWeb(t, url, "mqtt")
		require.NoError(t, ws.Write(t.Context(), websocket.MessageBinary, encode(v, hello(v, "c"))))
		kind, _, err := ws.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, websocket.MessageBinary, kind)
		require.NoError(t, ws.Write(t.Context(), websocket.MessageText, []byte{0xc0, 0}))
		overWeb(t, ws, v).wantClosed()
	})
}

// The ends of a connection are those of others.
func TestWebSocket_Ends(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		url := web(t, open())
		w := overWeb(t, dialWeb(t, url, "mqtt"), packet.V5)
		w.hello("watcher")
		w.subscribe("w", 0)
		up := func() (*websocket.Conn, *raw) {
			ws := dialWeb(t, url, "mqtt")
			r := overWeb(t, ws, v)
			require.Zero(t, r.hello("c", will("w", "gone")).Code)
			return ws, r
		}
		_, r := up()
		r.write(0xe0, 0)
		r.wantClosed()
		w.ping()

		_, r = up()
		r.write(0x00, 0)
		r.wantRefused(broker.MalformedPacket)
		require.Equal(t, "gone", string(w.wantPublish().Payload))

		ws, _ := up()
		_ = ws.Close(websocket.StatusNormalClosure, "") // no DISCONNECT
		require.Equal(t, "gone", string(w.wantPublish().Payload))

		ws, _ = up()
		_ = ws.CloseNow()
		require.Equal(t, "gone", string(w.wantPublish().Payload))

		_, r = up()
		_, second := up()
		r.wantRefused(broker.SessionTakenOver)
		require.Equal(t, "gone", string(w.wantPublish().Payload))
		second.ping()
	})
}

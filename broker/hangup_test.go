package broker_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// roomy gives the connections it accepts a receive buffer for many reads.
type roomy struct{ net.Listener }

func (l roomy) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		err = nc.(*net.TCPConn).SetReadBuffer(1 << 20)
	}
	return nc, err
}

// TestHangUpUnread: a client sends, says DISCONNECT and closes its socket without
// waiting for the answers. Writing them fails, but what it sent counts.
func TestHangUpUnread(t *testing.T) {
	t.Parallel()
	for name, loops := range map[string]int{"event loop": 1, "goroutine": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 300
			seen := &ends{ended: make(chan error, 1)}
			gate := make(chan struct{})
			cfg := open()
			cfg.EventLoops = loops
			cfg.Hooks = []broker.Hook{seen}
			var srv *broker.Server
			cfg.Router = routerFunc(func(ctx context.Context, m *broker.Message) error {
				<-gate
				return srv.Publish(ctx, m)
			})
			srv, err := broker.NewServer(cfg)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, srv.Close()) })
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			go func() { _ = srv.Serve(roomy{ln}) }()
			got := make(chan *broker.Message, n+1)
			_, err = srv.Subscribe(t.Context(), "#", func(m *broker.Message) { got <- m })
			require.NoError(t, err)

			r := connect(t, ln.Addr().String(), packet.V5, "hasty", func(c *packet.Connect) {
				c.HasWill, c.WillTopic, c.WillPayload = true, []byte("will"), []byte("gone")
			})
			all := make([]any, 0, n+1)
			for i := range n {
				all = append(all, &packet.Publish{Topic: []byte("t"), QoS: 1, PacketID: uint16(i + 1), Payload: make([]byte, 500)})
			}
			r.send(append(all, &packet.Disconnect{})...)
			time.Sleep(50 * time.Millisecond) // until it is in the server's receive buffer
			r.drop()
			close(gate)
			select {
			case err := <-seen.ended:
				require.NoError(t, err)
			case <-time.After(patience):
				require.FailNow(t, "still connected")
			}
			for i := range n {
				select {
				case m := <-got:
					require.Equal(t, "t", m.Topic, fmt.Sprint("message ", i))
				case <-time.After(patience):
					require.FailNow(t, "lost", "message %d", i)
				}
			}
		})
	}
}

type routerFunc func(context.Context, *broker.Message) error

func (f routerFunc) Route(ctx context.Context, m *broker.Message) error { return f(ctx, m) }

// ends tells how a connection ended.
type ends struct{ ended chan error }

func (e *ends) Disconnected(_ *broker.ClientInfo, cause error) { e.ended <- cause }

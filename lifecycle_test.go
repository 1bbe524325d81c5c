package thinghub_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
)

func TestShutdownTellsClients(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	status := hub.Recorder(t, "status/#")
	told := make(chan *paho.Disconnect, 1)
	hub.Client(t, "pump-1", func(cfg *paho.ClientConfig, c *paho.Connect) {
		cfg.OnServerDisconnect = func(d *paho.Disconnect) { told <- d }
		c.WillMessage = &paho.WillMessage{Topic: "status/pump-1", Payload: []byte("lost")}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- hub.Serve(l) }()

	require.NoError(t, hub.Shutdown(t.Context()))
	require.Equal(t, byte(broker.ServerShuttingDown), (<-told).ReasonCode)
	require.ErrorIs(t, <-served, thinghub.ErrClosed)
	for _, m := range status.Messages() { // whether the handler still ran is open
		require.Equal(t, "status/pump-1", m.Topic)
	}
}

func TestAfterTheEnd(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*thinghub.Hub) error{
		"Close":    (*thinghub.Hub).Close,
		"Shutdown": func(h *thinghub.Hub) error { return h.Shutdown(t.Context()) },
	}
	for first, end := range ends {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			hub := hubtest.New(t).Hub
			require.NoError(t, end(hub))
			for range 2 {
				require.NoError(t, hub.Close())
				require.NoError(t, hub.Shutdown(context.Background()))
			}

			require.ErrorIs(t, hub.Publish(t.Context(), "a", nil), thinghub.ErrClosed)
			_, err := hub.Subscribe(t.Context(), "a", func(*thinghub.Message) {})
			require.ErrorIs(t, err, thinghub.ErrClosed)
			_, err = hub.Dial(t.Context())
			require.ErrorIs(t, err, thinghub.ErrClosed)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			require.ErrorIs(t, hub.Serve(l), thinghub.ErrClosed)
			_, err = l.Accept()
			require.ErrorIs(t, err, net.ErrClosed, "Serve closes the listener in any case")
			a, b := net.Pipe()
			require.ErrorIs(t, hub.ServeConn(a), thinghub.ErrClosed)
			_, err = b.Write([]byte{0})
			require.Error(t, err)
			require.ErrorIs(t, hub.Disconnect("pump-1", broker.DisconnectOptions{}), broker.ErrNotConnected)
			require.Empty(t, hub.Clients())
			require.Zero(t, hub.Metrics().Connections)
		})
	}
}

// TestShutdownIsBounded shuts down while a client does not read, so that what the
// hub has to say to it cannot be written.
func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	t.Run("by its context", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			hub := hubtest.New(t)
			deafClient(t, hub)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			require.ErrorIs(t, hub.Shutdown(ctx), context.DeadlineExceeded)
			require.Equal(t, 100*time.Millisecond, time.Since(start))
		})
	})
	t.Run("by its context, whoever does not heed his", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			hub, err := thinghub.New(thinghub.Config{Authenticator: deaf{gate}, Authorizer: auth.InsecureAllowAll{}})
			require.NoError(t, err)
			nc, err := hub.Dial(t.Context())
			require.NoError(t, err)
			_, err = nc.Write([]byte("\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01x"))
			require.NoError(t, err)
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			require.ErrorIs(t, hub.Shutdown(ctx), context.DeadlineExceeded)
			require.LessOrEqual(t, time.Since(start), 1200*time.Millisecond)
			close(gate)
			require.NoError(t, hub.Close())
		})
	})
	t.Run("by the patience with one client", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			hub := hubtest.New(t)
			deafClient(t, hub)
			start := time.Now()
			require.NoError(t, hub.Shutdown(t.Context()))
			require.LessOrEqual(t, time.Since(start), 2*time.Second)
		})
	})
	t.Run("Close waits for nobody", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			hub := hubtest.New(t)
			deafClient(t, hub)
			start := time.Now()
			require.NoError(t, hub.Close())
			require.Zero(t, time.Since(start))
		})
	})
}

// deaf is an Authenticator that waits for its gate, whatever its context says.
type deaf struct{ gate chan struct{} }

func (d deaf) Authenticate(context.Context, *auth.Credentials) (*auth.Identity, error) {
	<-d.gate
	return nil, auth.ErrUnavailable
}

// deafClient connects, subscribes and then reads nothing any more.
func deafClient(t *testing.T, hub *hubtest.Hub) {
	t.Helper()
	nc, err := hub.Dial(t.Context())
	require.NoError(t, err)
	_, err = nc.Write([]byte("\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01x" + "\x82\x07\x00\x01\x00\x00\x01a\x00"))
	require.NoError(t, err)
	synctest.Wait()
	require.Len(t, hub.Clients(), 1)
	require.NoError(t, hub.Publish(t.Context(), "a", nil))
}

func TestDial(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := hub.Dial(canceled)
	require.ErrorIs(t, err, context.Canceled)

	nc, err := hub.Dial(t.Context())
	require.NoError(t, err)
	require.NoError(t, nc.Close(), "a connection that says nothing may be closed")
	require.Eventually(t, func() bool { return hub.Metrics().ConnectionsOpened == 1 }, 10*time.Second, time.Millisecond)
}

func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := hubtest.New(t, func(c *thinghub.Config) { c.Gateway.ConnectTimeout = 3 * time.Second })
		nc, err := hub.Dial(t.Context())
		require.NoError(t, err)
		start := time.Now()
		_, err = nc.Read(make([]byte, 1))
		require.Error(t, err)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// TestEndUnderLoad ends hubs while everything else goes on; the race detector and
// the goroutines that do not come back are what it looks for.
func TestEndUnderLoad(t *testing.T) {
	t.Parallel()
	for round := range 8 {
		hub := hubtest.New(t, func(c *thinghub.Config) { c.Logger = nil })
		ctx, cancel := context.WithCancel(t.Context())
		rec := hub.Recorder(t, "#")
		addr := hub.Listen(t)
		var wg, ends sync.WaitGroup
		for i := range 4 {
			c := hub.Client(t, fmt.Sprint("c", i))
			wg.Go(func() {
				for {
					if _, err := c.Publish(ctx, &paho.Publish{Topic: "a", QoS: byte(i % 2)}); err != nil {
						return
					}
				}
			})
			wg.Go(func() {
				for {
					if hub.Publish(ctx, "b", nil) != nil {
						return
					}
				}
			})
			wg.Go(func() {
				for {
					stop, err := hub.Subscribe(ctx, "b/#", func(*thinghub.Message) {})
					if err != nil {
						return
					}
					stop()
				}
			})
			wg.Go(func() {
				for {
					nc, err := net.Dial("tcp", addr)
					if err != nil {
						return
					}
					_ = nc.Close()
				}
			})
		}
		rec.Wait(100)
		for range 2 {
			ends.Go(func() {
				if round%2 == 0 {
					_ = hub.Shutdown(t.Context())
				}
				_ = hub.Close()
			})
		}
		ends.Wait()
		cancel() // paho waits on for answers it cannot get
		wg.Wait()
		require.Empty(t, hub.Clients())
	}
}

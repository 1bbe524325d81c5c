package broker_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// What waits for a client is written before its DISCONNECT, which is the last packet.
func TestShutdown_DrainsAndTells(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		s := newStage(t, cfg)
		v5, v3 := s.client(t, packet.V5, "five"), s.client(t, packet.V311, "three")
		v5.subscribe("t", 1)
		v3.subscribe("t", 0)
		const count = 200
		for i := range count {
			require.NoError(t, s.srv.Publish(t.Context(), &broker.Message{Topic: "t", QoS: 1, Payload: fmt.Appendf(nil, "%4000d", i)}))
		}
		stranger := s.dial()
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			done <- s.srv.Shutdown(ctx)
		}()
		var wg sync.WaitGroup
		for _, r := range []*raw{v5, v3} {
			wg.Go(func() {
				for i := range count {
					require.Equal(t, fmt.Sprintf("%4000d", i), string(r.wantPublish().Payload))
				}
				r.wantRefused(broker.ServerShuttingDown)
				_ = r.nc.Close()
			})
		}
		wg.Wait()
		require.NoError(t, <-done)
		_, err := stranger.Read(make([]byte, 1))
		require.Error(t, err)
		require.Equal(t, uint64(2), s.srv.Metrics().Disconnects[broker.ServerShuttingDown])
		require.Zero(t, s.srv.Metrics().Connections)
		require.ErrorIs(t, s.srv.ServeConn(stranger), broker.ErrClosed)
	})
}

// A client that never reads does not hold up a Shutdown: for a moment when there is
// time, not at all when its context ends.
func TestShutdown_ClientsThatNeverRead(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{time.Minute, 50 * time.Millisecond} {
		t.Run(wait.String(), func(t *testing.T) {
			t.Parallel()
			drivers(t, func(t *testing.T, cfg broker.Config) {
				s := newStage(t, cfg)
				for i := range 5 {
					s.mute(t, packet.V5, fmt.Sprint(i), "t", 0)
				}
				for range 100 {
					require.NoError(t, s.srv.Publish(t.Context(), &broker.Message{Topic: "t", Payload: make([]byte, 100_000)}))
				}
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				defer cancel()
				begin := time.Now()
				err := s.srv.Shutdown(ctx)
				if wait == time.Minute {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				require.Less(t, time.Since(begin), patience)
				require.Zero(t, s.srv.Metrics().Connections)
			})
		})
	}
}

// Shutdown ends in time also when Run has ended before, and with it the timers.
func TestShutdown_AfterRun(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		srv, err := broker.NewServer(cfg)
		require.NoError(t, err)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- srv.Run(ctx) }()
		r := connect(t, ln.Addr().String(), packet.V5, "stays")
		cancel()
		require.NoError(t, <-ran)
		ctx, cancel = context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, srv.Shutdown(ctx))
		require.ErrorIs(t, <-served, broker.ErrClosed)
		r.wantDisconnect(broker.ServerShuttingDown)
	})
}

// Several Shutdowns and Closes at once all return.
func TestShutdown_Several(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		for range 20 {
			s := newStage(t, cfg)
			for i := range 3 {
				s.client(t, packet.V5, fmt.Sprint(i))
			}
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					if i == 3 {
						require.NoError(t, s.srv.Close())
						return
					}
					require.NoError(t, s.srv.Shutdown(context.Background()))
				})
			}
			wg.Wait()
			require.Zero(t, s.srv.Metrics().Connections)
		}
	})
}

func TestClose_EverythingAfterIt(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		s := newStage(t, cfg)
		r := s.client(t, packet.V5, "c")
		r.subscribe("t", 1)
		require.NoError(t, s.srv.Close())
		require.NoError(t, s.srv.Close())
		require.NoError(t, s.srv.Shutdown(t.Context()))
		require.True(t, s.srv.Closed())
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.ErrorIs(t, s.srv.Serve(ln), broker.ErrClosed)
		_, err = ln.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		for _, serve := range []func(net.Conn) error{s.srv.ServeConn, s.srv.Go} {
			a, b := net.Pipe()
			require.ErrorIs(t, serve(b), broker.ErrClosed)
			_, err = a.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
		}
		_, err = s.srv.Subscribe(t.Context(), "t", func(*broker.Message) {})
		require.ErrorIs(t, err, broker.ErrClosed)
		require.NoError(t, s.srv.Publish(t.Context(), &broker.Message{Topic: "t", QoS: 1}))
		require.ErrorIs(t, s.srv.Disconnect("c", broker.DisconnectOptions{}), broker.ErrNotConnected)
		require.Empty(t, s.srv.Clients())
		require.NoError(t, s.srv.Run(t.Context()))
	})
}

// Everything at once, ended by Close or Shutdown at any moment.
func TestServer_AllAtOnce(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		cfg.MaxSessionExpiry = 10 * time.Millisecond
		for round := range soaking(4, 500) {
			s := newStage(t, cfg)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			again := func(f func(i int)) {
				wg.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
							f(i)
						}
					}
				})
			}
			for range 3 {
				again(func(i int) {
					client, server := net.Pipe()
					if s.srv.Go(server) != nil {
						return
					}
					visit(client, i)
				})
			}
			again(func(i int) {
				_ = s.srv.Publish(context.Background(), &broker.Message{Topic: "v/1", QoS: broker.QoS(i % 3), Retain: i%5 == 0, Payload: make([]byte, i%2000)})
			})
			again(func(int) {
				if end, err := s.srv.Subscribe(context.Background(), "v/#", func(*broker.Message) {}); err == nil {
					end()
				}
			})
			again(func(i int) {
				_ = s.srv.Disconnect(fmt.Sprint("visitor ", i%3), broker.DisconnectOptions{})
				s.srv.Clients()
				s.srv.Metrics()
			})
			if cfg.EventLoops > 0 {
				again(func(i int) {
					if nc := s.tryDial(); nc != nil {
						visit(nc, i)
					}
				})
			}
			eventually(t, func() bool { return s.srv.Metrics().ConnectsAccepted > 10 }, "some visitors")
			if round%2 == 0 {
				require.NoError(t, s.srv.Close())
			} else {
				require.NoError(t, s.srv.Shutdown(context.Background()))
			}
			close(stop)
			wg.Wait()
			require.Zero(t, s.srv.Metrics().Connections)
		}
	})
}

// visit is a short stay of a client that the server may end at any moment.
func visit(nc net.Conn, i int) {
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	go func() { _, _ = io.Copy(io.Discard, nc) }() // ends with nc
	v := packet.V311 + packet.Version(i%2)
	mod := persistent
	if i%3 == 0 {
		mod = will("v/will", strings.Repeat("x", i%500))
	}
	for _, p := range []any{
		hello(v, fmt.Sprint("visitor ", i%3), mod), subscription("v/#", byte(i%3), 1), subscription("$share/g/v/+", 1, 2),
		publish("v/2", "x", 0, 0), publish("v/2", "x", 2, 1), acked(packet.TypePubrel, 1),
	} {
		if _, err := nc.Write(encode(v, p)); err != nil {
			return
		}
	}
}

// Hundreds of servers come and go, with clients in all states, and leave no
// goroutine and no descriptor.
func TestServer_StartStop(t *testing.T) { // not parallel: it counts goroutines
	goroutines, files := ourGoroutines(), openFiles()
	for i := range soaking(200, 5000) {
		cfg := quiet()
		cfg.EventLoops = []int{-1, 2}[i%2]
		func() {
			srv, err := broker.NewServer(cfg)
			require.NoError(t, err)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var wg sync.WaitGroup
			wg.Go(func() { _ = srv.Run(context.Background()) }) // Close ends it
			wg.Go(func() { _ = srv.Serve(ln) })
			_, err = srv.Subscribe(t.Context(), "t", func(*broker.Message) {})
			require.NoError(t, err)
			for n := range i % 4 {
				nc, err := net.Dial("tcp", ln.Addr().String())
				require.NoError(t, err)
				defer nc.Close()
				r := &raw{t: t, nc: nc, v: packet.V5}
				switch n {
				case 0:
					r.hello("c")
					r.subscribe("#", 1)
				case 1:
					r.write(0x10)
				}
			}
			if i%3 == 0 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				_ = srv.Shutdown(ctx)
				cancel()
			}
			require.NoError(t, srv.Close())
			wg.Wait()
			requireNoMore(t, goroutines, files+i%4)
		}()
	}
	requireNoMore(t, goroutines, files)
}

// clumsy is a host whose code panics, everywhere.
type clumsy struct{ calls atomic.Int64 }

func (c *clumsy) oops() {
	c.calls.Add(1)
	panic("oops")
}
func (c *clumsy) Connected(*broker.ClientInfo)                       { c.oops() }
func (c *clumsy) Disconnected(*broker.ClientInfo, error)             { c.oops() }
func (c *clumsy) Subscribed(*broker.ClientInfo, []broker.Grant)      { c.oops() }
func (c *clumsy) Unsubscribed(*broker.ClientInfo, []string)          { c.oops() }
func (c *clumsy) Published(*broker.Message)                          { c.oops() }
func (c *clumsy) Dropped(string, *broker.Message, broker.DropReason) { c.oops() }

// The host's faults are its clients' at most, never the process's.
func TestServer_PanickingHooks(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		c := &clumsy{}
		cfg.Hooks = []broker.Hook{c}
		cfg.MaxQueuedMessages, cfg.MaxInFlight = 1, 1
		cfg.MaxSessionExpiry = time.Nanosecond
		s := newStage(t, cfg)
		_, err := s.srv.Subscribe(t.Context(), "t", func(*broker.Message) { c.oops() })
		require.NoError(t, err)
		sub := s.client(t, packet.V5, "sub")
		require.Equal(t, byte(1), sub.subscribe("t", 1))
		pub := s.client(t, packet.V311, "pub")
		for i := range 5 {
			pub.put("t", "x", 1, uint16(i+1))
		}
		sub.want(packet.TypePublish)
		sub.send(&packet.Unsubscribe{PacketID: 2, Filters: [][]byte{[]byte("t")}})
		sub.wantUnsuback()
		sub.drop()
		pub.disconnect()
		eventually(t, func() bool { return s.srv.Metrics().Sessions == 0 }, "the end of the sessions")
		require.Equal(t, uint64(3), s.srv.Metrics().Dropped["queue_full"])
		eventually(t, func() bool { return c.calls.Load() >= 2+2+1+1+5+5+3 }, "all calls")
		require.Zero(t, s.srv.Metrics().InFlight+s.srv.Metrics().Queued+s.srv.Metrics().Connections)
	})
}

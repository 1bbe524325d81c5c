package broker_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// A stubborn seam waits where it is told to: until its context ends, or until the test
// does.
type stubborn struct {
	*remote
	*broker.MemoryRetained
	where   string
	deaf    bool // to its context
	entered chan struct{}
	end     chan struct{}
}

func (s *stubborn) wait(ctx context.Context, where string) error {
	if where != s.where {
		return nil
	}
	select {
	case s.entered <- struct{}{}:
	default:
	}
	if s.deaf {
		ctx = context.Background()
	}
	select {
	case <-s.end:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stubborn) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.Username == "waits" {
		if err := s.wait(ctx, "authenticator"); err != nil {
			return nil, err
		}
	}
	return &auth.Identity{Principal: "p"}, nil
}

func (s *stubborn) Authorize(ctx context.Context, _ *auth.Identity, r *auth.Request) error {
	if r.Action == auth.Publish {
		return s.wait(ctx, "authorizer")
	}
	return nil
}

func (s *stubborn) Route(ctx context.Context, m *broker.Message) error {
	where := "router"
	if m.Origin.Source == broker.FromWill {
		where = "will"
	}
	return s.wait(ctx, where)
}

func (s *stubborn) Subscribe(ctx context.Context, _, _ string) error { return s.wait(ctx, "subscribe") }

func (s *stubborn) Unsubscribe(ctx context.Context, _, _ string) error {
	return s.wait(ctx, "unsubscribe")
}

func (s *stubborn) Run(ctx context.Context, _ func(string, *broker.Message)) error {
	_ = s.wait(ctx, "run")
	<-ctx.Done()
	return nil
}

// Whatever the host's code waits for, Shutdown returns when its context ends, and at
// once when that code heeds its own.
func TestShutdown_SeamsThatWait(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"authenticator", "authorizer", "router", "will", "subscribe", "unsubscribe", "run"} {
		for _, deaf := range []bool{false, true} {
			t.Run(fmt.Sprint(where, " deaf ", deaf), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := &stubborn{remote: newRemote(), MemoryRetained: broker.NewMemoryRetained(0, 0), where: where, deaf: deaf, entered: make(chan struct{}, 1), end: make(chan struct{})}
					cfg := quiet()
					cfg.Authenticator, cfg.Authorizer, cfg.Router, cfg.Broker = s, s, s, s
					cfg.ConnectTimeout = time.Hour
					srv, err := broker.NewServer(cfg)
					require.NoError(t, err)
					ran := make(chan error, 1)
					go func() { ran <- srv.Run(context.Background()) }()
					mod := user("c", "")
					if where == "authenticator" {
						mod = user("waits", "")
					}
					r := pipe(t, srv, packet.V5)
					r.send(hello(packet.V5, "c", mod, will("w", "x"), keepAlive(0)))
					if where != "authenticator" {
						require.Zero(t, r.wantConnack().Code)
					}
					begin := time.Now()
					switch where {
					case "authorizer", "router":
						r.send(publish("t", "", 0, 0))
					case "subscribe":
						r.send(subscription("t", 0, 1))
					case "unsubscribe":
						r.subscribe("t", 0)
						_, err := srv.Subscribe(t.Context(), "h", func(*broker.Message) {})
						require.NoError(t, err)
					}
					told := make(chan time.Duration, 1)
					go func() { // the client closes when it is told to
						if _, err := r.next(time.Hour); err == nil {
							told <- time.Since(begin)
						}
						r.drop()
					}()
					if where != "will" && where != "unsubscribe" {
						<-s.entered
					}
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					err = srv.Shutdown(ctx)
					took := time.Since(begin)
					if where == "run" && !deaf { // nobody has to wait for it
						require.NoError(t, err)
						require.Less(t, took, 5*time.Second)
						require.NoError(t, <-ran)
						return
					}
					require.ErrorIs(t, err, context.DeadlineExceeded)
					if deaf {
						require.LessOrEqual(t, took, 5*time.Second+200*time.Millisecond)
					} else {
						require.Equal(t, 5*time.Second, took)
					}
					if where == "will" || where == "unsubscribe" {
						require.Less(t, <-told, time.Second, "DISCONNECT does not wait for it")
					}
					synctest.Wait()
					if !deaf {
						require.NoError(t, <-ran)
					}
					close(s.end)
					require.NoError(t, srv.Close()) // which waits for all of it
					if deaf {
						require.NoError(t, <-ran)
					}
				})
			})
		}
	}
}

// Wills of many connections are published side by side, within bounds, and Shutdown
// waits for them.
func TestShutdown_WillsSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		var wills, busy, most atomic.Int64
		cfg := quiet()
		cfg.Router = routerFunc(func(context.Context, *broker.Message) error {
			most.Store(max(most.Load(), busy.Add(1)))
			time.Sleep(time.Second)
			busy.Add(-1)
			wills.Add(1)
			return nil
		})
		srv, err := broker.NewServer(cfg)
		require.NoError(t, err)
		var wg sync.WaitGroup
		told := make([]time.Duration, n)
		begin := time.Now()
		for i := range n {
			r := join(t, srv, packet.V5, fmt.Sprint(i), will("w", "x"))
			wg.Go(func() {
				if f, err := r.next(time.Hour); err == nil && f.Type == packet.TypeDisconnect {
					told[i] = 1 + time.Since(begin)
				}
				r.drop()
			})
		}
		require.NoError(t, srv.Shutdown(t.Context()))
		require.Equal(t, int64(n), wills.Load())
		require.LessOrEqual(t, time.Since(begin), 10*time.Second)
		require.LessOrEqual(t, most.Load(), int64(64))
		require.Greater(t, most.Load(), int64(10))
		wg.Wait()
		require.NotZero(t, slices.Min(told), "everybody is told")
		require.Less(t, slices.Max(told), time.Second, "before the first will is published")
	})
}

// Close waits for Run.
func TestClose_WaitsForRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &lateBroker{remote: newRemote()}
		cfg := quiet()
		cfg.Broker = b
		srv, err := broker.NewServer(cfg)
		require.NoError(t, err)
		ran := make(chan error, 1)
		go func() { ran <- srv.Run(context.Background()) }()
		synctest.Wait()
		require.NoError(t, srv.Close())
		require.True(t, b.over.Load())
		require.NoError(t, <-ran)
		require.NoError(t, srv.Run(context.Background())) // a closed one has nothing to do
	})
}

type lateBroker struct {
	*remote
	over atomic.Bool
}

func (b *lateBroker) Run(ctx context.Context, _ func(string, *broker.Message)) error {
	<-ctx.Done()
	time.Sleep(time.Minute)
	b.over.Store(true)
	return nil
}

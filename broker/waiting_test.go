package broker_test

import (
	"context"
	"errors"
	"fmt"
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

// remote is a Broker that takes its time for one filter.
type remote struct {
	*broker.Memory
	mu      sync.Mutex
	calls   []string
	release chan struct{}
}

func (r *remote) Subscribe(_ context.Context, filter, group string) error {
	if filter == "slow" {
		<-r.release
	}
	if filter == "bad" {
		return errors.New("the other side is away")
	}
	r.note("+" + group + ":" + filter)
	return nil
}

func (r *remote) Unsubscribe(_ context.Context, filter, group string) error {
	r.note("-" + group + ":" + filter)
	return nil
}

func (r *remote) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, s)
}

func (r *remote) Publish(context.Context, *broker.Message) error { return nil }

func (r *remote) Run(ctx context.Context, _ func(string, *broker.Message)) error {
	<-ctx.Done()
	return nil
}

func TestInterest_FiltersDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	b := &remote{}
	cfg := quiet()
	cfg.Broker = b
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		b.release = make(chan struct{}) // of the bubble
		slow, fast := join(t, srv, packet.V5, "slow"), join(t, srv, packet.V5, "fast")
		slow.send(subscription("slow", 1, 1))
		synctest.Wait()
		require.Equal(t, byte(1), fast.subscribe("fast", 1))
		require.GreaterOrEqual(t, fast.subscribe("bad", 1), byte(0x80))
		require.Equal(t, byte(1), fast.subscribe("$share/g/fast", 1))
		close(b.release)
		slow.want(packet.TypeSuback)
		require.Equal(t, byte(1), slow.subscribe("fast", 1))
		fast.disconnect()
		slow.disconnect()
		synctest.Wait()
		require.ElementsMatch(t, []string{"+:fast", "+g:fast", "+:slow", "-g:fast", "-:fast", "-:slow"}, b.calls)
	})
}

// fullStore keeps nothing.
type fullStore struct{ *broker.MemoryRetained }

func (fullStore) Put(context.Context, *broker.Message) error { return errors.New("disk full") }

// A message that was delivered and could not be kept is not delivered again.
func TestPublish_DeliveredButNotRetained(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.Retained = fullStore{broker.NewMemoryRetained(0, 0)}
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub"), join(t, srv, v, "pub")
		sub.subscribe("t", 0)
		for qos := byte(1); qos <= 2; qos++ {
			p := publish("t", fmt.Sprint(qos), qos, 7)
			p.Retain = true
			pub.send(p)
			answer := map[byte]packet.Type{1: packet.TypePuback, 2: packet.TypePubrec}[qos]
			code := pub.wantAck(answer).Code
			sub.wantMessage("t", fmt.Sprint(qos), 0)
			if v == packet.V5 {
				require.GreaterOrEqual(t, code, byte(0x80))
				continue
			}
			if qos == 2 {
				p.Dup = true
				pub.send(p)
				pub.want(packet.TypePubrec)
				sub.ping() // nothing came
			}
		}
		pub.ping()
	})
}

// Wills that wait for an authorizer hold up neither DISCONNECT nor Shutdown.
func TestShutdown_SlowWills(t *testing.T) {
	t.Parallel()
	for _, obeys := range []bool{true, false} {
		t.Run(fmt.Sprintf("the authorizer obeys its context: %v", obeys), func(t *testing.T) {
			t.Parallel()
			var release chan struct{}
			var waiting atomic.Int64
			cfg := quiet()
			cfg.Authorizer = waitingAuthorizer(func(ctx context.Context, r *auth.Request) error {
				if r.Action != auth.Publish {
					return nil
				}
				waiting.Add(1)
				if obeys {
					<-ctx.Done()
					return ctx.Err()
				}
				<-release
				return nil
			})
			bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
				release = make(chan struct{}) // of the bubble
				var all []*raw
				for i := range 10 {
					all = append(all, join(t, srv, packet.V5, fmt.Sprint(i), will("w", "x")))
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				done := make(chan error, 1)
				began := time.Now()
				go func() { done <- srv.Shutdown(ctx) }()
				for _, r := range all {
					r.wantDisconnect(broker.ServerShuttingDown)
				}
				require.Zero(t, time.Since(began), "DISCONNECT waited for the will")
				synctest.Wait()
				require.EqualValues(t, 10, waiting.Load(), "one will waited for another")
				require.ErrorIs(t, <-done, context.DeadlineExceeded)
				if obeys {
					require.Equal(t, 5*time.Second, time.Since(began))
				} else {
					require.Equal(t, 6*time.Second, time.Since(began))
				}
				close(release)
				synctest.Wait()
			})
		})
	}
}

type waitingAuthorizer func(ctx context.Context, r *auth.Request) error

func (f waitingAuthorizer) Authorize(ctx context.Context, _ *auth.Identity, r *auth.Request) error {
	return f(ctx, r)
}

// A client that waits for us is not silent.
func TestKeepAlive_NotWhileTheServerDecides(t *testing.T) {
	t.Parallel()
	var release chan struct{}
	cfg := quiet()
	cfg.Authorizer = asking(func(r *auth.Request) error {
		if r.Action == auth.Publish {
			<-release
		}
		return nil
	})
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		release = make(chan struct{}) // of the bubble
		c := join(t, srv, packet.V5, "c", keepAlive(10))
		c.send(publish("t", "x", 1, 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, srv.Clients(), 1)
		close(release)
		c.want(packet.TypePuback)
		c.ping()
		time.Sleep(time.Minute)
		synctest.Wait()
		c.wantClosed()
	})
}

// byRole opens sessions that allow the topic their identity's role names.
type byRole struct {
	auth.InsecureAllowAll
	open atomic.Int64
}

func (z *byRole) Open(_ context.Context, id *auth.Identity, _ *auth.Conn) (auth.Session, error) {
	if id.Attributes["role"] == "none" {
		return nil, auth.ErrDenied
	}
	z.open.Add(1)
	return &roleSession{z, id.Attributes["role"]}, nil
}

type roleSession struct {
	z    *byRole
	role string
}

func (s *roleSession) Allow(a auth.Action, resource string) error {
	if a == auth.Publish && resource != s.role {
		return auth.ErrDenied
	}
	return nil
}

func (s *roleSession) Close() { s.z.open.Add(-1) }

// roles is an authentication method whose data is the role.
type roles struct{ auth.InsecureAllowAll }

func (roles) Exchange(context.Context, *auth.Credentials) (auth.Exchange, error) {
	return roles{}, nil
}

func (roles) Next(_ context.Context, data []byte) ([]byte, *auth.Identity, error) {
	return nil, &auth.Identity{Principal: "p", Attributes: map[string]string{"role": string(data)}}, nil
}

func (roles) Close() {}

// Re-authentication brings a new session of the authorizer, or the end.
func TestReAuthenticate_NewGrant(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		z := &byRole{}
		cfg.Authenticator, cfg.Authorizer = roles{}, z
		s := newStage(t, cfg)
		c := s.client(t, packet.V5, "c", func(c *packet.Connect) {
			c.Props.SetAuthMethod([]byte("ROLE"))
			c.Props.SetAuthData([]byte("a"))
		})
		again := func(role string) {
			a := &packet.Auth{Code: 0x19}
			a.Props.SetAuthMethod([]byte("ROLE"))
			a.Props.SetAuthData([]byte(role))
			c.send(a)
		}
		may := func(topic string) bool {
			c.send(publish(topic, "x", 1, 1))
			return c.wantAck(packet.TypePuback).Code < 0x80
		}
		require.True(t, may("a"))
		require.False(t, may("b"))
		again("b")
		c.want(packet.TypeAuth)
		require.False(t, may("a"))
		require.True(t, may("b"))
		require.EqualValues(t, 1, z.open.Load())
		again("none")
		c.wantDisconnect(broker.NotAuthorized)
		eventually(t, func() bool { return z.open.Load() == 0 }, "the session's Close")
	})
}

// coming records which connections came and went.
type coming struct {
	mu   sync.Mutex
	here map[string]bool
	bad  []string
	n    int
}

func (h *coming) Connected(c *broker.ClientInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.here[c.ClientID] {
		h.bad = append(h.bad, "connected twice")
	}
	h.here[c.ClientID] = true
	h.n++
}

func (h *coming) Disconnected(c *broker.ClientInfo, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.here[c.ClientID] {
		h.bad = append(h.bad, "disconnected before connected")
	}
	h.here[c.ClientID] = false
}

// Hooks hear of each client in order, although many connections fight for its id.
func TestHooks_OrderPerClient(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		h := &coming{here: map[string]bool{}}
		cfg.Hooks = []broker.Hook{h}
		s := newStage(t, cfg)
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for n := range 40 {
					if nc := s.storm([]packet.Version{packet.V311, packet.V5}[i%2], i+n); nc != nil {
						_ = nc.Close()
					}
				}
			})
		}
		wg.Wait()
		eventually(t, func() bool { return s.srv.Metrics().Connections == 0 }, "the end of all")
		eventually(t, func() bool { h.mu.Lock(); defer h.mu.Unlock(); return !h.here["the one"] }, "the last Disconnected")
		require.Empty(t, h.bad)
		require.Positive(t, h.n)
	})
}

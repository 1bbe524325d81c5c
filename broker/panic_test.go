package broker_test

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// shaky is an authorizer, a router and a retained store that panic on topics and
// ids that say so.
type shaky struct {
	auth.InsecureAllowAll
	*broker.MemoryRetained
	srv atomic.Pointer[broker.Server]
}

func (s *shaky) Open(_ context.Context, _ *auth.Identity, c *auth.Conn) (auth.Session, error) {
	if strings.Contains(c.ClientID, "open") {
		panic("open")
	}
	return shakySession{}, nil
}

func (s *shaky) Route(ctx context.Context, m *broker.Message) error {
	if strings.Contains(m.Topic, "route") {
		panic("route")
	}
	return s.srv.Load().Publish(ctx, m)
}

func (s *shaky) Match(ctx context.Context, filter string) iter.Seq2[*broker.Message, error] {
	seq := s.MemoryRetained.Match(ctx, filter)
	return func(yield func(*broker.Message, error) bool) {
		for m, err := range seq {
			if strings.Contains(m.Topic, "match") {
				panic("match")
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

type shakySession struct{}

func (shakySession) Allow(a auth.Action, resource string) error {
	if a == auth.Receive && strings.Contains(resource, "receive") || strings.Contains(resource, "allow") {
		panic("allow")
	}
	return nil
}

func (shakySession) Close() { panic("close") }

// What panics in the host's code ends what it was called for: a delivery, a will, a
// connection. Everybody else goes on.
func TestServer_PanickingSeams(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		seams := &shaky{MemoryRetained: broker.NewMemoryRetained(0, 0)}
		cfg.Authorizer, cfg.Router, cfg.Retained = seams, seams, seams
		cfg.MaxSessionExpiry = time.Nanosecond
		s := newStage(t, cfg)
		seams.srv.Store(s.srv)
		witness := s.client(t, packet.V5, "witness")
		witness.subscribe("fine/#", 1)
		fine := func() {
			t.Helper()
			p := s.client(t, packet.V5, "fine")
			p.putPacket(publish("fine/t", "x", 1, 1))
			require.Equal(t, "fine/t", string(witness.wantPublish().Topic))
			witness.ping()
			p.disconnect()
		}

		r := &raw{t: t, nc: s.dial(), v: packet.V5}
		require.Equal(t, byte(broker.ServerUnavailable), r.hello("open").Code)
		r.wantClosed()
		fine()

		sub := s.client(t, packet.V5, "sub")
		sub.subscribe("receive/#", 1)
		sub.subscribe("fine/#", 0)
		pub := s.client(t, packet.V5, "pub")
		pub.put("receive/t", "x", 1, 1)
		sub.ping()
		require.Equal(t, uint64(1), s.srv.Metrics().Dropped["denied"])
		sub.drop()
		fine()

		for _, topic := range []string{"route/t", "allow/t"} {
			r = s.client(t, packet.V5, "client")
			r.send(publish(topic, "x", 1, 1))
			r.wantDisconnect(broker.ImplementationSpecificError)
			s.client(t, packet.V5, "with a will", will(topic, "x")).drop()
			fine()
		}

		for _, topic := range []string{"kept/a", "kept/match", "kept/z"} {
			p := publish(topic, "x", 1, 1)
			p.Retain = true
			pub.putPacket(p)
		}
		for _, filter := range []string{"kept/match", "kept/#"} {
			r = s.client(t, packet.V5, "reader")
			require.Equal(t, byte(0), r.subscribe(filter, 0))
			r.drop()
			fine()
		}
		pub.drop()
		witness.drop()
		requireNothingLeft(t, s.srv)
	})
}

// slowSteps is enhanced authentication whose steps take until released.
type slowSteps struct {
	auth.InsecureAllowAll
	in, out chan struct{}
	closed  chan struct{}
}

func (s *slowSteps) Exchange(context.Context, *auth.Credentials) (auth.Exchange, error) {
	return s, nil
}

func (s *slowSteps) Next(context.Context, []byte) ([]byte, *auth.Identity, error) {
	s.in <- struct{}{}
	<-s.out
	return nil, &auth.Identity{Principal: "p"}, nil
}
func (s *slowSteps) Close() { s.closed <- struct{}{} }

// A client that leaves in the middle of its authentication: the exchange is closed
// once, when its step is over.
func TestAuthExchange_LeaveMeanwhile(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		for range 20 {
			x := &slowSteps{in: make(chan struct{}), out: make(chan struct{}), closed: make(chan struct{}, 2)}
			cfg.Authenticator = x
			s := newStage(t, cfg)
			r := &raw{t: t, nc: s.dial(), v: packet.V5}
			c := hello(packet.V5, "c")
			c.Props.SetAuthMethod([]byte("slow"))
			r.send(c)
			<-x.in
			r.drop()
			x.out <- struct{}{}
			<-x.closed
			requireNothingLeft(t, s.srv)
			require.NoError(t, s.srv.Close())
			require.Empty(t, x.closed)
		}
	})
}

package broker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// roles is an Exchanger whose clients say which role they have; "somebody" is another
// principal. What a session may touch are the topics below its role; "nobody" may not
// even connect, and "broken" has no session.
type roles struct {
	auth.InsecureAllowAll
	mu     sync.Mutex
	opened map[string]int
	closed map[string]int
}

func newRoles() *roles { return &roles{opened: map[string]int{}, closed: map[string]int{}} }

func (r *roles) Exchange(context.Context, *auth.Credentials) (auth.Exchange, error) {
	return roleExchange{}, nil
}

type roleExchange struct{}

func (roleExchange) Next(_ context.Context, data []byte) ([]byte, *auth.Identity, error) {
	id := &auth.Identity{Principal: "p", Attributes: map[string]string{"role": string(data)}}
	if string(data) == "somebody" {
		id.Principal = "somebody"
	}
	return nil, id, nil
}
func (roleExchange) Close() {}

func (r *roles) Authorize(_ context.Context, id *auth.Identity, q *auth.Request) error {
	role := id.Attributes["role"]
	if q.Action == auth.Connect {
		if role == "nobody" {
			return &auth.Denied{Action: q.Action, Resource: q.Resource, Reason: "test"}
		}
		return nil
	}
	return allowRole(role, q.Action, q.Resource)
}

func allowRole(role string, a auth.Action, resource string) error {
	if a == auth.Subscribe || len(resource) >= len(role) && resource[:len(role)] == role {
		return nil
	}
	return &auth.Denied{Action: a, Resource: resource, Reason: "test"}
}

func (r *roles) Open(_ context.Context, id *auth.Identity, _ *auth.Conn) (auth.Session, error) {
	role := id.Attributes["role"]
	switch role {
	case "broken":
		return nil, errors.New("out of order")
	case "refused":
		return nil, auth.ErrDenied
	case "unavailable":
		return nil, auth.ErrUnavailable
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened[role]++
	return &roleSession{r, role}, nil
}

type roleSession struct {
	r    *roles
	role string
}

func (s *roleSession) Allow(a auth.Action, resource string) error {
	return allowRole(s.role, a, resource)
}

func (s *roleSession) Close() {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.closed[s.role]++
}

func (r *roles) open(role string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened[role] - r.closed[role]
}

// askedRoles is roles without a session for a connection: it is asked every time.
type askedRoles struct{ r *roles }

func (a askedRoles) Authorize(ctx context.Context, id *auth.Identity, q *auth.Request) error {
	return a.r.Authorize(ctx, id, q)
}

// With a new identity its permissions are in force, for what the client publishes, for
// what it gets and for its will.
func TestAuthExchange_5_0_4_12_1_1_NewPermissions(t *testing.T) {
	t.Parallel()
	for _, opener := range []bool{true, false} {
		drivers(t, func(t *testing.T, cfg broker.Config) {
			z := newRoles()
			cfg.Authenticator, cfg.Authorizer = z, z
			if !opener {
				cfg.Authorizer = askedRoles{z}
			}
			s := newStage(t, cfg)
			w := s.client(t, packet.V5, "w", by(method, []byte("")))
			w.subscribe("#", 0)
			r := s.client(t, packet.V5, "c", by(method, []byte("reader")), will("writer/will", "x"))
			r.subscribe("#", 0)
			try := func(topic string, published, received bool) {
				t.Helper()
				r.send(publish(topic, "", 1, 1))
				code := broker.NotAuthorized
				if published {
					code = broker.Success
					w.wantMessage(topic, "", 0)
				}
				if published && received { // either may be first
					got := map[packet.Type]int{}
					for range 2 {
						f, err := r.next(patience)
						require.NoError(t, err)
						got[f.Type]++
					}
					require.Equal(t, map[packet.Type]int{packet.TypePuback: 1, packet.TypePublish: 1}, got)
					return
				}
				require.Equal(t, byte(code), r.wantAck(packet.TypePuback).Code)
			}
			try("reader/x", true, true)
			try("writer/x", false, false)
			for _, role := range []string{"writer", "reader", "writer"} {
				r.send(authPacket(broker.ReAuthenticate, method, role))
				r.wantAuth(broker.Success, "")
				for _, x := range []string{"reader", "writer"} {
					try(x+"/x", x == role, x == role)
					denied := func() uint64 { return s.srv.Metrics().Dropped[broker.DropDenied.String()] }
					before := denied()
					require.NoError(t, s.srv.Publish(t.Context(), &broker.Message{Topic: x + "/host"}))
					w.wantMessage(x+"/host", "", 0)
					if x == role {
						r.wantMessage(x+"/host", "", 0)
					} else { // decided as who the client is now, and not as who it is next
						eventually(t, func() bool { return denied() == before+1 }, "the denied delivery")
					}
					r.ping()
				}
				if opener {
					require.Equal(t, 1, z.open(role))
					require.Equal(t, 1, z.open("reader")+z.open("writer"))
				}
			}
			r.drop()
			w.wantMessage("writer/will", "x", 0)
			eventually(t, func() bool { return z.open("reader")+z.open("writer") == 0 }, "every session closed")
		})
	}
}

// Who may not connect any more, or gets no session, is disconnected, as is who comes
// back as somebody else. Nothing stays open.
func TestAuthExchange_5_0_4_12_1_2_NoNewSession(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		z := newRoles()
		cfg.Authenticator, cfg.Authorizer = z, z
		s := newStage(t, cfg)
		for _, role := range []string{"nobody", "broken", "refused", "unavailable", "somebody"} {
			r := s.client(t, packet.V5, "c", by(method, []byte("reader")))
			r.send(authPacket(broker.ReAuthenticate, method, role), []byte{0xc0, 0})
			r.wantDisconnect(broker.NotAuthorized)
			eventually(t, func() bool { return z.open("reader") == 0 && z.open(role) == 0 }, "every session closed")
			z.mu.Lock()
			require.Zero(t, z.opened[role])
			z.mu.Unlock()
		}
	})
}

// The connection ends while a new session is being opened: it is closed as well.
func TestAuthExchange_GoneWhileOpening(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		z := &slowRoles{roles: newRoles(), entered: make(chan struct{}), pass: make(chan struct{})}
		cfg.Authenticator, cfg.Authorizer = z, z
		s := newStage(t, cfg)
		r := s.client(t, packet.V5, "c", by(method, []byte("reader")), keep)
		r.send(authPacket(broker.ReAuthenticate, method, "slow"))
		<-z.entered
		require.NoError(t, s.srv.Disconnect("c", broker.DisconnectOptions{}))
		r.want(packet.TypeDisconnect)
		close(z.pass)
		r.drop()
		eventually(t, func() bool {
			z.mu.Lock()
			defer z.mu.Unlock()
			return z.opened["slow"] == 1 && z.closed["slow"] == 1 && z.closed["reader"] == 1
		}, "both sessions closed")
	})
}

type slowRoles struct {
	*roles
	entered, pass chan struct{}
}

func (z *slowRoles) Open(ctx context.Context, id *auth.Identity, c *auth.Conn) (auth.Session, error) {
	if id.Attributes["role"] == "slow" {
		z.entered <- struct{}{}
		select {
		case <-z.pass:
		case <-time.After(patience):
		}
	}
	return z.roles.Open(ctx, id, c)
}

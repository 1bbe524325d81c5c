package broker_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// A porter knows everybody by the user name, which is the principal. Whose password is
// not empty belongs to the owner of that name.
type porter struct {
	mu      sync.Mutex
	revoked map[string]bool
	conns   map[string]*auth.Conn // the last of each principal
	deny    error                 // for all but CONNECT
}

func (g *porter) Authenticate(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
	return &auth.Identity{Principal: c.Username, Attributes: map[string]string{"owner": string(c.Password)}, Check: func() error {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.revoked[c.Username] {
			return auth.ErrBanned
		}
		return nil
	}}, nil
}

func (g *porter) Authorize(context.Context, *auth.Identity, *auth.Request) error { return nil }

func (g *porter) Open(_ context.Context, id *auth.Identity, c *auth.Conn) (auth.Session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns == nil {
		g.conns = map[string]*auth.Conn{}
	}
	g.conns[id.Principal] = c
	return owned{g, id.Attributes["owner"]}, nil
}

func (g *porter) conn(principal string) *auth.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conns[principal]
}

type owned struct {
	g     *porter
	owner string
}

func (o owned) Allow(auth.Action, string) error { return o.g.deny }
func (o owned) Owner() string                   { return o.owner }
func (owned) Close()                            {}

func as(user, owner string, mods ...func(*packet.Connect)) func(*packet.Connect) {
	return func(c *packet.Connect) {
		c.HasUsername, c.Username = true, []byte(user)
		if owner != "" {
			c.HasPassword, c.Password = true, []byte(owner)
		}
		for _, m := range mods {
			m(c)
		}
	}
}

func refused(t *testing.T, addr string, v packet.Version, id string, mod func(*packet.Connect)) {
	t.Helper()
	r := dial(t, addr, v)
	r.send(hello(v, id, mod))
	if ack := r.wantConnack(); v == packet.V5 {
		require.Equal(t, byte(broker.NotAuthorized), ack.Code)
		require.NotEmpty(t, ack.Props.ReasonString)
	} else {
		require.Equal(t, byte(5), ack.Code)
	}
	r.wantClosed()
}

// A session is its principal's, connected or not, with and without a clean start.
func TestOwner_NobodyElseHasTheSession(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		g, cfg := &porter{}, open()
		cfg.Authenticator, cfg.Authorizer = g, g
		srv, addr := start(t, cfg)
		alice := connect(t, addr, v, "c", as("alice", "", keep))
		require.Equal(t, byte(1), alice.subscribe("t", 1))
		for _, clean := range []func(*packet.Connect){keep, cleanKeep} {
			refused(t, addr, v, "c", as("mallory", "", clean))
		}
		alice.ping()
		alice.drop()
		require.Eventually(t, func() bool { _, up := srv.Client("c"); return !up }, patience, time.Millisecond)
		require.NoError(t, srv.Route(t.Context(), &broker.Message{Topic: "t", Payload: []byte("secret"), QoS: 1}))
		for _, clean := range []func(*packet.Connect){keep, cleanKeep} {
			refused(t, addr, v, "c", as("mallory", "", clean))
		}
		alice, ack := tryConnect(t, addr, v, "c", as("alice", "", keep))
		require.True(t, ack.SessionPresent)
		require.Equal(t, "secret", string(alice.wantPublish().Payload))
		require.NoError(t, srv.Disconnect("c", broker.DisconnectOptions{EndSession: true}))
		connect(t, addr, v, "c", as("mallory", "")).ping() // it was given up
	})
}

// Who has the same owner goes on with the session.
func TestOwner_SameOwner(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		g, cfg := &porter{}, open()
		cfg.Authenticator, cfg.Authorizer = g, g
		_, addr := start(t, cfg)
		old := connect(t, addr, v, "c", as("cert-1", "thing/c", keep))
		refused(t, addr, v, "c", as("cert-3", "thing/d", keep))
		_, ack := tryConnect(t, addr, v, "c", as("cert-2", "thing/c", keep))
		require.True(t, ack.SessionPresent)
		old.wantRefused(broker.SessionTakenOver)
		refused(t, addr, v, "c", as("cert-1", "", keep))
	})
}

// namesakes has principals of one name that are not the same: the user name is the kind.
type namesakes struct{ porter }

func (g *namesakes) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	id, err := g.porter.Authenticate(ctx, c)
	kinds := map[string]*auth.Identity{
		"user": {Kind: auth.User, ARN: "arn:aws:iot:local:000000000000:user/alice"}, "custom": {Kind: auth.Custom}, "other": {},
		"certificate": {Kind: auth.Certificate, ARN: "arn:aws:iot:local:000000000000:cert/alice"},
	}
	id.Principal, id.Kind, id.ARN = "alice", kinds[c.Username].Kind, kinds[c.Username].ARN
	return id, err
}

// A custom authorizer may call somebody like a user or a certificate. That does not make
// them one.
func TestOwner_Namesakes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		g, cfg := &namesakes{}, open()
		cfg.Authenticator, cfg.Authorizer = g, g
		_, addr := start(t, cfg)
		all := []string{"user", "custom", "other", "certificate"}
		for _, owner := range all {
			for _, up := range []bool{true, false} {
				r := connect(t, addr, v, owner, as(owner, "", keep))
				if !up {
					r.drop()
				}
				for _, other := range all {
					if other != owner {
						refused(t, addr, v, owner, as(other, "", keep))
						refused(t, addr, v, owner, as(other, "", cleanKeep))
					}
				}
				_, ack := tryConnect(t, addr, v, owner, as(owner, "", keep))
				require.True(t, ack.SessionPresent)
			}
		}
	})
}

// A principal that is shut out does not speak any more: not with a will that waits, either.
func TestDisconnectPrincipal_WaitingWill(t *testing.T) {
	t.Parallel()
	g, cfg := &porter{}, open()
	cfg.Authenticator, cfg.Authorizer = g, g
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		w := join(t, srv, packet.V5, "w", as("w", ""))
		require.Equal(t, byte(0), w.subscribe("w/#", 0))
		for name, suppress := range map[string]bool{"told": false, "silent": true} {
			leaves := func(principal, id string) {
				join(t, srv, packet.V5, id, as(principal, ""), expiry(100), will("w/"+principal, principal, delay(10))).drop()
			}
			leaves("a", "a"+name)
			time.Sleep(time.Second)
			leaves("b", "b"+name) // is not meant
			require.Zero(t, srv.DisconnectPrincipal("a", broker.DisconnectOptions{SuppressWill: suppress}))
			if suppress {
				w.wantWillAfter(10*time.Second, "b")
				continue
			}
			require.Equal(t, "a", string(w.wantPublish().Payload))
			w.wantWillAfter(time.Second, "b")
		}
	})
}

// Where everybody may do everything, anybody may have a client identifier.
func TestOwner_InsecureAllowAll(t *testing.T) {
	t.Parallel()
	_, addr := start(t, open())
	connect(t, addr, packet.V5, "c", as("alice", "", keep))
	_, ack := tryConnect(t, addr, packet.V5, "c", as("bob", "", keep))
	require.True(t, ack.SessionPresent)
}

func TestDisconnectPrincipal(t *testing.T) {
	t.Parallel()
	g, cfg := &porter{}, open()
	cfg.Authenticator, cfg.Authorizer = g, g
	srv, addr := start(t, cfg)
	a1 := connect(t, addr, packet.V5, "a1", as("a", "", keep))
	a2 := connect(t, addr, packet.V311, "a2", as("a", "", keep))
	b := connect(t, addr, packet.V5, "b", as("b", "", keep))
	connect(t, addr, packet.V5, "a3", as("a", "", keep)).drop()
	require.Eventually(t, func() bool { return len(srv.Clients()) == 3 }, patience, time.Millisecond)
	require.Zero(t, srv.DisconnectPrincipal("nobody", broker.DisconnectOptions{}))
	require.Equal(t, 2, srv.DisconnectPrincipal("a", broker.DisconnectOptions{Reason: broker.NotAuthorized, EndSession: true}))
	a1.wantRefused(broker.NotAuthorized)
	a2.wantRefused(broker.NotAuthorized)
	b.ping()
	for _, id := range []string{"a1", "a3"} {
		_, ack := tryConnect(t, addr, packet.V5, id, as("a", "", keep))
		require.False(t, ack.SessionPresent, id)
	}
}

// Whoever is revoked first and disconnected then has no connection left, whatever
// connects meanwhile.
func TestDisconnectPrincipal_Race(t *testing.T) {
	t.Parallel()
	for range 20 {
		g, cfg := &porter{revoked: map[string]bool{}}, open()
		cfg.Authenticator, cfg.Authorizer = g, g
		srv, addr := start(t, cfg)
		var wg sync.WaitGroup
		var all [8]*raw
		for i := range all {
			all[i] = dial(t, addr, packet.V5)
		}
		for i, r := range all {
			wg.Go(func() {
				_, _ = r.nc.Write(encode(packet.V5, hello(packet.V5, string(rune('a'+i)), as("a", ""))))
			})
		}
		wg.Go(func() {
			g.mu.Lock()
			g.revoked["a"] = true
			g.mu.Unlock()
			srv.DisconnectPrincipal("a", broker.DisconnectOptions{})
		})
		wg.Wait()
		for _, r := range all { // each is refused or cut
			_ = r.nc.SetReadDeadline(time.Now().Add(patience))
			for {
				if _, err := r.nc.Read(make([]byte, 256)); err != nil {
					require.False(t, isTimeout(err), "it stays connected")
					break
				}
			}
		}
		require.Empty(t, srv.Clients())
		require.NoError(t, srv.Close())
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

// An authorizer can end a connection at any time, and is told what it is like.
func TestConnEnd(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		g := &porter{}
		cfg.Authenticator, cfg.Authorizer = g, g
		_, addr := start(t, cfg)
		r := connect(t, addr, packet.V5, "c", as("a", "", keep))
		c := g.conn("a")
		require.True(t, c.Persistent)
		require.False(t, c.Secure)
		c.End(broker.Refuse(broker.NotAuthorized, "the policy is gone"))
		c.End(nil)
		r.wantRefused(broker.NotAuthorized)
		r = connect(t, addr, packet.V311, "d", as("a", ""))
		c = g.conn("a")
		require.False(t, c.Persistent)
		c.End(nil)
		r.wantRefused(broker.NotAuthorized)
	})
}

// denials is told of denials.
type denials struct {
	mu   sync.Mutex
	told []broker.Denial
	n    atomic.Int32
}

func (w *denials) Denied(d *broker.Denial) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := *d
	c.RemoteAddr = nil
	w.told = append(w.told, c)
	w.n.Add(1)
}

func TestHookDenied(t *testing.T) {
	t.Parallel()
	reason := &auth.Denied{Action: auth.Publish, Resource: "x", Reason: "no statement allows it"}
	g, w, cfg := &porter{deny: reason, revoked: map[string]bool{"gone": true}}, &denials{}, open()
	cfg.Authenticator, cfg.Authorizer, cfg.Hooks = g, g, []broker.Hook{w}
	cfg.DenySubscribe = []string{"never/#"}
	_, addr := start(t, cfg)
	refused(t, addr, packet.V5, "c", as("gone", ""))
	r := connect(t, addr, packet.V5, "c", as("a", ""))
	r.send(publish("t", "x", 1, 1))
	require.Equal(t, byte(broker.NotAuthorized), r.wantAck(packet.TypePuback).Code)
	require.Equal(t, byte(0x87), r.subscribe("s/#", 1))
	r.send(publish("$SYS/x", "x", 1, 2)) // the server's own
	require.Equal(t, byte(broker.NotAuthorized), r.wantAck(packet.TypePuback).Code)
	require.Equal(t, byte(0x87), r.subscribe("never/#", 1))
	require.Eventually(t, func() bool { return w.n.Load() >= 5 }, patience, time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.told[3:] {
		require.ErrorIs(t, w.told[3+i].Err, broker.NotAuthorized)
		w.told[3+i].Err = nil
	}
	require.ErrorIs(t, w.told[0].Err, auth.ErrBanned)
	w.told[0].Err = nil
	require.Equal(t, []broker.Denial{
		{ClientID: "c", Username: "gone", Principal: "gone", PrincipalARN: "gone", Action: auth.Connect, Resource: "c"},
		{ClientID: "c", Username: "a", Principal: "a", PrincipalARN: "a", Action: auth.Publish, Resource: "t", Err: reason},
		{ClientID: "c", Username: "a", Principal: "a", PrincipalARN: "a", Action: auth.Subscribe, Resource: "s/#", Err: reason},
		{ClientID: "c", Username: "a", Principal: "a", PrincipalARN: "a", Action: auth.Publish, Resource: "$SYS/x"},
		{ClientID: "c", Username: "a", Principal: "a", PrincipalARN: "a", Action: auth.Subscribe, Resource: "never/#"},
	}, w.told)
}

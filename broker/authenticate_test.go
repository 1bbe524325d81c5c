package broker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// authenticator is an Authenticator made of a function.
type authenticator func(ctx context.Context, c *auth.Credentials) (*auth.Identity, error)

func (f authenticator) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	return f(ctx, c)
}

// drivers runs f with connections driven by event loops and by goroutines.
func drivers(t *testing.T, f func(t *testing.T, cfg broker.Config)) {
	t.Helper()
	for name, loops := range map[string]int{"loops": 1, "goroutines": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quiet()
			cfg.EventLoops = loops
			f(t, cfg)
		})
	}
}

// Refusals carry the code of their version [MQTT-3.2.2-6, -8; 3.1.1: MQTT-3.2.2-4 to
// -6], nothing else, and no session.
func TestAuthenticate_3_2_2_4_RefusalCodes(t *testing.T) {
	t.Parallel()
	const silent = 0
	cases := []struct {
		name string
		err  error
		v5   broker.ReasonCode
		v3   byte
	}{
		{"bad credentials", auth.ErrBadCredentials, broker.BadUserNameOrPassword, 4},
		{"bad credentials wrapped", fmt.Errorf("no such user: %w", auth.ErrBadCredentials), broker.BadUserNameOrPassword, 4},
		{"not authorized", auth.ErrNotAuthorized, broker.NotAuthorized, 5},
		{"denied", &auth.Denied{Action: auth.Connect, Reason: "x"}, broker.NotAuthorized, 5},
		{"banned", auth.ErrBanned, broker.Banned, 5},
		{"unavailable", auth.ErrUnavailable, broker.ServerUnavailable, 3},
		{"bad method", auth.ErrBadMethod, broker.BadAuthenticationMethod, 5},
		{"any other error", errors.New("database is down"), broker.ServerUnavailable, 3},
		{"server busy", broker.ServerBusy, broker.ServerBusy, 3},
		{"quota", broker.QuotaExceeded, broker.QuotaExceeded, 3},
		{"client id", broker.ClientIDNotValid, broker.ClientIDNotValid, 2},
		{"rate", broker.ConnectionRateExceeded, broker.ConnectionRateExceeded, silent},
		{"use another server", broker.UseAnotherServer, broker.UseAnotherServer, silent},
		{"a code CONNACK does not have", broker.TopicAliasInvalid, broker.UnspecifiedError, silent},
		{"success is no error", broker.Success, broker.ServerUnavailable, 3},
	}
	drivers(t, func(t *testing.T, cfg broker.Config) {
		byUser := map[string]error{}
		for _, c := range cases {
			byUser[c.name] = c.err
		}
		cfg.Authenticator = authenticator(func(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
			if err, ok := byUser[c.Username]; ok {
				return nil, err
			}
			return &auth.Identity{Principal: "p"}, nil
		})
		_, addr := start(t, cfg)
		for _, c := range cases {
			connect(t, addr, packet.V5, "c", cleanKeep).disconnect() // a session is there to be present
			r, ack := tryConnect(t, addr, packet.V5, "c", keep, user(c.name, "pw"))
			require.Equal(t, c.v5.String(), broker.ReasonCode(ack.Code).String(), c.name)
			require.False(t, ack.SessionPresent)
			require.NotContains(t, string(ack.Props.ReasonString), "database")
			r.wantClosed()

			r = dial(t, addr, packet.V311)
			r.send(hello(packet.V311, "c", keep, user(c.name, "pw")))
			if c.v3 != silent {
				require.Equal(t, []byte{0, c.v3}, r.want(packet.TypeConnack).body, c.name)
			}
			r.wantClosed()

			_, ack = tryConnect(t, addr, packet.V5, "c", keep) // and the session is as it was
			require.True(t, ack.SessionPresent)
		}
	})
}

// What the client presented arrives as it is.
func TestAuthenticate_3_1_3_12_Credentials(t *testing.T) {
	t.Parallel()
	cfg := open()
	got := make(chan auth.Credentials, 1)
	cfg.Authenticator = authenticator(func(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
		got <- *c
		return &auth.Identity{Principal: "p"}, nil
	})
	_, addr := start(t, cfg)
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		connect(t, addr, v, "id", user("ü", "\x00\xff"))
		c := <-got
		require.Equal(t, "id", c.ClientID)
		require.Equal(t, "ü", c.Username)
		require.True(t, c.HasUsername)
		require.Equal(t, []byte{0, 0xff}, c.Password)
		require.Equal(t, byte(v), c.ProtocolVersion)
		require.NotNil(t, c.RemoteAddr)

		connect(t, addr, v, "id", func(c *packet.Connect) { c.HasUsername = true })
		c = <-got
		require.True(t, c.HasUsername)
		require.Nil(t, c.Password)

		connect(t, addr, v, "id", user("u", ""))
		c = <-got
		require.NotNil(t, c.Password)
		require.Empty(t, c.Password)

		connect(t, addr, v, "id")
		c = <-got
		require.False(t, c.HasUsername)
	}
	connect(t, addr, packet.V5, "id", func(c *packet.Connect) { c.HasPassword, c.Password = true, []byte("token") })
	c := <-got
	require.False(t, c.HasUsername)
	require.Equal(t, "token", string(c.Password))
	connect(t, addr, packet.V5, "")
	require.NotEmpty(t, (<-got).ClientID) // the assigned one
}

// Nothing behind a refused CONNECT is handled [MQTT-3.1.4-6; 3.1.1: MQTT-3.1.4-5];
// behind an accepted one everything, in order.
func TestAuthenticate_3_1_4_6_PipelinedPackets(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		cfg.Authenticator = authenticator(func(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
			if c.Username == "refused" {
				return nil, auth.ErrBadCredentials
			}
			return &auth.Identity{Principal: "p"}, nil
		})
		_, addr := start(t, cfg)
		for _, v := range []packet.Version{packet.V311, packet.V5} {
			w := connect(t, addr, v, "watcher")
			w.subscribe("t", 0)
			behind := func(mod ...func(*packet.Connect)) []any {
				out := []any{hello(v, "c", mod...)}
				out = append(out, &packet.Subscribe{PacketID: 7, Filters: []packet.Subscription{{Filter: []byte("own"), Options: 1}}})
				for i := range 50 {
					out = append(out, publish("t", fmt.Sprint(i), 0, 0))
				}
				return append(out, publish("own", "x", 1, 8), []byte{0xc0, 0})
			}
			r := dial(t, addr, v)
			r.send(behind(user("refused", ""))...)
			require.NotZero(t, r.wantConnack().Code)
			r.wantClosed()
			w.wantSilence()

			r = dial(t, addr, v)
			r.send(behind()...)
			require.Zero(t, r.wantConnack().Code)
			require.Equal(t, uint16(7), r.wantSuback().PacketID)
			got := map[packet.Type]int{}
			for range 3 {
				f, err := r.next(patience)
				require.NoError(t, err)
				got[f.Type]++
			}
			require.Equal(t, map[packet.Type]int{packet.TypePublish: 1, packet.TypePuback: 1, packet.TypePingresp: 1}, got)
			for i := range 50 {
				require.Equal(t, fmt.Sprint(i), string(w.wantPublish().Payload))
			}
			w.drop()
		}
	})
}

// blocking holds the decision on clients until release.
type blocking struct {
	auth.InsecureAllowAll
	entered chan string
	release chan struct{}
}

func (b *blocking) Immediate() bool { return false }

func (b *blocking) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.ClientID == "free" {
		return &auth.Identity{Principal: "p"}, nil
	}
	b.entered <- c.ClientID
	select {
	case <-b.release:
		return &auth.Identity{Principal: "p"}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// An Authenticator that waits holds up its own client only; what that one sends
// meanwhile, in pieces, waits too.
func TestAuthenticate_Blocking(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		a := &blocking{entered: make(chan string, 10), release: make(chan struct{})}
		cfg.Authenticator = a
		_, addr := start(t, cfg)
		for _, v := range []packet.Version{packet.V311, packet.V5} {
			r := dial(t, addr, v)
			r.send(hello(v, "slow"))
			require.Equal(t, "slow", <-a.entered)
			free := connect(t, addr, v, "free")
			free.ping()
			p := encode(v, publish("t", "x", 1, 5))
			r.send(p[:3])
			free.ping()
			r.send(p[3:], []byte{0xc0, 0})
			r.wantSilence()
			a.release <- struct{}{}
			require.Zero(t, r.wantConnack().Code)
			r.wantAck(packet.TypePuback)
			r.want(packet.TypePingresp)
			r.drop()
		}
	})
}

// The same id waiting several times: each is decided, one stays.
func TestAuthenticate_BlockingSameClient(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		a := &blocking{entered: make(chan string, 10), release: make(chan struct{})}
		cfg.Authenticator = a
		srv, addr := start(t, cfg)
		var all []*raw
		for range 5 {
			r := dial(t, addr, packet.V5)
			r.send(hello(packet.V5, "slow"))
			<-a.entered
			all = append(all, r)
		}
		close(a.release)
		for _, r := range all {
			require.Zero(t, r.wantConnack().Code)
		}
		require.Len(t, srv.Clients(), 1)
		alive := 0
		for _, r := range all {
			_, _ = r.nc.Write([]byte{0xc0, 0})
			f, err := r.next(patience)
			require.NoError(t, err)
			if f.Type == packet.TypePingresp {
				alive++
			}
		}
		require.Equal(t, 1, alive)
	})
}

// The client is gone before the decision: no session, no will, no leak.
func TestAuthenticate_ClientGoneMeanwhile(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		a := &blocking{entered: make(chan string, 10), release: make(chan struct{})}
		cfg.Authenticator = a
		z := &sessions{}
		cfg.Authorizer = z
		srv, addr := start(t, cfg)
		for range 10 {
			r := dial(t, addr, packet.V5)
			r.send(hello(packet.V5, "slow", will("w", "x")))
			<-a.entered
			r.drop()
		}
		close(a.release)
		free := connect(t, addr, packet.V5, "free")
		free.ping()
		require.Eventually(t, func() bool { return len(srv.Clients()) == 1 && z.open.Load() == 1 }, patience, time.Millisecond)
	})
}

// sessions counts the open sessions of an Opener.
type sessions struct {
	auth.InsecureAllowAll
	open atomic.Int64
}

type session struct {
	z    *sessions
	once sync.Once
}

func (z *sessions) Open(context.Context, *auth.Identity, *auth.Conn) (auth.Session, error) {
	z.open.Add(1)
	return &session{z: z}, nil
}

func (s *session) Allow(auth.Action, string) error { return nil }
func (s *session) Close() {
	twice := true
	s.once.Do(func() { twice = false })
	if twice {
		panic("closed twice")
	}
	s.z.open.Add(-1)
}

// Every session that was opened is closed once, whatever ends the connection.
func TestAuthenticate_SessionsAreClosed(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		z := &sessions{}
		cfg.Authorizer = z
		srv, addr := start(t, cfg)
		for _, v := range []packet.Version{packet.V311, packet.V5} {
			connect(t, addr, v, "c").disconnect()
			connect(t, addr, v, "c").drop()
			r := connect(t, addr, v, "c")
			connect(t, addr, v, "c", keep).drop()
			r.wantRefused(broker.SessionTakenOver)
			r = connect(t, addr, v, "c")
			r.send([]byte{0, 0})
			r.wantRefused(broker.MalformedPacket)
		}
		last := connect(t, addr, packet.V5, "last")
		require.Eventually(t, func() bool { return z.open.Load() == 1 }, patience, time.Millisecond)
		require.NoError(t, srv.Close())
		require.Zero(t, z.open.Load())
		last.drop()
	})
}

// An Authenticator that takes too long, ends its own client.
func TestAuthenticate_3_1_4_1_Timeout(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.Authenticator = authenticator(func(ctx context.Context, _ *auth.Credentials) (*auth.Identity, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		r := pipe(t, srv, v)
		r.send(hello(v, "slow"))
		begin := time.Now()
		for {
			if _, err := r.next(time.Minute); err != nil {
				break
			}
		}
		require.Equal(t, 10*time.Second, time.Since(begin).Round(time.Second))
		require.Empty(t, srv.Clients())
	})
}

// One that panics or answers nonsense is a server that is not available.
func TestAuthenticate_Faulty(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		cfg.Authenticator = authenticator(func(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
			switch c.ClientID {
			case "panic":
				panic("fault")
			case "nil":
				return nil, nil
			case "nobody":
				return &auth.Identity{}, nil
			}
			return &auth.Identity{Principal: "p"}, nil
		})
		_, addr := start(t, cfg)
		for _, id := range []string{"panic", "nil", "nobody"} {
			r, ack := tryConnect(t, addr, packet.V5, id)
			require.Equal(t, byte(broker.ServerUnavailable), ack.Code)
			r.wantClosed()
			r, ack = tryConnect(t, addr, packet.V311, id)
			require.Equal(t, byte(3), ack.Code)
			r.wantClosed()
		}
		connect(t, addr, packet.V5, "fine").ping()
	})
}

// denying refuses CONNECT for the client "denied".
type denying struct{ auth.InsecureAllowAll }

func (denying) Authorize(_ context.Context, _ *auth.Identity, r *auth.Request) error {
	if r.Resource == "denied" || r.Conn.WillTopic == "denied" {
		return &auth.Denied{Action: r.Action, Resource: r.Resource, Reason: "a secret"}
	}
	return nil
}

func TestAuthenticate_ConnectDenied(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		cfg.Authorizer = denying{}
		_, addr := start(t, cfg)
		for _, mod := range []func(*packet.Connect){
			func(c *packet.Connect) { c.ClientID = []byte("denied") },
			will("denied", "x"),
		} {
			r, ack := tryConnect(t, addr, packet.V5, "c", mod)
			require.Equal(t, byte(broker.NotAuthorized), ack.Code)
			require.NotContains(t, string(ack.Props.ReasonString), "secret")
			r.wantClosed()
			r, ack = tryConnect(t, addr, packet.V311, "c", mod)
			require.Equal(t, byte(5), ack.Code)
			r.wantClosed()
		}
		connect(t, addr, packet.V5, "c").ping()
	})
}

// Without configuration nobody comes in.
func TestAuthenticate_ClosedByDefault(t *testing.T) {
	t.Parallel()
	_, addr := start(t, broker.Config{SysInterval: -1})
	r, ack := tryConnect(t, addr, packet.V5, "c", user("admin", "admin"))
	require.Equal(t, byte(broker.NotAuthorized), ack.Code)
	r.wantClosed()
	r, ack = tryConnect(t, addr, packet.V311, "c")
	require.Equal(t, byte(5), ack.Code)
	r.wantClosed()
}

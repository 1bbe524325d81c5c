package broker

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

type lastCause struct {
	mu  sync.Mutex
	all []error
}

func (l *lastCause) Disconnected(_ *ClientInfo, cause error) {
	l.mu.Lock()
	l.all = append(l.all, cause)
	l.mu.Unlock()
}

// A DISCONNECT that was received discards the will and tells its own ending, also when
// the client is back before its old connection has let go of the session
// [MQTT-3.14.4-3].
func TestDisconnect_BackBeforeTheSessionIsLetGo(t *testing.T) {
	t.Parallel()
	hook := &lastCause{}
	wills := 0
	var srv *Server
	r := newRig(t, Config{Hooks: []Hook{hook}, Router: immediateRouter(func(ctx context.Context, m *Message) error {
		if m.Origin.Source == FromWill {
			wills++
		}
		return srv.Publish(ctx, m)
	})})
	srv = r.srv
	old := r.connect(packet.V311, "c", func(p *packet.Connect) {
		p.HasWill, p.WillTopic, p.WillPayload = true, []byte("w"), []byte("x")
	})
	fresh := &nowhere{}
	fresh.c = srv.newConn(fresh)
	feed := func(d *nowhere, p []byte) func() {
		return func() {
			b := newBatch(srv)
			d.c.received(b, p)
			b.flush()
		}
	}
	var wg sync.WaitGroup
	srv.sessions.mu.Lock() // both have to wait here, the new one first
	wg.Go(feed(fresh, (&packet.Connect{Version: packet.V311, CleanStart: true, ClientID: []byte("c")}).Append(nil, packet.V311)))
	time.Sleep(20 * time.Millisecond)
	wg.Go(feed(old, []byte{0xe0, 0}))
	require.Eventually(t, func() bool { return old.c.phase.Load() == phaseClosed }, 10*time.Second, time.Millisecond)
	srv.sessions.mu.Unlock()
	wg.Wait()
	require.Zero(t, wills)
	require.Equal(t, []error{nil}, hook.all)
	require.Equal(t, phaseUp, fresh.c.phase.Load())
}

type immediateRouter func(context.Context, *Message) error

func (f immediateRouter) Route(ctx context.Context, m *Message) error { return f(ctx, m) }
func (immediateRouter) Immediate() bool                               { return true }

// On an event loop a connection rests while somebody decides; see also
// TestKeepAlive_3_1_2_24_NotWhileDeciding.
func TestKeepAlive_NotWhileResting(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{})
	d := r.connect(packet.V5, "c", func(p *packet.Connect) { p.KeepAlive = 10 })
	ka := int64(d.c.keepAlive)
	d.c.waiting = true
	d.c.hold(holdTurn)
	for i := range int64(5) {
		d.c.due(d.c.last.Load() + ka + i)
		require.Equal(t, phaseUp, d.c.phase.Load())
	}
	d.c.proceed()
	require.Less(t, d.c.last.Load(), r.srv.clock())
	d.c.due(d.c.last.Load() + ka - 1)
	require.Equal(t, phaseUp, d.c.phase.Load())
	d.c.due(d.c.last.Load() + ka)
	require.Equal(t, phaseClosed, d.c.phase.Load())
}

// onceExchanger counts the exchanges that are open.
type onceExchanger struct {
	auth.InsecureAllowAll
	open int
}

func (x *onceExchanger) Exchange(context.Context, *auth.Credentials) (auth.Exchange, error) {
	x.open++
	return x, nil
}

func (x *onceExchanger) Next(context.Context, []byte) ([]byte, *auth.Identity, error) {
	return nil, nil, nil
}
func (x *onceExchanger) Close() { x.open-- }

// posting is a driver whose goroutine is the test's.
type posting struct {
	nowhere
	posts chan func()
}

func (d *posting) post(f func()) bool {
	d.posts <- f
	return true
}

// An exchange whose next step comes when the server ends is closed, once.
func TestAuthExchange_StepWhenTheServerEnds(t *testing.T) {
	t.Parallel()
	x := &onceExchanger{}
	srv, err := NewServer(Config{Authenticator: x, Authorizer: x, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	d := &posting{posts: make(chan func(), 1)}
	d.c = srv.newConn(d)
	b := newBatch(srv)
	p := &packet.Connect{Version: packet.V5, CleanStart: true, ClientID: []byte("c")}
	p.Props.SetAuthMethod([]byte("m"))
	d.c.received(b, p.Append(nil, packet.V5))
	(<-d.posts)()
	require.Equal(t, phaseAuth, d.c.phase.Load())
	require.Equal(t, 1, x.open)

	require.NoError(t, srv.Close())
	a := &packet.Auth{Code: byte(ContinueAuthentication)}
	a.Props.SetAuthMethod([]byte("m"))
	d.c.received(b, a.Append(nil, packet.V5))
	require.Zero(t, x.open)
	d.c.gone(ErrClosed)
	require.Zero(t, x.open)
}

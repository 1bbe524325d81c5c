package broker_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// steps is an Exchanger whose clients say what shall happen.
type steps struct {
	auth.InsecureAllowAll
	open, begun atomic.Int64
	entered     chan struct{} // told of "wait"
	release     chan struct{}
}

const method = "STEPS"

func (s *steps) Exchange(_ context.Context, c *auth.Credentials) (auth.Exchange, error) {
	if c.Method != method {
		return nil, auth.ErrBadMethod
	}
	s.open.Add(1)
	s.begun.Add(1)
	return &stepping{s: s}, nil
}

type stepping struct {
	s      *steps
	closed bool
}

func (x *stepping) Next(_ context.Context, data []byte) ([]byte, *auth.Identity, error) {
	if x.closed {
		panic("Next behind Close")
	}
	id := &auth.Identity{Principal: "stepper"}
	switch string(data) {
	case "":
		return []byte("who?"), nil, nil
	case "silent":
		return nil, nil, nil
	case "done":
		return []byte("welcome"), id, nil
	case "done silently":
		return nil, id, nil
	case "for a minute":
		id.Expires = time.Now().Add(time.Minute)
		return nil, id, nil
	case "bad":
		return nil, nil, auth.ErrBadCredentials
	case "banned":
		return nil, nil, auth.ErrBanned
	case "unavailable":
		return nil, nil, auth.ErrUnavailable
	case "fault":
		return nil, nil, errors.New("out of order")
	case "panic":
		panic("fault")
	case "wait":
		x.s.entered <- struct{}{}
		<-x.s.release
		return []byte("waited"), nil, nil
	}
	return append([]byte("more than "), data...), nil, nil
}

func (x *stepping) Close() {
	if x.closed {
		panic("closed twice")
	}
	x.closed = true
	x.s.open.Add(-1)
}

// by connects with a method and data; nil is none.
func by(m string, data []byte) func(*packet.Connect) {
	return func(c *packet.Connect) {
		c.Props.SetAuthMethod([]byte(m))
		if data != nil {
			c.Props.SetAuthData(data)
		}
	}
}

func authPacket(code broker.ReasonCode, m, data string) *packet.Auth {
	a := &packet.Auth{Code: byte(code)}
	a.Props.SetAuthMethod([]byte(m))
	if data != "" {
		a.Props.SetAuthData([]byte(data))
	}
	return a
}

func next(data string) *packet.Auth { return authPacket(broker.ContinueAuthentication, method, data) }

// wantAuth receives AUTH with the code, the method of CONNECT [MQTT-4.12.0-5] and data.
func (r *raw) wantAuth(code broker.ReasonCode, data string) {
	r.t.Helper()
	a := &packet.Auth{}
	f := r.want(packet.TypeAuth)
	require.Zero(r.t, f.Flags)
	require.NoError(r.t, a.Decode(f.body, packet.V5))
	require.Equal(r.t, byte(code), a.Code)
	require.Equal(r.t, method, string(a.Props.AuthMethod))
	require.Equal(r.t, data, string(a.Props.AuthData))
	require.Equal(r.t, data != "", a.Props.Has(packet.PropAuthData))
}

// wantWelcome receives a CONNACK of success with the method and data.
func (r *raw) wantWelcome(data string) {
	r.t.Helper()
	ack := r.wantConnack()
	require.Zero(r.t, ack.Code)
	require.Equal(r.t, method, string(ack.Props.AuthMethod))
	require.Equal(r.t, data, string(ack.Props.AuthData))
}

func stepper(t *testing.T, cfg broker.Config) (*steps, *broker.Server, string) {
	t.Helper()
	s := &steps{entered: make(chan struct{}, 10), release: make(chan struct{}, 10)}
	cfg.Authenticator = s
	srv, addr := start(t, cfg)
	t.Cleanup(func() { // runs before the server ends
		require.Eventually(t, func() bool { return s.open.Load() == 0 }, patience, time.Millisecond, "every exchange is closed")
	})
	return s, srv, addr
}

func TestAuthExchange_5_0_4_12_0_1_MethodNotSupported(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		_, plain := start(t, cfg)
		_, _, addr := stepper(t, cfg)
		for _, a := range []string{plain, addr} {
			for _, m := range []string{"OTHER", "steps", "", "STEPS2"} {
				r, ack := tryConnect(t, a, packet.V5, "c", by(m, []byte("done")))
				require.Equal(t, byte(broker.BadAuthenticationMethod), ack.Code)
				r.wantClosed()
			}
		}
		// Without a method the ordinary way is open.
		connect(t, addr, packet.V5, "c").ping()
		connect(t, addr, packet.V311, "c").ping()
	})
}

func TestAuthExchange_5_0_4_12_0_2_Steps(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		_, srv, addr := stepper(t, cfg)
		r := dial(t, addr, packet.V5)
		r.send(hello(packet.V5, "c", by(method, nil)))
		r.wantAuth(broker.ContinueAuthentication, "who?")
		r.send(next("a"))
		r.wantAuth(broker.ContinueAuthentication, "more than a")
		r.send(next("silent"))
		r.wantAuth(broker.ContinueAuthentication, "")
		require.Empty(t, srv.Clients())
		r.send(next("done"))
		r.wantWelcome("welcome")
		require.Equal(t, "stepper", srv.Clients()[0].Principal)
		r.ping()

		// In one step, with and without data for CONNACK.
		r = dial(t, addr, packet.V5)
		r.send(hello(packet.V5, "c", by(method, []byte("done")), user("u", "p")))
		r.wantWelcome("welcome")
		r = dial(t, addr, packet.V5)
		r.send(hello(packet.V5, "c", by(method, []byte("done silently"))))
		ack := r.wantConnack()
		require.Equal(t, method, string(ack.Props.AuthMethod))
		require.False(t, ack.Props.Has(packet.PropAuthData))
		r.drop()

		// Everything in one write.
		r = dial(t, addr, packet.V5)
		r.send(hello(packet.V5, "c", by(method, nil)), next("b"), next("done"), []byte{0xc0, 0})
		r.wantAuth(broker.ContinueAuthentication, "who?")
		r.wantAuth(broker.ContinueAuthentication, "more than b")
		r.wantWelcome("welcome")
		r.want(packet.TypePingresp)
		r.drop()
	})
}

// The session is resumed, and an id assigned, as behind any CONNECT.
func TestAuthExchange_5_0_4_12_0_2_Session(t *testing.T) {
	t.Parallel()
	_, _, addr := stepper(t, quiet())
	for i := range 2 {
		r := dial(t, addr, packet.V5)
		r.send(hello(packet.V5, "c", by(method, nil), keep))
		r.wantAuth(broker.ContinueAuthentication, "who?")
		r.send(next("done"))
		require.Equal(t, i == 1, r.wantConnack().SessionPresent)
		r.drop()
	}
	r := dial(t, addr, packet.V5)
	r.send(hello(packet.V5, "", by(method, nil)))
	r.wantAuth(broker.ContinueAuthentication, "who?")
	r.send(next("done"))
	require.NotEmpty(t, r.wantConnack().Props.AssignedClientID)
	r.drop()
}

func TestAuthExchange_5_0_4_12_0_4_Refused(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		_, srv, addr := stepper(t, cfg)
		for data, code := range map[string]broker.ReasonCode{
			"bad": broker.BadUserNameOrPassword, "banned": broker.Banned, "unavailable": broker.ServerUnavailable,
			"fault": broker.ServerUnavailable, "panic": broker.ServerUnavailable,
		} {
			r, ack := tryConnect(t, addr, packet.V5, "c", by(method, []byte(data)))
			require.Equal(t, byte(code), ack.Code)
			r.wantClosed()

			r = dial(t, addr, packet.V5)
			r.send(hello(packet.V5, "c", by(method, nil)))
			r.wantAuth(broker.ContinueAuthentication, "who?")
			r.send(next(data), publish("t", "behind", 0, 0))
			require.Equal(t, byte(code), r.wantConnack().Code)
			r.wantClosed()
		}
		require.Empty(t, srv.Clients())
	})
}

// Before CONNACK a client may send AUTH and DISCONNECT alone [MQTT-3.1.2-30], with the
// method of CONNECT [MQTT-4.12.0-5].
func TestAuthExchange_5_0_3_1_2_30_BeforeConnack(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		_, _, addr := stepper(t, cfg)
		noMethod := control(0xf0, cat(0x18, props(0x1f, str("x")))...)
		for name, p := range map[string]any{
			"PUBLISH":          publish("t", "", 0, 0),
			"PINGREQ":          []byte{0xc0, 0},
			"SUBSCRIBE":        samples(packet.V5)[5].b,
			"CONNECT":          hello(packet.V5, "c"),
			"other method":     authPacket(broker.ContinueAuthentication, "OTHER", "done"),
			"method in case":   authPacket(broker.ContinueAuthentication, "steps", "done"),
			"no method":        noMethod,
			"empty AUTH":       []byte{0xf0, 0},
			"re-authenticate":  authPacket(broker.ReAuthenticate, method, "done"),
			"success":          authPacket(broker.Success, method, "done"),
			"code 0x87":        control(0xf0, cat(0x87, props(0x15, str(method)))...),
			"method twice":     control(0xf0, cat(0x18, props(0x15, str(method), 0x15, str(method)))...),
			"data twice":       control(0xf0, cat(0x18, props(0x15, str(method), 0x16, str("a"), 0x16, str("a")))...),
			"foreign property": control(0xf0, cat(0x18, props(0x15, str(method), 0x11, 0, 0, 0, 1))...),
			"cut":              control(0xf0, 0x18, 9, 0x15, 0),
			"bytes behind":     control(0xf0, cat(0x18, props(0x15, str(method)), 0)...),
			"code alone":       []byte{0xf0, 1, 0x18},
		} {
			r := dial(t, addr, packet.V5)
			r.send(hello(packet.V5, "c", by(method, nil), will("w", "x")))
			r.wantAuth(broker.ContinueAuthentication, "who?")
			r.send(p, next("done"))
			ack := r.wantConnack()
			require.Contains(t, []broker.ReasonCode{broker.ProtocolError, broker.MalformedPacket}, broker.ReasonCode(ack.Code), name)
			r.wantClosed()
		}
		for _, b := range [][]byte{{0xe0, 0}, {0xe0, 1, 4}} {
			r := dial(t, addr, packet.V5)
			r.send(hello(packet.V5, "c", by(method, nil)))
			r.wantAuth(broker.ContinueAuthentication, "who?")
			r.send(b)
			r.wantClosed()
		}
		r := dial(t, addr, packet.V5) // wrong flags [MQTT-3.15.1-1]
		r.send(hello(packet.V5, "c", by(method, nil)))
		r.wantAuth(broker.ContinueAuthentication, "who?")
		r.send([]byte{0xf1, 0})
		r.wantClosed()
	})
}

// A client that does not go on is not waited for.
func TestAuthExchange_3_1_4_1_Timeout(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	s := &steps{}
	cfg.Authenticator = s
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		r := pipe(t, srv, packet.V5)
		begin := time.Now()
		r.send(hello(packet.V5, "c", by(method, nil)))
		for range 9 {
			_ = r.want(packet.TypeAuth)
			time.Sleep(time.Second)
			r.send(next("x"))
		}
		_ = r.want(packet.TypeAuth)
		r.wantClosed()
		require.Equal(t, 10*time.Second, time.Since(begin))
		time.Sleep(2 * time.Second)
		require.Zero(t, s.open.Load())
	})
}

// [MQTT-4.12.1-1]: the client may authenticate again, while everything goes on.
func TestAuthExchange_5_0_4_12_1_1_ReAuthentication(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		s, _, addr := stepper(t, cfg)
		r := dial(t, addr, packet.V5)
		r.send(hello(packet.V5, "c", by(method, []byte("done"))))
		r.wantWelcome("welcome")
		require.Zero(t, r.subscribe("t", 0))
		again := func(data string) *packet.Auth { return authPacket(broker.ReAuthenticate, method, data) }
		for range 3 {
			r.send(again(""))
			r.wantAuth(broker.ContinueAuthentication, "who?")
			r.ping()
			r.send(publish("t", "meanwhile", 0, 0))
			require.Equal(t, "meanwhile", string(r.wantPublish().Payload))
			r.send(next("x"))
			r.wantAuth(broker.ContinueAuthentication, "more than x")
			r.send(next("done"))
			r.wantAuth(broker.Success, "welcome")
			r.send(again("done silently"))
			r.wantAuth(broker.Success, "")
			r.ping()
		}
		require.Equal(t, int64(7), s.begun.Load())
		r.drop()
	})
}

// [MQTT-4.12.1-2] and the protocol errors.
func TestAuthExchange_5_0_4_12_1_2_ReAuthenticationFails(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		_, _, addr := stepper(t, cfg)
		w := connect(t, addr, packet.V5, "watcher")
		w.subscribe("w", 0)
		up := func() *raw {
			r := dial(t, addr, packet.V5)
			r.send(hello(packet.V5, "c", by(method, []byte("done")), will("w", "gone")))
			r.wantWelcome("welcome")
			return r
		}
		for data, code := range map[string]broker.ReasonCode{
			"bad": broker.NotAuthorized, "banned": broker.NotAuthorized, "fault": broker.NotAuthorized, "panic": broker.NotAuthorized,
			"unavailable": broker.UnspecifiedError,
		} {
			r := up()
			r.send(authPacket(broker.ReAuthenticate, method, data), publish("w", "behind", 0, 0))
			r.wantDisconnect(code)
			require.Equal(t, "gone", string(w.wantPublish().Payload))
			r = up()
			r.send(authPacket(broker.ReAuthenticate, method, ""))
			r.wantAuth(broker.ContinueAuthentication, "who?")
			r.send(next(data))
			r.wantDisconnect(code)
			require.Equal(t, "gone", string(w.wantPublish().Payload))
		}
		for _, list := range [][]any{
			{authPacket(broker.ReAuthenticate, "OTHER", "done")},
			{authPacket(broker.ReAuthenticate, "", "done")},
			{next("done")},
			{authPacket(broker.Success, method, "done")},
			{[]byte{0xf0, 0}},
			{authPacket(broker.ReAuthenticate, method, ""), authPacket(broker.ReAuthenticate, method, "")},
			{authPacket(broker.ReAuthenticate, method, ""), authPacket(broker.ContinueAuthentication, "OTHER", "done")},
		} {
			r := up()
			r.send(list...)
			if len(list) == 2 {
				r.wantAuth(broker.ContinueAuthentication, "who?")
			}
			r.wantDisconnect(broker.ProtocolError)
			require.Equal(t, "gone", string(w.wantPublish().Payload))
		}
		w.wantSilence()
	})
}

// [MQTT-4.12.0-6, -7]: no AUTH without a method in CONNECT, from either side.
func TestAuthExchange_5_0_4_12_0_6_NoMethod(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		_, plain := start(t, cfg)
		_, _, addr := stepper(t, cfg)
		for _, a := range []string{plain, addr} {
			for _, code := range []broker.ReasonCode{broker.ReAuthenticate, broker.ContinueAuthentication, broker.Success} {
				r := connect(t, a, packet.V5, "c", user("u", "p"))
				r.send(authPacket(code, method, "done"))
				r.wantDisconnect(broker.ProtocolError)
			}
		}
	})
}

// A new identity may live longer, or less long.
func TestAuthExchange_ReAuthenticationExtends(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.Authenticator = &steps{}
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		r := pipe(t, srv, packet.V5)
		r.send(hello(packet.V5, "c", by(method, []byte("for a minute")), keepAlive(0)))
		r.wantWelcome("")
		for range 10 {
			time.Sleep(59 * time.Second)
			r.send(authPacket(broker.ReAuthenticate, method, "for a minute"))
			r.wantAuth(broker.Success, "")
		}
		r.wantEndAfter(time.Minute, broker.MaximumConnectTime)
	})
}

// The client is gone while the exchange waits.
func TestAuthExchange_ClientGoneMeanwhile(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		s, srv, addr := stepper(t, cfg)
		for range 5 {
			r := dial(t, addr, packet.V5)
			r.send(hello(packet.V5, "c", by(method, []byte("wait"))))
			<-s.entered
			r.drop()
			s.release <- struct{}{}

			r = dial(t, addr, packet.V5)
			r.send(hello(packet.V5, "c", by(method, []byte("done"))))
			r.wantWelcome("welcome")
			r.send(authPacket(broker.ReAuthenticate, method, "wait"))
			<-s.entered
			r.drop()
			s.release <- struct{}{}
		}
		require.Eventually(t, func() bool { return len(srv.Clients()) == 0 && s.open.Load() == 0 }, patience, time.Millisecond)
	})
}

// Closing the server while exchanges wait.
func TestAuthExchange_ServerCloses(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		s, srv, addr := stepper(t, cfg)
		r := dial(t, addr, packet.V5)
		r.send(hello(packet.V5, "c", by(method, []byte("wait"))))
		<-s.entered
		done := make(chan error)
		go func() { done <- srv.Close() }()
		r.wantClosed()
		s.release <- struct{}{}
		require.NoError(t, <-done)
		require.Zero(t, s.open.Load())
	})
}

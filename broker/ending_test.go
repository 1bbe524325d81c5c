package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// causes is a hook that passes on why connections of "c" ended.
type causes struct{ seen chan error }

func (c *causes) Disconnected(i *broker.ClientInfo, cause error) {
	if i.ClientID == "c" {
		c.seen <- cause
	}
}

// Whatever ends a connection, its cause tells what it was.
func TestEndingOf_EveryEnd(t *testing.T) {
	t.Parallel()
	type scene struct {
		srv *broker.Server
		r   *raw
		v   packet.Version
	}
	rejoin := func(mod ...func(*packet.Connect)) func(*scene) {
		return func(s *scene) { join(s.r.t, s.srv, s.v, "c", mod...) }
	}
	sends := func(ps ...any) func(*scene) { return func(s *scene) { s.r.send(ps...) } }
	for _, c := range []struct {
		name   string
		only   packet.Version // 0: both
		cfg    func(*broker.Config)
		hello  func(*packet.Connect)
		act    func(*scene)
		want   broker.Ending
		reason broker.ReasonCode
		is     error
	}{
		{name: "DISCONNECT", act: sends([]byte{0xe0, 0}), want: broker.EndedByClient},
		{name: "DISCONNECT 0x04", only: packet.V5, act: sends(&packet.Disconnect{Code: 4}), want: broker.EndedByClient, reason: broker.DisconnectWithWill, is: broker.ErrClientDisconnected},
		{name: "DISCONNECT 0x97", only: packet.V5, act: sends(&packet.Disconnect{Code: 0x97}), want: broker.EndedByClient, reason: broker.QuotaExceeded, is: broker.ErrClientDisconnected},
		{name: "malformed", act: sends([]byte{0x00, 0}), want: broker.EndedByFault, reason: broker.MalformedPacket},
		{name: "second CONNECT", act: sends([]byte{0x10, 0}), want: broker.EndedByFault, reason: broker.ProtocolError},
		{name: "bad topic", act: sends(publish("a/#", "", 0, 0)), want: broker.EndedByFault, reason: broker.TopicNameInvalid},
		{name: "alias", only: packet.V5, act: sends(aliased("", "", 9)), want: broker.EndedByFault, reason: broker.TopicAliasInvalid},
		{name: "too large", cfg: func(c *broker.Config) { c.MaxPacketSize = 200 }, act: sends([]byte{0x30, 0xff, 0x7f}), want: broker.EndedByFault, reason: broker.PacketTooLarge},
		{name: "QoS", cfg: func(c *broker.Config) { c.MaxQoS = broker.OnlyQoS0 }, act: sends(publish("a", "", 1, 1)), want: broker.EndedByFault, reason: broker.QoSNotSupported},
		{name: "retain", cfg: func(c *broker.Config) { c.DisableRetain = true }, act: sends(full("a", 0, true)), want: broker.EndedByFault, reason: broker.RetainNotSupported},
		{name: "receive maximum", only: packet.V5, cfg: func(c *broker.Config) { c.ReceiveMaximum = 1 }, act: sends(publish("a", "", 2, 1), publish("a", "", 2, 2)), want: broker.EndedByFault, reason: broker.ReceiveMaximumExceeded},
		{name: "lost", act: func(s *scene) { s.r.drop() }, want: broker.EndedByLoss, reason: broker.UnspecifiedError, is: broker.ErrConnectionLost},
		{name: "lost in a packet", act: func(s *scene) { s.r.send([]byte{0x30, 9}); s.r.drop() }, want: broker.EndedByLoss, reason: broker.UnspecifiedError, is: broker.ErrConnectionLost},
		{name: "take-over", act: rejoin(), want: broker.EndedByTakeOver, reason: broker.SessionTakenOver},
		{name: "keep alive", hello: keepAlive(10), act: func(*scene) {}, want: broker.EndedByKeepAlive, reason: broker.KeepAliveTimeout},
		{name: "expiry", hello: user("expiring", ""), act: func(*scene) {}, want: broker.EndedByExpiry, reason: broker.MaximumConnectTime},
		{name: "denied", cfg: func(c *broker.Config) {
			c.Authorizer, c.CloseOnDenied = allowing{denied: map[string]auth.Action{"no": auth.Publish}}, true
		}, act: sends(publish("no", "", 0, 0)), want: broker.EndedByDenial, reason: broker.NotAuthorized},
		{
			name: "re-authentication", only: packet.V5, cfg: func(c *broker.Config) { c.Authenticator = &steps{} }, hello: by(method, []byte("done")),
			act: sends(authPacket(broker.ReAuthenticate, method, "bad")), want: broker.EndedByReauthentication, reason: broker.NotAuthorized, is: broker.ErrReauthentication,
		},
		{name: "queue", cfg: func(c *broker.Config) { c.Overflow, c.MaxQueuedMessages, c.MaxInFlight = broker.DisconnectClient, 1, 1 }, act: func(s *scene) {
			s.r.subscribe("t", 1)
			for range 3 {
				require.NoError(s.r.t, s.srv.Publish(context.Background(), &broker.Message{Topic: "t", QoS: 1}))
			}
		}, want: broker.EndedByQuota, reason: broker.QuotaExceeded},
		{name: "panic", cfg: func(c *broker.Config) {
			c.Router = routerFunc(func(context.Context, *broker.Message) error { panic("router") })
		}, act: sends(publish("a", "", 0, 0)), want: broker.EndedByServerError, reason: broker.ImplementationSpecificError},
		{name: "router", only: packet.V311, cfg: func(c *broker.Config) {
			c.Router = routerFunc(func(context.Context, *broker.Message) error { return errors.New("down") })
		}, act: sends(publish("a", "", 1, 1)), want: broker.EndedByServerError, reason: broker.UnspecifiedError},
		{name: "Shutdown", act: func(s *scene) {
			go func() { _ = s.srv.Shutdown(context.Background()) }()
		}, want: broker.EndedByShutdown, reason: broker.ServerShuttingDown},
		{name: "Close", act: func(s *scene) { require.NoError(s.r.t, s.srv.Close()) }, want: broker.EndedByShutdown, reason: broker.ServerShuttingDown},
		{name: "Disconnect", act: func(s *scene) {
			require.NoError(s.r.t, s.srv.Disconnect("c", broker.DisconnectOptions{}))
		}, want: broker.EndedByHost, reason: broker.AdministrativeAction, is: broker.ErrDisconnected},
		{name: "Disconnect as if taken over", act: func(s *scene) {
			require.NoError(s.r.t, s.srv.Disconnect("c", broker.DisconnectOptions{Reason: broker.Refuse(broker.SessionTakenOver, "gone")}))
		}, want: broker.EndedByHost, reason: broker.SessionTakenOver, is: broker.ErrDisconnected},
		{name: "Disconnect for a reason of the host", act: func(s *scene) {
			require.NoError(s.r.t, s.srv.Disconnect("c", broker.DisconnectOptions{Reason: fmt.Errorf("%w: %w", errRevoked, broker.NotAuthorized)}))
		}, want: broker.EndedByHost, reason: broker.NotAuthorized, is: errRevoked},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range []packet.Version{packet.V311, packet.V5} {
				if c.only != 0 && c.only != v {
					continue
				}
				hook := &causes{}
				cfg := quiet()
				cfg.Hooks = []broker.Hook{hook}
				cfg.Authenticator = expiring{}
				if c.cfg != nil {
					c.cfg(&cfg)
				}
				bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
					mod := func(*packet.Connect) {}
					if c.hello != nil {
						mod = c.hello
					}
					hook.seen = make(chan error, 2)
					s := &scene{srv, join(t, srv, v, "c", mod), v}
					c.act(s)
					go func() { _, _ = io.Copy(io.Discard, s.r.nc) }() // ends with the connection
					cause := <-hook.seen
					require.Equal(t, c.want.String(), broker.EndingOf(cause).String(), "%v", cause)
					require.Equal(t, c.reason.String(), broker.ReasonOf(cause).String(), "%v", cause)
					if c.is != nil {
						require.ErrorIs(t, cause, c.is)
					}
					require.Empty(t, hook.seen)
					s.r.drop()
				})
			}
		})
	}
}

var errRevoked = errors.New("the certificate was revoked")

// The cause of a reset is kept.
func TestEndingOf_Reset(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		hook := &causes{make(chan error, 1)}
		cfg.Hooks = []broker.Hook{hook}
		_, addr := start(t, cfg)
		r := connect(t, addr, packet.V5, "c")
		require.NoError(t, r.nc.(*net.TCPConn).SetLinger(0))
		r.drop()
		cause := <-hook.seen
		require.Equal(t, broker.EndedByLoss, broker.EndingOf(cause))
		require.ErrorContains(t, cause, "reset")
	})
}

func TestEnding_String(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for e := broker.EndedByClient; e <= broker.EndedByHost; e++ {
		require.NotEmpty(t, e.String())
		names[e.String()] = true
	}
	require.Len(t, names, int(broker.EndedByHost)+1)
	require.Equal(t, "unknown", (broker.EndedByHost + 1).String())
	require.Equal(t, broker.EndedByServerError, broker.EndingOf(errors.New("x")))
	require.Equal(t, broker.EndedByClient, broker.EndingOf(nil))
}

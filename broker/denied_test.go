package broker_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// opening is an authorizer with sessions; it is asking's answers that count.
type opening struct{ asking }

func (o opening) Open(context.Context, *auth.Identity, *auth.Conn) (auth.Session, error) {
	return o, nil
}
func (o opening) Close() {}
func (o opening) Allow(a auth.Action, resource string) error {
	return o.asking(&auth.Request{Action: a, Resource: strings.Clone(resource)})
}

// Every way by which a message comes to a client tells that it was not let through, and why.
func TestDenied_Receive(t *testing.T) {
	t.Parallel()
	secret := asking(func(r *auth.Request) error {
		if r.Action == auth.Receive && strings.HasPrefix(r.Resource, "secret/") {
			return &auth.Denied{Action: r.Action, Resource: r.Resource, Reason: "statement 2 denies it"}
		}
		return nil
	})
	for name, z := range map[string]auth.Authorizer{"session": opening{secret}, "asked": secret} {
		t.Run(name, func(t *testing.T) {
			drivers(t, func(t *testing.T, cfg broker.Config) {
				w := &denials{}
				cfg.Authorizer, cfg.Hooks = z, []broker.Hook{w}
				s := newStage(t, cfg)
				n := 0
				wants := func(topic string) {
					t.Helper()
					n++
					require.Eventually(t, func() bool { return int(w.n.Load()) >= n }, patience, time.Millisecond, topic)
					w.mu.Lock()
					defer w.mu.Unlock()
					require.Len(t, w.told, n)
					d := w.told[n-1]
					require.Equal(t, auth.Receive, d.Action)
					require.Equal(t, topic, d.Resource)
					require.NotEmpty(t, d.Principal)
					why, ok := errors.AsType[*auth.Denied](d.Err)
					require.True(t, ok)
					require.Equal(t, "statement 2 denies it", why.Why())
				}
				pub := s.client(t, packet.V5, "pub")
				pub.send(retained("secret/retained", "x", 1, 1))
				pub.wantAck(packet.TypePuback)
				for i, qos := range []byte{0, 1, 2} {
					topic := "secret/direct" + string('0'+qos) // the client before may still be there
					r := s.client(t, packet.V5, topic)
					r.subscribe(topic, qos)
					pub.send(publish(topic, "x", 1, uint16(10+i)))
					pub.wantAck(packet.TypePuback)
					wants(topic)
					r.ping()
					r.drop()
				}
				r := s.client(t, packet.V5, "shared")
				r.subscribe("$share/g/secret/shared", 1)
				pub.send(publish("secret/shared", "x", 1, 20))
				pub.wantAck(packet.TypePuback)
				wants("secret/shared")
				r = s.client(t, packet.V5, "retained")
				r.subscribe("secret/retained", 1)
				wants("secret/retained")
				r.ping()
				r = &raw{t: t, nc: s.dial(), v: packet.V5}
				require.Zero(t, r.hello("queued", expiry(60)).Code)
				r.subscribe("secret/queued", 1)
				r.drop()
				eventually(t, func() bool { _, up := s.srv.Client("queued"); return !up }, "it left")
				pub.send(publish("secret/queued", "x", 1, 30))
				pub.wantAck(packet.TypePuback)
				r = &raw{t: t, nc: s.dial(), v: packet.V5}
				require.Zero(t, r.hello("queued", expiry(60)).Code)
				wants("secret/queued")
				r.ping()
				require.Equal(t, uint64(n), s.srv.Metrics().Dropped[broker.DropDenied.String()])

				// More of them are counted, and told once a second.
				for i := range 20 {
					pub.send(publish("secret/queued", "x", 1, uint16(100+i)))
					pub.wantAck(packet.TypePuback)
				}
				r.ping()
				eventually(t, func() bool { return s.srv.Metrics().Dropped[broker.DropDenied.String()] == uint64(n+20) }, "counted")
			})
		})
	}
}

// Whoever authenticates again and is not let in is a denial.
func TestDenied_Reauthentication(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		w, z := &denials{}, newRoles()
		cfg.Authenticator, cfg.Authorizer, cfg.Hooks = z, z, []broker.Hook{w}
		s := newStage(t, cfg)
		r := s.client(t, packet.V5, "c", by(method, []byte("reader")))
		r.send(authPacket(broker.ReAuthenticate, method, "refused"))
		r.wantRefused(broker.NotAuthorized)
		require.Eventually(t, func() bool { return w.n.Load() == 1 }, patience, time.Millisecond)
		d := w.told[0]
		require.Equal(t, auth.Connect, d.Action)
		require.Equal(t, "c", d.Resource)
		require.ErrorIs(t, d.Err, auth.ErrDenied)
	})
}

// So is a page of another origin.
func TestDenied_Origin(t *testing.T) {
	t.Parallel()
	w, cfg := &denials{}, open()
	cfg.Hooks = []broker.Hook{w}
	url := web(t, cfg)
	_, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"mqtt"}, HTTPHeader: http.Header{"Origin": {"https://evil.example"}}}) //nolint:bodyclose // the library closes it
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.Eventually(t, func() bool { return w.n.Load() == 1 }, patience, time.Millisecond)
	require.Equal(t, auth.Connect, w.told[0].Action)
	require.ErrorContains(t, w.told[0].Err, "evil.example")
	require.Equal(t, broker.NotAuthorized, broker.ReasonOf(w.told[0].Err))
}

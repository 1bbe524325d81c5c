package thinghub_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/registry"
)

const patience = 30 * time.Second

// A guarded is a hub with a TLS listener, where everybody needs to be known.
type guarded struct {
	*thinghub.Hub
	addr string
}

func newGuarded(t *testing.T, mod ...func(*thinghub.Config)) *guarded {
	t.Helper()
	cfg := thinghub.Config{Logger: slog.New(slog.DiscardHandler), UserConfig: users.Config{Hash: users.HashParams{Memory: 64, Time: 1}}}
	for _, m := range mod {
		m(&cfg)
	}
	hub, err := thinghub.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	server, err := hub.Certificates().IssueServer("localhost")
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		_ = hub.Serve(tls.NewListener(l, hub.Certificates().TLSConfig(&tls.Config{Certificates: []tls.Certificate{server}})))
	}()
	return &guarded{hub, l.Addr().String()}
}

// connect connects with a configuration for TLS; lost gets the reason of a DISCONNECT.
func (g *guarded) connect(t *testing.T, c *tls.Config, id string, mod ...func(*paho.Connect)) (client *paho.Client, lost <-chan byte, err error) {
	t.Helper()
	return g.connectWith(t, c, id, nil, mod...)
}

// connectWith does so for somebody who gets messages.
func (g *guarded) connectWith(t *testing.T, c *tls.Config, id string, got func(*paho.Publish), mod ...func(*paho.Connect)) (client *paho.Client, lost <-chan byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c = c.Clone()
	c.ServerName = "localhost"
	nc, err := (&tls.Dialer{Config: c}).DialContext(ctx, "tcp", g.addr)
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { _ = nc.Close() })
	ended := make(chan byte, 2)
	client = paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(nc), PacketTimeout: patience,
		OnServerDisconnect: func(d *paho.Disconnect) { ended <- d.ReasonCode },
		OnClientError:      func(error) { ended <- 0xff },
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			if got != nil {
				got(r.Packet)
			}
			return true, nil
		}},
	})
	connect := &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 30}
	for _, m := range mod {
		m(connect)
	}
	_, err = client.Connect(ctx, connect)
	return client, ended, err
}

func (g *guarded) device(t *testing.T, name string, policies ...string) (*thinghub.Device, *tls.Config) {
	t.Helper()
	d, err := g.Provision(t.Context(), name, policies...)
	require.NoError(t, err)
	c, err := d.TLS()
	require.NoError(t, err)
	return d, c
}

func (g *guarded) policy(t *testing.T, name, document string, targets ...string) {
	t.Helper()
	_, err := g.Policies().CreatePolicy(t.Context(), name, document)
	require.NoError(t, err)
	for _, target := range targets {
		require.NoError(t, g.Policies().AttachPolicy(t.Context(), name, target))
	}
}

func TestProvision(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	d, c := g.device(t, "pump-1")
	require.Equal(t, "pump-1", d.Thing.Name)
	require.Equal(t, []string{thinghub.DevicePolicy}, d.Policies)
	client, _, err := g.connect(t, c, "pump-1")
	require.NoError(t, err)
	ack, err := client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{
		{Topic: "cmd/pump-1/#", QoS: 1}, {Topic: "$aws/things/pump-1/shadow/update/accepted", QoS: 1}, {Topic: "pump-1/x", QoS: 1},
	}})
	require.NoError(t, err)
	require.Equal(t, []byte{1, 1, 1}, ack.Reasons)
	for _, filter := range []string{"#", "cmd/pump-2/#", "+/pump-1/x", "$aws/things/pump-2/shadow/#"} {
		ack, _ := client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter}}})
		require.Equal(t, []byte{0x87}, ack.Reasons, filter)
	}
	_, err = client.Publish(t.Context(), &paho.Publish{Topic: "dt/pump-1/temp", QoS: 1, Payload: []byte("21")})
	require.NoError(t, err)
	for _, topic := range []string{"dt/pump-2/temp", "x", "$aws/things/other/shadow/name/pump-1/update"} {
		_, err = client.Publish(t.Context(), &paho.Publish{Topic: topic, QoS: 1, Payload: []byte("21")})
		require.Error(t, err, topic)
	}
	_, _, err = g.connect(t, c, "pump-2")
	require.Error(t, err, "another client id")
	info, ok := g.Client("pump-1")
	require.True(t, ok)
	require.Equal(t, d.CertificateID, info.Principal)
	require.Equal(t, d.CertificateARN, info.PrincipalARN)

	// Once more: another certificate of the same thing, which goes on with its session.
	again, c2 := g.device(t, "pump-1")
	require.NotEqual(t, d.CertificateID, again.CertificateID)
	_, _, err = g.connect(t, c2, "pump-1")
	require.NoError(t, err)
}

func TestProvision_Refused(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	_, err := g.Provision(t.Context(), "pump 1")
	require.ErrorIs(t, err, registry.ErrInvalid)
	_, err = g.Provision(t.Context(), "pump-1", "none")
	require.ErrorIs(t, err, access.ErrNotFound)
	_, err = g.Registry().DescribeThing(t.Context(), "pump-1")
	require.ErrorIs(t, err, registry.ErrNotFound, "what was made is taken back")
	list, _, err := g.Certificates().ListCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	require.Empty(t, list)
}

// Whatever takes a certificate's right away ends its connection at once, without its
// will; nobody comes in with it any more, whatever else he has.
func TestRevocation(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(g *guarded, d *thinghub.Device) error{
		"revoked": func(g *guarded, d *thinghub.Device) error {
			return g.Certificates().UpdateCertificate(t.Context(), d.CertificateID, certs.Revoked)
		},
		"inactive": func(g *guarded, d *thinghub.Device) error {
			return g.Certificates().UpdateCertificate(t.Context(), d.CertificateID, certs.Inactive)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t)
			wills := make(chan string, 1)
			stop, err := g.Subscribe(t.Context(), "dt/pump-1/will", func(m *thinghub.Message) { wills <- m.Topic })
			require.NoError(t, err)
			defer stop()
			d, c := g.device(t, "pump-1")
			_, other := g.device(t, "pump-2")
			_, err = g.Users().Create(t.Context(), users.NewUser{Name: "alice", Password: "alice-password"})
			require.NoError(t, err)
			_, lost, err := g.connect(t, c, "pump-1", func(c *paho.Connect) { c.WillMessage = &paho.WillMessage{Topic: "dt/pump-1/will"} })
			require.NoError(t, err)
			stays, _, err := g.connect(t, other, "pump-2")
			require.NoError(t, err)
			require.NoError(t, revoke(g, d))
			select {
			case code := <-lost:
				require.Equal(t, byte(broker.NotAuthorized), code)
			case <-time.After(patience):
				require.FailNow(t, "the connection stays")
			}
			_, up := g.Client("pump-1")
			require.False(t, up)
			_, _, err = g.connect(t, c, "pump-1", func(c *paho.Connect) {
				c.UsernameFlag, c.Username, c.PasswordFlag, c.Password = true, "alice", true, []byte("alice-password")
			})
			require.Error(t, err)
			_, err = stays.Publish(t.Context(), &paho.Publish{Topic: "dt/pump-2/x", QoS: 1})
			require.NoError(t, err)
			require.Empty(t, wills)
		})
	}
}

// Policies and attachments act on open connections, and cut none.
func TestPolicies_OnOpenConnections(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	d, c := g.device(t, "pump-1")
	client, lost, err := g.connect(t, c, "pump-1")
	require.NoError(t, err)
	may := func() bool {
		_, err := client.Publish(t.Context(), &paho.Publish{Topic: "x", QoS: 1})
		return err == nil
	}
	require.False(t, may())
	g.policy(t, "x", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}}`, d.CertificateARN)
	require.True(t, may())
	require.NoError(t, g.Policies().DetachPolicy(t.Context(), "x", d.CertificateARN))
	require.False(t, may())
	_, err = g.Registry().CreateThingGroup(t.Context(), registry.CreateGroupInput{Name: "pumps"})
	require.NoError(t, err)
	require.NoError(t, g.Policies().AttachPolicy(t.Context(), "x", g.Registry().GroupARN("pumps")))
	require.False(t, may())
	require.NoError(t, g.Registry().AddThingToThingGroup(t.Context(), registry.Membership{Group: "pumps", Thing: "pump-1"}))
	require.True(t, may())
	require.NoError(t, g.Registry().RemoveThingFromThingGroup(t.Context(), registry.Membership{Group: "pumps", Thing: "pump-1"}))
	require.False(t, may())
	require.ErrorIs(t, g.Policies().AttachPolicy(t.Context(), "x", g.Registry().GroupARN("none")), access.ErrNotFound)
	require.ErrorIs(t, g.Policies().AttachPolicy(t.Context(), "x", g.Certificates().ARN(strings.Repeat("0", 64))), access.ErrNotFound)
	require.ErrorIs(t, g.Policies().AttachPolicy(t.Context(), "x", g.Certificates().ARN(strings.ToUpper(d.CertificateID))), access.ErrNotFound)
	require.Empty(t, lost)
}

// Users come in with their password, and go when it is changed.
func TestUsers(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	_, err := g.Users().Create(t.Context(), users.NewUser{Name: "alice", Password: "alice-password"})
	require.NoError(t, err)
	g.policy(t, "all", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:*","Resource":"*"}}`, g.Users().ARN("alice"))
	as := func(password string) func(*paho.Connect) {
		return func(c *paho.Connect) {
			c.UsernameFlag, c.Username, c.PasswordFlag, c.Password = true, "alice?SDK=Test", true, []byte(password)
		}
	}
	trust := &tls.Config{RootCAs: g.Certificates().CAPool()}
	_, _, err = g.connect(t, trust, "a", as("wrong"))
	require.Error(t, err)
	_, _, err = g.connect(t, trust, "a")
	require.Error(t, err, "no credentials")
	_, lost, err := g.connect(t, trust, "a", as("alice-password"))
	require.NoError(t, err)
	require.NoError(t, g.Users().SetPassword(t.Context(), "alice", "another-password"))
	select {
	case code := <-lost:
		require.Equal(t, byte(broker.NotAuthorized), code)
	case <-time.After(patience):
		require.FailNow(t, "the connection stays")
	}
	// However a user's policies read, the control plane is not for users.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://hub.test/things", http.NoBody)
	require.NoError(t, err)
	r.SetBasicAuth("alice", "another-password")
	require.Equal(t, 403, serve(g.ControlPlane(), r).Code)
}

// Who signs with an access key may do what is attached to its user.
func TestAccessKeys(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	key, secret, err := g.AccessKeys().Create(t.Context(), "admin")
	require.NoError(t, err)
	ask := func(method, path, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://hub.test"+path, strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, sigv4.Signer{ID: key.ID, Secret: secret, Region: "local", Service: "iot"}.Sign(r, []byte(body)))
		return serve(g.Handler(), r).Code
	}
	require.Equal(t, 403, ask("POST", "/things/a", `{}`))
	g.policy(t, "admin", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:CreateThing","iot:ListThings"],"Resource":"*"}]}`, g.AccessKeys().ARN("admin"))
	require.Equal(t, 200, ask("POST", "/things/a", `{}`))
	require.Equal(t, 200, ask("GET", "/things", ""))
	require.Equal(t, 403, ask("DELETE", "/things/a", ""))
	require.NoError(t, g.AccessKeys().SetDisabled(t.Context(), key.ID, true))
	require.Equal(t, 401, ask("GET", "/things", ""))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://hub.test/things", http.NoBody)
	require.NoError(t, err)
	require.Equal(t, 401, serve(g.Handler(), r).Code)
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

package thinghub_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/broker"
)

// https serves everything of a hub on one more port, which it returns.
func (g *guarded) https(t *testing.T) string {
	t.Helper()
	server, err := g.Certificates().IssueServer("localhost")
	require.NoError(t, err)
	srv := &http.Server{
		Handler: g.Handler(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{server}}, ReadHeaderTimeout: patience,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	g.ConfigureServer(srv)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = srv.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = srv.Close() })
	return l.Addr().String()
}

// A way is one in which somebody comes in: TLS, and perhaps HTTP with what it takes.
type way struct {
	g       *guarded
	resumed bool // the last one
	addr    string
	tls     *tls.Config
	connect paho.Connect
	web     func(r *http.Request) // nil: MQTT without HTTP
	url     func() string         // of the WebSocket; nil: the plain one
}

func (w *way) dial(ctx context.Context, protos ...string) (net.Conn, error) {
	c := w.tls.Clone()
	c.ServerName = "localhost"
	if len(protos) > 0 {
		c.NextProtos = protos
	}
	nc, err := (&tls.Dialer{Config: c}).DialContext(ctx, "tcp", w.addr)
	if err == nil {
		w.resumed = nc.(*tls.Conn).ConnectionState().DidResume
	}
	return nc, err
}

// enter connects; lost gets what the connection ends with.
func (w *way) enter(t *testing.T) (client *paho.Client, lost chan byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var nc net.Conn
	if w.web == nil {
		if nc, err = w.dial(ctx); err != nil {
			return nil, nil, err
		}
	} else {
		url := "wss://localhost/mqtt"
		if w.url != nil {
			url = w.url()
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.Replace(url, "wss:", "https:", 1), http.NoBody)
		require.NoError(t, err)
		w.web(r)
		ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{ //nolint:bodyclose // the library closes it
			Subprotocols: []string{"mqtt"}, HTTPHeader: r.Header,
			HTTPClient: &http.Client{Transport: &http.Transport{DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) }}},
		})
		if err != nil {
			return nil, nil, err
		}
		nc = websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
	}
	t.Cleanup(func() { _ = nc.Close() })
	lost = make(chan byte, 2)
	client = paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(nc), PacketTimeout: patience,
		OnServerDisconnect: func(d *paho.Disconnect) { lost <- d.ReasonCode },
		OnClientError:      func(error) { lost <- 0xff },
	})
	hello := w.connect
	_, err = client.Connect(ctx, &hello)
	return client, lost, err
}

// Whatever lets somebody in is taken away again: what they have open ends at once, and
// nothing lets them in again, however they come.
func TestRevocation_EveryWay(t *testing.T) {
	t.Parallel()
	nothing := func(*http.Request) {}
	signed := func(s *sigv4.Signer) func(r *http.Request) {
		return func(r *http.Request) { _ = s.Sign(r, nil) }
	}
	// Each makes somebody who may do everything, and says how to take that away.
	type entry struct {
		make  func(t *testing.T, g *guarded, w *way) (take map[string]func(ctx context.Context) error)
		cause []string
	}
	device := func(change func(w *way)) entry {
		return entry{func(t *testing.T, g *guarded, w *way) map[string]func(context.Context) error {
			d, c := g.device(t, "pump-1", "all")
			w.tls, w.connect.ClientID = c, "pump-1"
			change(w)
			set := func(s certs.Status) func(ctx context.Context) error {
				return func(ctx context.Context) error { return g.Certificates().UpdateCertificate(ctx, d.CertificateID, s) }
			}
			return map[string]func(context.Context) error{
				"revoked": set(certs.Revoked), "inactive": set(certs.Inactive),
			}
		}, []string{"revoked", "inactive"}}
	}
	keys := func(change func(w *way, s *sigv4.Signer)) entry {
		return entry{func(t *testing.T, g *guarded, w *way) map[string]func(context.Context) error {
			key, secret, err := g.AccessKeys().Create(t.Context(), "app")
			require.NoError(t, err)
			require.NoError(t, g.Policies().AttachPolicy(t.Context(), "all", g.AccessKeys().ARN("app")))
			w.tls, w.connect.ClientID = &tls.Config{RootCAs: g.Certificates().CAPool()}, "app"
			change(w, &sigv4.Signer{ID: key.ID, Secret: secret, Region: "local", Service: "iotdevicegateway"})
			return map[string]func(context.Context) error{
				"disabled": func(ctx context.Context) error { return g.AccessKeys().SetDisabled(ctx, key.ID, true) },
				"deleted":  func(ctx context.Context) error { return g.AccessKeys().Delete(ctx, key.ID) },
			}
		}, []string{"disabled", "deleted"}}
	}
	people := func(change func(w *way)) entry {
		return entry{func(t *testing.T, g *guarded, w *way) map[string]func(context.Context) error {
			_, err := g.Users().Create(t.Context(), users.NewUser{Name: "alice", Password: "alice-password"})
			require.NoError(t, err)
			require.NoError(t, g.Policies().AttachPolicy(t.Context(), "all", g.Users().ARN("alice")))
			w.tls = &tls.Config{RootCAs: g.Certificates().CAPool()}
			w.connect.ClientID, w.connect.UsernameFlag, w.connect.Username = "alice", true, "alice"
			w.connect.PasswordFlag, w.connect.Password = true, []byte("alice-password")
			change(w)
			return map[string]func(context.Context) error{
				"new password": func(ctx context.Context) error { return g.Users().SetPassword(ctx, "alice", "another-password") },
				"deleted":      func(ctx context.Context) error { return g.Users().Delete(ctx, "alice") },
			}
		}, []string{"new password", "deleted"}}
	}
	for name, e := range map[string]entry{
		"certificate, TLS 1.2": device(func(w *way) { w.tls.MaxVersion = tls.VersionTLS12 }),
		"certificate, TLS 1.3": device(func(w *way) { w.tls.MinVersion = tls.VersionTLS13 }),
		"certificate, ALPN": device(func(w *way) {
			w.addr, w.tls.NextProtos = w.g.https(t), []string{certs.ALPNMQTT}
		}),
		"certificate, WebSocket":         device(func(w *way) { w.addr, w.web = w.g.https(t), nothing }),
		"certificate, a resumed session": device(func(w *way) { w.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1) }),
		"access key, signed header":      keys(func(w *way, s *sigv4.Signer) { w.addr, w.web = w.g.https(t), signed(s) }),
		"access key, presigned URL": keys(func(w *way, s *sigv4.Signer) {
			w.addr, w.web = w.g.https(t), nothing
			w.url = func() string {
				url, err := s.Presign(http.MethodGet, "wss://localhost/mqtt", time.Minute)
				require.NoError(t, err)
				return url
			}
		}),
		"password":            people(func(*way) {}),
		"password, WebSocket": people(func(w *way) { w.addr, w.web = w.g.https(t), nothing }),
		"password, WebSocket, HTTP": people(func(w *way) {
			w.addr, w.web = w.g.https(t), func(r *http.Request) { r.SetBasicAuth("alice", "alice-password") }
		}),
	} {
		for _, cause := range e.cause {
			t.Run(name+"/"+cause, func(t *testing.T) {
				t.Parallel()
				g := newGuarded(t)
				g.policy(t, "all", allowAnyone)
				w := &way{g: g, addr: g.addr, connect: paho.Connect{CleanStart: true, KeepAlive: 30}}
				take := e.make(t, g, w)[cause]
				client, _, err := w.enter(t)
				require.NoError(t, err)
				require.NoError(t, client.Disconnect(&paho.Disconnect{}))
				client, lost, err := w.enter(t)
				require.NoError(t, err)
				require.Equal(t, w.tls.ClientSessionCache != nil, w.resumed)
				_, err = client.Publish(t.Context(), &paho.Publish{Topic: "x", QoS: 1})
				require.NoError(t, err)
				require.NoError(t, take(t.Context()))
				select {
				case code := <-lost:
					require.Equal(t, byte(broker.NotAuthorized), code)
				case <-time.After(patience):
					require.FailNow(t, "the connection stays")
				}
				require.Empty(t, g.Clients())
				_, _, err = w.enter(t)
				require.Error(t, err)
			})
		}
	}
}

// One connection brings many requests: each is asked about anew.
func TestRevocation_KeepAlive(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.policy(t, "all", allowAnyone)
	addr := g.https(t)
	one, first := g.device(t, "pump-1", "all")
	two, second := g.device(t, "pump-1", "all")
	off := func(d *thinghub.Device) func() error {
		return func() error { return g.Certificates().UpdateCertificate(t.Context(), d.CertificateID, certs.Inactive) }
	}
	trust := &tls.Config{RootCAs: g.Certificates().CAPool()}
	key, secret, err := g.AccessKeys().Create(t.Context(), "app")
	require.NoError(t, err)
	_, err = g.Users().Create(t.Context(), users.NewUser{Name: "alice", Password: "alice-password"})
	require.NoError(t, err)
	for _, arn := range []string{g.AccessKeys().ARN("app"), g.Users().ARN("alice")} {
		require.NoError(t, g.Policies().AttachPolicy(t.Context(), "all", arn))
	}
	for name, who := range map[string]struct {
		tls    *tls.Config
		protos []string
		sign   func(r *http.Request)
		take   func() error
	}{
		"certificate":       {first, nil, func(*http.Request) {}, off(one)},
		"certificate, ALPN": {second, []string{certs.ALPNHTTP}, func(*http.Request) {}, off(two)},
		"access key": {trust, nil, func(r *http.Request) {
			require.NoError(t, sigv4.Signer{ID: key.ID, Secret: secret, Region: "local", Service: "iotdata"}.Sign(r, nil))
		}, func() error { return g.AccessKeys().SetDisabled(t.Context(), key.ID, true) }},
		"password": {trust, nil, func(r *http.Request) { r.SetBasicAuth("alice", "alice-password") }, func() error { return g.Users().Delete(t.Context(), "alice") }},
	} {
		w := &way{g: g, addr: addr, tls: who.tls}
		nc, err := w.dial(t.Context(), who.protos...)
		require.NoError(t, err)
		defer func() { _ = nc.Close() }()
		back := bufio.NewReader(nc)
		ask := func() int {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/topics/x?qos=1", http.NoBody)
			require.NoError(t, err)
			who.sign(r)
			require.NoError(t, r.Write(nc))
			a, err := http.ReadResponse(back, r)
			require.NoError(t, err, name)
			_, err = io.Copy(io.Discard, a.Body)
			require.NoError(t, err)
			require.NoError(t, a.Body.Close())
			return a.StatusCode
		}
		require.Equal(t, 200, ask(), name)
		require.NoError(t, who.take())
		require.Contains(t, []int{401, 403}, ask(), name)
	}
}

// Who has signed in with a key loses what its user, its group or its role loses, and keeps
// the connection.
func TestPolicies_OnSignedConnections(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := newGuarded(t)
	g.policy(t, "connect", allows("iot:Connect", "client/*"))
	g.policy(t, "publish", allows("iot:Publish", "topic/*"))
	p := g.Policies()
	key, secret, err := g.AccessKeys().Create(ctx, "app")
	require.NoError(t, err)
	user, role, group := g.AccessKeys().ARN("app"), g.Roles().RoleARN("app"), p.UserGroupARN("apps")
	temporary, err := g.Roles().Issue(ctx, roles.Grant{Role: role, Session: "session", Duration: time.Hour})
	require.NoError(t, err)
	require.NoError(t, p.AddUserToGroup(ctx, user, group))
	addr := g.https(t)
	for _, c := range []struct {
		signer      sigv4.Signer
		who, target string
	}{
		{sigv4.Signer{ID: key.ID, Secret: secret}, user, user},
		{sigv4.Signer{ID: key.ID, Secret: secret}, user, group},
		{sigv4.Signer{ID: temporary.AccessKeyID, Secret: temporary.SecretAccessKey, Token: temporary.SessionToken}, role, role},
	} {
		c.signer.Region, c.signer.Service = "local", "iotdevicegateway"
		require.NoError(t, p.AttachPolicy(ctx, "connect", c.who))
		w := &way{g: g, addr: addr, tls: &tls.Config{RootCAs: g.Certificates().CAPool()}, connect: paho.Connect{ClientID: "app", CleanStart: true, KeepAlive: 30}}
		w.web = func(r *http.Request) { require.NoError(t, c.signer.Sign(r, nil)) }
		client, lost, err := w.enter(t)
		require.NoError(t, err, c.target)
		may := func() bool {
			_, err := client.Publish(ctx, &paho.Publish{Topic: "x", QoS: 1})
			return err == nil
		}
		require.False(t, may(), c.target)
		require.NoError(t, p.AttachPolicy(ctx, "publish", c.target))
		require.True(t, may(), c.target)
		require.NoError(t, p.DetachPolicy(ctx, "publish", c.target))
		require.False(t, may(), c.target)
		require.NoError(t, p.DetachPolicy(ctx, "connect", c.who))
		require.Empty(t, lost)
		_, _, err = w.enter(t)
		require.Error(t, err, c.target)
		require.NoError(t, client.Disconnect(&paho.Disconnect{}))
	}
}

// Who comes in while it is taken away is cut or refused, whoever is faster.
func TestRevocation_Race(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := newGuarded(t)
	g.policy(t, "all", allowAnyone)
	addr := g.https(t)
	trust := &tls.Config{RootCAs: g.Certificates().CAPool()}
	for round := range 5 {
		d, device := g.device(t, fmt.Sprint("pump-", round), "all")
		name := fmt.Sprint("app-", round)
		key, secret, err := g.AccessKeys().Create(ctx, name)
		require.NoError(t, err)
		_, err = g.Users().Create(ctx, users.NewUser{Name: name, Password: "app-password"})
		require.NoError(t, err)
		for _, arn := range []string{g.AccessKeys().ARN(name), g.Users().ARN(name)} {
			require.NoError(t, g.Policies().AttachPolicy(ctx, "all", arn))
		}
		signer := sigv4.Signer{ID: key.ID, Secret: secret, Region: "local", Service: "iotdevicegateway"}
		var all sync.WaitGroup
		for i := range 6 {
			for kind, w := range []way{
				{tls: device, addr: g.addr},
				{tls: trust, addr: addr, web: func(r *http.Request) { _ = signer.Sign(r, nil) }},
				{tls: trust, addr: g.addr, connect: paho.Connect{UsernameFlag: true, Username: name, PasswordFlag: true, Password: []byte("app-password")}},
			} {
				w.g, w.connect.ClientID, w.connect.CleanStart, w.connect.KeepAlive = g, fmt.Sprint(kind, "-", i), true, 30
				all.Go(func() { _, _, _ = w.enter(t) })
			}
		}
		for _, take := range []func() error{
			func() error { return g.Certificates().UpdateCertificate(ctx, d.CertificateID, certs.Revoked) },
			func() error { return g.AccessKeys().SetDisabled(ctx, key.ID, true) },
			func() error { return g.Users().Delete(ctx, name) },
		} {
			all.Go(func() {
				if err := take(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Eventually(t, func() bool { return len(g.Clients()) == 0 }, patience, time.Millisecond, "%v", g.Clients())
	}
}

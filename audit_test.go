package thinghub_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/users"
)

// trail keeps what a hub's Auditor is told.
type trail struct {
	mu  sync.Mutex
	all []*auth.Event
}

func (a *trail) audit(e *auth.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, e)
}

// events are all that are kept.
func (a *trail) events() []*auth.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.all)
}

// next waits for an event of a kind, and takes it and all before it.
func (a *trail) next(t *testing.T, service, operation string, outcome auth.Outcome) *auth.Event {
	t.Helper()
	var found *auth.Event
	require.Eventually(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		i := slices.IndexFunc(a.all, func(e *auth.Event) bool {
			return e.Service == service && e.Operation == operation && e.Outcome == outcome
		})
		if i >= 0 {
			found, a.all = a.all[i], a.all[i+1:]
		}
		return found != nil
	}, patience, time.Millisecond, "%s %s %s of %v", service, operation, outcome, a)
	return found
}

func (a *trail) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b strings.Builder
	for _, e := range a.all {
		fmt.Fprintf(&b, "\n%s %s %s %s", e.Service, e.Operation, e.Outcome, e.Why())
	}
	return b.String()
}

// Whatever is refused, by whatever way somebody comes in, is told with what decided.
func TestAudit(t *testing.T) {
	t.Parallel()
	log := &trail{}
	g := newGuarded(t, func(c *thinghub.Config) { c.Audit = log.audit })
	d, c := g.device(t, "pump-1")

	client, _, err := g.connect(t, c, "pump-1")
	require.NoError(t, err)
	e := log.next(t, "mqtt", "Connect", auth.Accepted)
	require.Equal(t, "pump-1", e.ClientID)
	require.Equal(t, d.CertificateID, e.Principal)
	require.Equal(t, d.CertificateARN, e.PrincipalARN)
	require.True(t, strings.HasPrefix(e.RemoteAddr, "127.0.0.1:"), e.RemoteAddr)
	require.WithinDuration(t, time.Now(), e.Time, time.Minute)

	_, err = client.Publish(t.Context(), &paho.Publish{Topic: "dt/pump-2/temp", QoS: 1})
	require.Error(t, err)
	e = log.next(t, "mqtt", "Publish", auth.Forbidden)
	require.Equal(t, "dt/pump-2/temp", e.Resource)
	require.Equal(t, auth.Publish, e.Action)
	require.Equal(t, d.CertificateID, e.Principal)
	require.Equal(t, d.CertificateARN, e.PrincipalARN)
	require.Contains(t, e.Why(), "no statement")

	g.policy(t, "quiet", `{"Version":"2012-10-17","Statement":[{"Sid":"NoCommands","Effect":"Deny","Action":"iot:Receive","Resource":"*"}]}`, d.CertificateARN)
	_, err = client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "cmd/pump-1/#", QoS: 1}}})
	require.NoError(t, err)
	require.NoError(t, g.Publish(t.Context(), "cmd/pump-1/stop", nil))
	e = log.next(t, "mqtt", "Receive", auth.Forbidden)
	require.Equal(t, "cmd/pump-1/stop", e.Resource)
	require.Equal(t, "pump-1", e.ClientID)
	require.Contains(t, e.Why(), "quiet")
	require.Contains(t, e.Why(), "NoCommands")

	_, err = client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "#"}}})
	require.Error(t, err)
	require.Equal(t, "#", log.next(t, "mqtt", "Subscribe", auth.Forbidden).Resource)

	_, _, err = g.connect(t, c, "pump-2")
	require.Error(t, err)
	e = log.next(t, "mqtt", "Connect", auth.Forbidden)
	require.Equal(t, "pump-2", e.ClientID)
	require.Equal(t, d.CertificateID, e.Principal)
	require.Equal(t, d.CertificateARN, e.PrincipalARN)

	trust := &tls.Config{RootCAs: g.Certificates().CAPool()}
	_, _, err = g.connect(t, trust, "a", func(c *paho.Connect) {
		c.UsernameFlag, c.Username, c.PasswordFlag, c.Password = true, "nobody", true, []byte("a secret word")
	})
	require.Error(t, err)
	e = log.next(t, "mqtt", "Connect", auth.Refused)
	require.Empty(t, e.Principal)
	require.Equal(t, "nobody", e.User)
	require.NotContains(t, fmt.Sprint(*e, e.Why()), "a secret word")

	// A handshake.
	require.NoError(t, g.Certificates().UpdateCertificate(t.Context(), d.CertificateID, certs.Revoked))
	_, _, err = g.connect(t, c, "pump-1")
	require.Error(t, err)
	e = log.next(t, "tls", "Handshake", auth.Refused)
	require.Empty(t, e.Principal, "which was not proved")
	require.Contains(t, e.Why(), d.CertificateID+" is REVOKED")

	// HTTP.
	key, secret, err := g.AccessKeys().Create(t.Context(), "admin")
	require.NoError(t, err)
	g.policy(t, "admin", `{"Version":"2012-10-17","Statement":[{"Sid":"Make","Effect":"Allow","Action":["iot:CreateThing","iot:DescribeThing","iot:GetTopicRule"],"Resource":"*"},
		{"Sid":"Hands","Effect":"Deny","Action":["iot:DeleteThing","iot:GetThingShadow"],"Resource":"*"}]}`, g.AccessKeys().ARN("admin"))
	ask := func(method, path, secret, service string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://hub.test"+path, http.NoBody)
		require.NoError(t, err)
		r.RemoteAddr = "192.0.2.7:4711"
		require.NoError(t, sigv4.Signer{ID: key.ID, Secret: secret, Region: "local", Service: service}.Sign(r, nil))
		return serve(g.Handler(), r).Code
	}
	require.Equal(t, 200, ask("POST", "/things/a", secret, "iot"))
	e = log.next(t, "iot", "CreateThing", auth.Accepted)
	require.Equal(t, "thing/a", e.Resource)
	require.Equal(t, auth.Action("iot:CreateThing"), e.Action)
	require.Equal(t, g.AccessKeys().ARN("admin"), e.PrincipalARN)
	require.Equal(t, "192.0.2.7:4711", e.RemoteAddr)
	require.NoError(t, e.Err)
	require.Equal(t, 404, ask("GET", "/things/none", secret, "iot"))
	log.next(t, "iot", "DescribeThing", auth.Failed)
	require.Equal(t, 401, ask("GET", "/rules/none", secret, "iot"))
	log.next(t, "iot", "GetTopicRule", auth.Failed) // AWS says 401 for a rule that is not there
	require.Equal(t, 403, ask("DELETE", "/things/a", secret, "iot"))
	e = log.next(t, "iot", "DeleteThing", auth.Forbidden)
	require.Contains(t, e.Why(), "admin")
	require.Contains(t, e.Why(), "Hands")
	require.Equal(t, 401, ask("GET", "/things/a", "another key", "iot"))
	e = log.next(t, "iot", "DescribeThing", auth.Refused)
	require.Contains(t, e.Why(), "signature")
	require.NotContains(t, e.Why(), "another key")
	require.Equal(t, 403, ask("GET", "/things/a/shadow", secret, "iotdata"))
	require.Contains(t, log.next(t, "iotdata", "GetThingShadow", auth.Forbidden).Why(), "Hands")

	// The credential provider.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://hub.test/role-aliases/a/credentials", http.NoBody)
	require.NoError(t, err)
	require.Equal(t, 401+2, serve(g.Handler(), r).Code)
	log.next(t, "credentials", "AssumeRoleWithCertificate", auth.Refused)
	_, other := g.device(t, "pump-2")
	leaf, err := x509.ParseCertificate(other.Certificates[0].Certificate[0])
	require.NoError(t, err)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, HandshakeComplete: true}
	require.Equal(t, 403, serve(g.Handler(), r).Code)
	e = log.next(t, "credentials", "AssumeRoleWithCertificate", auth.Forbidden)
	require.NotEmpty(t, e.Principal)
	require.NotEmpty(t, e.Why())

	// Fleet provisioning.
	claim, err := g.Certificates().IssueKeys(t.Context(), certs.Terms{Status: certs.Active})
	require.NoError(t, err)
	g.policy(t, "all", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:*","Resource":"*"}}`, claim.ARN)
	pair, err := tls.X509KeyPair([]byte(claim.PEM), []byte(claim.Keys.PrivateKey))
	require.NoError(t, err)
	trust.Certificates = []tls.Certificate{pair}
	client, _, err = g.connect(t, trust, "new")
	require.NoError(t, err)
	_, err = client.Publish(t.Context(), &paho.Publish{Topic: "$aws/provisioning-templates/none/provision/json", QoS: 1, Payload: []byte("{}")})
	require.NoError(t, err)
	e = log.next(t, "provision", "RegisterThing", auth.Failed)
	require.Equal(t, "new", e.ClientID)
	require.Equal(t, claim.ID, e.Principal)
	require.Error(t, e.Err)

	counts := map[string]uint64{}
	for _, n := range g.AuthCounts() {
		counts[fmt.Sprint(n.Service, " ", n.Operation, " ", n.Outcome)] = n.Number
	}
	require.EqualValues(t, 2, counts["mqtt Connect accepted"])
	require.EqualValues(t, 1, counts["mqtt Connect forbidden"])
	require.EqualValues(t, 1, counts["mqtt Connect refused"])
	require.EqualValues(t, 1, counts["tls Handshake refused"])
	require.EqualValues(t, 1, counts["iot DescribeThing failed"])
	require.EqualValues(t, 1, counts["credentials AssumeRoleWithCertificate refused"])
}

// Without an Auditor the log has the refusals, and not more of them than a log can have.
func TestAudit_Log(t *testing.T) {
	t.Parallel()
	var b lockedBuffer
	g := newGuarded(t, func(c *thinghub.Config) { c.Logger = slog.New(slog.NewTextHandler(&b, nil)) })
	_, c := g.device(t, "pump-1")
	client, _, err := g.connect(t, c, "pump-1")
	require.NoError(t, err)
	for range 1000 {
		_, err = client.Publish(t.Context(), &paho.Publish{Topic: "dt/pump-2/temp", QoS: 1})
		require.Error(t, err)
	}
	for _, part := range []string{`level=INFO msg="auth: forbidden" service=mqtt operation=Publish client=pump-1 principal=`, "action=iot:Publish", "resource=dt/pump-2/temp", `why="no statement`} {
		require.Contains(t, b.String(), part)
	}
	require.NotContains(t, b.String(), "accepted")
	lines := strings.Count(b.String(), "forbidden")
	var told uint64
	for _, n := range g.AuthCounts() {
		if n.Operation == "Publish" {
			told = n.Number
		}
	}
	require.EqualValues(t, 1000, told)
	require.Less(t, lines, 1000)
	require.Positive(t, lines)
}

// A user's name is in the event of a login that their password does not open.
func TestAudit_User(t *testing.T) {
	t.Parallel()
	log := &trail{}
	g := newGuarded(t, func(c *thinghub.Config) { c.Audit = log.audit })
	_, err := g.Users().Create(t.Context(), users.NewUser{Name: "alice", Password: "alice-password"})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://hub.test/things", http.NoBody)
	require.NoError(t, err)
	r.SetBasicAuth("alice", "wrong-password")
	require.Equal(t, 401, serve(g.ControlPlane(), r).Code)
	e := log.next(t, "iot", "ListThings", auth.Refused)
	require.Equal(t, "alice", e.User)
	require.NotContains(t, fmt.Sprint(*e, e.Why()), "wrong-password")
	r.SetBasicAuth("alice", "alice-password")
	require.Equal(t, 403, serve(g.ControlPlane(), r).Code)
	e = log.next(t, "iot", "ListThings", auth.Forbidden)
	require.Equal(t, "alice", e.User)
	require.Equal(t, g.Users().ARN("alice"), e.PrincipalARN)
}

// lockedBuffer is a buffer that many may write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

package userpool_test

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// cheap hashes keep the tests short.
var cheap = userpool.HashParams{Memory: 64, Time: 1, Parallelism: 1}

// keys are made once for all tests.
var keys = sync.OnceValue(func() []*rsa.PrivateKey {
	return []*rsa.PrivateKey{userpool.GenerateKey(), userpool.GenerateKey(), userpool.GenerateKey()}
})

// nextKey returns them one after another.
func (r *rig) nextKey() *rsa.PrivateKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := keys()[r.made%len(keys())]
	r.made++
	return k
}

const (
	poolID   = "eu-central-1_TestPool1"
	appID    = "app"
	secretID = "web"
	secret   = "0123456789abcdefghijklmnop"
	goodPass = "Passw0rd!"
)

// A rig is a service with a pool, a client with and one without a secret, and a clock.
type rig struct {
	*userpool.Service
	t       testing.TB
	ctx     context.Context
	dir     auth.Directory
	outbox  *userpool.Outbox
	mu      sync.Mutex
	clock   time.Time
	made    int
	changed []string
	events  []auth.Event
	log     *strings.Builder
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	r.clock = r.clock.Add(d)
	r.mu.Unlock()
}

var allFlows = []string{"ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_CUSTOM_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"}

// config is what rigs begin with.
func config(r *rig) userpool.Config {
	yes := true
	pool := userpool.CreateUserPoolInput{PoolName: "test", Schema: []userpool.SchemaAttribute{
		{Name: "plant", StringAttributeConstraints: &userpool.StringConstraints{MinLength: "1", MaxLength: "10"}, Mutable: &yes},
		{Name: "level", AttributeDataType: "Number", NumberAttributeConstraints: &userpool.NumberConstraints{MinValue: "1", MaxValue: "5"}, Mutable: &yes},
		{Name: "serial"},
	}}
	pool.AutoVerifiedAttributes = []string{"email"}
	pool.AliasAttributes = []string{"email", "phone_number", "preferred_username"}
	pool.MfaConfiguration = "OPTIONAL"
	return userpool.Config{
		Directory: r.dir, Hash: cheap, Scope: userpool.Scope{Region: "eu-central-1", Account: "123456789012"}, Sender: r.outbox, Now: r.now,
		Logger: slog.New(slog.NewTextHandler(lockedWriter{&r.mu, r.log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Audit: func(e *auth.Event) {
			r.mu.Lock()
			r.events = append(r.events, *e)
			r.mu.Unlock()
		},
		Changed: func(pool, sub string) {
			r.mu.Lock()
			r.changed = append(r.changed, pool+" "+sub)
			r.mu.Unlock()
		},
		Pools: []userpool.Definition{{ID: poolID, Pool: pool, Clients: []userpool.ClientDefinition{
			{ID: appID, Client: userpool.CreateUserPoolClientInput{ClientSettings: userpool.ClientSettings{ClientName: "app", ExplicitAuthFlows: allFlows}}},
			{ID: secretID, Secret: secret, Client: userpool.CreateUserPoolClientInput{ClientSettings: userpool.ClientSettings{ClientName: "web", ExplicitAuthFlows: allFlows}}},
		}}},
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func newRig(t testing.TB, change ...func(*userpool.Config)) *rig {
	t.Helper()
	r := &rig{t: t, ctx: t.Context(), dir: auth.NewMemory(), outbox: &userpool.Outbox{}, clock: noon, log: &strings.Builder{}}
	r.open(change...)
	return r
}

// open opens a service on the rig's directory, as another hub would.
func (r *rig) open(change ...func(*userpool.Config)) {
	r.t.Helper()
	cfg := config(r)
	for _, c := range change {
		c(&cfg)
	}
	s, err := userpool.New(cfg)
	require.NoError(r.t, err)
	userpool.UseKeys(s, r.nextKey)
	r.Service = s
}

func attrs(pairs ...string) (list []userpool.Attribute) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, userpool.Attribute{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

func value(list []userpool.Attribute, name string) string {
	for _, a := range list {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// user makes a confirmed user with a password.
func (r *rig) user(name string, pairs ...string) {
	r.t.Helper()
	_, err := r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: name, UserAttributes: attrs(pairs...), MessageAction: "SUPPRESS"})
	require.NoError(r.t, err)
	r.setPassword(name, goodPass)
}

func (r *rig) setPassword(name, password string) {
	r.t.Helper()
	_, err := r.AdminSetUserPassword(r.ctx, userpool.AdminSetUserPasswordInput{UserPoolID: poolID, Username: name, Password: password, Permanent: true})
	require.NoError(r.t, err)
}

func (r *rig) get(name string) userpool.AdminGetUserOutput {
	r.t.Helper()
	u, err := r.AdminGetUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: name})
	require.NoError(r.t, err)
	return u
}

// try signs in with a password.
func (r *rig) try(name, password string) (userpool.AuthOutput, error) {
	return r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": name, "PASSWORD": password}})
}

// login is try for a sign-in that must succeed.
func (r *rig) login(name string) *userpool.AuthenticationResult {
	r.t.Helper()
	out, err := r.try(name, goodPass)
	require.NoError(r.t, err)
	require.NotNil(r.t, out.AuthenticationResult, out.ChallengeName)
	return out.AuthenticationResult
}

func (r *rig) refresh(token string) (*userpool.AuthenticationResult, error) {
	out, err := r.GetTokensFromRefreshToken(r.ctx, userpool.GetTokensFromRefreshTokenInput{ClientID: appID, RefreshToken: token})
	return out.AuthenticationResult, err
}

// code is the code that was sent last to an address.
func (r *rig) code(to string) string {
	r.t.Helper()
	m, ok := r.outbox.Last(to)
	require.True(r.t, ok, "nothing was sent to %s", to)
	return m.Code
}

// claims are those of a token, unproved.
func claims(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	return m
}

// is requires the kind of an error, and that it has a name in the model.
func is(t testing.TB, err, kind error, part ...string) {
	t.Helper()
	require.ErrorIs(t, err, kind)
	var e *userpool.Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Exception())
	for _, p := range part {
		require.ErrorContains(t, err, p)
	}
}

func contextOf(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

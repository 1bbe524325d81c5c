package identitypool_test

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/internal/signing"
	"github.com/thinghub/thinghub/auth/roles"
)

const (
	google   = "accounts.google.com"
	facebook = "graph.facebook.com"
	people   = "cognito-idp.local.amazonaws.com/local_people"
	corp     = "login.example.com/corp"
	corpARN  = "arn:aws:iam::000000000000:oidc-provider/" + corp
	backend  = "login.example.app"
	own      = "cognito-identity.amazonaws.com"

	app    = "app-1"
	client = "client-1"
)

// providers are login providers that sign with keys of their own. Keys take time to make,
// so all tests have the same.
var providers = sync.OnceValue(func() map[string]*signing.Ring {
	all := map[string]*signing.Ring{}
	for _, name := range []string{google, facebook, people, corp} {
		all[name] = signing.New(signing.Config{
			Directory: auth.NewMemory(), Kind: "key", Issuer: "https://" + name, Every: 24 * time.Hour, Keep: time.Hour, Now: time.Now,
		})
	}
	return all
})

// audiences are the applications that the pool of a rig accepts.
var audiences = map[string]string{google: app, facebook: app, people: client, corp: "anything"}

// sign makes a token of a login provider.
func sign(t testing.TB, provider, subject string, claims map[string]any, life time.Duration) string {
	t.Helper()
	all := map[string]any{"sub": subject, "aud": audiences[provider]}
	for k, v := range claims {
		all[k] = v
	}
	token, err := providers()[provider].Sign(t.Context(), all, life)
	require.NoError(t, err)
	return token
}

// login is the Logins of one token.
func login(t testing.TB, provider, subject string) identitypool.Logins {
	t.Helper()
	return identitypool.Logins{provider: sign(t, provider, subject, nil, time.Hour)}
}

// both joins logins.
func both(a, b identitypool.Logins) identitypool.Logins {
	all := identitypool.Logins{}
	for _, l := range []identitypool.Logins{a, b} {
		for k, v := range l {
			all[k] = v
		}
	}
	return all
}

type rig struct {
	*identitypool.Service
	roles *roles.Service
	dir   auth.Directory
	pool  identitypool.Pool

	mu      sync.Mutex
	at      time.Time
	changes []string
	events  []auth.Event
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = r.at.Add(d)
}

// told returns the identities of which the host was told since the last time.
func (r *rig) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.changes
	r.changes = nil
	return all
}

func (r *rig) config() identitypool.Config {
	verifiers := map[string]auth.TokenVerifier{}
	for name, p := range providers() {
		verifiers[name] = p
	}
	return identitypool.Config{
		Directory: r.dir, Roles: r.roles, Providers: verifiers, Now: r.now, Logger: slog.New(slog.DiscardHandler),
		Audit: func(e *auth.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, *e)
		},
		Changed: func(id string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.changes = append(r.changes, id)
		},
	}
}

// newRig returns a service with a pool that takes logins of all providers and guests, and
// has a role for each kind of them.
func newRig(t testing.TB, changes ...func(*identitypool.Config)) *rig {
	t.Helper()
	r := &rig{dir: auth.NewMemory(), at: time.Now()}
	var err error
	r.roles, err = roles.New(roles.Config{Directory: r.dir, Now: r.now, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	cfg := r.config()
	for _, c := range changes {
		c(&cfg)
	}
	r.Service, err = identitypool.New(cfg)
	require.NoError(t, err)
	r.pool, err = r.CreateIdentityPool(t.Context(), wholePool())
	require.NoError(t, err)
	r.trusting(t, "signed-in", r.pool.ID, "authenticated")
	r.trusting(t, "guest", r.pool.ID, "unauthenticated")
	r.setRoles(t, nil)
	return r
}

func wholePool() identitypool.Pool {
	return identitypool.Pool{
		Name: "people of pumps", AllowUnauthenticated: true, AllowClassicFlow: true,
		LoginProviders:            map[string]string{google: app, facebook: app},
		UserPools:                 []identitypool.UserPool{{ProviderName: people, ClientID: client}, {ProviderName: people, ClientID: "client-2"}},
		OpenIDConnectProviderARNs: []string{corpARN},
		DeveloperProviderName:     backend,
	}
}

func (r *rig) setRoles(t testing.TB, mappings map[string]identitypool.Mapping) {
	t.Helper()
	require.NoError(t, r.SetIdentityPoolRoles(t.Context(), r.pool.ID, identitypool.Roles{
		Roles:    map[string]string{identitypool.Authenticated: r.roles.RoleARN("signed-in"), identitypool.Unauthenticated: r.roles.RoleARN("guest")},
		Mappings: mappings,
	}))
}

// trusting makes a role that trusts a pool.
func (r *rig) trusting(t testing.TB, name, pool, amr string) string {
	t.Helper()
	role, err := r.roles.CreateRole(t.Context(), roles.NewRole{Name: name, TrustPolicy: `{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
		"Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {
			"StringEquals": {"cognito-identity.amazonaws.com:aud": "` + pool + `"}, "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "` + amr + `"}}}}`})
	require.NoError(t, err)
	return role.ARN
}

// identity returns the identity of logins.
func (r *rig) identity(t testing.TB, logins identitypool.Logins) string {
	t.Helper()
	id, err := r.GetID(t.Context(), r.pool.ID, logins)
	require.NoError(t, err)
	return id
}

// key returns the key that credentials stand for, as whoever verifies signatures gets it.
func (r *rig) key(t testing.TB, c roles.Credentials) *auth.Identity {
	t.Helper()
	k, err := r.Keys(r.roles).Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	require.NoError(t, err)
	return k.Identity
}

// usable reports whether credentials are still accepted.
func (r *rig) usable(t testing.TB, c roles.Credentials) bool {
	t.Helper()
	_, err := r.Keys(r.roles).Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	if err != nil {
		require.ErrorIs(t, err, auth.ErrNotFound)
	}
	return err == nil
}

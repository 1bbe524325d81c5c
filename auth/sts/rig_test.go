package sts_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/internal/signing"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sts"
)

const (
	google  = "accounts.google.com"
	amazon  = "www.amazon.com"
	corp    = "arn:aws:iam::000000000000:saml-provider/corp"
	acs     = "https://hub.example.com/saml"
	anna    = "arn:aws:iam::000000000000:user/anna"
	session = "anna"
)

// issuers are login providers, of which the keys take time to make.
var issuers = sync.OnceValue(func() map[string]*signing.Ring {
	all := map[string]*signing.Ring{}
	for _, name := range []string{google, amazon, "evil.example.com"} {
		all[name] = signing.New(signing.Config{Directory: auth.NewMemory(), Kind: "key", Issuer: "https://" + name, Every: 24 * time.Hour, Keep: time.Hour, Now: time.Now})
	}
	return all
})

func sign(t testing.TB, provider, subject string, claims map[string]any, life time.Duration) string {
	t.Helper()
	all := map[string]any{"sub": subject, "aud": "app-1"}
	for k, v := range claims {
		all[k] = v
	}
	token, err := issuers()[provider].Sign(t.Context(), all, life)
	require.NoError(t, err)
	return token
}

// idp is a SAML provider whose assertions are names of what they say.
type idp struct {
	mu   sync.Mutex
	says map[string]*sts.Assertion
	err  error
}

func (p *idp) VerifyAssertion(_ context.Context, assertion string) (*sts.Assertion, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	a, found := p.says[assertion]
	if !found {
		return nil, auth.ErrBadCredentials
	}
	delete(p.says, assertion) // once
	return a, nil
}

type rig struct {
	*sts.Service
	roles *roles.Service
	pools *identitypool.Service
	idp   *idp

	mu     sync.Mutex
	at     time.Time
	events []auth.Event
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func newRig(t testing.TB, changes ...func(*sts.Config)) *rig {
	t.Helper()
	r := &rig{at: time.Now(), idp: &idp{says: map[string]*sts.Assertion{}}}
	dir := auth.NewMemory()
	var err error
	r.roles, err = roles.New(roles.Config{Directory: dir, Now: r.now, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	r.pools, err = identitypool.New(identitypool.Config{
		Directory: dir, Roles: r.roles, Providers: map[string]auth.TokenVerifier{google: issuers()[google]}, Now: r.now, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	cfg := sts.Config{
		Roles: r.roles, IdentityPools: r.pools.WebIdentity(), Now: r.now, Logger: slog.New(slog.DiscardHandler),
		Providers: map[string]auth.TokenVerifier{google: issuers()[google], amazon: issuers()[amazon]},
		SAML:      map[string]sts.AssertionVerifier{corp: r.idp},
		Audit: func(e *auth.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, *e)
		},
	}
	for _, c := range changes {
		c(&cfg)
	}
	r.Service, err = sts.New(cfg)
	require.NoError(t, err)
	return r
}

// role makes a role that trusts a principal of a kind.
func (r *rig) role(t testing.TB, name, kind, principal, condition string, longest time.Duration) string {
	t.Helper()
	made, err := r.roles.CreateRole(t.Context(), roles.NewRole{Name: name, MaxDuration: longest, TrustPolicy: `{"Version": "2012-10-17", "Statement": {
		"Effect": "Allow", "Principal": {"` + kind + `": "` + principal + `"}, "Action": "sts:AssumeRole*", "Condition": {` + condition + `}}}`})
	require.NoError(t, err)
	return made.ARN
}

// holder returns who has credentials.
func (r *rig) holder(t testing.TB, c roles.Credentials) *auth.Identity {
	t.Helper()
	key, err := r.pools.Keys(r.roles).Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	require.NoError(t, err)
	require.Equal(t, c.SecretAccessKey, key.Secret)
	return key.Identity
}

func user(name string) *auth.Identity {
	arn := strings.Replace(anna, "anna", name, 1)
	return &auth.Identity{Principal: arn, ARN: arn, Kind: auth.IAM, Attributes: map[string]string{"aws:username": name, "aws:userid": "AIDAX" + name}}
}

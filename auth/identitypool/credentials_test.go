package identitypool_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	logins := both(login(t, google, "anna"), login(t, people, "a1"))
	id := r.identity(t, logins)
	c, err := r.GetCredentialsForIdentity(ctx, id, logins, "")
	require.NoError(t, err)
	require.WithinDuration(t, r.at.Add(time.Hour), c.Expiration, time.Second)
	key, err := r.Keys(r.roles).Lookup(ctx, c.AccessKeyID, c.SessionToken)
	require.NoError(t, err)
	require.Equal(t, c.SecretAccessKey, key.Secret)
	who := key.Identity
	require.Equal(t, auth.Authenticated, who.Kind)
	require.Equal(t, id, who.Principal)
	require.Equal(t, id, who.Attached())
	require.Equal(t, r.roles.RoleARN("signed-in"), who.Role)
	require.Equal(t, map[string]string{
		roles.PoolSub: id, roles.PoolAud: r.pool.ID, roles.PoolAMR: google + "," + google + ":anna," + people + "," + people + ":CognitoSignIn:a1",
		"aws:PrincipalArn": who.Role, "aws:PrincipalAccount": "000000000000", "aws:userid": roles.RoleID(who.Role) + ":CognitoIdentityCredentials",
	}, who.Attributes)
	// Only those logins that were presented are how somebody has signed in.
	c, err = r.GetCredentialsForIdentity(ctx, id, login(t, people, "a1"), "")
	require.NoError(t, err)
	require.NotContains(t, r.key(t, c).Attributes[roles.PoolAMR], google)

	guest := r.identity(t, nil)
	c, err = r.GetCredentialsForIdentity(ctx, guest, nil, "")
	require.NoError(t, err)
	who = r.key(t, c)
	require.Equal(t, auth.Guest, who.Kind)
	require.Equal(t, r.roles.RoleARN("guest"), who.Role)
	require.NotContains(t, who.Attributes, roles.PoolAMR)

	_, err = r.GetCredentialsForIdentity(ctx, "local:00000000-0000-4000-8000-000000000000", nil, "")
	require.ErrorIs(t, err, identitypool.ErrNotFound)
	for _, bad := range []string{"", "x", "local:G", "a b:00", ":0", "local:"} {
		_, err = r.GetCredentialsForIdentity(ctx, bad, nil, "")
		require.ErrorIs(t, err, identitypool.ErrInvalid)
	}
}

// A subject with a comma cannot speak for other ways of signing in.
func TestCommaInSubject(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	logins := login(t, google, "x,graph.facebook.com")
	c, err := r.GetCredentialsForIdentity(t.Context(), r.identity(t, logins), logins, "")
	require.NoError(t, err)
	require.Equal(t, google, r.key(t, c).Attributes[roles.PoolAMR])
}

// A role is given only if it is there and trusts the pool, whoever has put it there.
func TestRolesMustTrustThePool(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	anna := login(t, google, "anna")
	id := r.identity(t, anna)
	other := r.trusting(t, "other-pool", "local:00000000-0000-4000-8000-000000000000", "authenticated")
	guests := r.trusting(t, "guests-only", r.pool.ID, "unauthenticated")
	for name, role := range map[string]string{
		"for another pool": other, "for guests": guests, "not there": r.roles.RoleARN("none"), "for users": mustRole(t, r, "admin", `{"AWS": "*"}`),
	} {
		require.NoError(t, r.SetIdentityPoolRoles(ctx, r.pool.ID, identitypool.Roles{Roles: map[string]string{identitypool.Authenticated: role}}))
		_, err := r.GetCredentialsForIdentity(ctx, id, anna, "")
		require.ErrorIs(t, err, identitypool.ErrConfiguration, name)
	}
	require.NoError(t, r.SetIdentityPoolRoles(ctx, r.pool.ID, identitypool.Roles{}))
	_, err := r.GetCredentialsForIdentity(ctx, id, anna, "")
	require.ErrorIs(t, err, identitypool.ErrConfiguration, "no role")
	_, err = r.GetCredentialsForIdentity(ctx, r.identity(t, nil), nil, "")
	require.ErrorIs(t, err, identitypool.ErrConfiguration)
}

func mustRole(t testing.TB, r *rig, name, principal string) string {
	t.Helper()
	made, err := r.roles.CreateRole(t.Context(), roles.NewRole{Name: name, TrustPolicy: `{"Statement": {"Effect": "Allow", "Action": "sts:*", "Principal": ` + principal + `}}`})
	require.NoError(t, err)
	return made.ARN
}

func TestRoleMappings(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	arn := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		arn[name] = r.trusting(t, name, r.pool.ID, "authenticated")
	}
	evil := r.trusting(t, "evil", r.pool.ID, "authenticated")
	token := func(ambiguous string) identitypool.Mapping {
		return identitypool.Mapping{Type: identitypool.ByToken, Ambiguous: ambiguous}
	}
	rules := func(ambiguous string, all ...identitypool.Rule) identitypool.Mapping {
		return identitypool.Mapping{Type: identitypool.ByRules, Ambiguous: ambiguous, Rules: &identitypool.Rules{Rules: all}}
	}
	two := map[string]any{"cognito:roles": []string{arn["a"], arn["b"]}}
	with := func(claims map[string]any, name string, v any) map[string]any {
		all := map[string]any{name: v}
		for k, c := range claims {
			all[k] = c
		}
		return all
	}
	usual := r.roles.RoleARN("signed-in")
	byGroup := rules(identitypool.Deny,
		identitypool.Rule{Claim: "cognito:groups", Match: identitypool.Equals, Value: "admins", Role: arn["a"]},
		identitypool.Rule{Claim: "email", Match: identitypool.Contains, Value: "@example.com", Role: arn["b"]},
		identitypool.Rule{Claim: "level", Match: identitypool.Equals, Value: "7", Role: arn["b"]},
		identitypool.Rule{Claim: "dept", Match: identitypool.StartsWith, Value: "eng", Role: arn["c"]},
		identitypool.Rule{Claim: "country", Match: identitypool.NotEqual, Value: "de", Role: arn["c"]})
	for name, c := range map[string]struct {
		mapping  identitypool.Mapping
		key      string
		provider string
		claims   map[string]any
		custom   string
		want     string // empty: refused
	}{
		"no mapping for the provider":          {token(identitypool.Deny), google, people, two, "", usual},
		"roles of a provider without mapping":  {token(identitypool.Deny), google, people, with(nil, "cognito:preferred_role", evil), "", usual},
		"the only role":                        {token(identitypool.Deny), people, people, with(nil, "cognito:roles", []string{arn["b"]}), "", arn["b"]},
		"two roles, denied":                    {token(identitypool.Deny), people, people, two, "", ""},
		"two roles, the default":               {token(identitypool.UseDefault), people, people, two, "", usual},
		"two roles, one preferred":             {token(identitypool.Deny), people, people, with(two, "cognito:preferred_role", arn["b"]), "", arn["b"]},
		"a preferred role that is not there":   {token(identitypool.Deny), people, people, with(two, "cognito:preferred_role", evil), "", ""},
		"a preferred role alone":               {token(identitypool.Deny), people, people, with(nil, "cognito:preferred_role", arn["a"]), "", arn["a"]},
		"no roles, denied":                     {token(identitypool.Deny), people, people, nil, "", ""},
		"no roles, the default":                {token(identitypool.UseDefault), people, people, nil, "", usual},
		"a custom role":                        {token(identitypool.Deny), people, people, two, arn["b"], arn["b"]},
		"a custom role that is not in it":      {token(identitypool.UseDefault), people, people, two, evil, ""},
		"the default as a custom role":         {token(identitypool.UseDefault), people, people, two, usual, ""},
		"a custom role without mapping":        {token(identitypool.UseDefault), google, people, two, arn["a"], ""},
		"a custom role and rules":              {byGroup, people, people, with(two, "cognito:groups", []string{"admins"}), arn["a"], ""},
		"roles that are no list":               {token(identitypool.Deny), people, people, with(nil, "cognito:roles", map[string]any{"a": evil}), "", ""},
		"by the client":                        {token(identitypool.Deny), people + ":" + client, people, with(nil, "cognito:roles", []string{arn["a"]}), "", arn["a"]},
		"by another client":                    {token(identitypool.Deny), people + ":client-2", people, with(nil, "cognito:roles", []string{arn["a"]}), "", usual},
		"by the ARN of the provider":           {token(identitypool.Deny), corpARN, corp, with(nil, "cognito:roles", []string{arn["a"]}), "", arn["a"]},
		"rules: one of a list":                 {byGroup, people, people, with(nil, "cognito:groups", []string{"users", "admins"}), "", arn["a"]},
		"rules: another case of letters":       {byGroup, people, people, with(nil, "cognito:groups", "Admins"), "", ""},
		"rules: part of a name":                {byGroup, people, people, with(nil, "cognito:groups", "admins2"), "", ""},
		"rules: the first that fits":           {byGroup, people, people, map[string]any{"cognito:groups": "admins", "email": "a@example.com"}, "", arn["a"]},
		"rules: contains":                      {byGroup, people, people, with(nil, "email", "a@example.com"), "", arn["b"]},
		"rules: a number":                      {byGroup, people, people, with(nil, "level", 7), "", arn["b"]},
		"rules: starts with":                   {byGroup, people, people, with(nil, "dept", "engineering"), "", arn["c"]},
		"rules: does not start with":           {byGroup, people, people, with(nil, "dept", "reengineering"), "", ""},
		"rules: not equal":                     {byGroup, people, people, with(nil, "country", "fr"), "", arn["c"]},
		"rules: equal":                         {byGroup, people, people, with(nil, "country", "de"), "", ""},
		"rules: a claim that is not there":     {byGroup, people, people, nil, "", ""},
		"rules: none fits, the default":        {rules(identitypool.UseDefault, identitypool.Rule{Claim: "x", Match: identitypool.Equals, Value: "y", Role: evil}), people, people, nil, "", usual},
		"rules: roles in the token are no use": {byGroup, people, people, with(nil, "cognito:roles", []string{evil}), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r.setRoles(t, map[string]identitypool.Mapping{c.key: c.mapping})
			logins := identitypool.Logins{c.provider: sign(t, c.provider, "anna", c.claims, time.Hour)}
			got, err := r.GetCredentialsForIdentity(ctx, r.identity(t, logins), logins, c.custom)
			if c.want == "" {
				require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, r.key(t, got).Role)
		})
	}
	_, err := r.GetCredentialsForIdentity(ctx, r.identity(t, nil), nil, arn["a"])
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized, "guests choose nothing")
	_, err = r.GetCredentialsForIdentity(ctx, r.identity(t, nil), nil, "admin")
	require.ErrorIs(t, err, identitypool.ErrInvalid)
}

// A claim may name a role that does not trust the pool: it is not given.
func TestClaimsCannotGiveOtherRoles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	admin := mustRole(t, r, "admin", `{"AWS": "000000000000"}`)
	r.setRoles(t, map[string]identitypool.Mapping{people: {Type: identitypool.ByToken, Ambiguous: identitypool.Deny}})
	logins := identitypool.Logins{people: sign(t, people, "anna", map[string]any{"cognito:roles": []string{admin, "admin"}}, time.Hour)}
	id := r.identity(t, logins)
	_, err := r.GetCredentialsForIdentity(t.Context(), id, logins, admin)
	require.ErrorIs(t, err, identitypool.ErrConfiguration)
	logins = identitypool.Logins{people: sign(t, people, "anna", map[string]any{"cognito:roles": "admin"}, time.Hour)}
	_, err = r.GetCredentialsForIdentity(t.Context(), id, logins, "")
	require.ErrorIs(t, err, identitypool.ErrConfiguration, "no ARN")
}

// Keys of others pass as they are.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	keys := r.Keys(r.roles)
	c, err := r.roles.Issue(t.Context(), roles.Grant{Role: r.roles.RoleARN("x"), Session: "anna", Duration: time.Hour})
	require.NoError(t, err)
	got, err := keys.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	require.NoError(t, err)
	require.Nil(t, got.Identity.Check)
	_, err = keys.Lookup(t.Context(), "AKIA", "")
	require.ErrorIs(t, err, auth.ErrNotFound)
	require.True(t, keys.(auth.Immediate).Immediate())
	require.False(t, r.Keys(slow{}).(auth.Immediate).Immediate())
	// An identity of a pool that this service has not.
	c, err = r.roles.Issue(t.Context(), roles.Grant{Role: r.roles.RoleARN("x"), Identity: "local:1", Duration: time.Hour})
	require.NoError(t, err)
	require.False(t, r.usable(t, c))
}

type slow struct{}

func (slow) Lookup(context.Context, string, string) (sigv4.Key, error) { return sigv4.Key{}, nil }

func BenchmarkGetCredentialsForIdentity(b *testing.B) {
	r := newRig(b)
	logins := login(b, google, "anna")
	for i := range 10_000 { // others
		r.identity(b, nil)
		r.pass(time.Duration(i%100) * time.Millisecond)
	}
	r.at = time.Now()
	id := r.identity(b, logins)
	b.Run("guest", func(b *testing.B) {
		guest := r.identity(b, nil)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.GetCredentialsForIdentity(b.Context(), guest, nil, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("signed in", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.GetCredentialsForIdentity(b.Context(), id, logins, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("lookup", func(b *testing.B) {
		c, err := r.GetCredentialsForIdentity(b.Context(), id, logins, "")
		require.NoError(b, err)
		keys := r.Keys(r.roles)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := keys.Lookup(b.Context(), c.AccessKeyID, c.SessionToken); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGetID(b *testing.B) {
	r := newRig(b, func(c *identitypool.Config) { c.Guests = -1 })
	b.Run("known", func(b *testing.B) {
		logins := login(b, google, "anna")
		r.identity(b, logins)
		b.ReportAllocs()
		for b.Loop() {
			r.identity(b, logins)
		}
	})
	b.Run("new guest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.identity(b, nil)
		}
	})
}

func ExampleService_GetCredentialsForIdentity() {
	ctx := context.Background()
	r, err := roles.New(roles.Config{})
	if err != nil {
		panic(err)
	}
	s, err := identitypool.New(identitypool.Config{
		Directory: auth.NewMemory(), Roles: r,
		Providers: map[string]auth.TokenVerifier{"login.example.com": tickets{}},
	})
	if err != nil {
		panic(err)
	}
	pool, err := s.CreateIdentityPool(ctx, identitypool.Pool{Name: "people", LoginProviders: map[string]string{"login.example.com": "our-app"}})
	if err != nil {
		panic(err)
	}
	role, err := r.CreateRole(ctx, roles.NewRole{Name: "people", TrustPolicy: `{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
		"Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {
			"StringEquals": {"cognito-identity.amazonaws.com:aud": "` + pool.ID + `"},
			"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}}}}`})
	if err != nil {
		panic(err)
	}
	if err := s.SetIdentityPoolRoles(ctx, pool.ID, identitypool.Roles{Roles: map[string]string{identitypool.Authenticated: role.ARN}}); err != nil {
		panic(err)
	}

	logins := identitypool.Logins{"login.example.com": "ticket of anna"} // what the app presents
	id, err := s.GetID(ctx, pool.ID, logins)
	if err != nil {
		panic(err)
	}
	c, err := s.GetCredentialsForIdentity(ctx, id, logins, "")
	if err != nil {
		panic(err)
	}
	key, err := s.Keys(r).Lookup(ctx, c.AccessKeyID, c.SessionToken)
	if err != nil {
		panic(err)
	}
	fmt.Println(key.Identity.Kind, key.Identity.Principal == id, key.Identity.Role)
	// Output: authenticated true arn:aws:iam::000000000000:role/people
}

// tickets is a login provider of the host's own.
type tickets struct{}

func (tickets) Verify(_ context.Context, token string) (*auth.Token, error) {
	var name string
	if _, err := fmt.Sscanf(token, "ticket of %s", &name); err != nil {
		return nil, auth.ErrBadCredentials
	}
	return &auth.Token{Issuer: "login.example.com", Subject: name, Audience: []string{"our-app"}}, nil
}

package identitypool_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
)

func TestPools(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	p := wholePool()
	p.ID = "local:00"
	p.Tags = map[string]string{"a": "b"}
	made, err := r.CreateIdentityPool(ctx, p)
	require.NoError(t, err)
	require.NotEqual(t, p.ID, made.ID, "the id is not the caller's to choose")
	p.ID = made.ID
	require.Equal(t, p, made)
	got, err := r.DescribeIdentityPool(ctx, made.ID)
	require.NoError(t, err)
	require.Equal(t, made, got)
	require.Equal(t, "arn:aws:cognito-identity:local:000000000000:identitypool/"+made.ID, r.PoolARN(made.ID))

	require.NoError(t, r.SetIdentityPoolRoles(ctx, made.ID, identitypool.Roles{Roles: map[string]string{identitypool.Authenticated: r.roles.RoleARN("x")}}))
	p.Name, p.AllowUnauthenticated, p.LoginProviders, p.Tags = "other", false, nil, nil
	got, err = r.UpdateIdentityPool(ctx, p)
	require.NoError(t, err)
	require.Equal(t, p, got)
	got, err = r.DescribeIdentityPool(ctx, made.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)
	of, err := r.GetIdentityPoolRoles(ctx, made.ID)
	require.NoError(t, err)
	require.Equal(t, r.roles.RoleARN("x"), of.Roles[identitypool.Authenticated], "roles stay")
	for _, name := range []string{"", "other.app"} {
		p.DeveloperProviderName = name
		_, err = r.UpdateIdentityPool(ctx, p)
		require.ErrorIs(t, err, identitypool.ErrInvalid, "a developer provider stays what it is")
	}

	for _, id := range []string{"local:00", "x"} {
		kind := map[string]error{"local:00": identitypool.ErrNotFound, "x": identitypool.ErrInvalid}[id]
		_, err = r.DescribeIdentityPool(ctx, id)
		require.ErrorIs(t, err, kind)
		q := wholePool()
		q.ID = id
		_, err = r.UpdateIdentityPool(ctx, q)
		require.ErrorIs(t, err, kind)
		require.ErrorIs(t, r.DeleteIdentityPool(ctx, id), kind)
		require.ErrorIs(t, r.SetIdentityPoolRoles(ctx, id, identitypool.Roles{}), kind)
		_, err = r.GetIdentityPoolRoles(ctx, id)
		require.ErrorIs(t, err, kind)
		_, err = r.GetID(ctx, id, nil)
		require.ErrorIs(t, err, kind)
		_, _, err = r.ListIdentities(ctx, id, false, identitypool.Page{})
		require.ErrorIs(t, err, kind)
	}
}

func TestPoolsRefuse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	many := map[string]string{}
	for i := range 51 {
		many[fmt.Sprint("p", i)] = "x"
	}
	for want, change := range map[string]func(p *identitypool.Pool){
		"identityPoolName":                      func(p *identitypool.Pool) { p.Name = "" },
		"'a/b' at 'identityPoolName'":           func(p *identitypool.Pool) { p.Name = "a/b" },
		"length of 1 to 128":                    func(p *identitypool.Pool) { p.Name = strings.Repeat("a", 129) },
		"supportedLoginProviders":               func(p *identitypool.Pool) { p.LoginProviders = many },
		"supportedLoginProviders.a":             func(p *identitypool.Pool) { p.LoginProviders = map[string]string{"a": ""} },
		"'a b'":                                 func(p *identitypool.Pool) { p.LoginProviders = map[string]string{"a b": "x"} },
		"the pool's own tokens":                 func(p *identitypool.Pool) { p.LoginProviders = map[string]string{own: "x"} },
		"the name of supportedLoginProviders":   func(p *identitypool.Pool) { p.DeveloperProviderName = google },
		"the name of cognitoIdentityProviders":  func(p *identitypool.Pool) { p.UserPools[0].ProviderName = "p"; p.DeveloperProviderName = "p" },
		"the name of openIdConnectProviderARNs": func(p *identitypool.Pool) { p.UserPools[0].ProviderName = corp },
		"developerProviderName":                 func(p *identitypool.Pool) { p.DeveloperProviderName = "a/b" },
		"openIdConnectProviderARNs":             func(p *identitypool.Pool) { p.OpenIDConnectProviderARNs = []string{corp} },
		"'" + corp + "' at":                     func(p *identitypool.Pool) { p.OpenIDConnectProviderARNs = []string{corpARN, corpARN} },
		"samlProviderARNs":                      func(p *identitypool.Pool) { p.SAMLProviderARNs = []string{"arn:aws:iam::1:saml-provider/x"} },
		"clientId":                              func(p *identitypool.Pool) { p.UserPools[0].ClientID = "" },
		"providerName":                          func(p *identitypool.Pool) { p.UserPools[0].ProviderName = "" },
		"Member must be there once": func(p *identitypool.Pool) {
			p.UserPools[1] = p.UserPools[0]
			p.UserPools[1].ServerSideTokenCheck = true
		},
		"cognitoIdentityProviders": func(p *identitypool.Pool) { p.UserPools = make([]identitypool.UserPool, 51) },
		"identityPoolTags":         func(p *identitypool.Pool) { p.Tags = many },
		"a key of 1 to 128 bytes":  func(p *identitypool.Pool) { p.Tags = map[string]string{"": "x"} },
	} {
		p := wholePool()
		change(&p)
		_, err := r.CreateIdentityPool(t.Context(), p)
		require.ErrorIs(t, err, identitypool.ErrInvalid, want)
		require.ErrorContains(t, err, want)
		p.ID = r.pool.ID
		_, err = r.UpdateIdentityPool(t.Context(), p)
		require.ErrorIs(t, err, identitypool.ErrInvalid, want)
	}
}

func TestRolesRefuse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	role := r.roles.RoleARN("x")
	rule := identitypool.Rule{Claim: "a", Match: identitypool.Equals, Value: "b", Role: role}
	rules := func(all ...identitypool.Rule) map[string]identitypool.Mapping {
		return map[string]identitypool.Mapping{google: {Type: identitypool.ByRules, Ambiguous: identitypool.Deny, Rules: &identitypool.Rules{Rules: all}}}
	}
	many := map[string]identitypool.Mapping{}
	for i := range 11 {
		many[fmt.Sprint(i)] = rules(rule)[google]
	}
	for want, c := range map[string]identitypool.Roles{
		"'admin' at 'roles'":     {Roles: map[string]string{"admin": role}},
		"roles.authenticated":    {Roles: map[string]string{identitypool.Authenticated: "admin"}},
		"roles.unauthenticated":  {Roles: map[string]string{identitypool.Unauthenticated: "arn:aws:iam::1:role/x"}},
		"11 members":             {Mappings: many},
		"at 'roleMappings'":      {Mappings: map[string]identitypool.Mapping{"": rules(rule)[google]}},
		".type'":                 {Mappings: map[string]identitypool.Mapping{google: {Type: "x"}}},
		".ambiguousRole":         {Mappings: map[string]identitypool.Mapping{google: {Type: identitypool.ByToken}}},
		"for the type Rules":     {Mappings: map[string]identitypool.Mapping{google: {Type: identitypool.ByRules, Ambiguous: identitypool.Deny}}},
		"rules' failed":          {Mappings: rules()},
		"rules.1.claim":          {Mappings: rules(identitypool.Rule{Match: identitypool.Equals, Value: "b", Role: role})},
		"rules.2.matchType":      {Mappings: rules(rule, identitypool.Rule{Claim: "a", Match: "Like", Value: "b", Role: role})},
		"rules.1.value":          {Mappings: rules(identitypool.Rule{Claim: "a", Match: identitypool.Equals, Role: role})},
		"rules.1.roleARN":        {Mappings: rules(identitypool.Rule{Claim: "a", Match: identitypool.Equals, Value: "b", Role: "x"})},
		"rules' failed to":       {Mappings: rules(make([]identitypool.Rule, 26)...)},
		"Rules and for no other": {Mappings: map[string]identitypool.Mapping{google: {Type: identitypool.ByToken, Ambiguous: identitypool.Deny, Rules: &identitypool.Rules{}}}},
	} {
		err := r.SetIdentityPoolRoles(t.Context(), r.pool.ID, c)
		require.ErrorIs(t, err, identitypool.ErrInvalid, want)
		require.ErrorContains(t, err, want)
	}
	all := identitypool.Roles{Roles: map[string]string{identitypool.Authenticated: role}, Mappings: rules(rule, identitypool.Rule{Role: role + "2"})}
	require.Equal(t, []string{role, role + "2"}, all.ARNs())
}

func TestListIdentityPools(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	want := map[string]string{r.pool.ID: r.pool.Name}
	for i := range 8 {
		p, err := r.CreateIdentityPool(t.Context(), identitypool.Pool{Name: fmt.Sprint("p", i)})
		require.NoError(t, err)
		want[p.ID] = p.Name
	}
	for size := range 11 {
		got := map[string]string{}
		for p := (identitypool.Page{Size: size}); ; {
			all, next, err := r.ListIdentityPools(t.Context(), p)
			require.NoError(t, err)
			for _, one := range all {
				got[one.ID] = one.Name
			}
			if p.Next = next; next == "" {
				break
			}
			require.Len(t, all, size)
		}
		require.Equal(t, want, got)
	}
	_, _, err := r.ListIdentityPools(t.Context(), identitypool.Page{Size: 61})
	require.ErrorIs(t, err, identitypool.ErrInvalid)
}

// No change of a pool is lost to another one.
func TestPoolChangesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.pool
	p.Name = "renamed"
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 20 {
			if _, err := r.UpdateIdentityPool(t.Context(), p); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for i := range 20 {
			if err := r.SetIdentityPoolRoles(t.Context(), p.ID, identitypool.Roles{Roles: map[string]string{identitypool.Authenticated: r.roles.RoleARN(fmt.Sprint("r", i))}}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	got, err := r.DescribeIdentityPool(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, "renamed", got.Name)
	of, err := r.GetIdentityPoolRoles(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, r.roles.RoleARN("r19"), of.Roles[identitypool.Authenticated])
}

func TestConfig(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := auth.NewMemory()
	verifier := map[string]auth.TokenVerifier{own: providers()[google]}
	for want, c := range map[string]identitypool.Config{
		"Config.Directory":      {Roles: r.roles},
		"Config.Roles":          {Directory: dir},
		"Config.Scope.Region":   {Directory: dir, Roles: r.roles, Scope: identitypool.Scope{Region: "a b"}},
		"Config.Guests":         {Directory: dir, Roles: r.roles, Guests: math.NaN()},
		"is nil":                {Directory: dir, Roles: r.roles, Providers: map[string]auth.TokenVerifier{google: nil}},
		"the pool's own":        {Directory: dir, Roles: r.roles, Providers: verifier},
		"name of a login provi": {Directory: dir, Roles: r.roles, Providers: map[string]auth.TokenVerifier{"a b": providers()[google]}},
	} {
		_, err := identitypool.New(c)
		require.ErrorContains(t, err, want)
	}
}

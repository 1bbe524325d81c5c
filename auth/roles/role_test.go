package roles_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/policy"
	"github.com/thinghub/thinghub/auth/roles"
)

// trustFor is a trust policy for one principal.
func trustFor(kind, name, condition string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {%q: %q}, "Action": "sts:AssumeRole*", "Condition": {%s}}}`, kind, name, condition)
}

const anna = "arn:aws:iam::000000000000:user/anna"

func TestRoles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, c := open(t, nil)
	trust := trustFor("AWS", anna, "")
	made, err := s.CreateRole(ctx, roles.NewRole{Name: "reader", TrustPolicy: trust, Description: "reads"})
	require.NoError(t, err)
	require.Equal(t, roles.Role{
		Name: "reader", ARN: role, ID: roles.RoleID(role), TrustPolicy: trust, Description: "reads", MaxDuration: time.Hour, Created: c.t, Modified: c.t,
	}, made)
	require.Regexp(t, `^AROA[A-Z2-7]{17}$`, made.ID)
	_, err = s.CreateRole(ctx, roles.NewRole{Name: "reader", TrustPolicy: trust})
	require.ErrorIs(t, err, roles.ErrExists)
	got, err := s.GetRole(ctx, "reader")
	require.NoError(t, err)
	require.Equal(t, made, got)

	c.t = c.t.Add(time.Minute)
	longer, text := 12*time.Hour, "reads more"
	got, err = s.UpdateRole(ctx, "reader", roles.RoleChange{MaxDuration: &longer, Description: &text})
	require.NoError(t, err)
	require.Equal(t, longer, got.MaxDuration)
	require.Equal(t, text, got.Description)
	require.Equal(t, trust, got.TrustPolicy)
	require.Equal(t, c.t, got.Modified)
	got, err = s.UpdateAssumeRolePolicy(ctx, "reader", trustFor("AWS", "*", ""))
	require.NoError(t, err)
	require.Equal(t, longer, got.MaxDuration)

	require.NoError(t, s.DeleteRole(ctx, "reader"))
	require.ErrorIs(t, s.DeleteRole(ctx, "reader"), roles.ErrNotFound)
	_, err = s.GetRole(ctx, "reader")
	require.ErrorIs(t, err, roles.ErrNotFound)
	_, err = s.UpdateAssumeRolePolicy(ctx, "reader", trust)
	require.ErrorIs(t, err, roles.ErrNotFound)
}

func TestRolesRefuse(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _ := open(t, nil)
	trust := trustFor("AWS", anna, "")
	short, odd := time.Minute, time.Hour+time.Millisecond
	for _, c := range []struct {
		role roles.NewRole
		kind error
		want string
	}{
		{roles.NewRole{TrustPolicy: trust}, roles.ErrInvalid, "roleName"},
		{roles.NewRole{Name: "a/b", TrustPolicy: trust}, roles.ErrInvalid, "roleName"},
		{roles.NewRole{Name: strings.Repeat("a", 65), TrustPolicy: trust}, roles.ErrInvalid, "roleName"},
		{roles.NewRole{Name: "a"}, roles.ErrMalformed, "assumeRolePolicyDocument"},
		{roles.NewRole{Name: "a", TrustPolicy: `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`}, roles.ErrMalformed, "Resource"},
		{roles.NewRole{Name: "a", TrustPolicy: strings.Replace(trust, "anna", strings.Repeat("a", 5000), 1)}, roles.ErrInvalid, "assumeRolePolicyDocument"},
		{roles.NewRole{Name: "a", TrustPolicy: trust, Description: strings.Repeat("a", 1001)}, roles.ErrInvalid, "description"},
		{roles.NewRole{Name: "a", TrustPolicy: trust, MaxDuration: short}, roles.ErrInvalid, "maxSessionDuration"},
		{roles.NewRole{Name: "a", TrustPolicy: trust, MaxDuration: 13 * time.Hour}, roles.ErrInvalid, "maxSessionDuration"},
		{roles.NewRole{Name: "a", TrustPolicy: trust, MaxDuration: odd}, roles.ErrInvalid, "maxSessionDuration"},
	} {
		_, err := s.CreateRole(ctx, c.role)
		require.ErrorIs(t, err, c.kind, c.want)
		require.ErrorContains(t, err, c.want)
	}
	_, err := s.CreateRole(ctx, roles.NewRole{Name: "a", TrustPolicy: trust})
	require.NoError(t, err)
	bad := "{}"
	for _, c := range []roles.RoleChange{{MaxDuration: &odd}, {MaxDuration: &short}, {TrustPolicy: &bad}} {
		_, err := s.UpdateRole(ctx, "a", c)
		require.Error(t, err)
	}
	got, err := s.GetRole(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, trust, got.TrustPolicy)
	require.Equal(t, time.Hour, got.MaxDuration)
}

func TestListRoles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _ := open(t, nil)
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprint("r", i))
		_, err := s.CreateRole(ctx, roles.NewRole{Name: want[i], TrustPolicy: trustFor("AWS", anna, "")})
		require.NoError(t, err)
	}
	for size := range 9 {
		var got []string
		for p := (roles.Page{Size: size}); ; {
			all, next, err := s.ListRoles(ctx, p)
			require.NoError(t, err)
			for _, r := range all {
				got = append(got, r.Name)
			}
			if p.Marker = next; next == "" {
				break
			}
			require.Len(t, all, size)
		}
		require.Equal(t, want, got)
	}
	for _, bad := range []roles.Page{{Size: -1}, {Size: 251}, {Marker: "!"}, {Marker: "YSBi"}, {Descending: true}} {
		_, _, err := s.ListRoles(ctx, bad)
		require.ErrorIs(t, err, roles.ErrInvalid)
	}
}

func TestMayAssume(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), auth.NewMemory()
	s, c := open(t, dir)
	other, _ := open(t, dir) // another hub
	_, err := s.CreateRole(ctx, roles.NewRole{Name: "reader", TrustPolicy: trustFor("AWS", anna, `"DateLessThan": {"aws:CurrentTime": "2026-11-29"}`)})
	require.NoError(t, err)
	who := s.Principals(&auth.Identity{Kind: auth.IAM, Principal: anna, ARN: anna})
	may := func(s *roles.Service, arn string, who ...policy.Principal) error {
		_, err := s.MayAssume(ctx, arn, roles.AssumeRole, nil, who...)
		return err
	}
	require.NoError(t, may(s, role, who...))
	require.NoError(t, may(other, role, who...))
	require.ErrorIs(t, may(s, role, s.Principals(&auth.Identity{Kind: auth.IAM, Principal: anna + "2", ARN: anna + "2"})...), roles.ErrNotTrusted)
	require.ErrorIs(t, may(s, role), roles.ErrNotTrusted)
	require.ErrorIs(t, may(s, role+"2", who...), roles.ErrNotTrusted, "no such role")
	require.ErrorIs(t, may(s, "arn:aws:iam::000000000000:role/path/reader", who...), roles.ErrNotTrusted)
	require.ErrorIs(t, may(s, "arn:aws-cn:iam::000000000000:role/reader", who...), roles.ErrNotTrusted)
	require.ErrorIs(t, may(s, "arn:aws:iam::1:role/reader", who...), roles.ErrInvalid)
	require.ErrorIs(t, may(s, "reader", who...), roles.ErrInvalid)

	// What is known and what is not is answered alike.
	said := func(err error) string {
		e, _ := errors.AsType[*roles.Error](err)
		return e.Message
	}
	require.Equal(t, said(may(s, role)), said(may(s, role+"2")))
	// Which it is, is for the host.
	require.ErrorContains(t, may(s, role), "no statement of the trust policy of the role reader allows it")
	require.ErrorContains(t, may(s, role, s.Principals(&auth.Identity{Kind: auth.IAM, Principal: anna + "2", ARN: anna + "2"})...), anna+"2")
	require.ErrorContains(t, may(s, role+"2", who...), "there is no role reader2")

	// A change counts at once, on other hubs too, and after the role was made anew.
	_, err = other.UpdateAssumeRolePolicy(ctx, "reader", trustFor("AWS", anna+"2", ""))
	require.NoError(t, err)
	require.ErrorIs(t, may(s, role, who...), roles.ErrNotTrusted)
	require.NoError(t, other.DeleteRole(ctx, "reader"))
	require.ErrorIs(t, may(s, role, who...), roles.ErrNotTrusted)
	_, err = other.CreateRole(ctx, roles.NewRole{Name: "reader", TrustPolicy: trustFor("AWS", "000000000000", `"DateLessThan": {"aws:CurrentTime": "2026-11-29"}`)})
	require.NoError(t, err)
	require.NoError(t, may(s, role, who...))
	c.t = c.t.Add(24 * time.Hour)
	require.ErrorIs(t, may(s, role, who...), roles.ErrNotTrusted, "the clock of the conditions")
}

func TestPrincipals(t *testing.T) {
	t.Parallel()
	s, _ := open(t, nil)
	names := func(id *auth.Identity) (names []string) {
		for _, p := range s.Principals(id) {
			require.Equal(t, policy.AWSPrincipal, p.Kind)
			names = append(names, p.Name)
		}
		return names
	}
	account := []string{"000000000000", "arn:aws:iam::000000000000:root"}
	require.Equal(t, append([]string{anna, anna}, account...), names(&auth.Identity{Kind: auth.IAM, Principal: anna, ARN: anna}))
	for _, g := range []roles.Grant{
		{Role: role, Session: "anna", Duration: time.Hour},
		{Role: role, Identity: "local:1", Session: "anna", Duration: time.Hour},
	} {
		c, err := s.Issue(t.Context(), g)
		require.NoError(t, err)
		key, err := s.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
		require.NoError(t, err)
		require.Equal(t, "anna", roles.SessionOf(key.Identity))
		require.Equal(t, append([]string{"arn:aws:sts::000000000000:assumed-role/reader/anna", role}, account...), names(key.Identity))
	}
	for _, kind := range []auth.Kind{auth.Other, auth.Certificate, auth.User, auth.Custom} {
		require.Empty(t, names(&auth.Identity{Kind: kind, Principal: anna, ARN: anna}))
	}
	require.Empty(t, roles.SessionOf(&auth.Identity{Attributes: map[string]string{"aws:userid": "AIDAX"}}))
}

// How somebody has signed in is text with commas, so nobody can put something into it.
func TestPoolAttributes(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string]string{roles.PoolSub: "local:1", roles.PoolAud: "local:pool", roles.PoolAMR: "a,b"},
		roles.PoolAttributes("local:1", "local:pool", []string{"authenticated", "a", "x,graph.facebook.com", "", "b", "unauthenticated"}))
	require.NotContains(t, roles.PoolAttributes("local:1", "local:pool", []string{"unauthenticated"}), roles.PoolAMR)
}

func TestTrapsAreLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, err := roles.New(roles.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	made, err := s.CreateRole(t.Context(), roles.NewRole{Name: "open", TrustPolicy: trustFor("Federated", policy.CognitoProvider, `"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}`)})
	require.NoError(t, err)
	require.Len(t, made.Warnings(), 1)
	require.Contains(t, log.String(), "role=open")
	require.Contains(t, log.String(), "code=no-audience")
	require.Empty(t, (&roles.Role{TrustPolicy: "?"}).Warnings())
}

// What does not fit into a token that can be read again is not issued.
func TestLongTokens(t *testing.T) {
	t.Parallel()
	s, _ := open(t, nil)
	g := roles.Grant{Role: role, Session: "ab", Duration: time.Hour, Policies: []auth.Document{{Name: "a", Text: strings.Repeat("a", 11_000)}}}
	c, err := s.Issue(t.Context(), g)
	require.NoError(t, err)
	_, err = s.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	require.NoError(t, err)
	g.Policies[0].Text = strings.Repeat("<", 11_000)
	_, err = s.Issue(t.Context(), g)
	require.ErrorIs(t, err, roles.ErrInvalid)
}

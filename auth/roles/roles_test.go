package roles_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/roles"
)

const role = "arn:aws:iam::000000000000:role/reader"

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(t testing.TB, dir auth.Directory) (*roles.Service, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 11, 28, 23, 50, 0, 0, time.UTC)}
	s, err := roles.New(roles.Config{Directory: dir, Now: c.now})
	require.NoError(t, err)
	return s, c
}

func TestAliases(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, c := open(t, nil)
	a, err := s.CreateRoleAlias(ctx, "devices", role, 0)
	require.NoError(t, err)
	require.Equal(t, roles.Alias{
		Name: "devices", ARN: "arn:aws:iot:local:000000000000:rolealias/devices", Role: role, Duration: time.Hour, Created: c.t, Modified: c.t,
	}, a)
	_, err = s.CreateRoleAlias(ctx, "devices", role, 0)
	require.ErrorIs(t, err, roles.ErrExists)
	c.t = c.t.Add(time.Minute)
	a, err = s.UpdateRoleAlias(ctx, "devices", "", 900*time.Second)
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, a.Duration)
	require.Equal(t, c.t, a.Modified)
	a, err = s.UpdateRoleAlias(ctx, "devices", role+"2", 0)
	require.NoError(t, err)
	require.Equal(t, role+"2", a.Role)
	got, err := s.DescribeRoleAlias(ctx, "devices")
	require.NoError(t, err)
	require.Equal(t, a, got)
	require.NoError(t, s.DeleteRoleAlias(ctx, "devices"))
	require.ErrorIs(t, s.DeleteRoleAlias(ctx, "devices"), roles.ErrNotFound)
	_, err = s.DescribeRoleAlias(ctx, "devices")
	require.ErrorIs(t, err, roles.ErrNotFound)
	for _, bad := range []struct {
		name, role string
		d          time.Duration
	}{
		{"", role, 0},
		{"a b", role, 0},
		{"a", "", 0},
		{"a", role + strings.Repeat("x", 2048), 0},
		{"a", "role/x", 0},
		{"a", "arn:aws:iam::1:role/x", 0},
		{"a", "arn:aws:iam::000000000000:user/x", 0},
		{"a", role, time.Minute},
		{"a", role, 13 * time.Hour},
		{"a", role, time.Hour + time.Millisecond},
	} {
		_, err := s.CreateRoleAlias(ctx, bad.name, bad.role, bad.d)
		require.ErrorIs(t, err, roles.ErrInvalid, bad)
	}
}

// Every error of the caller's doing has a name that AWS knows.
func TestExceptions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _ := open(t, nil)
	name := func(err error) string {
		e, ok := errors.AsType[*roles.Error](err)
		require.True(t, ok, "%v", err)
		return e.Exception()
	}
	_, err := s.DescribeRoleAlias(ctx, "none")
	require.Equal(t, "ResourceNotFoundException", name(err))
	_, err = s.DescribeRoleAlias(ctx, "a b")
	require.Equal(t, "InvalidRequestException", name(err))
	_, err = s.CreateRoleAlias(ctx, "a", role, 0)
	require.NoError(t, err)
	_, err = s.CreateRoleAlias(ctx, "a", role, 0)
	require.Equal(t, "ResourceAlreadyExistsException", name(err))
}

// Lists of any page size, in both directions, have everything once, also what comes and
// goes while somebody reads them.
func TestListRoleAliases(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _ := open(t, nil)
	names, next, err := s.ListRoleAliases(ctx, roles.Page{})
	require.NoError(t, err)
	require.Empty(t, names)
	require.Empty(t, next)
	var all []string
	for i := range 10 {
		all = append(all, fmt.Sprint("a", i))
		_, err := s.CreateRoleAlias(ctx, all[i], role, 0)
		require.NoError(t, err)
	}
	for _, descending := range []bool{false, true} {
		want := slices.Clone(all)
		if descending {
			slices.Reverse(want)
		}
		for size := range 12 {
			p, got := roles.Page{Size: size, Descending: descending}, []string(nil)
			for {
				names, next, err := s.ListRoleAliases(ctx, p)
				require.NoError(t, err)
				got = append(got, names...)
				if next == "" {
					break
				}
				require.Len(t, names, size)
				p.Marker = next
			}
			require.Equal(t, want, got, "size %d", size)
		}
		_, next, err = s.ListRoleAliases(ctx, roles.Page{Size: 5, Descending: descending})
		require.NoError(t, err)
		require.NoError(t, s.DeleteRoleAlias(ctx, want[4]))
		names, _, err = s.ListRoleAliases(ctx, roles.Page{Marker: next, Descending: descending})
		require.NoError(t, err)
		require.Equal(t, want[5:], names, "the item of the marker is gone")
		_, err = s.CreateRoleAlias(ctx, want[4], role, 0)
		require.NoError(t, err)
	}
	for _, bad := range []roles.Page{{Size: -1}, {Size: 251}, {Marker: "!"}, {Marker: "YSBi"}, {Marker: "YTA="}, {Marker: "YT\nA"}, {Marker: strings.Repeat("A", 1000)}} {
		_, _, err := s.ListRoleAliases(ctx, bad)
		require.ErrorIs(t, err, roles.ErrInvalid, bad)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), auth.NewMemory()
	s, c := open(t, dir)
	other, oc := open(t, dir) // another hub
	got, err := s.Issue(ctx, roles.Grant{Role: role, Session: "pump-1", Attributes: map[string]string{"credentials-iot:ThingName": "pump-1"}, Duration: time.Hour})
	require.NoError(t, err)
	require.Equal(t, c.t.Add(time.Hour), got.Expiration)
	require.Len(t, got.AccessKeyID, 20)
	require.Len(t, got.SecretAccessKey, 40)
	oc.t = c.t.Add(30 * time.Minute) // the next day
	key, err := other.Lookup(ctx, got.AccessKeyID, got.SessionToken)
	require.NoError(t, err)
	require.Equal(t, got.SecretAccessKey, key.Secret)
	require.Equal(t, got.Expiration, key.Expires)
	require.Equal(t, &auth.Identity{
		Principal: "arn:aws:sts::000000000000:assumed-role/reader/pump-1", Kind: auth.IAM, ARN: role,
		Attributes: map[string]string{"aws:PrincipalArn": role, "aws:PrincipalAccount": "000000000000", "aws:userid": roles.RoleID(role) + ":pump-1", "credentials-iot:ThingName": "pump-1"},
	}, key.Identity)

	next, err := other.Issue(ctx, roles.Grant{Role: role, Session: "pump-2", Policies: []auth.Document{}, Duration: time.Minute})
	require.NoError(t, err)
	require.NotEqual(t, got.SessionToken[:13], next.SessionToken[:13], "another day, another key")
	key, err = s.Lookup(ctx, next.AccessKeyID, next.SessionToken)
	require.NoError(t, err)
	require.NotNil(t, key.Identity.Grant.Session, "narrowed to nothing")

	pooled, err := s.Issue(ctx, roles.Grant{Role: role, Identity: "local:1", Authenticated: true, Duration: time.Hour})
	require.NoError(t, err)
	key, err = s.Lookup(ctx, pooled.AccessKeyID, pooled.SessionToken)
	require.NoError(t, err)
	require.Equal(t, "local:1", key.Identity.Principal)
	require.Equal(t, "local:1", key.Identity.Attached())
	require.Equal(t, role, key.Identity.Role)
	require.Equal(t, auth.Authenticated, key.Identity.Kind)

	for _, bad := range []struct{ id, token string }{
		{got.AccessKeyID, ""},
		{got.AccessKeyID, next.SessionToken},
		{next.AccessKeyID, got.SessionToken},
		{got.AccessKeyID, got.SessionToken + "A"},
		{got.AccessKeyID, got.SessionToken[:len(got.SessionToken)-1]},
		{got.AccessKeyID, strings.Replace(got.SessionToken, "20261128", "20261129", 1)},
		{got.AccessKeyID, strings.Replace(got.SessionToken, "20261128", "../../x1", 1)},
		{got.AccessKeyID, "th1.20261128."},
		{got.AccessKeyID, "th1.."},
		{got.AccessKeyID, strings.Repeat("th1.", 10_000)},
	} {
		_, err := s.Lookup(ctx, bad.id, bad.token)
		require.ErrorIs(t, err, auth.ErrNotFound, "%.60s", bad.token)
		require.NotContains(t, err.Error(), got.SecretAccessKey)
	}
	for _, bad := range []roles.Grant{
		{Role: "x", Session: "ab", Duration: time.Hour},
		{Role: role, Session: "a", Duration: time.Hour},
		{Role: role, Session: "a/b", Duration: time.Hour},
		{Role: role, Session: "ab"},
		{Role: role, Session: "ab", Duration: 13 * time.Hour},
	} {
		_, err := s.Issue(ctx, bad)
		require.ErrorIs(t, err, roles.ErrInvalid, bad)
	}

	// Keys whose tokens have all ended go.
	oc.t = oc.t.Add(72 * time.Hour)
	_, err = other.Issue(ctx, roles.Grant{Role: role, Session: "ab", Duration: time.Hour})
	require.NoError(t, err)
	fresh, _ := open(t, dir)
	_, err = fresh.Lookup(ctx, got.AccessKeyID, got.SessionToken)
	require.ErrorIs(t, err, auth.ErrNotFound)
}

func FuzzLookup(f *testing.F) {
	s, _ := open(f, nil)
	got, err := s.Issue(f.Context(), roles.Grant{Role: role, Session: "ab", Duration: time.Hour})
	require.NoError(f, err)
	f.Add(got.AccessKeyID, "th1.20261128.AAAA")
	f.Add("ASIA", "th1.")
	f.Fuzz(func(t *testing.T, id, token string) {
		_, err := s.Lookup(t.Context(), id, token)
		require.ErrorIs(t, err, auth.ErrNotFound)
	})
}

func BenchmarkLookup(b *testing.B) {
	s, _ := open(b, nil)
	got, err := s.Issue(b.Context(), roles.Grant{Role: role, Session: "ab", Duration: time.Hour})
	require.NoError(b, err)
	for b.Loop() {
		if _, err := s.Lookup(b.Context(), got.AccessKeyID, got.SessionToken); err != nil {
			b.Fatal(err)
		}
	}
}

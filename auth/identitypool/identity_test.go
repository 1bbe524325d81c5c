package identitypool_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/roles"
)

func TestLoginsBecomeIdentities(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	anna := r.identity(t, login(t, google, "anna"))
	require.Regexp(t, `^local:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, anna)
	require.Equal(t, anna, r.identity(t, login(t, google, "anna")), "the same login, the same identity")
	require.NotEqual(t, anna, r.identity(t, login(t, google, "bob")))
	require.NotEqual(t, anna, r.identity(t, login(t, facebook, "anna")), "subjects of two providers are two people")

	// A second login that comes with the first is linked.
	require.Equal(t, anna, r.identity(t, both(login(t, google, "anna"), login(t, people, "a1"))))
	require.Equal(t, anna, r.identity(t, login(t, people, "a1")))
	got, err := r.DescribeIdentity(t.Context(), anna)
	require.NoError(t, err)
	require.Equal(t, []string{google, people}, got.Logins)
	require.Equal(t, r.pool.ID, got.Pool)

	// Two that are both new make one.
	two := both(login(t, google, "carl"), login(t, corp, "carl"))
	carl := r.identity(t, two)
	require.Equal(t, carl, r.identity(t, login(t, corp, "carl")))
	require.Equal(t, carl, r.identity(t, two))
}

func TestConflictsOfLogins(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	anna, bob := r.identity(t, login(t, google, "anna")), r.identity(t, login(t, facebook, "bob"))
	_, err := r.GetID(ctx, r.pool.ID, both(login(t, google, "anna"), login(t, facebook, "bob")))
	require.ErrorIs(t, err, identitypool.ErrConflict, "two identities")
	r.identity(t, both(login(t, google, "anna"), login(t, facebook, "anna")))
	_, err = r.GetID(ctx, r.pool.ID, both(login(t, google, "anna"), login(t, facebook, "anna2")))
	require.ErrorIs(t, err, identitypool.ErrConflict, "another login of the same provider")
	_, err = r.GetCredentialsForIdentity(ctx, anna, both(login(t, google, "anna"), login(t, facebook, "bob")), "")
	require.ErrorIs(t, err, identitypool.ErrConflict)
	_, err = r.GetCredentialsForIdentity(ctx, anna, login(t, facebook, "bob"), "")
	require.ErrorIs(t, err, identitypool.ErrConflict)
	got, err := r.DescribeIdentity(ctx, bob)
	require.NoError(t, err)
	require.Equal(t, []string{facebook}, got.Logins, "nothing has changed")
}

// Nobody gets at somebody else's identity with a login of their own.
func TestTakingOverAnIdentity(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	victim := r.identity(t, login(t, google, "victim"))
	r.identity(t, login(t, google, "mallory"))
	for name, logins := range map[string]identitypool.Logins{
		"a login that is linked elsewhere": login(t, google, "mallory"),
		"a login that is linked nowhere":   login(t, facebook, "mallory"),
		"without a login":                  nil,
		"with several":                     both(login(t, google, "mallory"), login(t, facebook, "mallory")),
	} {
		_, err := r.GetCredentialsForIdentity(ctx, victim, logins, "")
		require.Error(t, err, name)
		_, err = r.GetOpenIDToken(ctx, victim, logins)
		require.Error(t, err, name)
		require.Error(t, r.UnlinkIdentity(ctx, victim, logins, []string{google}), name)
	}
	// Also not by having it linked to one's own login beside that of the victim's provider.
	require.ErrorIs(t, r.UnlinkIdentity(ctx, victim, both(login(t, google, "victim"), login(t, facebook, "mallory")), []string{google}), identitypool.ErrNotAuthorized)
	got, err := r.DescribeIdentity(ctx, victim)
	require.NoError(t, err)
	require.Equal(t, []string{google}, got.Logins)
	// What failed has linked nothing.
	require.NotEqual(t, victim, r.identity(t, login(t, facebook, "mallory")))
}

// Who knows the id of a guest is the guest. That ends when the guest signs in: from then on
// the id alone is worth nothing, also when all logins are gone again.
func TestGuests(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	guest := r.identity(t, nil)
	require.NotEqual(t, guest, r.identity(t, nil), "each guest is another one")
	_, err := r.GetCredentialsForIdentity(ctx, guest, nil, "")
	require.NoError(t, err)

	c, err := r.GetCredentialsForIdentity(ctx, guest, login(t, google, "anna"), "")
	require.NoError(t, err)
	require.Equal(t, auth.Authenticated, r.key(t, c).Kind)
	require.Equal(t, guest, r.identity(t, login(t, google, "anna")), "the guest has signed in")
	_, err = r.GetCredentialsForIdentity(ctx, guest, nil, "")
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
	_, err = r.GetCredentialsForIdentity(ctx, guest, login(t, facebook, "mallory"), "")
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)

	require.NoError(t, r.UnlinkIdentity(ctx, guest, login(t, google, "anna"), []string{google}))
	for _, logins := range []identitypool.Logins{nil, login(t, google, "anna"), login(t, facebook, "mallory")} {
		_, err = r.GetCredentialsForIdentity(ctx, guest, logins, "")
		require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
	}
	require.NotEqual(t, guest, r.identity(t, login(t, google, "anna")), "a login that was taken off is new")
	got, err := r.DescribeIdentity(ctx, guest)
	require.NoError(t, err)
	require.True(t, got.Inaccessible)

	p := wholePool()
	p.ID, p.AllowUnauthenticated = r.pool.ID, false
	other := r.identity(t, nil)
	_, err = r.UpdateIdentityPool(ctx, p)
	require.NoError(t, err)
	_, err = r.GetID(ctx, r.pool.ID, nil)
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
	_, err = r.GetCredentialsForIdentity(ctx, other, nil, "")
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
}

func TestTooManyGuests(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *identitypool.Config) { c.Guests = 0.2 })
	for range 2 {
		r.identity(t, nil)
	}
	_, err := r.GetID(t.Context(), r.pool.ID, nil)
	require.ErrorIs(t, err, identitypool.ErrTooMany)
	r.identity(t, login(t, google, "anna")) // who signs in is none
	r.pass(5 * time.Second)
	r.identity(t, nil)
	_, err = r.GetID(t.Context(), r.pool.ID, nil)
	require.ErrorIs(t, err, identitypool.ErrTooMany)
	free := newRig(t, func(c *identitypool.Config) { c.Guests = -1 })
	for range 50 {
		free.identity(t, nil)
	}
}

func TestTokensThatAreNoLogins(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	id := r.identity(t, login(t, google, "anna"))
	good := sign(t, google, "anna", nil, time.Hour)
	unsigned := "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + "."
	for name, c := range map[string]struct {
		logins identitypool.Logins
		kind   error
		says   string
	}{
		"expired":                    {identitypool.Logins{google: sign(t, google, "anna", nil, -time.Minute)}, identitypool.ErrNotAuthorized, "Token expired"},
		"for another application":    {identitypool.Logins{google: sign(t, google, "anna", map[string]any{"aud": "app-2"}, time.Hour)}, identitypool.ErrNotAuthorized, "audience"},
		"for no application":         {identitypool.Logins{google: sign(t, google, "anna", map[string]any{"aud": []string{}}, time.Hour)}, identitypool.ErrNotAuthorized, "audience"},
		"for another client":         {identitypool.Logins{people: sign(t, people, "anna", map[string]any{"aud": app}, time.Hour)}, identitypool.ErrNotAuthorized, "audience"},
		"of another provider":        {identitypool.Logins{facebook: good}, identitypool.ErrNotAuthorized, "Invalid login token"},
		"unsigned":                   {identitypool.Logins{google: unsigned}, identitypool.ErrNotAuthorized, "Invalid login token"},
		"changed":                    {identitypool.Logins{google: good[:len(good)-4] + "AAAA"}, identitypool.ErrNotAuthorized, "Invalid login token"},
		"no token":                   {identitypool.Logins{google: "anna"}, identitypool.ErrNotAuthorized, "Invalid login token"},
		"empty":                      {identitypool.Logins{google: ""}, identitypool.ErrInvalid, "logins"},
		"too long":                   {identitypool.Logins{google: strings.Repeat("a", 50_001)}, identitypool.ErrInvalid, "logins"},
		"unknown provider":           {identitypool.Logins{"evil.example.com": good}, identitypool.ErrNotAuthorized, "supported provider"},
		"the issuer's URL":           {identitypool.Logins{"https://" + google: good}, identitypool.ErrNotAuthorized, "supported provider"},
		"another case of letters":    {identitypool.Logins{"Accounts.Google.com": good}, identitypool.ErrNotAuthorized, "supported provider"},
		"the ARN of the issuer":      {identitypool.Logins{corpARN: sign(t, corp, "anna", nil, time.Hour)}, identitypool.ErrNotAuthorized, "supported provider"},
		"a user of the backend":      {identitypool.Logins{backend: "anna"}, identitypool.ErrNotAuthorized, "supported provider"},
		"a provider with a blank":    {identitypool.Logins{google + " ": good}, identitypool.ErrInvalid, "logins"},
		"one good and one bad login": {identitypool.Logins{google: good, facebook: "x"}, identitypool.ErrNotAuthorized, "Invalid login token"},
	} {
		_, err := r.GetID(ctx, r.pool.ID, c.logins)
		require.ErrorIs(t, err, c.kind, name)
		require.ErrorContains(t, err, c.says, name)
		_, err = r.GetCredentialsForIdentity(ctx, id, c.logins, "")
		require.ErrorIs(t, err, c.kind, name)
	}
	many := identitypool.Logins{}
	for i := range 11 {
		many[fmt.Sprint("p", i)] = "x"
	}
	_, err := r.GetID(ctx, r.pool.ID, many)
	require.ErrorIs(t, err, identitypool.ErrInvalid)
}

// The same login twice at once makes one identity, and logins that are linked at once do
// not tear each other apart.
func TestLoginsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	anna, linked := login(t, google, "anna"), both(login(t, google, "anna"), login(t, facebook, "anna"))
	logins := []identitypool.Logins{anna, linked, both(login(t, google, "anna"), login(t, corp, "anna"))}
	ids := make([]string, 48)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			id, err := r.GetID(t.Context(), r.pool.ID, logins[i%3])
			if err == nil {
				ids[i] = id
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	require.NotEmpty(t, ids[0])
	all, _, err := r.ListIdentities(t.Context(), r.pool.ID, false, identitypool.Page{})
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, []string{google, facebook, corp}, all[0].Logins)
}

// While an identity is deleted again and again, who signs in always gets one that works.
func TestLoginsWhileDeleting(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	anna := login(t, google, "anna")
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for range 100 {
			all, _, err := r.ListIdentities(t.Context(), r.pool.ID, false, identitypool.Page{})
			if err != nil {
				t.Error(err)
				return
			}
			for _, i := range all {
				if _, err := r.DeleteIdentities(t.Context(), i.ID); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := r.GetID(t.Context(), r.pool.ID, anna); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	id := r.identity(t, anna)
	_, err := r.GetCredentialsForIdentity(t.Context(), id, anna, "")
	require.NoError(t, err)
	all, _, err := r.ListIdentities(t.Context(), r.pool.ID, false, identitypool.Page{})
	require.NoError(t, err)
	require.Len(t, all, 1, "nothing is left behind")
}

func TestDisabledAndDeleted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	anna := login(t, google, "anna")
	id := r.identity(t, anna)
	c, err := r.GetCredentialsForIdentity(ctx, id, anna, "")
	require.NoError(t, err)
	who := r.key(t, c)
	require.NoError(t, who.Check())

	require.NoError(t, r.SetIdentityDisabled(ctx, id, true))
	require.NoError(t, r.SetIdentityDisabled(ctx, id, true))
	require.Equal(t, []string{id}, r.told(), "told once")
	require.ErrorIs(t, who.Check(), auth.ErrBadCredentials, "who was let in meanwhile is put out")
	require.False(t, r.usable(t, c))
	_, err = r.GetID(ctx, r.pool.ID, anna)
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
	_, err = r.GetCredentialsForIdentity(ctx, id, anna, "")
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
	require.ErrorIs(t, r.UnlinkIdentity(ctx, id, anna, []string{google}), identitypool.ErrNotAuthorized)
	all, _, err := r.ListIdentities(ctx, r.pool.ID, true, identitypool.Page{})
	require.NoError(t, err)
	require.Empty(t, all)

	require.NoError(t, r.SetIdentityDisabled(ctx, id, false))
	require.Empty(t, r.told())
	require.True(t, r.usable(t, c))

	left, err := r.DeleteIdentities(ctx, id, r.identity(t, nil), "local:00")
	require.NoError(t, err)
	require.Empty(t, left)
	require.Contains(t, r.told(), id)
	require.False(t, r.usable(t, c))
	require.ErrorIs(t, r.SetIdentityDisabled(ctx, id, true), identitypool.ErrNotFound)
	_, err = r.DescribeIdentity(ctx, id)
	require.ErrorIs(t, err, identitypool.ErrNotFound)
	_, err = r.GetCredentialsForIdentity(ctx, id, anna, "")
	require.ErrorIs(t, err, identitypool.ErrNotFound)
	require.NotEqual(t, id, r.identity(t, anna))
	guest := r.identity(t, nil)
	require.NoError(t, r.SetIdentityDisabled(ctx, guest, true))
	_, err = r.GetCredentialsForIdentity(ctx, guest, nil, "")
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)

	for _, bad := range [][]string{{}, {"x"}, make([]string, 61)} {
		_, err = r.DeleteIdentities(ctx, bad...)
		require.ErrorIs(t, err, identitypool.ErrInvalid)
	}
}

func TestDeletePool(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	var all []roles.Credentials
	for i := range 70 {
		l := login(t, google, fmt.Sprint("u", i))
		c, err := r.GetCredentialsForIdentity(ctx, r.identity(t, l), l, "")
		require.NoError(t, err)
		all = append(all, c)
	}
	require.NoError(t, r.DeleteIdentityPool(ctx, r.pool.ID))
	require.Len(t, r.told(), 70)
	for _, c := range all {
		require.False(t, r.usable(t, c))
	}
	require.ErrorIs(t, r.DeleteIdentityPool(ctx, r.pool.ID), identitypool.ErrNotFound)
	_, err := r.GetID(ctx, r.pool.ID, login(t, google, "u1"))
	require.ErrorIs(t, err, identitypool.ErrNotFound)
	for rec, err := range r.dir.Scan(ctx, "identitypool", "") {
		require.NoError(t, err)
		require.Equal(t, "identitypool-key", auth.Parts(rec.Key)[0], "nothing else is left")
	}
}

func TestListIdentities(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	want := map[string]bool{}
	for range 13 {
		want[r.identity(t, nil)] = true
	}
	other, err := r.CreateIdentityPool(ctx, wholePool())
	require.NoError(t, err)
	_, err = r.GetID(ctx, other.ID, nil)
	require.NoError(t, err)
	for _, size := range []int{0, 1, 4, 13, 60} {
		got := map[string]bool{}
		for p := (identitypool.Page{Size: size}); ; {
			all, next, err := r.ListIdentities(ctx, r.pool.ID, false, p)
			require.NoError(t, err)
			for _, i := range all {
				got[i.ID] = true
			}
			if p.Next = next; next == "" {
				break
			}
			require.Len(t, all, size)
		}
		require.Equal(t, want, got)
	}
	for _, bad := range []identitypool.Page{{Size: -1}, {Size: 61}, {Next: "!"}, {Next: "YQ=="}} {
		_, _, err := r.ListIdentities(ctx, r.pool.ID, false, bad)
		require.ErrorIs(t, err, identitypool.ErrInvalid)
	}
}

func TestIdentityOf(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	id := r.identity(t, both(login(t, google, "anna"), login(t, people, "sub-1")))
	for _, of := range [][2]string{{google, "anna"}, {people, "sub-1"}} {
		got, err := r.IdentityOf(ctx, r.pool.ID, of[0], of[1])
		require.NoError(t, err)
		require.Equal(t, id, got.ID)
		require.Equal(t, r.pool.ID, got.Pool)
	}
	for _, c := range []struct {
		pool, provider, subject string
		kind                    error
	}{
		{r.pool.ID, google, "bob", identitypool.ErrNotFound},
		{r.pool.ID, facebook, "anna", identitypool.ErrNotFound},
		{"local:00000000-0000-0000-0000-000000000000", google, "anna", identitypool.ErrNotFound},
		{"x", google, "anna", identitypool.ErrInvalid},
		{r.pool.ID, "", "anna", identitypool.ErrInvalid},
		{r.pool.ID, google, "", identitypool.ErrInvalid},
		{r.pool.ID, google, strings.Repeat("x", 2049), identitypool.ErrInvalid},
	} {
		_, err := r.IdentityOf(ctx, c.pool, c.provider, c.subject)
		require.ErrorIs(t, err, c.kind, "%+v", c)
	}
	require.NoError(t, r.SetIdentityDisabled(ctx, id, true))
	got, err := r.IdentityOf(ctx, r.pool.ID, google, "anna")
	require.NoError(t, err)
	require.True(t, got.Disabled)
}

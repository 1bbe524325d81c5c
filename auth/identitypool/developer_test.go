package identitypool_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/roles"
)

// user returns the identity and the token of a user of the backend.
func (r *rig) user(t testing.TB, name string) (id, token string) {
	t.Helper()
	id, token, err := r.GetOpenIDTokenForDeveloperIdentity(t.Context(), identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{backend: name}})
	require.NoError(t, err)
	return id, token
}

func TestDeveloperUsers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	id, token := r.user(t, "u1")
	again, _ := r.user(t, "u1")
	require.Equal(t, id, again)
	other, _ := r.user(t, "u2")
	require.NotEqual(t, id, other)

	// The app signs in with the token.
	logins := identitypool.Logins{own: token}
	require.Equal(t, id, r.identity(t, logins))
	c, err := r.GetCredentialsForIdentity(ctx, id, logins, "")
	require.NoError(t, err)
	who := r.key(t, c)
	require.Equal(t, auth.Authenticated, who.Kind)
	require.Equal(t, backend+","+backend+":"+r.pool.ID+":u1", who.Attributes[roles.PoolAMR])
	_, err = r.GetCredentialsForIdentity(ctx, other, logins, "")
	require.ErrorIs(t, err, identitypool.ErrConflict, "somebody else's identity")
	_, err = r.GetCredentialsForIdentity(ctx, r.identity(t, nil), logins, "")
	require.ErrorIs(t, err, identitypool.ErrConflict, "a guest's")

	// Logins are linked through it.
	require.Equal(t, id, r.identity(t, both(logins, login(t, google, "anna"))))
	require.Equal(t, id, r.identity(t, login(t, google, "anna")))
	got, err := r.DescribeIdentity(ctx, id)
	require.NoError(t, err)
	require.Equal(t, []string{google, backend}, got.Logins)
	_, err = r.GetID(ctx, r.pool.ID, both(identitypool.Logins{own: token}, login(t, google, "bob")))
	require.ErrorIs(t, err, identitypool.ErrConflict, "another login of the provider")

	// The backend links users, and logins, as it likes.
	guest := r.identity(t, nil)
	linked, _, err := r.GetOpenIDTokenForDeveloperIdentity(ctx, identitypool.DeveloperLogin{Pool: r.pool.ID, Identity: guest, Logins: both(identitypool.Logins{backend: "u3"}, login(t, facebook, "carl"))})
	require.NoError(t, err)
	require.Equal(t, guest, linked)
	require.Equal(t, guest, r.identity(t, login(t, facebook, "carl")))
	linked, _, err = r.GetOpenIDTokenForDeveloperIdentity(ctx, identitypool.DeveloperLogin{Pool: r.pool.ID, Identity: id, Logins: identitypool.Logins{backend: "u1b"}})
	require.NoError(t, err)
	require.Equal(t, id, linked)
	_, _, err = r.GetOpenIDTokenForDeveloperIdentity(ctx, identitypool.DeveloperLogin{Pool: r.pool.ID, Identity: id, Logins: identitypool.Logins{backend: "u2"}})
	require.ErrorIs(t, err, identitypool.ErrRegistered)
	_, _, err = r.GetOpenIDTokenForDeveloperIdentity(ctx, identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: both(identitypool.Logins{backend: "u2"}, login(t, google, "anna"))})
	require.ErrorIs(t, err, identitypool.ErrRegistered)

	// The token ends with what it is about, and after its time.
	require.NoError(t, r.UnlinkDeveloperIdentity(ctx, r.pool.ID, id, backend, "u1"))
	_, err = r.GetCredentialsForIdentity(ctx, id, logins, "")
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized, "the user is not linked any more")
	fresh, _ := r.user(t, "u1")
	require.NotEqual(t, id, fresh)
	_, token = r.user(t, "u1b")
	r.pass(15 * time.Minute)
	_, err = r.GetID(ctx, r.pool.ID, identitypool.Logins{own: token})
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
	require.ErrorContains(t, err, "expired")
	_, token = r.user(t, "u1b")
	require.NoError(t, r.SetIdentityDisabled(ctx, id, true))
	_, err = r.GetID(ctx, r.pool.ID, identitypool.Logins{own: token})
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
}

func TestDeveloperUsersRefuse(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	bare, err := r.CreateIdentityPool(ctx, identitypool.Pool{Name: "bare"})
	require.NoError(t, err)
	for _, c := range []struct {
		login identitypool.DeveloperLogin
		kind  error
	}{
		{identitypool.DeveloperLogin{Pool: bare.ID, Logins: identitypool.Logins{backend: "u"}}, identitypool.ErrInvalid},
		{identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{"other": "u"}}, identitypool.ErrInvalid},
		{identitypool.DeveloperLogin{Pool: r.pool.ID}, identitypool.ErrInvalid},
		{identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{backend: ""}}, identitypool.ErrInvalid},
		{identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{backend: strings.Repeat("u", 1025)}}, identitypool.ErrInvalid},
		{identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{backend: "u", google: "x"}}, identitypool.ErrNotAuthorized},
		{identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{backend: "u"}, Duration: 25 * time.Hour}, identitypool.ErrInvalid},
		{identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{backend: "u"}, Duration: -1}, identitypool.ErrInvalid},
		{identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{backend: "u"}, Identity: "x"}, identitypool.ErrInvalid},
		{identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{backend: "u"}, Identity: "local:00"}, identitypool.ErrNotFound},
		{identitypool.DeveloperLogin{Pool: "local:00", Logins: identitypool.Logins{backend: "u"}}, identitypool.ErrNotFound},
	} {
		_, _, err := r.GetOpenIDTokenForDeveloperIdentity(ctx, c.login)
		require.ErrorIs(t, err, c.kind, "%+v", c.login)
	}
	// An identity of another pool.
	other, err := r.CreateIdentityPool(ctx, wholePool())
	require.NoError(t, err)
	id, _ := r.user(t, "u1")
	_, _, err = r.GetOpenIDTokenForDeveloperIdentity(ctx, identitypool.DeveloperLogin{Pool: other.ID, Identity: id, Logins: identitypool.Logins{backend: "u1"}})
	require.ErrorIs(t, err, identitypool.ErrNotFound)
}

func TestLookupDeveloperIdentity(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	id, _ := r.user(t, "u00")
	want := []string{"u00"}
	for i := 1; i < 11; i++ {
		name := fmt.Sprintf("u%02d", i)
		want = append(want, name)
		_, _, err := r.GetOpenIDTokenForDeveloperIdentity(ctx, identitypool.DeveloperLogin{Pool: r.pool.ID, Identity: id, Logins: identitypool.Logins{backend: name}})
		require.NoError(t, err)
	}
	for size := range 13 {
		var got []string
		for p := (identitypool.Page{Size: size}); ; {
			of, users, next, err := r.LookupDeveloperIdentity(ctx, r.pool.ID, id, "", p)
			require.NoError(t, err)
			require.Equal(t, id, of)
			got = append(got, users...)
			if p.Next = next; next == "" {
				break
			}
		}
		require.Equal(t, want, got)
	}
	of, users, _, err := r.LookupDeveloperIdentity(ctx, r.pool.ID, "", "u05", identitypool.Page{})
	require.NoError(t, err)
	require.Equal(t, id, of)
	require.Equal(t, []string{"u05"}, users)
	other, _ := r.user(t, "x")
	for _, c := range []struct {
		pool, id, user string
		kind           error
	}{
		{r.pool.ID, "", "", identitypool.ErrInvalid},
		{r.pool.ID, "", "none", identitypool.ErrNotFound},
		{r.pool.ID, other, "u05", identitypool.ErrConflict},
		{r.pool.ID, "local:00", "", identitypool.ErrNotFound},
		{"local:00", id, "", identitypool.ErrNotFound},
	} {
		_, _, _, err := r.LookupDeveloperIdentity(ctx, c.pool, c.id, c.user, identitypool.Page{})
		require.ErrorIs(t, err, c.kind, "%+v", c)
	}
}

func TestMergeDeveloperIdentities(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	from, token := r.user(t, "from")
	to, _ := r.user(t, "to")
	require.Equal(t, from, r.identity(t, both(identitypool.Logins{own: token}, login(t, google, "anna"))))
	c, err := r.GetCredentialsForIdentity(ctx, from, login(t, google, "anna"), "")
	require.NoError(t, err)
	got, err := r.MergeDeveloperIdentities(ctx, r.pool.ID, backend, "from", "to")
	require.NoError(t, err)
	require.Equal(t, to, got)
	require.Equal(t, []string{from}, r.told())
	require.False(t, r.usable(t, c))
	require.Equal(t, to, r.identity(t, login(t, google, "anna")))
	got, _ = r.user(t, "from")
	require.Equal(t, to, got)
	_, err = r.DescribeIdentity(ctx, from)
	require.ErrorIs(t, err, identitypool.ErrNotFound)
	got, err = r.MergeDeveloperIdentities(ctx, r.pool.ID, backend, "from", "to")
	require.NoError(t, err, "they are one already")
	require.Equal(t, to, got)

	third, token := r.user(t, "third")
	r.identity(t, both(identitypool.Logins{own: token}, login(t, google, "bob")))
	_, err = r.MergeDeveloperIdentities(ctx, r.pool.ID, backend, "third", "to")
	require.ErrorIs(t, err, identitypool.ErrConflict, "both have a login of Google")
	r.user(t, "fourth")
	require.NoError(t, r.SetIdentityDisabled(ctx, third, true))
	_, err = r.MergeDeveloperIdentities(ctx, r.pool.ID, backend, "third", "fourth")
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
	for _, bad := range [][4]string{{r.pool.ID, "", "from", "to"}, {r.pool.ID, "other", "from", "to"}, {r.pool.ID, backend, "", "to"}, {"x", backend, "from", "to"}} {
		_, err = r.MergeDeveloperIdentities(ctx, bad[0], bad[1], bad[2], bad[3])
		require.ErrorIs(t, err, identitypool.ErrInvalid)
	}
	_, err = r.MergeDeveloperIdentities(ctx, r.pool.ID, backend, "none", "to")
	require.ErrorIs(t, err, identitypool.ErrNotFound)
}

// Merges in both directions at once end with one identity that has everything.
func TestMergesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user(t, "a")
	r.user(t, "b")
	var wg sync.WaitGroup
	for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}, {"a", "b"}} {
		wg.Go(func() {
			if _, err := r.MergeDeveloperIdentities(t.Context(), r.pool.ID, backend, pair[0], pair[1]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	a, _ := r.user(t, "a")
	b, _ := r.user(t, "b")
	require.Equal(t, a, b)
	all, _, err := r.ListIdentities(t.Context(), r.pool.ID, false, identitypool.Page{})
	require.NoError(t, err)
	require.Len(t, all, 1)
}

// between calls a function once, before the n-th look at a record from now on.
type between struct {
	auth.Directory
	left int
	do   func()
}

func (b *between) Get(ctx context.Context, key string) (auth.Record, error) {
	if b.left--; b.left == 0 {
		b.do()
	}
	return b.Directory.Get(ctx, key)
}

// A user whose identity is merged into another one while they are looked up is found there.
func TestMergeDuringLookup(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for look := 1; look <= 4; look++ {
		b := &between{Directory: auth.NewMemory()}
		r := newRig(t, func(c *identitypool.Config) { c.Directory = b })
		r.user(t, "a")
		to, _ := r.user(t, "b")
		b.do = func() {
			_, err := r.MergeDeveloperIdentities(ctx, r.pool.ID, backend, "a", "b")
			require.NoError(t, err)
		}
		b.left = look
		got, _, _, err := r.LookupDeveloperIdentity(ctx, r.pool.ID, "", "a", identitypool.Page{})
		require.NoError(t, err, "merged before look %d", look)
		if look <= 3 { // the pool, the login, the identity
			require.Equal(t, to, got)
			require.LessOrEqual(t, b.left, 0)
		}
	}
}

func TestUnlinkDeveloperIdentity(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	id, _ := r.user(t, "u1")
	other, _ := r.user(t, "u2")
	for _, c := range []struct {
		id, provider, user string
		kind               error
	}{
		{other, backend, "u1", identitypool.ErrConflict},
		{id, backend, "none", identitypool.ErrNotFound},
		{id, "", "u1", identitypool.ErrInvalid},
		{id, google, "u1", identitypool.ErrInvalid},
		{"x", backend, "u1", identitypool.ErrInvalid},
		{id, backend, "", identitypool.ErrInvalid},
	} {
		require.ErrorIs(t, r.UnlinkDeveloperIdentity(ctx, r.pool.ID, c.id, c.provider, c.user), c.kind)
	}
	require.NoError(t, r.UnlinkDeveloperIdentity(ctx, r.pool.ID, id, backend, "u1"))
	require.ErrorIs(t, r.UnlinkDeveloperIdentity(ctx, r.pool.ID, id, backend, "u1"), identitypool.ErrNotFound)
	got, err := r.DescribeIdentity(ctx, id)
	require.NoError(t, err)
	require.True(t, got.Inaccessible)
	require.Empty(t, got.Logins)
}

func TestTooManyLogins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.user(t, "u0")
	link := func(i int) error {
		_, _, err := r.GetOpenIDTokenForDeveloperIdentity(t.Context(), identitypool.DeveloperLogin{Pool: r.pool.ID, Identity: id, Logins: identitypool.Logins{backend: fmt.Sprint("u", i)}})
		return err
	}
	for i := range 100 {
		require.NoError(t, link(i))
	}
	require.ErrorIs(t, link(100), identitypool.ErrLimit)
	r.user(t, "more")
	_, err := r.MergeDeveloperIdentities(t.Context(), r.pool.ID, backend, "more", "u0")
	require.ErrorIs(t, err, identitypool.ErrLimit)
}

func TestUnlinkIdentity(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	id := r.identity(t, both(login(t, google, "anna"), login(t, facebook, "anna")))
	for _, c := range []struct {
		logins identitypool.Logins
		remove []string
		kind   error
	}{
		{nil, []string{google}, identitypool.ErrInvalid},
		{login(t, google, "anna"), nil, identitypool.ErrInvalid},
		{login(t, google, "anna"), []string{people}, identitypool.ErrInvalid},
		{login(t, google, "anna"), slices.Repeat([]string{google}, 11), identitypool.ErrInvalid},
		{login(t, google, "bob"), []string{google}, identitypool.ErrNotAuthorized},
		{identitypool.Logins{google: "x"}, []string{google}, identitypool.ErrNotAuthorized},
	} {
		require.ErrorIs(t, r.UnlinkIdentity(ctx, id, c.logins, c.remove), c.kind)
	}
	require.ErrorIs(t, r.UnlinkIdentity(ctx, "local:00", login(t, google, "anna"), []string{google}), identitypool.ErrNotFound)
	require.NoError(t, r.UnlinkIdentity(ctx, id, login(t, google, "anna"), []string{facebook}))
	require.Equal(t, id, r.identity(t, login(t, google, "anna")))
	fresh := r.identity(t, login(t, facebook, "anna"))
	require.NotEqual(t, id, fresh)
	// With the token of a user of the backend.
	_, token := r.user(t, "u")
	user := r.identity(t, both(identitypool.Logins{own: token}, login(t, corp, "u")))
	require.NoError(t, r.UnlinkIdentity(ctx, user, identitypool.Logins{own: token}, []string{corp}))
	require.NotEqual(t, user, r.identity(t, login(t, corp, "u")))
}

package users_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/users"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.Create(t.Context(), users.NewUser{Name: "alice", Password: "alice-pw", Attributes: map[string]string{"tenant": "north", "aws:username": "bob"}})
	require.NoError(t, err)
	id, err := r.login(t, "alice", "alice-pw")
	require.NoError(t, err)
	require.NoError(t, id.Check())
	id.Check = nil
	require.Equal(t, &auth.Identity{
		Principal: "alice", Kind: auth.User, ARN: "arn:aws:iot:eu-central-1:123456789012:user/alice",
		Attributes: map[string]string{"tenant": "north", "aws:username": "alice"},
	}, id)

	for _, c := range []struct{ name, password string }{
		{"alice", "alice-pW"},
		{"alice", "alice-pw "},
		{"alice", ""},
		{"alice", "alice-pw\x00"},
		{"alice", strings.Repeat("x", 1025)},
		{"Alice", "alice-pw"},
		{"alice ", "alice-pw"},
		{"alice\x00", "alice-pw"},
		{"bob", "alice-pw"},
		{strings.Repeat("a", 129), "alice-pw"},
		{"älice", "alice-pw"},
	} {
		id, err := r.login(t, c.name, c.password)
		require.Nil(t, id)
		require.ErrorIs(t, err, auth.ErrBadCredentials, "%q %q", c.name, c.password)
		require.EqualError(t, err, "auth: bad credentials: no user has this name and this password", "always the same")
	}
}

// TestNames goes through the forms that a user name comes in.
func TestNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "alice", "alice-pw")
	for _, name := range []string{
		"alice", "alice?SDK=Python&Version=1.4.9", "alice?SDK=JavaScript&Version=2.2.1&Platform=x?MQTTLib=y", "alice?",
	} {
		id, err := r.login(t, name, "alice-pw")
		require.NoError(t, err, name)
		require.Equal(t, "alice", id.Principal)
	}
	basic, err := http.NewRequest(http.MethodGet, "http://hub.test/things", nil)
	require.NoError(t, err)
	basic.SetBasicAuth("alice", "alice-pw")
	id, err := r.Authenticate(t.Context(), &auth.Credentials{Request: basic})
	require.NoError(t, err)
	require.Equal(t, "alice", id.Principal)
	_, err = r.Authenticate(t.Context(), &auth.Credentials{Request: basic, HasUsername: true, Username: "alice", Password: []byte("other")})
	require.ErrorIs(t, err, auth.ErrBadCredentials, "what CONNECT says counts more than the request before")

	plain, err := http.NewRequest(http.MethodGet, "http://hub.test/things", nil)
	require.NoError(t, err)
	for _, c := range []*auth.Credentials{
		{},
		{Request: plain},
		{HasUsername: true, Username: "?SDK=Python&Version=1.4.9"},
		{HasUsername: true, Username: "?SDK=Python&Version=1.4.9", Password: []byte("x")},
		{HasUsername: true, Password: []byte("x")},
		{Password: []byte("x")},
		connect("alice?x-amz-customauthorizer-name=A", "alice-pw"),
		connect("alice?SDK=a?X-Amz-CustomAuthorizer-Signature=A", "alice-pw"),
	} {
		_, err := r.Authenticate(t.Context(), c)
		require.ErrorIs(t, err, auth.ErrUnrecognised, "%+v", c)
	}
}

// A name without a password is a login that failed.
func TestNoPassword(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "alice", "alice-pw")
	_, err := r.Authenticate(t.Context(), &auth.Credentials{HasUsername: true, Username: "alice"})
	require.ErrorIs(t, err, auth.ErrBadCredentials)
}

// TestChanges: what is changed counts at once, for who logs in and who has.
func TestChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "alice", "alice-pw")
	login := func(password string) *auth.Identity {
		t.Helper()
		id, err := r.login(t, "alice", password)
		require.NoError(t, err)
		return id
	}
	id := login("alice-pw")
	yes, no := true, false
	u, err := r.Update(t.Context(), "alice", users.Change{Attributes: map[string]string{"a": "b"}})
	require.NoError(t, err)
	require.Equal(t, users.User{Name: "alice", Attributes: map[string]string{"a": "b"}, Created: noon, Changed: noon}, u)
	require.NoError(t, id.Check())
	require.Empty(t, r.changed)
	require.Equal(t, "b", login("alice-pw").Attributes["a"])

	r.clock = noon.Add(time.Second)
	require.NoError(t, r.SetPassword(t.Context(), "alice", "another-pw"))
	require.Equal(t, []string{"alice"}, r.changed)
	require.ErrorIs(t, id.Check(), auth.ErrBadCredentials)
	_, err = r.login(t, "alice", "alice-pw")
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	id = login("another-pw")

	u, err = r.Update(t.Context(), "alice", users.Change{Disabled: &yes})
	require.NoError(t, err)
	require.True(t, u.Disabled)
	require.Equal(t, noon.Add(time.Second), u.Changed)
	require.Equal(t, map[string]string{"a": "b"}, u.Attributes, "what is nil stays")
	require.Len(t, r.changed, 2)
	require.Error(t, id.Check())
	_, err = r.login(t, "alice", "another-pw")
	require.ErrorIs(t, err, auth.ErrBanned)
	_, err = r.login(t, "alice", "guess")
	require.ErrorIs(t, err, auth.ErrBadCredentials, "who does not know the password is not told")
	_, err = r.Update(t.Context(), "alice", users.Change{Disabled: &yes})
	require.NoError(t, err)
	require.Len(t, r.changed, 2, "it was before")
	_, err = r.Update(t.Context(), "alice", users.Change{Disabled: &no, Attributes: map[string]string{}})
	require.NoError(t, err)
	id = login("another-pw")

	require.NoError(t, r.Delete(t.Context(), "alice"))
	require.Len(t, r.changed, 3)
	require.Error(t, id.Check())
	_, err = r.login(t, "alice", "another-pw")
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	r.create(t, "alice", "the third one")
	_, err = r.login(t, "alice", "another-pw")
	require.ErrorIs(t, err, auth.ErrBadCredentials, "the new user is another one")
	login("the third one")

	for _, err := range []error{
		r.Delete(t.Context(), "bob"), r.SetPassword(t.Context(), "bob", "bobs-password"), r.SetPasswordHash(t.Context(), "bob", known),
		func() error { _, err := r.Update(t.Context(), "bob", users.Change{}); return err }(),
		func() error { _, err := r.Get(t.Context(), "bob"); return err }(),
	} {
		require.ErrorIs(t, err, auth.ErrNotFound)
	}
	require.Len(t, r.changed, 3)
}

// TestRemembered: a password that was right needs no new hash for a while. Since all
// turns of the hasher are taken, only who needs none gets in.
func TestRemembered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		remember time.Duration
		after    time.Duration
		knows    bool
	}{
		{"by default", 0, 59 * time.Second, true},
		{"too late", 0, time.Minute, false},
		{"longer", time.Hour, 59 * time.Minute, true},
		{"never", -1, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(cfg *users.Config) { cfg.Remember = c.remember })
			r.create(t, "alice", "alice-pw")
			_, err := r.login(t, "alice", "alice-pw")
			require.NoError(t, err)
			r.clock = r.clock.Add(c.after)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			busy := r.occupy(t)
			defer busy()
			_, err = r.Authenticate(ctx, connect("alice", "alice-pw"))
			require.Equal(t, c.knows, err == nil, err)
			if err != nil {
				require.ErrorIs(t, err, auth.ErrUnavailable)
			}
			_, err = r.Authenticate(ctx, connect("alice", "alice-pW"))
			require.ErrorIs(t, err, auth.ErrUnavailable, "another password is not in memory")
		})
	}
}

// TestRehash: a hash of other parameters is replaced when its password comes by.
func TestRehash(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.Create(t.Context(), users.NewUser{Name: "import", PasswordHash: known})
	require.NoError(t, err)
	stored := func() string {
		rec, err := r.dir.Get(t.Context(), auth.Key("user", "import"))
		require.NoError(t, err)
		return string(rec.Value)
	}
	require.Contains(t, stored(), "m=256,t=2,p=1$")
	_, err = r.login(t, "import", "wrong")
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	require.Contains(t, stored(), "m=256,t=2,p=1$")
	id, err := r.login(t, "import", "password")
	require.NoError(t, err)
	require.Contains(t, stored(), "m=64,t=1,p=1$")
	require.NoError(t, id.Check())
	require.Empty(t, r.changed, "it is the same password")
	before := stored()
	for range 3 {
		_, err = r.login(t, "import", "password")
		require.NoError(t, err)
	}
	require.Equal(t, before, stored())
	_, err = r.login(t, "import", "wrong")
	require.ErrorIs(t, err, auth.ErrBadCredentials)
}

// known is the hash of "password" with the salt "somesalt": one of the published test
// vectors of Argon2id.
const known = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

func TestHashes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "alice", "alice-pw")
	const salt, sum = "c29tZXNhbHQ", "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	for _, c := range []struct{ hash, want string }{
		{"", "expected the form $argon2id"},
		{"password", "expected the form $argon2id"},
		{"$argon2id$v=19$m=256,t=2,p=1$" + salt, "expected the form"},
		{"x" + known, "expected the form"},
		{known + "$", "expected the form"},
		{strings.Replace(known, "argon2id", "argon2i", 1), `the algorithm is "argon2i", expected argon2id`},
		{"$2b$v=19$m=256,t=2,p=1$" + salt + "$" + sum, `the algorithm is "2b"`},
		{strings.Replace(known, "v=19", "v=16", 1), `the version is "v=16", expected v=19`},
		{strings.Replace(known, "m=256,t=2,p=1", "m=256,t=2", 1), `the parameters are "m=256,t=2"`},
		{strings.Replace(known, "m=256,t=2", "t=2,m=256", 1), `the parameter "t=2" is not known, expected m= and a number`},
		{strings.Replace(known, "m=256", "m=+256", 1), `the parameter "m=+256"`},
		{strings.Replace(known, "m=256", "m=0256", 1), `the parameter "m=0256"`},
		{strings.Replace(known, "p=1", "p=257", 1), `the parameter "p=257"`},
		{strings.Replace(known, "p=1", "p=0", 1), "Parallelism is 0, expected 1 to 64"},
		{strings.Replace(known, "m=256", "m=7", 1), "Memory is 7 KiB, expected 8 to 1048576"},
		{strings.Replace(known, "m=256", "m=4294967295", 1), "Memory is 4294967295 KiB"},
		{strings.Replace(known, "t=2", "t=0", 1), "Time is 0, expected 1 to 64"},
		{strings.Replace(known, "t=2", "t=65", 1), "Time is 65"},
		{strings.Replace(known, salt, salt+"=", 1), "the salt is not base64"},
		{strings.Replace(known, salt, "c2Fs\ndGU", 1), "the salt is not base64"},
		{strings.Replace(known, salt, "c2FsdA", 1), "the salt has 4 bytes, expected 8 to 64"},
		{strings.Replace(known, sum, "c2FsdA", 1), "the hash has 4 bytes, expected 16 to 64"},
		{strings.Replace(known, sum, strings.Repeat("AAAA", 22), 1), "the hash has 66 bytes"},
		{strings.Replace(known, sum, sum[:len(sum)-1]+"5", 1), "the hash is not base64"}, // bits that mean nothing
	} {
		err := r.SetPasswordHash(t.Context(), "alice", c.hash)
		require.ErrorIs(t, err, users.ErrInvalid, c.hash)
		require.ErrorContains(t, err, "PasswordHash: ")
		require.ErrorContains(t, err, c.want)
	}
	_, err := r.login(t, "alice", "alice-pw")
	require.NoError(t, err, "nothing was changed")
	require.NoError(t, r.SetPasswordHash(t.Context(), "alice", known))
	_, err = r.login(t, "alice", "password")
	require.NoError(t, err)
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "alice", "alice-pw")
	_, err := r.Create(t.Context(), users.NewUser{Name: "alice", Password: "alice-pw"})
	require.ErrorIs(t, err, users.ErrExists)
	many := map[string]string{}
	for i := range 51 {
		many[strings.Repeat("a", i+1)] = ""
	}
	for _, c := range []struct {
		user users.NewUser
		want string
	}{
		{users.NewUser{Password: "password"}, `Name is "", expected 1 to 128 letters`},
		{users.NewUser{Name: "a:b", Password: "password"}, `Name is "a:b"`},
		{users.NewUser{Name: "a?b", Password: "password"}, `Name is "a?b"`},
		{users.NewUser{Name: "a/b", Password: "password"}, `Name is "a/b"`},
		{users.NewUser{Name: strings.Repeat("0a", 32), Password: "password"}, "no certificate's id"},
		{users.NewUser{Name: "bob"}, "of Password and PasswordHash one must be set"},
		{users.NewUser{Name: "bob", Password: "password", PasswordHash: known}, "of Password and PasswordHash one must be set"},
		{users.NewUser{Name: "bob", Password: "1234567"}, "Password has 7 bytes, expected 8 to 1024"},
		{users.NewUser{Name: "bob", Password: strings.Repeat("x", 1025)}, "Password has 1025 bytes"},
		{users.NewUser{Name: "bob", Password: "pass\x00word"}, "Password has a zero byte"},
		{users.NewUser{Name: "bob", Password: "password", Attributes: many}, "Attributes has 51, expected at most 50"},
		{users.NewUser{Name: "bob", Password: "password", Attributes: map[string]string{"a b": ""}}, `Attributes has "a b"`},
		{users.NewUser{Name: "bob", Password: "password", Attributes: map[string]string{"a": "\xff"}}, `Attributes["a"] is "\xff"`},
		{users.NewUser{Name: "bob", Password: "password", Attributes: map[string]string{"a": strings.Repeat("x", 1025)}}, "at most 1024 bytes"},
	} {
		_, err := r.Create(t.Context(), c.user)
		require.ErrorIs(t, err, users.ErrInvalid)
		require.ErrorContains(t, err, c.want)
		if c.user.Password != "" {
			require.NotContains(t, err.Error(), c.user.Password)
		}
	}
	_, err = r.Update(t.Context(), "alice", users.Change{Attributes: many})
	require.ErrorIs(t, err, users.ErrInvalid)
	require.ErrorIs(t, r.SetPassword(t.Context(), "alice", "short"), users.ErrInvalid)
	_, err = newRig(t, func(c *users.Config) { c.MinPassword = 1 }).Create(t.Context(), users.NewUser{Name: "bob", Password: "x"})
	require.NoError(t, err)
}

func TestList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"carol", "alice", "bob", "al"} {
		r.create(t, name, "password")
	}
	list := func(after string, most int) (names []string) {
		for u, err := range r.List(t.Context(), after) {
			require.NoError(t, err)
			if names = append(names, u.Name); len(names) == most {
				break
			}
		}
		return names
	}
	require.Equal(t, []string{"al", "alice", "bob", "carol"}, list("", 9))
	require.Equal(t, []string{"al", "alice"}, list("", 2))
	require.Equal(t, []string{"bob", "carol"}, list("alice", 2))
	require.Equal(t, []string{"bob", "carol"}, list("az", 9), "after one that is gone")
	require.Empty(t, list("carol", 9))
	u, err := r.Get(t.Context(), "bob")
	require.NoError(t, err)
	require.Equal(t, users.User{Name: "bob", Created: noon, Changed: noon}, u)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	for _, c := range []struct {
		cfg  users.Config
		want string
	}{
		{users.Config{}, "Config.Directory is nil"},
		{users.Config{Directory: dir, Scope: users.Scope{Region: "a b"}}, `Config.Scope.Region is "a b"`},
		{users.Config{Directory: dir, Hash: users.HashParams{Memory: 7}}, "Config.Hash.Memory is 7 KiB, expected 8 to"},
		{users.Config{Directory: dir, Hash: users.HashParams{Time: 65}}, "Config.Hash.Time is 65"},
		{users.Config{Directory: dir, Parallel: -1}, "Config.Parallel is -1, expected 1 to 1024"},
		{users.Config{Directory: dir, Waiting: -1}, "Config.Waiting is -1"},
		{users.Config{Directory: dir, MinPassword: 1025}, "Config.MinPassword is 1025, expected 1 to 1024"},
		{users.Config{Directory: dir, RememberMost: -1}, "Config.RememberMost is -1"},
		{users.Config{Directory: dir, Remember: 2 * time.Hour}, "Config.Remember is 2h0m0s, expected at most 1h0m0s"},
		{users.Config{Directory: dir, PerUser: users.Limits{Wait: -1}}, "Config.PerUser.Wait is -1ns"},
		{users.Config{Directory: dir, PerUser: users.Limits{Wait: time.Minute, MaxWait: time.Second}}, "Config.PerUser.MaxWait is 1s, expected 1m0s to 24h0m0s"},
		{users.Config{Directory: dir, PerAddress: users.Limits{Forget: time.Second}}, "Config.PerAddress.Forget is 1s, expected 5m0s or more"},
	} {
		_, err := users.New(c.cfg)
		require.ErrorContains(t, err, c.want)
	}
	_, err := users.New(users.Config{Directory: dir})
	require.NoError(t, err)
}

type failing struct{ auth.Directory }

func (failing) Get(context.Context, string) (auth.Record, error) {
	return auth.Record{}, io.ErrClosedPipe
}

// TestUnavailable: what cannot be told is no refusal, and no failure of the user's.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *users.Config) { c.Directory, c.PerUser.Failures = failing{}, 1 })
	for range 5 {
		_, err := r.login(t, "alice", "alice-pw")
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.False(t, errors.Is(err, auth.ErrBadCredentials) || errors.Is(err, auth.ErrBanned))
	}
	r = newRig(t)
	require.NoError(t, r.dir.Commit(t.Context(), auth.Change{Key: auth.Key("user", "alice"), Value: []byte(`{"hash":"$2b$"}`)}))
	_, err := r.login(t, "alice", "alice-pw")
	require.ErrorContains(t, err, `the password hash of "alice" cannot be read`)
	require.NotErrorIs(t, err, auth.ErrBadCredentials)
}

package sigv4_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
)

func keyring(t testing.TB, change ...func(*sigv4.KeyringConfig)) *sigv4.Keyring {
	t.Helper()
	cfg := sigv4.KeyringConfig{Directory: auth.NewMemory(), Scope: sigv4.Scope{Account: "123456789012"}, Now: at(noon)}
	for _, c := range change {
		c(&cfg)
	}
	k, err := sigv4.NewKeyring(cfg)
	require.NoError(t, err)
	return k
}

// login signs a request and asks who that is.
func login(t testing.TB, a *sigv4.Authenticator, id, secret string) (*auth.Identity, error) {
	t.Helper()
	s := signer()
	s.ID, s.Secret = id, secret
	r := request(t, http.MethodGet, "http://hub.test/things", "")
	require.NoError(t, s.Sign(r, nil))
	return a.Authenticate(t.Context(), received(t, r))
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	var ended []string
	clock := noon
	k := keyring(t, func(c *sigv4.KeyringConfig) {
		c.Ended = func(p string) { ended = append(ended, p) }
		c.Now = func() time.Time { return clock }
	})
	a := verifier(t, func(c *sigv4.Config) { c.Keys, c.Now = k, func() time.Time { return clock } })

	key, secret, err := k.Create(t.Context(), "alice")
	require.NoError(t, err)
	require.Regexp(t, `^AKIA[A-Z2-7]{16}$`, key.ID)
	require.Regexp(t, `^[A-Za-z0-9+/]{40}$`, secret)
	require.Equal(t, sigv4.AccessKey{ID: key.ID, User: "alice", Created: noon}, key)

	id, err := login(t, a, key.ID, secret)
	require.NoError(t, err)
	require.NoError(t, id.Check())
	require.Equal(t, "arn:aws:iam::123456789012:user/alice", id.Principal)
	require.Equal(t, auth.IAM, id.Kind)
	require.Equal(t, id.Principal, id.Attached())
	require.Equal(t, "alice", id.Attributes["aws:username"])
	require.Regexp(t, `^AIDA[A-Z2-7]{16}$`, id.Attributes["aws:userid"])
	require.Zero(t, id.Expires)

	got, err := k.Get(t.Context(), key.ID)
	require.NoError(t, err)
	require.Equal(t, sigv4.Use{ID: key.ID, At: noon, Region: "eu-central-1", Service: "iot"}, got.LastUsed)

	require.NoError(t, k.SetDisabled(t.Context(), key.ID, true))
	require.NoError(t, k.SetDisabled(t.Context(), key.ID, true), "twice is fine")
	require.Equal(t, []string{id.Principal}, ended)
	require.ErrorIs(t, id.Check(), auth.ErrBadCredentials)
	_, err = login(t, a, key.ID, secret)
	require.ErrorContains(t, err, "security token")
	require.NoError(t, k.SetDisabled(t.Context(), key.ID, false))
	require.Len(t, ended, 1)
	id, err = login(t, a, key.ID, secret)
	require.NoError(t, err)

	require.NoError(t, k.Delete(t.Context(), key.ID))
	require.Len(t, ended, 2)
	require.Error(t, id.Check())
	_, err = login(t, a, key.ID, secret)
	require.ErrorContains(t, err, "security token")
	for _, err := range []error{k.Delete(t.Context(), key.ID), k.SetDisabled(t.Context(), key.ID, true)} {
		require.ErrorIs(t, err, auth.ErrNotFound)
	}
	_, err = k.Get(t.Context(), key.ID)
	require.ErrorIs(t, err, auth.ErrNotFound)
	require.Len(t, ended, 2)
}

// TestKeyringUse: the use of a key is written down now and then, not each time.
func TestKeyringUse(t *testing.T) {
	t.Parallel()
	clock := noon
	k := keyring(t, func(c *sigv4.KeyringConfig) { c.UseEvery = time.Hour })
	require.NoError(t, k.Put(t.Context(), "alice", "AKIDALICE", "s"))
	a := verifier(t, func(c *sigv4.Config) { c.Keys, c.Skew, c.Now = k, 24*time.Hour, func() time.Time { return clock } })
	used := func(secret string, after time.Duration) time.Duration {
		t.Helper()
		clock = noon.Add(after)
		_, err := login(t, a, "AKIDALICE", secret)
		require.Equal(t, secret != "s", err != nil)
		key, err := k.Get(t.Context(), "AKIDALICE")
		require.NoError(t, err)
		return key.LastUsed.At.Sub(noon)
	}
	require.Negative(t, used("wrong", time.Minute), "who cannot sign has not used it")
	require.Equal(t, 2*time.Minute, used("s", 2*time.Minute))
	require.Equal(t, 2*time.Minute, used("s", 61*time.Minute))
	require.Equal(t, 62*time.Minute, used("s", 62*time.Minute))
}

// TestKeyringUseOfTemporary: nothing is kept of keys that are not kept.
func TestKeyringUseOfTemporary(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	k := keyring(t, func(c *sigv4.KeyringConfig) { c.Directory = dir })
	a := verifier(t, func(c *sigv4.Config) { c.Keys = temporary{k} })
	r := request(t, http.MethodGet, "http://hub.test/things", "")
	s := signer()
	s.ID, s.Secret, s.Token = "ASIATEMPORARY", "s", "token"
	require.NoError(t, s.Sign(r, nil))
	_, err := a.Authenticate(t.Context(), received(t, r))
	require.NoError(t, err)
	for r, err := range dir.Scan(t.Context(), "", "") {
		require.Fail(t, "something is kept", "%q %v", r.Key, err)
	}
}

// temporary is a keyring beside which there are temporary keys.
type temporary struct{ *sigv4.Keyring }

func (temporary) Lookup(_ context.Context, id, token string) (sigv4.Key, error) {
	return sigv4.Key{ID: id, Secret: "s", Token: token, Identity: &auth.Identity{Principal: "role", Kind: auth.IAM}}, nil
}

func TestKeyringPut(t *testing.T) {
	t.Parallel()
	ended := 0
	k := keyring(t, func(c *sigv4.KeyringConfig) { c.Ended = func(string) { ended++ } })
	a := verifier(t, func(c *sigv4.Config) { c.Keys = k })
	require.NoError(t, k.Put(t.Context(), "ops/admin", "AKIAEXAMPLE", "s"))
	require.NoError(t, k.Put(t.Context(), "arn:aws:iam::123456789012:user/ops/admin", "AKIAEXAMPLE", "s"), "the same again, as at a restart")
	require.Zero(t, ended)
	id, err := login(t, a, "AKIAEXAMPLE", "s")
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::123456789012:user/ops/admin", id.Principal)
	require.Equal(t, "admin", id.Attributes["aws:username"])

	require.ErrorIs(t, k.Put(t.Context(), "other", "AKIAEXAMPLE", "s"), sigv4.ErrExists)
	require.NoError(t, k.Put(t.Context(), "ops/admin", "AKIAEXAMPLE", "new"))
	require.Equal(t, 1, ended)
	require.Error(t, id.Check())
	_, err = login(t, a, "AKIAEXAMPLE", "s")
	require.Error(t, err)
	_, err = login(t, a, "AKIAEXAMPLE", "new")
	require.NoError(t, err)

	require.NoError(t, k.Put(t.Context(), "ops/admin", "AKIASECOND", "s"))
	require.ErrorIs(t, k.Put(t.Context(), "ops/admin", "AKIATHIRD", "s"), sigv4.ErrLimit)
	_, _, err = k.Create(t.Context(), "ops/admin")
	require.ErrorContains(t, err, `the user "ops/admin" has 2, expected at most 2`)
	list, err := k.Keys(t.Context(), "ops/admin")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "AKIAEXAMPLE", list[0].ID)
	require.Equal(t, "AKIASECOND", list[1].ID)
	require.NoError(t, k.Delete(t.Context(), "AKIAEXAMPLE"))
	require.NoError(t, k.Put(t.Context(), "zoe", "AKIATHIRD", "s"))

	var all []string
	for key, err := range k.List(t.Context(), "") {
		require.NoError(t, err)
		all = append(all, key.ID+" "+key.User)
	}
	require.Equal(t, []string{"AKIASECOND ops/admin", "AKIATHIRD zoe"}, all)
	for key, err := range k.List(t.Context(), "AKIASECOND") {
		require.NoError(t, err)
		require.Equal(t, "AKIATHIRD", key.ID)
	}

	for _, c := range []struct{ user, id, secret, want string }{
		{"", "AKIAX", "s", `the user is ""`},
		{"a b", "AKIAX", "s", `the user is "a b"`},
		{"a//b", "AKIAX", "s", `the user is "a//b"`},
		{strings.Repeat("a", 65), "AKIAX", "s", "1 to 64"},
		{strings.Repeat("a/", 256) + "a", "AKIAX", "s", "the user is"},
		{"arn:aws:iam::999999999999:user/x", "AKIAX", "s", `expected one that begins with "arn:aws:iam::123456789012:user/"`},
		{"arn:aws:iam::123456789012:role/x", "AKIAX", "s", "expected one that begins with"},
		{"x", "AKI", "s", `the id is "AKI"`},
		{"x", "AKIA/X", "s", `the id is "AKIA/X"`},
		{"x", "AKIAX", "", "has 0 bytes, expected 1 to 256"},
		{"x", "AKIAX", strings.Repeat("s", 257), "has 257 bytes"},
	} {
		err := k.Put(t.Context(), c.user, c.id, c.secret)
		require.ErrorIs(t, err, sigv4.ErrInvalid)
		require.ErrorContains(t, err, c.want)
	}
	_, err = k.Keys(t.Context(), "a b")
	require.ErrorIs(t, err, sigv4.ErrInvalid)
	_, err = k.Lookup(t.Context(), "AKIATHIRD", "token")
	require.ErrorIs(t, err, auth.ErrNotFound)
	_, err = k.Lookup(t.Context(), "", "")
	require.ErrorIs(t, err, auth.ErrNotFound)
}

// TestKeyringSealed: with keys to seal with, no secret lies in the directory in plain
// text, and none can be moved to another key.
func TestKeyringSealed(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	first, second := []byte(strings.Repeat("1", 32)), []byte(strings.Repeat("2", 32))
	with := func(keys ...[]byte) *sigv4.Keyring {
		return keyring(t, func(c *sigv4.KeyringConfig) { c.Directory, c.SealKeys = dir, keys })
	}
	contains := func(text string) (found bool) {
		for r, err := range dir.Scan(t.Context(), "", "") {
			require.NoError(t, err)
			found = found || strings.Contains(string(r.Value), text)
		}
		return found
	}
	require.NoError(t, with(first).Put(t.Context(), "a", "AKIAONE", "secret-of-one"))
	require.False(t, contains("secret-of-one"))
	require.NoError(t, with().Put(t.Context(), "b", "AKIATWO", "secret-of-two"))
	require.True(t, contains("secret-of-two"), "without keys it does, as documented")
	require.NoError(t, with(second, first).Put(t.Context(), "c", "AKIATHREE", "secret-of-three"))

	for id, want := range map[string]string{"AKIAONE": "secret-of-one", "AKIATWO": "secret-of-two", "AKIATHREE": "secret-of-three"} {
		key, err := with(second, first).Lookup(t.Context(), id, "")
		require.NoError(t, err)
		require.Equal(t, want, key.Secret)
	}
	_, err := with(first).Lookup(t.Context(), "AKIATHREE", "")
	require.ErrorContains(t, err, `the secret of the key "AKIATHREE" cannot be read with any of the 1 keys`)
	require.NotErrorIs(t, err, auth.ErrNotFound)

	one, err := dir.Get(t.Context(), auth.Key("accesskey", "AKIAONE"))
	require.NoError(t, err)
	require.NoError(t, dir.Commit(t.Context(), auth.Change{Key: auth.Key("accesskey", "AKIAMOVED"), Value: one.Value}))
	_, err = with(first).Lookup(t.Context(), "AKIAMOVED", "")
	require.ErrorContains(t, err, "cannot be read")
}

func TestKeyringConfig(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	for _, c := range []struct {
		name string
		cfg  sigv4.KeyringConfig
		want string
	}{
		{"directory", sigv4.KeyringConfig{}, "KeyringConfig.Directory is nil"},
		{"scope", sigv4.KeyringConfig{Directory: dir, Scope: sigv4.Scope{Account: "a/b"}}, `KeyringConfig.Scope.Account is "a/b"`},
		{"per user", sigv4.KeyringConfig{Directory: dir, PerUser: -1}, "KeyringConfig.PerUser is -1"},
		{"use", sigv4.KeyringConfig{Directory: dir, UseEvery: 1}, "KeyringConfig.UseEvery is 1ns"},
		{"seal", sigv4.KeyringConfig{Directory: dir, SealKeys: [][]byte{make([]byte, 32), make([]byte, 16)}}, "KeyringConfig.SealKeys[1] has 16 bytes, expected 32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := sigv4.NewKeyring(c.cfg)
			require.ErrorContains(t, err, c.want)
		})
	}
	require.True(t, keyring(t).Immediate())
	require.False(t, keyring(t, func(c *sigv4.KeyringConfig) { c.Directory = failing{} }).Immediate())
}

// A failing directory cannot be reached.
type failing struct{ auth.Directory }

func (failing) Get(context.Context, string) (auth.Record, error) {
	return auth.Record{}, io.ErrClosedPipe
}
func (failing) Commit(context.Context, ...auth.Change) error { return io.ErrClosedPipe }

func TestKeyringUnavailable(t *testing.T) {
	t.Parallel()
	k := keyring(t, func(c *sigv4.KeyringConfig) { c.Directory = failing{} })
	a := verifier(t, func(c *sigv4.Config) { c.Keys = k })
	_, err := login(t, a, "AKIAEXAMPLE", "s")
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.NotErrorIs(t, err, auth.ErrBadCredentials)
	_, _, err = k.Create(t.Context(), "alice")
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.ErrorIs(t, k.Delete(t.Context(), "AKIAEXAMPLE"), io.ErrClosedPipe)
	_, err = k.Keys(t.Context(), "alice")
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// TestKeyringRace makes, uses and deletes keys at once: no user gets more keys than
// allowed, and nobody comes in with a key that is deleted.
func TestKeyringRace(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	a := verifier(t, func(c *sigv4.Config) { c.Keys = k })
	var made, limited sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				key, secret, err := k.Create(t.Context(), "alice")
				if errors.Is(err, sigv4.ErrLimit) {
					limited.Store("once", true)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				made.Store(key.ID, secret)
				if _, err := login(t, a, key.ID, secret); err != nil {
					t.Error(err)
				}
				if list, err := k.Keys(t.Context(), "alice"); err != nil || len(list) > 2 {
					t.Error(len(list), err)
				}
				if err := k.Delete(t.Context(), key.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	n := 0
	made.Range(func(id, secret any) bool {
		n++
		_, err := login(t, a, id.(string), secret.(string))
		require.ErrorIs(t, err, auth.ErrBadCredentials)
		return true
	})
	require.Positive(t, n)
	for key, err := range k.List(t.Context(), "") {
		t.Errorf("%s is left, %v", key.ID, err)
	}
}

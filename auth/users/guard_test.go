package users_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/users"
)

func banned(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, auth.ErrBanned)
}

func wrong(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, auth.ErrBadCredentials)
}

// TestPerUser: from many addresses nobody guesses the password of one user.
func TestPerUser(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *users.Config) { c.PerUser = users.Limits{Failures: 3, MaxWait: 4 * time.Second} })
	r.create(t, "alice", "alice-pw")
	r.create(t, "bob", "bobs-password")
	n := 0
	try := func(name, password string) error {
		n++
		return r.loginFrom(t, "192.0.2."+string(rune('0'+n%10))+":1", name, password)
	}
	for range 3 {
		wrong(t, try("alice", "guess"))
	}
	for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
		banned(t, try("alice", "alice-pw"))
		require.ErrorContains(t, try("alice", "alice-pw"), "the next one may be tried in "+wait.String())
		require.NoError(t, try("bob", "bobs-password"), "others are not concerned")
		r.clock = r.clock.Add(wait - 1)
		banned(t, try("alice", "guess"))
		r.clock = r.clock.Add(1)
		wrong(t, try("alice", "guess"))
	}
	r.clock = r.clock.Add(4 * time.Second)
	require.NoError(t, try("alice", "alice-pw"))
	for range 2 {
		wrong(t, try("nobody", "guess"))
	}
	wrong(t, try("nobody", "guess"))
	banned(t, try("nobody", "guess")) // users that do not exist are like those that do

	// After a good login, and after a while, it begins anew.
	r = newRig(t, func(c *users.Config) { c.PerUser = users.Limits{Failures: 2, Forget: time.Minute} })
	r.create(t, "alice", "alice-pw")
	for range 5 {
		wrong(t, try("alice", "guess"))
		require.NoError(t, try("alice", "alice-pw"))
	}
	for range 5 {
		wrong(t, try("alice", "guess"))
		r.clock = r.clock.Add(time.Minute)
	}
}

// TestPerUserTrust: who logged in from somewhere is not shut out by what others do to
// its name elsewhere.
func TestPerUserTrust(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *users.Config) { c.PerUser = users.Limits{Failures: 2} })
	r.create(t, "alice", "alice-pw")
	require.NoError(t, r.loginFrom(t, "192.0.2.1:1", "alice", "alice-pw"))
	for range 2 {
		wrong(t, r.loginFrom(t, "192.0.2.2:1", "alice", "guess"))
	}
	banned(t, r.loginFrom(t, "192.0.2.3:1", "alice", "alice-pw"))
	require.NoError(t, r.loginFrom(t, "192.0.2.1:99", "alice", "alice-pw"))
	for range 2 {
		wrong(t, r.loginFrom(t, "192.0.2.1:1", "alice", "guess"))
	}
	banned(t, r.loginFrom(t, "192.0.2.1:1", "alice", "alice-pw"))

	r.clock = r.clock.Add(25 * time.Hour)
	for range 2 {
		wrong(t, r.loginFrom(t, "192.0.2.2:1", "alice", "guess"))
	}
	banned(t, r.loginFrom(t, "192.0.2.1:1", "alice", "alice-pw"))
}

// TestPerAddress: from one address nobody tries a password with all users.
func TestPerAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, same, other string
	}{
		{"IPv4", "192.0.2.1:2", "192.0.2.2:1"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:3", "[::ffff:192.0.2.9]:3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *users.Config) { c.PerAddress = users.Limits{Failures: 3} })
			r.create(t, "alice", "alice-pw")
			for _, name := range []string{"a", "b", "c"} {
				wrong(t, r.loginFrom(t, "192.0.2.1:1", name, "password"))
			}
			banned(t, r.loginFrom(t, c.same, "alice", "alice-pw"))
			require.NoError(t, r.loginFrom(t, c.other, "alice", "alice-pw"))
			_, err := r.login(t, "alice", "alice-pw")
			require.NoError(t, err, "a connection within the process has no address")
			r.clock = r.clock.Add(time.Second)
			require.NoError(t, r.loginFrom(t, c.same, "alice", "alice-pw"))
			wrong(t, r.loginFrom(t, c.same, "d", "password"))
			banned(t, r.loginFrom(t, c.same, "alice", "alice-pw")) // an account of one's own does not help
		})
	}
	r := newRig(t, func(c *users.Config) { c.PerAddress = users.Limits{Failures: 1} })
	r.create(t, "alice", "alice-pw")
	wrong(t, r.loginFrom(t, "[2001:db8:1:2::1]:1", "a", "password"))
	banned(t, r.loginFrom(t, "[2001:db8:1:2:ffff::9]:1", "alice", "alice-pw"))
	require.NoError(t, r.loginFrom(t, "[2001:db8:1:3::1]:1", "alice", "alice-pw"))
}

func TestNoLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *users.Config) { c.PerUser.Failures, c.PerAddress.Failures = -1, -1 })
	r.create(t, "alice", "alice-pw")
	for range 100 {
		wrong(t, r.loginFrom(t, "192.0.2.1:1", "alice", "guess"))
	}
	require.NoError(t, r.loginFrom(t, "192.0.2.1:1", "alice", "alice-pw"))
}

package users_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/users"
)

// occupy takes all turns of the hasher until the function it returns is called.
func (r *rig) occupy(t *testing.T) (free func()) {
	t.Helper()
	return users.Occupy(r.Service)
}

// TestFlood: as many logins wait as may, the others are told to come again, and who
// gives up makes room.
func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *users.Config) { c.Parallel, c.Waiting, c.Now = 2, 3, time.Now })
		r.create(t, "alice", "alice-pw")
		free := r.occupy(t)
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := r.Authenticate(ctx, connect("alice", "alice-pw"))
				results <- err
			}()
		}
		synctest.Wait()
		require.Empty(t, results)
		for range 3 {
			_, err := r.login(t, "alice", "alice-pw")
			require.ErrorIs(t, err, auth.ErrUnavailable)
			require.ErrorContains(t, err, "3 logins wait")
		}
		created := make(chan error, 1)
		go func() {
			_, err := r.Create(t.Context(), users.NewUser{Name: "bob", Password: "bobs-password"})
			created <- err
		}()
		synctest.Wait()
		require.Empty(t, created, "the host waits in any case")

		cancel()
		for range 3 {
			err := <-results
			require.ErrorIs(t, err, auth.ErrUnavailable)
			require.ErrorIs(t, err, context.Canceled)
		}
		go func() {
			_, err := r.login(t, "alice", "alice-pw")
			results <- err
		}()
		synctest.Wait()
		require.Empty(t, results, "there is room again")
		free()
		require.NoError(t, <-results)
		require.NoError(t, <-created)
	})
}

// TestGuessesAtOnce: many guesses at the same time do not get more answers than
// guesses one after the other once there were failures.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *users.Config) {
		c.PerUser = users.Limits{Failures: 5, Wait: time.Hour, MaxWait: time.Hour}
		c.Waiting = 1000
	})
	r.create(t, "alice", "alice-pw")
	_, err := r.login(t, "alice", "guess")
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	var told atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			_, err := r.Authenticate(context.Background(), connect("alice", fmt.Sprintf("guess %d", i)))
			switch {
			case errors.Is(err, auth.ErrBadCredentials):
				told.Add(1)
			case !errors.Is(err, auth.ErrBanned):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, told.Load(), int64(4))
	require.Positive(t, told.Load())
}

// TestRace logs in while users are changed: whoever was let in before a change fails
// the check afterwards.
func TestRace(t *testing.T) {
	t.Parallel()
	var ended sync.Map
	r := newRig(t, func(c *users.Config) {
		c.Changed = func(name string) { ended.Store(name, true) }
		c.PerUser.Failures = -1
	})
	names := []string{"a", "b", "c"}
	for _, n := range names {
		r.create(t, n, "password-0")
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				n := names[(i+w)%len(names)]
				switch {
				case w > 0:
					id, err := r.Authenticate(t.Context(), connect(n, "password-0"))
					if err == nil && id.Principal != n {
						t.Errorf("%s became %s", n, id.Principal)
					}
				case i%10 == 9:
					if err := r.Delete(t.Context(), n); err != nil {
						t.Error(err)
					}
					if _, err := r.Create(t.Context(), users.NewUser{Name: n, Password: "password-0"}); err != nil {
						t.Error(err)
					}
				default:
					id, err := r.Authenticate(t.Context(), connect(n, "password-0"))
					if err != nil {
						t.Error(err)
						return
					}
					if err := r.SetPassword(t.Context(), n, "password-1"); err != nil {
						t.Error(err)
					}
					if id.Check() == nil {
						t.Errorf("%s is still welcome after its password changed", n)
					}
					if _, err := r.Authenticate(t.Context(), connect(n, "password-0")); !errors.Is(err, auth.ErrBadCredentials) {
						t.Error("the old password:", err)
					}
					if err := r.SetPassword(t.Context(), n, "password-0"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for _, n := range names {
		_, ok := ended.Load(n)
		require.True(t, ok)
	}
}

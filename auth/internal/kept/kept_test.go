package kept_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/kept"
)

// counting is a Value that counts its questions; while failing is set they fail.
func counting(asked *int, failing *bool) *kept.Value[int] {
	cfg := kept.Config{Cooldown: 10 * time.Second, KeepFor: 24 * time.Hour, Name: "server", Now: time.Now, RefreshAfter: time.Hour, Timeout: 5 * time.Second}
	return kept.New(cfg, func(ctx context.Context, last *kept.Snapshot[int]) (int, error) {
		*asked++
		if *failing {
			return 0, errors.New("connection refused")
		}
		if last == nil {
			return 1, nil
		}
		return last.Value + 1, nil
	})
}

func TestKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, failing := 0, false
		v := counting(&asked, &failing)
		get := func(want int) *kept.Snapshot[int] {
			s, err := v.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, s.Value)
			return s
		}
		require.Zero(t, asked)
		first := get(1)
		get(1)
		require.Equal(t, 1, asked)
		s, err := v.Newer(t.Context(), first)
		require.NoError(t, err)
		require.Same(t, first, s, "not again within the cooldown")
		time.Sleep(10 * time.Second)
		second, err := v.Newer(t.Context(), first)
		require.NoError(t, err)
		require.Equal(t, 2, second.Value)
		s, err = v.Newer(t.Context(), first)
		require.NoError(t, err)
		require.Same(t, second, s, "somebody else has asked")

		time.Sleep(time.Hour)
		get(2) // and asks for the next one meanwhile
		synctest.Wait()
		get(3)
		failing = true
		time.Sleep(2 * time.Hour)
		last := get(3)
		synctest.Wait()
		_, err = v.Newer(t.Context(), last)
		require.ErrorIs(t, err, auth.ErrUnavailable)
		get(3)
		time.Sleep(22 * time.Hour)
		_, err = v.Get(t.Context())
		require.ErrorIs(t, err, auth.ErrUnavailable)
		require.ErrorContains(t, err, "server: connection refused")
	})
}

// TestBackOff: a server that fails is asked at growing distances, however many want to
// know.
func TestBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, failing := 0, true
		v := counting(&asked, &failing)
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			_, err := v.Get(t.Context())
			require.ErrorIs(t, err, auth.ErrUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, 6+9, asked, "after 0, 1, 3, 7, 15, 31 seconds, then each minute")
		failing = false
		time.Sleep(time.Minute)
		_, err := v.Get(t.Context())
		require.NoError(t, err)
	})
}

// TestPatience: who has no time leaves; the question goes on for the others, and ends.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := kept.Config{Cooldown: time.Second, KeepFor: time.Hour, Name: "server", Now: time.Now, RefreshAfter: time.Hour, Timeout: 5 * time.Second}
		v := kept.New(cfg, func(ctx context.Context, _ *kept.Snapshot[int]) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := v.Get(short)
		require.ErrorIs(t, err, auth.ErrUnavailable)
		require.Equal(t, time.Second, time.Since(start))
		_, err = v.Get(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

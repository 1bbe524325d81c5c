package actions_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

var errRefused = errors.New("connection refused")

func newSink(cfg actions.SinkConfig) *actions.Sink {
	cfg.Kind, cfg.Logger = "db", slog.New(slog.DiscardHandler)
	return actions.NewSink(cfg)
}

// allowed reports that a call may be made now.
func allowed(t *testing.T, s *actions.Sink) bool {
	t.Helper()
	err := s.Await(t.Context(), 0)
	if err != nil {
		require.ErrorIs(t, err, actions.ErrSinkDown)
		require.ErrorIs(t, err, s.Health().Err)
	}
	return err == nil
}

func TestSinkGoesDownAndUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink(actions.SinkConfig{Failures: 3, Pause: time.Second, MaxPause: 4 * time.Second})
		require.Equal(t, "default", s.Name())
		require.Equal(t, actions.SinkHealth{Kind: "db", Name: "default"}, s.Health())
		require.True(t, allowed(t, s))
		s.Done(7, nil)
		for _, err := range []error{errRefused, errRefused, nil, errRefused, errRefused} {
			require.True(t, allowed(t, s))
			s.Done(0, err)
		}
		require.True(t, allowed(t, s), "two calls in a row are not three")
		s.Done(0, actions.Permanent(errors.New("no such column")))
		for range 3 {
			require.False(t, s.Health().Down, "an event that is refused shows that the sink works")
			require.True(t, allowed(t, s))
			s.Done(0, errRefused)
		}
		began := time.Now()
		h := s.Health()
		require.Equal(t, actions.SinkHealth{
			Kind: "db", Name: "default", Down: true, Since: began, Err: errRefused, ErrAt: began, Calls: 10, Failures: 7, Events: 7, Downs: 1,
		}, h)

		// The pauses double, and half of each is random.
		for _, pause := range []time.Duration{1, 2, 4, 4} {
			at := time.Now()
			require.False(t, allowed(t, s))
			require.NoError(t, s.Await(t.Context(), time.Hour))
			waited := time.Since(at)
			require.GreaterOrEqual(t, waited, pause*time.Second/2)
			require.LessOrEqual(t, waited, pause*time.Second)
			require.False(t, allowed(t, s), "one caller tries")
			s.Done(0, errRefused)
		}
		require.NoError(t, s.Await(t.Context(), time.Hour))
		s.Done(1, nil)
		h = s.Health()
		require.False(t, h.Down)
		require.Equal(t, time.Now(), h.Since)
		require.Equal(t, errRefused, h.Err, "why it was down")
		require.EqualValues(t, 1, h.Downs)
		require.True(t, allowed(t, s))
	})
}

func TestSinkWakesAllWhenItIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink(actions.SinkConfig{Failures: 1, Pause: time.Second})
		require.True(t, allowed(t, s))
		s.Done(0, errRefused)
		var tries, went atomic.Int32
		works := make(chan struct{})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if s.Await(t.Context(), time.Hour) != nil {
					return
				}
				went.Add(1)
				if tries.Add(1) == 1 {
					<-works
				}
				s.Done(1, nil)
			})
		}
		time.Sleep(time.Minute)
		require.EqualValues(t, 1, tries.Load(), "the others wait for the first")
		require.Equal(t, 9, s.Health().Waiting)
		close(works)
		at := time.Now()
		wg.Wait()
		require.Zero(t, time.Since(at))
		require.EqualValues(t, 10, went.Load())
		require.Zero(t, s.Health().Waiting)
	})
}

func TestSinkWaitsNoLongerThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink(actions.SinkConfig{Failures: 1, Pause: time.Hour})
		require.True(t, allowed(t, s))
		s.Done(0, errRefused)
		at := time.Now()
		require.ErrorIs(t, s.Await(t.Context(), time.Minute), actions.ErrSinkDown)
		require.Equal(t, time.Minute, time.Since(at))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Await(ctx, time.Minute), context.DeadlineExceeded)
		require.EqualError(t, s.Await(t.Context(), 0), "actions: the sink is down: db default since 2000-01-01T00:00:00Z: connection refused")
	})
}

func TestSinkThatIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink(actions.SinkConfig{Failures: 1, Pause: time.Second})
		s.Done(0, context.Canceled)
		require.False(t, s.Health().Down, "a call that was given up says nothing")
		s.Done(0, errRefused)
		require.NoError(t, s.Await(t.Context(), time.Hour))
		s.Done(0, context.Canceled)
		require.True(t, s.Health().Down)
		require.NoError(t, s.Await(t.Context(), time.Hour), "another one tries")
		s.Done(1, nil)

		never := newSink(actions.SinkConfig{Failures: -1})
		for range 100 {
			never.Done(0, errRefused)
		}
		require.True(t, allowed(t, never))
	})
}

func TestSinkWithProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer error
		var probes int
		s := newSink(actions.SinkConfig{Failures: 1, Pause: time.Second, MaxPause: time.Second, Probe: func(ctx context.Context) error {
			probes++
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, 10*time.Second, time.Until(deadline))
			if probes == 3 {
				panic("oh")
			}
			return answer
		}})
		s.Done(0, errRefused)
		answer = errors.New("still starting")
		require.ErrorIs(t, s.Await(t.Context(), 10*time.Second), actions.ErrSinkDown)
		require.Greater(t, probes, 5)
		require.Equal(t, answer, s.Health().Err)
		require.EqualValues(t, 1, s.Health().Calls, "no event was risked")
		answer = nil
		require.NoError(t, s.Await(t.Context(), 10*time.Second))
		require.False(t, s.Health().Down)
	})
}

// TestSinkWhoseProbeIsAbandoned checks that who gives up while the far end is asked gets
// away: nobody asks again with a context that has ended.
func TestSinkWhoseProbeIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := newSink(actions.SinkConfig{Failures: 1, Pause: time.Second, Probe: func(ctx context.Context) error {
			asked++
			<-ctx.Done()
			return ctx.Err()
		}})
		require.NoError(t, s.Await(t.Context(), 0))
		s.Done(0, errRefused)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.ErrorIs(t, s.Await(ctx, time.Hour), context.DeadlineExceeded)
		require.Equal(t, 1, asked)
		require.True(t, s.Health().Down)
	})
}

func TestSinkThatWorks(t *testing.T) {
	s := newSink(actions.SinkConfig{Failures: 2})
	missing := actions.SinkWorks(errors.New("there is no such table"))
	require.EqualError(t, missing, "there is no such table")
	require.NotErrorIs(t, missing, actions.ErrPermanent, "it is tried again")
	require.NoError(t, actions.SinkWorks(nil))
	for range 5 {
		s.Done(0, errRefused)
		s.Done(0, missing)
		require.False(t, s.Health().Down)
	}
	require.EqualValues(t, 5, s.Health().Failures)
	final := actions.SinkWorks(actions.Permanent(errRefused))
	require.ErrorIs(t, final, actions.ErrPermanent, "what is for good stays so")
}

// TestSinkOfMany has callers do what they like at once.
// TestSinkOfMany has callers do what they like at once.
func TestSinkOfMany(t *testing.T) {
	s := newSink(actions.SinkConfig{Failures: 2, Pause: time.Microsecond, MaxPause: time.Microsecond})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 300 {
				if s.Await(t.Context(), time.Minute) != nil {
					t.Error("nobody lets me go on")
					return
				}
				switch (n + i) % 5 {
				case 0, 1:
					s.Done(0, errRefused)
				case 2:
					s.Done(0, context.Canceled)
				default:
					s.Done(1, nil)
				}
				_ = s.Health()
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 2400, s.Health().Calls)
	require.Zero(t, s.Health().Waiting)
}

// TestSinkProbeEndsItsGoroutine has code of the host's that does not return, as FailNow.
func TestSinkProbeEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exits := true
		s := newSink(actions.SinkConfig{Failures: 1, Pause: time.Second, Probe: func(context.Context) error {
			if exits {
				exits = false
				runtime.Goexit()
			}
			return nil
		}})
		require.True(t, allowed(t, s))
		s.Done(0, errRefused)
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Await(t.Context(), time.Hour) })
		wg.Wait()
		require.False(t, exits)
		require.Zero(t, s.Health().Waiting)
		require.True(t, s.Health().Down)
		require.ErrorContains(t, s.Health().Err, "ended its goroutine")
		require.NoError(t, s.Await(t.Context(), time.Hour), "the next one asks again")
		require.False(t, s.Health().Down)
	})
}

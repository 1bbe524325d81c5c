package actions_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

func TestFunc(t *testing.T) {
	t.Parallel()
	want := errors.New("no")
	f := actions.Func(func(_ context.Context, ev actions.Event) error {
		require.Equal(t, "r", ev.Rule)
		return want
	})
	require.Equal(t, want, f.Do(t.Context(), actions.Event{Rule: "r"}))
	require.Equal(t, "function", f.Kind())
	require.Empty(t, f.Resource(actions.Event{}))
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	cause := errors.New("bad request")
	err := actions.Permanent(cause)
	require.ErrorIs(t, err, actions.ErrPermanent)
	require.ErrorIs(t, err, cause)
	require.Equal(t, "bad request", err.Error())
	require.Same(t, err, actions.Permanent(err), "marking twice is marking once")
	require.NoError(t, actions.Permanent(nil))
	require.ErrorIs(t, fmt.Errorf("wrapped: %w", err), actions.ErrPermanent)
	require.NotErrorIs(t, cause, actions.ErrPermanent)
}

func TestHops(t *testing.T) {
	t.Parallel()
	require.Zero(t, actions.Hops(t.Context()))
	ctx := actions.WithHops(t.Context(), 3)
	require.EqualValues(t, 3, actions.Hops(ctx))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	require.EqualValues(t, 3, actions.Hops(ctx))
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := actions.NewRecorder()
		r.Respond = func(_ context.Context, ev actions.Event) error {
			if ev.Rule == "b" {
				return errors.New("no b")
			}
			return nil
		}
		go func() {
			time.Sleep(time.Second)
			_ = r.Do(t.Context(), actions.Event{Rule: "a"})
		}()
		ev, err := r.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a", ev.Rule)

		require.EqualError(t, r.Do(t.Context(), actions.Event{Rule: "b"}), "no b")
		require.NoError(t, r.Do(t.Context(), actions.Event{Rule: "c"}))
		ev, err = r.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, "b", ev.Rule, "what was refused is recorded too")
		_, err = r.Next(t.Context())
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = r.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, r.Events(), 3)
		require.Equal(t, "recorder", r.Kind())
		require.Empty(t, r.Resource(ev))
	})
}

package auth_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
)

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	for want, errs := range map[auth.Outcome][]error{
		auth.Accepted:  {nil},
		auth.Forbidden: {auth.ErrDenied, &auth.Denied{}, fmt.Errorf("x: %w", &auth.Denied{})},
		auth.Refused:   {auth.ErrBadCredentials, auth.ErrNotAuthorized, auth.ErrBanned, auth.ErrBadMethod, auth.ErrUnrecognised},
		auth.Failed:    {auth.ErrUnavailable, auth.ErrNotFound, errors.New("x")},
	} {
		for _, err := range errs {
			require.Equal(t, want, auth.OutcomeOf(err), "%v", err)
		}
	}
	require.Equal(t, "unknown", auth.Outcome(99).String())
}

func TestEventWhy(t *testing.T) {
	t.Parallel()
	require.Empty(t, (&auth.Event{}).Why())
	require.Equal(t, "lost", (&auth.Event{Err: errors.New("lost")}).Why())
	d := &auth.Denied{Action: auth.Publish, Resource: "x", Explain: func() string { return "statement 1 denies it" }}
	require.Equal(t, "statement 1 denies it", (&auth.Event{Err: fmt.Errorf("broker: %w", d)}).Why())
}

func TestLogEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		tell := auth.LogEvents(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})), 3)
		for i := range 10 {
			at := time.Now().Add(time.Duration(i%2) * time.Second) // the clocks of rooms may differ
			tell(&auth.Event{Time: at, Service: "mqtt", Operation: "Publish", Outcome: auth.Forbidden, ClientID: "c", Err: errors.New("no policy")})
		}
		require.Equal(t, 3, strings.Count(b.String(), "\n"))
		require.Contains(t, b.String(), `level=INFO msg="auth: forbidden" service=mqtt operation=Publish client=c why="no policy"`)
		require.NotContains(t, b.String(), "left_out")
		b.Reset()
		tell(&auth.Event{Service: "mqtt", Operation: "Connect"})
		tell(&auth.Event{Service: "iot", Operation: "DescribeThing", Outcome: auth.Failed})
		require.Equal(t, 2, strings.Count(b.String(), "level=DEBUG"))
		time.Sleep(time.Second)
		tell(&auth.Event{Service: "mqtt", Outcome: auth.Refused})
		require.Contains(t, b.String(), "left_out=7")

		b.Reset()
		tell = auth.LogEvents(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn})), 3)
		tell(&auth.Event{Outcome: auth.Forbidden, Err: &auth.Denied{Explain: func() string { panic("nobody reads it") }}})
		require.Empty(t, b.String())
	})
}

func TestTally(t *testing.T) {
	t.Parallel()
	var n auth.Tally
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				n.Add(&auth.Event{Service: "sts", Operation: "AssumeRole"})
				n.Add(&auth.Event{Service: "mqtt", Operation: "Connect", Outcome: auth.Refused})
				n.Add(&auth.Event{Service: "mqtt", Operation: "Connect"})
			}
		})
	}
	wg.Wait()
	require.Equal(t, []auth.Count{
		{Service: "mqtt", Operation: "Connect", Number: 800},
		{Service: "mqtt", Operation: "Connect", Outcome: auth.Refused, Number: 800},
		{Service: "sts", Operation: "AssumeRole", Number: 800},
	}, n.Counts())

	// However wrongly it is used, it does not grow without end.
	for i := range 10_000 {
		n.Add(&auth.Event{Service: "x", Operation: fmt.Sprint(i)})
	}
	all := n.Counts()
	require.LessOrEqual(t, len(all), 4097+8)
	var sum uint64
	for _, c := range all {
		sum += c.Number
	}
	require.EqualValues(t, 12_400, sum)
}

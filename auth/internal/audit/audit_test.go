package audit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func room(all *[]auth.Event) *audit.Room {
	return &audit.Room{Service: "room", Now: func() time.Time { return noon }, Audit: func(e *auth.Event) { *all = append(*all, *e) }}
}

func TestDo(t *testing.T) {
	t.Parallel()
	var all []auth.Event
	r := room(&all)
	wrong := errors.New("wrong")
	n, err := audit.Do(t.Context(), r, "Count", func(ctx context.Context, n *audit.Note) (int, error) {
		require.Same(t, n, r.Of(ctx))
		require.NotSame(t, n, room(&all).Of(ctx), "another room's")
		n.By(&auth.Identity{Principal: "alice", ARN: "arn"})
		n.By(nil)
		return 7, nil
	})
	require.NoError(t, err)
	require.Equal(t, 7, n)
	_, err = audit.Do(t.Context(), r, "Count", func(_ context.Context, n *audit.Note) (int, error) {
		n.About = "the user u"
		n.Tell(auth.ErrDenied)
		return 0, wrong
	})
	require.Equal(t, wrong, err)
	_, err = audit.Do(t.Context(), r, "Count", func(_ context.Context, n *audit.Note) (int, error) {
		n.Hidden = auth.ErrBadCredentials
		return 0, nil
	})
	require.NoError(t, err)
	_, _ = audit.Do(t.Context(), r, "Count", func(_ context.Context, n *audit.Note) (int, error) {
		n.Quiet = true
		return 0, wrong
	})
	require.Panics(t, func() {
		_, _ = audit.Do(t.Context(), r, "Count", func(context.Context, *audit.Note) (int, error) { panic("at the disco") })
	})
	var got []string
	for _, e := range all {
		require.Equal(t, noon, e.Time)
		require.Equal(t, "room", e.Service)
		require.Equal(t, "Count", e.Operation)
		got = append(got, fmt.Sprint(e.Outcome, " ", e.Principal, " ", e.PrincipalARN, " ", e.Why()))
	}
	require.Equal(t, []string{"accepted alice arn ", "forbidden   the user u: auth: denied", "failed   the user u: wrong", "refused   auth: bad credentials", "failed   the operation panicked"}, got)
	r.Of(t.Context()).Tell(wrong) // nobody reads it
	require.Len(t, all, len(got))
}

// A method that a request asks for is told once, with what both know; what a hook does
// within is an operation of its own.
func TestHTTP(t *testing.T) {
	t.Parallel()
	var all []auth.Event
	r := room(&all)
	r.Judge = func(n *audit.Note, err error) (auth.Outcome, error) {
		return auth.Refused, fmt.Errorf("%s: %w", n.User, err)
	}
	login := func(ctx context.Context, name string, within func(ctx context.Context)) error {
		_, err := audit.Do(ctx, r, "Login", func(ctx context.Context, n *audit.Note) (any, error) {
			n.User = name
			within(ctx)
			return nil, errors.New("wrong")
		})
		return err
	}
	q := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
	_, err := r.HTTP(q, "Login", func(ctx context.Context, n *audit.Note) (any, error) {
		return nil, login(ctx, "alice", func(ctx context.Context) {
			require.Same(t, n, r.Of(ctx))
			require.EqualError(t, login(ctx, "bob", func(context.Context) {}), "wrong")
			apart := audit.Apart(ctx)
			require.NotSame(t, n, r.Of(apart))
			_ = login(apart, "carol", func(context.Context) {})
		})
	})
	require.EqualError(t, err, "wrong")
	_, _ = r.HTTP(q, "Other", func(ctx context.Context, _ *audit.Note) (any, error) {
		return nil, login(ctx, "dave", func(context.Context) {})
	})
	require.Panics(t, func() {
		_, _ = r.HTTP(q, "", func(context.Context, *audit.Note) (any, error) { panic("at the disco") })
	})
	var got []string
	for _, e := range all {
		got = append(got, e.Operation+" "+e.RemoteAddr+" "+e.Why())
	}
	require.Equal(t, []string{"Login  bob: wrong", "Login  carol: wrong", "Login 192.0.2.1:1234 alice: wrong", "Login  dave: wrong", "Other 192.0.2.1:1234 : wrong", " 192.0.2.1:1234 : the operation panicked"}, got)
}

func TestClip(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Repeat("𝄞", 128), audit.Clip(strings.Repeat("𝄞", 128)))
	require.Equal(t, "x"+strings.Repeat("𝄞", 127)+"...", audit.Clip("x"+strings.Repeat("𝄞", 128)))
}

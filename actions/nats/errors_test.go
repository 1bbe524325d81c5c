package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	api := func(code int, number jetstream.ErrorCode) error {
		return &jetstream.APIError{Code: code, ErrorCode: number, Description: "text"}
	}
	refused := fmt.Errorf("%w: Permissions Violation for Publish to \"a\"", natsgo.ErrPermissionViolation)
	for _, tt := range []struct {
		name      string
		err       error
		chosen    bool
		permanent bool
	}{
		{"too large", natsgo.ErrMaxPayload, false, true},
		{"subject", natsgo.ErrBadSubject, false, true},
		{"too large for the stream", api(400, 10054), false, true},
		{"sealed", api(400, 10109), false, true},
		{"another stream", api(400, 10060), true, true},
		{"another stream than the rule's", api(400, 10060), false, false},
		{"full", api(503, 10077), true, false},
		{"no resources", api(503, 10023), true, false},
		{"too many batches", api(429, 10210), true, false},
		{"not enabled", api(503, 10076), true, false},
		{"not enabled in the account", api(503, 10039), true, false},
		{"timeout", api(408, 0), true, false},
		{"may not, where the event says", refused, true, true},
		{"may not, where the rule says", refused, false, false},
		{"disconnected", natsgo.ErrDisconnected, true, false},
		{"closed", natsgo.ErrConnectionClosed, true, false},
		{"reconnecting", natsgo.ErrReconnectBufExceeded, true, false},
		{"nobody", jetstream.ErrNoStreamResponse, true, false},
		{"no ack", jetstream.ErrAsyncPublishTimeout, true, false},
		{"deadline", context.DeadlineExceeded, true, false},
		{"authorization", natsgo.ErrAuthorization, true, false},
		{"old server", natsgo.ErrHeadersNotSupported, true, false},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("wrapped: %w", tt.err)} {
			got := judge(err, tt.chosen)
			require.ErrorIs(t, got, tt.err, tt.name)
			require.Equal(t, tt.permanent, errors.Is(got, actions.ErrPermanent), tt.name)
			mended := tt.name == "another stream than the rule's" || tt.name == "may not, where the rule says"
			require.Equal(t, mended, errors.Is(got, actions.ErrSinkWorks), tt.name)
			require.True(t, strings.HasPrefix(got.Error(), "nats: ") && !strings.Contains(got.Error(), "nats: nats: "), got)
		}
	}
	require.NoError(t, judge(nil, true))
}

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		filter, subject string
		want            bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a.b", false},
		{"a.b", "a", false},
		{"*", "a", true},
		{"*", "a.b", false},
		{"a.*.c", "a.b.c", true},
		{"a.*.c", "a.b.d", false},
		{"a.>", "a.b.c", true},
		{"a.>", "a", false},
		{">", "a.b", true},
		{"a.*", "a.b.c", false},
	} {
		require.Equal(t, tt.want, covers(tt.filter, tt.subject), "%s %s", tt.filter, tt.subject)
	}
}

// TestWatch checks that refusals are found by their subjects, from a mark on.
func TestWatch(t *testing.T) {
	t.Parallel()
	w := newWatch()
	refuse := func(subject string) error {
		err := fmt.Errorf("%w: Permissions Violation for Publish to %q", natsgo.ErrPermissionViolation, subject)
		w.refuse(err)
		return err
	}
	w.refuse(natsgo.ErrSlowConsumer) // is about nothing that was published
	require.Error(t, refuse("a"))
	mark := w.mark()
	got, changed := w.since(mark)
	require.Empty(t, got)
	last := refuse("b.c")
	<-changed
	got, _ = w.since(mark)
	require.Equal(t, map[string]error{"b.c": last}, got)
	require.NoError(t, w.caughtUp(t.Context(), last))
	require.NoError(t, w.caughtUp(t.Context(), nil))
	for i := range mostRefusals {
		last = refuse(fmt.Sprint(i))
	}
	got, _ = w.since(mark)
	require.LessOrEqual(t, len(got), mostRefusals)
	require.Equal(t, last, got[fmt.Sprint(mostRefusals-1)])
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	unknown := fmt.Errorf("%w: later", natsgo.ErrPermissionViolation)
	require.ErrorIs(t, w.caughtUp(ended, unknown), context.Canceled)
	require.ErrorIs(t, w.down(), natsgo.ErrDisconnected)
	w.lose(errors.New("no route"))
	require.ErrorContains(t, w.down(), "no route")
}

// TestConfirm checks that what went into a connection that was replaced since is not taken
// for published.
func TestConfirm(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	require.NoError(t, err)
	s.Start()
	defer s.Shutdown()
	require.True(t, s.ReadyForConnections(time.Minute))
	c, err := Open(Config{Servers: []string{s.ClientURL()}})
	require.NoError(t, err)
	defer c.Close()
	connection := c.conn.Stats().Reconnects
	require.NoError(t, c.confirm(t.Context(), connection))
	require.NoError(t, c.conn.ForceReconnect())
	for end := time.Now().Add(time.Minute); c.conn.Stats().Reconnects == connection || !c.conn.IsConnected(); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(end))
	}
	require.ErrorIs(t, c.confirm(t.Context(), connection), errReconnected)
	require.NoError(t, c.confirm(t.Context(), c.conn.Stats().Reconnects))
}

// FuzzSubject checks that what passes is one subject, in one line.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"a", "a.b", "a..b", ".", "", "a b", "*", "a.>", "$JS.API.X", "$KV.a", "_INBOX.a", "a\r\nb", "\x7f", "é", "\xff", "a\u00a0b"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, system bool) {
		if checkSubject(s, system) != nil {
			return
		}
		require.NotEmpty(t, s)
		require.False(t, strings.ContainsAny(s, " \t\r\n\x00*>"), "%q", s)
		for token := range strings.SplitSeq(s, ".") {
			require.NotEmpty(t, token)
		}
		require.False(t, strings.HasPrefix(s, "$JS.") || strings.HasPrefix(s, "$SYS.") || strings.HasPrefix(s, "_INBOX."))
		require.False(t, !system && s[0] == '$')
		require.True(t, covers(s, s) && covers(">", s))
	})
}

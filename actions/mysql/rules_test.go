package mysql_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mysql"
	"github.com/thinghub/thinghub/internal/servertest"
	"github.com/thinghub/thinghub/rules"
)

// A rule whose table is missing waits alone: another one of the same client goes on.
func TestMissingTableOfOneRule(t *testing.T) {
	t.Parallel()
	db := connect(t)
	good := create(t, db, "v int")
	missing := "later_" + good
	quiet := slog.New(slog.DiscardHandler)
	client := open(t, mysql.Config{DSN: dsn(servertest.MariaDB(t)), Sink: actions.SinkConfig{Logger: quiet}})
	engine, err := rules.New(rules.Config{Logger: quiet})
	require.NoError(t, err)
	retry := actions.Retry{Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, Timeout: 10 * time.Second}
	failed := actions.NewRecorder()
	for name, table := range map[string]string{"good": good, "bad": missing} {
		require.NoError(t, engine.Put(t.Context(), rules.Rule{
			Name: name, SQL: "SELECT * FROM '" + name + "/+'", Delivery: rules.Delivery{Retry: retry}, ErrorAction: failed,
			Actions: []actions.Action{client.Action(mysql.Action{Table: table, Members: []string{"v"}})},
		}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = engine.Run(ctx) })
	defer func() {
		cancel()
		running.Wait()
	}()
	submit := func(rule string, n int) {
		require.NoError(t, engine.Submit(t.Context(), &actions.Message{Topic: rule + "/1", Payload: fmt.Appendf(nil, `{"v":%d}`, n), QoS: 1}))
	}
	eventually := func(ok func() bool) {
		t.Helper()
		require.Eventually(t, ok, time.Minute, 2*time.Millisecond)
	}
	retries := func() uint64 { return engine.Metrics().Rules["bad"].Actions[0].Retries }
	up := func() {
		t.Helper()
		h := client.Sink().Health()
		require.False(t, h.Down, "%v", h.Err)
		require.Zero(t, h.Downs)
	}

	submit("bad", 7)
	eventually(func() bool { return retries() > 10 }) // more than take a sink down
	up()
	const n = 20
	for i := range n {
		submit("good", i)
	}
	eventually(func() bool { return engine.Metrics().Rules["good"].Actions[0].Success == n })
	require.Len(t, texts(t, db, "SELECT CAST(v AS char) FROM "+good), n)
	before := retries()
	eventually(func() bool { return retries() > before+10 })
	up()
	require.Zero(t, engine.Metrics().Rules["bad"].Actions[0].Success)

	exec(t, db, "CREATE TABLE "+missing+" (v int)")
	eventually(func() bool { return engine.Metrics().Rules["bad"].Actions[0].Success == 1 })
	require.Equal(t, []string{"7"}, texts(t, db, "SELECT CAST(v AS char) FROM "+missing))
	up()
	require.Empty(t, failed.Events())
}

package redis_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/redis"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// open returns a client of a server; change may be nil.
func open(tb testing.TB, addr string, change func(c *redis.Config)) *redis.Client {
	tb.Helper()
	cfg := redis.Config{Sink: sinktest.Quick("redis", "main"), Options: goredis.UniversalOptions{Addrs: []string{addr}}}
	if change != nil {
		change(&cfg)
	}
	c, err := redis.Open(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// reader is a connection of the test's own.
func reader(tb testing.TB, addr string) *goredis.Client {
	tb.Helper()
	db := goredis.NewClient(&goredis.Options{Addr: addr})
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

var names atomic.Int64

// name is a prefix for the keys of a test, another one each time.
func name(tb testing.TB) string {
	return fmt.Sprintf("%s:%d", strings.ReplaceAll(tb.Name(), "/", ":"), names.Add(1))
}

// event is what the engine would make for an action whose params are rendered to texts.
func event(payload string, params ...string) actions.Event {
	return actions.Event{
		Rule: "rule", Payload: []byte(payload), Params: params, Attempt: 1,
		Message: &actions.Message{Topic: "dev/a/temp", ClientID: "a", TraceID: actions.NamedTraceID(payload), Time: time.Unix(1700000000, 0)},
	}
}

// bind checks an action and binds it to a client.
func bind(tb testing.TB, c *redis.Client, a redis.Action) *redis.Action {
	tb.Helper()
	bound := c.Action(a)
	require.NoError(tb, bound.Check())
	return bound
}

// payloads are the payloads of the entries of a stream.
func payloads(tb testing.TB, db goredis.Cmdable, key string) (list []string) {
	tb.Helper()
	entries, err := db.XRange(tb.Context(), key, "-", "+").Result()
	require.NoError(tb, err)
	for _, e := range entries {
		list = append(list, e.Values["payload"].(string))
	}
	return list
}

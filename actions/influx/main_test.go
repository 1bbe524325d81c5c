package influx_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/influx"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// when is the time of messages.
var when = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)

// event makes an event without an engine; params are the rendered texts.
func event(payload string, params ...string) actions.Event {
	return actions.Event{
		Rule: "rule", Payload: []byte(payload), Params: params,
		Message: &actions.Message{Topic: "dt/a", Payload: []byte(payload), Time: when},
	}
}

// open makes a client.
func open(tb testing.TB, cfg influx.Config) *influx.Client {
	tb.Helper()
	if cfg.URL == "" {
		cfg.URL = "http://127.0.0.1:1"
	}
	c, err := influx.Open(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Close()) })
	return c
}

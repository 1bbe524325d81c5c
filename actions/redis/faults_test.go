package redis_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/redis"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// rig writes to a stream of a server of its own, because Break is for the whole server.
func rig(tb testing.TB, once int) sinktest.Rig {
	dir := tb.TempDir()
	addr, s, err := servertest.RunRedis(dir)
	require.NoError(tb, err)
	tb.Cleanup(s.Kill)
	db := reader(tb, addr)
	return sinktest.Rig{
		Addr: addr,
		Action: func(tb testing.TB, addr string) actions.Action {
			// The id is "*" unless the payload has one.
			return bind(tb, open(tb, addr, nil), redis.Action{Stream: &redis.Stream{Key: "s", ID: "${id}"}, OnceSeconds: once})
		},
		Read: func(tb testing.TB) (list []sinktest.Record) {
			for _, p := range payloads(tb, db, "s") {
				list = append(list, sinktest.Parse(tb, []byte(p)))
			}
			return list
		},
		Break: func(tb testing.TB) func() {
			require.NoError(tb, db.ConfigSet(tb.Context(), "maxmemory", "1").Err())
			return func() { require.NoError(tb, db.ConfigSet(tb.Context(), "maxmemory", "0").Err()) }
		},
		Poison: []byte(`{"key":"poison","n":0,"id":"no id"}`),
		Once:   once > 0,
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(tb testing.TB) sinktest.Rig { return rig(tb, 0) })
}

func TestFaultsOnce(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(tb testing.TB) sinktest.Rig { return rig(tb, 600) })
}

func BenchmarkThroughput(b *testing.B) {
	for _, form := range []struct {
		name string
		once int
	}{{"stream", 0}, {"stream-once", 600}} {
		b.Run(form.name, func(b *testing.B) {
			sinktest.Bench(b, func(tb testing.TB) sinktest.Rig { return rig(tb, form.once) })
		})
	}
}

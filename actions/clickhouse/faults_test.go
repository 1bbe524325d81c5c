package clickhouse_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/clickhouse"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// rig writes to a Log, the engine that keeps the order in which rows were inserted.
func rig(tb testing.TB) sinktest.Rig { return rigOf(tb, "Log") }

func rigOf(tb testing.TB, engine string) sinktest.Rig {
	addr := servertest.ClickHouse(tb)
	name := table(tb, addr, "key String, n Int64, text String", engine)
	return sinktest.Rig{
		Addr: addr,
		Action: func(tb testing.TB, addr string) actions.Action {
			return open(tb, config(addr)).Insert(clickhouse.Insert{Table: name, BatchConfig: &clickhouse.BatchConfig{MaxBatchOpenMs: 1, MaxBatchSize: 10_000}})
		},
		Read: func(tb testing.TB) (list []sinktest.Record) {
			for _, line := range read(tb, addr, "key, toInt32(n) AS n", name) {
				if line != "" {
					list = append(list, sinktest.Parse(tb, []byte(line)))
				}
			}
			return list
		},
		Break: func(tb testing.TB) func() {
			servertest.ClickHouseQuery(tb, addr, "RENAME TABLE "+name+" TO "+name+"_away")
			return func() { servertest.ClickHouseQuery(tb, addr, "RENAME TABLE "+name+"_away TO "+name) }
		},
		Poison: []byte(`{"key":"k1","n":"poison"}`),
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rig)
}

// BenchmarkThroughput inserts into the engine that tables have in earnest.
func BenchmarkThroughput(b *testing.B) {
	sinktest.Bench(b, func(tb testing.TB) sinktest.Rig {
		return rigOf(tb, "MergeTree ORDER BY (key, n)")
	})
}

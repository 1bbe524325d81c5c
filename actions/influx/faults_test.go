package influx_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/influx"
	"github.com/thinghub/thinghub/actions/sinktest"
)

// rig returns the rig of a counterpart.
func (c counterpart) rig(tb testing.TB) sinktest.Rig {
	addr, db := c.addr(tb), c.database(tb)
	rig := sinktest.Rig{
		Addr: addr,
		Action: func(tb testing.TB, addr string) actions.Action {
			w := influx.Write{DatabaseName: db, TableName: "rec", Tags: map[string]string{"device": "${key}", "of": db}}
			if !c.sql {
				w.Fields = map[string]influx.FieldType{"n": influx.Float}
			}
			return c.open(tb, addr).Write(w)
		},
		Read: func(tb testing.TB) (list []sinktest.Record) {
			for _, r := range ask(tb, addr, db, `SELECT "key", "n" FROM "rec"`)["rec"] {
				n, err := r["n"].(json.Number).Int64()
				require.NoError(tb, err)
				list = append(list, sinktest.Record{Key: r["key"].(string), N: int(n)})
			}
			return list
		},
		HTTP: true,
		// To InfluxDB n is a number by now; to VictoriaMetrics this is no point.
		Poison:    []byte(`{"key":"k1","n":"poison"}`),
		Unordered: true, // what is read is in the order of time
		Once:      true,
	}
	if !c.sql {
		rig.Once = false
		rig.Read = func(tb testing.TB) (list []sinktest.Record) {
			for _, s := range export(tb, addr, `{__name__="rec_n",of="`+db+`"}`) {
				for _, v := range s.Values {
					n, err := strconv.Atoi(string(v))
					require.NoError(tb, err)
					list = append(list, sinktest.Record{Key: s.Metric["device"], N: n})
				}
			}
			return list
		}
	}
	return rig
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range counterparts {
		if name == "VictoriaMetrics, API 2" {
			continue // which is the same but for the path
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinktest.Run(t, c.rig)
		})
	}
}

func BenchmarkThroughput(b *testing.B) {
	for name, c := range counterparts {
		b.Run(name, func(b *testing.B) { sinktest.Bench(b, c.rig) })
	}
}

package influx_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/influx"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// A counterpart is a server that the tests write to.
type counterpart struct {
	addr func(tb testing.TB) string
	cfg  influx.Config // its API and login
	sql  bool          // it is asked with the language of InfluxDB 1
}

var counterparts = map[string]counterpart{
	"InfluxDB 1.6": {servertest.Influx, influx.Config{Username: servertest.InfluxUser, Password: servertest.InfluxPassword, LineBreaks: true}, true},
	"InfluxDB 1.8, API 2": {
		servertest.Influx18,
		influx.Config{API: influx.V2, Token: servertest.InfluxUser + ":" + servertest.InfluxPassword, Gzip: true, LineBreaks: true},
		true,
	},
	"VictoriaMetrics":        {servertest.VictoriaMetrics, influx.Config{API: influx.VictoriaMetrics, Gzip: true}, false},
	"VictoriaMetrics, API 2": {servertest.VictoriaMetrics, influx.Config{API: influx.V2}, false},
}

var databases atomic.Int64

// database makes a database that nothing else uses. It is the name of a bucket too.
func (c counterpart) database(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("d%d", databases.Add(1))
	if c.sql {
		servertest.InfluxQuery(tb, c.addr(tb), "", "CREATE DATABASE "+name)
	}
	return name
}

func (c counterpart) open(tb testing.TB, addr string) *influx.Client {
	tb.Helper()
	cfg := c.cfg
	cfg.URL = "http://" + addr
	cfg.Sink = sinktest.Quick("influxDB", "db")
	return open(tb, cfg)
}

// A row is a point as it is read back.
type row map[string]any

// ask returns all points of a database of InfluxDB 1 by measurement. Tags and fields look
// alike; numbers are as they stand in the answer, and what a point lacks is left out.
func ask(tb testing.TB, addr, database, query string) map[string][]row {
	tb.Helper()
	var answer struct {
		Results []struct {
			Error  string
			Series []struct {
				Name    string
				Columns []string
				Values  [][]any
			}
		}
	}
	d := json.NewDecoder(bytes.NewReader(servertest.InfluxQuery(tb, addr, database, query)))
	d.UseNumber()
	require.NoError(tb, d.Decode(&answer))
	found := map[string][]row{}
	for _, r := range answer.Results {
		require.Empty(tb, r.Error)
		for _, s := range r.Series {
			for _, values := range s.Values {
				p := row{}
				for i, v := range values {
					if v != nil {
						p[s.Columns[i]] = v
					}
				}
				found[s.Name] = append(found[s.Name], p)
			}
		}
	}
	return found
}

// A sample is one of VictoriaMetrics.
type sample struct {
	Metric     map[string]string
	Values     []json.Number
	Timestamps []int64
}

// export returns what VictoriaMetrics has of some metrics, also what came just now.
func export(tb testing.TB, addr, match string) (samples []sample) {
	tb.Helper()
	for _, path := range []string{"/internal/force_flush", "/api/v1/export?" + url.Values{"match[]": {match}}.Encode()} {
		r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+addr+path, nil)
		require.NoError(tb, err)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(tb, err)
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(tb, err)
		require.Equal(tb, http.StatusOK, resp.StatusCode, string(text))
		for line := range bytes.Lines(text) {
			var s sample
			require.NoError(tb, json.Unmarshal(line, &s))
			samples = append(samples, s)
		}
	}
	return samples
}

// samples is export once there are as many metrics as a test expects.
func samples(tb testing.TB, addr, match string, n int) (found []sample) {
	tb.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if found = export(tb, addr, match); len(found) >= n {
			return found
		}
		require.True(tb, time.Now().Before(end), "of %d metrics there are %v", n, found)
	}
}

// TestTypes writes every type and reads it back.
func TestTypes(t *testing.T) {
	t.Parallel()
	for name, c := range counterparts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, db := c.addr(t), c.database(t)
			w := influx.Write{DatabaseName: db, TableName: "types" + db, Tags: map[string]string{"room": "${r}"}}
			w.Fields = map[string]influx.FieldType{"i": influx.Integer, "f": influx.Float, "b": influx.Auto}
			if c.sql {
				w.Fields["s"] = influx.Auto
			}
			a := c.open(t, addr).Write(w)
			require.NoError(t, a.Check())
			at := time.Now().Truncate(time.Millisecond)
			payload := fmt.Sprintf(`[{"i":9007199254740993,"f":21,"b":true,"s":"x\ny \"z\" \\","timestamp":%d},{"i":-2,"f":21.5,"b":false,"timestamp":%d}]`, at.UnixMilli(), at.UnixMilli()+1)
			require.NoError(t, a.Do(t.Context(), event(payload, w.TableName, "kitchen")))
			if !c.sql {
				got := map[string]string{}
				for _, s := range samples(t, addr, `{__name__=~"types`+db+`_.*"}`, 3) {
					require.Equal(t, "kitchen", s.Metric["room"])
					if c.cfg.API == influx.VictoriaMetrics {
						require.Equal(t, db, s.Metric["db"])
					}
					require.Equal(t, []int64{at.UnixMilli(), at.UnixMilli() + 1}, s.Timestamps)
					got[s.Metric["__name__"]] = fmt.Sprint(s.Values)
				}
				require.Equal(t, map[string]string{
					w.TableName + "_i": "[9007199254740992 -2]", w.TableName + "_f": "[21 21.5]", w.TableName + "_b": "[1 0]",
				}, got, "VictoriaMetrics keeps floats")
				return
			}
			ns := func(ms int64) json.Number { return json.Number(fmt.Sprint(ms * 1e6)) }
			require.Equal(t, []row{
				{"time": ns(at.UnixMilli()), "room": "kitchen", "i": json.Number("9007199254740993"), "f": json.Number("21"), "b": true, "s": "x\ny \"z\" \\"},
				{"time": ns(at.UnixMilli() + 1), "room": "kitchen", "i": json.Number("-2"), "f": json.Number("21.5"), "b": false},
			}, ask(t, addr, db, "SELECT * FROM /.*/")[w.TableName])
			kinds := map[string]any{}
			for _, r := range ask(t, addr, db, "SHOW FIELD KEYS")[w.TableName] {
				kinds[r["fieldKey"].(string)] = r["fieldType"]
			}
			require.Equal(t, map[string]any{"i": "integer", "f": "float", "b": "boolean", "s": "string"}, kinds)
		})
	}
}

// TestOddNames writes names and texts that look like parts of a line, and reads the same
// back.
func TestOddNames(t *testing.T) {
	t.Parallel()
	odd := []string{
		"plain", "a b", "a,b", "a=b", " a", "a ", ",", "=", " ", "a,b=c d,e", `a"b`, `"a"`, "'a'", "é☃\U0001F600", `a\b`, `\a`, "a#b", "a\u2028b", "${x}", "a;b|c&d", "\u200b", "1", "1i", "true",
		"a\u0085b", "__name__", "field,x=1 y=2 3", `a\nb`, "{a}", "[a]", "a/b", "db", "a%2Cb", "+Inf",
	}
	for name, c := range counterparts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, db := c.addr(t), c.database(t)
			client := c.open(t, addr)
			var evs []actions.Event
			tag := "t,= "
			a := client.Write(influx.Write{DatabaseName: db, TableName: "${m}", Tags: map[string]string{"of": db, tag: "${t}"}})
			require.NoError(t, a.Check())
			want := map[string]row{}
			for _, s := range odd {
				field := "f" + strings.ReplaceAll(s, `"`, "'")
				m := map[string]any{field: 1.5, "timestamp": when.UnixMilli()}
				measurement := "m" + s + "m"
				p := row{"time": json.Number(fmt.Sprint(when.UnixMilli() * 1e6)), "of": db, tag: s, field: json.Number("1.5")}
				if c.sql {
					m["text"] = s
					p["text"] = s
				}
				payload, err := json.Marshal(m)
				require.NoError(t, err)
				evs = append(evs, event(string(payload), measurement, db, s))
				want[measurement] = p
			}
			for i, err := range a.DoBatch(t.Context(), evs) {
				require.NoError(t, err, "%q", odd[i])
			}
			if c.sql {
				got := ask(t, addr, db, "SELECT * FROM /.*/")
				for measurement, p := range want {
					require.Equal(t, []row{p}, got[measurement], "%q", measurement)
				}
				require.Len(t, got, len(want))
				return
			}
			got := map[string]string{}
			for _, s := range samples(t, addr, `{of="`+db+`"}`, len(want)) {
				require.Equal(t, []json.Number{"1.5"}, s.Values)
				require.Equal(t, []int64{when.UnixMilli()}, s.Timestamps)
				require.Subset(t, []string{"__name__", "of", tag, "db"}, keys(s.Metric), "nothing else got in")
				got[s.Metric["__name__"]] = s.Metric[tag]
			}
			for _, s := range odd {
				metric := "m" + s + "m_f" + strings.ReplaceAll(s, `"`, "'")
				require.Equal(t, s, got[metric], "%q", metric)
			}
			require.Len(t, got, len(want))
		})
	}
}

func keys[V any](m map[string]V) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

// TestRefusedByServer checks that points which the database refuses fail, and no others.
func TestRefusedByServer(t *testing.T) {
	t.Parallel()
	for name, c := range counterparts {
		if !c.sql {
			continue // it refuses nothing
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, db := c.addr(t), c.database(t)
			a := c.open(t, addr).Write(influx.Write{DatabaseName: db, TableName: "m"})
			require.NoError(t, a.Do(t.Context(), event(`{"n":0,"timestamp":0}`, "m")))
			var evs []actions.Event
			for i := 1; i <= 20; i++ {
				payload := fmt.Sprintf(`{"n":%d,"timestamp":%d}`, i, i)
				if i%7 == 0 {
					payload = fmt.Sprintf(`{"n":"text %d","timestamp":%d}`, i, i)
				}
				evs = append(evs, event(payload, "m"))
			}
			for i, err := range a.DoBatch(t.Context(), evs) {
				if (i+1)%7 == 0 {
					require.ErrorIs(t, err, actions.ErrPermanent)
					require.ErrorContains(t, err, "field type conflict")
				} else {
					require.NoError(t, err)
				}
			}
			require.Len(t, ask(t, addr, db, "SELECT * FROM m")["m"], 19)

			// What is wrong with more than the points waits until it is mended.
			a = c.open(t, addr).Write(influx.Write{DatabaseName: "absent", TableName: "m"})
			err := a.Do(t.Context(), event(`{"n":0}`, "m"))
			require.ErrorContains(t, err, "database not found")
			require.NotErrorIs(t, err, actions.ErrPermanent)
			cfg := c.cfg
			cfg.URL = "http://" + addr
			cfg.Username, cfg.Password, cfg.Token = servertest.InfluxUser, "wrong", ""
			err = open(t, cfg).Write(influx.Write{DatabaseName: db, TableName: "m"}).Do(t.Context(), event(`{"n":0}`, "m"))
			require.ErrorContains(t, err, "401")
			require.NotErrorIs(t, err, actions.ErrPermanent)
		})
	}
}

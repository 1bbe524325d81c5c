package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/timestreamwrite"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// A streamRecord is what is written.
type streamRecord struct {
	MeasureName, MeasureValue, MeasureValueType, Time, TimeUnit string
	Dimensions                                                  []Dimension
}

// newTable makes a database of moto with a table, both of the name that it returns.
func newTable(tb testing.TB) string {
	tb.Helper()
	name := unique(tb)
	c := openTimestream(sdkConfig(servertest.Moto(tb)))
	_, err := c.CreateDatabase(context.Background(), &timestreamwrite.CreateDatabaseInput{DatabaseName: &name})
	require.NoError(tb, err)
	_, err = c.CreateTable(context.Background(), &timestreamwrite.CreateTableInput{DatabaseName: &name, TableName: &name})
	require.NoError(tb, err)
	return name
}

// stored returns what moto has in a table. It knows no queries, but shows its models.
func stored(tb testing.TB, name string) []streamRecord {
	tb.Helper()
	for range 5 {
		resp, err := http.Get(servertest.Moto(tb) + "/moto-api/data.json")
		require.NoError(tb, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(tb, err)
		require.NoError(tb, resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			continue // it was changed while moto looked at it
		}
		var models struct {
			Timestream map[string][]struct {
				Name    string
				Records []streamRecord
			} `json:"timestreamwrite"`
		}
		require.NoError(tb, json.Unmarshal(body, &models))
		for _, t := range models.Timestream["TimestreamTable"] {
			if t.Name == name {
				return t.Records
			}
		}
	}
	tb.Fatalf("moto does not show the table %s", name)
	return nil
}

func TestTimestream(t *testing.T) {
	name := newTable(t)
	s := open(t, servertest.Moto(t), nil)
	a := requireDecode(t, s, `{"timestream":{"roleArn":"`+testRole+`","databaseName":"`+name+`","tableName":"${table}","dimensions":[{"name":"device","value":"${topic(2)}"},{"name":"kind","value":"pump"}],"timestamp":{"value":"${ts}","unit":"SECONDS"}}}`)
	const payload = `{"on":true,"off":false,"temp":21.50,"big":1e3,"count":9007199254740993,"text":"a\"ü","object":{"a": [1, 2]},"array":[ ],"none":null,"empty":"","count2":-0}`
	ev := event(t, a, "pump/7", payload, name, "1795900000")
	require.NoError(t, a.Do(t.Context(), ev))
	require.Equal(t, name+"."+name, a.(actions.Named).Resource(ev))

	got := map[string]string{}
	for _, r := range stored(t, name) {
		require.Equal(t, "1795900000", r.Time)
		require.Equal(t, "SECONDS", r.TimeUnit)
		require.Equal(t, []Dimension{{"device", "7"}, {"kind", "pump"}}, r.Dimensions)
		got[r.MeasureName] = r.MeasureValueType + " " + r.MeasureValue
	}
	require.Equal(t, map[string]string{
		"on": "BOOLEAN true", "off": "BOOLEAN false", "temp": "DOUBLE 21.50", "big": "DOUBLE 1e3", "count": "BIGINT 9007199254740993",
		"text": `VARCHAR a"ü`, "object": `VARCHAR {"a":[1,2]}`, "array": "VARCHAR []", "count2": "BIGINT -0",
	}, got)

	err := a.Do(t.Context(), event(t, a, "pump/7", `{"a":1}`, name+"missing", "1795900000"))
	require.Equal(t, "permanent", kindOf(err), "%v", err)
	missing := s.Timestream(Timestream{DatabaseName: name, TableName: name + "missing", Dimensions: []Dimension{{"d", "v"}}})
	require.Equal(t, "again", kindOf(missing.Do(t.Context(), event(t, missing, "a", `{"a":1}`))))

	b := a.(actions.Batcher).Batch()
	require.True(t, b.AcrossTopics)
	require.NotEqual(t, b.Key(ev), b.Key(event(t, a, "pump/7", "{}", "other", "1")))
}

// writeRecords is the body of a call.
type writeRecords struct {
	DatabaseName, TableName string
	Records                 []streamRecord
}

func newTimestream(s *Services) actions.Action {
	return s.Timestream(Timestream{DatabaseName: "base", TableName: "table", Dimensions: []Dimension{{"device", "${topic()}"}}})
}

func TestTimestreamRequest(t *testing.T) {
	f := answers(t, 200, `{"RecordsIngested":{"Total":1}}`)
	a := newTimestream(open(t, f.url, nil))
	require.NoError(t, a.(actions.Checker).Check())
	evs := events(t, a, "pump/7", slices.Repeat([]string{`{"a":1,"b":2,"a":3}`}, 75)...)
	evs = append(evs, event(t, a, "x", `{}`), event(t, a, "x", `{"a":null}`))
	for i := range evs {
		evs[i].Message.Time = at2026
	}
	well(t, batch(t, a, evs))
	var sizes []int
	for _, r := range f.requests() {
		require.Equal(t, "WriteRecords", r.target())
		require.Contains(t, r.Header.Get("Authorization"), "/eu-central-1/timestream/")
		var in writeRecords
		require.NoError(t, json.Unmarshal(r.body, &in))
		require.Equal(t, "base", in.DatabaseName)
		require.Equal(t, "table", in.TableName)
		require.Equal(t, streamRecord{"a", "3", "BIGINT", "1795939200123456789", "NANOSECONDS", []Dimension{{"device", "pump/7"}}}, in.Records[0])
		sizes = append(sizes, len(in.Records))
	}
	require.Equal(t, []int{100, 50}, sizes)
}

// Records that Timestream rejects do not take others along, not even those of their call.
func TestTimestreamRejected(t *testing.T) {
	var written []string
	f := newFront(t, func(w http.ResponseWriter, r request) {
		var in writeRecords
		require.NoError(t, json.Unmarshal(r.body, &in))
		var rejected []string
		for i, r := range in.Records {
			switch r.MeasureName {
			case "late":
				rejected = append(rejected, fmt.Sprintf(`{"RecordIndex":%d,"Reason":"outside of the memory store"}`, i))
			case "spoils":
				w.Header().Set("X-Amzn-Errortype", "ValidationException")
				w.WriteHeader(400)
				_, _ = io.WriteString(w, `{"message":"a measure has a wrong name"}`)
				return
			}
		}
		for _, r := range in.Records {
			if r.MeasureName != "late" {
				written = append(written, r.MeasureName)
			}
		}
		if rejected != nil {
			w.Header().Set("X-Amzn-Errortype", "RejectedRecordsException")
			w.WriteHeader(419)
			_, _ = io.WriteString(w, `{"message":"some","RejectedRecords":[`+strings.Join(rejected, ",")+`]}`)
			return
		}
		_, _ = io.WriteString(w, `{}`)
	})
	a := newTimestream(open(t, f.url, nil))
	errs := batch(t, a, events(t, a, "a", `{"a":1}`, `{"b":1,"late":2,"c":3}`, `{"d":1}`, `{"e":1,"spoils":2}`, `{"f":1}`))
	for i, expected := range []string{"well", "permanent", "well", "permanent", "well"} {
		require.Equal(t, expected, kindOf(errs[i]), "%d: %v", i, errs[i])
	}
	require.ErrorContains(t, errs[1], `the record of "late" was rejected: outside of the memory store`)
	require.ErrorContains(t, errs[3], "a measure has a wrong name")
	slices.Sort(written)
	require.Equal(t, []string{"a", "b", "c", "d", "e", "f"}, written)
}

func TestTimestreamErrors(t *testing.T) {
	judgements(t, []verdictCase{
		{name: "written", status: 200, body: "{}", want: "well"},
		{name: "throttled", status: 429, code: "ThrottlingException", want: "again"},
		{name: "moved", status: 421, code: "InvalidEndpointException", want: "again"},
		{name: "denied", status: 403, code: "AccessDeniedException", want: "again"},
		{name: "missing", status: 404, code: "ResourceNotFoundException", want: "again"},
		{name: "wrong", status: 400, code: "ValidationException", want: "permanent"},
		{name: "rejected", status: 419, code: "RejectedRecordsException", want: "permanent"},
		{name: "by itself", status: 500, code: "InternalServerException", want: "again"},
	}, func(s *Services) (actions.Action, actions.Event) {
		a := newTimestream(s)
		return a, event(t, a, "a", `{"a":1}`)
	}, jsonError)

	// After an error that passes nothing is written.
	calls := 0
	f := newFront(t, func(w http.ResponseWriter, _ request) {
		if calls++; calls > 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, "{}")
	})
	a := newTimestream(open(t, f.url, nil))
	big := strings.TrimSuffix(strings.Repeat(`"k%d":1,`, 60), ",")
	numbers := make([]any, 60)
	for i := range numbers {
		numbers[i] = i
	}
	big = "{" + fmt.Sprintf(big, numbers...) + "}"
	errs := batch(t, a, events(t, a, "a", big, big, big, big, big))
	var kinds []string
	for _, err := range errs {
		kinds = append(kinds, kindOf(err))
	}
	require.Equal(t, []string{"well", "again", "again", "again", "again"}, kinds)
	require.Equal(t, 2, calls)
}

func TestTimestreamPayloads(t *testing.T) {
	f := answers(t, 200, "{}")
	a := open(t, f.url, nil).Timestream(Timestream{DatabaseName: "base", TableName: "table", Dimensions: []Dimension{{"d", "${d}"}}, Timestamp: &TimestreamTime{Value: "${t}"}})
	many := map[string]int{}
	for i := range 101 {
		many[fmt.Sprint(i)] = i
	}
	tooMany, err := json.Marshal(many)
	require.NoError(t, err)
	for _, c := range []struct{ payload, dimension, at, want string }{
		{`{"a":1}`, "v", "1795900000000", ""},
		{`{"a":9223372036854775807,"b":-9223372036854775808}`, "v", "1", ""},
		{`{"a":9223372036854775808}`, "v", "1", `a is "9223372036854775808", expected a whole number that a BIGINT holds`},
		{`{"a":1e400}`, "v", "1", "expected a number that a DOUBLE holds"},
		{`{"a":"` + strings.Repeat("x", 2048) + `"}`, "v", "1", ""},
		{`{"a":"` + strings.Repeat("x", 2049) + `"}`, "v", "1", "expected up to 2048 bytes"},
		{`{"":1}`, "v", "1", "the name of a measure is missing"},
		{`{"` + strings.Repeat("n", 257) + `":1}`, "v", "1", "the name of a measure is"},
		{string(tooMany), "v", "1", "the payload has 101 members"},
		{`[1]`, "v", "1", `the payload is "[1]", expected a JSON object`},
		{`{"a":1}x`, "v", "1", "expected a JSON object"},
		{``, "v", "1", "the payload is missing, expected a JSON object"},
		{`{"a":1}`, "", "1", "dimensions[0].value is missing"},
		{`{"a":1}`, strings.Repeat("v", 2049), "1", "dimensions[0].value"},
		{`{"a":1}`, "v", "1.5", `timestamp.value is "1.5", expected a whole number`},
		{`{"a":1}`, "v", "-1", "timestamp.value"},
		{`{"a":1}`, "v", "", "timestamp.value"},
	} {
		err := a.Do(t.Context(), event(t, a, "a", c.payload, c.at, c.dimension))
		if c.want == "" {
			require.NoError(t, err, c.payload)
			continue
		}
		require.Equal(t, "permanent", kindOf(err), "%+v: %v", c, err)
		require.ErrorContains(t, err, c.want)
	}
	var in writeRecords
	require.NoError(t, json.Unmarshal(f.requests()[0].body, &in))
	require.Equal(t, "MILLISECONDS", in.Records[0].TimeUnit)
}

func TestTimestreamRefused(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", nil)
	text := func(with string) string {
		return `{"timestream":{"roleArn":"` + testRole + `","databaseName":"base","tableName":"table"` + with + `}}`
	}
	dimension := func(name, value string) string {
		return `,"dimensions":[{"name":"` + name + `","value":"` + value + `"}]`
	}
	for text, expected := range map[string]string{
		text(``):                                      "dimensions is missing",
		text(`,"dimensions":[]`):                      "dimensions is an array of 0, expected 1 to 128 items",
		text(dimension("time", "v")):                  `dimensions[0].name is "time"`,
		text(dimension("measure_value", "")):          "dimensions[0].value is missing",
		text(dimension("measure_value::bigint", "v")): `dimensions[0].name is`,
		text(dimension("ts_x", "v")):                  `dimensions[0].name is "ts_x"`,
		text(dimension("a:b", "v")):                   `dimensions[0].name is "a:b"`,
		text(`,"dimensions":[{"name":"a","value":"1"},{"name":"a","value":"2"}]`):                                           `dimensions[1].name is "a", expected a name that no other dimension has`,
		text(`,"dimensions":[{"name":"a","value":"1","x":1}]`):                                                              "dimensions[0].x is not known",
		text(dimension("a", "v") + `,"timestamp":{"value":"1","unit":"DAYS"}`):                                              "timestamp.unit is",
		text(dimension("a", "v") + `,"timestamp":{"unit":"SECONDS"}`):                                                       "timestamp.value is missing",
		text(dimension("a", "v") + `,"timestamp":{"value":"now"}`):                                                          `timestamp.value is "now"`,
		text(dimension("a", "v") + `,"timestamp":{"value":"1","x":1}`):                                                      "timestamp.x is not known",
		text(dimension("a", "v") + `,"batchConfig":{}`):                                                                     "batchConfig is not known",
		`{"timestream":{"roleArn":"` + testRole + `","databaseName":"a b","tableName":"table"` + dimension("a", "v") + `}}`: `databaseName is "a b"`,
	} {
		requireRefused(t, s, text, expected)
	}
}

// rigTimestream is a table of moto. The text of a record is left out, so that each has one
// record.
func rigTimestream(tb testing.TB) sinktest.Rig {
	name := newTable(tb)
	return sinktest.Rig{
		Addr: addr(servertest.Moto(tb)), HTTP: true, Poison: []byte("[]"),
		Action: func(tb testing.TB, addr string) actions.Action {
			return faulty(tb, addr).Timestream(Timestream{
				DatabaseName: name, TableName: name, Dimensions: []Dimension{{"key", "${topic(2)}"}}, Timestamp: &TimestreamTime{Value: "${timestamp()}"},
			})
		},
		Read: func(tb testing.TB) (got []sinktest.Record) {
			for _, r := range stored(tb, name) {
				if r.MeasureName == "n" {
					var n int
					_, err := fmt.Sscan(r.MeasureValue, &n)
					require.NoError(tb, err)
					got = append(got, sinktest.Record{Key: r.Dimensions[0].Value, N: n})
				}
			}
			return got
		},
	}
}

func TestTimestreamFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, rigTimestream)
}

func BenchmarkTimestream(b *testing.B) { sinktest.Bench(b, rigTimestream) }

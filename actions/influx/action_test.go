package influx_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/influx"
)

// A server is a counterpart that answers as a test wants.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

// serve answers requests; respond gets the body and writes an answer, 204 if it does not.
func serve(tb testing.TB, respond func(w http.ResponseWriter, body string)) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			body = unzipped
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(text))
		s.mu.Unlock()
		if respond != nil {
			respond(w, string(text))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	tb.Cleanup(s.Close)
	return s
}

func TestJSON(t *testing.T) {
	t.Parallel()
	v1 := open(t, influx.Config{Sink: actions.SinkConfig{Name: "one"}})
	v2 := open(t, influx.Config{Sink: actions.SinkConfig{Name: "two"}, API: influx.V2})
	kinds := influx.Kinds(v1, v2)
	for _, text := range []string{
		`{"influxDB":{"sink":"one","databaseName":"d","tableName":"m"}}`,
		`{"influxDB":{"destinationArn":"arn:aws:iot:eu-central-1:123456789012:ruledestination/influxdb/two","databaseName":"d","tableName":"${topic(2)}","organization":"o","tags":{"a":"1","room":"${topic(1)}"},"timestampUnit":"SECONDS","batchConfig":{"maxBatchOpenMs":20,"maxBatchSize":100,"maxBatchSizeBytes":5120,"batchAcrossTopics":true},"roleArn":"arn:aws:iam::123456789012:role/r"}}`,
		`{"influxDB":{"sink":"two","databaseName":"d","tableName":"m","fields":{"count":"integer","temp":"float"},"integers":true}}`,
	} {
		a, err := actions.Decode([]byte(text), kinds)
		require.NoError(t, err)
		require.NoError(t, a.(actions.Checker).Check())
		again, ok, err := actions.Encode(a, kinds)
		require.NoError(t, err)
		require.True(t, ok)
		require.JSONEq(t, text, string(again))
	}
	a, err := actions.Decode([]byte(`{"influxDB":{"destinationArn":"two","databaseName":"d","tableName":"m"}}`), kinds)
	require.NoError(t, err)
	require.Same(t, v2.Sink(), a.(actions.Sinked).Sink())

	// With one client it need not be named, and is not when it is written again.
	text := `{"influxDB":{"databaseName":"d","tableName":"m"}}`
	a, err = actions.Decode([]byte(text), influx.Kinds(v1))
	require.NoError(t, err)
	again, _, err := actions.Encode(a, influx.Kinds(v1))
	require.NoError(t, err)
	require.JSONEq(t, text, string(again))

	// What was made in Go finds its client again among several.
	again, _, err = actions.Encode(v2.Write(influx.Write{DatabaseName: "d", TableName: "m"}), kinds)
	require.NoError(t, err)
	require.JSONEq(t, `{"influxDB":{"sink":"two","databaseName":"d","tableName":"m"}}`, string(again))
}

func TestJSONRefused(t *testing.T) {
	t.Parallel()
	kinds := influx.Kinds(open(t, influx.Config{Sink: actions.SinkConfig{Name: "one"}}), open(t, influx.Config{Sink: actions.SinkConfig{Name: "two"}, API: influx.VictoriaMetrics}))
	for parameters, want := range map[string]string{
		`{"sink":"one","tableName":"m"}`:                                                     `databaseName is missing, expected a text`,
		`{"sink":"one","databaseName":"d"}`:                                                  `tableName is missing, expected a text`,
		`{"databaseName":"d","tableName":"m"}`:                                               `sink is missing, expected "one" or "two"`,
		`{"sink":"three","databaseName":"d","tableName":"m"}`:                                `sink is "three", expected "one" or "two"`,
		`{"destinationArn":"arn:three","databaseName":"d","tableName":"m"}`:                  `destinationArn is "arn:three", expected "one" or "two"`,
		`{"sink":"one","databaseName":"d","tableName":"m","url":"x"}`:                        `url is not known, expected batchConfig, databaseName, destinationArn, fields, integers, organization, roleArn, sink, tableName, tags or timestampUnit`,
		`{"sink":"one","databaseName":"${topic()}","tableName":"m"}`:                         `databaseName is "${topic()}", expected a name without templates`,
		`{"sink":"one","databaseName":"d","tableName":"#m"}`:                                 `tableName is "#m", expected a measurement that a line can hold: the measurement "#m" begins as a comment does`,
		`{"sink":"one","databaseName":"d","tableName":"m","organization":"o"}`:               `organization is "o", expected none, as the client has another API than that of InfluxDB 2`,
		`{"sink":"one","databaseName":"d","tableName":"m","timestampUnit":"ms"}`:             `timestampUnit is "ms", expected SECONDS, MILLISECONDS, MICROSECONDS or NANOSECONDS`,
		`{"sink":"one","databaseName":"d","tableName":"m","tags":{"time":"x"}}`:              `tags is "time", expected names that a line can hold: "time" is a name that the database keeps for itself`,
		`{"sink":"one","databaseName":"d","tableName":"m","tags":{"a":"x\n"}}`:               `tags.a is "x\n", expected a text that a line can hold: "x\n" holds a control character, which a line cannot`,
		`{"sink":"one","databaseName":"d","tableName":"m","tags":{"a":1}}`:                   `tags.a is 1, expected a text`,
		`{"sink":"one","databaseName":"d","tableName":"m","fields":{}}`:                      `fields is an empty object, expected fields with their types, or no such member`,
		`{"sink":"one","databaseName":"d","tableName":"m","fields":{"a":"int"}}`:             `fields.a is "int", expected auto, float, integer, boolean or text`,
		`{"sink":"one","databaseName":"d","tableName":"m","fields":{"timestamp":"integer"}}`: `fields is "timestamp", expected names of fields`,
		`{"sink":"two","databaseName":"d","tableName":"m","fields":{"a":"text"}}`:            `fields.a is "text", expected another type, as VictoriaMetrics stores numbers alone`,
		`{"sink":"one","databaseName":"d","tableName":"m","batchConfig":{"maxBatchSize":0}}`: `batchConfig.maxBatchSize is 0, expected a whole number from 1 to 100000`,
		`{"sink":"one","databaseName":"d","tableName":"m","batchConfig":{"x":0}}`:            `batchConfig.x is not known, expected batchAcrossTopics, maxBatchOpenMs, maxBatchSize or maxBatchSizeBytes`,
	} {
		_, err := actions.Decode([]byte(`{"influxDB":`+parameters+`}`), kinds)
		require.EqualError(t, err, "influxDB: "+want)
	}
	_, err := actions.Decode([]byte(`{"influxDB":{"databaseName":"d","tableName":"m"}}`), influx.Kinds())
	require.EqualError(t, err, "influxDB: this hub has no InfluxDB")
	// What Go code may get wrong.
	c := open(t, influx.Config{Sink: actions.SinkConfig{Name: "one"}})
	for want, w := range map[string]influx.Write{
		`sink is "two", expected "one", the name of the client`:                                 {Sink: "two", DatabaseName: "d", TableName: "m"},
		`databaseName is missing, expected the name of a database or bucket`:                    {TableName: "m"},
		`tableName is missing, expected a measurement`:                                          {DatabaseName: "d"},
		`batchConfig.maxBatchOpenMs is -1, expected 0 to 60000`:                                 {DatabaseName: "d", TableName: "m", BatchConfig: &influx.BatchConfig{MaxBatchOpenMs: -1}},
		`tags is an object of 101, expected 0 to 100 tags`:                                      {DatabaseName: "d", TableName: "m", Tags: many(101)},
		`timestampUnit is "hours", expected SECONDS, MILLISECONDS, MICROSECONDS or NANOSECONDS`: {DatabaseName: "d", TableName: "m", TimestampUnit: "hours"},
	} {
		require.EqualError(t, c.Write(w).Check(), want)
	}
}

func many(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprint("t", i)] = "x"
	}
	return m
}

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]influx.Config{
		"influx: Config.URL: it does not begin with http:// or https://":    {},
		"influx: Config.URL: it has no host":                                {URL: "http://:8086"},
		"influx: Config.URL: it has a login, which has fields of its own":   {URL: "http://root:secret@h"},
		"influx: Config.URL: it has a query or a fragment":                  {URL: "http://h/write?db=x"},
		"influx: Config.URL: it cannot be parsed":                           {URL: "http://root:secret@h:port%"},
		"influx: Config.API is 7, expected V1, V2 or VictoriaMetrics":       {URL: "http://h", API: 7},
		"influx: Config.Token is set beside Username, expected one of them": {URL: "http://h", Token: "t", Username: "u"},
		"influx: Config.LineBreaks is set, which VictoriaMetrics cannot do": {URL: "http://h", API: influx.VictoriaMetrics, LineBreaks: true},
	} {
		_, err := influx.Open(cfg)
		require.EqualError(t, err, want)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cfg  influx.Config
		org  string
		want string
		auth string
	}{
		{"v1", influx.Config{Username: "u", Password: "p"}, "", "/write?db=my+db%26x", "Basic dTpw"},
		{"v2", influx.Config{API: influx.V2, Token: "secret", Gzip: true}, "my org", "/api/v2/write?bucket=my+db%26x&org=my+org", "Token secret"},
		{"VictoriaMetrics", influx.Config{API: influx.VictoriaMetrics, Token: "secret"}, "", "/write?db=my+db%26x", "Bearer secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			c.cfg.URL = s.URL + "/base/"
			a := open(t, c.cfg).Write(influx.Write{DatabaseName: "my db&x", Organization: c.org, TableName: "m"})
			require.NoError(t, a.Check())
			errs := a.DoBatch(t.Context(), []actions.Event{event(`{"v":1,"timestamp":1}`, "m"), event(`{"v":2,"timestamp":2}`, "m")})
			require.Equal(t, []error{nil, nil}, errs)
			require.Equal(t, []string{"m v=1 1000000\nm v=2 2000000\n"}, s.bodies)
			r := s.requests[0]
			require.Equal(t, http.MethodPost, r.Method)
			require.Equal(t, "/base"+c.want, r.RequestURI)
			require.Equal(t, c.auth, r.Header.Get("Authorization"))
		})
	}
}

func TestClassification(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status    int
		body      string
		want      string
		permanent bool
	}{
		{204, "", "", false},
		{200, "", "", false},
		{400, `{"error":"partial write: field type conflict: input field \"v\" dropped=1"}`, `influx: the server answered 400 Bad Request: partial write: field type conflict: input field "v" dropped=1`, true},
		{422, `{"code":"unprocessable entity","message":"points beyond\nretention"}`, "influx: the server answered 422 Unprocessable Entity: points beyond retention", true},
		{413, "", "influx: the server answered 413 Request Entity Too Large", true},
		{401, `{"error":"authorization failed"}`, "influx: the server answered 401 Unauthorized: authorization failed", false},
		{403, "", "influx: the server answered 403 Forbidden", false},
		{404, `{"error":"database not found: \"d\""}`, `influx: the server answered 404 Not Found: database not found: "d"`, false},
		{429, "", "influx: the server answered 429 Too Many Requests", false},
		{500, "timeout", "influx: the server answered 500 Internal Server Error: timeout", false},
		{503, strings.Repeat("x", 1000), "influx: the server answered 503 Service Unavailable: " + strings.Repeat("x", 400) + "...", false},
		{302, "", "influx: the server answered 302 Found", false},
	} {
		s := serve(t, func(w http.ResponseWriter, _ string) {
			if c.status == http.StatusFound {
				w.Header().Set("Location", "/elsewhere")
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		a := open(t, influx.Config{URL: s.URL, Token: "secret"}).Write(influx.Write{DatabaseName: "d", TableName: "m"})
		err := a.Do(t.Context(), event(`{"v":1}`, "m"))
		if c.want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, c.want)
		require.Equal(t, c.permanent, errors.Is(err, actions.ErrPermanent), c.status)
		require.Len(t, s.bodies, 1, "a redirect is not followed")
	}
}

// TestUnreachable checks what is said when there is no answer: no secret, and try again.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.Close()
	a := open(t, influx.Config{URL: s.URL, Token: "secret"}).Write(influx.Write{DatabaseName: "private", TableName: "m"})
	err := a.Do(t.Context(), event(`{"v":1}`, "m"))
	require.Error(t, err)
	require.NotErrorIs(t, err, actions.ErrPermanent)
	require.NotContains(t, err.Error(), "secret")
	require.NotContains(t, err.Error(), "private")

	held := make(chan struct{})
	s = serve(t, func(http.ResponseWriter, string) { <-held })
	a = open(t, influx.Config{URL: s.URL}).Write(influx.Write{DatabaseName: "d", TableName: "m"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = a.Do(ctx, event(`{"v":1}`, "m"))
	close(held)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, actions.ErrPermanent)
}

// TestHalves checks that events that are refused do not take others with them.
func TestHalves(t *testing.T) {
	t.Parallel()
	var taken []string
	s := serve(t, func(w http.ResponseWriter, body string) {
		for line := range strings.Lines(body) {
			if strings.Contains(line, "bad") {
				http.Error(w, `{"error":"partial write: bad dropped=1"}`, http.StatusBadRequest)
				return
			}
		}
		taken = append(taken, body)
		w.WriteHeader(http.StatusNoContent)
	})
	a := open(t, influx.Config{URL: s.URL}).Write(influx.Write{DatabaseName: "d", TableName: "m"})
	var evs []actions.Event
	bad := []int{3, 4, 17, 99}
	for i := range 100 {
		name := "v"
		if slices.Contains(bad, i) {
			name = "bad"
		}
		payload := fmt.Sprintf(`{%q:%d,"timestamp":%d}`, name, i, i)
		if i == 50 {
			payload = "no JSON"
		}
		if i == 51 {
			payload = "[]"
		}
		evs = append(evs, event(payload, "m"))
	}
	errs := a.DoBatch(t.Context(), evs)
	for i, err := range errs {
		switch {
		case i == 50 || slices.Contains(bad, i):
			require.ErrorIs(t, err, actions.ErrPermanent, i)
		default:
			require.NoError(t, err, i)
		}
	}
	var want strings.Builder
	for i := range 100 {
		if i != 50 && i != 51 && !slices.Contains(bad, i) {
			fmt.Fprintf(&want, "m v=%d %d\n", i, i*1_000_000)
		}
	}
	require.Equal(t, want.String(), strings.Join(taken, ""), "each once and in order")
}

// TestHalvesEnd checks that a failure that passes leaves what is not known yet for later.
func TestHalvesEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, body string) {
		switch {
		case strings.Contains(body, "bad"):
			w.WriteHeader(http.StatusBadRequest)
		case strings.Contains(body, "v=5"):
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	a := open(t, influx.Config{URL: s.URL}).Write(influx.Write{DatabaseName: "d", TableName: "m"})
	var evs []actions.Event
	for i := range 8 {
		name := "v"
		if i == 1 || i == 6 {
			name = "bad"
		}
		evs = append(evs, event(fmt.Sprintf(`{%q:%d,"timestamp":1}`, name, i), "m"))
	}
	errs := a.DoBatch(t.Context(), evs)
	for i, err := range errs {
		switch {
		case i == 1:
			require.ErrorIs(t, err, actions.ErrPermanent)
		case i < 4:
			require.NoError(t, err)
		default:
			require.ErrorContains(t, err, "503")
			require.NotErrorIs(t, err, actions.ErrPermanent)
		}
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	c := open(t, influx.Config{})
	require.Equal(t, actions.Batch{Events: 5000, Bytes: 1 << 20, AcrossTopics: true}, c.Write(influx.Write{}).Batch())
	require.Equal(t, actions.Batch{Events: 5000, Bytes: 1 << 20}, c.Write(influx.Write{BatchConfig: &influx.BatchConfig{}}).Batch())
	require.Equal(t,
		actions.Batch{Events: 7, Bytes: 100, Open: 20 * time.Millisecond, AcrossTopics: true},
		c.Write(influx.Write{BatchConfig: &influx.BatchConfig{MaxBatchOpenMs: 20, MaxBatchSize: 7, MaxBatchSizeBytes: 100, BatchAcrossTopics: true}}).Batch())
}

func TestNames(t *testing.T) {
	t.Parallel()
	a := open(t, influx.Config{Token: "secret"}).Write(influx.Write{DatabaseName: "d", TableName: "m", Tags: map[string]string{"b": "2", "a": "1"}})
	require.Equal(t, "influxDB", a.Kind())
	require.Equal(t, "m", a.Resource(event("{}", "m")))
	require.Equal(t, []actions.Param{{Name: "tableName", Text: "m"}, {Name: "tags.a", Text: "1", Optional: true}, {Name: "tags.b", Text: "2", Optional: true}}, a.Params())
	text, err := json.Marshal(a)
	require.NoError(t, err)
	require.NotContains(t, string(text), "secret")
}

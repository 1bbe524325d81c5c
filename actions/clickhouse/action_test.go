package clickhouse_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/clickhouse"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	one := open(t, clickhouse.Config{Sink: actions.SinkConfig{Name: "one"}, Database: "iot"})
	two := open(t, clickhouse.Config{Sink: actions.SinkConfig{Name: "two"}, Username: "hub", Password: "secret"})
	kinds := clickhouse.Kinds(one, two)
	for text, resource := range map[string]string{
		`{"clickhouse":{"sink":"one","table":"air"}}`:                    "iot.air",
		`{"clickhouse":{"sink":"two","table":"air"}}`:                    "air",
		`{"clickhouse":{"sink":"two","database":"other","table":"air"}}`: "other.air",
		`{"clickhouse":{"sink":"one","table":"air","columns":["a","b.c"],"batchConfig":{"maxBatchOpenMs":20,"maxBatchSize":100,"maxBatchSizeBytes":5120}}}`: "iot.air",
	} {
		a, err := actions.Decode([]byte(text), kinds)
		require.NoError(t, err)
		require.NoError(t, a.(actions.Checker).Check())
		require.Equal(t, resource, a.(actions.Named).Resource(actions.Event{}))
		again, ok, err := actions.Encode(a, kinds)
		require.NoError(t, err)
		require.True(t, ok)
		require.JSONEq(t, text, string(again))
		require.NotContains(t, string(again), "secret")
	}
	text := `{"clickhouse":{"table":"air"}}`
	a, err := actions.Decode([]byte(text), clickhouse.Kinds(one))
	require.NoError(t, err)
	require.Same(t, one.Sink(), a.(actions.Sinked).Sink())
	again, _, err := actions.Encode(a, clickhouse.Kinds(one))
	require.NoError(t, err)
	require.JSONEq(t, text, string(again))
	again, _, err = actions.Encode(two.Insert(clickhouse.Insert{Table: "air"}), kinds)
	require.NoError(t, err)
	require.JSONEq(t, `{"clickhouse":{"sink":"two","table":"air"}}`, string(again))
}

func TestRefused(t *testing.T) {
	t.Parallel()
	one := open(t, clickhouse.Config{Sink: actions.SinkConfig{Name: "one"}})
	kinds := clickhouse.Kinds(one, open(t, clickhouse.Config{Sink: actions.SinkConfig{Name: "two"}}))
	const name = "1 to 128 letters, digits and underscores, not beginning with a digit"
	for parameters, want := range map[string]string{
		`{"sink":"one"}`:                                                        `table is missing, expected a text`,
		`{"table":"air"}`:                                                       `sink is missing, expected "one" or "two"`,
		`{"sink":"three","table":"air"}`:                                        `sink is "three", expected "one" or "two"`,
		`{"sink":"one","table":"air; DROP TABLE x"}`:                            `table is "air; DROP TABLE x", expected ` + name,
		"{\"sink\":\"one\",\"table\":\"a`b\"}":                                  "table is \"a`b\", expected " + name,
		`{"sink":"one","table":"${topic(1)}"}`:                                  `table is "${topic(1)}", expected ` + name,
		`{"sink":"one","table":"iot.air"}`:                                      `table is "iot.air", expected ` + name,
		`{"sink":"one","table":"air","database":"1a"}`:                          `database is "1a", expected ` + name,
		`{"sink":"one","table":"air","columns":["a b"]}`:                        `columns[0] is "a b", expected the name of a column: letters, digits and underscores, with dots for nested ones`,
		`{"sink":"one","table":"air","columns":["a","a"]}`:                      `columns[1] is "a", expected each column once`,
		`{"sink":"one","table":"air","columns":["a."]}`:                         `columns[0] is "a.", expected the name of a column: letters, digits and underscores, with dots for nested ones`,
		`{"sink":"one","table":"air","columns":[1]}`:                            `columns[0] is 1, expected a text`,
		`{"sink":"one","table":"air","columns":[]}`:                             `columns is an array of 0, expected 1 to 1000 items`,
		`{"sink":"one","table":"air","settings":{}}`:                            `settings is not known, expected batchConfig, columns, database, sink or table`,
		`{"sink":"one","table":"air","batchConfig":{"maxBatchSize":0}}`:         `batchConfig.maxBatchSize is 0, expected a whole number from 1 to 1000000`,
		`{"sink":"one","table":"air","batchConfig":{"batchAcrossTopics":true}}`: `batchConfig.batchAcrossTopics is not known, expected maxBatchOpenMs, maxBatchSize or maxBatchSizeBytes`,
	} {
		_, err := actions.Decode([]byte(`{"clickhouse":`+parameters+`}`), kinds)
		require.EqualError(t, err, "clickhouse: "+want)
	}
	_, err := actions.Decode([]byte(`{"clickhouse":{"table":"air"}}`), clickhouse.Kinds())
	require.EqualError(t, err, "clickhouse: the host has no client for this action")
	require.EqualError(t, one.Insert(clickhouse.Insert{Sink: "two", Table: "t"}).Check(), `sink is "two", expected "one", the name of the client`)
	require.EqualError(t, one.Insert(clickhouse.Insert{Table: "t", BatchConfig: &clickhouse.BatchConfig{MaxBatchOpenMs: 60_001}}).Check(), `batchConfig.maxBatchOpenMs is 60001, expected 0 to 60000`)
	require.Error(t, one.Insert(clickhouse.Insert{Table: "t", Columns: make([]string, 1001)}).Check())
}

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]clickhouse.Config{
		"clickhouse: Config.URL: it does not begin with http:// or https://":                                                  {URL: "tcp://h:9000"},
		"clickhouse: Config.URL: it has a login, which has fields of its own":                                                 {URL: "http://u:secret@h"},
		"clickhouse: Config.Password is set without Username":                                                                 {URL: "http://h", Password: "secret"},
		`clickhouse: Config.Database is "a-b", expected 1 to 128 letters, digits and underscores, not beginning with a digit`: {URL: "http://h", Database: "a-b"},
		`clickhouse: Config.Settings has "query", which is not a setting to make`:                                             {URL: "http://h", Settings: map[string]string{"query": "DROP TABLE x"}},
		`clickhouse: Config.Settings has "input_format_allow_errors_num", which is not a setting to make`:                     {URL: "http://h", Settings: map[string]string{"input_format_allow_errors_num": "1"}},
		`clickhouse: Config.Settings has "a&b", which is not a setting to make`:                                               {URL: "http://h", Settings: map[string]string{"a&b": "1"}},
	} {
		_, err := clickhouse.Open(cfg)
		require.EqualError(t, err, want)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := open(t, clickhouse.Config{
		URL: s.URL + "/base/", Username: "hub", Password: "secret", Database: "iot", Gzip: true,
		Settings: map[string]string{"date_time_input_format": "best_effort", "async_insert": "1"},
	})
	a := c.Insert(clickhouse.Insert{Table: "air", Columns: []string{"device", "n.x"}})
	require.NoError(t, a.Do(t.Context(), event(1, `{ "n.x" : [ 1.50, null ], "other": 1, "device": "a \n \"b\"" }`)))
	require.Equal(t, []string{`[{"device":"a \n \"b\"","n.x":[1.50,null]}]`}, s.bodies)
	r := s.requests[0]
	require.Equal(t, http.MethodPost, r.Method)
	require.Equal(t, "/base/", r.URL.Path)
	require.Equal(t, "hub", r.Header.Get("X-ClickHouse-User"))
	require.Equal(t, "secret", r.Header.Get("X-ClickHouse-Key"))
	q := r.URL.Query()
	require.Equal(t, "INSERT INTO `iot`.`air` (`device`, `n.x`) FORMAT JSONEachRow", q.Get("query"))
	require.Equal(t, "best_effort", q.Get("date_time_input_format"))
	require.Equal(t, "1", q.Get("async_insert"))
	require.Equal(t, "1", q.Get("wait_for_async_insert"))
	require.Len(t, q.Get("insert_deduplication_token"), 64)

	// Without columns a row is what the payload is; an array has several.
	a = open(t, clickhouse.Config{URL: s.URL}).Insert(clickhouse.Insert{Table: "air"})
	errs := a.DoBatch(t.Context(), []actions.Event{
		event(1, "{\n\"a\": 1\n}"), event(2, `[]`), event(3, `[{"a":2},{"b":{"c":"<>&"}}]`), event(4, `{"a":9007199254740993}`),
	})
	require.Equal(t, make([]error, 4), errs)
	require.Equal(t, "[{\"a\":1},\n{\"a\":2},\n{\"b\":{\"c\":\"<>&\"}},\n{\"a\":9007199254740993}]", s.bodies[1])
	require.Equal(t, "INSERT INTO `air` FORMAT JSONEachRow", s.requests[1].URL.Query().Get("query"))
	require.Empty(t, s.requests[1].Header.Get("X-ClickHouse-User"))

	// A statement that nobody checked holds no more than names all the same.
	a = open(t, clickhouse.Config{URL: s.URL}).Insert(clickhouse.Insert{Table: "a`b\\"})
	require.NoError(t, a.Do(t.Context(), event(1, `{}`)))
	require.Equal(t, "INSERT INTO `a\\`b\\\\` FORMAT JSONEachRow", s.requests[2].URL.Query().Get("query"))
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := open(t, clickhouse.Config{URL: s.URL})
	for payload, want := range map[string]string{
		"21.5 degrees": "the payload is not JSON",
		"21.5":         "the payload is 21.5, expected an object or an array of objects",
		`"text"`:       "the payload is a text, expected an object or an array of objects",
		`[{"a":1},[]]`: "[1]: the payload is an array, expected an object or an array of objects",
		`{"b":1}`:      "the payload has none of the columns",
	} {
		err := c.Insert(clickhouse.Insert{Table: "t", Columns: []string{"a"}}).Do(t.Context(), event(1, payload))
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, actions.ErrPermanent)
	}
	require.Empty(t, s.bodies)
}

// TestTokens checks that a batch that comes again has the token that it had, in a body
// whose end a server can see.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	a := open(t, clickhouse.Config{URL: s.URL}).Insert(clickhouse.Insert{Table: "t"})
	token := func(evs ...actions.Event) string {
		for _, err := range a.DoBatch(t.Context(), evs) {
			require.NoError(t, err)
		}
		last := len(s.bodies) - 1
		require.True(t, json.Valid([]byte(s.bodies[last])), s.bodies[last])
		return s.requests[last].URL.Query().Get("insert_deduplication_token")
	}
	one, two := event(1, `{"a":1}`), event(2, `{"a":1}`)
	first := token(one, two)
	one.Attempt, two.Attempt = 2, 2
	require.Equal(t, first, token(one, two))
	require.NotEqual(t, first, token(two, one))
	require.NotEqual(t, first, token(one))
	require.NotEqual(t, token(one), token(two))
}

// TestOldServer checks a server that knows no tokens.
func TestOldServer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		if r.URL.Query().Has("insert_deduplication_token") {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "Code: 115, e.displayText() = DB::Exception: Unknown setting insert_deduplication_token, e.what() = DB::Exception")
		}
	})
	a := open(t, clickhouse.Config{URL: s.URL}).Insert(clickhouse.Insert{Table: "t"})
	require.NoError(t, a.Do(t.Context(), event(1, `[{"a":1},{"a":2}]`)))
	require.NoError(t, a.Do(t.Context(), event(2, `{"a":3}`)))
	require.Equal(t, []string{"[{\"a\":1},\n{\"a\":2}]", "{\"a\":1},\n{\"a\":2}", `{"a":3}`}, s.bodies)
}

func TestClassification(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status    int
		code      string // in a header
		text      string
		want      string
		permanent bool
	}{
		{200, "", "", "", false},
		{200, "27", "Code: 27. DB::Exception: late", "200 OK: Code: 27. DB::Exception: late", true},
		{500, "", "Code: 27, e.displayText() = DB::Exception: Cannot parse input", "500 Internal Server Error: Code: 27, e.displayText() = DB::Exception: Cannot parse input", true},
		{400, "27", "Code: 27. DB::Exception: Cannot parse\ninput", "400 Bad Request: Code: 27. DB::Exception: Cannot parse input", true},
		{500, "", "Code: 117. DB::Exception: Unknown field", "500 Internal Server Error: Code: 117. DB::Exception: Unknown field", true},
		{500, "469", "violated", "500 Internal Server Error: violated", true},
		{500, "", "Code: 49, e.displayText() = DB::Exception: Unknown element 'zz' for type Enum8", "500 Internal Server Error: Code: 49, e.displayText() = DB::Exception: Unknown element 'zz' for type Enum8", true},
		{400, "36", "Unknown element 'zz' for enum", "400 Bad Request: Unknown element 'zz' for enum", true},
		{400, "36", "bad setting", "400 Bad Request: bad setting", false},
		{500, "252", "Too many partitions for single INSERT block (more than 100)", "500 Internal Server Error: Too many partitions for single INSERT block (more than 100)", true},
		{500, "252", "Too many parts (300). Merges are processing significantly slower than inserts", "500 Internal Server Error: Too many parts (300). Merges are processing significantly slower than inserts", false},
		{404, "60", "no table", "404 Not Found: no table", false},
		{500, "16", "no column", "500 Internal Server Error: no column", false},
		{403, "516", "no login", "403 Forbidden: no login", false},
		{500, "241", "no memory", "500 Internal Server Error: no memory", false},
		{500, "164", "read-only", "500 Internal Server Error: read-only", false},
		{413, "", "", "413 Request Entity Too Large", true},
		{400, "", "who are you", "400 Bad Request: who are you", false},
		{502, "", "<html>", "502 Bad Gateway: <html>", false},
		{307, "", "", "307 Temporary Redirect", false},
		{500, "", "Code: ", "500 Internal Server Error: Code:", false},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
			if c.code != "" {
				w.Header().Set("X-ClickHouse-Exception-Code", c.code)
			}
			if c.status == http.StatusTemporaryRedirect {
				w.Header().Set("Location", "/elsewhere")
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.text)
		})
		err := open(t, clickhouse.Config{URL: s.URL}).Insert(clickhouse.Insert{Table: "t"}).Do(t.Context(), event(1, `{"a":1}`))
		if c.want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, "clickhouse: the server answered "+c.want)
		require.Equal(t, c.permanent, errors.Is(err, actions.ErrPermanent), c.want)
		require.Len(t, s.bodies, 1)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.Close()
	a := open(t, clickhouse.Config{URL: s.URL, Username: "hub", Password: "secret"}).Insert(clickhouse.Insert{Table: "private"})
	err := a.Do(t.Context(), event(1, `{}`))
	require.Error(t, err)
	require.NotErrorIs(t, err, actions.ErrPermanent)
	require.NotContains(t, err.Error(), "secret")
	require.NotContains(t, err.Error(), "private")

	held := make(chan struct{})
	s = serve(t, func(http.ResponseWriter, *http.Request, string) { <-held })
	a = open(t, clickhouse.Config{URL: s.URL}).Insert(clickhouse.Insert{Table: "t"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = a.Do(ctx, event(1, `{}`))
	close(held)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, actions.ErrPermanent)
}

// TestHalves checks that rows that are refused do not take others with them, and that each
// half has a token of its own.
func TestHalves(t *testing.T) {
	t.Parallel()
	var rows []string
	tokens := map[string]bool{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if strings.Contains(body, "bad") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "Code: 27. DB::Exception: Cannot parse input")
			return
		}
		token := r.URL.Query().Get("insert_deduplication_token")
		if tokens[token] {
			return // it has them already
		}
		tokens[token] = true
		var list []struct{ N int }
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		for _, row := range list {
			rows = append(rows, fmt.Sprint(row.N))
		}
	})
	a := open(t, clickhouse.Config{URL: s.URL}).Insert(clickhouse.Insert{Table: "t"})
	bad := []int{0, 31, 32, 99}
	var evs []actions.Event
	for i := range 100 {
		payload := fmt.Sprintf(`{"n":%d}`, i)
		if slices.Contains(bad, i) {
			payload = `{"n":"bad"}`
		}
		evs = append(evs, event(byte(i+1), payload))
	}
	for i, err := range a.DoBatch(t.Context(), evs) {
		if slices.Contains(bad, i) {
			require.ErrorIs(t, err, actions.ErrPermanent)
		} else {
			require.NoError(t, err)
		}
	}
	var want []string
	for i := range 100 {
		if !slices.Contains(bad, i) {
			want = append(want, fmt.Sprint(i))
		}
	}
	require.Equal(t, want, rows)
}

func TestBatch(t *testing.T) {
	t.Parallel()
	c := open(t, clickhouse.Config{})
	require.Equal(t, actions.Batch{Events: 500, Bytes: 8 << 20, Open: time.Second, AcrossTopics: true}, c.Insert(clickhouse.Insert{}).Batch())
	require.Equal(t,
		actions.Batch{Events: 7, Bytes: 100, Open: 20 * time.Millisecond, AcrossTopics: true},
		c.Insert(clickhouse.Insert{BatchConfig: &clickhouse.BatchConfig{MaxBatchOpenMs: 20, MaxBatchSize: 7, MaxBatchSizeBytes: 100}}).Batch())
}

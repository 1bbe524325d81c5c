package search_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/search"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
	"github.com/thinghub/thinghub/rules"
)

// A server is the real OpenSearch node.
type server struct{ url string }

func openSearch(tb testing.TB) server {
	tb.Helper()
	return server{"http://" + servertest.OpenSearch(tb)}
}

// call makes a request with JSON, which must succeed, and reads the answer into into.
func (s server) call(tb testing.TB, method, path, body string, into any) {
	tb.Helper()
	status, answer := s.ask(tb, method, path, "application/json", body)
	require.Equal(tb, 2, status/100, "%s %s: %s", method, path, answer)
	if into != nil {
		require.NoError(tb, json.Unmarshal(answer, into), "%s", answer)
	}
}

func (s server) ask(tb testing.TB, method, path, contentType, body string) (status int, answer []byte) {
	tb.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	require.NoError(tb, err)
	r.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(tb, err)
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	require.NoError(tb, err)
	return resp.StatusCode, answer
}

var indexes atomic.Int64

// index makes an index, in which n is a whole number, and removes it after the test.
func (s server) index(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test-%d", indexes.Add(1))
	s.call(tb, "PUT", "/"+name, `{"settings":{"number_of_shards":1,"number_of_replicas":0},"mappings":{"properties":{"n":{"type":"long"},"key":{"type":"keyword"}}}}`, nil)
	tb.Cleanup(func() { s.call(tb, "DELETE", "/"+name, "", nil) })
	return name
}

// A hit is a document that was found.
type hit struct {
	ID      string          `json:"_id"`
	Version int             `json:"_version"`
	Source  json.RawMessage `json:"_source"`
}

// docs returns the documents of an index in the order in which they were written.
func (s server) docs(tb testing.TB, index string) []hit {
	tb.Helper()
	s.call(tb, "POST", "/"+index+"/_refresh", "", nil)
	var found struct {
		Hits struct {
			Hits []hit `json:"hits"`
		} `json:"hits"`
	}
	s.call(tb, "POST", "/"+index+"/_search", `{"size":10000,"version":true,"sort":[{"_seq_no":"asc"}]}`, &found)
	return found.Hits.Hits
}

func (s server) doc(tb testing.TB, index, id string) string {
	tb.Helper()
	var found hit
	s.call(tb, "GET", "/"+index+"/_doc/"+id, "", &found)
	return string(found.Source)
}

func (s server) settings(tb testing.TB, index, text string) {
	tb.Helper()
	s.call(tb, "PUT", "/"+index+"/_settings", text, nil)
}

// rig writes each record as a document of its own.
func rig(tb testing.TB) sinktest.Rig {
	s := openSearch(tb)
	index := s.index(tb)
	return sinktest.Rig{
		Addr: strings.TrimPrefix(s.url, "http://"),
		Action: func(tb testing.TB, addr string) actions.Action {
			return client(tb, search.Config{Sink: sinktest.Quick("openSearch", "test")}, "http://"+addr).Put(search.Document{Index: index, ID: "${key}-${n}"})
		},
		Read: func(tb testing.TB) (records []sinktest.Record) {
			for _, h := range s.docs(tb, index) {
				records = append(records, sinktest.Parse(tb, h.Source))
			}
			return records
		},
		Break: func(tb testing.TB) func() {
			s.settings(tb, index, `{"index.blocks.write":true}`)
			return func() { s.settings(tb, index, `{"index.blocks.write":null}`) }
		},
		Poison: []byte(`{"key":"k1","n":"not a number"}`),
		Once:   true,
	}
}

func TestFaults(t *testing.T) {
	sinktest.Run(t, rig)
}

func BenchmarkThroughput(b *testing.B) {
	sinktest.Bench(b, rig)
}

// What the fake refuses, and how, is what the server does.
func TestFakeIsLikeTheServer(t *testing.T) {
	t.Parallel()
	s := openSearch(t)
	f := newFake(t)
	name := s.index(t)
	long := strings.Repeat("x", 513)
	for _, c := range []struct{ name, contentType, path, body string }{
		{name: "well", body: `{"index":{"_index":"I","_id":"1"}}` + "\n" + `{"n":1}` + "\n" + `{"create":{"_index":"I","_id":"2"}}` + "\n{}\n"},
		{name: "empty lines", body: "\n" + `{"index":{"_index":"I","_id":"1"}}` + "\n" + `{"n":1}` + "\n\n"},
		{name: "again", body: `{"create":{"_index":"I","_id":"1"}}` + "\n" + `{"n":1}` + "\n"},
		{name: "no newline", body: `{"index":{"_index":"I","_id":"1"}}` + "\n" + `{"n":1}`},
		{name: "empty", body: ""},
		{name: "no document", body: `{"index":{"_index":"I","_id":"1"}}` + "\n"},
		{name: "mapping", body: `{"index":{"_index":"I","_id":"1"}}` + "\n" + `{"n":"x"}` + "\n" + `{"index":{"_index":"I","_id":"2"}}` + "\n" + `{"n":2}` + "\n"},
		{name: "no JSON", body: `{"index":{"_index":"I","_id":"1"}}` + "\n" + `{"n":1` + "\n" + `{"index":{"_index":"I","_id":"2"}}` + "\n" + `[]` + "\n"},
		{name: "type", body: `{"index":{"_index":"I","_type":"_doc","_id":"1"}}` + "\n{}\n"},
		{name: "unknown", body: `{"index":{"_index":"I","id":"1"}}` + "\n{}\n"},
		{name: "other operation", body: `{"put":{"_index":"I","_id":"1"}}` + "\n{}\n"},
		{name: "metadata", body: `["index"]` + "\n{}\n"},
		{name: "name", body: `{"index":{"_index":"A","_id":"1"}}` + "\n{}\n" + `{"index":{"_index":"I","_id":"2"}}` + "\n{}\n"},
		{name: "no index", body: `{"index":{"_id":"1"}}` + "\n{}\n"},
		{name: "index in the path", path: "/I/_bulk", body: `{"index":{"_id":"1"}}` + "\n{}\n"},
		{name: "empty id", body: `{"index":{"_index":"I","_id":""}}` + "\n{}\n"},
		{name: "long id", body: `{"index":{"_index":"I","_id":"` + long + `"}}` + "\n{}\n" + `{"index":{"_index":"I","_id":"2"}}` + "\n{}\n"},
		{name: "version", body: `{"index":{"_index":"I","_id":"v","version":5,"version_type":"external_gte"}}` + "\n{}\n" +
			`{"index":{"_index":"I","_id":"v","version":4,"version_type":"external_gte"}}` + "\n{}\n" +
			`{"index":{"_index":"I","_id":"v","version":5,"version_type":"external_gte"}}` + "\n{}\n"},
		{name: "negative version", body: `{"index":{"_index":"I","_id":"v","version":-5,"version_type":"external_gte"}}` + "\n{}\n"},
		{name: "create with version", body: `{"create":{"_index":"I","_id":"v","version":5,"version_type":"external_gte"}}` + "\n{}\n"},
		{name: "content type", contentType: "text/plain", body: `{"index":{"_index":"I","_id":"1"}}` + "\n{}\n"},
		{name: "parameter", path: "/_bulk?reefresh=true", body: `{"index":{"_index":"I","_id":"1"}}` + "\n{}\n"},
		{name: "path", path: "/I/x/_bulk", body: `{"index":{"_id":"1"}}` + "\n{}\n"},
	} {
		if c.contentType == "" {
			c.contentType = "application/x-ndjson"
		}
		if c.path == "" {
			c.path = "/_bulk"
		}
		c.path, c.body = strings.ReplaceAll(c.path, "I", name), strings.ReplaceAll(c.body, `"I"`, strconv.Quote(name))
		realStatus, realAnswer := s.ask(t, "POST", c.path, c.contentType, c.body)
		fakeStatus, fakeAnswer := server{f.URL}.ask(t, "POST", c.path, c.contentType, c.body)
		require.Equal(t, summary(t, realStatus, realAnswer), summary(t, fakeStatus, fakeAnswer), "%s: %s %s", c.name, realAnswer, fakeAnswer)
	}
}

// summary is what clients look at.
func summary(tb testing.TB, status int, answer []byte) string {
	tb.Helper()
	var plain struct{ Error string }
	if json.Unmarshal(answer, &plain) == nil && plain.Error != "" {
		return fmt.Sprint(status, " a text")
	}
	var read struct {
		Errors bool
		Error  struct{ Type string }
		Items  []map[string]struct {
			Status int
			Error  struct{ Type string }
		}
	}
	require.NoError(tb, json.Unmarshal(answer, &read), "%s", answer)
	text := fmt.Sprint(status, read.Error.Type, read.Errors)
	for _, it := range read.Items {
		for op, v := range it {
			if v.Status == http.StatusOK {
				v.Status = http.StatusCreated // created or replaced, it is written
			}
			text += fmt.Sprint(" ", op, v.Status, v.Error.Type)
		}
	}
	return text
}

func TestRealDocuments(t *testing.T) {
	t.Parallel()
	s := openSearch(t)
	for name, cfg := range map[string]search.Config{
		"plain": {}, "index in the path": {IndexInPath: true}, "gzip": {Gzip: true}, "refresh": {Refresh: "wait_for"},
		"signed": {Auth: search.Sign(signer{t, actions.SigV4{SigningRegion: "r", ServiceName: "es"}}, "r", "")},
	} {
		index := s.index(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := client(t, cfg, s.url)
		a := c.Put(search.Document{Index: index, Type: "reading", ID: "x"})
		const payload = "{\n \"n\": 7,\r\n \"text\": \"ä\\n\\\"\"\n}"
		errs := a.DoBatch(ctx, []actions.Event{
			event(payload, index, "reading", "ä/\"}\n?"),
			event(`{"n":"seven"}`, index, "reading", "bad"),
			event(`{"n":1}`, index, "reading", "twice"),
			event(`{"n":2}`, index, "reading", "twice"),
		})
		require.NoError(t, errs[0], name)
		require.True(t, permanent(errs[1]), name)
		require.ErrorContains(t, errs[1], "the document is answered 400 Bad Request: mapper_parsing_exception: failed to parse field [n]")
		noErrors(t, errs[2:])
		require.NoError(t, c.Put(search.Document{Index: index}).Do(ctx, event(`{"n":3}`, index)))
		docs := s.docs(t, index)
		require.Len(t, docs, 3, name)
		require.Equal(t, "ä/\"}\n?", docs[0].ID)
		require.JSONEq(t, payload, string(docs[0].Source))
		require.JSONEq(t, `{"n":2}`, string(docs[1].Source))
		require.Equal(t, 2, docs[1].Version)
		require.Equal(t, "trace/r/0", docs[2].ID)
	}
}

func TestRealVersionsAndCreate(t *testing.T) {
	t.Parallel()
	s := openSearch(t)
	index := s.index(t)
	c := client(t, search.Config{}, s.url)
	noErrors(t, c.Put(search.Document{Index: index, ID: "x", Version: "${v}"}).DoBatch(t.Context(), []actions.Event{
		event(`{"n":2}`, index, "", "x", "2"), event(`{"n":1}`, index, "", "x", "1"), event(`{"n":22}`, index, "", "x", "2"),
	}))
	require.Equal(t, `{"n":22}`, s.doc(t, index, "x"))
	noErrors(t, c.Put(search.Document{Index: index, ID: "y", Operation: "create"}).DoBatch(t.Context(), []actions.Event{
		event(`{"n":1}`, index, "", "y"), event(`{"n":2}`, index, "", "y"),
	}))
	require.Equal(t, `{"n":1}`, s.doc(t, index, "y"))
}

// Data streams take what is created only, and date math names an index of the day.
func TestRealNames(t *testing.T) {
	t.Parallel()
	s := openSearch(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := client(t, search.Config{}, s.url)
	s.call(t, "PUT", "/_index_template/streams", `{"index_patterns":["stream-*"],"data_stream":{},"template":{"settings":{"number_of_replicas":0}}}`, nil)
	err := c.Put(search.Document{Index: "stream-1", ID: "x"}).Do(ctx, event(`{"@timestamp":"2026-01-01T00:00:00Z"}`, "stream-1", "", "1"))
	require.True(t, permanent(err), err)
	require.NoError(t, c.Put(search.Document{Index: "stream-1", ID: "x", Operation: "create"}).Do(ctx, event(`{"@timestamp":"2026-01-01T00:00:00Z"}`, "stream-1", "", "1")))
	require.Len(t, s.docs(t, "stream-1"), 1)

	const math = "<daily-{now/d}>"
	require.NoError(t, c.Put(search.Document{Index: math}).Do(ctx, event(`{}`, math)))
	require.Len(t, s.docs(t, "daily-*"), 1)
	require.NoError(t, client(t, search.Config{IndexInPath: true}, s.url).Put(search.Document{Index: math, ID: "x"}).Do(ctx, event(`{}`, math, "", "2")))
	require.Len(t, s.docs(t, "daily-*"), 2)
}

func TestRealPipeline(t *testing.T) {
	t.Parallel()
	s := openSearch(t)
	index := s.index(t)
	s.call(t, "PUT", "/_ingest/pipeline/nothing", `{"processors":[]}`, nil)
	doc := search.Document{Index: index, ID: "x"}
	require.NoError(t, client(t, search.Config{Pipeline: "nothing"}, s.url).Put(doc).Do(t.Context(), event(`{}`, index, "", "1")))
	err := client(t, search.Config{Pipeline: "absent"}, s.url).Put(doc).Do(t.Context(), event(`{}`, index, "", "2"))
	require.EqualError(t, err, "the document is answered 400 Bad Request: illegal_argument_exception: pipeline with id [absent] does not exist")
}

func TestRealTooLarge(t *testing.T) {
	t.Parallel()
	s := openSearch(t)
	index := s.index(t)
	a := client(t, search.Config{}, s.url).Put(search.Document{Index: index, ID: "x"})
	text := func(n int) string {
		return `{"n":1,"big":["` + strings.Repeat(strings.Repeat("x", 1023)+`","`, n>>10) + `"]}`
	}
	evs := make([]actions.Event, 5)
	for i := range evs {
		evs[i] = event(text(servertest.OpenSearchLimit/3), index, "", strconv.Itoa(i))
	}
	evs[3] = event(text(servertest.OpenSearchLimit), index, "", "3")
	for i, err := range a.DoBatch(t.Context(), evs) {
		if i == 3 {
			require.EqualError(t, err, "the server answers 413 Request Entity Too Large")
			require.True(t, permanent(err))
			continue
		}
		require.NoError(t, err, i)
	}
	require.Len(t, s.docs(t, index), 4)
}

// An index that somebody works on is waited for, others go on.
func TestRealTroubles(t *testing.T) {
	t.Parallel()
	s := openSearch(t)
	index, other := s.index(t), s.index(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a := client(t, search.Config{}, s.url).Put(search.Document{Index: "${i}", ID: "${id}"})
	for name, c := range map[string]struct {
		spoil, mend func()
		want        string
	}{
		"blocked": {
			func() { s.settings(t, index, `{"index.blocks.write":true}`) }, func() { s.settings(t, index, `{"index.blocks.write":null}`) },
			"403 Forbidden: cluster_block_exception",
		},
		"disk full": {
			func() { s.settings(t, index, `{"index.blocks.read_only_allow_delete":true}`) },
			func() { s.settings(t, index, `{"index.blocks.read_only_allow_delete":null}`) },
			"429 Too Many Requests: cluster_block_exception",
		},
		"closed": {
			func() { s.call(t, "POST", "/"+index+"/_close", "", nil) }, func() { s.call(t, "POST", "/"+index+"/_open", "", nil) },
			"400 Bad Request: index_closed_exception",
		},
	} {
		c.spoil()
		errs := a.DoBatch(ctx, []actions.Event{event(`{}`, index, "", name), event(`{}`, other, "", name)})
		c.mend()
		require.ErrorContains(t, errs[0], c.want, name)
		require.False(t, permanent(errs[0]), name)
		require.NoError(t, errs[1], name)
		require.NoError(t, a.Do(ctx, event(`{}`, index, "", name)), name)
	}
}

// A rule of AWS, with one document for each device: the last state stays, whatever
// happens on the way.
func TestRealRule(t *testing.T) {
	s := openSearch(t)
	index := s.index(t)
	proxy := sinktest.NewProxy(t, strings.TrimPrefix(s.url, "http://"))
	const aws = "https://search-things.eu-central-1.es.amazonaws.com"
	c := client(t, search.Config{Sink: sinktest.Quick("openSearch", "test"), Aliases: []string{aws}}, "http://"+proxy.Addr())
	kinds := search.Kinds(c)
	a, err := actions.Decode([]byte(`{"elasticsearch":{"endpoint":"`+aws+`","index":"`+index+`","type":"state","id":"${topic(2)}","roleArn":"arn:aws:iam::123456789012:role/x"}}`), kinds)
	require.NoError(t, err)
	failed := actions.NewRecorder()
	engine, err := rules.New(rules.Config{Logger: slog.New(slog.DiscardHandler), Kinds: kinds})
	require.NoError(t, err)
	require.NoError(t, engine.Put(t.Context(), rules.Rule{Name: "state", SQL: `SELECT n FROM 'state/+'`, Actions: []actions.Action{a}, ErrorAction: failed, Delivery: rules.Delivery{Queue: 5000}}))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = engine.Run(ctx) })
	defer func() {
		cancel()
		running.Wait()
	}()
	const devices, rounds = 5, 400
	for n := range rounds {
		for d := range devices {
			m := &actions.Message{Topic: fmt.Sprintf("state/d%d", d), Payload: fmt.Appendf(nil, `{"n":%d,"more":1}`, n), QoS: 1, Protocol: actions.ProtocolMQTT}
			require.NoError(t, engine.Submit(ctx, m))
		}
		if n%50 == 49 {
			proxy.Cut()
		}
	}
	end := time.Now().Add(time.Minute)
	for engine.Metrics().Rules["state"].Queued > 0 {
		require.True(t, time.Now().Before(end), "%+v", engine.Metrics().Rules["state"])
		time.Sleep(5 * time.Millisecond)
	}
	require.Empty(t, failed.Events())
	docs := s.docs(t, index)
	require.Len(t, docs, devices)
	for _, d := range docs {
		require.JSONEq(t, fmt.Sprintf(`{"n":%d}`, rounds-1), string(d.Source), d.ID)
	}
	require.EqualValues(t, devices*rounds, c.Sink().Health().Events)
}

// The texts of an event stay the same over its tries, so that a document with a random id
// is there once although the first answer was lost.
func TestIDStaysOverTries(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(func() {
		n := 0
		f.whole = func(_ *http.Request, ops []operation) (int, string) {
			if n++; n <= 3 {
				return 503, ""
			}
			return 0, ""
		}
	})
	c := client(t, search.Config{Sink: sinktest.Quick("openSearch", "test")}, f.URL)
	engine, err := rules.New(rules.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, engine.Put(t.Context(), rules.Rule{
		Name: "r", SQL: `SELECT * FROM 't'`, Actions: []actions.Action{c.Put(search.Document{Index: "a", ID: "${newuuid()}"})},
	}))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = engine.Run(ctx) })
	require.NoError(t, engine.Submit(ctx, &actions.Message{Topic: "t", Payload: []byte(`{}`), Protocol: actions.ProtocolMQTT}))
	end := time.Now().Add(time.Minute)
	for engine.Metrics().Rules["r"].Queued > 0 {
		require.True(t, time.Now().Before(end))
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	running.Wait()
	got := f.got()
	require.Len(t, got, 4)
	for _, r := range got {
		require.Len(t, r.ops[0].id, 36)
		require.Equal(t, got[0].ops[0].id, r.ops[0].id)
	}
}

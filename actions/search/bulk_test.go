package search_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/search"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// client makes a client of servers.
func client(tb testing.TB, cfg search.Config, urls ...string) *search.Client {
	tb.Helper()
	if len(cfg.URLs) == 0 {
		cfg.URLs = urls
	}
	c, err := search.New(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Close()) })
	return c
}

// event makes an event with a payload and the texts index, type, id and version.
func event(payload string, params ...string) actions.Event {
	for len(params) < 4 {
		params = append(params, "")
	}
	return actions.Event{
		Rule: "r", Payload: []byte(payload), Params: params,
		Message: &actions.Message{Topic: "t", TraceID: actions.NamedTraceID("trace")},
	}
}

func events(n int) []actions.Event {
	evs := make([]actions.Event, n)
	for i := range evs {
		evs[i] = event(fmt.Sprintf(`{"n":%d}`, i), "a", "", strconv.Itoa(i))
	}
	return evs
}

func noErrors(tb testing.TB, errs []error) {
	tb.Helper()
	for i, err := range errs {
		require.NoError(tb, err, "event %d", i)
	}
}

func permanent(err error) bool { return errors.Is(err, actions.ErrPermanent) }

func TestRequest(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	for _, c := range []struct {
		name   string
		cfg    search.Config
		doc    search.Document
		ev     actions.Event
		method string
		path   string
		query  string // beside filter_path and timeout
		body   string
	}{
		{
			name: "plain", doc: search.Document{Index: "a", ID: "x"}, ev: event(`{"n":1}`, "a", "", "1"), path: "/_bulk",
			body: `{"index":{"_index":"a","_id":"1"}}` + "\n" + `{"n":1}` + "\n",
		},
		{
			name: "several lines", doc: search.Document{Index: "a", ID: "x"}, ev: event("{\r\n\t\"n\": 1,\n \"s\":\"a\\nb\"}\n", "a", "", "1"), path: "/_bulk",
			body: `{"index":{"_index":"a","_id":"1"}}` + "\n{  \t\"n\": 1,  \"s\":\"a\\nb\"} \n",
		},
		{
			name: "an id to be quoted", doc: search.Document{Index: "a", ID: "x"}, ev: event(`{}`, "ä", "", `"}}`+"\n\\é\x7f"), path: "/_bulk",
			body: `{"index":{"_index":"ä","_id":"\"}}\n\\é` + "\x7f" + `"}}` + "\n{}\n",
		},
		{
			name: "no id", doc: search.Document{Index: "a"}, ev: event(`{}`, "a"), path: "/_bulk",
			body: `{"index":{"_index":"a","_id":"trace/r/0"}}` + "\n{}\n",
		},
		{
			name: "version", doc: search.Document{Index: "a", ID: "x", Version: "v"}, ev: event(`{}`, "a", "", "v", "0012"), path: "/_bulk",
			body: `{"index":{"_index":"a","_id":"v","version":12,"version_type":"external_gte"}}` + "\n{}\n",
		},
		{
			name: "create", doc: search.Document{Index: "a", ID: "x", Operation: "create"}, ev: event(`{}`, "a", "", "c"), path: "/_bulk",
			body: `{"create":{"_index":"a","_id":"c"}}` + "\n{}\n",
		},
		{
			name: "a type that nobody wants", doc: search.Document{Index: "a", ID: "x", Type: "reading"}, ev: event(`{}`, "a", "reading", "1"), path: "/_bulk",
			body: `{"index":{"_index":"a","_id":"1"}}` + "\n{}\n",
		},
		{
			name: "index in the path", cfg: search.Config{IndexInPath: true}, doc: search.Document{Index: "a", ID: "x"}, ev: event(`{}`, "a%2b", "", "1"), path: "/a%252b/_bulk",
			body: `{"index":{"_id":"1"}}` + "\n{}\n",
		},
		{
			name: "parameters", cfg: search.Config{Pipeline: "p&q", Refresh: "wait_for", Gzip: true}, doc: search.Document{Index: "a", ID: "x"}, ev: event(`{}`, "a", "", "1"), path: "/_bulk",
			query: "pipeline=p%26q&refresh=wait_for", body: `{"index":{"_index":"a","_id":"1"}}` + "\n{}\n",
		},
	} {
		cl := client(t, c.cfg, f.URL)
		require.NoError(t, cl.Put(c.doc).Do(ctx, c.ev), c.name)
		got := f.got()
		r := got[len(got)-1]
		require.Equal(t, "POST", r.method, c.name)
		require.Equal(t, c.path, r.path, c.name)
		require.Equal(t, c.body, r.body, c.name)
		require.Equal(t, c.cfg.Gzip, r.header.Get("Content-Encoding") == "gzip", c.name)
		require.NotEmpty(t, r.query.Get("filter_path"))
		ms, err := strconv.Atoi(strings.TrimSuffix(r.query.Get("timeout"), "ms"))
		require.NoError(t, err)
		require.True(t, ms > 0 && ms <= 6000, ms)
		r.query.Del("filter_path")
		r.query.Del("timeout")
		require.Equal(t, c.query, r.query.Encode(), c.name)
	}
}

func TestRequestWithoutDeadline(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	require.NoError(t, client(t, search.Config{}, f.URL+"/").Put(search.Document{Index: "a", ID: "x"}).Do(t.Context(), event(`{}`, "a", "", "1")))
	require.False(t, f.got()[0].query.Has("timeout"))
}

func TestBatch(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c := client(t, search.Config{Events: 7, Bytes: 1000, Open: time.Second}, f.URL)
	a := c.Put(search.Document{Index: "a", ID: "x"})
	b := a.Batch()
	require.Equal(t, 7, b.Events)
	require.Equal(t, 1000, b.Bytes)
	require.Equal(t, time.Second, b.Open)
	require.True(t, b.AcrossTopics && b.Parallel)
	require.Nil(t, b.Key)
	noErrors(t, a.DoBatch(t.Context(), events(100)))
	require.Len(t, f.got(), 1)
	require.Len(t, f.got()[0].ops, 100)
	require.Equal(t, `{"n":99}`, f.doc("a", "99"))

	b = client(t, search.Config{IndexInPath: true}, f.URL).Put(search.Document{Index: "a"}).Batch()
	require.Equal(t, "i", b.Key(event(`{}`, "i", "", "1")))
	require.Equal(t, 500, b.Events)
	require.Equal(t, 5<<20, b.Bytes)
}

// Each event has its own error, and those that are wrong are not sent.
func TestWrongEvents(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	a := client(t, search.Config{}, f.URL).Put(search.Document{Index: "${i}", Type: "${t}", ID: "${id}", Version: "${v}"})
	cases := []struct {
		ev   actions.Event
		want string // "": none
	}{
		{event(`{"n":1}`, "a", "t", "1", "1"), ""},
		{event(`[1]`, "a", "t", "1", "1"), "the payload is not a JSON object, which a document must be"},
		{event(``, "a", "t", "1", "1"), "the payload is not a JSON object, which a document must be"},
		{event(`{"n":1}{`, "a", "t", "1", "1"), "the payload is not a JSON object, which a document must be"},
		{event("{\"n\":\"\xff\"}", "a", "t", "1", "1"), "the payload is not a JSON object, which a document must be"},
		{event(`{}`, "", "t", "1", "1"), "index is missing, expected the name of an index"},
		{event(`{}`, "A", "t", "1", "1"), `index is "A", expected a name without capital letters`},
		{event(`{}`, "a,b", "t", "1", "1"), `index is "a,b", expected a name without spaces and without \ / * ? " < > | , # and :`},
		{event(`{}`, "<a-{now}>", "t", "1", "1"), `index is "<a-{now}>", expected a name without spaces and without \ / * ? " < > | , # and :`},
		{event(`{}`, ".kibana", "t", "1", "1"), `index is ".kibana", expected a name that does not begin with a dot, unless it stands in the rule`},
		{event(`{}`, "_all", "t", "1", "1"), `index is "_all", expected a name that does not begin with -, _ or +`},
		{event(`{}`, strings.Repeat("i", 256), "t", "1", "1"), `index is "` + strings.Repeat("i", 80) + `"..., expected at most 255 bytes`},
		{event(`{}`, "a\xff", "t", "1", "1"), `index is "a\xff", expected UTF-8`},
		{event(`{}`, "a", "", "1", "1"), "type is missing, expected the name of a type"},
		{event(`{}`, "a", "t", "", "1"), "id is missing, expected the id of a document"},
		{event(`{}`, "a", "t", strings.Repeat("é", 257), "1"), `id is "` + strings.Repeat("é", 40) + `"..., expected at most 512 bytes`},
		{event(`{}`, "a", "t", "\xff", "1"), `id is "\xff", expected UTF-8`},
		{event(`{}`, "a", "t", "1", "-1"), `version is "-1", expected a whole number that is not negative`},
		{event(`{}`, "a", "t", "1", "1.5"), `version is "1.5", expected a whole number that is not negative`},
		{event(`{"n":"x"}`, "a", "t", "2", "1"), "the document is answered 400 Bad Request: mapper_parsing_exception: failed to parse field [n] of type [long]"},
		{event(`{"n":2}`, "a", "t", "1", "2"), ""},
	}
	evs := make([]actions.Event, len(cases))
	for i, c := range cases {
		evs[i] = c.ev
	}
	for i, err := range a.DoBatch(t.Context(), evs) {
		if cases[i].want == "" {
			require.NoError(t, err, i)
			continue
		}
		require.EqualError(t, err, cases[i].want, i)
		require.True(t, permanent(err), i)
	}
	require.Len(t, f.got()[0].ops, 3)
	require.Equal(t, `{"n":2}`, f.doc("a", "1"))

	// Nothing is left to be sent.
	require.Error(t, a.Do(t.Context(), evs[1]))
	require.Len(t, f.got(), 1)

	// What the author writes is another matter.
	require.NoError(t, client(t, search.Config{}, f.URL).Put(search.Document{Index: ".hidden-${x}", ID: "1"}).Do(t.Context(), event(`{}`, ".hidden-1", "", "1")))
}

// A server that wants types, and one that does not any more, are noticed.
func TestTypes(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(func() { f.types = true })
	c := client(t, search.Config{}, f.URL)
	a := c.Put(search.Document{Index: "a", Type: "reading", ID: "1"})
	noErrors(t, a.DoBatch(t.Context(), []actions.Event{event(`{}`, "a", "reading", "1"), event(`{}`, "a", "reading", "2")}))
	require.Len(t, f.got(), 2)
	require.Equal(t, `{"index":{"_index":"a","_type":"reading","_id":"1"}}`+"\n{}\n"+`{"index":{"_index":"a","_type":"reading","_id":"2"}}`+"\n{}\n", f.got()[1].body)

	// It is known from now on, for other actions too.
	require.NoError(t, c.Put(search.Document{Index: "a", ID: "1"}).Do(t.Context(), event(`{}`, "a", "", "3")))
	require.Len(t, f.got(), 3)
	require.Equal(t, "_doc", f.got()[2].ops[0].kind)

	f.set(func() { f.types = false }) // the server was updated
	require.NoError(t, a.Do(t.Context(), event(`{}`, "a", "reading", "4")))
	require.Len(t, f.got(), 5)
	require.NoError(t, a.Do(t.Context(), event(`{}`, "a", "reading", "5")))
	require.Len(t, f.got(), 6)
}

// A request that is too large is sent in parts, in order; one document that is fails.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(func() { f.limit = 1000 })
	a := client(t, search.Config{}, f.URL).Put(search.Document{Index: "a", ID: "x"})
	evs := events(100)
	evs[40] = event(`{"s":"`+strings.Repeat("x", 1000)+`"}`, "a", "", "40")
	evs[99] = event(`{"n":1000}`, "a", "", "0")
	for i, err := range a.DoBatch(t.Context(), evs) {
		if i == 40 {
			require.EqualError(t, err, "the server answers 413 Request Entity Too Large")
			require.True(t, permanent(err))
			continue
		}
		require.NoError(t, err, i)
	}
	require.Equal(t, `{"n":1000}`, f.doc("a", "0"))
	require.Equal(t, `{"n":98}`, f.doc("a", "98"))
	n := 0
	for _, r := range f.got() {
		for _, op := range r.ops {
			require.True(t, op.source == fmt.Sprintf(`{"n":%d}`, n) || n == 99, "%s after %d", op.source, n)
			if n++; n == 40 {
				n++
			}
		}
	}
	require.Equal(t, 100, n)
}

// What is wrong with a request as a whole fails only the document whose fault it is.
func TestWholeIsRefused(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(func() {
		f.whole = func(_ *http.Request, ops []operation) (int, string) {
			for _, op := range ops {
				if op.id == "13" {
					return 400, `{"error":{"type":"action_request_validation_exception","reason":"Validation Failed"},"status":400}`
				}
			}
			return 0, ""
		}
	})
	a := client(t, search.Config{}, f.URL).Put(search.Document{Index: "a", ID: "x"})
	for i, err := range a.DoBatch(t.Context(), events(40)) {
		if i != 13 {
			require.NoError(t, err, i)
			continue
		}
		require.EqualError(t, err, "the server answers 400 Bad Request: action_request_validation_exception: Validation Failed")
		require.True(t, permanent(err))
	}
	require.Empty(t, f.doc("a", "13"))
	require.NotEmpty(t, f.doc("a", "39"))
}

// When a part cannot be sent, nothing that comes after it is.
func TestPartsKeepOrder(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	n := 0
	f.set(func() {
		f.limit = 1000
		f.whole = func(*http.Request, []operation) (int, string) {
			if n++; n == 2 {
				return 503, ""
			}
			return 0, ""
		}
	})
	a := client(t, search.Config{}, f.URL).Put(search.Document{Index: "a", ID: "x"})
	evs := events(100)
	errs := a.DoBatch(t.Context(), evs)
	first := 0
	for errs[first] == nil {
		first++
	}
	require.True(t, first > 0 && first < 50, first)
	require.NotEmpty(t, f.doc("a", strconv.Itoa(first-1)))
	for i := first; i < len(evs); i++ {
		require.EqualError(t, errs[i], "the server answers 503 Service Unavailable")
		require.False(t, permanent(errs[i]))
		require.Empty(t, f.doc("a", strconv.Itoa(i)))
	}
}

// An event that is refused for now does not come after later ones of the same document.
func TestReplaced(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	busy := map[string]bool{`{"n":1}`: true, `{"n":3}`: true, `{"n":4}`: true}
	f.set(func() {
		f.one = func(op operation) *failed {
			if busy[op.source] {
				return &failed{429, "es_rejected_execution_exception", "queue is full"}
			}
			return nil
		}
	})
	evs := []actions.Event{
		event(`{"n":1}`, "a", "", "x", "1"), // replaced by the next
		event(`{"n":2}`, "a", "", "x", "2"),
		event(`{"n":3}`, "a", "", "x", "3"), // the last: comes again
		event(`{"n":4}`, "a", "", "y", "4"), // another: comes again
		event(`{"n":"?"}`, "a", "", "z", "5"),
		event(`{"n":6}`, "b", "", "y", "6"), // the same id in another index
	}
	a := client(t, search.Config{}, f.URL).Put(search.Document{Index: "${i}", ID: "${id}"})
	const full = "the document is answered 429 Too Many Requests: es_rejected_execution_exception: queue is full"
	errs := a.DoBatch(t.Context(), evs)
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	require.EqualError(t, errs[2], full)
	require.EqualError(t, errs[3], full)
	require.False(t, permanent(errs[2]) || permanent(errs[3]))
	require.True(t, permanent(errs[4]))
	require.NoError(t, errs[5])

	// Versions keep the order by themselves, and the first may be the newest.
	errs = client(t, search.Config{}, f.URL).Put(search.Document{Index: "${i}", ID: "${id}", Version: "${v}"}).DoBatch(t.Context(), evs)
	require.EqualError(t, errs[0], full)
	require.NoError(t, errs[1])
}

func TestVersionsAndCreate(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c := client(t, search.Config{}, f.URL)
	v := c.Put(search.Document{Index: "a", ID: "x", Version: "${v}"})
	noErrors(t, v.DoBatch(t.Context(), []actions.Event{
		event(`{"n":2}`, "a", "", "x", "2"), event(`{"n":1}`, "a", "", "x", "1"), event(`{"n":22}`, "a", "", "x", "2"),
	}))
	require.Equal(t, `{"n":22}`, f.doc("a", "x"))
	n := c.Put(search.Document{Index: "a", ID: "x", Operation: "create"})
	noErrors(t, n.DoBatch(t.Context(), []actions.Event{event(`{"n":1}`, "a", "", "new"), event(`{"n":2}`, "a", "", "new")}))
	require.Equal(t, `{"n":1}`, f.doc("a", "new"))
}

func TestAuth(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for _, c := range []struct {
		auth search.Auth
		want string
	}{
		{search.Auth{}, ""},
		{search.Basic("u", "p:q"), "Basic dTpwOnE="},
		{search.APIKey("aWQ6a2V5"), "ApiKey aWQ6a2V5"},
		{search.APIKey("id:key"), "ApiKey aWQ6a2V5"},
		{search.Bearer(func(context.Context) (string, error) { return "tok", nil }), "Bearer tok"},
	} {
		cl := client(t, search.Config{Auth: c.auth}, f.URL)
		require.NoError(t, cl.Put(search.Document{Index: "a", ID: "x"}).Do(t.Context(), event(`{}`, "a", "", "1")))
		got := f.got()
		require.Equal(t, c.want, got[len(got)-1].header.Get("Authorization"))
		require.Equal(t, "POST", got[len(got)-1].method)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			text := fmt.Sprintf(verb, search.Config{Auth: c.auth})
			require.NotContains(t, text, "p:q")
			require.NotContains(t, text, "tok")
			require.NotContains(t, text, "aWQ6a2V5")
		}
	}
	before := len(f.got())
	for _, token := range []string{"", "a b", "a\nb"} {
		cl := client(t, search.Config{Auth: search.Bearer(func(context.Context) (string, error) { return token, nil })}, f.URL)
		err := cl.Put(search.Document{Index: "a", ID: "x"}).Do(t.Context(), event(`{}`, "a", "", "1"))
		require.EqualError(t, err, "authentication: it is no text without spaces")
	}
	cl := client(t, search.Config{Auth: search.Bearer(func(context.Context) (string, error) { return "", errors.New("no token") })}, f.URL)
	err := cl.Put(search.Document{Index: "a", ID: "x"}).Do(t.Context(), event(`{}`, "a", "", "1"))
	require.EqualError(t, err, "authentication: no token")
	require.False(t, permanent(err))
	require.Len(t, f.got(), before)
}

type signer struct {
	tb   testing.TB
	want actions.SigV4
}

func (s signer) Sign(_ context.Context, r *http.Request, body []byte, a actions.SigV4) error {
	require.Equal(s.tb, s.want, a)
	r.Header.Set("Authorization", fmt.Sprintf("signed %s %s %d", r.Method, r.URL.Path, len(body)))
	return nil
}

func TestSign(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := signer{t, actions.SigV4{SigningRegion: "eu-central-1", ServiceName: "es", RoleARN: "arn:role"}}
	a := client(t, search.Config{Auth: search.Sign(s, "eu-central-1", "")}, f.URL).Put(search.Document{Index: "a", ID: "x", RoleARN: "arn:role"})
	require.NoError(t, a.Do(t.Context(), event(`{}`, "a", "", "1")))
	r := f.got()[0]
	require.Equal(t, "PUT", r.method)
	require.Equal(t, fmt.Sprintf("signed PUT /_bulk %d", len(r.body)), r.header.Get("Authorization"))
}

// A node that fails is left out for a time.
func TestNodes(t *testing.T) {
	t.Parallel()
	first, second, third := newFake(t), newFake(t), newFake(t)
	third.Close()
	first.set(func() { first.whole = func(*http.Request, []operation) (int, string) { return 429, "" } })
	a := client(t, search.Config{}, first.URL, second.URL, third.URL).Put(search.Document{Index: "a", ID: "x"})
	var refused, unreachable int
	for range 12 {
		err := a.Do(t.Context(), event(`{}`, "a", "", "1"))
		switch {
		case err == nil:
		case err.Error() == "the server answers 429 Too Many Requests":
			refused++ // it works, and has its turns
		default:
			unreachable++
		}
		require.False(t, permanent(err))
	}
	require.Equal(t, 1, unreachable)
	require.Len(t, first.got(), refused)
	require.Len(t, second.got(), 12-1-refused)
	require.True(t, refused >= 5, refused)

	first.set(func() { first.whole = func(*http.Request, []operation) (int, string) { return 503, "" } })
	for range 4 {
		_ = a.Do(t.Context(), event(`{}`, "a", "", "1"))
	}
	require.Len(t, first.got(), refused+1)
}

// Pauses of nodes end, and when all pause the first one is asked.
func TestNodesComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hosts []string
		down := map[string]bool{"a": true, "b": true}
		cl := client(t, search.Config{URLs: []string{"http://a", "http://b"}, HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			hosts = append(hosts, r.URL.Host)
			if down[r.URL.Host] {
				return nil, errors.New("refused")
			}
			return answer(200, `{"errors":false,"items":[]}`), nil
		})}})
		do := func() error {
			return cl.Put(search.Document{Index: "a", ID: "x"}).Do(t.Context(), event(`{}`, "a", "", "1"))
		}
		require.EqualError(t, do(), "refused") // a for 1 s
		require.EqualError(t, do(), "refused") // b for 1 s
		time.Sleep(500 * time.Millisecond)
		require.Error(t, do()) // a for 2 s from now, although it pauses
		time.Sleep(time.Second)
		down["b"] = false
		require.NoError(t, do())
		require.NoError(t, do())
		require.Equal(t, []string{"a", "b", "a", "b", "b"}, hosts)
		time.Sleep(2 * time.Second)
		down["a"] = false
		require.NoError(t, do())
		require.NoError(t, do())
		require.NoError(t, do())
		require.Equal(t, []string{"a", "b", "a"}, hosts[5:])

		// A call that is given up by the hub says nothing about a node.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		down["b"] = true
		require.Error(t, cl.Put(search.Document{Index: "a", ID: "x"}).Do(ctx, event(`{}`, "a", "", "1")))
		down["b"] = false
		require.NoError(t, do())
		require.NoError(t, do())
		require.Equal(t, []string{"b", "a", "b"}, hosts[8:])
	})
}

// Errors do not repeat what is secret.
func TestErrorsAreSilent(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c := client(t, search.Config{Auth: search.Basic("user", "secret"), Pipeline: "secret"}, f.URL)
	a := c.Put(search.Document{Index: "a", ID: "x"})
	f.set(func() {
		f.whole = func(*http.Request, []operation) (int, string) {
			return 403, `{"message":"The request signature we calculated ... x-amz-security-token:secret"}`
		}
	})
	err := a.Do(t.Context(), event(`{}`, "a", "", "1"))
	require.EqualError(t, err, "the server answers 403 Forbidden")
	f.Close()
	err = a.Do(t.Context(), event(`{}`, "a", "", "1"))
	require.NotContains(t, err.Error(), "secret")
	require.False(t, permanent(err))
}

type roundTripper func(r *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// Whatever devices bring in, a request has the documents that it is to have, and no more.
func FuzzRequest(f *testing.F) {
	f.Add("a", "1", "t", "7", `{"n":1}`)
	f.Add(`a"}}`, "\"}}\n{\"delete\":{\"_index\":\"b\",\"_id\":\"1\"}}\n", `"`, "1,\"x\":2", "{}\n{\"index\":{}}\n{}")
	f.Add("..", "\\", "\x00", "-0", "{\"a\":\r\n\"\\n\"}")
	f.Add("a/../b", "é\u2028", "_", "+5", "{\"\xff\":1}")
	f.Add("a%2f", "</script>", "", "9223372036854775808", "{\"a\":\"\n\"}")
	f.Fuzz(func(t *testing.T, index, id, typ, version, payload string) {
		for _, inPath := range [...]bool{false, true} {
			fk := &fake{types: true, limit: 1 << 30, docs: map[string]stored{}}
			c := client(t, search.Config{
				IndexInPath: inPath, URLs: []string{"http://a"},
				HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					w := httptest.NewRecorder()
					fk.ServeHTTP(w, r)
					return w.Result(), nil
				})},
			})
			err := c.Put(search.Document{Index: "${i}", ID: "${id}", Type: "${t}", Version: "${v}"}).Do(t.Context(), event(payload, index, typ, id, version))
			if len(fk.requests) == 0 {
				require.True(t, permanent(err))
				continue
			}
			require.NoError(t, err)
			last := fk.requests[len(fk.requests)-1]
			require.Len(t, last.ops, 1)
			op := last.ops[0]
			require.Equal(t, []string{index, id, typ}, []string{op.index, op.id, op.kind})
			require.Equal(t, "index", op.op)
			require.JSONEq(t, payload, op.source)
		}
	})
}

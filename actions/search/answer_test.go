package search_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/search"
)

// answered sends n documents, which are answered so.
func answered(tb testing.TB, d search.Document, n, status int, body string) []error {
	tb.Helper()
	c := client(tb, search.Config{
		URLs: []string{"http://a"},
		HTTP: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return answer(status, body), nil })},
	})
	return c.Put(d).DoBatch(tb.Context(), events(n))
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	const (
		done  = "done"
		again = "again"
		never = "never"
	)
	for _, c := range []struct {
		item, index string // of the rule
		want, text  string
	}{
		{item: `{"index":{"status":201}}`, want: done},
		{item: `{"create":{"_index":"a","_id":"1","status":200,"result":"updated"}}`, want: done},
		{item: `{"index":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"r"}}}`, want: done},
		{
			item: `{"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed","caused_by":{"reason":"For input string: \"x\"\n"}}}}`,
			want: never, text: `400 Bad Request: mapper_parsing_exception: failed: For input string: "x"\n`,
		},
		{item: `{"index":{"status":400,"error":"old servers have a text"}}`, want: never, text: "400 Bad Request: old servers have a text"},
		{item: `{"index":{"status":400}}`, want: never, text: "400 Bad Request"},
		{item: `{"index":{"status":403,"error":{"type":"security_exception","reason":"no permissions"}}}`, want: never, text: "403 Forbidden: security_exception: no permissions"},
		{item: `{"index":{"status":413}}`, want: never, text: "413 Request Entity Too Large"},
		{item: `{"index":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}}`, want: again, text: "429 Too Many Requests: es_rejected_execution_exception: full"},
		{item: `{"index":{"status":408}}`, want: again, text: "408 Request Timeout"},
		{item: `{"index":{"status":500}}`, want: again, text: "500 Internal Server Error"},
		{
			item: `{"index":{"status":503,"error":{"type":"unavailable_shards_exception","reason":"primary shard is not active"}}}`, want: again,
			text: "503 Service Unavailable: unavailable_shards_exception: primary shard is not active",
		},
		{
			item: `{"index":{"status":403,"error":{"type":"cluster_block_exception","reason":"FORBIDDEN/12/index read-only"}}}`, want: again,
			text: "403 Forbidden: cluster_block_exception: FORBIDDEN/12/index read-only",
		},
		{item: `{"index":{"status":400,"error":{"type":"index_closed_exception","reason":"closed"}}}`, want: again, text: "400 Bad Request: index_closed_exception: closed"},
		{
			item: `{"index":{"status":404,"error":{"type":"index_not_found_exception","reason":"no such index [a]"}}}`, want: again,
			text: "404 Not Found: index_not_found_exception: no such index [a]",
		},
		{
			item: `{"index":{"status":404,"error":{"type":"index_not_found_exception","reason":"no such index [a]"}}}`, index: "${topic(1)}", want: never,
			text: "404 Not Found: index_not_found_exception: no such index [a]",
		},
		{item: `{"index":{"status":600}}`, want: never, text: "600"},
	} {
		index := c.index
		if index == "" {
			index = "a"
		}
		// Another that is well keeps the sink out of it.
		errs := answered(t, search.Document{Index: index, ID: "x"}, 2, 200, `{"took":3,"errors":true,"items":[{"index":{"status":201}},`+c.item+`]}`)
		require.NoError(t, errs[0], c.item)
		if c.want == done {
			require.NoError(t, errs[1], c.item)
			continue
		}
		require.EqualError(t, errs[1], "the document is answered "+c.text)
		require.Equal(t, c.want == never, permanent(errs[1]), c.item)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	const refused = "the answer is not one to _bulk"
	for _, c := range []struct {
		status     int
		body, want string
		permanent  bool
	}{
		{status: 200, body: `{"took":3,"errors":false,"items":[{"index":{"status":201}},{"index":{"status":201}}]}`},
		{status: 200, body: `{"items":[{"index":{"status":201}},{"index":{"status":201}}],"errors":false}`},
		{status: 200, body: `{"errors":false}`},
		{status: 200, body: `{"errors":true,"items":[{"index":{"status":200}},{"index":{"status":200}}]}`},
		{status: 200, body: ``, want: refused},
		{status: 200, body: `<html>`, want: refused},
		{status: 200, body: `{}`, want: refused},
		{status: 200, body: `[{"errors":false}]`, want: refused},
		{status: 200, body: `{"errors":false`, want: refused},
		{status: 200, body: `{"errors":null}`, want: refused},
		{status: 200, body: `{"errors":"false"}`, want: refused},
		{status: 200, body: `{"items":[]}`, want: refused},
		{status: 200, body: `{"errors":true}`, want: refused + ": it has 0 items for 2 documents"},
		{status: 200, body: `{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":201}},{"index":{"status":201}}]}`, want: refused + ": it has 3 items for 2 documents"},
		{status: 200, body: `{"errors":true,"items":[{"index":{"status":201}},{}]}`, want: refused + ": item 1 has 0 operations"},
		{status: 200, body: `{"errors":true,"items":[{"index":{"status":201}},{"index":{}}]}`, want: refused + ": the status of item 1 is 0"},
		{status: 200, body: `{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":"400"}}]}`, want: refused},
		{status: 307, body: ``, want: "the server answers 307 Temporary Redirect"},
		{
			status: 401, body: `{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}`,
			want: "the server answers 401 Unauthorized: security_exception: missing authentication credentials",
		},
		{status: 403, body: `{"error":{"type":"cluster_block_exception","reason":"blocked"},"status":403}`, want: "the server answers 403 Forbidden: cluster_block_exception: blocked"},
		{status: 404, body: `{"error":"no handler found for uri"}`, want: "the server answers 404 Not Found"},
		{
			status: 429, body: `{"error":{"type":"circuit_breaking_exception","reason":"Data too large"}}`,
			want: "the server answers 429 Too Many Requests: circuit_breaking_exception: Data too large",
		},
		{status: 502, body: `<html>`, want: "the server answers 502 Bad Gateway"},
		{status: 503, body: `{"error":{"type":"` + strings.Repeat("é", 400) + `"}}`, want: "the server answers 503 Service Unavailable: " + strings.Repeat("é", 150) + "..."},
		{status: 413, want: "the server answers 413 Request Entity Too Large", permanent: true},
		{
			status: 400, body: `{"error":{"type":"illegal_argument_exception","reason":"r"}}`,
			want: "the server answers 400 Bad Request: illegal_argument_exception: r", permanent: true,
		},
		{status: 400, body: `{"error":"no handler found for uri"}`, want: "the server answers 400 Bad Request"},
		{status: 400, body: `<html>`, want: "the server answers 400 Bad Request"},
		// A server that wants both, or neither, does not send it in circles.
		{status: 400, body: `{"error":{"type":"x","reason":"type is missing [_type]"}}`, want: "the server answers 400 Bad Request: x: type is missing [_type]", permanent: true},
	} {
		for i, err := range answered(t, search.Document{Index: "a", ID: "x"}, 2, c.status, c.body) {
			if c.want == "" {
				require.NoError(t, err, c.body)
				continue
			}
			require.EqualError(t, err, c.want, "event %d", i)
			require.Equal(t, c.permanent, permanent(err), c.body)
		}
	}
}

// Whatever a server answers, each event has one fate, and what is not a success of the
// server's is none of the event's.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"errors":false}`,
		`{"took":1,"errors":true,"items":[{"index":{"status":201}},{"index":{"status":429,"error":{"type":"t","reason":"r","caused_by":{"reason":"c"}}}},{"create":{"status":409}}]}`,
		`{"errors":true,"items":[{"index":{"status":400,"error":"text"}},{"index":{"status":200}},{"index":{"status":200}}]}`,
		`{"error":{"root_cause":[],"type":"illegal_argument_exception","reason":"Action/metadata line [1] contains an unknown parameter [_type]"},"status":400}`,
		`{"error":"x","status":400}`, `{"errors":{"errors":false}}`, `{"errors":true,"items":[{},{},{}]}`, `{"errors":true,"items":[null,null,null]}`, "", "null", "\xff",
	} {
		f.Add(200, s)
		f.Add(400, s)
		f.Add(503, s)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		errs := answered(t, search.Document{Index: "a", ID: "x"}, 3, status, body)
		require.Len(t, errs, 3)
		for _, err := range errs {
			if err == nil {
				require.True(t, status/100 == 2)
				require.Contains(t, body, `errors`)
				continue
			}
			require.True(t, utf8.ValidString(err.Error()))
			require.Less(t, len(err.Error()), 8000)
			require.NotContains(t, err.Error(), "\n")
			if !strings.HasPrefix(err.Error(), "the document is answered ") {
				require.Equal(t, status == 413 || status == 400 && strings.Contains(err.Error(), ": "), errors.Is(err, actions.ErrPermanent))
			}
		}
	})
}

package rules_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/expr-lang/expr"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

// Whatever an expression does, it ends soon and makes little.
func TestExprBudget(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{ExprSteps: 200_000, Functions: map[string]sql.Function{"twice": functions["twice"]}})
	require.NoError(t, err)
	payload := `{"text":"` + strings.Repeat("a", 9000) + `","other":"` + strings.Repeat("a", 9000) + `","list":[` + strings.Repeat(`"b",`, 2000) + `1],"patterns":["(a{50}){20}","(a*)*b",` +
		`"` + strings.Repeat("a", 300) + `"],"deep":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`
	const twice = "reduce(1..40, [#acc, #acc], 'a')" // 2^40 texts in 80 elements
	for name, text := range map[string]string{
		"text that doubles":              "reduce(1..22, #acc + #acc, 'aaaaaaaaaaaaaaaa')",
		"text of unknown type":           "reduce(1..40, (#acc ?? nil) + (#acc ?? nil), payload.text)",
		"ranges in ranges":               "count(1..9000, count(1..9000, count(1..9000, true) > 0) > 0)",
		"one range again and again":      "let r = 1..9000; count(r, count(r, count(r, true) > 0) > 0)",
		"maps":                           "let r = 1..900; map(r, map(r, map(r, #)))",
		"all, combined":                  "let r = 1..9000; all(r, all(r, # > 0) and all(r, # > 0) and all(r, # > 0)) and all(r, all(r, # > 0))",
		"find":                           "let r = 1..9000; find(r, findIndex(r, findLast(r, false) != nil) > 0)",
		"sum":                            "let r = 1..9000; sum(r, sum(r, sum(r)))",
		"groupBy":                        "let r = 1..900; groupBy(r, len(groupBy(r, len(groupBy(r, #)))))",
		"sortBy":                         "sortBy(1..90000, # % 2 == 0 ? payload.text : payload.other)",
		"arrays in arrays, as output":    twice,
		"arrays in arrays, compared":     "reduce(1..40, [#acc, #acc], 'a') == reduce(1..40, [#acc, #acc], 'a')",
		"arrays in arrays, looked for":   "reduce(1..40, [#acc, #acc], 'a') in reduce(1..40, [#acc, #acc], 'a')",
		"arrays in arrays, as text":      "len(string(" + twice + "))",
		"arrays in arrays, as JSON":      "len(toJSON(" + twice + "))",
		"arrays in arrays, flat":         "len(flatten(" + twice + "))",
		"arrays in arrays, the largest":  "max(" + twice + ")",
		"arrays in arrays, to the host":  "twice(" + twice + ")",
		"objects in objects":             "reduce(1..40, ({a: #acc, b: #acc}), 'a')",
		"objects in objects, compared":   "reduce(1..40, ({a: #acc, b: #acc}), 'a') != reduce(1..40, ({a: #acc, b: #acc}), 'a')",
		"pairs":                          "toPairs(reduce(1..40, ({a: toPairs(#acc), b: toPairs(#acc)}), {}))",
		"replace":                        "replace(replace(payload.text, 'a', payload.text), 'a', payload.text)",
		"replace nothing":                "reduce(1..20, replace(#acc, '', #acc), payload.text)",
		"repeat":                         "repeat(payload.text, 900000)",
		"repeat a little":                "len(repeat('a', 999999) + repeat('a', 999999) + repeat('a', 999999))",
		"join":                           "join(map(1..9000, 'a'), payload.text)",
		"join what is one":               "join(map(1..9000, payload.text))",
		"split":                          "reduce(1..9, [#acc, map(1..900, split(payload.text, ''))], 1)",
		"upper":                          "map(1..9000, upper(payload.text))",
		"a method":                       "reduce(1..40, date('2024-12-12').Format(#acc), '1')",
		"base64":                         "reduce(1..40, toBase64(toBase64(toBase64(#acc))), payload.text)",
		"JSON of JSON":                   "reduce(1..40, toJSON(#acc), '\"')",
		"JSON of much that is in itself": "reduce(1..400, fromJSON(#acc), toJSON(payload.deep))",
		"indented JSON":                  "map(1..10, toJSON(payload.deep))",
		"comparisons":                    "let r = 1..90000; count(r, payload.text == payload.other)",
		"order":                          "let r = 1..90000; count(r, payload.text < payload.other)",
		"keys":                           "let r = 1..90000; count(r, payload[payload.text] == nil)",
		"keys of what is made":           "let r = 1..90000; count(r, ({(payload.text): 1}) == nil)",
		"in a list":                      "let r = 1..90000; count(r, 5 in payload.list)",
		"in an object":                   "let r = 1..90000; count(r, payload.text in payload)",
		"in a list of texts":             "let r = 1..90000; count(r, payload.text in segments)",
		"uniq":                           "uniq(map(1..9000, #))",
		"sort":                           "let r = map(1..9000, #); count(r, len(sort(r)) > 0)",
		"concat":                         "reduce(1..40, concat(#acc, #acc), [1])",
		"reverse":                        "let r = 1..9000; count(r, len(reverse(r)) > 0)",
		"keys and values":                "let r = 1..90000; count(r, len(keys(payload)) + len(values(payload)) > 0) + count(r, len(keys(payload)) + len(values(payload)) > 0)",
		"lengths":                        "let r = 1..90000; count(r, len(payload.text) > 0)",
		"trim":                           "let r = 1..90000; count(r, trim(payload.text, 'a') == '')",
		"where":                          "let r = 1..90000; count(r, indexOf(payload.text, 'ab') > 0)",
		"contains":                       "let r = 1..90000; count(r, payload.text contains 'ab')",
		"startsWith":                     "let r = 1..90000; count(r, payload.text startsWith payload.other)",
		"a pattern":                      "let r = 1..900; count(r, payload.text matches '(a|aa|b)*c')",
		"a pattern of the device's":      "let r = 1..900; count(r, payload.text matches payload.patterns[1])",
		"zones":                          "map(1..9000, timezone('Europe/Berlin'))",
		"dates in zones":                 "map(1..9000, date('2024', '2006', 'Europe/Berlin'))",
		"dates":                          "let r = 1..90000; map(r, date('2024', 'Jan', payload.text))",
		"mean":                           "let r = 1..9000; count(r, mean(r) + median(r) > 0)",
		"expression of the user's":       "let r = 1..90000; count(r, twice(payload.text) == nil)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &actions.Message{Topic: "a/b", Payload: []byte(payload)}
			tr, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "#", Select: text}}, m, rules.TryOptions{Templates: []string{"${" + text + "}"}})
			require.NoError(t, err)
			require.ErrorIs(t, tr.Err, rules.ErrBudget)
			require.Regexp(t, `^select: (line \d+, column \d+: )?it takes too (many steps|much memory)$`, tr.Err.Error())
			require.ErrorIs(t, tr.Texts[0].Err, rules.ErrBudget)

			embedded := `SELECT expr('` + strings.ReplaceAll(text, "'", "''") + `') AS x, topic() AS t FROM '#'`
			tr, err = s.Try(t.Context(), rules.Rule{SQL: embedded}, m, rules.TryOptions{})
			require.NoError(t, err)
			require.JSONEq(t, `{"t":"a/b"}`, string(tr.Output), "it is Undefined")
		})
	}
	for text, want := range map[string]string{
		"payload.text matches payload.patterns[0]": "the pattern has 3040 parts, expected at most 1000",
		"payload.text matches payload.patterns[2]": "the pattern has 300 bytes, expected at most 256",
	} {
		tr, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "#", Where: text}}, &actions.Message{Topic: "a/b", Payload: []byte(payload)}, rules.TryOptions{})
		require.NoError(t, err)
		require.ErrorContains(t, tr.Err, want)
	}
}

// The budgets are those of the configuration, and grow with the payload.
func TestExprBudgetIsSet(t *testing.T) {
	t.Parallel()
	try := func(c rules.Config, text, payload string) error {
		s, err := rules.New(c)
		require.NoError(t, err)
		tr, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "#", Select: text}}, &actions.Message{Topic: "a", Payload: []byte(payload)}, rules.TryOptions{})
		require.NoError(t, err)
		return tr.Err
	}
	require.NoError(t, try(rules.Config{ExprSteps: 1000}, "count(1..90, true)", ""))
	require.EqualError(t, try(rules.Config{ExprSteps: 100}, "count(1..90, true)", ""), "select: line 1, column 1: it takes too many steps")
	require.NoError(t, try(rules.Config{ExprMemory: 100}, "1..90", ""))
	require.EqualError(t, try(rules.Config{ExprMemory: 80}, "1..90", ""), "select: line 1, column 2: it takes too much memory")
	require.NoError(t, try(rules.Config{ExprMemory: 100}, "topic + repeat('a', 800)", ""))
	require.EqualError(t, try(rules.Config{ExprMemory: 100}, "topic + repeat('a', 1600)", ""), "select: line 1, column 7: it takes too much memory")
	require.NoError(t, try(rules.Config{ExprMemory: 1 << 63, ExprSteps: 1 << 63}, "1", ""))
	large := `{"list":[` + strings.Repeat("1,", 100_000) + `1],"text":"` + strings.Repeat("a", 1<<20) + `"}`
	for _, text := range []string{
		"sum(payload.list)", "filter(payload.list, # > 0)", "map(payload.list, # + 1)", "payload", "{p: payload}", "len(payload.text)", "upper(payload.text)",
		"payload.list[5] == 1 and any(payload.list, # == 1)", "payload.text + payload.text", "max(payload.list)", "string(payload.list)", "payload == 1 or 5 in payload.list",
	} {
		require.NoError(t, try(rules.Config{ExprMemory: 1, ExprSteps: 1}, text, large), text)
	}
}

// same are expressions that mean with a budget what they mean without.
var same = []string{
	"payload", "payload.a + 1", "payload.a + payload.f", "payload.s + 'x' + topic", "'a' + 'b' + 'c'", "payload.s == 'text'", "payload.s == payload.s2", "payload.s != payload.s2", "payload.o == payload.o",
	"payload.l == [1, 2.5, 'x']", "payload.l == payload.l", "payload.nope == nil", "payload.o == nil", "payload.s < payload.s2", "payload.s >= 'a'", "payload.a <= payload.f", "payload.a > 1",
	"payload.s in ['text', 'x']", "payload.s in payload.l", "'a' in payload.o", "payload.s not in payload.o", "5 in 1..10", "payload.a in 1..10", "'b' in segments", "topic in segments", "nil in payload.l",
	"payload.s matches '^t.*t$'", "payload.s matches payload.pattern", "payload.nope matches 'x'", "not (payload.s matches 'x')", "payload.s contains 'ex'", "payload.s contains payload.s2", "payload.s startsWith 'te'", "payload.s endsWith payload.s2",
	"all(payload.n, # > 0)", "none(payload.n, # > 5)", "any(payload.n, # == 3)", "one(payload.n, # == 3)", "filter(payload.n, # > 2)", "map(payload.n, # * 2)", "find(payload.n, # > 2)", "findIndex(payload.n, # > 2)", "findLast(payload.n, # > 2)",
	"findLastIndex(payload.n, # > 9)", "count(payload.n, # > 2)", "count([true, false])", "sum(payload.n)", "sum(payload.n, # * 2)", "sortBy(payload.people, .name)", "sortBy(payload.people, .age, 'desc')", "reduce(payload.n, #acc + #)", "reduce(payload.n, #acc + #, 10)",
	"len(groupBy(payload.people, .name))", "payload.people | filter(.age > 30) | map(.name)", "map(payload.people, ({n: .name, i: #index}))", "map(filter(payload.n, # > 1), # + 1)", "len(filter(payload.n, # > 1))", "filter(payload.n, # > 1)[0]",
	"len(payload.s)", "len(payload.l)", "len(payload.o)", "type(payload.o)", "abs(payload.f)", "ceil(payload.f)", "floor(payload.f)", "round(payload.f)", "int(payload.digits)", "float(payload.digits)", "string(payload.l)", "string(payload.a)",
	"trim(' a ')", "trim(payload.s, 't')", "trimPrefix(payload.s, 't')", "trimSuffix(payload.s, 't')", "upper(payload.s)", "lower('ABC')", "split(topic, '/')", "split(topic, '/', 2)", "splitAfter(topic, '/')", "replace(payload.s, 't', 'T')",
	"replace(payload.s, 't', 'T', 1)", "repeat(payload.s, 3)", "join(segments, '-')", "join(['a', 'b'])", "join(map(payload.n, string(#)), ',')", "indexOf(payload.s, 'x')", "lastIndexOf(payload.s, 't')", "hasPrefix(payload.s, 't')", "hasSuffix(payload.s, 't')",
	"max(payload.n)", "max(1, payload.a, 3.5)", "min(payload.n)", "mean(payload.n)", "median(payload.n)", "toJSON(payload.o)", "fromJSON('{\"a\": [1]}')", "toBase64(payload.s)", "fromBase64('YQ==')", "duration('1h').Minutes()",
	"date('2024-05-06').Year()", "date('2024-05-06', '2006-01-02').Month().String()", "date('2024-05-06', '2006-01-02', 'Europe/Berlin').Unix()", "date('2024-05-06').In(timezone('Europe/Berlin')).Format('15')", "timezone('UTC').String()", "date('2024-05-06').Format('2006')",
	"date('2024-05-06') - date('2024-05-05') == duration('24h')", "date('2024-05-06') > date('2024-05-05')", "(date('2024-05-06') + duration('1h')).Hour()", "date('2024-05-06') == date('2024-05-06')",
	"first(payload.n)", "last(payload.n)", "first(payload.s)", "get(payload, 'a')", "get(payload, payload.key)", "get(payload.n, 1)", "take(payload.n, 2)", "sort(keys(payload.o))", "sort(values(payload.o), 'desc')", "len(toPairs(payload.o))", "len(fromPairs([['a', 1]]))",
	"reverse(payload.n)", "uniq([1, 1, 2, 'a', 'a'])", "concat(payload.n, [1], segments)", "flatten([1, [2, [3]]])", "sort(payload.n, 'desc')", "sort(segments)", "bitand(5, 3)", "bitnot(1)", "payload.a % 2", "payload.a ** 2", "-payload.a", "payload.a / 2", "payload.a * 2.5", "payload.a - 1",
	"payload[payload.key]", "payload?.nope?.deeper", "payload.nope ?? 'else'", "payload.o['a']", "{(payload.key): 1}", "{a: 1, 'b c': [payload.s]}", "payload.n[1:3]", "payload.s[1:2]", "payload.n[-1]", "payload.a > 1 ? 'yes' : 'no'", "let x = payload.a; x + x", "if payload.a > 1 { 2 } else { 3 }",
	"1..3", "not (payload.a == 1)", "payload.a == 1 or payload.s == 'text' and payload.t", "payload.t == true", "payload.s | upper() | lower()", "b'abc'", "topic == clientId", "qos + 1", "payload.l[2] + 'y'", "sum([1, 2.5])", "payload.a == payload.f", "payload.a == 4.0",
}

func TestExprBudgetChangesNothing(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{})
	require.NoError(t, err)
	payload := []byte(`{"a":4,"f":-2.5,"s":"text","s2":"t","o":{"a":1,"b":2},"l":[1,2.5,"x"],"n":[3,1,2],"people":[{"name":"b","age":40},{"name":"a","age":30}],"digits":"12","t":true,"pattern":"^t","key":"a"}`)
	for _, text := range same {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			tr, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "#", Select: text}}, &actions.Message{Topic: "a/b", ClientID: "c", Payload: payload, Time: time.UnixMilli(5)}, rules.TryOptions{})
			require.NoError(t, err)
			require.NoError(t, tr.Err)
			want, err := expr.Eval(text, map[string]any{"payload": plain(t, payload), "topic": "a/b", "segments": []string{"a", "b"}, "clientId": "c", "qos": 0})
			require.NoError(t, err)
			switch want := want.(type) {
			case nil:
				require.True(t, tr.Undefined)
			case []byte:
				require.Equal(t, want, tr.Output)
			default:
				b, err := json.Marshal(want)
				require.NoError(t, err)
				require.JSONEq(t, string(b), string(tr.Output))
			}
		})
	}
}

// plain decodes JSON for the language as rules do.
func plain(t *testing.T, data []byte) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return plainNumbers(v)
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(string(v)); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k, e := range v {
			v[k] = plainNumbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plainNumbers(e)
		}
	}
	return v
}

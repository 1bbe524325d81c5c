package sql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

const tenMB = 10 << 20

func nested(n int, inner string) string {
	return strings.Repeat("[", n) + inner + strings.Repeat("]", n)
}

func nestedObjects(n int) string {
	return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
}

// TestHostilePayloads: what nobody sends by accident costs memory in proportion to its
// size, and yields what small messages of the kind do. (Not parallel: it looks at all
// the memory.)
func TestHostilePayloads(t *testing.T) {
	nines := strings.Repeat("9", tenMB)
	for _, c := range []struct {
		name, selection, payload, want string // want: "" if it is the payload's a
		broken                         bool
	}{
		{name: "10 MB text", selection: "SELECT VALUE length(a)", payload: `{"a":"` + strings.Repeat("x", tenMB) + `"}`, want: fmt.Sprint(tenMB)},
		{name: "10 MB of escapes", selection: "SELECT VALUE length(a)", payload: `{"a":"` + strings.Repeat(`\u0041`, tenMB/6) + `"}`, want: fmt.Sprint(tenMB / 6)},
		{name: "10 MB key", selection: "SELECT b", payload: `{"` + strings.Repeat(`\u0041`, tenMB/6) + `":1}`, want: `{}`},
		{name: "10 MB number", selection: "SELECT a + 1 AS x, a > 0 AS y, a = a AS z", payload: `{"a":` + nines + `}`, want: `{"z":true}`},
		{name: "10 MB number with an exponent", selection: "SELECT VALUE a > 9.9", payload: `{"a":` + nines + `e-` + fmt.Sprint(tenMB-1) + `}`, want: `true`},
		{name: "10 MB fraction", selection: "SELECT VALUE a * 3", payload: `{"a":0.` + strings.Repeat("3", tenMB) + `}`, want: `0.9999999999999999999999999999999999`},
		{name: "10 MB not closed", selection: "SELECT a", payload: `{"a":"` + strings.Repeat("x", tenMB), broken: true},
		{name: "10 MB of bytes", selection: "SELECT a", payload: strings.Repeat("\xff", tenMB), broken: true},
		{name: "10 MB of blanks", selection: "SELECT a", payload: strings.Repeat(" ", tenMB), broken: true},
		{name: "depth 10,000", selection: "SELECT VALUE a", payload: `{"a":` + nested(10_000, "") + `}`, want: nested(10_000, "")},
		{name: "depth 100,000", selection: "SELECT VALUE a", payload: `{"a":` + nested(100_000, "") + `}`, want: nested(100_000, "")},
		{name: "depth 1,000,000", selection: "SELECT VALUE a", payload: `{"a":` + nested(1_000_000, "") + `}`, want: nested(1_000_000, "")},
		{name: "deep objects", selection: "SELECT VALUE a.a.a", payload: nestedObjects(100_000), want: nestedObjects(99_997)},
		{name: "deep and not closed", selection: "SELECT a", payload: strings.Repeat("[", 1_000_000), broken: true},
		{name: "deep and not alike", selection: "SELECT a = b AS e", payload: `{"a":` + nested(10_000, "") + `,"b":` + nested(10_000, " ") + `}`, want: `{"e":false}`},
		{name: "deep and alike", selection: "SELECT a = b AS e", payload: `{"a":` + nested(10_000, "") + `,"b":` + nested(10_000, "") + `}`, want: `{"e":true}`},
		{name: "deep text", selection: "SELECT VALUE length(a + '')", payload: `{"a":` + nested(100_000, " ") + `}`, want: `200000`},
		{name: "deep query", selection: "SELECT VALUE (SELECT VALUE a FROM a)", payload: nestedObjects(100_000), want: nestedObjects(99_998)},
		{name: "deep star", selection: "SELECT *, 1 AS b", payload: `{"a":` + nested(100_000, "") + `}`, want: `{"a":` + nested(100_000, "") + `,"b":1}`},
		{name: "deep star with dots", selection: "SELECT *, 1 AS b.c", payload: `{"a":` + nested(100_000, "") + `}`, want: `{"a":` + nested(100_000, "") + `,"b":{"c":1}}`},
		{name: "huge exponents", selection: "SELECT a, b, a + b AS x, a * b AS y, a > b AS z, ceil(a) AS c, trunc(b, 3) AS t, cast(a AS Int) AS i, round(b) AS r", payload: `{"a":1e999999999,"b":1e-999999}`, want: `{"a":1e999999999,"b":1e-999999,"t":0,"r":0}`},
		{name: "huge exponents in texts", selection: "SELECT a - 1 AS x, b - 1 AS y, a > b AS z, substring('abc', a) AS s", payload: `{"a":"1e999999999","b":"1e-999999"}`, want: `{"y":-1}`},
		{name: "one key many times", selection: "SELECT a.b, a", payload: `{` + strings.Repeat(`"a":{"b":1},`, 100_000) + `"a":2}`, want: `{"a":2}`},
		{name: "NUL", selection: "SELECT a, length(a) AS l", payload: `{"a":"\u0000x"}`, want: `{"a":"\u0000x","l":2}`},
		{name: "bare NUL", selection: "SELECT a", payload: "{\"a\":\"\x00\"}", broken: true},
		{name: "not UTF-8", selection: "SELECT a", payload: "{\"a\":\"\xff\xfe\"}", broken: true},
		{name: "not UTF-8 elsewhere", selection: "SELECT a", payload: "{\"a\":1,\"b\":\"\xc3\"}", broken: true},
		{name: "lone surrogates", selection: "SELECT a, length(a) AS l, a + '!' AS b", payload: `{"a":"\ud800 \udc00\ud800"}`, want: `{"a":"\ufffd \ufffd\ufffd","l":4,"b":"\ufffd \ufffd\ufffd!"}`},
		{name: "many elements", selection: "SELECT VALUE get(a, 999999)", payload: `{"a":[` + strings.Repeat("1,", 999_999) + `2]}`, want: `2`},
		{name: "many elements in a query", selection: "SELECT VALUE length((SELECT VALUE b + 1 FROM a WHERE b > 0) + '')", payload: `{"a":[` + strings.Repeat(`{"b":1},`, 99_999) + `{"b":1}]}`, want: `200001`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := sql.Compile(c.selection+" FROM '#'", sql.Options{})
			require.NoError(t, err)
			m := &actions.Message{Topic: "t", Payload: []byte(c.payload)}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, err := s.Evaluate(t.Context(), m)
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20*len(c.payload)+1<<20))
			if c.broken {
				require.ErrorIs(t, err, sql.ErrPayload)
				return
			}
			require.NoError(t, err)
			var want, got string
			if strings.Contains(c.want, `\u`) {
				var v, w any
				require.NoError(t, json.Unmarshal([]byte(c.want), &v))
				require.NoError(t, json.Unmarshal(r.Output, &w))
				require.Equal(t, v, w)
				return
			}
			want, got = c.want, string(r.Output)
			require.True(t, want == got, "got %.200s, want %.200s", got, want)
		})
	}
}

// TestHostileStatements: statements of 256 KB are compiled, or refused, in proportion to
// their size.
func TestHostileStatements(t *testing.T) {
	fill := func(head, unit, tail string) string {
		return head + strings.Repeat(unit, (sql.MaxBytes-len(head)-len(tail))/len(unit)) + tail
	}
	number := func(head, unit, tail string) string {
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len()+len(tail)+len(unit)+6 < sql.MaxBytes; i++ {
			fmt.Fprintf(&b, unit, i)
		}
		return b.String() + tail
	}
	for _, c := range []struct {
		name, text, want, mistake string
		traced                    bool
	}{
		{name: "sums", traced: true, text: fill("SELECT 1", "+1", " AS x FROM '#'"), want: `{"x":131062}`},
		{name: "joined texts", text: fill("SELECT VALUE length(a", "+a", ") FROM '#'"), want: `131057`},
		{name: "joined numbers", text: fill("SELECT VALUE length(a", "+1", ") FROM '#'"), want: `131057`},
		{name: "calls", traced: true, text: fill("SELECT VALUE length(upper(a)", "+upper(a)", ") FROM '#'"), want: `29123`},
		{name: "conditions", text: fill("SELECT 1 AS x FROM '#' WHERE true", " AND true", ""), want: `{"x":1}`},
		{name: "alternatives", text: fill("SELECT 1 AS x FROM '#' WHERE true", " OR true", ""), want: `{"x":1}`},
		{name: "members", traced: true, text: fill("SELECT a", ".a", " AS x FROM '#'"), want: `{}`},
		{name: "elements", text: fill("SELECT a", "[0]", " AS x FROM '#'"), want: `{"x":"y"}`},
		{name: "fields", traced: true, text: number("SELECT ", "f%d, ", "a FROM '#'"), want: `{"a":"y"}`},
		{name: "variables", text: number("SET @a = 1", ", @a%d = @a", " SELECT @a7 AS x FROM '#'"), want: `{"x":1}`},
		{name: "candidates", text: fill("SELECT a IN (", "1,", "1) AS x FROM '#'"), want: `{"x":false}`},
		{name: "choices", text: fill("SELECT CASE a", " WHEN 1 THEN 1", " END AS x FROM '#'"), want: `{}`},
		{name: "keys", traced: true, text: number("SELECT VALUE length({", "'f%d':1, ", "'z':1}+'') > 100000 FROM '#'"), want: `true`},
		{name: "a text", text: fill("SELECT VALUE length('", "''", "') FROM '#'"), want: `131056`},
		{name: "a name", text: fill("SELECT ", "x", " AS x FROM '#'"), want: `{}`},
		{name: "patterns", text: fill("SELECT a LIKE '", "%x", "y' AS x FROM '#'"), want: `{"x":false}`},
		{name: "a number", text: fill("SELECT ", "1", " AS x FROM '#'"), mistake: "is too large"},
		{name: "minus signs", text: fill("SELECT ", "-", "1 AS x FROM '#'"), mistake: "more than 200 levels"},
		{name: "parentheses", text: fill("SELECT ", "(", "1 AS x FROM '#'"), mistake: "more than 200 levels"},
		{name: "queries", text: fill("SELECT ", "(SELECT ", "1 AS x FROM '#'"), mistake: "more than 200 levels"},
		{name: "arrays", text: fill("SELECT ", "[", "1 AS x FROM '#'"), mistake: "more than 200 levels"},
		{name: "objects", text: fill("SELECT ", "{'a':", "1 AS x FROM '#'"), mistake: "more than 200 levels"},
		{name: "functions", text: fill("SELECT ", "abs(", "1 AS x FROM '#'"), mistake: "more than 200 levels"},
		{name: "NOTs", text: fill("SELECT ", "NOT ", "a AS x FROM '#'"), mistake: "more than 200 levels"},
		{name: "cases", text: fill("SELECT ", "CASE ", "a AS x FROM '#'"), mistake: "more than 200 levels"},
		{name: "an alias", text: fill("SELECT a AS a", ".a", " FROM '#'"), mistake: "more than 200 levels"},
		{name: "an unknown function", text: fill("SELECT ", "x", "() FROM '#'"), mistake: "there is no function"},
		{name: "a filter", text: fill("SELECT a FROM '", "a/", "'"), mistake: "FROM: "},
		{name: "one byte too many", text: strings.Repeat("x", sql.MaxBytes+1), mistake: "at most 262144 are allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s, err := sql.Compile(c.text, sql.Options{})
			if c.mistake != "" {
				require.ErrorContains(t, err, c.mistake)
				require.Less(t, len(err.Error()), 2000)
				return
			}
			require.NoError(t, err)
			r, err := s.Evaluate(t.Context(), &actions.Message{Topic: "t", Payload: []byte(`{"a":"y"}`)})
			require.NoError(t, err)
			require.Equal(t, c.want, string(r.Output))
			if c.traced {
				_, err = s.Trace(t.Context(), &actions.Message{Topic: "t", Payload: []byte(`{"a":"y"}`)}, sql.Options{})
				require.NoError(t, err)
			}
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1000*sql.MaxBytes))
		})
	}
}

// TestNesting: 200 levels are possible, of all kinds.
func TestNesting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, inner, after string }{
		{"(", "1", ")"}, {"-", "1", ""}, {"NOT ", "t", ""}, {"abs(", "1", ")"}, {"[", "1", "]"}, {"{'a':", "1", "}"}, {"(SELECT VALUE a FROM ", "a", ")"}, {"CASE 1 WHEN 1 THEN ", "1", " END"},
	} {
		ok := 0
		for n := 85; n < 250; n++ {
			_, err := sql.Compile("SELECT "+strings.Repeat(c.before, n)+c.inner+strings.Repeat(c.after, n)+" AS x FROM '#'", sql.Options{})
			if err != nil {
				require.ErrorContains(t, err, "more than 200 levels")
				break
			}
			ok = n
		}
		require.GreaterOrEqual(t, ok, 90, c.before)
	}
}

// TestTooLarge: doublings end before the memory does, and hurt nobody else.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	double := "SET @a = s"
	for i := range 40 {
		double += fmt.Sprintf(", @a%d = concat(@a%d, @a%d)", i, i-1, i-1)
	}
	double = strings.Replace(double, "@a-1, @a-1", "@a, @a", 1) + " SELECT "
	for name, text := range map[string]string{
		"variables": double + "@a39 AS x",
		"length":    double + "length(@a39) AS x",
		"array":     strings.ReplaceAll(strings.ReplaceAll(double, "concat(", "["), ")", "]") + "@a39 AS x",
		"object":    strings.ReplaceAll(strings.NewReplacer("concat(", "{'k': ", ", @a", ", 'l': @a").Replace(double), ")", "}"),
		"where":     "SELECT 1 AS x FROM '#' WHERE length(replace(s, '', s)) > 1",
		"items":     "SELECT " + strings.Repeat("s AS a, ", 2) + "[" + strings.Repeat("s, ", 2000) + "s] AS y",
		"fields": "SELECT " + func() (list string) {
			for i := range 2000 {
				list += fmt.Sprintf("s AS a%d, ", i)
			}
			return list
		}() + "s",
		"star": "SELECT *, " + func() (list string) {
			for i := range 2000 {
				list += fmt.Sprintf("s AS a%d, ", i)
			}
			return list
		}() + "s AS z",
		"query":  "SELECT (SELECT VALUE concat(" + strings.Repeat("s, ", 500) + "s) FROM objs) AS x",
		"concat": "SELECT concat(" + strings.Repeat("s, ", 2000) + "s) AS x",
		"joined": "SELECT " + strings.Repeat("s + ", 2000) + "s AS x",
		"arrays": "SELECT concat([s], " + strings.Repeat("[s], ", 2000) + "s) AS x",
	} {
		t.Run(name, func(t *testing.T) { // one after the other: each fills some 16 MB
			if !strings.Contains(text, "FROM '#'") {
				text += " FROM '#'"
			}
			if name == "object" {
				text = double + "{'k': @a39} AS x FROM '#'"
			}
			s, err := sql.Compile(text, sql.Options{})
			require.NoError(t, err)
			small, err := sql.Compile("SELECT i FROM '#'", sql.Options{})
			require.NoError(t, err)
			payload := `{"i":1,"s":"` + strings.Repeat("x", 20_000) + `","objs":[{"s":"` + strings.Repeat("y", 20_000) + `"}` + strings.Repeat(`,{"s":"`+strings.Repeat("y", 20_000)+`"}`, 20) + `]}`
			r := sql.NewPlan(s, small).Begin(&actions.Message{Topic: "t", Payload: []byte(payload)})
			defer r.End()
			res, err := r.Eval(t.Context(), 0)
			if name == "where" { // replace has a bound of its own
				require.NoError(t, err)
				require.False(t, res.Matched)
			} else {
				require.ErrorIs(t, err, sql.ErrTooLarge)
				require.Empty(t, res.Output)
			}
			res, err = r.Eval(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, `{"i":1}`, string(res.Output))
		})
	}
	s, err := sql.Compile(double+"1 AS x FROM '#'", sql.Options{})
	require.NoError(t, err)
	tpl, err := s.Template("${@a39}", sql.Options{})
	require.NoError(t, err)
	wide, err := s.Template(strings.Repeat("${s}", 2000), sql.Options{})
	require.NoError(t, err)
	r := sql.NewPlan(s).Begin(&actions.Message{Topic: "t", Payload: []byte(`{"s":"` + strings.Repeat("x", 20_000) + `"}`)})
	defer r.End()
	for range 2 { // also when asked again
		_, _, err = r.Text(t.Context(), 0, tpl)
		require.ErrorIs(t, err, sql.ErrTooLarge)
		_, err = r.JSON(t.Context(), 0, tpl)
		require.ErrorIs(t, err, sql.ErrTooLarge)
		_, _, err = r.Text(t.Context(), 0, wide)
		require.ErrorIs(t, err, sql.ErrTooLarge)
	}
}

type answer string

func (a answer) InvokeLambda(context.Context, string, []byte) ([]byte, error) {
	return []byte(a), nil
}

// TestHostileAnswers: what functions that call out answer is not trusted either.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer answer
		want   string
	}{
		{"deep", answer(nested(1_000_000, " ")), nested(1_000_000, "")},
		{"deep and not closed", answer(strings.Repeat("[", 5_000_000)), ""},
		{"not UTF-8", "\"\xff\"", ""},
		{"two values", "1 2", ""},
		{"with blanks", " { \"a\" : [ 1 , 2 ] } ", `{"a":[1,2]}`},
	} {
		s, err := sql.Compile("SELECT VALUE aws_lambda('f', 1) FROM '#'", sql.Options{Externals: sql.Externals{Lambda: c.answer}})
		require.NoError(t, err)
		r, err := s.Evaluate(t.Context(), &actions.Message{Topic: "t"})
		if c.want == "" {
			require.ErrorIs(t, err, sql.ErrCall, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		require.True(t, c.want == string(r.Output), c.name)
	}
}

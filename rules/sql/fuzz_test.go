package sql

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/decimal"
)

// message has all that functions ask for.
func message(payload []byte) *actions.Message {
	return &actions.Message{
		Topic: "a/b/c", Payload: payload, ClientID: "dev-1", Principal: "p", Protocol: actions.ProtocolMQTT, SourceIP: netip.MustParseAddr("192.0.2.1"),
		TraceID: actions.NamedTraceID("00000000-0000-4000-8000-000000000000"), Time: time.UnixMilli(1_700_000_000_123), ContentType: "text/plain", CorrelationData: []byte{1, 2},
		UserProperties: func(yield func(k, v string) bool) { _ = yield("k", "v1") && yield("k", "v2") },
	}
}

// checkError fails unless an error says where in the text it is.
func checkError(t *testing.T, text string, err error) {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Message)
	require.True(t, e.Offset >= 0 && e.Offset <= len(text), "%v in %q", e, text)
	before := text[:e.Offset]
	require.Equal(t, strings.Count(before, "\n")+1, e.Line)
	require.Equal(t, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])+1, e.Column)
}

// parseExpression reads an expression alone.
func parseExpression(text string) (n node, err error) {
	defer catch(&err)
	p := &parser{lexer: lexer{source: text}}
	p.advance()
	n = p.expression()
	if p.token.kind != tokenEnd {
		p.unexpected("the end")
	}
	return n, nil
}

// checkPrinted fails unless an expression that is written and read is the same.
func checkPrinted(t *testing.T, n node) {
	t.Helper()
	if _, ok := n.(star); ok {
		return
	}
	text := printed(n)
	again, err := parseExpression(text)
	require.NoError(t, err, text)
	require.Equal(t, text, printed(again))
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"SELECT * FROM 'a'", "SELECT VALUE a.b FROM 'a/+' WHERE c = 'it''s' AND NOT d OR e >= 1.50", "SET @a = 1, @b = @a + 2 SELECT @b.c AS d.e FROM '#'",
		"SELECT CASE a WHEN 1 THEN 'x' ELSE -2 END AS b, (SELECT VALUE c[0] FROM d WHERE e IN (1, 2)) FROM 'x'", "SELECT regexp_matches(a, '(?<x>[a-z&&[^b]]+)$') FROM 'a'",
		"SELECT cast(a AS Int), {'k': [1, {}]}.k, upper(lower(b)) FROM 'q'", "SELECT a FROM 'a' WHERE b BETWEEN 1 AND 2 AND c LIKE '%x_' AND d IS NOT NULL",
		"SELECT parse_time('yyyy', 1), time_to_epoch(a, '[yyyy]') FROM 'a'", "SELECT (value)[0] FROM 'a'", "SELECT (SELECT 1, [0], a + 1, f(), VALUE.x FROM b) FROM 'a'", "SELECT (SELECT (value)[0] FROM b) FROM 'a'", "select a /* c */ from 'a'", "SELECT \"\x00\xff\" FROM 'a'",
		"SELECT value, is, in, like, between, set FROM 'a'", "SELECT 1e999, .5, 5., 1.e1 FROM 'a'", "SELECT a.", "SELECT (((((", "SET @ = 1 SELECT 1",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, old bool) {
		o := Options{Functions: map[string]Function{"host": {Min: 0, Max: -1}}}
		if old {
			o.Version = V2015
		}
		s, err := Compile(text, o)
		if err != nil {
			checkError(t, text, err)
			return
		}
		for _, w := range s.Warnings() {
			checkError(t, text, w)
		}
		for _, a := range s.ast.set {
			checkPrinted(t, a.value)
		}
		for _, it := range s.ast.selection.items {
			checkPrinted(t, it.of)
		}
		if s.ast.where != nil {
			checkPrinted(t, s.ast.where)
		}
	})
}

// checkOutput fails unless the output is JSON where it should be.
func checkOutput(t *testing.T, s *Statement, payload []byte, res Result) {
	t.Helper()
	items := s.ast.selection.items
	_, whole := items[0].of.(star)
	whole = whole && len(items) == 1 && (items[0].star || s.ast.selection.value)
	switch {
	case !res.Matched || res.Undefined:
		require.Empty(t, res.Output)
	case whole:
		require.Equal(t, string(payload), string(res.Output))
	case !json.Valid(res.Output) && depth(res.Output) < 9000:
		t.Fatalf("%s\n%q\nmakes %q", s, payload, res.Output)
	}
	require.True(t, whole || utf8.Valid(res.Output))
}

// depth is how deep JSON is nested, or more.
func depth(b []byte) int { return bytes.Count(b, []byte("[")) + bytes.Count(b, []byte("{")) }

// evaluate evaluates a statement on a message twice, with another one between, and in a
// plan with others.
func evaluate(t *testing.T, text string, payload []byte) {
	t.Helper()
	s, err := Compile(text, Options{})
	if err != nil {
		checkError(t, text, err)
		return
	}
	before := bytes.Clone(payload)
	want, wantErr := s.Evaluate(t.Context(), message(payload))
	if wantErr != nil {
		require.ErrorIs(t, wantErr, ErrPayload)
		require.Empty(t, want.Output)
	}
	checkOutput(t, s, payload, want)

	other, err := Compile("SELECT *, i AS k, upper(s) AS s, [i, o.x] AS a FROM '#' WHERE isUndefined(q)", Options{})
	require.NoError(t, err)
	plan := NewPlan(other, s, s)
	r1, r2 := plan.Begin(message(payload)), NewPlan(s).Begin(message([]byte(`{"i":77,"s":"other","a":[7,7],"o":{"x":"seven"}}`)))
	defer r1.End()
	defer r2.End()
	_, _ = r1.Eval(t.Context(), 0)
	first, err := r1.Eval(t.Context(), 1)
	require.Equal(t, wantErr == nil, err == nil)
	_, _ = r2.Eval(t.Context(), 0)
	second, _ := r1.Eval(t.Context(), 2)
	require.Equal(t, string(want.Output), string(first.Output), text)
	require.Equal(t, string(want.Output), string(second.Output), text)
	require.Equal(t, want.Matched, first.Matched)
	require.Equal(t, want.Undefined, first.Undefined)
	require.Equal(t, string(before), string(payload))

	tr, err := s.Trace(t.Context(), message(payload), Options{})
	require.NoError(t, err)
	require.Equal(t, wantErr == nil, tr.Err == nil)
	require.Equal(t, string(want.Output), string(tr.Output), text)
	require.Equal(t, want.Matched, tr.Matched)
}

func FuzzEvaluate(f *testing.F) {
	f.Add([]byte("0"), []byte(`{"i":1,"o":{"x":[1]},"s":"a"}`))
	f.Add([]byte("\x03\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"), []byte(`{"i":1.50,"d":"12","a":[{"i":null}]}`))
	f.Add([]byte("\x01\x08\x08\x08\x02\x01\x00\x05"), []byte(`[1,2,3]`))
	f.Add([]byte("abcdefghijklmnopqrstuvwxyz"), []byte("\xff\x00"))
	f.Add([]byte("ABCDEFGHIJ"), []byte(``))
	f.Fuzz(func(t *testing.T, choices, payload []byte) {
		d := &dice{choices}
		text := randomStatement(d)
		if d.roll(2) == 1 {
			payload = []byte(randomPayload(d))
		}
		evaluate(t, text, payload)
	})
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"", "plain", "${a}", "x/${topic(2)}/${b.c}", "${get({'a': '}'}, 'a')}", "${", "${}", "$${a}", "${a}${b}", "${concat('}', a)}", "${@v.x} $", "${'$'}{"} {
		f.Add(s, []byte(`{"a":1,"b":{"c":"x"}}`))
		f.Add(s, []byte(`nope`))
	}
	s, err := Compile("SET @v = o SELECT * FROM '#'", Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, payload []byte) {
		tpl, err := s.Template(text, Options{})
		if err != nil {
			checkError(t, text, err)
			return
		}
		require.Equal(t, !strings.Contains(text, "${"), tpl.Constant())
		r := NewPlan(s).Begin(message(payload))
		defer r.End()
		got, undefined, err := r.Text(t.Context(), 0, tpl)
		if err != nil {
			if !errors.Is(err, ErrPayload) {
				t.Fatal(err)
			}
			return
		}
		if tpl.Constant() {
			require.Equal(t, text, got)
		}
		require.False(t, undefined && got != "")
		j, err := r.JSON(t.Context(), 0, tpl)
		require.NoError(t, err)
		require.True(t, j == nil && undefined || json.Valid(j) || depth(j) > 9000, "%q", j)
	})
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":{"b":2.5e3},"a":{"c":[{}]}}`, `{"\u0061":"\ud83d\ude00"}`, `[1,{"a":2}]`, `"a"`, ` null `, `{"a":tru}`, `{"a":01}`, `{"a":1,}`, "{\"a\":\"\x01\"}",
		"{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a" : {"b" : -0.0 , "x y":1}}`, `[[[[]]]]`, `{"b":"12345678","c":{"d":{"e":null}}}`, `{"a":123456789012345678901}`, `1e`, `-`, `"`, `{"a`, `{"a":1}x`,
	} {
		f.Add([]byte(s))
	}
	want := [][]string{{"a"}, {"a", "b"}, {"a", "c"}, {"b"}, {"c", "d", "e"}, {"c", "d"}, {""}, {"€"}}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if depth(payload) > 9000 {
			return // encoding/json gives up at 10,000
		}
		var p paths
		var ids []int32
		for _, path := range want {
			p.add(path)
		}
		nodes := p.number()
		for _, path := range want {
			ids = append(ids, p.add(path).id)
		}
		slots := make([]slot, nodes)
		s := scanner{}
		valid := s.scan(string(payload), &p.root, slots)
		require.Equal(t, json.Valid(payload) && utf8.Valid(payload), valid, "%q", payload)
		if !valid {
			return
		}
		d := json.NewDecoder(bytes.NewReader(payload))
		d.UseNumber()
		var top any
		require.NoError(t, d.Decode(&top))
		r := &Run{whole: false}
		r.frame = frame{text: string(payload), slots: slots, at: ids}
		for i, path := range want {
			found, ok := top, true
			for _, key := range path {
				var o map[string]any
				if o, ok = found.(map[string]any); !ok {
					break
				}
				if found, ok = o[key]; !ok {
					break
				}
			}
			v := r.field(i)
			require.Equal(t, ok, v.kind != Undefined, "%q %v", payload, path)
			if !ok {
				continue
			}
			d := json.NewDecoder(bytes.NewReader(v.appendJSON(nil)))
			d.UseNumber()
			var got any
			require.NoError(t, d.Decode(&got), "%q %v", payload, path)
			require.True(t, sameDecoded(found, got), "%q %v: %v and %v", payload, path, found, got)
		}
	})
}

// sameDecoded compares decoded JSON: numbers by value, as far as there are such.
func sameDecoded(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		if !ok || x == y {
			return ok
		}
		p, ok1 := decimal.Parse(x.String())
		q, ok2 := decimal.Parse(y.String())
		return ok1 && ok2 && p.Cmp(q) == 0
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, sameDecoded)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, sameDecoded)
	}
	return a == b
}

func FuzzRegexp(f *testing.F) {
	for _, s := range []string{
		`^dev-\d+$`, `(a|b)*c`, `[a-z&&[^m-p]]`, `(?<n>x)\Q.\E`, `a*+b`, `(?i)\p{IsLatin}\R`, `(?x) a # c`, `\b\B\z\Z`, `[[:alpha:]]`, `\x{1F600}\u0041\0101`, `(?m)^$`, `{`, `[`, `(?=`, `a{2,1}`,
	} {
		f.Add(s, "dev-42\nabc", "$0")
		f.Add(s, "", `${n}\$1`)
	}
	f.Fuzz(func(t *testing.T, pattern, text, by string) {
		x, err := compileRegexp(pattern, mostRunSteps)
		if err != nil {
			var e *regexpError
			require.ErrorAs(t, err, &e)
			require.True(t, e.at >= 0 && e.at <= len(pattern))
			return
		}
		found, ok := x.substring(text)
		require.Equal(t, x.matches(text), ok)
		require.Contains(t, text, found)
		list, err := x.replacement(by)
		if err != nil {
			return
		}
		b, ok := x.replace([]byte("before"), text, list, 1<<16)
		require.True(t, bytes.HasPrefix(b, []byte("before")))
		if ok && !x.matches(text) {
			require.Equal(t, "before"+text, string(b))
		}
	})
}

func FuzzTimes(f *testing.F) {
	for _, s := range [][2]string{
		{"yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2023-11-14T22:13:20.123+0000"},
		{"EEE, d MMM yyyy h:mm a z", "Tue, 14 Nov 2023 1:02 PM PST"},
		{"[yyyy][-MM[-dd]]", "2023-11"},
		{"YYYY-'W'ww-e", "2023-W46-2"},
		{"xxxx D k K w", "2023 1 2 3"},
		{"VV O X x Z", "Europe/Paris"},
		{"ppppH A N n S g G Q", "    1"},
		{"''", "'"},
	} {
		f.Add(s[0], s[1], int64(1_700_000_000_123))
		f.Add(s[0], s[1], int64(-62_135_596_800_001))
	}
	f.Fuzz(func(t *testing.T, pattern, text string, ms int64) {
		if p, err := newJodaPattern(pattern); err == nil {
			if at, ok := timeOfMillis(ms, time.UTC); ok {
				p.append(nil, at)
			}
		}
		jodaZone(text)
		p, err := newJavaPattern(pattern)
		if err != nil {
			return
		}
		var read parsedTime
		first, ok := p.parse(&read, text)
		second, again := p.parse(&read, text)
		require.Equal(t, ok, again)
		require.Equal(t, first, second)
	})
}

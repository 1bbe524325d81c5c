package rules_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

var functions = map[string]sql.Function{
	"twice": {Min: 1, Max: 1, Call: func(_ context.Context, args [][]byte) ([]byte, error) {
		if args[0] == nil {
			return nil, nil
		}
		return append(append([]byte(`[`), args[0]...), append([]byte(`,`), append(args[0], ']')...)...), nil
	}},
	"count":  {Max: -1, Call: func(_ context.Context, args [][]byte) ([]byte, error) { return []byte{'0' + byte(len(args))}, nil }},
	"broken": {Call: func(context.Context, [][]byte) ([]byte, error) { return nil, errors.New("out of order") }},
	"wrong":  {Call: func(context.Context, [][]byte) ([]byte, error) { return []byte("x"), nil }},
}

func TestExpr(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{Functions: functions})
	require.NoError(t, err)
	m := &actions.Message{
		Topic: "dt/pump/temp", QoS: 1, ClientID: "pump", Principal: "p", SourceIP: netip.MustParseAddr("::1"), TraceID: actions.NamedTraceID("t"), Time: time.UnixMilli(1700000000123),
		ContentType: "c", ResponseTopic: "r",
		Payload: []byte(`{"temp": 81.5, "n": 3, "big": 9007199254740993, "huge": 1e400, "list": [1, 2.5, {"a": "<b>"}], "s": "text", "t": true, "z": null}`),
		UserProperties: func(yield func(string, string) bool) {
			_ = yield("k", "v") && yield("k", "w")
		},
	}
	for _, tt := range []struct{ name, where, choose, want string }{
		{"nothing said", "", "", string(m.Payload)},
		{"condition", "payload.temp > 80 and topic startsWith 'dt/'", "payload.n", "3"},
		{"object", "", "{t: payload.temp, dev: segments[1], n: payload.n + 1}", `{"dev":"pump","n":4,"t":81.5}`},
		{"large numbers", "", "[payload.big, payload.huge]", `[9007199254740993,"1e400"]`},
		{"text", "", "payload.s", `"text"`},
		{"no HTML", "", "payload.list[2]", `{"a":"<b>"}`},
		{"about the message", "", "[topic, clientId, principal, sourceIp, traceId, contentType, responseTopic, qos, timestamp]", `["dt/pump/temp","pump","p","::1","t","c","r",1,1700000000123]`},
		{"user properties", "", "userProperties | filter(.key == 'k') | map(.value)", `["v","w"]`},
		{"the payload as text", "", "len(text) > 10", `true`},
		{"optional members", "payload?.nope?.deeper == nil", "payload.nope ?? 'default'", `"default"`},
		{"nothing", "", "payload.z", ""},
		{"loops", "any(payload.list, # == 1)", "sum(payload.list[:2])", "3.5"},
		{"functions of the host", "", "[twice(payload.n), twice(payload.nope), count(), count(1, 2)]", `[[3,3],null,0,2]`},
		{"dates", "", "date('2024-01-01').Year()", "2024"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "dt/#", Where: tt.where, Select: tt.choose}}, m, rules.TryOptions{})
			require.NoError(t, err)
			require.NoError(t, tr.Err)
			require.True(t, tr.Passed, tr.Reason)
			require.Equal(t, tt.want, string(tr.Output))
			require.Equal(t, tt.want == "", tr.Undefined)
		})
	}

	tr, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "dt/#", Where: "payload.t", Select: "payload"}}, &actions.Message{Topic: "dt", Payload: []byte(`{"t":"true"}`)}, rules.TryOptions{})
	require.NoError(t, err)
	require.False(t, tr.Passed, "only true is true")
	tr, err = s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Select: "[payload, userProperties, timestamp > 0, topic]"}, Name: "r"}, &actions.Message{Topic: "$aws/rules/r/x"}, rules.TryOptions{})
	require.NoError(t, err)
	require.Equal(t, `[{},[],true,"x"]`, string(tr.Output), "an empty payload is an empty object")
}

func TestExprTemplates(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{})
	require.NoError(t, err)
	m := &actions.Message{Topic: "a/b", Payload: []byte(`{"x":{"y":[1]},"s":"}"}`)}
	for text, want := range map[string]rules.Rendered{
		"plain":                           {Text: "plain"},
		"":                                {},
		"${topic}":                        {Text: "a/b"},
		"<${segments[1]}-${payload.x}>":   {Text: `<b-{"y":[1]}>`},
		"${payload.nope}":                 {Undefined: true},
		"x${payload.nope}":                {Text: "x"},
		`${{"}": '}'}["}"]}`:              {Text: "}"},
		"${`}`}":                          {Text: "}"},
		`${'\'}' + "\"}"}`:                {Text: `'}"}`},
		"${payload.s}${payload.x.y[0]}":   {Text: "}1"},
		"${map(payload.x.y, {# + 1})}":    {Text: "[2]"},
		"$${topic} $ {topic} ${'${x}'} }": {Text: "$a/b $ {topic} ${x} }"},
	} {
		tr, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "#"}}, m, rules.TryOptions{Templates: []string{text}})
		require.NoError(t, err, text)
		want.Template = text
		require.Equal(t, []rules.Rendered{want}, tr.Texts)
	}
	for text, want := range map[string]sql.Error{
		"a ${topic":          {Line: 1, Column: 3, Offset: 2, Message: `the template has no "}"`},
		"a ${'topic}":        {Line: 1, Column: 3, Offset: 2, Message: `the template has no "}"`},
		"é ${topic +}":       {Line: 1, Column: 11, Offset: 11, Message: "unexpected token EOF"},
		"x\n${nope}":         {Line: 2, Column: 3, Offset: 4, Message: "unknown name nope"},
		"x\ny ${1 +\n nope}": {Line: 3, Column: 2, Offset: 11, Message: "unknown name nope"},
	} {
		_, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "#"}}, m, rules.TryOptions{Templates: []string{text}})
		require.ErrorIs(t, err, rules.ErrSQL, text)
		var e *sql.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, want, *e, text)
	}
}

func TestExprRefuses(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{ExprNodes: 50, Functions: functions})
	require.NoError(t, err)
	for _, tt := range []struct {
		name string
		e    rules.Expr
		want string
	}{
		{"filter", rules.Expr{Filter: "a/#/b"}, `rules: expr.filter: topic filter "a/#/b": "#" must be the last level`},
		{"grammar", rules.Expr{Where: "payload.x >"}, `rules: expr.where: line 1, column 11: unexpected token EOF`},
		{"unknown name", rules.Expr{Where: "true and\n temp > 1"}, `rules: expr.where: line 2, column 2: unknown name temp`},
		{"unknown function", rules.Expr{Select: "topics()"}, `rules: expr.select: line 1, column 1: unknown name topics`},
		{"no condition", rules.Expr{Where: "'text'"}, `rules: expr.where: line 1, column 1: expected bool, but got string`},
		{"types", rules.Expr{Where: "topic > 1"}, `rules: expr.where: line 1, column 7: invalid operation: > (mismatched types string and int)`},
		{"too few arguments", rules.Expr{Select: "twice()"}, `rules: expr.select: line 1, column 1: not enough arguments to call twice`},
		{"too many arguments", rules.Expr{Select: "broken(1)"}, `rules: expr.select: line 1, column 1: too many arguments to call broken`},
		{"too large", rules.Expr{Where: strings.Repeat("true and ", 60) + "true"}, `rules: expr.where: line 1, column 231: compilation failed: expression exceeds maximum allowed nodes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := s.Put(t.Context(), rules.Rule{Name: "r", Expr: &tt.e})
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestExprFails(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{ExprMemory: 1000, Functions: functions})
	require.NoError(t, err)
	for _, tt := range []struct{ name, where, choose, want string }{
		{"comparison with nothing", "payload.nope > 1", "", "where: line 1, column 14: invalid operation: <nil> > int"},
		{"member of nothing", "", "payload.nope.x", "select: line 1, column 14: cannot fetch x from <nil>"},
		{"index", "", "segments[7]", "select: "},
		{"memory", "", "map(1..900, map(1..900, #))", "select: line 1, column "},
		{"not a number", "", "0.0 / 0", "select: json: unsupported value: NaN"},
		{"function of the host", "", "broken()", "select: line 1, column 1: broken: out of order"},
		{"answer of the host", "", "wrong()", "select: line 1, column 1: wrong: invalid character 'x' looking for beginning of value"},
		{"argument of the host", "", "twice(0.0 / 0)", "select: line 1, column 1: twice: argument 1: json: unsupported value: NaN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "#", Where: tt.where, Select: tt.choose}}, &actions.Message{Topic: "a"}, rules.TryOptions{})
			require.NoError(t, err)
			require.ErrorContains(t, tr.Err, tt.want)
			require.False(t, tr.Passed)
		})
	}
	for _, payload := range []string{"{", "1 2", `{"x":1}}`, "[1]]", strings.Repeat("[", 20000)} {
		tr, err := s.Try(t.Context(), rules.Rule{Expr: &rules.Expr{Filter: "#", Select: "payload"}}, &actions.Message{Topic: "a", Payload: []byte(payload)}, rules.TryOptions{})
		require.NoError(t, err)
		require.ErrorIs(t, tr.Err, sql.ErrPayload)
	}
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{"payload.temp > 80", "{a: payload?.x, b: segments}", "any(userProperties, .key == 'a')", "${topic}", "a ${ {\"}\": 1} } b"} {
		f.Add(s, `{"temp":81}`)
	}
	s, err := rules.New(rules.Config{ExprMemory: 1000, ExprNodes: 100})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text, payload string) {
		m := &actions.Message{Topic: "a/b", Payload: []byte(payload)}
		for _, r := range []rules.Rule{{Expr: &rules.Expr{Filter: "#", Where: text}}, {Expr: &rules.Expr{Filter: "#", Select: text}}} {
			_, err := s.Try(t.Context(), r, m, rules.TryOptions{Templates: []string{text}})
			var e *rules.Error
			if err != nil {
				require.ErrorAs(t, err, &e)
			}
		}
	})
}

package sql_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// Figures in DESIGN.md come from
//
//	go test -run '^$' -bench . -cpu 1 ./rules/sql

const benchRule = `SELECT temperature AS t, device.id AS id, topic(2) AS dev FROM 'sensors/+/telemetry' WHERE temperature > 30 AND device.kind = 'a'`

// telemetry is a message of 300 bytes that the rule matches.
const telemetry = `{"temperature":31.5,"humidity":48.2,"pressure":1013.25,"device":{"id":"dev-0042","kind":"a","firmware":"2.14.7"},` +
	`"battery":{"volts":3.71,"percent":82,"charging":false},"location":{"lat":52.52,"lon":13.405},"rssi":-67,"uptime":8675309,` +
	`"errors":[],"tags":["roof","north"],"ts":1700000000123,"mode":"a"}`

func benchMessage(payload string) *actions.Message {
	return &actions.Message{Topic: "sensors/dev-0042/telemetry", Payload: []byte(payload), ClientID: "dev-0042", Time: time.UnixMilli(1)}
}

func TestBenchMessage(t *testing.T) {
	t.Parallel()
	require.Len(t, telemetry, 300)
	s, err := sql.Compile(benchRule, sql.Options{})
	require.NoError(t, err)
	r, err := s.Evaluate(t.Context(), benchMessage(telemetry))
	require.NoError(t, err)
	require.JSONEq(t, `{"t":31.5,"id":"dev-0042","dev":"dev-0042"}`, string(r.Output))
	require.JSONEq(t, string(r.Output), string(mapAndExpr(t)(benchMessage(telemetry))))
}

func BenchmarkEval(b *testing.B) {
	for name, payload := range map[string]string{
		"match": telemetry, "no match": strings.Replace(telemetry, "31.5", "29.5", 1), "spaced": strings.ReplaceAll(telemetry, ",", ", "),
	} {
		b.Run(name, func(b *testing.B) {
			s, err := sql.Compile(benchRule, sql.Options{})
			require.NoError(b, err)
			plan, m := sql.NewPlan(s), benchMessage(payload)
			b.ReportAllocs()
			for b.Loop() {
				r := plan.Begin(m)
				res, err := r.Eval(b.Context(), 0)
				if err != nil || res.Matched == (name == "no match") {
					b.Fatal(res, err)
				}
				r.End()
			}
		})
	}
}

// 100 rules on one message, none of which matches.
func BenchmarkEval100(b *testing.B) {
	var list []*sql.Statement
	for i := range 100 {
		s, err := sql.Compile(fmt.Sprintf(`SELECT temperature AS t, device.id AS id, topic(2) AS dev FROM 'sensors/+/telemetry' WHERE temperature > %d AND device.kind = 'k%d'`, 20+i%10, i), sql.Options{})
		require.NoError(b, err)
		list = append(list, s)
	}
	plan, m := sql.NewPlan(list...), benchMessage(telemetry)
	b.ReportAllocs()
	for b.Loop() {
		r := plan.Begin(m)
		for i := range list {
			if res, err := r.Eval(b.Context(), i); err != nil || res.Matched {
				b.Fatal(res, err)
			}
		}
		r.End()
	}
}

// mapAndExpr is the usual way: decode into a map, let expr decide and project.
func mapAndExpr(tb testing.TB) func(m *actions.Message) []byte {
	tb.Helper()
	env := map[string]any{"payload": map[string]any{}, "topic": func(int) string { return "" }}
	compile := func(text string) *vm.Program {
		p, err := expr.Compile(text, expr.Env(env))
		require.NoError(tb, err)
		return p
	}
	where := compile(`payload.temperature > 30 && payload.device.kind == "a"`)
	project := compile(`{"t": payload.temperature, "id": payload.device.id, "dev": topic(2)}`)
	return func(m *actions.Message) []byte {
		var payload map[string]any
		require.NoError(tb, json.Unmarshal(m.Payload, &payload))
		env := map[string]any{"payload": payload, "topic": func(i int) string { return strings.Split(m.Topic, "/")[i-1] }}
		ok, err := expr.Run(where, env)
		require.NoError(tb, err)
		if ok != true {
			return nil
		}
		v, err := expr.Run(project, env)
		require.NoError(tb, err)
		out, err := json.Marshal(v)
		require.NoError(tb, err)
		return out
	}
}

func BenchmarkMapAndExpr(b *testing.B) {
	f, m := mapAndExpr(b), benchMessage(telemetry)
	b.ReportAllocs()
	for b.Loop() {
		if f(m) == nil {
			b.Fatal("no match")
		}
	}
}

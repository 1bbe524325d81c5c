package rules_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

func TestTrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		h := &publisher{}
		rec := actions.NewRecorder()
		r := start(t, rules.Config{Publisher: h})
		publish := []actions.Action{actions.Republish{Topic: "out/${topic(2)}", Headers: &actions.MQTTHeaders{ContentType: "${nope}"}}, newSink("${nope}", actions.Batch{}, nil), rec}
		r.put(rules.Rule{Name: "passes", SQL: "SELECT temp, 1 + 1 AS two FROM 'dt/+' WHERE temp > 80", Actions: publish, ErrorAction: actions.Log{}})
		r.put(rules.Rule{Name: "cold", SQL: "SELECT temp FROM 'dt/+' WHERE temp > 90", Actions: publish})
		r.put(rules.Rule{Name: "elsewhere", SQL: "SELECT temp FROM 'other'", Actions: publish})
		r.put(rules.Rule{Name: "off", SQL: "SELECT temp FROM 'dt/+'", Disabled: true, Actions: publish})
		r.put(rules.Rule{Name: "direct", SQL: "SELECT temp", Actions: publish})
		r.put(rules.Rule{Name: "nothing", SQL: "SELECT VALUE nope FROM 'dt/+'"})
		r.put(rules.Rule{Name: "expr", Expr: &rules.Expr{Filter: "dt/+", Where: "payload.temp > 80 && segments[1] == 'a'", Select: "{t: payload.temp}"}, Actions: []actions.Action{actions.Republish{Topic: "e/${segments[1]}"}}})
		r.put(rules.Rule{Name: "fails", Expr: &rules.Expr{Filter: "dt/+", Where: "payload.nope > 80"}})

		m := &actions.Message{Topic: "dt/a", Payload: []byte(`{"temp":81}`)}
		list, err := r.Trace(ctx, m)
		require.NoError(t, err)
		by := map[string]rules.Trace{}
		for _, tr := range list {
			by[tr.Rule] = tr
		}
		require.Len(t, by, 8)

		tr := by["passes"]
		require.True(t, tr.Matched)
		require.True(t, tr.Passed)
		require.Empty(t, tr.Reason)
		require.Equal(t, `{"temp":81,"two":2}`, string(tr.Output))
		require.Contains(t, tr.Steps, rules.Step{Clause: "WHERE", Expression: "(temp > 80)", Kind: "Boolean", Value: "true", Line: 1, Column: 50})
		require.Equal(t, "republish", tr.Actions[0].Kind)
		require.Equal(t, rules.ParamTrace{Name: "topic", Template: "out/${topic(2)}", Value: "out/a"}, tr.Actions[0].Params[0])
		require.Equal(t, rules.ParamTrace{Name: "headers.contentType", Template: "${nope}"}, tr.Actions[0].Params[2], "what is optional may be empty")
		require.EqualError(t, tr.Actions[1].Params[0].Err, `table is empty: "${nope}" has no value for this message`)
		require.Equal(t, rules.ActionTrace{Kind: "recorder"}, tr.Actions[2])

		require.Equal(t, "the condition is not true", by["cold"].Reason)
		require.True(t, by["cold"].Matched)
		require.False(t, by["cold"].Passed)
		require.NotEmpty(t, by["cold"].Steps)
		require.Empty(t, by["cold"].Actions)
		require.Equal(t, `the topic "dt/a" does not match "other"`, by["elsewhere"].Reason)
		require.False(t, by["elsewhere"].Matched)
		require.Equal(t, "the rule is disabled", by["off"].Reason)
		require.Equal(t, "the rule has no topic filter, so it gets messages of Basic Ingest alone", by["direct"].Reason)
		require.True(t, by["nothing"].Undefined)
		require.True(t, by["nothing"].Passed)
		require.Empty(t, by["nothing"].Output)

		tr = by["expr"]
		require.Equal(t, `{"t":81}`, string(tr.Output))
		require.Equal(t, "e/a", tr.Actions[0].Params[0].Value)
		require.Equal(t, []rules.Step{
			{Clause: "WHERE", Expression: "payload.temp", Kind: "Int", Value: "81", Line: 1, Column: 9},
			{Clause: "WHERE", Expression: "payload.temp > 80", Kind: "Boolean", Value: "true", Line: 1, Column: 14},
			{Clause: "WHERE", Expression: "segments[1]", Kind: "String", Value: `"a"`, Line: 1, Column: 30},
			{Clause: "WHERE", Expression: `segments[1] == "a"`, Kind: "Boolean", Value: "true", Line: 1, Column: 34},
			{Clause: "WHERE", Expression: `payload.temp > 80 && segments[1] == "a"`, Kind: "Boolean", Value: "true", Line: 1, Column: 19},
			{Clause: "SELECT", Expression: "payload.temp", Kind: "Int", Value: "81", Line: 1, Column: 13},
			{Clause: "SELECT", Expression: "{t: payload.temp}", Kind: "Object", Value: `{"t":81}`, Line: 1, Column: 1},
		}, tr.Steps)

		tr = by["fails"]
		require.Error(t, tr.Err)
		require.Equal(t, "the evaluation failed: "+tr.Err.Error(), tr.Reason)
		require.Equal(t, "Error", tr.Steps[1].Kind)

		list, err = r.Trace(ctx, &actions.Message{Topic: "$aws/rules/direct/x", Payload: []byte(`{}`)}, "direct", "cold")
		require.NoError(t, err)
		require.True(t, list[0].Passed)
		require.Equal(t, `the topic is one of Basic Ingest for the rule "direct"`, list[1].Reason)
		list, err = r.Trace(ctx, &actions.Message{Topic: "dt/a", Hops: 9}, "cold")
		require.NoError(t, err)
		require.Equal(t, "the message has 9 hops, at most 8 are allowed", list[0].Reason)
		_, err = r.Trace(ctx, m, "unknown")
		require.ErrorIs(t, err, rules.ErrNotFound)

		synctest.Wait()
		require.Empty(t, h.sent(), "nothing runs")
		require.Empty(t, rec.Events())
		require.Zero(t, r.metrics("passes").Matched, "and nothing is counted")
	})
}

func TestTraceOfABrokenRule(t *testing.T) {
	t.Parallel()
	store := rules.NewMemory()
	s, err := rules.New(rules.Config{Store: store, Externals: sql.Externals{Secrets: &secrets{}}})
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), rules.Rule{Name: "r", SQL: "SELECT get_secret('a','SecretString','r') AS s FROM 'a'"}))
	s, err = rules.New(rules.Config{Store: store, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	list, err := s.Trace(t.Context(), &actions.Message{Topic: "a"})
	require.NoError(t, err)
	require.Contains(t, list[0].Reason, "the rule cannot work any more: rules: sql: ")
}

// lambda answers every call with its input.
type lambda struct{ err error }

func (l lambda) InvokeLambda(_ context.Context, _ string, input []byte) ([]byte, error) {
	return input, l.err
}

func TestTry(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := rules.New(rules.Config{Functions: map[string]sql.Function{"boom": {Call: func(context.Context, [][]byte) ([]byte, error) { panic("boom") }}}})
	require.NoError(t, err)
	m := &actions.Message{Topic: "a/b", Payload: []byte(`{"x":1}`), TraceID: actions.NamedTraceID("t"), Protocol: actions.ProtocolMQTT}
	rule := rules.Rule{SQL: "SELECT aws_lambda('f', {'in': x}).in AS y, accountid() AS a, traceid() AS t FROM 'a/+'"}
	_, err = s.Try(ctx, rule, m, rules.TryOptions{})
	require.ErrorIs(t, err, rules.ErrSQL, "without the service's externals there are none")
	o := rules.TryOptions{Externals: &sql.Externals{Lambda: lambda{}}, Account: "1", Templates: []string{"${topic(2)}-${x}", "${nope}"}}
	tr, err := s.Try(ctx, rule, m, o)
	require.NoError(t, err)
	require.Equal(t, `{"y":1,"a":"1","t":"t"}`, string(tr.Output))
	require.Equal(t, []rules.Rendered{{Template: "${topic(2)}-${x}", Text: "b-1"}, {Template: "${nope}", Undefined: true}}, tr.Texts)

	o.Externals = &sql.Externals{Lambda: lambda{errors.New("down")}}
	tr, err = s.Try(ctx, rule, m, o)
	require.NoError(t, err)
	require.ErrorIs(t, tr.Err, sql.ErrCall)
	require.Empty(t, tr.Output)

	_, err = s.Try(ctx, rules.Rule{SQL: "SELECT * FROM 'a/+'"}, m, rules.TryOptions{Templates: []string{"ok", "${"}})
	require.ErrorIs(t, err, rules.ErrSQL)
	require.ErrorContains(t, err, "rules: templates[1]: ")
	_, err = s.Try(ctx, rules.Rule{Name: "a-b", SQL: "SELECT * FROM 'a/+'"}, m, rules.TryOptions{})
	require.ErrorIs(t, err, rules.ErrInvalid)

	tr, err = s.Try(ctx, rules.Rule{Name: "r", SQL: "SELECT * FROM 'a/+'"}, &actions.Message{Topic: "$aws/rules/r/a/b"}, rules.TryOptions{})
	require.NoError(t, err)
	require.True(t, tr.Passed)
	tr, err = s.Try(ctx, rules.Rule{SQL: "SELECT boom() AS b FROM 'a/+'"}, m, rules.TryOptions{})
	require.NoError(t, err)
	require.ErrorContains(t, tr.Err, "boom")
	require.Empty(t, s.Metrics().Rules)
}

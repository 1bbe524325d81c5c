package rules_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

// What in a rule can never yield a value is told to who puts it, reads it or tries it.
func TestWarnings(t *testing.T) {
	t.Parallel()
	store := rules.NewMemory()
	p := &publisher{}
	r := idle(t, rules.Config{Store: store, Publisher: p})
	rule := rules.Rule{
		Name: "r", SQL: "SELECT parse_time('Q', 1) AS t FROM 'a'", Actions: []actions.Action{actions.Republish{Topic: "b/${regexp_matches(a, '[')}"}},
		ErrorAction: actions.Republish{Topic: "c", Headers: &actions.MQTTHeaders{ContentType: "${parse_time('QQ', 1)}"}},
	}
	r.put(rule)
	where := []string{"sql", "actions[0].republish.topic", "errorAction.republish.headers.contentType"}
	check := func(list []*rules.Error) {
		t.Helper()
		require.Len(t, list, len(where))
		for i, w := range list {
			require.Equal(t, where[i], w.Field)
			require.ErrorIs(t, w, rules.ErrSQL)
			var at *sql.Error
			require.ErrorAs(t, w, &at)
			require.Positive(t, at.Column)
		}
	}
	got, err := r.Get(t.Context(), "r")
	require.NoError(t, err)
	check(got.Warnings)
	require.Len(t, r.log.with("WARN rules: a part of a rule can never yield a value rule=r where="), len(where))
	require.Len(t, r.log.with("where=sql: line 1, column 19: parse_time is Undefined: "), 1)

	// Who puts what he got, or reads the store again, has them once.
	require.NoError(t, r.Put(t.Context(), got))
	again, err := rules.New(rules.Config{Store: store, Publisher: p})
	require.NoError(t, err)
	for rule, err := range again.List(t.Context()) {
		require.NoError(t, err)
		check(rule.Warnings)
	}
	traces, err := again.Trace(t.Context(), &actions.Message{Topic: "a"})
	require.NoError(t, err)
	check(traces[0].Warnings)
	where = append(where, "templates[1]")
	tr, err := again.Try(t.Context(), rule, &actions.Message{Topic: "a"}, rules.TryOptions{Templates: []string{"x", "${regexp_matches(a, '(')}"}})
	require.NoError(t, err)
	check(tr.Warnings)

	r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'"})
	got, err = r.Get(t.Context(), "r")
	require.NoError(t, err)
	require.Empty(t, got.Warnings)
}

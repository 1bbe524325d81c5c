package rules_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

// A statement may compute values in the other language.
func TestExprInSQL(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{ExprMemory: 1000})
	require.NoError(t, err)
	m := &actions.Message{Topic: "a/b", ClientID: "c", Payload: []byte(`{"list":[1,5,9],"n":2}`)}
	for _, c := range []struct{ sql, want string }{
		{`SELECT expr('filter(payload.list, # > payload.n)') AS big, expr('segments[1]') AS second FROM 'a/+'`, `{"big":[5,9],"second":"b"}`},
		{`SELECT expr('sum(payload.list) + 0.5') + n AS s FROM 'a/+' WHERE expr('len(payload.list) == 3')`, `{"s":17.5}`},
		{`SELECT expr('payload.none.x') AS x, expr('nil') AS y, expr('map(1..100000, 1)') AS z FROM 'a/+'`, `{}`},
	} {
		got, err := s.Try(t.Context(), rules.Rule{SQL: c.sql}, m, rules.TryOptions{})
		require.NoError(t, err)
		require.NoError(t, got.Err)
		require.JSONEq(t, c.want, string(got.Output), c.sql)
	}
	for text, want := range map[string]string{
		`SELECT expr('payload +') AS x FROM 'a'`: `line 1, column 13: expr: line 1, column`,
		`SELECT expr('nope') AS x FROM 'a'`:      `unknown name nope`,
		`SELECT expr(n) AS x FROM 'a'`:           `argument 1 of expr must be a constant text`,
	} {
		_, err := s.Try(t.Context(), rules.Rule{SQL: text}, m, rules.TryOptions{})
		require.ErrorIs(t, err, rules.ErrSQL)
		require.ErrorContains(t, err, want)
		require.ErrorAs(t, err, new(*sql.Error))
	}
	_, err = sql.Compile(`SELECT expr('1') AS x FROM 'a'`, sql.Options{})
	require.ErrorContains(t, err, "expr is not possible here")
}

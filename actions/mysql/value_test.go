package mysql_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/mysql"
	"github.com/thinghub/thinghub/internal/sqltext"
)

// MySQL has a type JSON, which MariaDB has not.
func TestJSONColumn(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]any{
		`"it's <a> \"\\ é"`: `"it's <a> \"\\ é"`,
		`1.50`:              "1.50",
		`true`:              "true",
		`{"a": [1]}`:        `{"a": [1]}`,
		`null`:              nil,
	} {
		v, err := sqltext.Read(value)
		require.NoError(t, err)
		got, err := mysql.Encode("JSON", v)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := mysql.Encode("JSON", sqltext.Value{Kind: sqltext.Raw, Text: `{"a":1}`})
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, got)
}

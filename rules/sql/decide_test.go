package sql_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// TestNumbers has what the vectors do not say about numbers.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, v2016, v2015 string }{
		{`7 / 2`, `3`, `3`},
		{`-7 / 2`, `-3`, `-3`},
		{`7 / 2.0`, `3.5`, `3.5`},
		{`1.5 * 2`, `3`, `3.0`},
		{`1.5 * 2 / 2`, `1.5`, `1.5`},
		{`'7' / 2`, `3.5`, `3.5`},
		{`1 / 3.0`, `0.3333333333333333333333333333333333`, `0.3333333333333333333333333333333333`},
		{`ten`, `10`, `10.0`},
		{`hundred`, `100`, `1e2`},
		{`trailing`, `2.50`, `2.50`},
		{`long`, `12345678901234567890123456789012345678`, `12345678901234567890123456789012345678`},
		{`long * 10`, `1.234567890123456789012345678901235E+38`, `1.234567890123456789012345678901235E+38`},
		{`vast`, `1e5000`, `1e5000`},
		{`vast + 1`, ``, ``},
		{`vast = 1`, `false`, `false`},
		{`abs(vast)`, ``, ``},
		{`9223372036854775807 + 1`, `9223372036854775808`, `9223372036854775808`},
		{`-9223372036854775808 - 1`, `-9223372036854775809`, `-9223372036854775809`},
		{`9007199254740993 * 3`, `27021597764222979`, `27021597764222979`},
		{`1 / 0`, ``, ``},
		{`1.5 % 0`, ``, ``},
		{`0.1 + 0.2`, `0.3`, `0.3`},
		{`cast(2.9 AS Int)`, `2`, `2`},
		{`cast(-2.1 AS Int)`, `-3`, `-3`},
		{`cast('x' AS Double)`, ``, ``},
		{`cast(0.1 AS Double) + 0.2`, `0.3`, `0.3`},
		{`-'5'`, `-5`, `-5`},
		{`1e3`, `1000`, `1E+3`},
		{`0.0000001`, `1E-7`, `1E-7`},
		{`sqrt(16)`, `4`, `4`},
		{`power(2, 0.5)`, `1.4142135623730951`, `1.4142135623730951`},
	} {
		for version, want := range map[sql.Version]string{sql.V2016: c.v2016, sql.V2015: c.v2015} {
			t.Run(c.expr+" "+string(version), func(t *testing.T) {
				t.Parallel()
				s, err := sql.Compile("SELECT VALUE "+c.expr+" FROM '#'", sql.Options{Version: version})
				require.NoError(t, err)
				r, err := s.Evaluate(t.Context(), &actions.Message{Topic: "a", Payload: []byte(
					`{"ten":10.0,"hundred":1e2,"trailing":2.50,"long":12345678901234567890123456789012345678,"vast":1e5000}`)})
				require.NoError(t, err)
				require.Equal(t, want, string(r.Output))
			})
		}
	}
}

package index_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry/index"
)

// FuzzParse: nothing panics, a mistake is inside of the query, and what is read can be
// written and read again and means the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"*", "a:b", `a:"b c" AND -d:[1 TO *}`, "a:(b OR c*) NOT d>=1", `\:a:\*`, "((", "a:?", `"\"`, "f > -1.5e3 g : {a TO \"b\"]", "-5 --a",
	} {
		f.Add(s)
	}
	x, err := index.New(index.Schema{})
	require.NoError(f, err)
	var d index.Document
	d.AddString("a", "b c")
	d.AddNumber("d", 1)
	d.AddBool("f", true)
	x.Put("doc", index.Part{"", &d})
	f.Fuzz(func(t *testing.T, s string) {
		q, err := index.Parse(s)
		if err != nil {
			require.ErrorIs(t, err, index.ErrInvalidQuery)
			var e *index.SyntaxError
			require.ErrorAs(t, err, &e)
			require.LessOrEqual(t, e.Offset, len(s))
			require.NotEmpty(t, e.Expected)
			return
		}
		again, err := index.Parse(q.String())
		if err != nil { // escapes made it too long
			require.ErrorContains(t, err, "expected at most 1000")
			return
		}
		require.Equal(t, q, again, "%q became %q", s, q.String())
		require.Equal(t, x.Match(q, "doc"), x.Match(again, "doc"))
		if x.Schema().Check(q) == nil {
			n, err := x.Count(q)
			require.NoError(t, err)
			require.Equal(t, n == 1, x.Match(q, "doc"))
		}
	})
}

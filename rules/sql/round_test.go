package sql

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/decimal"
)

// TestRounded compares rounding in int64 with that of exact numbers.
func TestRounded(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 8000 {
		n := int64(r.Uint64()) >> r.IntN(64)
		if i%3 == 0 {
			n = n / 10 * 10
		}
		switch i {
		case 0:
			n = math.MaxInt64
		case 1:
			n = math.MinInt64
		}
		exp := int32(r.IntN(26) - 22)
		if i%4 == 0 { // a half
			n, exp = 5*(2*(n%1e15)+1), -1
		}
		for _, way := range []decimal.Rounding{decimal.Down, decimal.Floor, decimal.Ceil, decimal.HalfUp} {
			v := Value{kind: Decimal, n: n, exp: exp}
			got := rounded(v, way)
			want := decimal.New(n, int(exp)).Round(0, way)
			require.Zero(t, want.Cmp(got.decimal()), "%d e %d, %d", n, exp, way)
			if w, ok := want.Whole(); ok {
				require.Equal(t, Int, got.kind)
				require.Equal(t, w.String(), string(got.appendJSON(nil)))
			}
		}
	}
}

package mysql_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, newRig := range map[string]func(tb testing.TB) sinktest.Rig{"table": tableRig, "statement": statementRig} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinktest.Run(t, newRig)
		})
	}
}

func BenchmarkThroughput(b *testing.B) {
	b.Run("table", func(b *testing.B) { sinktest.Bench(b, tableRig) })
	b.Run("statement", func(b *testing.B) { sinktest.Bench(b, statementRig) })
}

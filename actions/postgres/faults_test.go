package postgres_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, newRig := range map[string]func(tb testing.TB) sinktest.Rig{
		"insert": insertRig, "copy": copyRig, "statement": statementRig,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinktest.Run(t, newRig)
		})
	}
}

func BenchmarkThroughput(b *testing.B) {
	b.Run("insert", func(b *testing.B) { sinktest.Bench(b, insertRig) })
	b.Run("copy", func(b *testing.B) { sinktest.Bench(b, copyRig) })
	b.Run("statement", func(b *testing.B) { sinktest.Bench(b, statementRig) })
}

//go:build soak

package redis_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestSoakFaults(t *testing.T) {
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		sinktest.Soak(t, func(tb testing.TB) sinktest.Rig { return rig(tb, 0) })
	})
	t.Run("once", func(t *testing.T) {
		t.Parallel()
		sinktest.Soak(t, func(tb testing.TB) sinktest.Rig { return rig(tb, 600) })
	})
}

//go:build soak

package nats_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestSoakFaults(t *testing.T) {
	t.Run("core", func(t *testing.T) {
		t.Parallel()
		sinktest.Soak(t, coreRig)
	})
	t.Run("jetstream", func(t *testing.T) {
		t.Parallel()
		sinktest.Soak(t, func(tb testing.TB) sinktest.Rig { return rig(tb, false) })
	})
	t.Run("atomic", func(t *testing.T) {
		t.Parallel()
		sinktest.Soak(t, func(tb testing.TB) sinktest.Rig { return rig(tb, true) })
	})
}

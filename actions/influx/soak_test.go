//go:build soak

package influx_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestSoakFaults(t *testing.T) {
	t.Parallel()
	for name, c := range counterparts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinktest.Soak(t, c.rig)
		})
	}
}

//go:build soak

package mqtt_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestSoakFaults(t *testing.T) {
	t.Parallel()
	sinktest.Soak(t, rig(1))
}

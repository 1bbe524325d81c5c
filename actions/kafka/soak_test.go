//go:build soak

package kafka

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestSoakFaults(t *testing.T) { sinktest.Soak(t, rig) }

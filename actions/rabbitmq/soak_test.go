//go:build soak

package rabbitmq

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestSoakFaults(t *testing.T) { sinktest.Soak(t, ordered) }

//go:build soak

package search_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestSoakFaults(t *testing.T) { sinktest.Soak(t, rig) }

// The proxy answers 503 here, which is about requests as a whole.
func TestSoakFaultsOfRequests(t *testing.T) {
	sinktest.Soak(t, func(tb testing.TB) sinktest.Rig {
		r := rig(tb)
		r.Break, r.HTTP = nil, true
		return r
	})
}

//go:build soak

package broker_test

import "testing"

// TestSoakBroker is the tests that do more of the same under `make soak`; see
// soaking.
func TestSoakBroker(t *testing.T) {
	t.Run("churn", TestHostile_Churn)
	t.Run("start and stop", TestServer_StartStop)
	t.Run("take-over storm", TestHostile_TakeOverStorm)
	t.Run("all at once", TestServer_AllAtOnce)
}

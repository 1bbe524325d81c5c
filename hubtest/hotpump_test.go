package hubtest_test

import "testing"

// TestExample runs the test that the package example shows.
func TestExample(t *testing.T) {
	t.Parallel()
	testHotPump(t)
}

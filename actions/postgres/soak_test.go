//go:build soak

package postgres_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestSoakFaults(t *testing.T) {
	t.Run("insert", func(t *testing.T) { sinktest.Soak(t, insertRig) })
	t.Run("copy", func(t *testing.T) { sinktest.Soak(t, copyRig) })
}

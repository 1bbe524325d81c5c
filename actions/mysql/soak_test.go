//go:build soak

package mysql_test

import (
	"testing"

	"github.com/thinghub/thinghub/actions/sinktest"
)

func TestSoakFaults(t *testing.T) { sinktest.Soak(t, tableRig) }

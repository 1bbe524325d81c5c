package shadow_test

import (
	"testing"

	"github.com/thinghub/thinghub/shadow"
	"github.com/thinghub/thinghub/shadow/shadowtest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	shadowtest.TestStore(t, func(*testing.T) shadow.Store { return shadow.NewMemory() })
}

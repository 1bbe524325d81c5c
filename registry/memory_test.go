package registry_test

import (
	"testing"

	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/registry/registrytest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	registrytest.TestRegistry(t, func(*testing.T) registry.Registry { return registry.NewMemory() })
}

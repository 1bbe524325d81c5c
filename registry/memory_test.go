package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/registry/registrytest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	registrytest.TestRegistry(t, func(*testing.T) registry.Registry { return registry.NewMemory() })
}

// A slow store may wait.
type slow struct{ registry.Registry }

func TestImmediate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		store registry.Registry
		want  bool
	}{{nil, true}, {registry.NewMemory(), true}, {slow{registry.NewMemory()}, false}} {
		s, err := registry.New(registry.Config{Store: c.store})
		require.NoError(t, err)
		require.Equal(t, c.want, s.Immediate())
	}
}

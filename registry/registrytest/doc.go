// Package registrytest checks implementations of [registry.Registry]: ours, and
// those of whoever writes a store.
//
//	func TestStore(t *testing.T) {
//		registrytest.TestRegistry(t, func(t *testing.T) registry.Registry { return mystore.Open(t.TempDir()) })
//	}
package registrytest

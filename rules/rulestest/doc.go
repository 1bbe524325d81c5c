// Package rulestest checks implementations of [rules.Store]: ours, and those of whoever
// writes a store.
//
//	func TestStore(t *testing.T) {
//		rulestest.TestStore(t, func(t *testing.T) rules.Store { return mystore.Open(t.TempDir()) })
//	}
package rulestest

// Package brokertest is for those who write a [broker.RetainedStore] or a
// [broker.Broker] of their own: one call runs everything the hub relies on.
//
//	func TestStore(t *testing.T) {
//		brokertest.TestRetainedStore(t, func(t *testing.T) broker.RetainedStore { return mystore.Open(t.TempDir()) })
//	}
package brokertest

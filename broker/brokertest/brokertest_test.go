package brokertest_test

import (
	"testing"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/broker/brokertest"
)

func TestMemoryRetained(t *testing.T) {
	t.Parallel()
	brokertest.TestRetainedStore(t, func(*testing.T) broker.RetainedStore { return broker.NewMemoryRetained(0, 0) })
}

func TestMemory(t *testing.T) {
	t.Parallel()
	brokertest.TestBroker(t, func(*testing.T, int) []broker.Broker { return []broker.Broker{broker.NewMemory()} })
}

package brokertest_test

import (
	"context"
	"sync"
	"testing"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/broker/brokertest"
	"github.com/thinghub/thinghub/internal/topic"
)

// linked is a Broker that joins several hubs of one process, as an outside one would
// join processes: only what a hub subscribed to is brought to it.
type linked struct {
	bus     *bus
	running chan struct{} // closed when Run has begun

	mu      sync.Mutex
	filters map[string]bool
	deliver func(string, *broker.Message)
}

type bus struct{ hubs []*linked }

func link(n int) []broker.Broker {
	b := &bus{}
	var out []broker.Broker
	for range n {
		l := &linked{bus: b, running: make(chan struct{}), filters: map[string]bool{}}
		b.hubs = append(b.hubs, l)
		out = append(out, l)
	}
	return out
}

func (l *linked) Publish(ctx context.Context, m *broker.Message) error {
	for _, h := range l.bus.hubs {
		select {
		case <-h.running:
		case <-ctx.Done():
			return ctx.Err()
		}
		h.mu.Lock()
		wanted := false
		for f := range h.filters {
			wanted = wanted || topic.Match(f, m.Topic)
		}
		deliver := h.deliver
		h.mu.Unlock()
		if wanted {
			deliver("", m.Clone())
		}
	}
	return nil
}

func (l *linked) Subscribe(_ context.Context, filter, _ string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.filters[filter] = true
	return nil
}

func (l *linked) Unsubscribe(_ context.Context, filter, _ string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.filters, filter)
	return nil
}

func (l *linked) Run(ctx context.Context, deliver func(string, *broker.Message)) error {
	l.mu.Lock()
	l.deliver = deliver
	l.mu.Unlock()
	close(l.running)
	<-ctx.Done()
	return nil
}

func TestLinkedHubs(t *testing.T) {
	t.Parallel()
	brokertest.TestBroker(t, func(_ *testing.T, n int) []broker.Broker { return link(n) })
}

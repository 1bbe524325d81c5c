package broker

import (
	"context"
	"sync"
)

// interest tells the Broker which filters this hub wants: once per filter and
// group, however many clients want it. Calls are made under its lock, so that the
// end of one subscription and the begin of the next arrive in that order. The
// default Broker wants everything and needs none of this.
type interest struct {
	broker Broker // nil for the default
	mu     sync.Mutex
	wanted map[shareKey]int
}

func (n *interest) add(ctx context.Context, filter, group string) error {
	if n.broker == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	k := shareKey{group, filter}
	if n.wanted[k] == 0 {
		if err := n.broker.Subscribe(ctx, filter, group); err != nil {
			return err
		}
	}
	if n.wanted == nil {
		n.wanted = map[shareKey]int{}
	}
	n.wanted[k]++
	return nil
}

func (n *interest) remove(ctx context.Context, filter, group string) {
	if n.broker == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	k := shareKey{group, filter}
	if n.wanted[k]--; n.wanted[k] == 0 {
		delete(n.wanted, k)
		_ = n.broker.Unsubscribe(ctx, filter, group) // a filter too many costs traffic, not correctness
	}
}

package broker

import (
	"context"
	"sync"
)

// interest tells the Broker which filters this hub wants: once per filter and
// group, however many clients want it. The Broker is told about one filter by one
// goroutine at a time, so that the end of one subscription and the begin of the next
// arrive in that order; filters do not wait for each other. The default Broker wants
// everything and needs none of this.
type interest struct {
	broker Broker // nil for the default
	mu     sync.Mutex
	wanted map[shareKey]*want
}

// A want is one filter. It is in the table while somebody holds it: a subscription,
// or a goroutine that is about to change it.
type want struct {
	holders int        // guarded by interest.mu
	mu      sync.Mutex // held while the Broker is told
	subs    int        // subscriptions, guarded by mu
}

func (n *interest) hold(k shareKey) *want {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.wanted[k]
	if w == nil {
		if n.wanted == nil {
			n.wanted = map[shareKey]*want{}
		}
		w = &want{}
		n.wanted[k] = w
	}
	w.holders++
	return w
}

func (n *interest) letGo(k shareKey, w *want, times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.holders -= times; w.holders == 0 {
		delete(n.wanted, k)
	}
}

func (n *interest) add(ctx context.Context, filter, group string) error {
	if n.broker == nil {
		return nil
	}
	k := shareKey{group, filter}
	w := n.hold(k)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.subs == 0 {
		if err := n.broker.Subscribe(ctx, filter, group); err != nil {
			n.letGo(k, w, 1)
			return err
		}
	}
	w.subs++ // which holds it from now on
	return nil
}

func (n *interest) remove(ctx context.Context, filter, group string) {
	if n.broker == nil {
		return
	}
	k := shareKey{group, filter}
	w := n.hold(k)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.subs--; w.subs == 0 {
		_ = n.broker.Unsubscribe(ctx, filter, group) // a filter too many costs traffic, not correctness
	}
	n.letGo(k, w, 2)
}

package broker

import (
	"context"
	"sync"
)

// interest tells the Broker which filters this hub wants: once per filter and
// group, however many clients want it. What concerns one filter and group is told in
// order, so that the end of one subscription and the begin of the next arrive as
// such; others do not wait for it. The default Broker wants everything and needs none
// of this.
type interest struct {
	broker Broker // nil for the default
	mu     sync.Mutex
	wishes map[shareKey]*wish
}

// A wish is a filter and group that somebody wants, or asks the Broker for.
type wish struct {
	turn    chan struct{} // holds one while somebody tells the Broker
	told    int           // of how many the Broker was told; belongs to the turn
	holders int           // those and who waits for the turn; guarded by interest.mu
}

// add wants a filter. Its error is the Broker's, or ctx's while others tell the
// Broker about the same filter. Without an error, remove has to follow.
func (n *interest) add(ctx context.Context, filter, group string) error {
	if n.broker == nil {
		return nil
	}
	k := shareKey{group, filter}
	n.mu.Lock()
	w := n.wishes[k]
	if w == nil {
		if n.wishes == nil {
			n.wishes = map[shareKey]*wish{}
		}
		w = &wish{turn: make(chan struct{}, 1)}
		n.wishes[k] = w
	}
	w.holders++
	n.mu.Unlock()
	wanted := false
	if err := w.take(ctx); err != nil {
		n.let(k, w)
		return err
	}
	defer func() { // also when the Broker panics
		<-w.turn
		if !wanted {
			n.let(k, w)
		}
	}()
	if w.told == 0 {
		if err := n.broker.Subscribe(ctx, filter, group); err != nil {
			return err
		}
	}
	w.told++
	wanted = true
	return nil
}

// remove takes back an add. When ctx ends while others tell the Broker about the same
// filter, it is not told any more: ctx is the server's.
func (n *interest) remove(ctx context.Context, filter, group string) {
	if n.broker == nil {
		return
	}
	k := shareKey{group, filter}
	n.mu.Lock()
	w := n.wishes[k]
	n.mu.Unlock()
	defer n.let(k, w)
	if w.take(ctx) != nil {
		return
	}
	defer func() { <-w.turn }()
	if w.told--; w.told == 0 {
		_ = n.broker.Unsubscribe(ctx, filter, group) // a filter too many costs traffic, not correctness
	}
}

// let ends the holding of a wish.
func (n *interest) let(k shareKey, w *wish) {
	n.mu.Lock()
	if w.holders--; w.holders == 0 {
		delete(n.wishes, k)
	}
	n.mu.Unlock()
}

// take waits for the turn to tell the Broker.
func (w *wish) take(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}: // also when ctx has ended
		return nil
	default:
	}
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unwish takes back interest.add.
func (s *Server) unwish(filter, group string) {
	s.shield("the Broker", func() { s.interest.remove(s.ctx, filter, group) })
}

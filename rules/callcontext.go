package rules

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// A callContext is the context of calls of an action, one after the other: with the hops
// of what the action publishes, with a deadline for each call, and ended when a call has
// returned. Most actions never look at theirs. As soon as one does, the context belongs
// to that call alone, and from then on it behaves as one that context.WithTimeout made;
// but its timer is not made before somebody asks for Done.
type callContext struct {
	base    context.Context // of the worker
	parent  context.Context // has the hops too
	hops    uint8
	timeout time.Duration
	taken   atomic.Bool // somebody looked at it

	mu       sync.Mutex
	live     bool      // a call is under way
	began    time.Time // when it began, zero if nobody looked at the clock then
	deadline time.Time // if taken
	done     chan struct{}
	err      error
	timer    *time.Timer
	detach   func() bool
}

// newCallContext makes a context for calls on messages of so many hops.
func newCallContext(base context.Context, hops uint8, timeout time.Duration) *callContext {
	return &callContext{base: base, parent: actions.WithHops(base, hops+min(1, 255-hops)), hops: hops, timeout: timeout}
}

// fits reports that the context can be used for another call.
func (c *callContext) fits(base context.Context, hops uint8, timeout time.Duration) bool {
	return c != nil && !c.taken.Load() && c.base == base && c.hops == hops && c.timeout == timeout
}

// begin makes the context that of a call, or of a few calls if nobody looks at it.
func (c *callContext) begin(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live, c.began = true, now
}

// end notes that the call has returned.
func (c *callContext) end() {
	c.mu.Lock()
	c.live = false
	if c.taken.Load() {
		c.cancelLocked(context.Canceled)
	}
	timer, detach := c.timer, c.detach
	c.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	if detach != nil {
		detach()
	}
}

// take makes the context that of the present call alone. The caller holds c.mu.
func (c *callContext) take() {
	if c.taken.Load() {
		return
	}
	c.taken.Store(true)
	if c.began.IsZero() {
		c.began = time.Now()
	}
	c.deadline = c.began.Add(c.timeout)
	if !c.live {
		c.err = context.Canceled // whoever looks has kept it for too long
	}
}

// Deadline implements [context.Context].
func (c *callContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take()
	return c.deadline, true
}

// Value implements [context.Context].
func (c *callContext) Value(key any) any { return c.parent.Value(key) }

// Done implements [context.Context].
func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
			return c.done
		}
		c.timer = time.AfterFunc(time.Until(c.deadline), func() { c.cancel(context.DeadlineExceeded) })
		c.detach = context.AfterFunc(c.parent, func() { c.cancel(c.parent.Err()) })
	}
	return c.done
}

// Err implements [context.Context].
func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take()
	switch {
	case c.err != nil || c.done != nil:
	case c.parent.Err() != nil:
		c.cancelLocked(c.parent.Err())
	case !time.Now().Before(c.deadline):
		c.cancelLocked(context.DeadlineExceeded)
	}
	return c.err
}

func (c *callContext) cancel(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelLocked(err)
}

// cancelLocked ends the context, once.
func (c *callContext) cancelLocked(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
}

package rules

import (
	"context"
	"errors"
	"sync"
)

// A crew is the goroutines that [Service.Run] owns. What is to be done while nobody runs
// waits until somebody does.
type crew struct {
	mu     sync.Mutex
	shift  *shift // nil while nobody runs
	parked []*task
	done   chan struct{} // of the Run that is under way: closed when it ends
}

// A shift is the goroutines of one Run.
type shift struct {
	ctx context.Context
	wg  sync.WaitGroup
}

// A task is something to be done on a goroutine of its own, again and again, but not
// twice at once. Starting it allocates nothing.
type task struct {
	shift *shift
	start func()
}

// init says what is to be done. The context ends when Run does; a task that is not done
// by then gives itself to crew.do again, as the last thing it does.
func (t *task) init(do func(context.Context)) {
	t.start = func() {
		s := t.shift
		defer s.wg.Done()
		do(s.ctx)
	}
}

// do does a task.
func (c *crew) do(t *task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shift == nil {
		c.parked = append(c.parked, t)
		return
	}
	c.begin(t)
}

// begin needs c.mu, and somebody who runs.
func (c *crew) begin(t *task) {
	t.shift = c.shift
	t.shift.wg.Add(1)
	go t.start()
}

// once does something once.
func (c *crew) once(do func(context.Context)) {
	t := &task{}
	t.init(do)
	c.do(t)
}

// run owns the goroutines until ctx ends or stop is closed.
func (c *crew) run(ctx context.Context, stop <-chan struct{}) error {
	// Tasks get a context that ends after do has begun to park, so that a task that
	// gives up does not start again at once.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	mine := &shift{ctx: work}
	done := make(chan struct{})
	defer close(done)

	c.mu.Lock()
	if c.shift != nil {
		c.mu.Unlock()
		return errors.New("rules: Run is called while it runs")
	}
	select {
	case <-stop: // what is parked is somebody else's now
		c.mu.Unlock()
		return nil
	default:
	}
	c.shift = mine
	for _, t := range c.parked {
		c.begin(t)
	}
	c.parked = nil
	c.done = done
	c.mu.Unlock()

	select {
	case <-ctx.Done():
	case <-stop:
	}
	c.mu.Lock()
	c.shift = nil
	c.mu.Unlock()
	cancel()
	mine.wg.Wait()
	return nil
}

// running returns a channel that is closed when the present Run has ended.
func (c *crew) running() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	return c.done
}

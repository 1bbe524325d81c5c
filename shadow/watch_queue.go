package shadow

import (
	"context"
	"sync"
)

// A watch is one loop over changes: what waits for it, in the order in which it came.
type watch struct {
	filter Filter
	things pattern
	wake   chan struct{} // of capacity 1: something waits

	mu       sync.Mutex
	queue    []*waiting
	head     int // the first one that waits
	n        int // how many wait
	err      error
	starting bool
	// last is the newest change of each shadow that waits. It is there while changes
	// may have to be joined or taken back.
	last map[Key]*waiting
}

// A waiting is a change that waits. Others may hold the change too, unless own is set.
type waiting struct {
	change *Change // nil once it was taken
	own    bool
	before *waiting // an older one of the same shadow, perhaps taken
}

func newWatch(f Filter) *watch {
	w := &watch{filter: f, things: patternOf(f.Thing), wake: make(chan struct{}, 1)}
	if f.Thing == "" {
		w.things = patternOf("*")
	}
	if f.After != nil || f.Current {
		w.starting, w.last = true, make(map[Key]*waiting)
	}
	return w
}

// covers reports whether the watch is about a shadow.
func (w *watch) covers(k Key) bool { return w.things.fits(k.Thing) && w.filter.named(k.Name) }

// put adds a change. It never waits.
func (w *watch) put(c *Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if w.n >= w.filter.Buffer {
		w.index()
		if last := w.last[c.Key]; last != nil {
			last.join(c)
			return
		}
		if w.n >= w.filter.Limit {
			w.err = ErrLagged
			w.signal()
			return
		}
	}
	e := &waiting{change: c}
	if w.last != nil {
		e.before = w.last[c.Key]
		w.last[c.Key] = e
	}
	w.queue = append(w.queue, e)
	w.n++
	w.signal()
}

// index makes w.last.
func (w *watch) index() {
	if w.last != nil {
		return
	}
	w.last = make(map[Key]*waiting)
	for _, e := range w.queue[w.head:] {
		if e.change != nil {
			e.before = w.last[e.change.Key]
			w.last[e.change.Key] = e
		}
	}
}

// join makes one change of two.
func (e *waiting) join(c *Change) {
	if !e.own {
		both := *e.change
		e.change, e.own = &both, true
	}
	was := e.change
	was.Missed += 1 + c.Missed
	was.Kind, was.By, was.Current, was.Delta, was.Time = c.Kind, c.By, c.Current, c.Delta, c.Time
}

func (w *watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest change and waits for one if there is none. What waits when done
// is closed comes before the error.
func (w *watch) next(ctx context.Context, done <-chan struct{}) (*Change, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if c, err := w.take(); c != nil || err != nil {
			return c, err
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
		case <-done:
			if c, err := w.take(); c != nil || err != nil {
				return c, err
			}
			return nil, ErrClosed
		}
	}
}

// take takes the oldest change, or the error if there is none.
func (w *watch) take() (*Change, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.head < len(w.queue) {
		e := w.queue[w.head]
		w.queue[w.head] = nil
		w.head++
		c := e.change
		e.change, e.before = nil, nil
		if c == nil {
			continue
		}
		w.n--
		if w.last[c.Key] == e {
			delete(w.last, c.Key)
		}
		w.tidy()
		return c, nil
	}
	w.tidy()
	return nil, w.err
}

// tidy gives back what the queue no longer needs.
func (w *watch) tidy() {
	switch left := len(w.queue) - w.head; {
	case left == 0:
		w.queue, w.head = w.queue[:0], 0
		if cap(w.queue) > 1024 {
			w.queue = nil
		}
	case w.head >= 64 && w.head > left: // half of it was taken
		moved := copy(w.queue, w.queue[w.head:])
		clear(w.queue[moved:])
		w.queue, w.head = w.queue[:moved], 0
	}
	if !w.starting && w.n <= w.filter.Buffer/2 {
		w.last = nil
	}
}

// forget takes back the changes of a shadow that wait: the caller, who holds the
// shadow's lock, has read the document that came of them.
func (w *watch) forget(k Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := w.last[k]; e != nil; e = e.before {
		if e.change != nil {
			e.change = nil
			w.n--
		}
	}
	delete(w.last, k)
}

// started says that forget will not be called any more.
func (w *watch) started() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starting = false
	w.tidy()
}

package broker

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// timers is one heap of deadlines for all connections and sessions of a server.
// A heap rather than a wheel: nothing ticks while nothing is due, deadlines are
// exact, and a connection's keep alive is touched once per interval, not once per
// packet (the entry is re-armed lazily when it fires).
type timers struct {
	mu    sync.Mutex
	heap  timerHeap
	wake  chan struct{} // buffered 1: the earliest deadline moved forward
	first int64         // the deadline run waits for, guarded by mu
}

// A timed object is told when its deadline came; it is out of the heap by then.
type timed interface {
	node() *timerNode
	due(now int64)
}

// timerNode is embedded in a timed object. Its fields belong to the heap's lock.
type timerNode struct {
	at  int64
	pos int32 // index in the heap plus 1, 0 when not in it
}

func (n *timerNode) node() *timerNode { return n }

type timerHeap []timed

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].node().at < h[j].node().at }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].node().pos, h[j].node().pos = int32(i+1), int32(j+1)
}

func (h *timerHeap) Push(x any) {
	t := x.(timed)
	*h = append(*h, t)
	t.node().pos = int32(len(*h))
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.node().pos = 0
	return t
}

// set arms t for the time at (nanoseconds on the server's clock), moving it if it
// was armed.
func (ts *timers) set(t timed, at int64) {
	ts.mu.Lock()
	n := t.node()
	n.at = at
	if n.pos > 0 {
		heap.Fix(&ts.heap, int(n.pos-1))
	} else {
		heap.Push(&ts.heap, t)
	}
	early := ts.first == 0 || at < ts.first
	ts.mu.Unlock()
	if early {
		select {
		case ts.wake <- struct{}{}:
		default:
		}
	}
}

// stop disarms t. Its due may be running.
func (ts *timers) stop(t timed) {
	ts.mu.Lock()
	if n := t.node(); n.pos > 0 {
		heap.Remove(&ts.heap, int(n.pos-1))
	}
	ts.mu.Unlock()
}

// take removes what is due from the heap and appends it to fired. mu is held.
func (ts *timers) take(now int64, fired []timed) []timed {
	for len(ts.heap) > 0 && ts.heap[0].node().at <= now {
		fired = append(fired, heap.Pop(&ts.heap).(timed))
	}
	return fired
}

// look gives what is due now to fire, beside or without run.
func (ts *timers) look(now int64, fire func(timed, int64)) {
	ts.mu.Lock()
	fired := ts.take(now, nil)
	ts.mu.Unlock()
	for _, t := range fired {
		fire(t, now)
	}
}

// run gives what is due to fire until ctx ends.
func (ts *timers) run(ctx context.Context, clock func() int64, fire func(timed, int64)) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var fired []timed
	for {
		now := clock()
		ts.mu.Lock()
		fired = ts.take(now, fired)
		wait := time.Hour
		ts.first = 0
		if len(ts.heap) > 0 {
			ts.first = ts.heap[0].node().at
			wait = time.Duration(ts.first - now)
		}
		ts.mu.Unlock()
		for i, t := range fired {
			fire(t, now)
			fired[i] = nil
		}
		if len(fired) > 0 {
			fired = fired[:0]
			continue // due may have armed something earlier
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-ts.wake:
		case <-ctx.Done():
			return
		}
	}
}

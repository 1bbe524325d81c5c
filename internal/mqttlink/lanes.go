package mqttlink

import (
	"context"
	"hash/fnv"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// lanes hand messages over: those of one key one after the other.
type lanes struct {
	link    *Link
	all     []lane
	waiting atomic.Int64 // messages with QoS 0
}

type lane struct {
	mu    sync.Mutex
	queue []*arrival
	more  chan struct{} // holds one while there may be something
}

func newLanes(l *Link) *lanes {
	s := &lanes{link: l, all: make([]lane, l.cfg.Lanes)}
	for i := range s.all {
		s.all[i].more = make(chan struct{}, 1)
	}
	return s
}

// push never waits.
func (s *lanes) push(a *arrival) {
	if a.p.QoS == 0 && s.waiting.Add(1) > int64(s.link.cfg.Queue) {
		s.waiting.Add(-1)
		s.link.count.dropped.Add(1)
		return
	}
	h := fnv.New32a()
	_, _ = io.WriteString(h, s.link.cfg.Key(a.p.Topic))
	l := &s.all[h.Sum32()%uint32(len(s.all))]
	l.mu.Lock()
	l.queue = append(l.queue, a)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// run works until ctx ends.
func (s *lanes) run(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range s.all {
		wg.Go(func() { s.work(ctx, &s.all[i]) })
	}
	wg.Wait()
}

func (s *lanes) work(ctx context.Context, l *lane) {
	for {
		l.mu.Lock()
		queue := l.queue
		l.queue = nil
		l.mu.Unlock()
		for i, a := range queue {
			queue[i] = nil
			if ctx.Err() != nil {
				return // what is not acknowledged comes again
			}
			if a.p.QoS == 0 {
				s.waiting.Add(-1)
			}
			s.link.handle(ctx, a)
		}
		if len(queue) > 0 {
			continue
		}
		select {
		case <-l.more:
		case <-ctx.Done():
			return
		}
	}
}

// handle hands one message over and acknowledges it.
func (l *Link) handle(ctx context.Context, a *arrival) {
	due, again := l.session.due(a)
	if again {
		l.count.repeated.Add(1)
		l.session.done(a)
	}
	if !due {
		return
	}
	err := l.call(ctx, a)
	pause := 50 * time.Millisecond
	for try := 1; err != nil && a.p.QoS > 0 && try < l.cfg.Tries; try++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
		err = l.call(ctx, a)
	}
	switch {
	case err == nil:
		l.count.handled.Add(1)
	case ctx.Err() != nil:
		return
	default:
		l.count.failed.Add(1)
		l.cfg.Logger.Warn("mqttlink: a message that came in was not taken", "at", l.where, "topic", a.p.Topic, "err", err)
	}
	l.session.done(a)
}

package broker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxSettling is how much of what may wait Shutdown does at the same time, such as
	// the publishing of wills.
	maxSettling = 64
	// grace is how long after the end of Shutdown's context we wait for those who heed
	// the end of theirs.
	grace = 100 * time.Millisecond
)

// Shutdown ends the server in good order: listeners are closed, MQTT 5 clients get
// DISCONNECT 0x8B, what waits in outboxes is written, and wills are published as
// for every end that the client did not ask for, of several connections at a time. It
// returns when all connections are gone, the host's handlers have what was published
// until then, and every goroutine of the server has ended.
//
// When ctx ends before that, the rest is cut, the contexts that authenticators,
// authorizers, routers, stores and the Broker were given end, and ctx's error is
// returned about 100 ms later, whoever may still be waiting in code of the host's:
// such goroutines are left to it, and Close waits for them.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	conns := s.stopListening()
	err := s.await(ctx, s.aside(func() { dismiss(conns) }), func() bool { return s.openConns() == 0 && s.leaving.Load() == 0 })
	if err == nil {
		err = s.await(ctx, nil, s.drainHosts)
	}
	if err == nil {
		err = s.await(ctx, s.aside(s.stopHosts), func() bool { return true })
	}
	if e := s.end(ctx); err == nil {
		err = e
	}
	return err
}

// aside runs f on a goroutine and returns a channel that is closed when it is done; nil
// when the server was closed by somebody else.
func (s *Server) aside(f func()) <-chan struct{} {
	done := make(chan struct{})
	if !s.spawn(func() {
		defer close(done)
		f()
	}) {
		return nil
	}
	return done
}

// dismiss ends connections: all are told first, what may wait comes after that.
func dismiss(conns []*conn) {
	left := make([]departure, 0, len(conns))
	for _, c := range conns {
		if d := c.hangUp(refuse(ServerShuttingDown, "the server is shutting down")); d.srv != nil {
			left = append(left, d)
		}
	}
	several(len(left), func(i int) { left[i].settle() })
}

// several calls f for 0 to n-1, a bounded number at the same time.
func several(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, maxSettling) {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				f(i - 1)
			}
		})
	}
	wg.Wait()
}

// await returns when done, which may be nil, is closed and what Shutdown waits for has
// happened, or with ctx's error.
func (s *Server) await(ctx context.Context, done <-chan struct{}, happened func() bool) error {
	// The timers end lingering, but Run, which looks after them, may have ended.
	tick := time.NewTicker(linger / 100)
	defer tick.Stop()
	for done != nil || !happened() {
		select {
		case <-done:
			done = nil
		case <-s.idle:
		case <-tick.C:
			s.timers.look(s.clock(), func(t timed, now int64) { s.spawn(func() { t.due(now) }) })
		case <-s.ctx.Done(): // somebody else's Close or Shutdown is further
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// handlers returns the host's subscriptions.
func (s *Server) handlers() []*hostSub {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.hosts))
}

// drainHosts has the host's subscriptions take nothing more and reports whether
// their handlers were given everything they had taken.
func (s *Server) drainHosts() bool {
	all := true
	for _, h := range s.handlers() {
		all = h.drained() && all
	}
	return all
}

// stopHosts ends the host's subscriptions.
func (s *Server) stopHosts() {
	var halted []*hostSub
	for _, h := range s.handlers() {
		if h.halt() {
			halted = append(halted, h)
		}
	}
	several(len(halted), func(i int) { halted[i].forget() })
}

// Close ends the server at once: connections are cut and the contexts end that the
// host's code was given. It returns when every goroutine of the server is gone, and
// Run. Calling it again, or after Shutdown, is fine.
func (s *Server) Close() error {
	s.closing.Store(true)
	s.stopListening()
	return s.end(context.Background())
}

// stopListening closes the listeners and returns the open connections.
func (s *Server) stopListening() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		_ = l.Close()
	}
	return slices.Collect(maps.Keys(s.conns))
}

// end cuts what is left and returns when every goroutine of the server is gone, or with
// ctx's error when that has ended and they do not go.
func (s *Server) end(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closed
	if first {
		s.spawnLocked(s.stopHosts) // which may wait
		s.closed = true
	}
	conns := slices.Collect(maps.Keys(s.conns))
	loops := s.loops
	s.loops = nil
	s.mu.Unlock()
	for _, c := range conns {
		c.drv.close()
	}
	for _, l := range loops {
		l.ev.Close()
	}
	s.cancel()
	if first {
		go func() { // ends with the last of the others
			s.wg.Wait()
			close(s.gone)
		}()
	}
	select {
	case <-s.gone:
		return nil
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-s.gone:
		return nil
	case <-t.C:
		return ctx.Err()
	}
}

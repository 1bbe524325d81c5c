package broker

import (
	"context"
	"sync"
	"time"

	"github.com/thinghub/thinghub/internal/topic"
)

// A hostSub is a subscription of the embedding program. Its handler runs on a
// goroutine of its own, so that a slow one costs the publishers nothing.
type hostSub struct {
	srv *Server
	fn  func(*Message)
	sub subscription

	mu       sync.Mutex
	ready    *sync.Cond
	retained deque[*Message] // come first and do not count against the bounds
	loaded   bool            // retained is complete
	queue    deque[*Message]
	bytes    int  // of queue
	entered  bool // in the tree
	ending   bool // takes nothing more
	stopped  bool
}

// Subscribe calls fn for every message that matches filter, retained ones first,
// one at a time and in order, on a goroutine of its own. Messages are shared and
// read-only but may be kept. fn may publish and subscribe.
//
// When fn is slow, up to Config.MaxQueuedMessages messages and
// Config.MaxQueuedBytes wait; more are dropped and counted as "host_queue_full".
// stop ends the subscription; what still waits is not delivered. It does not wait
// for fn and may be called from it, repeatedly. ctx bounds the call, not the
// subscription. fn must not call Close or Shutdown, which wait for it.
//
// Errors: TopicFilterInvalid for a bad filter, SharedNotSupported for
// "$share/...", ErrClosed, or what the retained store or Broker returned.
func (s *Server) Subscribe(ctx context.Context, filter string, fn func(*Message)) (stop func(), err error) {
	_, _, shared, err := topic.ParseShared(filter)
	if err != nil {
		return nil, refuse(TopicFilterInvalid, "%s", err)
	}
	if shared {
		return nil, refuse(SharedNotSupported, "shared subscription %q of a host handler", filter)
	}
	if fn == nil {
		return nil, refuse(ImplementationSpecificError, "the handler of %q is nil, expected a function", clip(filter))
	}
	h := &hostSub{srv: s, fn: fn}
	h.ready = sync.NewCond(&h.mu)
	h.sub.filter, h.sub.host = filter, h
	if err := s.interest.add(ctx, filter, ""); err != nil {
		return nil, err
	}
	if !s.addHost(h) {
		s.unwish(filter, "")
		return nil, ErrClosed
	}
	h.mu.Lock()
	if h.stopped { // the server was closed meanwhile
		h.mu.Unlock()
		return nil, ErrClosed
	}
	s.tree.Add(filter, &h.sub)
	s.count.subscriptions.Add(1)
	h.entered = true
	h.mu.Unlock()
	var retained deque[*Message]
	now := time.Now()
	for m, err := range s.cfg.Retained.Match(ctx, filter) {
		if err != nil {
			h.stop()
			return nil, err
		}
		if m != nil && !m.expired(now) {
			retained.push(m)
		}
	}
	h.mu.Lock()
	h.retained, h.loaded = retained, true
	h.ready.Signal()
	h.mu.Unlock()
	return h.stop, nil
}

// addHost starts the handler's goroutine, which ends with stop or the server.
func (s *Server) addHost(h *hostSub) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.hosts[h] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.wg.Done()
		h.run()
	}()
	return true
}

func (h *hostSub) run() {
	for {
		h.mu.Lock()
		for !h.stopped && (!h.loaded || h.retained.len()+h.queue.len() == 0) {
			h.ready.Wait()
		}
		if h.stopped {
			h.mu.Unlock()
			return
		}
		var m *Message
		if h.retained.len() > 0 {
			m = h.retained.pop()
		} else {
			m = h.queue.pop()
			h.bytes -= m.size()
		}
		h.mu.Unlock()
		h.srv.shield("a handler of the host", func() { h.fn(m) })
	}
}

// push queues a message for the handler. m need not be a kept copy.
func (h *hostSub) push(m *Message) {
	cfg := &h.srv.cfg
	n := m.size()
	h.mu.Lock()
	if h.stopped || h.ending {
		h.mu.Unlock()
		return
	}
	full := h.queue.len() >= cfg.MaxQueuedMessages || h.queue.len() > 0 && h.bytes+n > cfg.MaxQueuedBytes
	if !full {
		h.queue.push(m.keep())
		h.bytes += n
		h.ready.Signal()
	}
	h.mu.Unlock()
	if full {
		h.srv.drop("", m, DropHostQueueFull)
	}
}

// drained ends the taking of messages and reports whether the handler was given
// those that were taken.
func (h *hostSub) drained() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ending = true
	return h.stopped || h.loaded && h.retained.len()+h.queue.len() == 0
}

func (h *hostSub) stop() {
	if h.halt() {
		h.forget()
	}
}

// halt ends the calls of the handler; false when that was done before. Otherwise
// forget follows.
func (h *hostSub) halt() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.stopped
	h.stopped = true
	h.queue.clear()
	h.retained.clear()
	h.ready.Signal()
	return !was
}

// forget is the part of stop that may wait.
func (h *hostSub) forget() {
	s := h.srv
	if h.entered { // which does not change when h was halted
		s.tree.Remove(h.sub.filter, &h.sub)
		s.count.subscriptions.Add(-1)
	}
	s.unwish(h.sub.filter, "")
	s.mu.Lock()
	delete(s.hosts, h)
	s.mu.Unlock()
}

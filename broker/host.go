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

	mu      sync.Mutex
	ready   *sync.Cond
	queue   deque[*Message]
	bytes   int
	stopped bool
}

// Subscribe calls fn for every message that matches filter, retained ones first,
// one at a time and in order, on a goroutine of its own. Messages are shared and
// read-only but may be kept. fn may publish and subscribe.
//
// When fn is slow, up to Config.MaxQueuedMessages messages and
// Config.MaxQueuedBytes wait; more are dropped and counted as "host_queue_full".
// stop ends the subscription; what still waits is not delivered. It does not wait
// for fn and may be called from it, repeatedly. "$share/group/filter" joins a
// shared group is not supported: the error says so.
func (s *Server) Subscribe(ctx context.Context, filter string, fn func(*Message)) (stop func(), err error) {
	_, _, shared, err := topic.ParseShared(filter)
	if err != nil {
		return nil, refuse(TopicFilterInvalid, "%s", err)
	}
	if shared {
		return nil, refuse(SharedNotSupported, "shared subscription %q of a host handler", filter)
	}
	h := &hostSub{srv: s, fn: fn}
	h.ready = sync.NewCond(&h.mu)
	h.sub.filter, h.sub.host = filter, h
	if err := s.interest.add(ctx, filter, ""); err != nil {
		return nil, err
	}
	if !s.addHost(h) {
		s.interest.remove(ctx, filter, "")
		return nil, ErrClosed
	}
	// The lock keeps live messages behind the retained ones.
	h.mu.Lock()
	s.tree.Add(filter, &h.sub)
	now := time.Now()
	for m, err := range s.cfg.Retained.Match(ctx, filter) {
		if err != nil {
			h.mu.Unlock()
			h.stop()
			return nil, err
		}
		if !m.expired(now) {
			h.queue.push(m)
			h.bytes += m.size()
		}
	}
	h.ready.Signal()
	h.mu.Unlock()
	s.count.subscriptions.Add(1)
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
		for h.queue.len() == 0 && !h.stopped {
			h.ready.Wait()
		}
		if h.stopped {
			h.mu.Unlock()
			return
		}
		m := h.queue.pop()
		h.bytes -= m.size()
		h.mu.Unlock()
		h.fn(m)
	}
}

// push queues a message for the handler. m need not be a kept copy.
func (h *hostSub) push(m *Message) {
	cfg := &h.srv.cfg
	n := m.size()
	h.mu.Lock()
	if h.stopped {
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

func (h *hostSub) stop() {
	h.mu.Lock()
	was := h.stopped
	h.stopped = true
	h.queue.clear()
	h.ready.Signal()
	h.mu.Unlock()
	if was {
		return
	}
	s := h.srv
	s.tree.Remove(h.sub.filter, &h.sub)
	s.interest.remove(s.ctx, h.sub.filter, "")
	s.count.subscriptions.Add(-1)
	s.mu.Lock()
	delete(s.hosts, h)
	s.mu.Unlock()
}

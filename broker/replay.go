package broker

import (
	"iter"
	"time"

	"github.com/thinghub/thinghub/internal/topic"
)

// A replayer owes a session the retained messages that match its new subscriptions
// [MQTT-3.3.1-9]. It takes them from the store as fast as the client takes them from
// us, so that what was asked for and is not read costs no memory. Its fields are
// guarded by the session's lock; next and stop belong to whoever set busy.
type replayer struct {
	owed []*subscription // whose turn comes, each once
	sub  *subscription   // whose turn it is
	next func() (*Message, error, bool)
	stop func()
	to   *conn    // where it goes
	m    *Message // waits for its place in the quota
	busy bool
}

// owe notes that sub is to get the retained messages. mu is held.
func (s *session) owe(sub *subscription) {
	if sub.opts.Load()&optOwed != 0 {
		return // it will get them all, once
	}
	sub.opts.Or(optOwed)
	if s.replays == nil {
		s.replays = &replayer{}
	}
	s.replays.owed = append(s.replays.owed, sub)
}

// replay sends retained messages, with RETAIN 1, until the outbox has enough for one
// write. It reports whether it sent any. mu is held, and released while the store is
// asked; quota and outbox then wait for somebody to call again.
func (s *session) replay(c *conn) (sent bool) {
	r := s.replays
	if r == nil || r.busy {
		return false
	}
	r.busy, r.to = true, c
	now := time.Now()
	for s.conn == c && !c.closing && c.pending() < flushAt {
		if r.next == nil && !r.begin(s) {
			break
		}
		if r.m == nil && s.unacked >= c.quota && r.sub.opts.Load()&optQoS > 0 {
			break // what is read now could be outdated when its turn comes
		}
		if r.m == nil && !s.pull(r, now) {
			continue
		}
		opts := r.sub.opts.Load()
		if opts&optEnded != 0 {
			r.end()
			continue
		}
		if r.m.isOwn(s.id, opts) {
			r.m = nil
			continue
		}
		f := flight{m: r.m, qos: min(byte(r.m.QoS), byte(opts&optQoS)), retain: true, subID: uint32(opts >> 8), exempt: true}
		if f.qos > 0 && s.unacked >= c.quota {
			break
		}
		r.m = nil
		if s.dispatch(c, nil, &f, now) {
			s.srv.count.delivered[f.qos].Add(1)
			sent = true
		}
	}
	r.busy = false
	switch n := s.conn; {
	case n != c || c.closing:
		release := s.suspend()
		s.unlock()
		release()
		s.mu.Lock()
		if n != nil && n != c {
			s.srv.spawn(n.flush) // it found us busy
		}
	case r.next == nil && len(r.owed) == 0:
		s.replays = nil
	}
	return sent
}

// begin starts with the next subscription, false when there is none.
func (r *replayer) begin(s *session) bool {
	for len(r.owed) > 0 {
		sub := r.owed[0]
		r.owed[0] = nil
		r.owed = r.owed[1:]
		sub.opts.And(^optOwed)
		if sub.opts.Load()&optEnded != 0 {
			continue
		}
		r.sub = sub
		// Match is called by the first next, which runs without the lock.
		seq := func(yield func(*Message, error) bool) {
			for m, err := range s.srv.cfg.Retained.Match(s.srv.ctx, sub.filter) {
				if !yield(m, err) {
					return
				}
			}
		}
		if topic.HasWildcard(sub.filter) {
			next, stop := iter.Pull2(seq)
			r.next = next
			r.stop = func() { s.srv.shield("the store of retained messages", stop) }
			return true
		}
		done := false // there is one message at most, not worth a coroutine
		r.stop = func() {}
		r.next = func() (m *Message, err error, ok bool) {
			if !done {
				for m, err = range seq {
					ok = true
				}
			}
			done = true
			return m, err, ok
		}
		return true
	}
	return false
}

// end is the end of a subscription's turn.
func (r *replayer) end() {
	r.stop()
	r.sub, r.next, r.stop, r.m = nil, nil, nil, nil
}

// pull takes the next message from the store. mu is released meanwhile.
func (s *session) pull(r *replayer, now time.Time) bool {
	s.unlock()
	var m *Message
	var err error
	ok := false
	s.srv.shield("the store of retained messages", func() { m, err, ok = r.next() })
	if c := r.to; ok && err == nil && (m.expired(now) || c.asker != nil && !c.asker.mayReceive(m)) {
		m = nil
	}
	if err != nil {
		s.srv.log.Warn("broker: retained messages not read", "filter", r.sub.filter, "err", err)
	}
	s.mu.Lock()
	if !ok || err != nil {
		r.end()
		return false
	}
	r.m = m
	return m != nil
}

// suspend gives up the replay in progress: the connection it went to is gone. What
// is left waits for the next one if the session lives on, as far as it is not QoS 0;
// a replay that was in progress then begins anew. mu is held; what suspend returns
// is to be called without it.
func (s *session) suspend() (release func()) {
	release = func() {}
	r := s.replays
	if r == nil || r.busy {
		return release
	}
	owed := r.owed
	if r.sub != nil {
		release = r.stop
		owed = append([]*subscription{r.sub}, owed...)
	}
	s.replays = nil
	for _, sub := range owed {
		sub.opts.And(^optOwed)
		if opts := sub.opts.Load(); s.durable && !s.ended && opts&optQoS > 0 && opts&optEnded == 0 {
			s.owe(sub)
		}
	}
	return release
}

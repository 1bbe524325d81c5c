package broker

import (
	"iter"
	"time"

	"github.com/thinghub/thinghub/internal/topic"
)

// maxFruitless is how often a replay asks the store in vain before others have
// their turn: a search in a big store may find nothing for a long time, and asking
// for one costs a client nothing.
const maxFruitless = 64

// A replayer owes a session the retained messages that match its new subscriptions
// [MQTT-3.3.1-9]. It takes them from the store as fast as the client takes them from
// us, so that what was asked for and is not read costs no memory. Its fields are
// guarded by the session's lock; next and stop belong to whoever set busy. It is the
// session's until suspend takes it away.
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
// write or the store was asked in vain too often. It reports whether it sent any, and
// whether it gave up although the client could take more. mu is held, and released
// while the store is asked; quota and outbox then wait for somebody to call again.
func (s *session) replay(c *conn) (sent, tired bool) {
	r := s.replays
	if r == nil || r.busy {
		return false, false
	}
	r.busy, r.to = true, c
	now := time.Now()
	fruitless := 0
	for s.replays == r && !c.closing && c.pending() < flushAt {
		if r.next == nil && !r.begin(s) {
			break
		}
		if r.m == nil && s.unacked >= c.quota && r.sub.opts.Load()&optQoS > 0 {
			break // what is read now could be outdated when its turn comes
		}
		if fruitless == maxFruitless {
			tired = true
			break
		}
		if r.m == nil && !s.pull(r, now) {
			fruitless++
			continue
		}
		if s.replays != r {
			break // nobody is there any more to send it to
		}
		opts := r.sub.opts.Load()
		if opts&optEnded != 0 {
			r.end()
			continue
		}
		if r.m.isOwn(s.id, opts) {
			r.m = nil
			fruitless++
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
		} else {
			fruitless++
		}
	}
	r.busy = false
	switch {
	case s.replays != r: // suspended: what it searched with is left to us
		if stop := r.stop; stop != nil {
			s.unlock()
			stop()
			s.mu.Lock()
		}
	case r.next == nil && len(r.owed) == 0:
		s.replays = nil
	}
	return sent, tired
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
	asker := r.to.asker
	s.unlock()
	var m *Message
	var err error
	ok := false
	s.srv.shield("the store of retained messages", func() { m, err, ok = r.next() })
	var refused *Message
	var denied error
	if ok && err == nil && m != nil {
		if m.expired(now) {
			m = nil
		} else if asker != nil {
			if denied = asker.mayReceive(m); denied != nil {
				m, refused = nil, m
			}
		}
	}
	if err != nil {
		s.srv.log.Warn("broker: retained messages not read", "filter", r.sub.filter, "err", err)
	}
	s.mu.Lock()
	if refused != nil {
		s.noteDenied(r.to, refused, denied)
	}
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
	if r == nil {
		return release
	}
	s.replays = nil
	owed := r.owed
	r.owed = nil
	if r.sub != nil {
		owed = append([]*subscription{r.sub}, owed...)
		if !r.busy { // else replay stops it when it finds itself suspended
			release = r.stop
		}
	}
	for _, sub := range owed {
		sub.opts.And(^optOwed)
		if opts := sub.opts.Load(); s.durable && !s.ended && opts&optQoS > 0 && opts&optEnded == 0 {
			s.owe(sub)
		}
	}
	return release
}

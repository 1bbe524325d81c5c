package broker

// rearm sets the timer of an offline session: its delayed will or its end. mu is held.
func (s *session) rearm() {
	at := s.expireAt
	if s.will != nil && (at == 0 || s.willAt < at) {
		at = s.willAt
	}
	if at > 0 {
		s.srv.timers.set(s, at)
	}
}

// due is the timer of an offline session.
func (s *session) due(now int64) {
	t := &s.srv.sessions
	t.mu.Lock()
	s.mu.Lock()
	if s.conn != nil || s.ended {
		s.mu.Unlock()
		t.mu.Unlock()
		return
	}
	if s.expireAt > 0 && now >= s.expireAt {
		s.end()
		return
	}
	var w *will
	if s.will != nil && now >= s.willAt {
		w, s.will = s.will, nil
	}
	s.rearm()
	t.mu.Unlock()
	s.unlock()
	if w != nil {
		s.srv.publishWill(w)
	}
}

// end ends an offline session. The locks of the session table and of the session are
// held; it releases them.
func (s *session) end() {
	t := &s.srv.sessions
	s.ended = true
	w := s.will
	s.will = nil
	delete(t.byID, s.id)
	t.mu.Unlock()
	s.unlock()
	if w != nil {
		s.srv.publishWill(w)
	}
	s.dissolve()
}

// dissolve gives up everything a session that ended holds. It is in no table any
// more and takes no messages.
func (s *session) dissolve() {
	s.mu.Lock()
	subs := s.subs.list
	s.subs = subscriptions{}
	s.nsubs.Store(0)
	var again []flight
	for i := range s.inflight.len() {
		// An unacknowledged QoS 1 message of a group goes to another member, QoS 2
		// must not [MQTT-4.8.2-5].
		if f := s.inflight.at(i); f.state == wantPuback && f.group != nil {
			again = append(again, *f)
		}
	}
	for i := range s.queue.len() {
		if f := s.queue.at(i); f.group != nil {
			again = append(again, *f)
		} else {
			s.note(f.m, DropSessionEnded)
		}
	}
	s.srv.count.inFlight.Add(-int64(s.live))
	s.srv.count.queued.Add(-int64(s.queue.len()))
	s.inflight.clear()
	s.queue.clear()
	s.live, s.again, s.unacked, s.bytes, s.waiting = 0, 0, 0, 0, 0
	release := s.suspend()
	s.unlock()
	release()
	for _, sub := range subs {
		s.srv.removeSubscription(sub)
	}
	if len(again) > 0 {
		b := s.srv.borrow()
		for i := range again {
			f := &again[i]
			f.group.again(b, f)
		}
		b.done()
	}
}

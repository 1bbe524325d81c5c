package broker

import "sync"

// An announcer tells hooks which clients came and went: for each client id in the
// order in which it happened, although several connections may fight for the id.
// Events enter under the lock of the session table, which decides that order, and
// are told without any lock by whoever comes first; nobody waits for another.
type announcer struct {
	on   bool // there are hooks to tell
	mu   sync.Mutex
	byID map[string]*announcements
}

type announcements struct {
	list []announcement
	busy bool // somebody is telling them
}

type announcement struct {
	info      *ClientInfo
	connected bool
	cause     error // of the end of a connection
}

func (a *announcer) add(e announcement) {
	if !a.on {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.byID[e.info.ClientID]
	if l == nil {
		if a.byID == nil {
			a.byID = map[string]*announcements{}
		}
		l = &announcements{}
		a.byID[e.info.ClientID] = l
	}
	l.list = append(l.list, e)
}

// announce tells what is to be told about a client. No lock is held.
func (s *Server) announce(clientID string) {
	a := &s.announcer
	if !a.on {
		return
	}
	a.mu.Lock()
	l := a.byID[clientID]
	if l == nil || l.busy {
		a.mu.Unlock()
		return
	}
	l.busy = true
	for len(l.list) > 0 {
		list := l.list
		l.list = nil
		a.mu.Unlock()
		for _, e := range list {
			s.tell(e)
		}
		a.mu.Lock()
	}
	delete(a.byID, clientID)
	a.mu.Unlock()
}

func (s *Server) tell(e announcement) {
	if e.connected {
		for _, h := range s.hooks.connected {
			s.shield("a hook", func() { h.Connected(e.info) })
		}
		return
	}
	for _, h := range s.hooks.disconnected {
		s.shield("a hook", func() { h.Disconnected(e.info, e.cause) })
	}
}

// announceEnd announces the end of a connection that is taken over, before that of
// its successor. was is its phase until then: it may have been ending by itself. The
// locks of the session table and of its session are held.
func (c *conn) announceEnd(was uint32) {
	if !c.accepted || c.announced {
		return
	}
	c.announced = true
	cause := error(errPeerClosed)
	switch {
	case was != phaseClosed:
		cause = refuse(SessionTakenOver, "another connection uses this client identifier")
	case c.closing:
		cause = c.cause
	}
	c.srv.announcer.add(announcement{info: c.info, cause: cause})
}

package broker

import "sync"

// A herald tells the hooks what happens to the clients: of one client id one thing
// at a time and in the order in which it happened, whichever goroutines it happens
// on. What comes while a hook is busy with the same id waits in a list, and whoever
// is busy goes on with it, so nobody waits for anybody's hook. A client id has an
// entry only while there is something to tell.
type herald struct {
	mu   sync.Mutex
	byID map[string]*tidings
}

type tidings struct {
	list deque[tiding]
	busy bool // somebody is telling
}

// A tiding is one thing to tell. While tell is nil it is known that the connection
// ended, but not yet why, and what is behind it waits.
type tiding struct {
	of   *ClientInfo
	tell func()
}

const (
	// maxTidings is how much may wait for a client id. A client that connects or
	// subscribes faster than the hooks take it is refused.
	maxTidings = 1024
	// maxTold is how many a goroutine tells before it goes back to its own work.
	maxTold = 16
)

// list returns what is to be told of a client. mu is held.
func (h *herald) list(id string) *deque[tiding] {
	q := h.byID[id]
	if q == nil {
		q = &tidings{}
		if h.byID == nil {
			h.byID = map[string]*tidings{}
		}
		h.byID[id] = q
	}
	return &q.list
}

// add appends to what is to be told of a client. It is called under the locks that
// order what happens; Server.tell follows without them.
func (h *herald) add(of *ClientInfo, tell func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list(of.ClientID).push(tiding{of, tell})
}

// ended is add for the end of a connection, which takes the place that was kept for
// it when it was taken over, if there is one.
func (h *herald) ended(of *ClientInfo, tell func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.list(of.ClientID)
	for i := range l.len() {
		if t := l.at(i); t.of == of && t.tell == nil {
			t.tell = tell
			return
		}
	}
	l.push(tiding{of, tell})
}

// full reports whether the client has to wait until the hooks were told more.
func (h *herald) full(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.byID[id]
	return q != nil && q.list.len() >= maxTidings
}

// next returns what is to be told of a client now; nil when there is nothing or
// somebody else does it. again is set by whoever has the turn.
func (h *herald) next(id string, again bool) func() {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.byID[id]
	if q == nil || q.busy && !again {
		return nil
	}
	if q.busy = q.list.len() > 0 && q.list.at(0).tell != nil; q.busy {
		return q.list.pop().tell
	}
	if q.list.len() == 0 {
		delete(h.byID, id)
	}
	return nil
}

// tell calls the hooks for what was added for a client. No lock is held.
func (s *Server) tell(id string) { s.tellOn(id, false) }

func (s *Server) tellOn(id string, again bool) {
	for told := 0; ; told++ {
		if told == maxTold && s.spawn(func() { s.tellOn(id, true) }) {
			return
		}
		f := s.herald.next(id, again)
		if f == nil {
			return
		}
		f()
		again = true
	}
}

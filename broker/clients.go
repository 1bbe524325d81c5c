package broker

import "fmt"

// snapshot describes the connection of a session as it stands. mu is held.
func (s *session) snapshot() (ClientInfo, bool) {
	c := s.conn
	if c == nil {
		return ClientInfo{}, false
	}
	i := *c.info
	i.Subscriptions, i.Queued, i.InFlight = len(s.subs.list), s.queue.len(), s.live
	return i, true
}

// Clients returns a snapshot of the connected clients, in no order.
func (s *Server) Clients() []ClientInfo {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	out := make([]ClientInfo, 0, len(s.sessions.byID))
	for _, sess := range s.sessions.byID {
		sess.mu.Lock()
		if i, ok := sess.snapshot(); ok {
			out = append(out, i)
		}
		sess.mu.Unlock()
	}
	return out
}

// Client returns a snapshot of one client; false when it is not connected. It takes
// the same time however many clients there are.
func (s *Server) Client(id string) (ClientInfo, bool) {
	s.sessions.mu.Lock()
	sess := s.sessions.byID[id]
	s.sessions.mu.Unlock()
	if sess == nil {
		return ClientInfo{}, false
	}
	sess.mu.Lock()
	defer sess.mu.Unlock()
	return sess.snapshot()
}

// DisconnectOptions say how [Server.Disconnect] ends a connection. The zero value
// tells the client AdministrativeAction, publishes its will and keeps its session.
type DisconnectOptions struct {
	// Reason is what an MQTT 5 client is told: a failure code such as ServerMoved, or
	// an error made by [Refuse], whose text it sees. The cause that hooks are given
	// wraps it. A code that DISCONNECT cannot carry is sent as UnspecifiedError.
	// Default AdministrativeAction.
	Reason error
	// EndSession ends the session, whatever its expiry: its subscriptions and what
	// waits for the client are dropped.
	EndSession bool
	// SuppressWill discards the will. By default it is published, after its delay if
	// the session lives on. DisconnectPrincipal discards those too that wait for their
	// delay already.
	SuppressWill bool
}

// Disconnect ends the connection of a client. It returns when the session is let go
// and the will was published; the last packets may still be on their way.
//
// A client that is not connected has ErrNotConnected, unless EndSession is set and
// there is a session of its: this then ends, and the will that waits in it is
// published or discarded.
func (s *Server) Disconnect(clientID string, o DisconnectOptions) error {
	return s.disconnect(clientID, "", o)
}

// disconnect is Disconnect for a session of a principal, "" for any.
func (s *Server) disconnect(clientID, principal string, o DisconnectOptions) error {
	if o.Reason == nil {
		o.Reason = AdministrativeAction
	}
	s.sessions.mu.Lock()
	sess := s.sessions.byID[clientID]
	if sess == nil || principal != "" && sess.belongs.principal != principal {
		s.sessions.mu.Unlock()
		return ErrNotConnected
	}
	sess.mu.Lock()
	c := sess.conn
	if o.SuppressWill && (c != nil || o.EndSession || principal != "") {
		sess.will = nil
	}
	if c == nil {
		if !o.EndSession {
			sess.mu.Unlock()
			s.sessions.mu.Unlock()
			return ErrNotConnected
		}
		s.timers.stop(sess)
		sess.end()
		return nil
	}
	if o.EndSession {
		sess.expiry = 0 // so it ends with the connection, whoever is first to end that
	}
	sess.mu.Unlock()
	s.sessions.mu.Unlock()
	c.close(fmt.Errorf("%w: %w", ErrDisconnected, o.Reason))
	return nil
}

// DisconnectPrincipal ends the connections of a principal, and returns how many there
// were. With o.EndSession it ends its sessions that are not connected as well; they do not
// count. With o.SuppressWill the wills that these have left behind are discarded, too. An identity's Check is asked after this has looked for them or before: who
// revokes a principal first makes Check refuse it, and then calls this, and nobody is
// missed.
func (s *Server) DisconnectPrincipal(principal string, o DisconnectOptions) (connections int) {
	var clients []string
	s.sessions.mu.Lock()
	for id, sess := range s.sessions.byID {
		if sess.belongs.principal != principal {
			continue
		}
		sess.mu.Lock()
		if sess.conn != nil {
			connections++
		}
		sess.mu.Unlock()
		clients = append(clients, id)
	}
	s.sessions.mu.Unlock()
	for _, id := range clients {
		_ = s.disconnect(id, principal, o) // it may have left meanwhile
	}
	return connections
}

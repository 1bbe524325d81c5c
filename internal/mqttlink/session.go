package mqttlink

import (
	"context"
	"io"
	"sync"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	pahosession "github.com/eclipse/paho.golang/paho/session"
	"github.com/eclipse/paho.golang/paho/session/state"
)

// A session is paho's, but it acknowledges when the link has handled a message.
//
// Connections are counted by gen, sessions at the broker by epoch: what came in an earlier
// connection of the same session and was not acknowledged comes again; what came in an
// earlier session does not.
type session struct {
	*state.State

	begin sync.RWMutex // held by what uses the state against the begin of a connection
	end   sync.RWMutex // the same against its end

	mu         sync.Mutex
	gen, epoch int
	up         bool
	conn       io.Writer
	order      []*arrival // of gen and not acknowledged, as they came
	handled    map[uint16]struct{}
	over       chan struct{} // closed when the broker has forgotten the session
}

// An arrival is a message that came in.
type arrival struct {
	p          *paho.Publish
	gen, epoch int
	done       bool
}

func newSession() *session {
	return &session{State: state.NewInMemory(), handled: map[uint16]struct{}{}, over: make(chan struct{})}
}

// ConAckReceived begins a connection.
func (s *session) ConAckReceived(conn io.Writer, cp *packets.Connect, ca *packets.Connack) error {
	s.mu.Lock()
	s.gen++
	if ca.SessionPresent {
		for _, a := range s.order {
			if a.done {
				s.handled[a.p.PacketID] = struct{}{}
			}
		}
	} else {
		s.epoch++
		clear(s.handled)
		close(s.over)
		s.over = make(chan struct{})
	}
	s.order, s.up, s.conn = nil, true, conn
	s.mu.Unlock()
	s.begin.Lock()
	defer s.begin.Unlock()
	return s.State.ConAckReceived(conn, cp, ca)
}

// ConnectionLost ends a connection. It may be called several times.
func (s *session) ConnectionLost(dp *packets.Disconnect) error {
	s.mu.Lock()
	s.up = false
	s.mu.Unlock()
	s.end.Lock()
	defer s.end.Unlock()
	return s.State.ConnectionLost(dp)
}

// AddToSession may wait, which the end of the connection ends. Paho reads what the begin
// of one writes.
func (s *session) AddToSession(ctx context.Context, p pahosession.Packet, answer chan<- packets.ControlPacket) error {
	s.begin.RLock()
	defer s.begin.RUnlock()
	return s.State.AddToSession(ctx, p, answer)
}

// PacketReceived keeps paho from answering PUBREC on a connection that has ended, which
// would be a panic. The next connection brings it again.
func (s *session) PacketReceived(p *packets.ControlPacket, in chan<- *packets.Publish) error {
	if p.Type == packets.PUBREC {
		s.end.RLock()
		defer s.end.RUnlock()
		s.mu.Lock()
		up := s.up
		s.mu.Unlock()
		if !up {
			return nil
		}
	}
	return s.State.PacketReceived(p, in)
}

// Ack is called by paho when the message was read; see done.
func (s *session) Ack(*packets.Publish) error { return nil }

// current is the connection that there is, and what is closed when its session is over.
func (s *session) current() (to io.Writer, over <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn, s.over
}

// arrive notes a message, in the order in which they were read.
func (s *session) arrive(p *paho.Publish) *arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &arrival{p: p, gen: s.gen, epoch: s.epoch}
	if p.QoS > 0 {
		s.order = append(s.order, a)
	}
	return a
}

// due reports whether a message has to be handled: not if it comes again, or was handled
// already, in which case again is true.
func (s *session) due(a *arrival) (due, again bool) {
	if a.p.QoS == 0 {
		return true, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.gen != s.gen && a.epoch == s.epoch {
		return false, false
	}
	if a.gen == s.gen {
		_, again = s.handled[a.p.PacketID]
		delete(s.handled, a.p.PacketID)
	}
	again = again && a.p.Duplicate()
	return !again, again
}

// done acknowledges a message as soon as those before it are.
func (s *session) done(a *arrival) {
	if a.p.QoS == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.done = true
	switch {
	case a.epoch != s.epoch: // nobody waits for it any more
		return
	case a.gen != s.gen:
		s.handled[a.p.PacketID] = struct{}{}
		return
	case !s.up: // the next connection makes it handled
		return
	}
	for len(s.order) > 0 && s.order[0].done {
		if s.State.Ack(s.order[0].p.Packet()) != nil {
			return // the connection has ended
		}
		s.order[0] = nil
		s.order = s.order[1:]
	}
}

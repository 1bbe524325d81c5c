package broker

import (
	"errors"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// sessionTable holds all sessions by client id. Its lock serialises connecting and
// disconnecting per client id [MQTT-3.1.4-3].
type sessionTable struct {
	mu   sync.Mutex
	byID map[string]*session
}

func (t *sessionTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

func (s *Server) newSession() *session {
	return &session{srv: s, serial: s.serials.Add(1) * 2654435761}
}

// attach gives an accepted connection its session: the one its client id has, or
// its own fresh one. CONNACK and everything that is owed to a resumed session are in
// the outbox before anybody else can append to it [MQTT-3.2.0-1].
func (s *Server) attach(b *batch, c *conn, r *connectRequest, data []byte) error {
	id := r.creds.ClientID
	expiry := s.grantExpiry(r.expiry)
	ack := s.connack(c, r, expiry, data)
	if !c.fits(ack.Append(nil, c.ver)) {
		ack.Props.Remove(packet.PropResponseInfo)
		if !c.fits(ack.Append(nil, c.ver)) {
			return refuse(PacketTooLarge, "CONNACK is larger than the client's Maximum Packet Size of %d", c.maxPacket)
		}
	}
	var wills []*will
	var replaced *conn // the connection that held the session
	was := phaseClosed // the phase of replaced
	var ended *session // the session that a clean start discards
	present := false
	release := func() {}

	s.sessions.mu.Lock()
	fresh := c.sess.Load()
	sess := fresh
	old := s.sessions.byID[id]
	if old == nil && len(s.sessions.byID) >= s.cfg.MaxSessions {
		s.sessions.mu.Unlock()
		return refuse(QuotaExceeded, "the server has reached its limit of %d sessions", s.cfg.MaxSessions)
	}
	if limit := s.cfg.MaxConnections; limit > 0 && s.count.connections.Load() >= int64(limit) && !old.connected() {
		s.sessions.mu.Unlock()
		return refuse(QuotaExceeded, "the server has reached its limit of %d connections", limit)
	}
	if old != nil {
		old.mu.Lock()
		replaced = old.conn
		over := replaced != nil && old.expiry == 0 || replaced == nil && old.expireAt > 0 && old.expireAt <= s.clock()
		present = !r.cleanStart && !over
		if w := old.will; w != nil {
			// A take-over ends the connection, so its will is published; one that
			// waits for its delay is cancelled when the session goes on
			// [MQTT-3.1.2-8, 3.1.3-9].
			if !present || replaced != nil && w.delay == 0 {
				wills = append(wills, w)
			}
			old.will = nil
		}
		old.conn = nil
		if replaced != nil {
			was = replaced.phase.Swap(phaseClosed) // no packet of it is handled any more
			if replaced.asker != nil {
				old.dropQoS0()
			}
			replaced.announceEnd(was)
		}
		release = old.suspend()
		s.timers.stop(old)
		if present {
			sess = old
			fresh.mu.Lock() // nobody appends to c's outbox during the change
			c.sess.Store(sess)
			fresh.mu.Unlock()
		} else {
			old.ended = true
			ended = old
			old.mu.Unlock()
		}
	}
	if !present {
		sess.mu.Lock()
		sess.id = id
		s.sessions.byID[id] = sess
	}
	sess.expiry, sess.durable = expiry, expiry > 0
	sess.expireAt, sess.willAt = 0, 0
	sess.will = r.will
	if r.will != nil {
		r.will.m.Origin.ClientID, r.will.m.Origin.Principal, r.will.authz = id, c.id.Principal, c.authz
	}
	c.setLimits(r)
	ka := r.keepAlive
	if c.ver == packet.V5 {
		ka = s.serverKeepAlive(ka)
	}
	c.keepAlive = time.Duration(ka) * 1500 * time.Millisecond
	c.info = &ClientInfo{
		ClientID: id, Username: r.creds.Username, Principal: c.id.Principal, ProtocolVersion: byte(c.ver), CleanStart: r.cleanStart,
		SessionPresent: present, KeepAlive: time.Duration(ka) * time.Second, SessionExpiry: expiry,
		RemoteAddr: r.creds.RemoteAddr, Transport: c.drv.info().transport, ConnectedAt: b.now,
	}
	if expiry == never {
		c.info.SessionExpiry = -1
	}
	o := c.box()
	ack.SessionPresent = present
	o.b = ack.Append(o.b, c.ver)
	sess.conn = c
	sess.carried = sess.inbound.len()
	if present {
		sess.resume()
	}
	b.touch(c)
	c.accepted = true
	s.announcer.add(announcement{info: c.info, connected: true})
	s.count.connections.Add(1)
	// From here on another connection may take over and then finds one that is up,
	// whose client is owed a DISCONNECT.
	up := c.phase.CompareAndSwap(phaseNew, phaseUp) || c.phase.CompareAndSwap(phaseAuth, phaseUp)
	s.sessions.mu.Unlock()
	sess.unlock()
	release()

	s.count.accepted.Add(1)
	if replaced != nil {
		s.count.takeOvers.Add(1)
		if was != phaseClosed {
			replaced.end(was, refuse(SessionTakenOver, "another connection uses this client identifier"))
		}
	}
	if ended != nil {
		ended.dissolve()
	}
	for _, w := range wills {
		s.publishWill(w)
	}
	s.announce(id)
	if !up {
		c.leave(errPeerClosed) // closed meanwhile
		return nil
	}
	c.rearm()
	return nil
}

// connected reports whether a session, which may be nil, has a connection.
func (s *session) connected() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn != nil
}

// setLimits takes over what the client asked us to respect.
func (c *conn) setLimits(r *connectRequest) {
	c.quota = c.srv.cfg.MaxInFlight
	if r.receiveMax > 0 {
		c.quota = min(c.quota, int(r.receiveMax))
	}
	c.maxPacket = int(r.maxPacket)
	c.outAliasMax = max(0, min(int(r.aliasMax), c.srv.cfg.MaxOutboundAliases))
	c.quiet = r.quiet
}

// leave lets go of the session because the connection ends. cause is nil after a
// normal DISCONNECT, which discards the will. Only the first call after the
// connection was accepted has an effect.
func (c *conn) leave(cause error) {
	s := c.srv
	s.sessions.mu.Lock()
	sess := c.lock()
	if !c.accepted {
		sess.unlock()
		s.sessions.mu.Unlock()
		return
	}
	c.accepted = false
	var now *will
	ended := false
	release := func() {}
	if sess.conn == c {
		sess.conn = nil
		release = sess.suspend()
		if c.asker != nil {
			sess.dropQoS0()
		}
		w := sess.will
		sess.will = nil
		if cause == nil {
			w = nil // [MQTT-3.14.4-3]
		}
		ended = sess.expiry == 0
		if ended {
			sess.ended = true
			delete(s.sessions.byID, sess.id)
		}
		clock := s.clock()
		if w != nil && w.delay > 0 && !ended {
			sess.will, sess.willAt = w, clock+int64(w.delay)
		} else {
			now = w
		}
		if !ended {
			if sess.expiry != never {
				sess.expireAt = clock + int64(sess.expiry)
			}
			sess.rearm()
		}
	}
	s.count.connections.Add(-1)
	info, authz := c.info, c.authz
	if !c.announced {
		c.announced = true
		s.announcer.add(announcement{info: info, cause: cause})
	}
	s.sessions.mu.Unlock()
	sess.unlock()
	release()

	if ended {
		sess.dissolve()
	}
	if now != nil {
		s.publishWill(now)
	}
	s.announce(info.ClientID)
	if authz != nil {
		s.shield("an authorizer", authz.Close)
	}
	if cause != nil && !errors.Is(cause, errPeerClosed) {
		s.log.Debug("broker: connection closed", "client", info.ClientID, "err", cause)
	}
}

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
	ended := s.expireAt > 0 && now >= s.expireAt
	var w *will
	if s.will != nil && (ended || now >= s.willAt) {
		w, s.will = s.will, nil
	}
	if ended {
		s.ended = true
		delete(t.byID, s.id)
	} else {
		s.rearm()
	}
	t.mu.Unlock()
	s.unlock()
	if w != nil {
		s.srv.publishWill(w)
	}
	if ended {
		s.dissolve()
	}
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

// Clients returns a snapshot of the connected clients, in no order.
func (s *Server) Clients() []ClientInfo {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	out := make([]ClientInfo, 0, len(s.sessions.byID))
	for _, sess := range s.sessions.byID {
		sess.mu.Lock()
		if c := sess.conn; c != nil {
			i := *c.info
			i.Subscriptions, i.Queued, i.InFlight = len(sess.subs.list), sess.queue.len(), sess.live
			out = append(out, i)
		}
		sess.mu.Unlock()
	}
	return out
}

// Disconnect ends the connection of a client. MQTT 5 clients are told the code, a
// failure code such as AdministrativeAction; the will is published. ErrNotConnected
// when the client has no connection.
func (s *Server) Disconnect(clientID string, code ReasonCode) error {
	s.sessions.mu.Lock()
	var c *conn
	if sess := s.sessions.byID[clientID]; sess != nil {
		sess.mu.Lock()
		c = sess.conn
		sess.mu.Unlock()
	}
	s.sessions.mu.Unlock()
	if c == nil {
		return ErrNotConnected
	}
	c.close(code)
	return nil
}

// reauthorize gives a live connection a new identity of the same principal and what
// comes with it. The former grant is left in g.
func (c *conn) reauthorize(id *auth.Identity, g *grant) {
	s := c.lock()
	if c.accepted {
		was := grant{c.authz, c.asker}
		c.authz, c.asker = g.authz, g.asker
		if s.will != nil && s.conn == c {
			s.will.authz = g.authz
		}
		*g = was
	}
	s.unlock()
	c.id = id
	at := int64(0)
	if !id.Expires.IsZero() {
		at = c.srv.since(id.Expires)
	}
	c.expires.Store(at)
	c.rearm()
}

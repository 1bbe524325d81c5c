package broker

import (
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
	if err := c.stillWelcome(old); err != nil {
		s.sessions.mu.Unlock()
		return err
	}
	if s.herald.full(id) {
		s.sessions.mu.Unlock()
		return refuse(ServerBusy, "what happened to this client before is still being told")
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
	sess.belongs = belongingOf(c.id, c.owner())
	sess.expireAt, sess.willAt = 0, 0
	sess.will = r.will
	if r.will != nil {
		r.will.m.Origin.ClientID, r.will.m.Origin.Principal, r.will.authz = id, c.id.Principal, c.authz
		r.will.id, r.will.name = c.id, auth.BareName(r.creds.Username)
	}
	c.setLimits(r)
	ka := r.keepAlive
	if c.ver == packet.V5 {
		ka = s.serverKeepAlive(ka)
	}
	c.keepAlive = time.Duration(ka) * 1500 * time.Millisecond
	c.info = &ClientInfo{
		ClientID: id, Serial: s.count.accepted.Add(1), Username: auth.BareName(r.creds.Username), Principal: c.id.Principal, PrincipalARN: c.id.Attached(), ProtocolVersion: byte(c.ver), CleanStart: r.cleanStart,
		SessionPresent: present, KeepAlive: time.Duration(ka) * time.Second, SessionExpiry: expiry,
		RemoteAddr: r.creds.RemoteAddr, Transport: c.drv.info().transport, ConnectedAt: b.now,
	}
	if expiry == never {
		c.info.SessionExpiry = -1
	}
	if s.hooks.ofClients() {
		if replaced != nil {
			s.herald.add(replaced.info, nil) // its end comes first; leave tells why
		}
		info := c.info
		s.herald.add(info, func() { s.tellConnected(info) })
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
	s.count.connections.Add(1)
	// From here on another connection may take over and then finds one that is up,
	// whose client is owed a DISCONNECT.
	up := c.phase.CompareAndSwap(phaseNew, phaseUp) || c.phase.CompareAndSwap(phaseAuth, phaseUp)
	s.sessions.mu.Unlock()
	sess.unlock()
	release()

	if replaced != nil {
		s.count.takeOvers.Add(1)
		if was != phaseClosed {
			d := replaced.end(was, refuse(SessionTakenOver, "another connection uses this client identifier"))
			d.settle()
		}
	}
	s.tell(id)
	if ended != nil {
		ended.dissolve()
	}
	for _, w := range wills {
		s.publishWill(w)
	}
	if !up { // closed meanwhile
		d := c.leave(s.lost(nil))
		d.settle()
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

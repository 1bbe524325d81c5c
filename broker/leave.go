package broker

import (
	"errors"
	"io"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// fail ends the connection because of what the client sent or was refused.
func (c *conn) fail(_ *batch, err error) {
	c.in = nil
	c.close(err)
}

// close ends the connection from our side: an MQTT 5 client is told why, the
// session is let go, and the transport is closed when the outbox is written. A nil
// cause is a normal end. Any goroutine may call it, no lock is held; only the first
// call has an effect.
func (c *conn) close(cause error) {
	d := c.hangUp(cause)
	d.settle()
}

// cut is close for who decides about the client, who must not wait: it returns at once.
func (c *conn) cut(cause error) {
	if cause == nil {
		cause = NotAuthorized
	}
	c.srv.spawn(func() { c.close(cause) }) // unless the server ends, and all connections with it
}

// hangUp is the part of close that does not wait. The rest is to be settled.
func (c *conn) hangUp(cause error) departure {
	if was := c.phase.Swap(phaseClosed); was != phaseClosed {
		return c.end(was, cause)
	}
	return departure{}
}

// end is what is left of hangUp when the phase is phaseClosed; was is what it was.
func (c *conn) end(was uint32, cause error) departure {
	s := c.lock()
	if was == phaseUp && c.ver == packet.V5 && cause != nil && !c.closing && !errors.Is(cause, ErrClientDisconnected) {
		o := c.box()
		d := packet.Disconnect{Code: codeFor(packet.TypeDisconnect, cause)}
		// Problem information may always go with DISCONNECT [MQTT-3.1.2-29].
		if text := reasonText(cause); text != "" {
			d.Props.SetReasonString([]byte(text))
		}
		start := len(o.b)
		o.b = d.Append(o.b, c.ver)
		if c.maxPacket > 0 && len(o.b)-start > c.maxPacket {
			d.Props.Reset()
			o.b = d.Append(o.b[:start], c.ver)
		}
	}
	c.closing = true
	s.unlock()
	if was == phaseUp {
		c.srv.count.disconnects[ReasonOf(cause)].Add(1)
	}
	c.srv.timers.set(c, c.srv.clock()+int64(linger))
	d := c.leave(cause)
	c.flush()
	return d
}

// gone is called by the driver, once, when the transport is closed.
func (c *conn) gone(err error) {
	was := c.phase.Swap(phaseClosed)
	c.srv.timers.stop(c)
	if was != phaseClosed {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		cause := c.srv.lost(err)
		if was == phaseUp {
			c.srv.count.disconnects[ReasonOf(cause)].Add(1)
		}
		d := c.leave(cause)
		d.settle()
	}
	if !c.waiting { // else the exchange is in use, and await ends it
		c.exchange.close(c.srv)
		c.exchange = nil
	}
	s := c.lock()
	c.broken = true
	if !c.writing {
		c.dropOut()
	}
	s.unlock()
	c.in, c.aliases = nil, nil
	c.srv.forget(c)
}

// A departure is what is left to do when a connection has let go of its session: the
// part that calls the host's code and may wait.
type departure struct {
	srv     *Server // nil: nothing
	info    *ClientInfo
	cause   error
	sess    *session
	ended   bool   // the session is
	will    *will  // due now
	release func() // of a replay
	authz   auth.Session
}

// leave lets go of the session because the connection ends. cause is nil after a
// normal DISCONNECT. Only the first call after the connection was accepted has an
// effect.
func (c *conn) leave(cause error) (d departure) {
	s := c.srv
	s.sessions.mu.Lock()
	sess := c.lock()
	defer sess.unlock() // last: it calls hooks
	defer s.sessions.mu.Unlock()
	if !c.accepted {
		return departure{}
	}
	c.accepted = false
	info := c.info
	d = departure{srv: s, info: info, cause: cause, sess: sess, authz: c.authz}
	s.count.connections.Add(-1)
	s.leaving.Add(1) // until it is settled
	if s.hooks.ofClients() {
		s.herald.ended(info, func() { s.tellDisconnected(info, cause) })
	}
	if sess.conn != c {
		return d // taken over
	}
	sess.conn = nil
	d.release = sess.suspend()
	if c.asker != nil {
		sess.dropQoS0()
	}
	w := sess.will
	sess.will = nil
	clock := s.clock()
	if d.ended = sess.expiry == 0; d.ended {
		sess.ended = true
		delete(s.sessions.byID, sess.id)
	}
	if w != nil && w.delay > 0 && !d.ended {
		sess.will, sess.willAt = w, clock+int64(w.delay)
	} else {
		d.will = w
	}
	if !d.ended {
		if sess.expiry != never {
			sess.expireAt = clock + int64(sess.expiry)
		}
		sess.rearm()
	}
	return d
}

// settle does what is left. No lock is held.
func (d *departure) settle() {
	s := d.srv
	if s == nil {
		return
	}
	defer s.leaving.Add(-1)
	if d.release != nil {
		d.release()
	}
	if d.ended {
		d.sess.dissolve()
	}
	if d.will != nil {
		s.publishWill(d.will)
	}
	s.tell(d.info.ClientID)
	if d.authz != nil {
		s.shield("an authorizer", d.authz.Close)
	}
	if d.cause != nil && !errors.Is(d.cause, ErrConnectionLost) {
		s.log.Debug("broker: connection closed", "client", d.info.ClientID, "err", d.cause)
	}
}

package broker

import (
	"fmt"

	"github.com/thinghub/thinghub/internal/packet"
)

// onAck handles the four acknowledgement packets of a client.
func (c *conn) onAck(b *batch, t packet.Type, body []byte) error {
	a := &b.ack
	if err := a.Decode(t, body, c.ver); err != nil {
		return err
	}
	sess := c.lock()
	defer sess.unlock()
	if sess.conn != c {
		return nil
	}
	failed := a.Code >= 0x80
	switch t {
	case packet.TypePubrel:
		var err error
		if !sess.inbound.remove(a.PacketID) && c.ver == packet.V5 {
			err = PacketIDNotFound
		}
		c.appendAck(b, packet.TypePubcomp, a.PacketID, err) // [MQTT-4.3.3-11]
		return nil
	case packet.TypePuback:
		i := sess.find(a.PacketID)
		if i < 0 || sess.inflight.at(i).state != wantPuback {
			return nil // acknowledged before, or of an earlier life
		}
		c.finished(b, sess, i)
	case packet.TypePubrec:
		i := sess.find(a.PacketID)
		switch {
		case i >= 0 && sess.inflight.at(i).state == wantPubrec && failed:
			c.finished(b, sess, i) // [MQTT-4.3.3-4]
		case i >= 0 && sess.inflight.at(i).state != wantPuback:
			f := sess.inflight.at(i)
			f.state = wantPubcomp
			sess.release(f)
			c.appendAck(b, packet.TypePubrel, a.PacketID, nil)
		case !failed:
			var err error
			if c.ver == packet.V5 {
				err = PacketIDNotFound
			}
			c.appendAck(b, packet.TypePubrel, a.PacketID, err)
		}
	case packet.TypePubcomp:
		if i := sess.find(a.PacketID); i >= 0 && sess.inflight.at(i).state == wantPubcomp {
			c.finished(b, sess, i)
		}
	default: // packet gives us these four
	}
	return nil
}

// finished ends an exchange and sends what waited for its place. The session's lock
// is held.
func (c *conn) finished(b *batch, sess *session, i int) {
	sess.complete(i)
	b.inFlight--
	b.acknowledged++
	if !c.full && !c.closing && c.asker == nil && sess.pump(c) || sess.replays != nil || c.asker != nil && sess.owes() {
		b.touch(c)
	}
}

// onDisconnect ends the connection as the client wishes [MQTT-3.14.4-1].
func (c *conn) onDisconnect(b *batch, body []byte) error {
	d := &b.disc
	if err := d.Decode(body, c.ver, true); err != nil {
		return err
	}
	if d.Props.Has(packet.PropSessionExpiry) {
		sess := c.lock()
		if sess.expiry == 0 && d.Props.SessionExpiry != 0 {
			sess.unlock()
			return refuse(ProtocolError, "DISCONNECT raises the Session Expiry Interval from 0 to %d", d.Props.SessionExpiry) // [MQTT-3.14.2-2]
		}
		if sess.conn == c {
			sess.expiry = c.srv.grantExpiry(d.Props.SessionExpiry)
		}
		sess.unlock()
	}
	if d.Code != byte(Success) { // with will
		c.close(fmt.Errorf("%w: %w", ErrClientDisconnected, ReasonCode(d.Code)))
		return nil
	}
	sess := c.lock()
	if sess.conn == c {
		sess.will = nil // at once, in case of a take-over [MQTT-3.14.4-3]
	}
	sess.unlock()
	c.close(nil)
	return nil
}

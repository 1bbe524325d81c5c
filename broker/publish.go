package broker

import (
	"errors"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// errNotAuthorized is what a client is told that publishes where it may not.
var errNotAuthorized = Refuse(NotAuthorized, "not authorized to publish to this topic")

// reserved reports whether a topic belongs to the server alone.
func reserved(name string) bool { return strings.HasPrefix(name, "$SYS/") || name == "$SYS" }

// onPublish takes one message in: state, limits, permission, route, acknowledgement.
// Nothing is allocated on the way to subscribers of QoS 0.
func (c *conn) onPublish(b *batch, flags byte, body []byte) error {
	p := &b.pub
	if err := p.Decode(flags, body, c.ver); err != nil {
		return err
	}
	s := c.srv
	if err := s.checkForm(p.QoS, p.Retain, len(p.Payload)); err != nil {
		return err
	}
	m := &b.msg
	*m = Message{Topic: stringOf(p.Topic), Payload: p.Payload, QoS: QoS(p.QoS), Retain: p.Retain, Received: b.now, batch: b}
	if !p.Props.Empty() {
		if err := c.publishProperties(m, p, b.now); err != nil {
			return err
		}
	}
	if err := s.checkTopic(m.Topic); err != nil {
		return err
	}
	m.Origin = Origin{Source: FromClient, ClientID: c.conn.ClientID, Principal: c.id.Principal, RemoteAddr: c.conn.RemoteAddr}

	if p.QoS == 2 {
		again, err := c.receiveExactlyOnce(b, p.PacketID)
		if again || err != nil {
			return err
		}
	}
	if s.slow {
		b.flush() // what others wait for does not wait with us
	}
	err := c.allowPublish(m)
	if err == nil {
		err = s.route(m)
	}
	delivered := err == nil || m.fanned || errors.Is(err, ErrNotRetained)
	if err != nil {
		err = s.refusePublish(m, err, delivered)
	}
	if delivered {
		b.received[p.QoS]++
		for _, h := range s.hooks.published {
			s.shield("a hook", func() { h.Published(m) })
		}
	}
	return c.acknowledge(b, p, m, delivered, err)
}

// checkForm refuses what Config does not have publishers send.
func (s *Server) checkForm(qos byte, retain bool, payload int) error {
	cfg := &s.cfg
	switch {
	case qos > cfg.maxQoS():
		return refuse(QoSNotSupported, "PUBLISH with QoS %d, at most %d is supported", qos, cfg.maxQoS())
	case retain && cfg.DisableRetain:
		return refuse(RetainNotSupported, "retained PUBLISH, but the server keeps no retained messages")
	case cfg.MaxPayloadBytes > 0 && payload > cfg.MaxPayloadBytes:
		return refuse(PacketTooLarge, "payload of %d bytes, at most %d are accepted", payload, cfg.MaxPayloadBytes)
	}
	return nil
}

// CheckPublish returns why the server would refuse m from a client, by the limits of
// its Config and because $SYS is its own; nil if it would not. It is for who takes in
// messages of clients by other ways than MQTT, and hands them to [Server.Route].
func (s *Server) CheckPublish(m *Message) error {
	if reserved(m.Topic) {
		return errNotAuthorized
	}
	if err := s.checkForm(byte(m.QoS), m.Retain, len(m.Payload)); err != nil {
		return err
	}
	return s.checkTopic(m.Topic)
}

// publishProperties resolves the topic alias and takes the others over.
func (c *conn) publishProperties(m *Message, p *packet.Publish, now time.Time) error {
	pr := &p.Props
	if pr.Has(packet.PropSubscriptionID) {
		return refuse(ProtocolError, "PUBLISH from a client carries a Subscription Identifier") // [MQTT-3.3.4-6]
	}
	if pr.Has(packet.PropTopicAlias) {
		a := int(pr.TopicAlias)
		if a > c.srv.cfg.TopicAliasMaximum {
			return refuse(TopicAliasInvalid, "Topic Alias %d, the maximum is %d", a, max(0, c.srv.cfg.TopicAliasMaximum))
		}
		if len(p.Topic) > 0 {
			for len(c.aliases) <= a {
				c.aliases = append(c.aliases, "")
			}
			if c.aliases[a] != m.Topic {
				c.aliases[a] = strings.Clone(m.Topic)
			}
		} else {
			if a >= len(c.aliases) || c.aliases[a] == "" {
				return refuse(TopicAliasInvalid, "Topic Alias %d was not set on this connection", a)
			}
			m.Topic = c.aliases[a]
		}
	}
	if pr.Has(packet.PropMessageExpiry) {
		m.Expires = now.Add(time.Duration(pr.MessageExpiry) * time.Second)
	}
	m.setProperties(pr)
	return nil
}

// receiveExactlyOnce enters the id of a QoS 2 PUBLISH. again is true for one that
// was received before and not released: it is acknowledged and goes no further
// [MQTT-4.3.3-10].
func (c *conn) receiveExactlyOnce(b *batch, pid uint16) (again bool, err error) {
	sess := c.lock()
	defer sess.unlock()
	if sess.conn != c {
		return true, nil // taken over: the session is another connection's
	}
	if sess.inbound.has(pid) {
		c.appendAck(b, packet.TypePubrec, pid, nil)
		return true, nil
	}
	if n := sess.inbound.len() - sess.carried; c.ver == packet.V5 && n >= c.srv.cfg.ReceiveMaximum {
		return false, refuse(ReceiveMaximumExceeded, "%d QoS 2 messages are unfinished, the Receive Maximum is %d", n+1, c.srv.cfg.ReceiveMaximum)
	}
	sess.inbound.add(pid)
	return false, nil
}

// allowPublish asks the authorizer.
func (c *conn) allowPublish(m *Message) error {
	if m.Topic[0] == '$' && reserved(m.Topic) {
		c.srv.tellDenied(c.denial(auth.Publish, m.Topic, errNotAuthorized))
		return errNotAuthorized
	}
	if c.authz == nil {
		return nil
	}
	action := auth.Publish
	err := c.authz.Allow(action, m.Topic)
	if err == nil && m.Retain {
		action = auth.RetainPublish
		err = c.authz.Allow(action, m.Topic)
	}
	if err == nil {
		return nil
	}
	c.srv.tellDenied(c.denial(action, m.Topic, err))
	if reasonText(err) == "" {
		return errNotAuthorized
	}
	return refuseDenied(err, "")
}

// refusePublish counts a message that was not accepted, or not in full if it was
// delivered, and returns what the client is told.
func (s *Server) refusePublish(m *Message, err error, delivered bool) error {
	code := ReasonOf(err)
	s.count.refusedPublish[code].Add(1)
	switch {
	case delivered:
		s.log.Debug("broker: message delivered, but then refused", "client", m.Origin.ClientID, "topic", strings.Clone(m.Topic), "err", err)
	case code == UnspecifiedError:
		s.log.Warn("broker: message not routed", "client", m.Origin.ClientID, "topic", strings.Clone(m.Topic), "err", err)
	}
	switch code {
	case UnspecifiedError, ImplementationSpecificError, NotAuthorized, TopicNameInvalid, PacketIDInUse, QuotaExceeded, PayloadFormatInvalid:
		return err
	default: // PUBACK has no code for it
		return refuse(UnspecifiedError, "%s", reasonText(err))
	}
}

// acknowledge is the one place that answers a PUBLISH [MQTT-4.3.2-4, 4.3.3-8].
// 3.1.1 has no negative answer: a message that was refused on purpose is
// acknowledged, or ends the connection (Config.CloseOnDenied) [MQTT-3.3.5-2]; one
// that could not be routed ends it, so that the client sends it again. One that was
// delivered and then failed (it could not be retained) must not come again, so that
// 3.1.1 clients are told of success.
func (c *conn) acknowledge(b *batch, p *packet.Publish, m *Message, delivered bool, err error) error {
	if err != nil && !delivered && c.srv.cfg.CloseOnDenied && ReasonOf(err) == NotAuthorized {
		return err
	}
	if p.QoS == 0 {
		return nil
	}
	t := packet.TypePuback
	if p.QoS == 2 {
		t = packet.TypePubrec
	}
	answer := err
	var lost error
	if c.ver == packet.V311 {
		answer = nil
		if err != nil && !delivered && !onPurpose(ReasonOf(err)) {
			lost = err
		}
	} else if err == nil && m.fanned && !m.matched && c.srv.local {
		answer = NoMatchingSubscribers
	}
	sess := c.lock()
	if p.QoS == 2 && (lost != nil || ReasonOf(answer) >= UnspecifiedError) && sess.conn == c {
		sess.inbound.remove(p.PacketID) // the exchange ends here [MQTT-4.3.3-9]
	}
	if lost == nil {
		c.appendAck(b, t, p.PacketID, answer)
	}
	sess.unlock()
	return lost
}

// onPurpose tells refusals of the message itself from failures on its way.
func onPurpose(r ReasonCode) bool {
	return r == NotAuthorized || r == TopicNameInvalid || r == QuotaExceeded || r == PayloadFormatInvalid
}

package broker

import (
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
	"github.com/thinghub/thinghub/internal/topic"
)

// onSubscribe grants or refuses each filter, answers with one SUBACK, and then sends
// the retained messages. A filter is in force before its SUBACK leaves.
func (c *conn) onSubscribe(b *batch, body []byte) error {
	if c.srv.slow {
		b.flush() // what others are owed does not wait with us
	}
	p := &b.sub
	if err := p.Decode(body, c.ver); err != nil {
		return err
	}
	if err := c.mayTell(); err != nil {
		return err
	}
	cfg := &c.srv.cfg
	if n := cfg.MaxFiltersPerSubscribe; n > 0 && len(p.Filters) > n {
		return refuse(QuotaExceeded, "SUBSCRIBE with %d filters, at most %d are accepted", len(p.Filters), n)
	}
	id := uint32(0)
	if p.Props.Has(packet.PropSubscriptionID) {
		if cfg.DisableSubscriptionIDs {
			return refuse(SubscriptionIDsNotSupported, "Subscription Identifiers are not supported")
		}
		id = p.Props.SubscriptionIDs[0]
	}
	ack := packet.Suback{PacketID: p.PacketID, Codes: make([]byte, len(p.Filters))}
	var owed []*subscription
	var grants []Grant
	var why error
	for i := range p.Filters {
		f := &p.Filters[i]
		filter := string(f.Filter)
		granted, owe, err := c.subscribe(filter, f.Options, id)
		if err != nil {
			code := ReasonOf(err)
			if code == ProtocolError {
				c.subscribed(grants)
				return err
			}
			c.srv.count.refusedSub[code].Add(1)
			ack.Codes[i] = byte(subackCode(code))
			if c.ver == packet.V311 {
				ack.Codes[i] = byte(UnspecifiedError)
			}
			if why == nil {
				why = err
			}
			continue
		}
		ack.Codes[i] = byte(granted)
		if owe != nil {
			owed = append(owed, owe)
		}
		if len(c.srv.hooks.subscribed) > 0 {
			grants = append(grants, Grant{filter, granted})
		}
	}
	c.subscribed(grants)
	if why != nil {
		c.explain(&ack.Props, why)
	}
	buf := ack.Append(nil, c.ver)
	if !c.fits(buf) {
		ack.Props.Reset()
		buf = ack.Append(nil, c.ver)
	}
	if !c.fits(buf) {
		return refuse(PacketTooLarge, "SUBACK of %d bytes, the client's Maximum Packet Size is %d", len(buf), c.maxPacket)
	}
	c.reply(b, buf)
	c.startReplay(b, owed)
	return nil
}

// subscribed tells the hooks.
func (c *conn) subscribed(grants []Grant) {
	if s, info := c.srv, c.info; len(grants) > 0 {
		s.herald.add(info, func() { s.tellSubscribed(info, grants) })
		s.tell(info.ClientID)
	}
}

// unsubscribed tells the hooks.
func (c *conn) unsubscribed(filters []string) {
	if s, info := c.srv, c.info; len(filters) > 0 {
		s.herald.add(info, func() { s.tellUnsubscribed(info, filters) })
		s.tell(info.ClientID)
	}
}

// mayTell refuses a client that is far ahead of the hooks.
func (c *conn) mayTell() error {
	if c.srv.herald.full(c.info.ClientID) {
		return refuse(QuotaExceeded, "what this client did before is still being told")
	}
	return nil
}

// startReplay notes which retained messages the client is owed. They are sent when
// the batch is flushed, as fast as the client reads and acknowledges.
func (c *conn) startReplay(b *batch, owed []*subscription) {
	if l, ok := c.srv.cfg.Retained.(interface{ Len() int }); len(owed) == 0 || ok && l.Len() == 0 {
		return
	}
	sess := c.lock()
	if sess.conn == c && !c.closing {
		for _, sub := range owed {
			sess.owe(sub)
		}
		b.touch(c)
	}
	sess.unlock()
}

// subackCode is the code a SUBACK can carry.
func subackCode(r ReasonCode) ReasonCode {
	switch r {
	case ImplementationSpecificError, NotAuthorized, TopicFilterInvalid, PacketIDInUse, QuotaExceeded, SharedNotSupported,
		SubscriptionIDsNotSupported, WildcardsNotSupported:
		return r
	default:
		return UnspecifiedError
	}
}

// subscribe makes or changes one subscription and returns it if it is owed the
// retained messages.
func (c *conn) subscribe(filter string, options byte, id uint32) (QoS, *subscription, error) {
	s, cfg := c.srv, &c.srv.cfg
	group, inner, shared, err := topic.ParseShared(filter)
	if err != nil {
		return 0, nil, refuse(TopicFilterInvalid, "%s", err)
	}
	if err := s.checkTopic(inner); err != nil {
		return 0, nil, refuse(TopicFilterInvalid, "%s", reasonText(err))
	}
	if shared {
		if c.ver == packet.V5 && options&optNoLocal != 0 {
			return 0, nil, refuse(ProtocolError, "No Local on a shared subscription") // [MQTT-3.8.3-4]
		}
		if cfg.DisableShared {
			return 0, nil, refuse(SharedNotSupported, "shared subscriptions are not supported")
		}
	}
	if cfg.DisableWildcards && topic.HasWildcard(inner) {
		return 0, nil, refuse(WildcardsNotSupported, "wildcards are not supported")
	}
	for _, d := range cfg.DenySubscribe {
		if d == filter || d == inner {
			err := refuse(NotAuthorized, "not authorized to subscribe to %q", clip(filter))
			s.tellDenied(c.denial(auth.Subscribe, filter, err))
			return 0, nil, err
		}
	}
	if c.authz != nil {
		if err := c.authz.Allow(auth.Subscribe, filter); err != nil {
			s.tellDenied(c.denial(auth.Subscribe, filter, err))
			return 0, nil, refuseDenied(err, "not authorized to subscribe to %q", clip(filter))
		}
	}
	options = options&^optQoS | min(options&optQoS, cfg.maxQoS())
	opts := packOpts(id, options)

	if err := s.interest.add(s.ctx, inner, group); err != nil {
		return 0, nil, err
	}
	sub, isNew, err := c.store(filter, inner, group, opts)
	if err != nil || !isNew {
		s.unwish(inner, group)
	}
	if err != nil {
		return 0, nil, err
	}
	if handling := options >> 4 & 3; shared || cfg.DisableRetain || handling == 2 || handling == 1 && !isNew {
		sub = nil
	}
	return QoS(options & optQoS), sub, nil
}

// store enters the subscription into the session and the tree. An existing one gets
// the new options at once, without a gap [MQTT-3.8.4-3].
func (c *conn) store(filter, inner, group string, opts uint64) (sub *subscription, isNew bool, err error) {
	s := c.srv
	sess := c.lock()
	defer sess.unlock()
	if sess.conn != c {
		return nil, false, ServerBusy // taken over; nobody sees the answer
	}
	if i := sess.subs.find(filter); i >= 0 {
		sub = sess.subs.list[i]
		sub.opts.Store(opts | sub.opts.Load()&optOwed)
		return sub, false, nil
	}
	if n := len(sess.subs.list); n >= s.cfg.MaxSubscriptions {
		return nil, false, refuse(QuotaExceeded, "the session has %d subscriptions, which is its limit", n)
	}
	if sess.subs.bytes+filterCost(filter) > s.cfg.MaxSubscriptionBytes {
		return nil, false, refuse(QuotaExceeded, "the subscriptions of the session take %d bytes, which is its limit", sess.subs.bytes)
	}
	sub = &subscription{filter: filter, sess: sess}
	sub.opts.Store(opts)
	sess.subs.add(sub)
	if group == "" {
		sess.nsubs.Add(1)
		s.tree.Add(inner, sub)
	} else {
		s.groups.join(s, group, inner, sub)
	}
	s.count.subscriptions.Add(1)
	return sub, true, nil
}

// removeSubscription takes a subscription, which its session does not list any
// more, out of the tree or its group.
func (s *Server) removeSubscription(sub *subscription) {
	group, inner := "", sub.filter
	if sub.group != nil {
		group, inner = sub.group.name, sub.group.filter
		s.groups.leave(s, sub)
	} else {
		s.tree.Remove(inner, sub)
	}
	s.count.subscriptions.Add(-1)
	s.unwish(inner, group)
}

// onUnsubscribe ends subscriptions; the filters are compared as text
// [MQTT-3.10.4-1].
func (c *conn) onUnsubscribe(b *batch, body []byte) error {
	if c.srv.slow {
		b.flush() // what others are owed does not wait with us
	}
	p := &b.unsub
	if err := p.Decode(body, c.ver); err != nil {
		return err
	}
	if err := c.mayTell(); err != nil {
		return err
	}
	var ended []string
	ack := packet.Unsuback{PacketID: p.PacketID, Codes: make([]byte, len(p.Filters))}
	for i, f := range p.Filters {
		sess := c.lock()
		var sub *subscription
		if sess.conn == c {
			if j := sess.subs.find(stringOf(f)); j >= 0 {
				sub = sess.subs.list[j]
				sess.subs.remove(j)
				sub.opts.Or(optEnded)
				if sub.group == nil {
					sess.nsubs.Add(-1)
				}
			}
		}
		sess.unlock()
		if sub == nil {
			ack.Codes[i] = byte(NoSubscriptionExisted)
			continue
		}
		c.srv.removeSubscription(sub)
		if len(c.srv.hooks.unsubscribed) > 0 {
			ended = append(ended, sub.filter)
		}
	}
	c.unsubscribed(ended)
	buf := ack.Append(nil, c.ver)
	if !c.fits(buf) {
		return refuse(PacketTooLarge, "UNSUBACK of %d bytes, the client's Maximum Packet Size is %d", len(buf), c.maxPacket)
	}
	c.reply(b, buf)
	return nil
}

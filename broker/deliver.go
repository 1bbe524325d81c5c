package broker

import (
	"context"
	"fmt"
)

// Publish keeps m if it is retained and brings it to every hub that wants it. It is
// where a [Router] ends; it does not ask anybody's permission. m is valid until
// Publish returns.
//
// An error of the Broker means that the message was not delivered and that it may be
// published again. A message that the retained store does not take is delivered all
// the same: the error then wraps [ErrNotRetained] and the store's, and publishing it
// again would deliver it again.
func (s *Server) Publish(ctx context.Context, m *Message) error {
	var unkept error
	if m.Retain && !s.cfg.DisableRetain {
		unkept = s.retain(ctx, m)
	}
	if err := s.cfg.Broker.Publish(ctx, m); err != nil {
		return err
	}
	if b := m.batch; b != nil && m == &b.msg {
		m.fanned = true // a Broker of the host may have delivered a copy
	}
	if unkept != nil {
		return fmt.Errorf("%w: %w", ErrNotRetained, unkept)
	}
	return nil
}

// retain keeps m, or what is kept of its topic no longer.
func (s *Server) retain(ctx context.Context, m *Message) error {
	if len(m.Payload) == 0 {
		return s.cfg.Retained.Delete(ctx, m.Topic)
	}
	return s.cfg.Retained.Put(ctx, m.keep())
}

// Deliver brings m to one client and to nobody else, by the subscriptions of its that
// match, if there are any. The client may be offline if its session is kept. The message
// goes past Router and Broker, and is not retained. m is not kept.
//
// The error is that of [Message.Validate], ErrClosed, or the context's.
func (s *Server) Deliver(ctx context.Context, clientID string, m *Message) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Closed() {
		return ErrClosed
	}
	b := s.borrow()
	defer b.done()
	b.only = clientID
	defer func() { b.only = "" }()
	s.fanout(b, "", m)
	return nil
}

// deliver is what the Broker calls for every message that concerns this hub.
func (s *Server) deliver(group string, m *Message) {
	if b := m.batch; b != nil && m == &b.msg && b.srv == s && !b.busy {
		s.fanout(b, group, m)
		return
	}
	b := s.borrow()
	s.fanout(b, group, m)
	b.done()
}

// fanout brings m to the local subscribers: ordinary ones, host handlers, and one
// member of each shared group, as group asks for. Nothing waits here.
func (s *Server) fanout(b *batch, group string, m *Message) {
	b.busy = true
	defer func() { b.busy = false }()
	own := m == &b.msg // other messages are shared and not written to
	if own {
		m.fanned = true
	}
	b.hits = b.hits[:0]
	b.merged.reset() // a panic may have left something
	s.tree.Match(m.Topic, b.collect)
	if len(b.hits) == 0 {
		return
	}
	if own {
		m.matched = true
	}
	b.frames.reset()
	for i, sub := range b.hits {
		b.hits[i] = nil
		if b.only != "" && (sub.sess == nil || sub.sess.id != b.only) {
			continue
		}
		if g := sub.group; g != nil {
			if group == EveryGroup || group == g.name {
				g.deliver(b, m)
			}
			continue
		}
		if group != "" && group != EveryGroup {
			continue
		}
		if sub.host != nil {
			sub.host.push(m)
			continue
		}
		opts := sub.opts.Load()
		if m.isOwn(sub.sess.id, opts) {
			continue
		}
		if sub.sess.nsubs.Load() > 1 {
			b.merged.add(sub.sess, m, opts)
			continue
		}
		f := legOf(m, opts)
		s.send(b, sub.sess, &f)
	}
	for i := range b.merged.legs {
		l := &b.merged.legs[i]
		s.send(b, l.sess, &l.f)
		*l = leg{}
	}
}

// isOwn reports whether No Local keeps m from the client that published it
// [MQTT-3.8.3-3].
func (m *Message) isOwn(clientID string, opts uint64) bool {
	return opts&optNoLocal != 0 && m.Origin.ClientID == clientID && !m.Origin.Upstream && (m.Origin.Source == FromClient || m.Origin.Source == FromWill)
}

// legOf is how m travels to one subscription [MQTT-3.8.4-8, 3.3.1-12, -13].
func legOf(m *Message, opts uint64) flight {
	return flight{
		m: m, qos: min(byte(m.QoS), byte(opts&optQoS)),
		retain: m.Retain && opts&optRAP != 0,
		subID:  uint32(opts >> 8),
	}
}

// send delivers one message to one session: into the outbox of its connection, or
// into its queue. It reports whether the session took it. f.m is not a kept copy.
func (s *Server) send(b *batch, sess *session, f *flight) bool {
	m := f.m
	sess.mu.Lock()
	c := sess.conn
	if c != nil && c.closing {
		c = nil // nothing may follow its DISCONNECT
	}
	if sess.ended || c == nil && (f.qos == 0 || !sess.durable) {
		sess.mu.Unlock()
		return false
	}
	taken, disconnect := false, false
	switch {
	case c != nil && c.asker != nil: // decided by writeOut
		f.m = m.keep()
		taken, disconnect = sess.enqueue(*f)
		disconnect = disconnect && f.qos > 0
		b.touch(c)
	case c != nil && f.qos == 0:
		if c.pending() > s.cfg.MaxOutboxBytes {
			sess.note(m, DropOutboxFull)
			break
		}
		taken = sess.dispatch(c, b, f, b.now)
	case c != nil && sess.queue.len() == 0 && sess.again == 0 && sess.unacked < c.quota && sess.bytes < s.cfg.MaxQueuedBytes && c.pending() <= s.cfg.MaxOutboxBytes:
		taken = sess.dispatch(c, b, f, b.now)
	default:
		f.m = m.keep()
		taken, disconnect = sess.enqueue(*f)
	}
	big := false
	if c != nil && c.out != nil {
		b.touch(c)
		big = c.pending() >= flushAt && !c.writing && !c.full
	}
	sess.unlock()
	if taken {
		b.delivered[f.qos]++
	}
	if big {
		c.flush()
	}
	if disconnect && c != nil {
		c.close(refuse(QuotaExceeded, "the queue of the session is full"))
	}
	return taken
}

// A merger gathers the subscriptions of sessions that have several, so that a
// message that matches more than one of them is sent once, at the highest granted
// QoS, with all their identifiers [MQTT-3.3.4-2, -3, -4]. It is an open-addressing
// table of indices into legs, valid for one message.
type merger struct {
	legs  []leg
	table []mergeSlot
	epoch uint32
}

type leg struct {
	sess *session
	f    flight
}

type mergeSlot struct{ epoch, leg uint32 }

func (g *merger) reset() {
	if cap(g.legs) > 1<<16 {
		g.legs, g.table = nil, nil
	}
	g.legs = g.legs[:0]
	g.epoch++
	if g.epoch == 0 {
		clear(g.table)
		g.epoch = 1
	}
}

func (g *merger) add(sess *session, m *Message, opts uint64) {
	if 2*(len(g.legs)+1) > len(g.table) {
		g.grow()
	}
	mask := uint32(len(g.table) - 1)
	for i := sess.serial & mask; ; i = (i + 1) & mask {
		slot := &g.table[i]
		if slot.epoch != g.epoch {
			*slot = mergeSlot{g.epoch, uint32(len(g.legs))}
			g.legs = append(g.legs, leg{sess, legOf(m, opts)})
			return
		}
		l := &g.legs[slot.leg]
		if l.sess != sess {
			continue
		}
		f := legOf(m, opts)
		l.f.qos = max(l.f.qos, f.qos)
		l.f.retain = l.f.retain || f.retain
		switch {
		case f.subID == 0:
		case l.f.subID == 0:
			l.f.subID = f.subID
		default:
			if l.f.more == nil {
				l.f.more = new([]uint32)
			}
			*l.f.more = append(*l.f.more, f.subID)
		}
		return
	}
}

func (g *merger) grow() {
	n := max(64, 2*len(g.table))
	g.table = make([]mergeSlot, n)
	g.epoch = 1
	for i := range g.legs {
		for j := g.legs[i].sess.serial & uint32(n-1); ; j = (j + 1) & uint32(n-1) {
			if g.table[j].epoch != g.epoch {
				g.table[j] = mergeSlot{g.epoch, uint32(i)}
				break
			}
		}
	}
}

// drop counts and reports a message that clientID does not get. No lock is held.
func (s *Server) drop(clientID string, m *Message, why DropReason) {
	s.count.dropped[why].Add(1)
	s.reportDrop(clientID, m, why)
}

func (s *Server) reportDrop(clientID string, m *Message, why DropReason) {
	for _, h := range s.hooks.dropped {
		s.shield("a hook", func() { h.Dropped(clientID, m, why) })
	}
}

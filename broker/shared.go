package broker

import (
	"slices"
	"sync"
)

// shareGroups are the shared subscriptions, by group name and filter.
type shareGroups struct {
	mu     sync.Mutex
	groups map[shareKey]*shareGroup
}

type shareKey struct{ name, filter string }

// A shareGroup hands each message to one of its members. It stands in the filter
// tree once, through head.
type shareGroup struct {
	name, filter string
	head         subscription

	mu      sync.Mutex
	members []*subscription
	next    int
}

// join adds a membership. The member's session is locked.
func (g *shareGroups) join(s *Server, name, filter string, sub *subscription) {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := shareKey{name, filter}
	grp := g.groups[k]
	if grp == nil {
		grp = &shareGroup{name: name, filter: filter}
		grp.head.group = grp
		if g.groups == nil {
			g.groups = map[shareKey]*shareGroup{}
		}
		g.groups[k] = grp
	}
	sub.group = grp
	grp.mu.Lock()
	grp.members = append(grp.members, sub)
	first := len(grp.members) == 1
	grp.mu.Unlock()
	if first {
		s.tree.Add(filter, &grp.head)
	}
}

// leave removes a membership.
func (g *shareGroups) leave(s *Server, sub *subscription) {
	g.mu.Lock()
	defer g.mu.Unlock()
	grp := sub.group
	grp.mu.Lock()
	for i, m := range grp.members {
		if m == sub {
			// A new slice: deliver walks the old one without the lock.
			rest := make([]*subscription, 0, len(grp.members)-1)
			grp.members = append(append(rest, grp.members[:i]...), grp.members[i+1:]...)
			break
		}
	}
	empty := len(grp.members) == 0
	grp.mu.Unlock()
	if empty {
		s.tree.Remove(grp.filter, &grp.head)
		delete(g.groups, shareKey{grp.name, grp.filter})
	}
}

// candidates returns the members and where to start among them, in turn.
func (g *shareGroup) candidates() ([]*subscription, int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	if g.next >= len(g.members) {
		g.next = 0
	}
	return g.members, g.next
}

// deliver gives m to one member [MQTT-4.8.2-3].
func (g *shareGroup) deliver(b *batch, m *Message) {
	members, start := g.candidates()
	g.offer(b, m, members, start)
}

// again gives a message to another member because the session it was meant for
// ended before it was sent or acknowledged.
func (g *shareGroup) again(b *batch, f *flight) {
	if f.m.expired(b.now) {
		b.srv.drop("", f.m, DropExpired)
		return
	}
	members, start := g.candidates()
	if len(members) == 0 {
		b.srv.drop("", f.m, DropSessionEnded)
		return
	}
	b.frames.reset()
	g.offer(b, f.m, members, start)
}

// offer asks the members in turn, first those that can take m at once, then those
// whose queue has to, then the ones without a connection. A member that does not
// take it (its outbox or queue is full, it may not receive it) passes it on. Every
// member is asked before the message is given up, whatever becomes of its state
// meanwhile.
//
// One thing is known too late for that: an authorizer that may wait is asked when the
// message is about to be sent, so the member has taken it by then. What it may not
// receive is dropped (DropDenied) and does not come back to the group.
func (g *shareGroup) offer(b *batch, m *Message, members []*subscription, start int) {
	const (
		ready = iota
		busy
		offline
		rounds
	)
	var asked []bool // once somebody refused
	for want := range rounds {
		for i := range members {
			if asked != nil && asked[i] {
				continue
			}
			sub := members[(start+i)%len(members)]
			opts := sub.opts.Load()
			f := legOf(m, opts)
			f.group = g
			if sub.sess.state(f.qos) > want {
				continue
			}
			if b.srv.send(b, sub.sess, &f) {
				return
			}
			if asked == nil {
				asked = b.askedBy(len(members))
			}
			asked[i] = true
		}
	}
}

// askedBy returns room to note which of n members were asked.
func (b *batch) askedBy(n int) []bool {
	b.asked = slices.Grow(b.asked[:0], n)[:n]
	clear(b.asked)
	return b.asked
}

// state tells how soon a session can send a message: 0 at once, 1 when its client
// acknowledges or reads, 2 when it connects.
func (s *session) state(qos byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conn
	switch {
	case c == nil || c.closing:
		return 2
	case c.full || c.pending() > flushAt*4 || qos > 0 && (s.unacked >= c.quota || s.queue.len() > 0 || s.again > 0):
		return 1
	}
	return 0
}

package shadow

// merge makes w.merged from w.old and the state of a request. now is the time of
// what the request mentions, in epoch seconds.
func (w *work) merge(r *request, now int64) {
	for _, side := range [...]Side{Desired, Reported} {
		old, node := w.old[side], r.sides[side]
		if !r.clear && (node == 0 || r.isEmpty(node)) {
			w.merged[side] = old
			continue
		}
		s := &w.sections[2+side]
		s.reset()
		w.merged[side] = s
		if r.clear || r.tree.nodes[node].kind == kindNull {
			continue
		}
		m := merger{work: w, to: s, old: old, request: r.tree, now: now}
		if r.tree.nodes[node].flags&hasNull == 0 && (old.empty() || old.in == r.tree || m.covers(0, node)) {
			s.set(r.tree, node)
			s.time = now
			continue
		}
		s.tree.nodes, s.tree.leaves, s.tree.own = s.tree.nodes[:0], 0, s.tree.own[:0]
		if old.empty() {
			m.insert(node)
		} else {
			w.matches = append(w.matches[:0], make([]uint32, len(old.tree.nodes))...)
			m.object(0, node)
		}
		s.tree.text = s.tree.own
		if s.tree.nodes[0].count > 0 {
			s.set(&s.tree, 0)
		}
	}
}

// A merger writes one side: text, nodes and times together, so that what it has
// made need not be read again. It recurses as deep as the request, which is bounded.
type merger struct {
	work    *work
	to      *section
	old     *section
	request *tree
	now     int64
	head    uint64 // of the key that was written for the next value
	key     uint32 // where that key is, 0 if it has none
}

// covers reports whether the request's object r has all keys of the old one o and
// no others, in the same order, and so takes its place: a device that reports
// everything it has, every time.
func (m *merger) covers(o, r uint32) bool {
	old, request := &m.old.tree, m.request
	if old.nodes[o].count != request.nodes[r].count {
		return false
	}
	for c, d, end := o+1, r+1, old.nodes[o].next; c < end; c, d = old.nodes[c].next, request.nodes[d].next {
		if !sameKey(old, c, request, d) {
			return false
		}
		if old.nodes[c].kind == kindObject && request.nodes[d].kind == kindObject && !m.covers(c, d) {
			return false
		}
	}
	return true
}

// object merges the request's object r into the old one o.
func (m *merger) object(o, r uint32) {
	old, request, matches := &m.old.tree, m.request, m.work.matches
	if request.nodes[r].count == 0 {
		m.value(old, o)
		m.to.times = m.old.appendTimes(m.to.times, o, old.nodes[o].next)
		return
	}
	in := m.work.tables.find(old, o)
	for c, end := r+1, request.nodes[r].next; c < end; c = request.nodes[c].next {
		n := &request.nodes[c]
		n.flags &^= matched
		if at, ok := in.get(request, c); ok {
			matches[at] = c
			n.flags |= matched
		}
	}
	in.close()
	at := m.open()
	for c, end := o+1, old.nodes[o].next; c < end; {
		rc := matches[c]
		switch {
		case rc == 0:
			c = m.untouched(at, c, end)
			continue
		case m.replaces(c, rc):
			c = m.replaced(at, c, end)
			continue
		case request.nodes[rc].kind == kindNull:
		case old.nodes[c].kind == kindObject:
			m.name(at, old, c)
			m.object(c, rc)
		default:
			m.name(at, request, rc)
			m.insert(rc)
		}
		c = old.nodes[c].next
	}
	m.added(at, r)
	m.close(at)
}

// replaces reports whether the old value c gives way to the request's rc as it is.
func (m *merger) replaces(c, rc uint32) bool {
	n := &m.request.nodes[rc]
	return n.kind < kindObject && n.kind != kindNull ||
		n.kind == kindObject && n.flags&hasNull == 0 && m.old.tree.nodes[c].kind != kindObject
}

// untouched keeps the old members from c on, up to one that the request mentions,
// in one piece. It returns that one.
func (m *merger) untouched(parent, from, end uint32) uint32 {
	old := &m.old.tree
	last, c, count := from, from, uint32(0)
	for c < end && m.work.matches[c] == 0 {
		last, c = c, old.nodes[c].next
		count++
	}
	m.members(parent, old, from, last, count)
	m.to.times = m.old.appendTimes(m.to.times, from, c)
	return c
}

// replaced takes the request's members in place of the old ones from c on, as far
// as they come in the same order, in one piece. It returns the next old one.
func (m *merger) replaced(parent, c, end uint32) uint32 {
	from := m.work.matches[c]
	last, rc, count := from, from, uint32(0)
	for c < end && m.work.matches[c] == rc && m.replaces(c, rc) {
		c, last, rc = m.old.tree.nodes[c].next, rc, m.request.nodes[rc].next
		count++
	}
	m.members(parent, m.request, from, last, count)
	m.stamp(m.request.leavesBefore(rc) - m.request.nodes[from].leaf)
	return c
}

// added adds the members of the request's object r that are new, without nulls.
func (m *merger) added(parent, r uint32) {
	t := m.request
	for c, end := r+1, t.nodes[r].next; c < end; {
		from, last, count := c, c, uint32(0)
		for c < end && t.nodes[c].flags&(matched|hasNull) == 0 && t.nodes[c].kind != kindNull {
			last, c = c, t.nodes[c].next
			count++
		}
		if count > 0 {
			m.members(parent, t, from, last, count)
			m.stamp(t.leavesBefore(c) - t.nodes[from].leaf)
			continue
		}
		if n := &t.nodes[c]; n.flags&matched == 0 && n.kind != kindNull {
			m.name(parent, t, c)
			m.insert(c)
		}
		c = t.nodes[c].next
	}
}

// insert adds a value of the request, without the nulls in its objects.
func (m *merger) insert(i uint32) {
	n := &m.request.nodes[i]
	if n.flags&hasNull == 0 {
		m.value(m.request, i)
		m.stamp(m.request.leavesOf(i))
		return
	}
	at := m.open()
	for c := i + 1; c < n.next; c = m.request.nodes[c].next {
		m.request.nodes[c].flags &^= matched
	}
	m.added(at, i)
	m.close(at)
}

// stamp adds n times of now.
func (m *merger) stamp(n uint32) {
	for range n {
		m.to.times = append(m.to.times, m.now)
	}
}

// members copies members of t with their names: count of them, from one to another.
func (m *merger) members(parent uint32, t *tree, from, last, count uint32) {
	m.to.tree.nodes[parent].count += count
	m.comma()
	m.copy(t, from, t.nodes[last].next, t.nodes[from].key-1, t.nodes[last].end)
}

// name writes the key of a value that follows.
func (m *merger) name(parent uint32, t *tree, i uint32) {
	m.to.tree.nodes[parent].count++
	m.comma()
	m.head, m.key = t.nodes[i].head, uint32(len(m.to.tree.own))+1
	m.to.tree.own = append(m.to.tree.own, t.name(i)...)
}

// comma goes before every member but the first.
func (m *merger) comma() {
	if m.to.tree.own[len(m.to.tree.own)-1] != '{' {
		m.to.tree.own = append(m.to.tree.own, ',')
	}
}

// value copies a value under the name that was written for it.
func (m *merger) value(t *tree, i uint32) {
	n := &t.nodes[i]
	at := len(m.to.tree.nodes)
	m.copy(t, i, n.next, n.start, n.end)
	m.to.tree.nodes[at].head, m.to.tree.nodes[at].key = m.head, m.key
}

// copy appends the nodes from..to of t, whose text is start..end.
func (m *merger) copy(t *tree, from, to, start, end uint32) {
	s := &m.to.tree
	// What to add is modulo 2³², so that it may be negative.
	text := uint32(len(s.own)) - start
	index := uint32(len(s.nodes)) - from
	leaf := s.leaves - t.nodes[from].leaf
	s.leaves = t.leavesBefore(to) + leaf
	s.own = append(s.own, t.text[start:end]...)
	at := len(s.nodes)
	s.nodes = append(s.nodes, t.nodes[from:to]...)
	added := s.nodes[at:]
	for i := range added {
		n := &added[i]
		if n.key != 0 {
			n.key += text
		}
		n.start += text
		n.end += text
		n.next += index
		n.leaf += leaf
		n.flags = 0
	}
}

// open begins an object under the name that was written for it.
func (m *merger) open() uint32 {
	s := &m.to.tree
	at := uint32(len(s.nodes))
	s.nodes = append(s.nodes, node{kind: kindObject, head: m.head, key: m.key, start: uint32(len(s.own)), leaf: s.leaves})
	s.own = append(s.own, '{')
	return at
}

func (m *merger) close(at uint32) {
	s := &m.to.tree
	s.own = append(s.own, '}')
	n := &s.nodes[at]
	n.end, n.next = uint32(len(s.own)), uint32(len(s.nodes))
}

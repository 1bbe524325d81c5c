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
		s.text = s.text[:0]
		m := merger{work: w, to: s, old: old, request: r.tree, now: now}
		if old.tree.empty() {
			m.insert(node)
		} else {
			w.matches = append(w.matches[:0], make([]uint32, len(old.tree.nodes))...)
			m.object(0, node)
		}
		if s.tree.nodes[0].count == 0 {
			s.reset()
			continue
		}
		s.tree.text = s.text
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
	key     uint32 // the key that was written for the next value, 0 if it has none
	hash    uint32
}

// object merges the request's object r into the old one o.
func (m *merger) object(o, r uint32) {
	old, request, matches := &m.old.tree, m.request, m.work.matches
	if request.nodes[r].count == 0 {
		m.value(old, o)
		m.to.times = append(m.to.times, m.old.times[old.nodes[o].leaf:][:old.leavesOf(o)]...)
		return
	}
	in := m.work.tables.find(old, o)
	for c, end := r+1, request.nodes[r].next; c < end; c = request.nodes[c].next {
		n := &request.nodes[c]
		n.flags &^= matched
		if at, ok := in.get(request.key(c), n.hash); ok {
			matches[at] = c
			n.flags |= matched
		}
	}
	in.close()
	at := m.open()
	for c, end := o+1, old.nodes[o].next; c < end; {
		rc := matches[c]
		if rc == 0 {
			c = m.untouched(at, c, end)
			continue
		}
		switch kind := request.nodes[rc].kind; {
		case kind == kindNull:
		case kind == kindObject && old.nodes[c].kind == kindObject:
			m.name(at, old, c)
			m.object(c, rc)
		default:
			m.name(at, request, rc)
			m.insert(rc)
		}
		c = old.nodes[c].next
	}
	for c, end := r+1, request.nodes[r].next; c < end; c = request.nodes[c].next {
		if n := &request.nodes[c]; n.flags&matched == 0 && n.kind != kindNull {
			m.name(at, request, c)
			m.insert(c)
		}
	}
	m.close(at)
}

// untouched keeps the old members from c on, up to one that the request mentions,
// in one piece. It returns that one.
func (m *merger) untouched(parent, from, end uint32) uint32 {
	old := &m.old.tree
	last, c := from, from
	for c < end && m.work.matches[c] == 0 {
		m.to.tree.nodes[parent].count++
		last, c = c, old.nodes[c].next
	}
	m.comma()
	m.copy(old, from, c, old.nodes[from].key-1, old.nodes[last].end)
	times := m.old.times[old.nodes[from].leaf:]
	m.to.times = append(m.to.times, times[:old.nodes[last].leaf-old.nodes[from].leaf+old.leavesOf(last)]...)
	return c
}

// insert adds a value of the request, without the nulls in its objects.
func (m *merger) insert(i uint32) {
	n := &m.request.nodes[i]
	if n.flags&hasNull == 0 {
		m.value(m.request, i)
		for range m.request.leavesOf(i) {
			m.to.times = append(m.to.times, m.now)
		}
		return
	}
	at := m.open()
	for c := i + 1; c < n.next; c = m.request.nodes[c].next {
		if m.request.nodes[c].kind != kindNull {
			m.name(at, m.request, c)
			m.insert(c)
		}
	}
	m.close(at)
}

// name writes the key of a value that follows.
func (m *merger) name(parent uint32, t *tree, i uint32) {
	m.to.tree.nodes[parent].count++
	m.comma()
	m.key, m.hash = uint32(len(m.to.text))+1, t.nodes[i].hash
	m.to.text = append(m.to.text, '"')
	m.to.text = append(m.to.text, t.key(i)...)
	m.to.text = append(m.to.text, '"', ':')
}

// comma goes before every member but the first.
func (m *merger) comma() {
	if m.to.text[len(m.to.text)-1] != '{' {
		m.to.text = append(m.to.text, ',')
	}
}

// value copies a value under the name that was written for it.
func (m *merger) value(t *tree, i uint32) {
	n := &t.nodes[i]
	at := len(m.to.tree.nodes)
	m.copy(t, i, n.next, n.start, n.end)
	root := &m.to.tree.nodes[at]
	root.key, root.hash = m.key, m.hash
}

// copy appends the nodes from..to of t, whose text is start..end.
func (m *merger) copy(t *tree, from, to, start, end uint32) {
	s := m.to
	leaves := t.leaves
	if int(to) < len(t.nodes) {
		leaves = t.nodes[to].leaf
	}
	// What to add is modulo 2³², so that it may be negative.
	text := uint32(len(s.text)) - start
	index := uint32(len(s.tree.nodes)) - from
	leaf := s.tree.leaves - t.nodes[from].leaf
	s.tree.leaves = leaves + leaf
	s.text = append(s.text, t.text[start:end]...)
	at := len(s.tree.nodes)
	s.tree.nodes = append(s.tree.nodes, t.nodes[from:to]...)
	added := s.tree.nodes[at:]
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
	s := m.to
	at := uint32(len(s.tree.nodes))
	s.tree.nodes = append(s.tree.nodes, node{
		kind: kindObject, key: m.key, hash: m.hash, start: uint32(len(s.text)), leaf: s.tree.leaves,
	})
	s.text = append(s.text, '{')
	return at
}

func (m *merger) close(at uint32) {
	s := m.to
	s.text = append(s.text, '}')
	n := &s.tree.nodes[at]
	n.end, n.next = uint32(len(s.text)), uint32(len(s.tree.nodes))
}

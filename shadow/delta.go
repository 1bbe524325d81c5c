package shadow

import "bytes"

// diff makes w.deltaState and w.deltaMeta: what desired has and reported lacks or
// has otherwise, with desired's times. It reports whether there is anything.
func (w *work) diff(sides [2]*section) bool {
	w.deltaState, w.deltaMeta = append(w.deltaState[:0], '{'), append(w.deltaMeta[:0], '{')
	d, r := sides[Desired], sides[Reported]
	if d.tree.empty() {
		return false
	}
	if r.tree.empty() {
		w.deltaState = append(w.deltaState[:0], d.tree.text...)
		w.deltaMeta = w.appendTimed(w.deltaMeta[:0], &d.tree, 0, d.times, 0)
		return true
	}
	if !w.diffObject(d, 0, r, 0) {
		return false
	}
	w.deltaState, w.deltaMeta = append(w.deltaState, '}'), append(w.deltaMeta, '}')
	return true
}

// diffObject adds the members of an object of desired that differ from those of
// one of reported. The brackets are the caller's.
func (w *work) diffObject(d *section, di uint32, r *section, ri uint32) bool {
	in := w.tables.find(&r.tree, ri)
	defer in.close()
	differs := false
	for c, end := di+1, d.tree.nodes[di].next; c < end; c = d.tree.nodes[c].next {
		n := &d.tree.nodes[c]
		at, found := in.get(d.tree.key(c), n.hash)
		if found && n.kind == kindObject && r.tree.nodes[at].kind == kindObject {
			state, meta := len(w.deltaState), len(w.deltaMeta)
			w.deltaState = append(appendKey(w.deltaState, &d.tree, c), '{')
			w.deltaMeta = append(appendKey(w.deltaMeta, &d.tree, c), '{')
			if w.diffObject(d, c, r, at) {
				w.deltaState, w.deltaMeta = append(w.deltaState, '}'), append(w.deltaMeta, '}')
				differs = true
			} else {
				w.deltaState, w.deltaMeta = w.deltaState[:state], w.deltaMeta[:meta]
			}
			continue
		}
		if found && w.equal(&d.tree, c, &r.tree, at) {
			continue
		}
		w.deltaState = append(appendKey(w.deltaState, &d.tree, c), d.tree.value(c)...)
		w.deltaMeta = w.appendTimed(appendKey(w.deltaMeta, &d.tree, c), &d.tree, c, d.times, 0)
		differs = true
	}
	return differs
}

// equal compares two values by value.
func (w *work) equal(a *tree, ai uint32, b *tree, bi uint32) bool {
	x, y := &a.nodes[ai], &b.nodes[bi]
	if x.kind != y.kind || x.count != y.count {
		return false
	}
	if bytes.Equal(a.value(ai), b.value(bi)) {
		return true
	}
	switch x.kind {
	case kindNumber:
		return equalNumbers(a.value(ai), b.value(bi))
	case kindArray:
		for c, d := ai+1, bi+1; c < x.next; c, d = a.nodes[c].next, b.nodes[d].next {
			if !w.equal(a, c, b, d) {
				return false
			}
		}
		return true
	case kindObject:
		in := w.tables.find(b, bi)
		defer in.close()
		for c := ai + 1; c < x.next; c = a.nodes[c].next {
			at, ok := in.get(a.key(c), a.nodes[c].hash)
			if !ok || !w.equal(a, c, b, at) {
				return false
			}
		}
		return true
	case kindNull, kindFalse, kindTrue, kindString:
	}
	return false
}

// appendKey appends a member's key, after a comma unless it is the first.
func appendKey(dst []byte, t *tree, i uint32) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(dst, t.name(i)...)
}

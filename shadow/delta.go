package shadow

import "bytes"

// diff makes w.deltaState and w.deltaMeta: what desired has and reported lacks or
// has otherwise, with desired's times. It reports whether there is anything.
func (w *work) diff(sides [2]*section) bool {
	d := deltaWriter{work: w, desired: sides[Desired], reported: sides[Reported], timed: true}
	return d.diff()
}

// diffState is diff without w.deltaMeta.
func (w *work) diffState(sides [2]*section) bool {
	d := deltaWriter{work: w, desired: sides[Desired], reported: sides[Reported]}
	return d.diff()
}

// A deltaWriter writes what diff makes.
type deltaWriter struct {
	work              *work
	desired, reported *section
	timed             bool // deltaMeta is wanted
}

func (d *deltaWriter) diff() bool {
	w := d.work
	w.deltaState, w.deltaMeta = append(w.deltaState[:0], '{'), append(w.deltaMeta[:0], '{')
	switch {
	case d.desired.empty():
		return false
	case d.reported.empty():
		w.deltaState = append(w.deltaState[:0], d.desired.text...)
		if d.timed {
			w.deltaMeta = w.appendSide(w.deltaMeta[:0], d.desired)
		}
		return true
	case !d.object(d.desired.root, d.reported.root):
		return false
	}
	w.deltaState, w.deltaMeta = append(w.deltaState, '}'), append(w.deltaMeta, '}')
	return true
}

// object adds the members of an object of desired that differ from those of one of
// reported. The brackets are the caller's.
func (d *deltaWriter) object(di, ri uint32) bool {
	w, t, reported := d.work, d.desired.in, d.reported.in
	in := w.tables.find(reported, ri)
	differs := false
	for c, end := di+1, t.nodes[di].next; c < end; c = t.nodes[c].next {
		n := &t.nodes[c]
		at, found := in.get(t, c)
		if found && n.kind == kindObject && reported.nodes[at].kind == kindObject {
			state, meta := len(w.deltaState), len(w.deltaMeta)
			w.deltaState = append(appendKey(w.deltaState, t, c), '{')
			w.deltaMeta = append(appendKey(w.deltaMeta, t, c), '{')
			if d.object(c, at) {
				w.deltaState, w.deltaMeta = append(w.deltaState, '}'), append(w.deltaMeta, '}')
				differs = true
			} else {
				w.deltaState, w.deltaMeta = w.deltaState[:state], w.deltaMeta[:meta]
			}
			continue
		}
		if found && w.equal(t, c, reported, at) {
			continue
		}
		w.deltaState = append(appendComma(w.deltaState), t.text[n.key-1:n.end]...)
		if d.timed {
			w.deltaMeta = w.appendTimed(appendKey(w.deltaMeta, t, c), t, c, d.desired.timesFrom(c), d.desired.time)
		}
		differs = true
	}
	in.close()
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
		same := true
		for c := ai + 1; c < x.next && same; c = a.nodes[c].next {
			at, ok := in.get(a, c)
			same = ok && w.equal(a, c, b, at)
		}
		in.close()
		return same
	case kindNull, kindFalse, kindTrue, kindString:
	}
	return false
}

// appendKey appends a member's key, after a comma unless it is the first.
func appendKey(dst []byte, t *tree, i uint32) []byte {
	return append(appendComma(dst), t.name(i)...)
}

// appendComma appends what goes before every member but the first.
func appendComma(dst []byte) []byte {
	if dst[len(dst)-1] != '{' {
		return append(dst, ',')
	}
	return dst
}

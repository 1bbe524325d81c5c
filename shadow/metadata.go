package shadow

import "strconv"

// appendTime appends {"timestamp":seconds}.
func (w *work) appendTime(dst []byte, seconds int64) []byte {
	if seconds != w.stampOf || w.stampLen == 0 {
		b := append(w.stamp[:0], `{"timestamp":`...)
		b = append(strconv.AppendInt(b, seconds, 10), '}')
		if len(b) > len(w.stamp) {
			return append(dst, b...)
		}
		w.stampOf, w.stampLen = seconds, len(b)
	}
	return append(dst, w.stamp[:w.stampLen]...)
}

// appendTimed appends the metadata of a value. Nesting is bounded by what was
// accepted.
func (w *work) appendTimed(dst []byte, t *tree, i uint32, times []int64) []byte {
	n := &t.nodes[i]
	switch n.kind {
	case kindObject:
		dst = append(dst, '{')
		for c := i + 1; c < n.next; c = t.nodes[c].next {
			dst = w.appendTimed(appendKey(dst, t.key(c)), t, c, times)
		}
		return append(dst, '}')
	case kindArray:
		dst = append(dst, '[')
		for c := i + 1; c < n.next; c = t.nodes[c].next {
			if c != i+1 {
				dst = append(dst, ',')
			}
			dst = w.appendTimed(dst, t, c, times)
		}
		return append(dst, ']')
	case kindNull, kindFalse, kindTrue, kindNumber, kindString:
	}
	return w.appendTime(dst, times[n.leaf])
}

// appendStamped appends the metadata of a request's value: all of it is of now.
func (w *work) appendStamped(dst []byte, t *tree, i uint32, now int64) []byte {
	n := &t.nodes[i]
	switch n.kind {
	case kindObject:
		dst = append(dst, '{')
		for c := i + 1; c < n.next; c = t.nodes[c].next {
			dst = w.appendStamped(appendKey(dst, t.key(c)), t, c, now)
		}
		return append(dst, '}')
	case kindArray:
		dst = append(dst, '[')
		for c := i + 1; c < n.next; c = t.nodes[c].next {
			if c != i+1 {
				dst = append(dst, ',')
			}
			dst = w.appendStamped(dst, t, c, now)
		}
		return append(dst, ']')
	case kindNull, kindFalse, kindTrue, kindNumber, kindString:
	}
	return w.appendTime(dst, now)
}

// appendMetadata appends the metadata of both sides, and says where in dst that of
// each one starts and ends.
func (w *work) appendMetadata(dst []byte, sides [2]*section) (_ []byte, at [2][2]int) {
	dst = append(dst, '{')
	for _, side := range [...]Side{Desired, Reported} {
		s := sides[side]
		if s.tree.empty() {
			continue
		}
		dst = appendKey(dst, []byte(side.String()))
		at[side][0] = len(dst)
		dst = w.appendTimed(dst, &s.tree, 0, s.times)
		at[side][1] = len(dst)
	}
	return append(dst, '}'), at
}

// appendSides appends {"desired":…,"reported":…} without the sides that are absent.
func appendSides(dst, desired, reported []byte) []byte {
	dst = append(dst, '{')
	if len(desired) > 0 {
		dst = append(append(dst, `"desired":`...), desired...)
	}
	if len(reported) > 0 {
		if len(desired) > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, `"reported":`...), reported...)
	}
	return append(dst, '}')
}

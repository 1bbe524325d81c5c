package shadow

import "strconv"

// appendTime appends {"timestamp":seconds}.
func (w *work) appendTime(dst []byte, seconds int64) []byte {
	if seconds != w.stampOf {
		w.stamp = append(w.stamp[:0], `{"timestamp":`...)
		w.stamp = append(strconv.AppendInt(w.stamp, seconds, 10), '}')
		w.stampOf = seconds
	}
	return append(dst, w.stamp...)
}

// appendTimed appends the metadata of a value. Without times all of it is of now.
// Nesting is bounded by what was accepted.
func (w *work) appendTimed(dst []byte, t *tree, i uint32, times []int64, now int64) []byte {
	n := &t.nodes[i]
	if n.kind != kindObject && n.kind != kindArray {
		if times != nil {
			now = times[n.leaf]
		}
		return w.appendTime(dst, now)
	}
	// What stands between two values is a comma and a key, or a comma: that much is
	// the same here.
	between := n.start
	for c := i + 1; c < n.next; {
		child := &t.nodes[c]
		dst = append(dst, t.text[between:child.start]...)
		switch {
		case child.kind >= kindArray:
			dst = w.appendTimed(dst, t, c, times, now)
		case times != nil:
			dst = w.appendTime(dst, times[child.leaf])
		default:
			dst = w.appendTime(dst, now)
		}
		between, c = child.end, child.next
	}
	return append(dst, t.text[between:n.end]...)
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
		dst = appendName(dst, side)
		at[side][0] = len(dst)
		dst = w.appendTimed(dst, &s.tree, 0, s.times, 0)
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

// appendName appends the key of a side, after a comma unless it is the first.
func appendName(dst []byte, s Side) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	if s == Desired {
		return append(dst, `"desired":`...)
	}
	return append(dst, `"reported":`...)
}

package shadow

import "strconv"

// appendTime appends {"timestamp":seconds}.
func (w *work) appendTime(dst []byte, seconds int64) []byte {
	return append(dst, w.stamp(seconds)...)
}

// appendNow appends the member timestamp of a message.
func (w *work) appendNow(dst []byte, seconds int64) []byte {
	s := w.stamp(seconds)
	return append(append(dst, ','), s[1:len(s)-1]...)
}

// stamp returns {"timestamp":seconds}. It remembers the last two: mostly they are
// now and the time of the update before.
func (w *work) stamp(seconds int64) []byte {
	switch seconds {
	case w.stampOf[0]:
		return w.stamps[0]
	case w.stampOf[1]:
		return w.stamps[1]
	}
	w.stamps[0], w.stamps[1] = w.stamps[1], w.stamps[0]
	w.stampOf[1] = w.stampOf[0]
	s := append(w.stamps[0][:0], `{"timestamp":`...)
	s = append(strconv.AppendInt(s, seconds, 10), '}')
	w.stamps[0], w.stampOf[0] = s, seconds
	return s
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

// A span is a part of a text.
type span struct{ from, to int }

// appendMetadata appends the metadata of both sides, and says where in dst that of
// each one starts and ends.
func (w *work) appendMetadata(dst []byte, sides [2]*section) (_ []byte, at [2]span) {
	dst = append(dst, '{')
	for _, side := range [...]Side{Desired, Reported} {
		s := sides[side]
		if s.tree.empty() {
			continue
		}
		dst = appendName(dst, side)
		at[side].from = len(dst)
		dst = w.appendTimed(dst, &s.tree, 0, s.times, 0)
		at[side].to = len(dst)
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

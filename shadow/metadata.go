package shadow

import (
	"slices"
	"strconv"
)

// stampRoom is the most that a stamp takes: {"timestamp":} and the digits of an int64.
const stampRoom = 40

// A stamp is {"timestamp":…} of a time.
type stamp struct {
	text [stampRoom]byte
	len  int
	of   int64
}

// stamp returns the stamp of a time, valid until the next but one. The last two are
// remembered: mostly they are now and the time of the update before.
func (w *work) stamp(seconds int64) *stamp {
	s := &w.stamps[0]
	if s.of == seconds && s.len > 0 {
		return s
	}
	*s, w.stamps[1] = w.stamps[1], *s
	if s.of != seconds || s.len == 0 {
		text := append(s.text[:0], `{"timestamp":`...)
		s.len = len(append(strconv.AppendInt(text, seconds, 10), '}'))
		s.of = seconds
	}
	return s
}

// appendTime appends {"timestamp":seconds}.
func (w *work) appendTime(dst []byte, seconds int64) []byte {
	s := w.stamp(seconds)
	return append(dst, s.text[:s.len]...)
}

// appendNow appends the member timestamp of a message.
func (w *work) appendNow(dst []byte, seconds int64) []byte {
	s := w.stamp(seconds)
	return append(append(dst, ','), s.text[1:s.len-1]...)
}

// appendSide appends the metadata of a side.
func (w *work) appendSide(dst []byte, s *section) []byte {
	return w.appendTimed(dst, s.in, s.root, s.times, s.time)
}

// appendTimed appends the metadata of a value: its text with a stamp in place of each
// leaf. times are those of the leaves; where there are none, all of them are of now.
func (w *work) appendTimed(dst []byte, t *tree, i uint32, times []int64, now int64) []byte {
	n := &t.nodes[i]
	if n.kind < kindArray {
		if len(times) > 0 {
			now = times[0]
		}
		return w.appendTime(dst, now)
	}
	at, from := len(dst), int(n.start)
	most := int(n.end-n.start) + int(t.leavesOf(i)+1)*stampRoom
	dst = slices.Grow(dst, most)
	out, nodes := dst[:at+most], t.nodes[i:n.next]
	for len(nodes) > 0 {
		// The leaves of one time that follow each other are written at once.
		some := len(nodes)
		if len(times) > 0 {
			now = times[0]
			some, times = sameTime(nodes, times)
		}
		at, from = w.stamp(now).fill(out, at, t.text, from, nodes[:some])
		nodes = nodes[some:]
	}
	at += copy(out[at:], t.text[from:n.end])
	return out[:at]
}

// sameTime returns up to which node all leaves are of the first of times, and the
// times of those after it.
func sameTime(nodes []node, times []int64) (int, []int64) {
	leaf := 0
	for i := range nodes {
		if nodes[i].kind >= kindArray {
			continue
		}
		if times[leaf] != times[0] {
			return i, times[leaf:]
		}
		leaf++
	}
	return len(nodes), times[leaf:]
}

// fill writes the text of nodes to out, with the stamp in place of each leaf, and
// returns where in out and text that ends. It copies in pieces of a fixed size, what
// is too much being written over by the next one: that takes a fraction of the time
// of as many short appends.
func (s *stamp) fill(out []byte, at int, text []byte, from int, nodes []node) (int, int) {
	for i := range nodes {
		n := &nodes[i]
		if n.kind >= kindArray {
			continue
		}
		start := int(n.start)
		for ; from < start && from+16 <= len(text); from, at = from+16, at+16 {
			*(*[16]byte)(out[at : at+16 : at+16]) = *(*[16]byte)(text[from : from+16 : from+16])
		}
		for ; from < start; from, at = from+1, at+1 {
			out[at] = text[from]
		}
		at -= from - start
		*(*[stampRoom]byte)(out[at : at+stampRoom : at+stampRoom]) = s.text
		at, from = at+s.len, int(n.end)
	}
	return at, from
}

// appendMetadata appends the metadata of both sides. It copies what is known of them
// already, and notes there what it has made, which stays as it is when dst grows.
func (w *work) appendMetadata(dst []byte, sides [2]*section, known *[2][]byte) []byte {
	dst = append(dst, '{')
	for _, side := range [...]Side{Desired, Reported} {
		s := sides[side]
		if s.empty() {
			continue
		}
		dst = appendName(dst, side)
		if known[side] != nil {
			dst = append(dst, known[side]...)
			continue
		}
		from := len(dst)
		dst = w.appendSide(dst, s)
		known[side] = dst[from:]
	}
	return append(dst, '}')
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

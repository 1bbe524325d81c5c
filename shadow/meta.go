package shadow

import (
	"encoding/binary"
	"iter"
	"slices"
)

// A Meta is what the service keeps of a side besides its text: when each value was
// last set, and the shape of the text, so that it need not be read anew to be
// changed. Stores keep it as it is.
//
// It is the length of the shape, the shape and the times; all numbers are varints.
// The shape has for each value in the order of the text its kind, the length of its
// key, and the length of its text or the number of its children: about two bytes.
// The times are pairs of a count and of epoch seconds, for neighbours of one time:
// a side that was written at once takes few bytes whatever its size.
type Meta []byte

// Times yields for each value of the side that is no object and no array, in the
// order of the text, when it was last set, in epoch seconds.
func (m Meta) Times() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		_, runs := m.split()
		for {
			count, seconds, rest, ok := cutRun(runs)
			if !ok {
				return
			}
			for range count {
				if !yield(seconds) {
					return
				}
			}
			runs = rest
		}
	}
}

// split returns the shape and the runs of times, both nil if m is damaged.
func (m Meta) split() (shape, runs []byte) {
	n, used := binary.Uvarint(m)
	if used <= 0 || n > uint64(len(m)-used) {
		return nil, nil
	}
	return m[used : used+int(n)], m[used+int(n):]
}

func cutRun(runs []byte) (count uint64, seconds int64, rest []byte, ok bool) {
	count, a := binary.Uvarint(runs)
	if a <= 0 {
		return 0, 0, nil, false
	}
	s, b := binary.Uvarint(runs[a:])
	if b <= 0 {
		return 0, 0, nil, false
	}
	return count, int64(s), runs[a+b:], true
}

// expandTimes returns the one time that n values have, or appends the times of each.
// Where there are too few, the rest are those of last.
func expandTimes(dst []int64, runs []byte, n int, last int64) ([]int64, int64) {
	for first := true; n > 0; first = false {
		count, seconds, rest, ok := cutRun(runs)
		if !ok {
			count, seconds = uint64(n), last
		}
		if first && count >= uint64(n) {
			return dst, seconds
		}
		runs = rest
		for ; count > 0 && n > 0; count, n = count-1, n-1 {
			dst = append(dst, seconds)
		}
	}
	return dst, 0
}

// appendRuns appends what expandTimes undoes.
func appendRuns(dst []byte, times []int64) []byte {
	for i := 0; i < len(times); {
		from := i
		for i < len(times) && times[i] == times[from] {
			i++
		}
		dst = appendRun(dst, i-from, times[from])
	}
	return dst
}

func appendRun(dst []byte, count int, seconds int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(count))
	return binary.AppendUvarint(dst, uint64(max(seconds, 0)))
}

// In the first byte of a value in a shape the kind has the low bits, and the length
// of the key, or longKey if it does not fit, the others.
const (
	kindBits = 3
	longKey  = 1<<(8-kindBits) - 1
)

// appendShape appends the shape of a value, which is that of the whole text of a side.
func appendShape(dst []byte, t *tree, root uint32) []byte {
	nodes := t.nodes[root:t.nodes[root].next]
	for i := range nodes {
		n := &nodes[i]
		key, length := uint32(0), n.count
		if i > 0 && n.key != 0 {
			key = n.start - 2 - n.key
		}
		if n.kind < kindArray {
			length = n.end - n.start
		}
		if key < longKey && length < 0x80 { // nearly always
			dst = append(dst, byte(n.kind)|byte(key)<<kindBits, byte(length))
			continue
		}
		if key < longKey {
			dst = append(dst, byte(n.kind)|byte(key)<<kindBits)
		} else {
			dst = binary.AppendUvarint(append(dst, byte(n.kind)|longKey<<kindBits), uint64(key))
		}
		dst = binary.AppendUvarint(dst, uint64(length))
	}
	return dst
}

// shaped makes t the tree of a text whose shape is known, and reports whether the
// two fit. It looks at no more of the text than brackets and what is around keys.
func (s *scanner) shaped(t *tree, text, shape []byte) bool {
	var (
		nodes  = slices.Grow(t.nodes[:0], len(shape)/2)
		leaves uint32
		in     = s.outermost() // count is the number of children to come
		at     int             // where the next value starts
	)
	for {
		if len(shape) < 2 || at >= len(text) {
			return false
		}
		kind := valueKind(shape[0] & (1<<kindBits - 1))
		keyLen, length := int(shape[0]>>kindBits), int(shape[1])
		if keyLen < longKey && length < 0x80 && length <= len(text) {
			shape = shape[2:]
		} else if keyLen, length, shape = cutLens(shape, len(text)); length < 0 {
			return false
		}
		index := uint32(len(nodes))
		nodes = nodes[:index+1]
		n := &nodes[index]
		n.kind, n.flags, n.count = kind, 0, 0
		n.head, n.key, n.leaf = 0, 0, leaves
		if in.closing == '}' {
			key := at + 1
			at += keyLen + 3
			if at >= len(text) || text[key-1] != '"' || text[at-1] != ':' {
				return false
			}
			n.key = uint32(key)
			if key+8 <= len(text) && keyLen < 8 {
				n.head = word(text, key) & (1<<(8*keyLen) - 1)
			} else {
				n.head = headOf(text[key : key+keyLen])
			}
		}
		n.start = uint32(at)
		if kind >= kindArray {
			closing := text[at] + 2
			if closing != '}' && closing != ']' || (closing == '}') != (kind == kindObject) {
				return false
			}
			n.count = uint32(length)
			in = s.into(index, closing)
			in.count = uint32(length)
			at++
			if length > 0 {
				continue
			}
		} else {
			at += length
			if length == 0 || at > len(text) {
				return false
			}
			n.end, n.next = uint32(at), index+1
			leaves++
			in.count--
		}
		for in.closing != 0 && in.count == 0 {
			if at >= len(text) || text[at] != in.closing {
				return false
			}
			at++
			n := &nodes[in.node]
			n.end, n.next = uint32(at), uint32(len(nodes))
			in = s.outOf()
			in.count--
		}
		if in.closing == 0 {
			t.text, t.nodes, t.leaves = text, nodes, leaves
			return at == len(text) && len(shape) == 0
		}
		if at >= len(text) || text[at] != ',' {
			return false
		}
		at++
	}
}

// alike reports whether a text whose shape is known is the same as a value of a tree
// but for what its leaves are: the metadata of the two differ in nothing but the
// times. It compares what is between leaves. It fails where a text is empty, where a
// shape is not that of its text, and where there is a key or value too long for one
// byte of the shape.
func alike(text, shape []byte, t *tree, root uint32) bool {
	nodes := t.nodes[root:t.nodes[root].next]
	if len(shape) != 2*len(nodes) || nodes[0].kind != kindObject || nodes[0].flags&hasNull != 0 {
		return false
	}
	at, from := 0, nodes[0].start
	for i := range nodes {
		n, head, length := &nodes[i], shape[2*i], int(shape[2*i+1])
		kind := valueKind(head & (1<<kindBits - 1))
		if head>>kindBits == longKey || length >= 0x80 {
			return false
		}
		if kind >= kindArray || n.kind >= kindArray {
			if kind != n.kind {
				return false
			}
			continue
		}
		to := at + int(n.start-from)
		if to+length > len(text) || !sameText(text[at:to], t.text[from:n.start]) {
			return false
		}
		at, from = to+length, n.end
	}
	return string(text[at:]) == string(t.text[from:nodes[0].end])
}

// sameText compares two texts of the same short length.
func sameText(a, b []byte) bool {
	if len(a) < 8 || len(a) != len(b) {
		return string(a) == string(b)
	}
	for i := 0; i < len(a)-8; i += 8 {
		if word(a, i) != word(b, i) {
			return false
		}
	}
	return word(a, len(a)-8) == word(b, len(b)-8)
}

// cutLens cuts the head of a value off a shape: the lengths of its key and of itself,
// of at most most. length is -1 if it is none.
func cutLens(shape []byte, most int) (key, length int, rest []byte) {
	key = int(shape[0] >> kindBits)
	rest = shape[1:]
	if key == longKey {
		if key, rest = cutLen(rest, most); key < 0 {
			return 0, -1, nil
		}
	}
	length, rest = cutLen(rest, most)
	return key, length, rest
}

func cutLen(b []byte, most int) (int, []byte) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(most) {
		return -1, nil
	}
	return int(n), b[used:]
}

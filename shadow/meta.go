package shadow

import (
	"encoding/binary"
	"iter"
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

// expandTimes appends the times of n values. Where there are too few, the rest are
// those of last.
func expandTimes(dst []int64, runs []byte, n int, last int64) []int64 {
	for n > 0 {
		count, seconds, rest, ok := cutRun(runs)
		if !ok {
			break
		}
		runs = rest
		for ; count > 0 && n > 0; count, n = count-1, n-1 {
			dst = append(dst, seconds)
		}
	}
	for ; n > 0; n-- {
		dst = append(dst, last)
	}
	return dst
}

// appendTimes appends what expandTimes undoes.
func appendTimes(dst []byte, times []int64) []byte {
	for i := 0; i < len(times); {
		from := i
		for i < len(times) && times[i] == times[from] {
			i++
		}
		dst = binary.AppendUvarint(dst, uint64(i-from))
		dst = binary.AppendUvarint(dst, uint64(max(times[from], 0)))
	}
	return dst
}

// In the first byte of a value in a shape the kind has the low bits, and the length
// of the key, or longKey if it does not fit, the others.
const (
	kindBits = 3
	longKey  = 1<<(8-kindBits) - 1
)

// appendShape appends the shape of a tree.
func appendShape(dst []byte, t *tree) []byte {
	for i := range t.nodes {
		n := &t.nodes[i]
		key, length := uint32(0), n.count
		if n.key != 0 {
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
// two fit. It looks at no more of the text than brackets and keys.
func (s *scanner) shaped(t *tree, text, shape []byte) bool {
	t.text, t.nodes, t.leaves = text, t.nodes[:0], 0
	s.levels = s.levels[:0]
	var (
		in   level // count is the number of children to come
		at   int   // where the next value starts
		size = len(text)
	)
	for {
		if len(shape) < 2 || at >= size {
			return false
		}
		kind, keyLen := valueKind(shape[0]&(1<<kindBits-1)), int(shape[0]>>kindBits)
		shape = shape[1:]
		if keyLen == longKey {
			if keyLen, shape = cutLen(shape, size); keyLen < 0 {
				return false
			}
		}
		n := node{kind: kind, leaf: t.leaves}
		if in.closing == '}' {
			key := at + 1
			at += keyLen + 3
			if at >= size || text[key-1] != '"' || text[at-1] != ':' {
				return false
			}
			n.key, n.hash = uint32(key), uint32(s.hasher.hash(text[key:key+keyLen]))
		}
		n.start = uint32(at)
		var length int
		if length, shape = cutLen(shape, size); length < 0 {
			return false
		}
		index := uint32(len(t.nodes))
		if kind >= kindArray {
			closing := text[at] + 2
			if closing != '}' && closing != ']' || (closing == '}') != (kind == kindObject) {
				return false
			}
			n.count = uint32(length)
			t.nodes = append(t.nodes, n)
			s.levels = append(s.levels, in)
			in = level{node: index, count: uint32(length), closing: closing}
			at++
			if length > 0 {
				continue
			}
		} else {
			at += length
			if length == 0 || at > size {
				return false
			}
			n.end, n.next = uint32(at), index+1
			t.nodes = append(t.nodes, n)
			t.leaves++
			in.count--
		}
		for in.closing != 0 && in.count == 0 {
			if at >= size || text[at] != in.closing {
				return false
			}
			at++
			n := &t.nodes[in.node]
			n.end, n.next = uint32(at), uint32(len(t.nodes))
			in = s.levels[len(s.levels)-1]
			s.levels = s.levels[:len(s.levels)-1]
			in.count--
		}
		if in.closing == 0 {
			return at == size && len(shape) == 0
		}
		if at >= size || text[at] != ',' {
			return false
		}
		at++
	}
}

// cutLen cuts a number of at most most off, or returns -1.
func cutLen(b []byte, most int) (int, []byte) {
	if len(b) > 0 && b[0] < 0x80 {
		if n := int(b[0]); n <= most {
			return n, b[1:]
		}
		return -1, nil
	}
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(most) {
		return -1, nil
	}
	return int(n), b[used:]
}

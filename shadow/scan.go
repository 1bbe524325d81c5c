package shadow

import (
	"math/bits"
	"slices"
)

// A valueKind is a kind of JSON value.
type valueKind uint8

const (
	kindNull valueKind = iota
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindArray
	kindObject
)

// What is somewhere inside a node.
const (
	hasNull uint8 = 1 << iota // a null
	tooDeep                   // a value below the deepest level, which has no node
	matched                   // of a request's node: the document has the key (set by merge)
)

// A node is one value of a tree.
type node struct {
	head       uint64 // of its key: the first eight bytes, filled up with zeros
	kind       valueKind
	flags      uint8
	count      uint32 // children
	key        uint32 // where its key starts, after the quote; 0 for an element or the root
	start, end uint32 // its text
	next       uint32 // the node after it and all that is in it
	leaf       uint32 // how many leaves come before it
}

// A tree is JSON text and where the values are in it, in the order of the text. A
// leaf is a value that is no container: metadata has one time for each.
type tree struct {
	text   []byte
	nodes  []node
	leaves uint32
	own    []byte // memory for text that is made here
}

// value is the text of a node.
func (t *tree) value(i uint32) []byte { return t.text[t.nodes[i].start:t.nodes[i].end] }

// key is the text of a member's key between the quotes. Text being compact, the
// closing quote and a colon come between it and the value.
func (t *tree) key(i uint32) []byte {
	n := &t.nodes[i]
	return t.text[n.key : n.start-2]
}

// name is a member's key with its quotes and the colon.
func (t *tree) name(i uint32) []byte {
	n := &t.nodes[i]
	return t.text[n.key-1 : n.start]
}

// leavesOf is how many leaves are in a node.
func (t *tree) leavesOf(i uint32) uint32 {
	return t.leavesBefore(t.nodes[i].next) - t.nodes[i].leaf
}

// leavesBefore is how many leaves come before a node, which may be the one after
// the last.
func (t *tree) leavesBefore(i uint32) uint32 {
	if int(i) < len(t.nodes) {
		return t.nodes[i].leaf
	}
	return t.leaves
}

// member returns the child of an object with a key, for keys of our own.
func (t *tree) member(obj uint32, key string) (uint32, bool) {
	for c, end := obj+1, t.nodes[obj].next; c < end; c = t.nodes[c].next {
		if string(t.key(c)) == key {
			return c, true
		}
	}
	return 0, false
}

// A scanner reads JSON into trees.
type scanner struct {
	levels []level // the containers that are open, after one for what is around all
	tables tables

	// Where the text is not in the one form that trees need, own is that form of
	// text[:copied]. Nodes count in it: text[i] is shift bytes further to the front.
	own       []byte
	copied    int
	shift     int
	duplicate bool // an object has a key twice
}

// A level is a container that is open.
type level struct {
	node    uint32
	count   uint32
	seen    [4]uint64 // two bits in one of them for the hash of each key: a Bloom filter
	again   bool      // a key was perhaps seen before: look for equal ones
	deep    bool      // it is an object whose members are too deep
	closing byte      // its bracket; 0 around the whole
}

// outermost is the level around the whole.
func (s *scanner) outermost() *level {
	s.levels = s.levels[:0]
	return s.into(0, 0)
}

// into opens a container. Only the innermost level may be used. Its fields are set
// one by one, as those of nodes are: to make a struct and copy it costs more than all
// else that is done for a value.
func (s *scanner) into(node uint32, closing byte) *level {
	if len(s.levels) == cap(s.levels) {
		s.levels = slices.Grow(s.levels, 1)
	}
	s.levels = s.levels[:len(s.levels)+1]
	in := &s.levels[len(s.levels)-1]
	in.node, in.count, in.closing, in.again, in.deep = node, 0, closing, false, false
	in.seen = [4]uint64{}
	return in
}

// outOf closes the innermost container and returns the one around it.
func (s *scanner) outOf() *level {
	s.levels = s.levels[:len(s.levels)-1]
	return &s.levels[len(s.levels)-1]
}

// moreNodes returns nodes with room for at least one more, all of it in use.
func moreNodes(nodes []node) []node {
	nodes = append(nodes, node{})
	return nodes[:cap(nodes)]
}

// read makes t the tree of text, or of the one form of it, which is made on the way.
// It reports whether text is one JSON value; if not, t is good for nothing.
//
// A value is too deep if more than most containers are around it; elements of
// arrays that are no containers themselves may have one more. Such a value must be
// JSON too, but has no node.
//
// Nothing recurses; time is linear in len(text), and so is memory: a node for each
// value, and below the deepest level one byte for each open container. Text must be
// shorter than 4 GiB.
func (s *scanner) read(t *tree, text []byte, most int) bool {
	s.duplicate = false
	s.own, s.copied, s.shift = t.own[:0], 0, 0
	ok := s.scan(t, text, most)
	t.text = s.form(text, len(text))
	t.own = s.own
	return ok
}

// form is the one form of text[:end].
func (s *scanner) form(text []byte, end int) []byte {
	if s.copied == 0 {
		return text[:end]
	}
	s.own = append(s.own, text[s.copied:end]...)
	s.copied = end
	return s.own
}

// leaveOut says that the one form is without text[from:to].
func (s *scanner) leaveOut(text []byte, from, to int) {
	s.own = append(s.own, text[s.copied:from]...)
	s.copied = to
	s.shift += to - from
}

// scan is what read does. Its calls are for what is rare, because each of them puts
// all that is in registers away and fetches it again: keys, short strings and short
// numbers are looked at here, eight bytes at a time. For the same reason it is one
// function, and what a value's node has is written when it is known.
func (s *scanner) scan(t *tree, text []byte, most int) bool {
	var (
		nodes  = t.nodes[:cap(t.nodes)]
		count  int // of nodes
		leaves uint32
		in     = s.outermost()
		n      *node
		k      valueKind
		i      int

		at, size   int
		w, m, hash uint64
	)
next: // a value, with its key if it is in an object
	if count == len(nodes) {
		nodes = moreNodes(nodes)
	}
	n = &nodes[count]
	n.head, n.key = 0, 0
	if in.closing != '}' {
		goto value
	}
	if i < len(text) && text[i] <= ' ' {
		i = s.space(text, i)
	}
	if i >= len(text) || text[i] != '"' {
		return false
	}
	n.key = uint32(i - s.shift + 1)
	for at, hash = i+1, 0; len(text)-at >= 8; at += 8 {
		w = word(text, at)
		if m = special(w); m == 0 {
			if at == i+1 {
				n.head = w
			}
			hash = s.tables.mix(hash, w)
			continue
		}
		w &= m&-m>>7 - 1 // what is before the first special character
		if at == i+1 {
			n.head = w
		}
		hash = s.tables.mix(hash, w)
		at += bits.TrailingZeros64(m) >> 3
		if text[at] != '"' {
			break // an escape
		}
		i = at + 1
		goto named
	}
	if i, n.head, hash = s.key(text, i); i < 0 {
		return false
	}

named:
	m = 1<<(hash>>56&63) | 1<<(hash>>50&63)
	w = in.seen[hash>>62]
	if w&m == m {
		in.again = true
	}
	in.seen[hash>>62] = w | m
	if i < len(text) && text[i] <= ' ' {
		i = s.space(text, i)
	}
	if i >= len(text) || text[i] != ':' {
		return false
	}
	i++

value:
	if i >= len(text) {
		return false
	}
	n.start = uint32(i - s.shift)
	switch text[i] {
	case '"':
		k = kindString
		if len(text)-i > 8 {
			m = special(word(text, i+1))
			if at = i + 1 + bits.TrailingZeros64(m)>>3; m != 0 && text[at] == '"' {
				i = at + 1
				goto leaf
			}
		}
		i = s.text(text, i)
	case '{':
		k = kindObject
		goto container
	case '[':
		k = kindArray
		goto container
	case 't':
		k = kindTrue
		i = literal(text, i, "true")
	case 'f':
		k = kindFalse
		i = literal(text, i, "false")
	case 'n':
		k = kindNull
		i = literal(text, i, "null")
		if in.closing != 0 && !in.deep {
			nodes[in.node].flags |= hasNull
		}
	case ' ', '\n', '\t', '\r':
		i = s.space(text, i)
		goto value
	default:
		k = kindNumber
		if at = i; text[i] == '-' {
			at++
		}
		if len(text)-at >= 8 {
			w = word(text, at)
			m = nonDigits(w)
			size = bits.TrailingZeros64(m) >> 3
			if size == 0 || size > 1 && byte(w) == '0' {
				goto number
			}
			if byte(w>>(8*size&63)) == '.' {
				m &= m - 1
				if bits.TrailingZeros64(m)>>3 == size+1 { // no digit follows
					goto number
				}
				size = bits.TrailingZeros64(m) >> 3
			}
			if next := byte(w >> (8 * size & 63)); next == ',' || next|0x20 == '}' { // or ]
				i = at + size
				goto leaf
			}
		}
	number:
		i = number(text, i)
	}
	if i < 0 {
		return false
	}

leaf:
	if in.deep {
		nodes[in.node].flags |= tooDeep
		goto after
	}
	in.count++
	n.kind, n.flags, n.count = k, 0, 0
	n.end, n.leaf = uint32(i-s.shift), leaves
	leaves++
	count++
	n.next = uint32(count)
	goto after

container:
	if len(s.levels)-1 > most {
		nodes[in.node].flags |= tooDeep
		if i = s.skip(text, i); i < 0 {
			return false
		}
		goto after
	}
	in.count++
	in = s.into(uint32(count), text[i]+2)
	in.deep = k == kindObject && len(s.levels)-1 > most
	n.kind, n.flags, n.leaf = k, 0, leaves
	count++
	if i++; i < len(text) && text[i] <= ' ' {
		i = s.space(text, i)
	}
	if i >= len(text) {
		return false
	}
	if text[i] != in.closing {
		goto next
	}

end:
	i++
	n = &nodes[in.node]
	n.count, n.end, n.next = in.count, uint32(i-s.shift), uint32(count)
	if in.again {
		t.nodes, t.text = nodes[:count], s.form(text, i)
		s.duplicate = s.duplicate || s.hasDuplicate(t, in.node)
	}
	in = s.outOf()
	if in.closing != 0 {
		nodes[in.node].flags |= n.flags
	}

after:
	if i < len(text) && text[i] <= ' ' {
		i = s.space(text, i)
	}
	switch {
	case i >= len(text):
		t.nodes, t.leaves = nodes[:count], leaves
		return in.closing == 0
	case in.closing == 0:
		return false
	case text[i] == ',':
		i++
		goto next
	case text[i] == in.closing:
		goto end
	}
	return false
}

// skip returns where the container that starts at i ends, or -1 if it is not JSON.
func (s *scanner) skip(text []byte, i int) int {
	var open []byte // closing brackets
	for {
		if i = s.space(text, i); i >= len(text) {
			return -1
		}
		first := false
		switch c := text[i]; c {
		case '{', '[':
			open = append(open, c+2)
			i = s.space(text, i+1)
			first = true
		case '"':
			i = s.text(text, i)
		case 't':
			i = literal(text, i, "true")
		case 'f':
			i = literal(text, i, "false")
		case 'n':
			i = literal(text, i, "null")
		default:
			i = number(text, i)
		}
		if i < 0 {
			return -1
		}
		for {
			if i = s.space(text, i); i >= len(text) {
				return -1
			}
			closing := open[len(open)-1]
			if text[i] == closing {
				i++
				if open = open[:len(open)-1]; len(open) == 0 {
					return i
				}
				first = false
				continue
			}
			if !first {
				if text[i] != ',' {
					return -1
				}
				i = s.space(text, i+1)
			}
			if closing == '}' {
				if i >= len(text) || text[i] != '"' {
					return -1
				}
				if i = s.text(text, i); i < 0 {
					return -1
				}
				if i = s.space(text, i); i >= len(text) || text[i] != ':' {
					return -1
				}
				i++
			}
			break
		}
	}
}

// hasDuplicate reports whether an object has a key twice.
func (s *scanner) hasDuplicate(t *tree, obj uint32) bool {
	o := &t.nodes[obj]
	if o.count > fewKeys {
		return !s.tables.fill(t, obj, true)
	}
	for a := obj + 1; a < o.next; a = t.nodes[a].next {
		for b := t.nodes[a].next; b < o.next; b = t.nodes[b].next {
			if sameKey(t, a, t, b) {
				return true
			}
		}
	}
	return false
}

package shadow

import "slices"

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
	hasNull      uint8 = 1 << iota // a null
	hasArrayNull                   // a null as an element of an array
	tooDeep                        // a value below the deepest level, which has no node
	matched                        // of a request's node: the document has the key (set by merge)
)

// A node is one value of a tree.
type node struct {
	kind       valueKind
	flags      uint8
	count      uint32 // children
	key        uint32 // where its key starts, after the quote; 0 for an element or the root
	start, end uint32 // its text
	next       uint32 // the node after it and all that is in it
	hash       uint32 // of the key
	leaf       uint32 // how many leaves come before it
}

// A tree is JSON text and where the values are in it, in the order of the text. A
// leaf is a value that is no container: metadata has one time for each.
type tree struct {
	text   []byte
	nodes  []node
	leaves uint32
}

func (t *tree) reset() { t.text, t.nodes, t.leaves = nil, t.nodes[:0], 0 }

// empty reports that there is no value.
func (t *tree) empty() bool { return len(t.nodes) == 0 }

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
	hasher hasher
	levels []level // the containers around the innermost one
	tables tables

	ragged    bool // the text is not in the one form that trees need
	clean     bool // it is, for it was made so
	duplicate bool // an object has a key twice
}

// A level is a container that is open.
type level struct {
	node    uint32
	count   uint32
	seen    [3]uint64 // one bit in each for the hash of a key: a Bloom filter
	again   bool      // a key was perhaps seen before: look for equal ones
	closing byte      // its bracket; 0 around the whole
}

// read makes t the tree of text, or of the one form of it, for which it uses clean.
// It reports whether text is one JSON value.
//
// A value is too deep if more than most containers are around it; elements of
// arrays that are no containers themselves may have one more. Such a value must be
// JSON too, but has no node.
//
// Nothing recurses; time is linear in len(text), and so is memory: a node for each
// value, and below the deepest level one byte for each open container. Text must be
// shorter than 4 GiB.
func (s *scanner) read(t *tree, text []byte, clean *[]byte, most int) bool {
	s.clean = false
	if !s.scan(t, text, most) {
		return false
	}
	if s.ragged {
		*clean = appendCanonical((*clean)[:0], text)
		s.clean = true
		return s.scan(t, *clean, most)
	}
	return true
}

// scan makes t the tree of text. If the text is ragged, the tree is good for
// nothing.
func (s *scanner) scan(t *tree, text []byte, most int) bool {
	s.levels, s.ragged, s.duplicate = s.levels[:0], false, false
	t.text, t.nodes, t.leaves = text, t.nodes[:0], 0
	var (
		nodes     = t.nodes
		leaves    uint32
		in        level
		key, hash uint32
		start     int
		k         valueKind
		n         *node
	)
	i := s.space(text, 0)
value:
	if i >= len(text) {
		return false
	}
	start = i
	k = kindNumber
	switch c := text[i]; c {
	case '{', '[':
		if len(s.levels) > most {
			nodes[in.node].flags |= tooDeep
			if i = s.skip(text, i); i < 0 {
				return false
			}
			goto after
		}
		k = kindObject
		if c == '[' {
			k = kindArray
		}
		in.count++
		s.levels = append(s.levels, in)
		in = level{node: uint32(len(nodes)), closing: c + 2}
		nodes = append(nodes, node{kind: k, key: key, hash: hash, start: uint32(i), leaf: leaves})
		if i++; i < len(text) && text[i] <= ' ' {
			i = s.space(text, i)
		}
		if i < len(text) && text[i] == in.closing {
			goto end
		}
		goto member
	case '"':
		k = kindString
		i = s.text(text, i)
	case 't':
		k = kindTrue
		i = literal(text, i, "true")
	case 'f':
		k = kindFalse
		i = literal(text, i, "false")
	case 'n':
		k = kindNull
		i = literal(text, i, "null")
	default:
		i = number(text, i)
	}
	if i < 0 {
		return false
	}
	if len(s.levels) > most && in.closing == '}' {
		nodes[in.node].flags |= tooDeep
		goto after
	}
	if k == kindNull && in.closing != 0 {
		nodes[in.node].flags |= hasNull
		if in.closing == ']' {
			nodes[in.node].flags |= hasArrayNull
		}
	}
	in.count++
	if len(nodes) == cap(nodes) {
		nodes = slices.Grow(nodes, 1)
	}
	nodes = nodes[:len(nodes)+1]
	n = &nodes[len(nodes)-1] // set in place: append would copy it twice
	n.kind, n.flags, n.count = k, 0, 0
	n.key, n.hash, n.start, n.end = key, hash, uint32(start), uint32(i)
	n.next, n.leaf = uint32(len(nodes)), leaves
	leaves++

after:
	if i < len(text) && text[i] <= ' ' {
		i = s.space(text, i)
	}
	if in.closing == 0 {
		t.nodes, t.leaves = nodes, leaves
		return i == len(text)
	}
	if i >= len(text) {
		return false
	}
	if text[i] != ',' {
		goto end
	}
	if i++; i < len(text) && text[i] <= ' ' {
		i = s.space(text, i)
	}

member:
	key, hash = 0, 0
	if in.closing == '}' {
		if i >= len(text) || text[i] != '"' {
			return false
		}
		end := s.text(text, i)
		if end < 0 {
			return false
		}
		key = uint32(i + 1)
		h := s.hasher.hash(text[i+1 : end-1])
		hash = uint32(h)
		a, b, c := uint64(1)<<(h>>58), uint64(1)<<(h>>52&63), uint64(1)<<(h>>46&63)
		if in.seen[0]&a != 0 && in.seen[1]&b != 0 && in.seen[2]&c != 0 {
			in.again = true
		}
		in.seen[0] |= a
		in.seen[1] |= b
		in.seen[2] |= c
		if i = end; i < len(text) && text[i] <= ' ' {
			i = s.space(text, i)
		}
		if i >= len(text) || text[i] != ':' {
			return false
		}
		if i++; i < len(text) && text[i] <= ' ' {
			i = s.space(text, i)
		}
	}
	goto value

end:
	if text[i] != in.closing {
		return false
	}
	i++
	n = &nodes[in.node]
	n.count, n.end, n.next = in.count, uint32(i), uint32(len(nodes))
	if in.again && (s.clean || !s.ragged) {
		t.nodes = nodes
		s.duplicate = s.duplicate || s.hasDuplicate(t, in.node)
	}
	in = s.levels[len(s.levels)-1]
	s.levels = s.levels[:len(s.levels)-1]
	if in.closing != 0 {
		nodes[in.node].flags |= n.flags
	}
	goto after
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
			if t.nodes[a].hash == t.nodes[b].hash && string(t.key(a)) == string(t.key(b)) {
				return true
			}
		}
	}
	return false
}

package shadow

import (
	"bytes"
	"hash/maphash"
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

// leavesOf is how many leaves are in a node.
func (t *tree) leavesOf(i uint32) uint32 {
	if next := t.nodes[i].next; int(next) < len(t.nodes) {
		return t.nodes[next].leaf - t.nodes[i].leaf
	}
	return t.leaves - t.nodes[i].leaf
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

// An open container.
type level struct {
	node  uint32
	seen  uint64 // one bit for the hash of each key: a Bloom filter
	again bool   // a bit was hit twice: look for equal keys
}

// A scanner reads JSON into trees. What it finds besides is valid after scan.
type scanner struct {
	seed   maphash.Seed
	levels []level
	deep   []byte // closing brackets of what is open below the deepest level
	tables tables

	ragged    bool // the text is not in the one form that trees need
	duplicate bool // an object has a key twice
}

// plain holds the characters that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// scan makes t the tree of text, whatever it held before, and reports whether text
// is one JSON value. A value is deep if more than most containers are around it;
// elements of arrays that are no containers themselves count one less.
//
// Text that is ragged yields a tree that is good for nothing.
//
// It does not recurse, and takes time and memory linear in len(text), below the
// deepest level one byte for each open container. Text must be shorter than 4 GiB.
func (s *scanner) scan(t *tree, text []byte, most int) bool {
	t.text, t.nodes, t.leaves = text, t.nodes[:0], 0
	s.levels, s.deep, s.ragged, s.duplicate = s.levels[:0], s.deep[:0], false, false
	i := s.space(text, 0)
	var key, hash uint32
	for {
		if i >= len(text) {
			return false
		}
		c := text[i]
		start := i
		var k valueKind
		switch c {
		case '{', '[':
			open := s.open(t, c, key, hash, i, most)
			if i = s.space(text, i+1); i >= len(text) {
				return false
			}
			if text[i] == c+2 { // the closing one
				i++
				s.close(t, i)
				break
			}
			key, hash = 0, 0
			if c == '{' {
				var ok bool
				if key, hash, i, ok = s.key(t, text, i, open); !ok {
					return false
				}
			}
			continue
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
			k = kindNumber
			i = number(text, i)
		}
		if i < 0 {
			return false
		}
		if c != '{' && c != '[' {
			s.leaf(t, k, key, hash, start, i, most)
		}
		// What comes after a value.
		for {
			i = s.space(text, i)
			closing := s.closing(t)
			if closing == 0 {
				return i == len(text)
			}
			if i >= len(text) {
				return false
			}
			c := text[i]
			i++
			if c == closing {
				s.close(t, i)
				continue
			}
			if c != ',' {
				return false
			}
			i = s.space(text, i)
			key, hash = 0, 0
			if closing == '}' {
				var ok bool
				if key, hash, i, ok = s.key(t, text, i, len(s.deep) == 0); !ok {
					return false
				}
			}
			break
		}
	}
}

// space returns where the white space at i ends.
func (s *scanner) space(text []byte, i int) int {
	for i < len(text) && text[i] <= ' ' && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		s.ragged = true
		i++
	}
	return i
}

// closing is the bracket that closes the innermost container, 0 if none is open.
func (s *scanner) closing(t *tree) byte {
	if len(s.deep) > 0 {
		return s.deep[len(s.deep)-1]
	}
	if len(s.levels) == 0 {
		return 0
	}
	if t.nodes[s.levels[len(s.levels)-1].node].kind == kindObject {
		return '}'
	}
	return ']'
}

// parent is the innermost container that has a node.
func (s *scanner) parent(t *tree) *node {
	if len(s.levels) == 0 {
		return nil
	}
	return &t.nodes[s.levels[len(s.levels)-1].node]
}

// open reports whether the container has a node.
func (s *scanner) open(t *tree, bracket byte, key, hash uint32, at, most int) bool {
	if len(s.deep) > 0 || len(s.levels) > most {
		s.parent(t).flags |= tooDeep
		s.deep = append(s.deep, bracket+2)
		return false
	}
	if p := s.parent(t); p != nil {
		p.count++
	}
	k := kindObject
	if bracket == '[' {
		k = kindArray
	}
	s.levels = append(s.levels, level{node: uint32(len(t.nodes))})
	t.nodes = append(t.nodes, node{kind: k, key: key, hash: hash, start: uint32(at), leaf: t.leaves})
	return true
}

func (s *scanner) close(t *tree, end int) {
	if len(s.deep) > 0 {
		s.deep = s.deep[:len(s.deep)-1]
		return
	}
	l := s.levels[len(s.levels)-1]
	s.levels = s.levels[:len(s.levels)-1]
	n := &t.nodes[l.node]
	n.end, n.next = uint32(end), uint32(len(t.nodes))
	if p := s.parent(t); p != nil {
		p.flags |= n.flags
	}
	if l.again && !s.ragged && s.hasDuplicate(t, l.node) {
		s.duplicate = true
	}
}

func (s *scanner) leaf(t *tree, k valueKind, key, hash uint32, start, end, most int) {
	p := s.parent(t)
	if p != nil {
		if len(s.deep) > 0 || len(s.levels) > most && p.kind == kindObject {
			p.flags |= tooDeep
			return
		}
		p.count++
		if k == kindNull {
			p.flags |= hasNull
			if p.kind == kindArray {
				p.flags |= hasArrayNull
			}
		}
	}
	at := uint32(len(t.nodes))
	t.nodes = append(t.nodes, node{
		kind: k, key: key, hash: hash, start: uint32(start), end: uint32(end), next: at + 1, leaf: t.leaves,
	})
	t.leaves++
}

// key reads a key and the colon after it, and returns where the value starts.
func (s *scanner) key(t *tree, text []byte, i int, hashed bool) (key, hash uint32, value int, ok bool) {
	if i >= len(text) || text[i] != '"' {
		return 0, 0, 0, false
	}
	end := s.text(text, i)
	if end < 0 {
		return 0, 0, 0, false
	}
	key = uint32(i + 1)
	if hashed && !s.ragged {
		h := maphash.Bytes(s.seed, text[i+1:end-1])
		hash = uint32(h)
		l := &s.levels[len(s.levels)-1]
		bit := uint64(1) << (h >> 58)
		l.again = l.again || l.seen&bit != 0
		l.seen |= bit
	}
	i = s.space(text, end)
	if i >= len(text) || text[i] != ':' {
		return 0, 0, 0, false
	}
	return key, hash, s.space(text, i+1), true
}

// text returns where the string that starts at i ends, or -1.
func (s *scanner) text(text []byte, i int) int {
	i++
	for {
		for i < len(text) && plain[text[i]] {
			i++
		}
		if i >= len(text) {
			return -1
		}
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
		default:
			return -1
		}
		if i++; i >= len(text) {
			return -1
		}
		switch text[i] {
		case '"', '\\', 'b', 'f', 'n', 'r', 't':
			i++
		case '/':
			s.ragged = true
			i++
		case 'u':
			if i+5 > len(text) || hexValue(text[i+1:i+5]) < 0 {
				return -1
			}
			s.ragged = true
			i += 5
		default:
			return -1
		}
	}
}

// literal returns where want ends if it is at i, or -1.
func literal(text []byte, i int, want string) int {
	if len(text)-i < len(want) || string(text[i:i+len(want)]) != want {
		return -1
	}
	return i + len(want)
}

// number returns where the number at i ends, or -1.
func number(text []byte, i int) int {
	if i < len(text) && text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if i = digits(text, i); i < 0 {
		return -1
	}
	if i < len(text) && text[i] == '.' {
		if i = digits(text, i+1); i < 0 {
			return -1
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		return digits(text, i)
	}
	return i
}

// digits returns where the digits at i end, or -1 if there are none.
func digits(text []byte, i int) int {
	from := i
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

// hasDuplicate reports whether an object has a key twice.
func (s *scanner) hasDuplicate(t *tree, obj uint32) bool {
	o := &t.nodes[obj]
	if o.count > fewKeys {
		return !s.tables.fill(t, obj, true)
	}
	for a := obj + 1; a < o.next; a = t.nodes[a].next {
		for b := t.nodes[a].next; b < o.next; b = t.nodes[b].next {
			if t.nodes[a].hash == t.nodes[b].hash && bytes.Equal(t.key(a), t.key(b)) {
				return true
			}
		}
	}
	return false
}

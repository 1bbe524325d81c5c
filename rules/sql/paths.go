package sql

// A pathNode is one step of the paths that somebody wants of a message, in a tree.
// The nodes of a tree are numbered so that those below n are n+1 to n.end-1.
type pathNode struct {
	key   string
	id    int32
	end   int32
	keys  []*pathNode
	table map[string]*pathNode // of keys, where there are many
}

// manyKeys is from how many keys on a node has a table.
const manyKeys = 8

// child returns the step of a key, nil if nobody wants it.
func (n *pathNode) child(key string) *pathNode {
	if n.table != nil {
		return n.table[key]
	}
	for _, c := range n.keys {
		if c.key == key {
			return c
		}
	}
	return nil
}

// paths is a set of paths under construction.
type paths struct{ root pathNode }

// add puts a path into the set and returns its last step.
func (p *paths) add(path []string) *pathNode {
	n := &p.root
	for _, key := range path {
		c := n.child(key)
		if c == nil {
			c = &pathNode{key: key}
			n.keys = append(n.keys, c)
			switch {
			case n.table != nil:
				n.table[key] = c
			case len(n.keys) == manyKeys:
				n.table = make(map[string]*pathNode, 2*manyKeys)
				for _, k := range n.keys {
					n.table[k.key] = k
				}
			}
		}
		n = c
	}
	return n
}

// number gives the nodes their numbers and returns how many there are.
func (p *paths) number() int { return int(p.root.number(0)) }

func (n *pathNode) number(id int32) int32 {
	n.id = id
	id++
	for _, c := range n.keys {
		id = c.number(id)
	}
	n.end = id
	return id
}

// A slot is where a path leads in a message: a part of its text. Numbers are read at
// once, because several rules may ask for them.
type slot struct {
	from, to uint32
	kind     slotKind
	exp      int32
	n        int64 // of slotInt; with exp of slotFraction
}

type slotKind uint8

const (
	slotEmpty    slotKind = iota
	slotOther             // null, true, false
	slotInt               // n
	slotFraction          // n × 10^exp, which is no whole number
	slotNumber            // any other number
	slotString            // without escapes; from and to are inside the quotes
	slotEscaped           // likewise, with escapes
	slotArray
	slotObject
)

// setNumber notes a number.
func (s *slot) setNumber(text string, from, to int) {
	*s = slot{from: uint32(from), to: uint32(to), kind: slotNumber}
	n, exp, ok := smallNumber(text[from:to])
	switch {
	case !ok:
	case exp == 0:
		s.kind, s.n = slotInt, n
	case exp < 0 && n%10 != 0:
		s.kind, s.n, s.exp = slotFraction, n, exp
	}
}

// set notes anything else.
func (s *slot) set(kind slotKind, from, to int) {
	*s = slot{from: uint32(from), to: uint32(to), kind: kind}
}

// A scanner takes a message apart: one pass that validates all of it and notes where
// the paths lead.
type scanner struct {
	skipper
	text  string
	slots []slot // by number of the path's node
	key   []byte // of a key with escapes
}

// scan fills in slots, which must be as many as the tree has nodes. It reports false
// if text is not one JSON value.
func (s *scanner) scan(text string, root *pathNode, slots []slot) bool {
	clear(slots)
	s.text, s.slots, s.high = text, slots, false
	i := s.node(space(text, 0), root)
	if i < 0 || space(text, i) != len(text) {
		return false
	}
	return !s.high || validUTF8(text)
}

// into is scan for what is a part of a scanned message.
func (s *scanner) into(text string, root *pathNode, slots []slot) {
	clear(slots)
	s.text, s.slots = text, slots
	s.node(space(text, 0), root)
}

// node validates the value at i, which n leads to, and returns the index behind it, or
// -1.
func (s *scanner) node(i int, n *pathNode) int {
	t := s.text
	if i >= len(t) {
		return -1
	}
	at := &s.slots[n.id]
	if at.kind != slotEmpty { // the key is there twice: the last one counts
		clear(s.slots[n.id:n.end])
	}
	from, to := i, 0
	switch c := t[i]; {
	case c == '"':
		end, escaped := s.quoted(t, i)
		switch {
		case end < 0:
			return -1
		case escaped:
			at.set(slotEscaped, i+1, end-1)
		default:
			at.set(slotString, i+1, end-1)
		}
		return end
	case c == '-' || c-'0' <= 9:
		if to = skipNumber(t, i); to >= 0 {
			at.setNumber(t, from, to)
		}
	case c == '{':
		if len(n.keys) > 0 {
			to = s.object(i, n)
		} else {
			to = s.nested(t, i)
		}
		at.set(slotObject, from, max(from, to))
	case c == '[':
		to = s.nested(t, i)
		at.set(slotArray, from, max(from, to))
	default:
		to = skipWord(t, i)
		at.set(slotOther, from, max(from, to))
	}
	return to
}

// object validates the object at i, into which paths lead.
func (s *scanner) object(i int, n *pathNode) int {
	t := s.text
	i = space(t, i+1)
	if i < len(t) && t[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(t) || t[i] != '"' {
			return -1
		}
		end, escaped := s.quoted(t, i)
		if end < 0 {
			return -1
		}
		key := t[i+1 : end-1]
		if escaped {
			s.key = appendUnquoted(s.key[:0], key)
			key = view(s.key)
		}
		if i = space(t, end); i >= len(t) || t[i] != ':' {
			return -1
		}
		i = space(t, i+1)
		if c := n.child(key); c != nil {
			i = s.node(i, c)
		} else {
			i = s.value(t, i)
		}
		if i < 0 {
			return -1
		}
		if i = space(t, i); i >= len(t) {
			return -1
		}
		switch t[i] {
		case '}':
			return i + 1
		case ',':
			i = space(t, i+1)
		default:
			return -1
		}
	}
}

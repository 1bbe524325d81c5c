package shadow

import "math/bits"

// fewKeys is up to how many keys of an object are looked through one by one.
const fewKeys = 16

// sameKey reports whether two members have the same key.
func sameKey(a *tree, i uint32, b *tree, j uint32) bool {
	x, y := &a.nodes[i], &b.nodes[j]
	if x.head != y.head || x.start-x.key != y.start-y.key {
		return false
	}
	return x.start-x.key <= 8+2 || string(a.text[x.key+8:x.start]) == string(b.text[y.key+8:y.start])
}

// tables are hash tables over the keys of objects: a stack of them in one slice, so
// that nested lookups take no memory of their own.
type tables struct {
	hasher
	slots []uint32
}

// fill pushes a table over an object's keys. It reports false, and has removed it
// again, if once is set and a key is there twice. Otherwise of equal keys the first
// counts.
func (s *tables) fill(t *tree, obj uint32, once bool) bool {
	o := &t.nodes[obj]
	base, size := len(s.slots), 2<<bits.Len32(o.count)
	if cap(s.slots)-base < size {
		s.slots = append(make([]uint32, 0, 2*cap(s.slots)+size), s.slots...)
	}
	s.slots = s.slots[:base+size]
	table := s.slots[base:]
	clear(table)
	mask := uint32(size - 1)
children:
	for c := obj + 1; c < o.next; c = t.nodes[c].next {
		at := uint32(s.hash(t.key(c))) & mask
		for ; table[at] != 0; at = (at + 1) & mask {
			if sameKey(t, table[at], t, c) {
				if once {
					s.slots = s.slots[:base]
					return false
				}
				continue children
			}
		}
		table[at] = c
	}
	if once {
		s.slots = s.slots[:base]
	}
	return true
}

// A finder looks for keys in one object of a tree. Keys asked for in the object's
// own order are found at once; an object of many keys gets a table when one is not.
type finder struct {
	tables *tables
	tree   *tree
	object uint32
	cursor uint32
	base   int // of the table
	mask   uint32
	filled bool
}

// find returns a finder, which must be closed before the one made before it.
func (s *tables) find(t *tree, obj uint32) finder {
	return finder{tables: s, tree: t, object: obj, cursor: obj + 1, base: len(s.slots)}
}

func (f *finder) close() { f.tables.slots = f.tables.slots[:f.base] }

// get returns the child with the key of a member of another tree.
func (f *finder) get(t *tree, i uint32) (uint32, bool) {
	c := f.cursor
	if c < f.tree.nodes[f.object].next && sameKey(f.tree, c, t, i) {
		f.cursor = f.tree.nodes[c].next
		return c, true
	}
	return f.search(t, i)
}

// search is get for a key that is not the next one.
func (f *finder) search(t *tree, i uint32) (uint32, bool) {
	nodes := f.tree.nodes
	o := &nodes[f.object]
	if f.filled {
		table := f.tables.slots[f.base : f.base+int(f.mask)+1]
		for at := uint32(f.tables.hash(t.key(i))) & f.mask; table[at] != 0; at = (at + 1) & f.mask {
			if sameKey(f.tree, table[at], t, i) {
				return table[at], true
			}
		}
		return 0, false
	}
	head, c := t.nodes[i].head, f.cursor
	for tries := 0; c < o.next && tries < fewKeys; c, tries = nodes[c].next, tries+1 {
		if nodes[c].head == head && sameKey(f.tree, c, t, i) {
			f.cursor = nodes[c].next
			return c, true
		}
	}
	if o.count > fewKeys {
		f.tables.fill(f.tree, f.object, false)
		f.mask, f.filled = uint32(len(f.tables.slots)-f.base-1), true
		return f.search(t, i)
	}
	for c = f.object + 1; c < f.cursor; c = nodes[c].next {
		if nodes[c].head == head && sameKey(f.tree, c, t, i) {
			f.cursor = nodes[c].next
			return c, true
		}
	}
	return 0, false
}

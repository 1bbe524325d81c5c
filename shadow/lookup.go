package shadow

import (
	"bytes"
	"math/bits"
)

// fewKeys is up to how many keys of an object are looked through one by one.
const fewKeys = 16

// tables are hash tables over the keys of objects: a stack of them in one slice, so
// that nested lookups take no memory of their own.
type tables struct{ slots []uint32 }

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
		h := t.nodes[c].hash
		at := h & mask
		for ; table[at] != 0; at = (at + 1) & mask {
			if d := table[at]; t.nodes[d].hash == h && bytes.Equal(t.key(d), t.key(c)) {
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

// get returns the child with a key.
func (f *finder) get(key []byte, hash uint32) (uint32, bool) {
	nodes := f.tree.nodes
	c, end := f.cursor, nodes[f.object].next
	if c < end && nodes[c].hash == hash && bytes.Equal(f.tree.key(c), key) {
		f.cursor = nodes[c].next
		return c, true
	}
	return f.search(key, hash)
}

// search is get for a key that is not the next one.
func (f *finder) search(key []byte, hash uint32) (uint32, bool) {
	nodes := f.tree.nodes
	o := &nodes[f.object]
	is := func(c uint32) bool { return nodes[c].hash == hash && bytes.Equal(f.tree.key(c), key) }
	if f.filled {
		table := f.tables.slots[f.base : f.base+int(f.mask)+1]
		for at := hash & f.mask; table[at] != 0; at = (at + 1) & f.mask {
			if is(table[at]) {
				return table[at], true
			}
		}
		return 0, false
	}
	for c, tries := f.cursor, 0; c < o.next && tries < fewKeys; c, tries = nodes[c].next, tries+1 {
		if is(c) {
			f.cursor = nodes[c].next
			return c, true
		}
	}
	if o.count > fewKeys {
		f.tables.fill(f.tree, f.object, false)
		f.mask, f.filled = uint32(len(f.tables.slots)-f.base-1), true
		return f.search(key, hash)
	}
	for c := f.object + 1; c < f.cursor; c = nodes[c].next {
		if is(c) {
			f.cursor = nodes[c].next
			return c, true
		}
	}
	return 0, false
}

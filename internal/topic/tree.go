package topic

import (
	"strings"
	"sync"
	"sync/atomic"
)

// Tree finds the values of all filters that match a name: who subscribed, or
// which rules apply. A value is known by its pointer and may be there for any
// number of filters. The zero Tree is empty and ready; it must not be copied.
// V must not be a type of size zero, whose pointers may all be equal.
//
// All methods may be called concurrently, also from within a yield function.
// Match and All take no lock; Add and Remove wait for each other.
type Tree[V any] struct {
	exact table[exactFilter[V]] // filters without wildcards
	nodes table[node[V]]        // the trie's edges, apart from "+" and "#"
	root  node[V]

	filters    atomic.Int64
	generation atomic.Uint64
	mu         sync.Mutex // held by writers
}

type exactFilter[V any] struct {
	filter string
	values valueSet[V]
}

// node stands for the first levels of filters with wildcards. It fills one
// cache line of 64 bytes.
type node[V any] struct {
	parent   *node[V]
	level    string
	id       uint32                      // stands for the node in its children's hashes
	children atomic.Int32                // in Tree.nodes; 0 saves a search
	plus     atomic.Pointer[node[V]]     // the "+" child
	below    atomic.Pointer[valueSet[V]] // of the filter that goes on with "#"
	here     valueSet[V]                 // of the filter that ends here
}

// Add puts v to the values of filter and reports whether it is the first one.
// It does nothing, and returns false, if v is nil or there already.
//
// The filter should be valid (see CheckFilter) and have no "$share" in front
// (see ParseShared). The tree keeps the string, so it must not alias a buffer
// that will change.
func (t *Tree[V]) Add(filter string, v *V) (first bool) {
	if v == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	added, first := t.grow(filter).add(v)
	if first {
		t.filters.Add(1)
	}
	if added {
		t.generation.Add(1)
	}
	return first
}

// Remove takes v from the values of filter, which is compared byte by byte
// [MQTT-3.10.4-1]. It reports whether v was there, and whether it was the last
// one. A Match that runs meanwhile may still yield v.
func (t *Tree[V]) Remove(filter string, v *V) (removed, last bool) {
	if v == nil {
		return false, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !HasWildcard(filter) {
		e := t.findExact(filter)
		if e == nil {
			return false, false
		}
		removed, last = e.values.remove(v)
		if last {
			t.exact.remove(textTag(filter), e)
		}
	} else {
		n, values := t.findWild(filter)
		if values == nil {
			return false, false
		}
		removed, last = values.remove(v)
		if last {
			if values != &n.here {
				n.below.Store(nil)
			}
			t.prune(n)
		}
	}
	if last {
		t.filters.Add(-1)
	}
	if removed {
		t.generation.Add(1)
	}
	return removed, last
}

// Match calls yield for the values of all filters that match name, by the rules
// of the function Match, until yield returns false. A value is yielded once for
// each filter it is there for, in no particular order.
//
// It neither allocates nor locks, and does not keep name. A value that is there
// throughout is never missed and never doubled, whatever else changes.
func (t *Tree[V]) Match(name string, yield func(v *V) bool) {
	if e := t.findExact(name); e != nil && !e.values.each(yield) {
		return
	}
	t.matchWild(name, yield)
}

// All calls yield for the values of this very filter, until yield returns
// false. It gives the guarantees of Match.
func (t *Tree[V]) All(filter string, yield func(v *V) bool) {
	if !HasWildcard(filter) {
		if e := t.findExact(filter); e != nil {
			e.values.each(yield)
		}
		return
	}
	if _, values := t.findWild(filter); values != nil {
		values.each(yield)
	}
}

// Len returns the number of filters with at least one value.
func (t *Tree[V]) Len() int { return int(t.filters.Load()) }

// Generation returns a number that is another one after each Add or Remove that
// changed something. What a Match found is up to date for as long as Generation
// returns what it returned before that Match.
func (t *Tree[V]) Generation() uint64 { return t.generation.Load() }

func (t *Tree[V]) findExact(filter string) *exactFilter[V] {
	s := t.exact.slots.Load()
	if s == nil {
		return nil
	}
	tag := textTag(filter)
	e, i := s.next(tag, s.home(tag))
	for e != nil && e.filter != filter {
		e, i = s.next(tag, i)
	}
	return e
}

// grow returns the values of filter, making room for them if needed.
func (t *Tree[V]) grow(filter string) *valueSet[V] {
	if HasWildcard(filter) {
		return t.growWild(filter)
	}
	e := t.findExact(filter)
	if e == nil {
		e = &exactFilter[V]{filter: filter}
		t.exact.insert(textTag(filter), e)
	}
	return &e.values
}

// findWild returns the values of a filter with wildcards and the node that has
// them, or nil.
func (t *Tree[V]) findWild(filter string) (*node[V], *valueSet[V]) {
	n := &t.root
	for off := 0; off <= len(filter); {
		level, next := nextLevel(filter, off)
		switch {
		case level == "+":
			n = n.plus.Load()
		case level == "#" && next > len(filter):
			return n, n.below.Load()
		default:
			n = t.child(n, level)
		}
		if n == nil {
			return nil, nil
		}
		off = next
	}
	return n, &n.here
}

func (t *Tree[V]) growWild(filter string) *valueSet[V] {
	n := &t.root
	for off := 0; off <= len(filter); {
		level, next := nextLevel(filter, off)
		var c *node[V]
		switch {
		case level == "+":
			c = n.plus.Load()
			if c == nil {
				c = &node[V]{parent: n, level: "+", id: nodeID()}
				n.plus.Store(c)
			}
		case level == "#" && next > len(filter):
			values := n.below.Load()
			if values == nil {
				values = new(valueSet[V])
				n.below.Store(values)
			}
			return values
		default:
			c = t.child(n, level)
			if c == nil {
				// A copy of the level, because a node may outlive the filter
				// that brought it and need not keep all of its text.
				c = &node[V]{parent: n, level: strings.Clone(level), id: nodeID()}
				n.children.Add(1)
				t.nodes.insert(childTag(n.id, level), c)
			}
		}
		n, off = c, next
	}
	return &n.here
}

// prune takes n out of the trie if nothing needs it any more, then its parent,
// and so on. A node that was taken out is never used again: readers may still
// stand on it and go on through its pointers.
func (t *Tree[V]) prune(n *node[V]) {
	for n.parent != nil && n.unused() {
		p := n.parent
		if n.level == "+" {
			p.plus.Store(nil)
		} else {
			t.nodes.remove(childTag(p.id, n.level), n)
			p.children.Add(-1)
		}
		n = p
	}
}

func (n *node[V]) unused() bool {
	return n.children.Load() == 0 && n.plus.Load() == nil &&
		n.below.Load() == nil && n.here.empty()
}

func (t *Tree[V]) child(n *node[V], level string) *node[V] {
	if n.children.Load() == 0 {
		return nil
	}
	s := t.nodes.slots.Load()
	if s == nil {
		return nil
	}
	tag := childTag(n.id, level)
	c, i := s.next(tag, s.home(tag))
	for c != nil && (c.parent != n || c.level != level) {
		c, i = s.next(tag, i)
	}
	return c
}

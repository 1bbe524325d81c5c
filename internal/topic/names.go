package topic

import (
	"strings"
	"sync"
	"sync/atomic"
)

// Names finds the values of all names that a filter matches: retained messages.
// Each name has one value. The zero Names is empty and ready; it must not be
// copied.
//
// All methods may be called concurrently, also from within a yield function.
// Get, Match and Search take no lock; the others wait for each other.
type Names[V any] struct {
	exact table[nameNode[V]] // nodes that have a value, by the whole name
	nodes table[nameNode[V]] // all nodes, by parent and level
	root  nameNode[V]
	names atomic.Int64
	mu    sync.Mutex // held by writers, and for order
	order sorted     // the names
}

// nameNode stands for the first levels of names. Its siblings are a list, for
// wildcards; Names.nodes finds a single one.
//
// New nodes go to the head of the list, and a node that was taken out keeps its
// next, so a reader on any node, in the list or not, comes past all those that
// were there when it began and still are, once.
type nameNode[V any] struct {
	parent *nameNode[V]
	level  string
	id     uint32                      // stands for the node in its children's hashes
	first  atomic.Pointer[nameNode[V]] // child
	next   atomic.Pointer[nameNode[V]] // sibling
	prev   *nameNode[V]                // sibling; the writer's
	value  atomic.Pointer[V]
	name   string // whole; written once, before the first value
}

// Put sets the value of name and returns the one it replaces, or nil. A nil v
// is the same as Delete.
//
// The name should be valid (see CheckName). It is copied the first time: a name
// outlives the message it came with, whose memory it must not hold.
func (n *Names[V]) Put(name string, v *V) (old *V) {
	if v == nil {
		return n.Delete(name)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.find(name); d != nil {
		return d.value.Swap(v)
	}
	name = strings.Clone(name)
	d := n.grow(name)
	if d.name != name {
		d.name = name
	}
	d.value.Store(v)
	n.exact.insert(textTag(name), d)
	n.order.insert(d.name)
	n.names.Add(1)
	return nil
}

// Get returns the value of name, or nil.
func (n *Names[V]) Get(name string) *V {
	if d := n.find(name); d != nil {
		return d.value.Load()
	}
	return nil
}

// Delete removes name and returns the value it had, or nil.
func (n *Names[V]) Delete(name string) (old *V) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.find(name)
	if d == nil {
		return nil
	}
	old = d.value.Load()
	n.drop(d)
	return old
}

// CompareAndDelete removes name if v is its value, and reports whether it was.
// So what has expired is removed, but not what has come in its place.
func (n *Names[V]) CompareAndDelete(name string, v *V) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.find(name)
	if d == nil || d.value.Load() != v {
		return false
	}
	n.drop(d)
	return true
}

// Match calls yield for each name that filter matches, by the rules of the
// function Match, until yield returns false. The order is not specified.
//
// It neither allocates nor locks. A filter without wildcards is one lookup, and
// so is each level without; only what a wildcard stands for is searched. A name
// that is there throughout is never missed and never doubled, whatever else
// changes.
func (n *Names[V]) Match(filter string, yield func(name string, v *V) bool) {
	n.Search(filter, 0, yield)
}

// Search is Match for a caller that has other things to do: after each stride of
// nodes that were looked at, it calls yield with a nil value in between, which may
// end it like any other call. A search in a big tree may find nothing for a long
// time. 0 is an endless stride.
func (n *Names[V]) Search(filter string, stride int, yield func(name string, v *V) bool) {
	if !HasWildcard(filter) {
		if d := n.find(filter); d != nil {
			d.yield(yield)
		}
		return
	}
	w := nameWalk[V]{root: &n.root, stride: stride, yield: yield}
	d, off := &n.root, 0
	for {
		var c *nameNode[V]
		var next int
		if off <= len(filter) {
			var level string
			level, next = nextLevel(filter, off)
			switch {
			case level == "+":
				c = w.visible(d.first.Load())
			case level == "#" && next > len(filter):
				if !w.subtree(d) {
					return
				}
			default:
				c = n.child(d, level)
			}
		} else if !d.yield(yield) {
			return
		}
		if !w.step() {
			return
		}
		// The way back is that of Tree: parent pointers instead of a stack.
		for c == nil {
			if d == &n.root {
				return
			}
			next = off
			off = prevLevel(filter, off)
			if level, _ := nextLevel(filter, off); level == "+" {
				c = w.visible(d.next.Load())
			}
			d = d.parent
		}
		d, off = c, next
	}
}

// Len returns the number of names.
func (n *Names[V]) Len() int { return int(n.names.Load()) }

// A nameWalk is one search.
type nameWalk[V any] struct {
	root   *nameNode[V]
	stride int // after so many steps yield is called for nothing, 0 for never
	steps  int
	ended  bool // by yield, in such a call
	yield  func(name string, v *V) bool
}

// step counts one node; false when the search is to end.
func (w *nameWalk[V]) step() bool {
	if w.steps++; w.steps == w.stride {
		w.steps = 0
		w.ended = w.ended || !w.yield("", nil)
	}
	return !w.ended
}

// subtree yields top and everything below it.
func (w *nameWalk[V]) subtree(top *nameNode[V]) bool {
	d := top
	for {
		if !d.yield(w.yield) || !w.step() {
			return false
		}
		c := w.visible(d.first.Load())
		for c == nil {
			if d == top {
				return true
			}
			c = w.visible(d.next.Load())
			d = d.parent
		}
		d = c
	}
}

// visible returns d or the first of its next siblings that a wildcard matches:
// one in the first level matches no name with a "$" in front [MQTT-4.7.2-1].
func (w *nameWalk[V]) visible(d *nameNode[V]) *nameNode[V] {
	for d != nil && d.parent == w.root && strings.HasPrefix(d.level, "$") && w.step() {
		d = d.next.Load()
	}
	if w.ended {
		return nil
	}
	return d
}

func (d *nameNode[V]) yield(yield func(name string, v *V) bool) bool {
	v := d.value.Load()
	return v == nil || yield(d.name, v)
}

// find returns the node of name if it has a value.
func (n *Names[V]) find(name string) *nameNode[V] {
	s := n.exact.slots.Load()
	if s == nil {
		return nil
	}
	tag := textTag(name)
	d, i := s.next(tag, s.home(tag))
	for d != nil && d.name != name {
		d, i = s.next(tag, i)
	}
	return d
}

func (n *Names[V]) grow(name string) *nameNode[V] {
	d := &n.root
	for off := 0; off <= len(name); {
		level, next := nextLevel(name, off)
		c := n.child(d, level)
		if c == nil {
			if next <= len(name) {
				// The node may outlive this name and need not keep its text.
				level = strings.Clone(level)
			}
			c = &nameNode[V]{parent: d, level: level, id: nodeID()}
			head := d.first.Load()
			c.next.Store(head)
			if head != nil {
				head.prev = c
			}
			d.first.Store(c)
			n.nodes.insert(childTag(d.id, level), c)
		}
		d, off = c, next
	}
	return d
}

// drop takes the value from d, which has one.
func (n *Names[V]) drop(d *nameNode[V]) {
	d.value.Store(nil)
	n.exact.remove(textTag(d.name), d)
	n.order.remove(d.name)
	n.names.Add(-1)
	n.prune(d)
}

// afterBatch is how many names After copies while it holds the lock: few at first,
// because the caller may want no more.
const afterBatch = 32

// After calls yield for each name that comes after the given one, in ascending order
// of their bytes, until yield returns false; "" comes before all. A name that is there
// throughout is never missed and never doubled, whatever else changes; one that comes
// or goes meanwhile may be met or not.
func (n *Names[V]) After(name string, yield func(name string, v *V) bool) {
	var names []string
	for size := afterBatch; ; size = 8 * afterBatch {
		n.mu.Lock()
		names = n.order.after(names[:0], name, size)
		n.mu.Unlock()
		for _, name := range names {
			if v := n.Get(name); v != nil && !yield(name, v) {
				return
			}
		}
		if len(names) < size {
			return
		}
		name = names[size-1]
	}
}

// prune takes d out if it has neither value nor children, then its parent, and
// so on. As in Tree, such a node is never used again.
func (n *Names[V]) prune(d *nameNode[V]) {
	for d != &n.root && d.value.Load() == nil && d.first.Load() == nil {
		p, next := d.parent, d.next.Load()
		if d.prev != nil {
			d.prev.next.Store(next)
		} else {
			p.first.Store(next)
		}
		if next != nil {
			next.prev = d.prev
		}
		d.prev = nil
		n.nodes.remove(childTag(p.id, d.level), d)
		d = p
	}
}

func (n *Names[V]) child(d *nameNode[V], level string) *nameNode[V] {
	s := n.nodes.slots.Load()
	if s == nil || d.first.Load() == nil {
		return nil
	}
	tag := childTag(d.id, level)
	c, i := s.next(tag, s.home(tag))
	for c != nil && (c.parent != d || c.level != level) {
		c, i = s.next(tag, i)
	}
	return c
}

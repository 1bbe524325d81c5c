package topic

import "unsafe"

// What a trie node of Tree, a filter without wildcards and a trie node of Names
// take, beside their text.
const (
	NodeSize  = unsafe.Sizeof(node[int]{})
	ExactSize = unsafe.Sizeof(exactFilter[int]{})
	NameSize  = unsafe.Sizeof(nameNode[int]{})
)

// Size returns how many entries and how many slots the tree's tables hold, so
// that tests see what churn leaves behind.
func (t *Tree[V]) Size() (entries, slots int) {
	return sizeOf(&t.exact, &t.nodes)
}

// Size is like that of Tree.
func (n *Names[V]) Size() (entries, slots int) {
	return sizeOf(&n.exact, &n.nodes)
}

func sizeOf[A, B any](a *table[A], b *table[B]) (entries, slots int) {
	ae, as := a.size()
	be, bs := b.size()
	return ae + be, as + bs
}

func (t *table[E]) size() (entries, slots int) {
	if s := t.slots.Load(); s != nil {
		slots = len(s.tags)
	}
	return t.live, slots
}

// Bare tells that the root has no children, by text or by wildcard.
func (t *Tree[V]) Bare() bool { return t.root.unused() }

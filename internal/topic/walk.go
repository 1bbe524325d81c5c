package topic

// matchWild walks the trie along name, at each level first to the child of that
// text and then, on the way back, to the "+" child. Each node is reached by one
// path only, so it is visited at most once, however many "+" there are.
//
// The way back follows parent pointers, which never change. So there is no
// stack to overflow, whatever the number of levels.
func (t *Tree[V]) matchWild(name string, yield func(v *V) bool) {
	// Wildcards in the first level do not match such names [MQTT-4.7.2-1].
	hidden := name != "" && name[0] == '$'

	n, off := &t.root, 0
	// open is the uppermost node on the path to n whose "+" child is still to
	// be tried. Without one there is no need to go back.
	var open *node[V]
	for {
		var plus *node[V]
		if n != &t.root || !hidden {
			if values := n.below.Load(); values != nil && !values.each(yield) {
				return
			}
			plus = n.plus.Load()
		}
		if off <= len(name) {
			level, next := nextLevel(name, off)
			if c := t.child(n, level); c != nil {
				if plus != nil && open == nil {
					open = n
				}
				n, off = c, next
				continue
			}
			if plus != nil {
				n, off = plus, next
				continue
			}
		} else if !n.here.each(yield) {
			return
		}
		if n, off = t.back(n, off, name, &open); n == nil {
			return
		}
	}
}

// back goes up from n to the nearest node whose "+" child was not tried and
// returns that child, or nil if there is none. The level of name that comes
// after n starts at off.
func (t *Tree[V]) back(n *node[V], off int, name string, open **node[V]) (*node[V], int) {
	for *open != nil {
		next, tried := off, n.level == "+"
		n, off = n.parent, prevLevel(name, off)
		if n == *open {
			*open = nil
		}
		if tried {
			continue
		}
		if plus := n.plus.Load(); plus != nil {
			return plus, next
		}
	}
	return nil, 0
}

package topic

import "sync/atomic"

// valueSet is the set of values of one filter. One writer at a time, any
// number of readers. Nearly all sets have one value, so that case is two words.
//
// While many is set it holds all values. One is then left as it was, until
// that value goes: a reader that saw many nil just before it was set still
// finds in one the value that it may not miss.
type valueSet[V any] struct {
	one  atomic.Pointer[V]
	many atomic.Pointer[valueList[V]]
}

// valueList is two or more values. A value is appended to spare room and never
// moves; the list is replaced when it is full or half of it is gone.
type valueList[V any] struct {
	slots []atomic.Pointer[V] // nil where a value was removed
	n     atomic.Int32        // slots ever used; grows after the slot was written
	live  int32               // values; the writer's
	index map[*V]int32        // value to slot, in long lists; the writer's
}

const (
	minList    = 4
	indexAbove = 32 // shorter lists are searched
)

// each calls yield for each value once and returns false if yield did.
func (s *valueSet[V]) each(yield func(v *V) bool) bool {
	l := s.many.Load()
	if l == nil {
		v := s.one.Load()
		return v == nil || yield(v)
	}
	// A value that is removed and added again meanwhile lies behind n.
	n := l.n.Load()
	for i := range l.slots[:n] {
		if v := l.slots[i].Load(); v != nil && !yield(v) {
			return false
		}
	}
	return true
}

func (s *valueSet[V]) empty() bool {
	return s.one.Load() == nil && s.many.Load() == nil
}

// add reports whether v is new, and whether it is the only value.
func (s *valueSet[V]) add(v *V) (added, first bool) {
	l := s.many.Load()
	if l == nil {
		switch one := s.one.Load(); one {
		case nil:
			s.one.Store(v)
			return true, true
		case v:
			return false, false
		default:
			l = &valueList[V]{slots: make([]atomic.Pointer[V], minList)}
			l.append(one)
			l.append(v)
			s.many.Store(l)
			return true, false
		}
	}
	if l.find(v) >= 0 {
		return false, false
	}
	if int(l.n.Load()) == len(l.slots) {
		l = l.copy(l.index)
		l.append(v)
		s.many.Store(l)
		return true, false
	}
	l.append(v)
	return true, false
}

// remove reports whether v was there, and whether the set is empty now.
func (s *valueSet[V]) remove(v *V) (removed, last bool) {
	l := s.many.Load()
	if l == nil {
		if s.one.Load() != v {
			return false, false
		}
		s.one.Store(nil)
		return true, true
	}
	i := l.find(v)
	if i < 0 {
		return false, false
	}
	l.slots[i].Store(nil)
	l.live--
	delete(l.index, v)
	if s.one.Load() == v {
		s.one.Store(nil)
	}
	switch {
	case l.live == 1:
		// One before many: a reader finds the value in either.
		for i := range l.slots {
			if v := l.slots[i].Load(); v != nil {
				s.one.Store(v)
				break
			}
		}
		s.many.Store(nil)
	case l.live*2 <= l.n.Load():
		s.many.Store(l.copy(nil))
	}
	return true, false
}

// append needs a free slot and a value that is not in the list.
func (l *valueList[V]) append(v *V) {
	n := l.n.Load()
	l.slots[n].Store(v)
	l.n.Store(n + 1)
	l.live++
	if l.index != nil {
		l.index[v] = n
	}
}

// find returns the slot of v, or -1.
func (l *valueList[V]) find(v *V) int32 {
	if l.index == nil && l.live > indexAbove {
		l.index = make(map[*V]int32, len(l.slots))
		for i := range l.slots {
			if v := l.slots[i].Load(); v != nil {
				l.index[v] = int32(i)
			}
		}
	}
	if l.index != nil {
		if i, ok := l.index[v]; ok {
			return i
		}
		return -1
	}
	for i := range l.n.Load() {
		if l.slots[i].Load() == v {
			return i
		}
	}
	return -1
}

// copy returns a list of what is alive with room for half as much again. It
// takes over index, which may be nil: then one is made when it is needed, of
// the right size.
func (l *valueList[V]) copy(index map[*V]int32) *valueList[V] {
	c := &valueList[V]{
		slots: make([]atomic.Pointer[V], l.live+max(l.live/2, minList)),
		index: index,
	}
	for i := range l.slots {
		if v := l.slots[i].Load(); v != nil {
			c.append(v)
		}
	}
	return c
}

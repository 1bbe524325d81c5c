package broker

// A deque is a queue in a slice that also allows changing entries in place. The
// zero value is empty and holds no memory.
type deque[T any] struct {
	buf  []T
	head int
}

func (d *deque[T]) len() int    { return len(d.buf) - d.head }
func (d *deque[T]) at(i int) *T { return &d.buf[d.head+i] }

func (d *deque[T]) push(v T) {
	if d.head > 0 && len(d.buf) == cap(d.buf) {
		// Reuse the room in front instead of growing when it is at least half.
		if d.head*2 >= len(d.buf) {
			n := copy(d.buf, d.buf[d.head:])
			clear(d.buf[n:])
			d.buf, d.head = d.buf[:n], 0
		}
	}
	d.buf = append(d.buf, v)
}

func (d *deque[T]) pop() T {
	var zero T
	v := d.buf[d.head]
	d.buf[d.head] = zero
	d.head++
	if d.head == len(d.buf) {
		d.head = 0
		if cap(d.buf) > 64 {
			d.buf = nil
		} else {
			d.buf = d.buf[:0]
		}
	}
	return v
}

// dropLast removes the newest entry.
func (d *deque[T]) dropLast() {
	var zero T
	d.buf[len(d.buf)-1] = zero
	d.buf = d.buf[:len(d.buf)-1]
}

func (d *deque[T]) clear() { *d = deque[T]{} }

// idSet is a set of packet ids: a short list, a bitmap once it is not short.
type idSet struct {
	few  []uint16
	bits *[1024]uint64
	n    int
}

const idSetFew = 64

func (s *idSet) len() int { return s.n }

func (s *idSet) has(id uint16) bool {
	if s.bits != nil {
		return s.bits[id>>6]&(1<<(id&63)) != 0
	}
	for _, x := range s.few {
		if x == id {
			return true
		}
	}
	return false
}

// add adds an id that is not in the set.
func (s *idSet) add(id uint16) {
	s.n++
	if s.bits == nil && len(s.few) < idSetFew {
		s.few = append(s.few, id)
		return
	}
	if s.bits == nil {
		s.bits = new([1024]uint64)
		for _, x := range s.few {
			s.bits[x>>6] |= 1 << (x & 63)
		}
		s.few = nil
	}
	s.bits[id>>6] |= 1 << (id & 63)
}

// remove reports whether id was in the set.
func (s *idSet) remove(id uint16) bool {
	if s.bits != nil {
		if s.bits[id>>6]&(1<<(id&63)) == 0 {
			return false
		}
		s.bits[id>>6] &^= 1 << (id & 63)
		s.n--
		if s.n == 0 {
			s.bits = nil
		}
		return true
	}
	for i, x := range s.few {
		if x == id {
			s.few = append(s.few[:i], s.few[i+1:]...)
			s.n--
			return true
		}
	}
	return false
}

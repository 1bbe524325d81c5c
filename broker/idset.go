package broker

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

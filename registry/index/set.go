package index

import (
	"math/bits"
	"slices"
)

// The forms of a set of documents' ids, which are dense small numbers:
//
//   - a sorted slice while there are few;
//   - then, for each 65,536 ids, a sorted slice of 16 bits each, or of more than
//     4096 a bitmap, which is smaller then.
//
// The bounds for growing and shrinking are apart, so that a set at a bound does not
// change its form all the time.
const (
	fewIDs    = 256
	sparseIDs = 4096
	partBits  = 16
	partWords = 1 << partBits / 64
)

// A set is a set of ids. The zero value is empty.
type set struct {
	n     int
	few   []uint32
	parts []*part // by the upper bits of ids; nil where there are none
}

type part struct {
	n      int
	sparse []uint16
	dense  *[partWords]uint64
}

// add adds an id and reports whether it was new.
func (s *set) add(id uint32) bool {
	if s.parts == nil {
		i, found := slices.BinarySearch(s.few, id)
		if found {
			return false
		}
		if len(s.few) < fewIDs {
			s.few = slices.Insert(s.few, i, id)
			s.n++
			return true
		}
		few := s.few
		s.few, s.n = nil, 0
		for _, old := range few {
			s.addPart(old)
		}
	}
	return s.addPart(id)
}

func (s *set) addPart(id uint32) bool {
	high := int(id >> partBits)
	if high >= len(s.parts) {
		s.parts = append(s.parts, make([]*part, high+1-len(s.parts))...)
	}
	p := s.parts[high]
	if p == nil {
		p = &part{}
		s.parts[high] = p
	}
	if !p.add(uint16(id)) {
		return false
	}
	s.n++
	return true
}

func (p *part) add(id uint16) bool {
	if p.dense == nil {
		i, found := slices.BinarySearch(p.sparse, id)
		if found {
			return false
		}
		if p.n < sparseIDs {
			p.sparse = slices.Insert(p.sparse, i, id)
			p.n++
			return true
		}
		p.dense = new([partWords]uint64)
		for _, old := range p.sparse {
			p.dense[old>>6] |= 1 << (old & 63)
		}
		p.sparse = nil
	}
	w, bit := &p.dense[id>>6], uint64(1)<<(id&63)
	if *w&bit != 0 {
		return false
	}
	*w |= bit
	p.n++
	return true
}

// remove removes an id and reports whether it was there.
func (s *set) remove(id uint32) bool {
	if s.parts == nil {
		i, found := slices.BinarySearch(s.few, id)
		if found {
			s.few = slices.Delete(s.few, i, i+1)
			s.n--
		}
		return found
	}
	high := int(id >> partBits)
	if high >= len(s.parts) || s.parts[high] == nil || !s.parts[high].remove(uint16(id)) {
		return false
	}
	s.n--
	if s.parts[high].n == 0 {
		s.parts[high] = nil
	}
	if s.n <= fewIDs/2 {
		few := make([]uint32, 0, s.n)
		s.each(func(id uint32) bool {
			few = append(few, id)
			return true
		})
		s.few, s.parts = few, nil
	}
	return true
}

func (p *part) remove(id uint16) bool {
	if p.dense == nil {
		i, found := slices.BinarySearch(p.sparse, id)
		if found {
			p.sparse = slices.Delete(p.sparse, i, i+1)
			p.n--
		}
		return found
	}
	w, bit := &p.dense[id>>6], uint64(1)<<(id&63)
	if *w&bit == 0 {
		return false
	}
	*w &^= bit
	p.n--
	if p.n <= sparseIDs/2 {
		sparse := make([]uint16, 0, p.n+p.n/8)
		eachBit(p.dense[:], 0, func(id uint32) bool {
			sparse = append(sparse, uint16(id))
			return true
		})
		p.sparse, p.dense = sparse, nil
	}
	return true
}

func (s *set) has(id uint32) bool {
	if s.parts == nil {
		_, found := slices.BinarySearch(s.few, id)
		return found
	}
	high := int(id >> partBits)
	if high >= len(s.parts) || s.parts[high] == nil {
		return false
	}
	p, low := s.parts[high], uint16(id)
	if p.dense != nil {
		return p.dense[low>>6]>>(low&63)&1 != 0
	}
	_, found := slices.BinarySearch(p.sparse, low)
	return found
}

// each yields the ids, ascending, and reports whether it came to the end.
func (s *set) each(yield func(id uint32) bool) bool {
	for _, id := range s.few {
		if !yield(id) {
			return false
		}
	}
	for high, p := range s.parts {
		if p == nil {
			continue
		}
		base := uint32(high) << partBits
		if p.dense != nil {
			if !eachBit(p.dense[:], base, yield) {
				return false
			}
			continue
		}
		for _, low := range p.sparse {
			if !yield(base | uint32(low)) {
				return false
			}
		}
	}
	return true
}

// fill adds the ids to b.
func (s *set) fill(b bitmap) {
	for _, id := range s.few {
		b.set(id)
	}
	for high, p := range s.parts {
		switch {
		case p == nil:
		case p.dense != nil:
			to := b[high*partWords:]
			for i, w := range p.dense[:min(partWords, len(to))] {
				to[i] |= w
			}
		default:
			base := uint32(high) << partBits
			for _, low := range p.sparse {
				b.set(base | uint32(low))
			}
		}
	}
}

// countIn returns how many of the ids are in b.
func (s *set) countIn(b bitmap) (n int) {
	for _, id := range s.few {
		if b.has(id) {
			n++
		}
	}
	for high, p := range s.parts {
		switch {
		case p == nil:
		case p.dense != nil:
			in := b[high*partWords:]
			for i, w := range p.dense[:min(partWords, len(in))] {
				n += bits.OnesCount64(in[i] & w)
			}
		default:
			base := uint32(high) << partBits
			for _, low := range p.sparse {
				if b.has(base | uint32(low)) {
					n++
				}
			}
		}
	}
	return n
}

// cost is what fill takes, in nanoseconds or so.
func (s *set) cost() int {
	n := len(s.few)
	for _, p := range s.parts {
		if p != nil {
			n += min(p.n, partWords/2)
		}
	}
	return n
}

// A bitmap has one bit for each id there may be.
type bitmap []uint64

func (b bitmap) set(id uint32)      { b[id>>6] |= 1 << (id & 63) }
func (b bitmap) unset(id uint32)    { b[id>>6] &^= 1 << (id & 63) }
func (b bitmap) has(id uint32) bool { return b[id>>6]>>(id&63)&1 != 0 }

func (b bitmap) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

func (b bitmap) or(o bitmap) {
	for i, w := range o {
		b[i] |= w
	}
}

func (b bitmap) and(o bitmap) {
	for i := range b {
		b[i] &= o[i]
	}
}

func (b bitmap) andNot(o bitmap) {
	for i := range b {
		b[i] &^= o[i]
	}
}

// filter keeps the ids that keep wants.
func (b bitmap) filter(keep func(id uint32) bool) {
	for i, w := range b {
		for left := w; left != 0; left &= left - 1 {
			bit := bits.TrailingZeros64(left)
			if !keep(uint32(i<<6 | bit)) {
				w &^= 1 << bit
			}
		}
		b[i] = w
	}
}

// each yields the ids, ascending, and reports whether it came to the end.
func (b bitmap) each(yield func(id uint32) bool) bool { return eachBit(b, 0, yield) }

func eachBit(words []uint64, base uint32, yield func(id uint32) bool) bool {
	for i, w := range words {
		for ; w != 0; w &= w - 1 {
			if !yield(base + uint32(i<<6|bits.TrailingZeros64(w))) {
				return false
			}
		}
	}
	return true
}

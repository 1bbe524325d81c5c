package topic

import (
	"slices"
	"sort"
)

// sortedChunk bounds how many names move when one is inserted.
const sortedChunk = 256

// sorted is a set of names in ascending order of their bytes: a list of chunks, each
// a list of names. A change costs two binary searches and a move within one chunk.
// The zero value is an empty set. Not safe for concurrent use.
type sorted struct{ chunks [][]string }

// find returns the chunk in which name is or would be, and whether and where it is
// there; 0, 0 and false in an empty set.
func (s *sorted) find(name string) (chunk, at int, there bool) {
	if len(s.chunks) == 0 {
		return 0, 0, false
	}
	chunk = max(0, sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i][0] > name })-1)
	at, there = slices.BinarySearch(s.chunks[chunk], name)
	return chunk, at, there
}

// insert adds a name, which may be there already.
func (s *sorted) insert(name string) {
	if len(s.chunks) == 0 {
		s.chunks = [][]string{{name}}
		return
	}
	i, at, there := s.find(name)
	if there {
		return
	}
	if full := s.chunks[i]; len(full) >= sortedChunk {
		// A name behind all others begins a chunk of its own, so that names which
		// come in order leave full chunks behind.
		cut := sortedChunk / 2
		if i == len(s.chunks)-1 && at == len(full) {
			cut = at
		}
		upper := append(make([]string, 0, sortedChunk), full[cut:]...)
		clear(full[cut:])
		s.chunks[i] = full[:cut]
		s.chunks = slices.Insert(s.chunks, i+1, upper)
		if at >= cut {
			i, at = i+1, at-cut
		}
	}
	s.chunks[i] = slices.Insert(s.chunks[i], at, name)
}

// remove takes a name away, which may not be there.
func (s *sorted) remove(name string) {
	i, at, there := s.find(name)
	if !there {
		return
	}
	s.chunks[i] = slices.Delete(s.chunks[i], at, at+1)
	switch n := len(s.chunks[i]); {
	case n == 0:
		s.chunks = slices.Delete(s.chunks, i, i+1)
	case n < sortedChunk/4 && i+1 < len(s.chunks) && n+len(s.chunks[i+1]) <= sortedChunk/2:
		// Without this a set that shrank would keep a chunk for every name.
		s.chunks[i] = append(s.chunks[i], s.chunks[i+1]...)
		s.chunks = slices.Delete(s.chunks, i+1, i+2)
	}
}

// after appends to dst up to n names that come after one.
func (s *sorted) after(dst []string, name string, n int) []string {
	i, at, there := s.find(name)
	if there {
		at++
	}
	for ; i < len(s.chunks) && n > 0; i, at = i+1, 0 {
		part := s.chunks[i][at:]
		part = part[:min(n, len(part))]
		dst, n = append(dst, part...), n-len(part)
	}
	return dst
}

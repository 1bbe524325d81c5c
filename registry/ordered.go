package registry

import (
	"slices"
	"sort"
)

// chunkSize bounds how many names move when one is inserted.
const chunkSize = 512

// ordered is a sorted set of strings: a sorted list of sorted chunks. An insertion
// costs two binary searches and a move within one chunk; a set of a million names
// has some thousands of chunks. The zero value is an empty set. Not safe for
// concurrent use.
type ordered struct {
	chunks [][]string
	size   int
}

// find returns the chunk in which name is or would be, and whether and where it is
// there. With no chunks it returns 0, 0, false.
func (o *ordered) find(name string) (chunk, at int, found bool) {
	if len(o.chunks) == 0 {
		return 0, 0, false
	}
	chunk = sort.Search(len(o.chunks), func(i int) bool { return o.chunks[i][0] > name }) - 1
	chunk = max(chunk, 0)
	at, found = slices.BinarySearch(o.chunks[chunk], name)
	return chunk, at, found
}

// insert adds name and reports whether it was new.
func (o *ordered) insert(name string) bool {
	if len(o.chunks) == 0 {
		o.chunks = append(o.chunks, []string{name})
		o.size = 1
		return true
	}
	i, at, found := o.find(name)
	if found {
		return false
	}
	o.size++
	if len(o.chunks[i]) >= chunkSize {
		if i == len(o.chunks)-1 && at == len(o.chunks[i]) {
			// Names that come in ascending order leave full chunks behind.
			o.chunks = append(o.chunks, append(make([]string, 0, chunkSize), name))
			return true
		}
		full := o.chunks[i]
		half := append(make([]string, 0, chunkSize), full[chunkSize/2:]...)
		clear(full[chunkSize/2:])
		o.chunks[i] = full[:chunkSize/2]
		o.chunks = slices.Insert(o.chunks, i+1, half)
		if at > chunkSize/2 {
			i, at = i+1, at-chunkSize/2
		}
	}
	o.chunks[i] = slices.Insert(o.chunks[i], at, name)
	return true
}

// remove takes name away and reports whether it was there.
func (o *ordered) remove(name string) bool {
	i, at, found := o.find(name)
	if !found {
		return false
	}
	o.size--
	o.chunks[i] = slices.Delete(o.chunks[i], at, at+1)
	switch n := len(o.chunks[i]); {
	case n == 0:
		o.chunks = slices.Delete(o.chunks, i, i+1)
	case n < chunkSize/4 && i+1 < len(o.chunks) && n+len(o.chunks[i+1]) <= chunkSize/2:
		// Without this a set that shrank would keep a chunk for every name.
		o.chunks[i] = append(o.chunks[i], o.chunks[i+1]...)
		o.chunks = slices.Delete(o.chunks, i+1, i+2)
	}
	return true
}

// after appends to dst up to n names that come after name.
func (o *ordered) after(dst []string, name string, n int) []string {
	i, at, found := o.find(name)
	if found {
		at++
	}
	for ; i < len(o.chunks) && n > 0; i, at = i+1, 0 {
		part := o.chunks[i][at:]
		part = part[:min(n, len(part))]
		dst, n = append(dst, part...), n-len(part)
	}
	return dst
}

// How many items a memory store copies while it holds its lock: few at first, because
// many loops look at the first ones only.
const (
	firstBatch = 16
	batchSize  = 256
)

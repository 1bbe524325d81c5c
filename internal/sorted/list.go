// Package sorted keeps small values in order, millions of them if need be.
package sorted

import (
	"iter"
	"slices"
	"sort"
)

// chunkSize bounds how many values move when one is inserted.
const chunkSize = 512

// A List is a sorted list: a list of sorted chunks. Finding a place costs two binary
// searches, an insertion a move within one chunk; a million values are some thousands
// of chunks. The order is the caller's: it hands a comparison to Find and inserts
// where that says. The zero value is empty. Not safe for concurrent use.
type List[T any] struct {
	chunks [][]T
	size   int
	last   int // the chunk of the last insertion
}

// A Place is a place in a list, or the end of it. It is good until the list changes.
type Place struct{ chunk, at int }

// Len returns how many values there are.
func (l *List[T]) Len() int { return l.size }

// Find returns the place of the first value that is not before what is looked for,
// and whether that is the value itself. compare says where a value of the list is:
// below zero before what is looked for, zero if it is that, above zero behind it.
func (l *List[T]) Find(compare func(T) int) (Place, bool) {
	if len(l.chunks) == 0 {
		return Place{}, false
	}
	i := l.chunk(compare)
	at, found := slices.BinarySearchFunc(l.chunks[i], compare, func(v T, compare func(T) int) int { return compare(v) })
	return Place{i, at}, found
}

// chunk returns the last chunk that does not begin behind what is looked for. Values
// often come in order, so the chunk of the last one is tried first.
func (l *List[T]) chunk(compare func(T) int) int {
	low, high := 0, len(l.chunks)
	if i := l.last; i < high {
		switch {
		case compare(l.chunks[i][0]) > 0:
			high = i
		case i+1 == high || compare(l.chunks[i+1][0]) > 0:
			return i
		default:
			low = i + 1
		}
	}
	i := low + sort.Search(high-low, func(i int) bool { return compare(l.chunks[low+i][0]) > 0 }) - 1
	return max(i, 0)
}

// Insert puts v before what is at p.
func (l *List[T]) Insert(p Place, v T) {
	l.size++
	if len(l.chunks) == 0 {
		l.chunks = append(l.chunks, []T{v})
		return
	}
	i, at := p.chunk, p.at
	if full := l.chunks[i]; len(full) >= chunkSize {
		if i == len(l.chunks)-1 && at == len(full) {
			// Values that come in ascending order leave full chunks behind.
			l.chunks = append(l.chunks, append(make([]T, 0, chunkSize), v))
			l.last = i + 1
			return
		}
		half := append(make([]T, 0, chunkSize), full[chunkSize/2:]...)
		clear(full[chunkSize/2:])
		l.chunks[i] = full[:chunkSize/2]
		l.chunks = slices.Insert(l.chunks, i+1, half)
		if at > chunkSize/2 {
			i, at = i+1, at-chunkSize/2
		}
	}
	l.chunks[i] = slices.Insert(l.chunks[i], at, v)
	l.last = i
}

// Delete removes the value at p, which there must be.
func (l *List[T]) Delete(p Place) {
	i := p.chunk
	l.size--
	l.chunks[i] = slices.Delete(l.chunks[i], p.at, p.at+1)
	switch n := len(l.chunks[i]); {
	case n == 0:
		l.chunks = slices.Delete(l.chunks, i, i+1)
	case n < chunkSize/4 && i+1 < len(l.chunks) && n+len(l.chunks[i+1]) <= chunkSize/2:
		// Without this a list that shrank would keep a chunk for every value.
		l.chunks[i] = append(l.chunks[i], l.chunks[i+1]...)
		l.chunks = slices.Delete(l.chunks, i+1, i+2)
	}
}

// At returns the value at p, and false at the end.
func (l *List[T]) At(p Place) (v T, ok bool) {
	if p = l.settle(p); p.chunk == len(l.chunks) {
		return v, false
	}
	return l.chunks[p.chunk][p.at], true
}

// settle turns the end of a chunk into the start of the next one.
func (l *List[T]) settle(p Place) Place {
	if p.chunk < len(l.chunks) && p.at == len(l.chunks[p.chunk]) {
		return Place{p.chunk + 1, 0}
	}
	return p
}

// From yields the values from p to the end. The list must not change meanwhile.
func (l *List[T]) From(p Place) iter.Seq[T] {
	return func(yield func(T) bool) {
		at := p.at
		for i := p.chunk; i < len(l.chunks); i, at = i+1, 0 {
			for _, v := range l.chunks[i][at:] {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// Between yields the values from one place to another.
func (l *List[T]) Between(from, to Place) iter.Seq[T] {
	return func(yield func(T) bool) {
		at := from.at
		for i := from.chunk; i <= to.chunk && i < len(l.chunks); i, at = i+1, 0 {
			part := l.chunks[i]
			if i == to.chunk {
				part = part[:to.at]
			}
			if at > len(part) {
				return // to is before from
			}
			for _, v := range part[at:] {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// Count returns how many values are between two places, without looking at them.
func (l *List[T]) Count(from, to Place) int {
	if to.chunk < from.chunk {
		return 0
	}
	n := to.at - from.at
	for i := from.chunk; i < to.chunk; i++ {
		n += len(l.chunks[i])
	}
	return max(n, 0)
}

// Skip returns the place n values behind p, or the end.
func (l *List[T]) Skip(p Place, n int) Place {
	for p.at += n; p.chunk < len(l.chunks) && p.at >= len(l.chunks[p.chunk]); p.chunk++ {
		p.at -= len(l.chunks[p.chunk])
	}
	if p.chunk == len(l.chunks) {
		p.at = 0
	}
	return p
}

// End is the place behind the last value.
func (l *List[T]) End() Place { return Place{chunk: len(l.chunks)} }

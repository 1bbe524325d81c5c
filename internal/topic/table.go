package topic

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
)

// seed makes hashes unpredictable for clients.
var seed = maphash.MakeSeed()

// table is a hash table of entries whose keys only its owner knows. Any number
// of readers look things up without a lock while one writer changes it; the
// owner sees to it that there is only one.
//
// An entry never moves within its slots, and slots are replaced as a whole, so
// a reader always finds an entry that is in the table throughout its search.
type table[E any] struct {
	slots atomic.Pointer[slots[E]] // nil when the table is empty
	live  int                      // entries; the writer's
	used  int                      // slots that are not free, tombstones included; the writer's
}

// slots is an open-addressing array with linear probing. Tags are kept apart
// from entries so that a probe reads consecutive memory and follows a pointer
// only if 32 bits of the hash agree. They also are all that is needed to build
// the next array.
type slots[E any] struct {
	tags    []atomic.Uint32
	entries []atomic.Pointer[E]
}

const (
	tagFree    = 0 // ends a probe
	tagRemoved = 1 // does not
	tagFirst   = 2 // all other values belong to entries
)

const minSlots = 8

// textTag is the tag of an entry whose key is s.
func textTag(s string) uint32 {
	return realTag(uint32(maphash.String(seed, s) >> 32))
}

// childTag is the tag of a trie node, known by its level and the id of its
// parent. Two parents with one id (ids are random) only share hashes.
func childTag(parent uint32, level string) uint32 {
	return realTag(uint32(maphash.String(seed, level)>>32) ^ parent)
}

func realTag(tag uint32) uint32 {
	if tag < tagFirst {
		tag += tagFirst
	}
	return tag
}

// nodeID is random, so that nobody can choose parents whose children collide.
func nodeID() uint32 { return rand.Uint32() }

// home is where the search for tag begins. Scaling instead of masking allows
// any length, so that the table can grow by less than double.
func (s *slots[E]) home(tag uint32) int {
	return int(uint64(tag) * uint64(len(s.tags)) >> 32)
}

// next returns the first entry with tag at or after slot i, and the slot behind
// it to continue from if the entry turns out to be another one. It returns nil
// at the end of the search.
func (s *slots[E]) next(tag uint32, i int) (*E, int) {
	for {
		if i >= len(s.tags) {
			i = 0
		}
		switch s.tags[i].Load() {
		case tagFree:
			return nil, i
		case tag:
			// Nil, or another entry, if the slot changed hands meanwhile.
			if e := s.entries[i].Load(); e != nil {
				return e, i + 1
			}
		}
		i++
	}
}

// insert adds e, which must not be there yet.
func (t *table[E]) insert(tag uint32, e *E) {
	s := t.slots.Load()
	// At most 4/5 full: a search that fails then reads 13 tags on average,
	// which is one or two cache lines.
	if s == nil || (t.used+1)*5 > len(s.tags)*4 {
		s = t.rebuild(s)
	}
	if s.put(tag, e) {
		t.used++
	}
	t.live++
}

// put reports whether it took a free slot rather than a tombstone.
func (s *slots[E]) put(tag uint32, e *E) bool {
	i := s.home(tag)
	for s.tags[i].Load() >= tagFirst {
		if i++; i == len(s.tags) {
			i = 0
		}
	}
	fresh := s.tags[i].Load() == tagFree
	s.entries[i].Store(e)
	s.tags[i].Store(tag) // last: whoever sees the tag sees the entry
	return fresh
}

// remove takes e out; it must be there.
func (t *table[E]) remove(tag uint32, e *E) {
	s := t.slots.Load()
	i := s.home(tag)
	for s.entries[i].Load() != e {
		if i++; i == len(s.tags) {
			i = 0
		}
	}
	s.entries[i].Store(nil)
	s.tags[i].Store(tagRemoved)
	t.live--
	if t.live == 0 {
		t.slots.Store(nil)
		t.used = 0
		return
	}
	if len(s.tags) > 4*minSlots && t.live*8 < len(s.tags) {
		t.rebuild(s)
		return
	}
	// A tombstone in front of a free slot guards nothing: no search that goes
	// on behind it succeeds. So steady churn leaves few of them.
	after := i + 1
	if after == len(s.tags) {
		after = 0
	}
	if s.tags[after].Load() != tagFree {
		return
	}
	for s.tags[i].Load() == tagRemoved {
		s.tags[i].Store(tagFree)
		t.used--
		if i--; i < 0 {
			i = len(s.tags) - 1
		}
	}
}

// rebuild replaces the slots by an array that fits what is alive, two thirds
// full, and returns it. Readers go on in the old one, whose entries stay.
func (t *table[E]) rebuild(old *slots[E]) *slots[E] {
	size := t.live*3/2 + minSlots
	s := &slots[E]{
		tags:    make([]atomic.Uint32, size),
		entries: make([]atomic.Pointer[E], size),
	}
	if old != nil {
		// The order of the old array is nearly that of the new one, so this
		// is two sequential passes over memory.
		for i := range old.tags {
			if tag := old.tags[i].Load(); tag >= tagFirst {
				s.put(tag, old.entries[i].Load())
			}
		}
	}
	t.used = t.live
	t.slots.Store(s)
	return s
}

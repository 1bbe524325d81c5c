package registry

import (
	"hash/maphash"
	"sync"
)

// locks make the operations of a service whole. The order is: structure, a thing, a
// principal, then what has a lock of its own (the event queue, the fleet). Neither a
// Publisher nor a ShadowSource is called while one is held.
type locks struct {
	// structure is held for writing by what changes types and groups, and for
	// reading by what relies on them.
	structure  sync.RWMutex
	things     stripes
	principals stripes
}

// stripes are locks by name. Two names may share one; nobody holds two of the same
// stripes.
type stripes [256]sync.Mutex

var stripeSeed = maphash.MakeSeed()

func (s *stripes) of(name string) *sync.Mutex {
	return &s[maphash.String(stripeSeed, name)%uint64(len(s))]
}

// change locks types and groups and returns how to unlock them.
func (l *locks) change() (unlock func()) {
	l.structure.Lock()
	return l.structure.Unlock
}

// thing locks a thing and returns how to unlock it.
func (l *locks) thing(name string) (unlock func()) {
	l.structure.RLock()
	mu := l.things.of(name)
	mu.Lock()
	return func() {
		mu.Unlock()
		l.structure.RUnlock()
	}
}

// link locks a thing and a principal and returns how to unlock them.
func (l *locks) link(thing, principal string) (unlock func()) {
	unlockThing := l.thing(thing)
	mu := l.principals.of(principal)
	mu.Lock()
	return func() {
		mu.Unlock()
		unlockThing()
	}
}

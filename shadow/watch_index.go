package shadow

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// watcherParts is how many parts the index of watches has.
const watcherParts = 64

// watchers are the watches of a service by the thing they are about, so that a change
// finds its own. While there are none, a change costs the look at active.
type watchers struct {
	active atomic.Int64
	seed   maphash.Seed
	parts  [watcherParts]watcherPart
	mu     sync.RWMutex
	wide   []*watch // those about more than one thing
}

type watcherPart struct {
	mu     sync.RWMutex
	things map[string][]*watch
	_      [64]byte // another processor's part is on another cache line
}

func (ws *watchers) part(thing string) *watcherPart {
	return &ws.parts[maphash.String(ws.seed, thing)%watcherParts]
}

func (ws *watchers) add(w *watch) {
	if w.filter.exact() {
		p := ws.part(w.filter.Thing)
		p.mu.Lock()
		if p.things == nil {
			p.things = make(map[string][]*watch)
		}
		p.things[w.filter.Thing] = append(p.things[w.filter.Thing], w)
		p.mu.Unlock()
	} else {
		ws.mu.Lock()
		ws.wide = append(ws.wide, w)
		ws.mu.Unlock()
	}
	ws.active.Add(1)
}

func (ws *watchers) remove(w *watch) {
	ws.active.Add(-1)
	is := func(x *watch) bool { return x == w }
	if !w.filter.exact() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		ws.wide = slices.DeleteFunc(ws.wide, is)
		return
	}
	p := ws.part(w.filter.Thing)
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := slices.DeleteFunc(p.things[w.filter.Thing], is); len(left) > 0 {
		p.things[w.filter.Thing] = left
	} else {
		delete(p.things, w.filter.Thing)
	}
}

// of calls f with the watches of a shadow until it returns false, and reports whether
// it did.
func (ws *watchers) of(k Key, f func(*watch) bool) bool {
	p := ws.part(k.Thing)
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, w := range p.things[k.Thing] {
		if w.filter.named(k.Name) && !f(w) {
			return true
		}
	}
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	for _, w := range ws.wide {
		if w.covers(k) && !f(w) {
			return true
		}
	}
	return false
}

// watched reports whether anybody watches a shadow.
func (ws *watchers) watched(k Key) bool {
	return ws.active.Load() > 0 && ws.of(k, func(*watch) bool { return false })
}

// tell gives a change to those who watch its shadow. The caller holds the shadow's lock.
func (ws *watchers) tell(c *Change) {
	if ws.active.Load() == 0 {
		return
	}
	ws.of(c.Key, func(w *watch) bool {
		if w.filter.wants(c) {
			w.put(c)
		}
		return true
	})
}

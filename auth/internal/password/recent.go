package password

import "container/list"

// Recent is a map that keeps the most entries allowed: those that were put or found
// last. Not safe for concurrent use.
type Recent[V any] struct {
	most int
	at   map[string]*list.Element
	list list.List // of recentEntry[V], the latest in front
}

type recentEntry[V any] struct {
	key   string
	value V
}

// NewRecent returns an empty map for most entries.
func NewRecent[V any](most int) *Recent[V] {
	return &Recent[V]{most: most, at: map[string]*list.Element{}}
}

// Get returns the value of a key.
func (r *Recent[V]) Get(key string) (v V, ok bool) {
	e, ok := r.at[key]
	if !ok {
		return v, false
	}
	r.list.MoveToFront(e)
	return e.Value.(recentEntry[V]).value, true
}

// Put gives a key a value.
func (r *Recent[V]) Put(key string, v V) {
	if e, ok := r.at[key]; ok {
		e.Value = recentEntry[V]{key, v}
		r.list.MoveToFront(e)
		return
	}
	if len(r.at) >= r.most {
		last := r.list.Back()
		delete(r.at, r.list.Remove(last).(recentEntry[V]).key)
	}
	r.at[key] = r.list.PushFront(recentEntry[V]{key, v})
}

// Delete forgets a key.
func (r *Recent[V]) Delete(key string) {
	if e, ok := r.at[key]; ok {
		r.list.Remove(e)
		delete(r.at, key)
	}
}

package shadow

import (
	"context"
	"hash/maphash"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// shards is how many parts the memory store has.
const shards = 256

// Memory is the [Store] that keeps everything in memory: for one hub, as long as
// the process lives. It is a [Historian]: a revision takes its document and about 400
// bytes.
type Memory struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu     sync.Mutex // no RWMutex, which takes twice as long to lock; nobody holds it for long
	things map[string]*thingShadows
	// What is left of deleted shadows.
	deleted map[Key]remembered
	sweepAt int // the size of deleted at which old ones are forgotten
	past    map[Key]*past
}

type thingShadows struct {
	classic Document // Version 0: none
	named   map[string]*Document
	sorted  []string // the names, never written to again; nil when they have changed
}

type remembered struct {
	version int64
	until   time.Time
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{seed: maphash.MakeSeed()} }

// Immediate reports that the store does not wait.
func (*Memory) Immediate() bool { return true }

func (m *Memory) shard(thing string) *shard {
	return &m.shards[maphash.String(m.seed, thing)%shards]
}

// get returns the live document.
func (s *shard) get(k Key) *Document {
	t := s.things[k.Thing]
	switch {
	case t == nil:
		return nil
	case k.Name != "":
		return t.named[k.Name]
	case t.classic.Version == 0:
		return nil
	}
	return &t.classic
}

// version is the version after which the next one comes.
func (s *shard) version(k Key) int64 {
	if d := s.get(k); d != nil {
		return d.Version
	}
	if r, ok := s.deleted[k]; ok && !time.Now().After(r.until) {
		return r.version
	}
	return 0
}

// Load implements [Store].
func (m *Memory) Load(_ context.Context, k Key) (Document, error) {
	s := m.shard(k.Thing)
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.get(k); d != nil {
		return *d, nil
	}
	if r, ok := s.deleted[k]; ok && !time.Now().After(r.until) {
		return Document{Version: r.version, DeletedUntil: r.until}, nil
	}
	return Document{}, ErrNotFound
}

// Save implements [Store].
func (m *Memory) Save(_ context.Context, k Key, d Document) error {
	s := m.shard(k.Thing)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save(k, d)
}

func (s *shard) save(k Key, d Document) error {
	if old := s.get(k); old != nil {
		if d.Version != old.Version+1 {
			return ErrVersion
		}
		*old = d
		return nil
	}
	if d.Version != s.version(k)+1 {
		return ErrVersion
	}
	delete(s.deleted, k)
	if d.Version == 1 {
		delete(s.past, k)
	}
	// A key may be a part of a longer string: keep no more than is needed.
	t := s.things[k.Thing]
	if t == nil {
		if s.things == nil {
			s.things = make(map[string]*thingShadows)
		}
		t = &thingShadows{}
		s.things[strings.Clone(k.Thing)] = t
	}
	if k.Name == "" {
		t.classic = d
		return nil
	}
	stored := new(Document) // d itself would be allocated for every call
	*stored = d
	if t.named == nil {
		t.named = make(map[string]*Document)
	}
	t.named[strings.Clone(k.Name)] = stored
	t.sorted = nil
	return nil
}

// Delete implements [Store].
func (m *Memory) Delete(_ context.Context, k Key, version int64, until time.Time) error {
	s := m.shard(k.Thing)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delete(k, version, until)
}

func (s *shard) delete(k Key, version int64, until time.Time) error {
	d := s.get(k)
	if d == nil {
		return ErrNotFound
	}
	if d.Version != version {
		return ErrVersion
	}
	t := s.things[k.Thing]
	if k.Name == "" {
		t.classic = Document{}
	} else {
		delete(t.named, k.Name)
		t.sorted = nil
	}
	if t.classic.Version == 0 && len(t.named) == 0 {
		delete(s.things, k.Thing)
	}
	now := time.Now()
	if len(s.deleted) >= s.sweepAt {
		s.sweep(now)
	}
	if now.Before(until) {
		s.deleted[k.clone()] = remembered{version, until}
	} else {
		delete(s.past, k)
	}
	return nil
}

// sweep forgets deleted shadows whose time is past. It runs when as many were added
// as were left the last time.
func (s *shard) sweep(now time.Time) {
	if s.deleted == nil {
		s.deleted = make(map[Key]remembered)
	}
	for k, r := range s.deleted {
		if now.After(r.until) {
			delete(s.deleted, k)
			delete(s.past, k)
		}
	}
	s.sweepAt = max(16, 2*len(s.deleted))
}

// Names implements [Store].
func (m *Memory) Names(ctx context.Context, thing, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		names := m.names(thing)
		for _, name := range names[sort.Search(len(names), func(i int) bool { return names[i] > after }):] {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(name, nil) {
				return
			}
		}
	}
}

// names returns the sorted names of a thing's named shadows.
func (m *Memory) names(thing string) []string {
	s := m.shard(thing)
	s.mu.Lock()
	t := s.things[thing]
	var sorted []string
	if t != nil {
		sorted = t.sorted
	}
	s.mu.Unlock()
	if t == nil || sorted != nil {
		return sorted
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.sorted == nil {
		t.sorted = make([]string, 0, len(t.named))
		for name := range t.named {
			t.sorted = append(t.sorted, name)
		}
		slices.Sort(t.sorted)
	}
	return t.sorted
}

// All implements [Store].
func (m *Memory) All(ctx context.Context) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for i := range m.shards {
			for _, k := range m.shards[i].keys() {
				if err := ctx.Err(); err != nil {
					yield(Key{}, err)
					return
				}
				if !yield(k, nil) {
					return
				}
			}
		}
	}
}

func (s *shard) keys() []Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []Key
	for thing, t := range s.things {
		if t.classic.Version > 0 {
			keys = append(keys, Key{Thing: thing})
		}
		for name := range t.named {
			keys = append(keys, Key{Thing: thing, Name: name})
		}
	}
	return keys
}

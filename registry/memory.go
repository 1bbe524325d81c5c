package registry

import (
	"context"
	"iter"
	"strings"
	"sync"
)

// Memory is the default [Registry]: everything in maps, gone with the process. A
// record is found by name without a search, lists are kept sorted, and things are
// packed.
type Memory struct {
	things        *table[Thing, packedThing]
	types         *table[Type, Type]
	groups        *table[Group, Group]
	billingGroups *table[BillingGroup, BillingGroup]
	tags          *table[Tags, Tags]
	settings      *table[Setting, Setting]
	links         memoryLinks
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{
		things:        newTable(packThing, packedThing.unpack),
		types:         newTable(Type.clone, Type.clone),
		groups:        newTable(Group.clone, Group.clone),
		billingGroups: newTable(same[BillingGroup], same[BillingGroup]),
		tags:          newTable(Tags.clone, Tags.clone),
		settings:      newTable(same[Setting], same[Setting]),
	}
}

// Things returns the table of things.
func (m *Memory) Things() Table[Thing] { return m.things }

// Types returns the table of thing types.
func (m *Memory) Types() Table[Type] { return m.types }

// Groups returns the table of thing groups.
func (m *Memory) Groups() Table[Group] { return m.groups }

// BillingGroups returns the table of billing groups.
func (m *Memory) BillingGroups() Table[BillingGroup] { return m.billingGroups }

// Tags returns the table of tags.
func (m *Memory) Tags() Table[Tags] { return m.tags }

// Settings returns the table of settings.
func (m *Memory) Settings() Table[Setting] { return m.settings }

// Links returns the links.
func (m *Memory) Links() Links { return &m.links }

func same[T any](v T) T { return v }

// table keeps records as P, which is T or a smaller form of it.
type table[T, P Versioned] struct {
	pack   func(T) P
	unpack func(P) T

	mu    sync.RWMutex
	rows  map[string]P
	names ordered
}

func newTable[T, P Versioned](pack func(T) P, unpack func(P) T) *table[T, P] {
	return &table[T, P]{pack: pack, unpack: unpack, rows: make(map[string]P)}
}

func (t *table[T, P]) Get(_ context.Context, name string) (T, error) {
	t.mu.RLock()
	p, ok := t.rows[name]
	t.mu.RUnlock()
	if !ok {
		var none T
		return none, ErrNotFound
	}
	return t.unpack(p), nil
}

func (t *table[T, P]) Put(_ context.Context, name string, v T, was int64) error {
	p := t.pack(v)
	t.mu.Lock()
	defer t.mu.Unlock()
	old, ok := t.rows[name]
	if (ok && old.Revision() != was) || (!ok && was != 0) {
		return ErrVersion
	}
	if !ok {
		name = strings.Clone(name)
		t.names.insert(name)
	}
	t.rows[name] = p
	return nil
}

func (t *table[T, P]) Delete(_ context.Context, name string, was int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, ok := t.rows[name]
	if !ok {
		return ErrNotFound
	}
	if old.Revision() != was {
		return ErrVersion
	}
	delete(t.rows, name)
	t.names.remove(name)
	return nil
}

// List copies a batch at a time and yields without the lock.
func (t *table[T, P]) List(ctx context.Context, after string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		after := after
		var names []string
		var batch []P
		for n := firstBatch; ; n = batchSize {
			if err := ctx.Err(); err != nil {
				var none T
				yield(none, err)
				return
			}
			t.mu.RLock()
			names, batch = t.names.after(names[:0], after, n), batch[:0]
			for _, name := range names {
				batch = append(batch, t.rows[name])
			}
			t.mu.RUnlock()
			for _, p := range batch {
				if !yield(t.unpack(p), nil) {
					return
				}
			}
			if len(names) < n {
				return
			}
			after = names[n-1]
		}
	}
}

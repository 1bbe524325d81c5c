package registry

import (
	"context"
	"iter"
	"strings"
	"sync"

	"github.com/thinghub/thinghub/internal/sorted"
)

// Memory is the default [Registry]: everything in maps, gone with the process. A
// record is found by name without a search, things by their attributes too, lists are
// kept sorted, and things are packed.
type Memory struct {
	things        *thingTable
	types         *table[Type, Type]
	groups        *table[Group, Group]
	billingGroups *table[BillingGroup, BillingGroup]
	fleetMetrics  *table[FleetMetric, FleetMetric]
	tags          *table[Tags, Tags]
	settings      *table[Setting, Setting]
	links         memoryLinks
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{
		things:        newThingTable(),
		types:         newTable(Type.clone, Type.clone),
		groups:        newTable(Group.clone, Group.clone),
		billingGroups: newTable(same[BillingGroup], same[BillingGroup]),
		fleetMetrics:  newTable(FleetMetric.clone, FleetMetric.clone),
		tags:          newTable(Tags.clone, Tags.clone),
		settings:      newTable(same[Setting], same[Setting]),
	}
}

// Immediate reports that the store does not wait.
func (*Memory) Immediate() bool { return true }

// Things returns the table of things, which is a [ThingFinder].
func (m *Memory) Things() Table[Thing] { return m.things }

// Types returns the table of thing types.
func (m *Memory) Types() Table[Type] { return m.types }

// Groups returns the table of thing groups.
func (m *Memory) Groups() Table[Group] { return m.groups }

// BillingGroups returns the table of billing groups.
func (m *Memory) BillingGroups() Table[BillingGroup] { return m.billingGroups }

// FleetMetrics returns the table of fleet metrics.
func (m *Memory) FleetMetrics() Table[FleetMetric] { return m.fleetMetrics }

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
	rows  map[string]*row[P]
	names sorted.List[*row[P]]
	order order[P] // or nil
}

type row[P any] struct {
	name  string
	value P
}

// An order keeps rows in another order than that of their names. It is told when a row
// leaves its value for the next one, nil if there is none, and when it has entered
// the value after the one before.
type order[P any] interface {
	leave(r *row[P], next *P)
	enter(r *row[P], before *P)
}

func newTable[T, P Versioned](pack func(T) P, unpack func(P) T) *table[T, P] {
	return &table[T, P]{pack: pack, unpack: unpack, rows: make(map[string]*row[P])}
}

func (t *table[T, P]) Get(_ context.Context, name string) (v T, err error) {
	t.mu.RLock()
	r := t.rows[name]
	if r == nil {
		t.mu.RUnlock()
		return v, ErrNotFound
	}
	p := r.value
	t.mu.RUnlock()
	return t.unpack(p), nil
}

func (t *table[T, P]) Put(_ context.Context, name string, v T, was int64) error {
	p := t.pack(v)
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[name]
	if (r != nil && r.value.Revision() != was) || (r == nil && was != 0) {
		return ErrVersion
	}
	var before *P
	if r == nil {
		r = &row[P]{name: strings.Clone(name)}
		t.rows[r.name] = r
		t.names.Insert(t.behind(name), r)
	} else {
		old := r.value
		before = &old
		if t.order != nil {
			t.order.leave(r, &p)
		}
	}
	r.value = p
	if t.order != nil {
		t.order.enter(r, before)
	}
	return nil
}

func (t *table[T, P]) Delete(_ context.Context, name string, was int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[name]
	if r == nil {
		return ErrNotFound
	}
	if r.value.Revision() != was {
		return ErrVersion
	}
	if t.order != nil {
		t.order.leave(r, nil)
	}
	delete(t.rows, name)
	p, _ := t.names.Find(func(r *row[P]) int { return strings.Compare(r.name, name) })
	t.names.Delete(p)
	return nil
}

// behind returns the place behind a name, whether or not that is there.
func (t *table[T, P]) behind(name string) sorted.Place {
	p, found := t.names.Find(func(r *row[P]) int { return strings.Compare(r.name, name) })
	if found {
		p = t.names.Skip(p, 1)
	}
	return p
}

// List copies a batch at a time and yields without the lock.
func (t *table[T, P]) List(ctx context.Context, after string) iter.Seq2[T, error] {
	return t.batches(ctx, after, func(dst []row[P], after string, n int) []row[P] {
		for r := range t.names.From(t.behind(after)) {
			if n--; n < 0 {
				break
			}
			dst = append(dst, *r)
		}
		return dst
	})
}

// batches yields what next finds, which is called with the lock and appends up to n
// rows behind a name.
func (t *table[T, P]) batches(ctx context.Context, after string, next func(dst []row[P], after string, n int) []row[P]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		after := after
		var batch []row[P]
		for n := firstBatch; ; n = min(4*n, lastBatch) {
			if err := ctx.Err(); err != nil {
				var none T
				yield(none, err)
				return
			}
			t.mu.RLock()
			batch = next(batch[:0], after, n)
			t.mu.RUnlock()
			for _, r := range batch {
				if !yield(t.unpack(r.value), nil) {
					return
				}
			}
			if len(batch) < n {
				return
			}
			after = batch[n-1].name
		}
	}
}

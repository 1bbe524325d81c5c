package registry

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/internal/sorted"
)

// thingTable is the table of things, with an order of them for each attribute.
type thingTable struct {
	*table[Thing, packedThing]
	attributes attributes
}

func newThingTable() *thingTable {
	t := &thingTable{newTable(packThing, packedThing.unpack), make(attributes)}
	t.order = t.attributes
	return t
}

type thingRow = row[packedThing]

// attributes has, for the name of each attribute, the things that have it, ordered by
// its value and then by their names. It costs a pointer for each attribute of a thing:
// names and values are in the rows.
type attributes map[string]*sorted.List[*thingRow]

func (a attributes) leave(r *thingRow, next *packedThing) {
	for name, value := range r.value.attributes {
		if next != nil {
			if v, ok := next.attribute(name); ok && v == value {
				continue
			}
		}
		list := a[name]
		p, _ := list.Find(byAttribute(name, value, r.name))
		if list.Delete(p); list.Len() == 0 {
			delete(a, name)
		}
	}
}

func (a attributes) enter(r *thingRow, before *packedThing) {
	for name, value := range r.value.attributes {
		if before != nil {
			if v, ok := before.attribute(name); ok && v == value {
				continue
			}
		}
		list := a[name]
		if list == nil {
			list = &sorted.List[*thingRow]{}
			a[strings.Clone(name)] = list
		}
		p, _ := list.Find(byAttribute(name, value, r.name))
		list.Insert(p, r)
	}
}

func byAttribute(name, value, thing string) func(*thingRow) int {
	return func(r *thingRow) int {
		v, _ := r.value.attribute(name)
		return cmp.Or(strings.Compare(v, value), strings.Compare(r.name, thing))
	}
}

// WithAttribute is that of [ThingFinder].
func (t *thingTable) WithAttribute(ctx context.Context, name, value string, prefix bool, after string) iter.Seq2[Thing, error] {
	if prefix {
		return t.batches(ctx, after, func(dst []thingRow, after string, n int) []thingRow {
			return t.withPrefix(dst, name, value, after, n)
		})
	}
	return t.batches(ctx, after, func(dst []thingRow, after string, n int) []thingRow {
		list := t.attributes[name]
		if list == nil {
			return dst
		}
		p, found := list.Find(byAttribute(name, value, after))
		if found {
			p = list.Skip(p, 1)
		}
		for r := range list.From(p) {
			if n--; n < 0 {
				break
			}
			if v, _ := r.value.attribute(name); v != value {
				break
			}
			dst = append(dst, *r)
		}
		return dst
	})
}

// withPrefix appends the next n rows by name. The things with one value are in the
// order of their names, those with several are not. So either all of them are looked
// at for those with the first names, or all things for those with the attribute: the
// second for no longer than the first would take, and if it is likely to be faster.
func (t *thingTable) withPrefix(dst []thingRow, name, prefix, after string, n int) []thingRow {
	list := t.attributes[name]
	if list == nil {
		return dst
	}
	from, _ := list.Find(func(r *thingRow) int {
		v, _ := r.value.attribute(name)
		return cmp.Or(strings.Compare(v, prefix), 1)
	})
	to, _ := list.Find(func(r *thingRow) int {
		if v, _ := r.value.attribute(name); v < prefix || strings.HasPrefix(v, prefix) {
			return -1
		}
		return 1
	})
	all := list.Count(from, to)
	if steps := 2 * all; all > n && n*t.names.Len()/all < steps {
		for r := range t.names.From(t.behind(after)) {
			if steps--; steps < 0 {
				break
			}
			after = r.name
			if v, ok := r.value.attribute(name); ok && strings.HasPrefix(v, prefix) {
				if dst = append(dst, *r); len(dst) == n {
					return dst
				}
			}
		}
		if steps >= 0 {
			return dst
		}
	}
	var rows []*thingRow
	bound := "" // names from here on need not be looked at
	first := func() []*thingRow {
		slices.SortFunc(rows, func(a, b *thingRow) int { return strings.Compare(a.name, b.name) })
		return rows[:min(len(rows), n-len(dst))]
	}
	for r := range list.Between(from, to) {
		if r.name <= after || bound != "" && r.name >= bound {
			continue
		}
		if rows = append(rows, r); len(rows) >= 2*lastBatch {
			rows = first()
			bound = rows[len(rows)-1].name
		}
	}
	for _, r := range first() {
		dst = append(dst, *r)
	}
	return dst
}

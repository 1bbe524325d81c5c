package index

import (
	"slices"
	"strings"
	"sync"

	"github.com/thinghub/thinghub/internal/sorted"
)

// Index is an inverted index: for each field it knows the values in order, and for
// each value the documents. It is safe for concurrent use; a search sees all or
// nothing of a Put.
//
// What is asked for by a value, a prefix or a range is found by going through the
// values it is about. Only wildcards inside of words and phrases look at more, at the
// values with the same beginning or words. A page of a search that finds many
// documents is filled by going through the names in order; it does not cost more when
// more is found.
type Index struct {
	schema Schema

	mu      sync.RWMutex
	docs    table[doc]
	names   sorted.List[uint32] // docs by name
	ids     byName
	live    bitmap // docs
	entries table[entry]
	fields  table[*field]
	named   map[string][]uint32 // fields by name, one for each part
	parts   map[string]uint32
	stamp   uint64 // of the last Put that stamped fields

	scratch sync.Pool // of bitmaps
	lists   [3][]uint32
}

// A doc is a document: for each part its number, how many entries it has, and those.
type doc struct {
	name   string
	values []uint32
}

// New returns an empty index. Errors are those of [Schema.Validate].
func New(s Schema) (*Index, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s.NamedShadows, s.CustomFields = slices.Clone(s.NamedShadows), slices.Clone(s.CustomFields)
	return &Index{schema: s, named: make(map[string][]uint32), parts: make(map[string]uint32)}, nil
}

// Schema returns what New was given.
func (x *Index) Schema() Schema { return x.schema }

// A Part is a part of a document. What changes often is a part of its own, so that it
// can be put without the rest.
type Part struct {
	Name     string
	Document *Document
}

// Put makes the given parts those of the document of a name, which comes into being if
// there is none yet. Other parts stay as they are; an empty one is removed. Only values
// that were not there before, or are there no longer, cost more than a glance. The
// parts' documents may be changed afterwards.
func (x *Index) Put(name string, parts ...Part) {
	x.mu.Lock()
	defer x.mu.Unlock()
	id, found := x.find(name)
	if !found {
		id = x.addDoc(strings.Clone(name))
	}
	for _, p := range parts {
		n, ok := x.parts[p.Name]
		if !ok {
			n = uint32(len(x.parts))
			x.parts[p.Name] = n
		}
		x.replace(id, n, p.Document)
	}
}

// find returns the document of a name.
func (x *Index) find(name string) (id uint32, found bool) {
	return x.ids.find(name, x.nameOf)
}

func (x *Index) addDoc(name string) uint32 {
	id := x.docs.add(doc{name: name})
	p, _ := x.names.Find(x.compareName(name))
	x.names.Insert(p, id)
	x.ids.add(name, id, x.nameOf)
	for int(id) >= len(x.live)*64 {
		x.live = append(x.live, 0)
	}
	x.live.set(id)
	return id
}

// dropDoc forgets a document that is in no entry any more.
func (x *Index) dropDoc(id uint32) {
	name := x.docs.at(id).name
	p, _ := x.names.Find(x.compareName(name))
	x.names.Delete(p)
	x.ids.remove(name, id, x.nameOf)
	x.live.unset(id)
	x.docs.drop(id)
}

func (x *Index) nameOf(id uint32) string { return x.docs.at(id).name }

func (x *Index) compareName(name string) func(uint32) int {
	return func(id uint32) int { return strings.Compare(x.docs.at(id).name, name) }
}

// replace makes d a part of a document.
func (x *Index) replace(id, part uint32, d *Document) {
	row := x.docs.at(id)
	from, to := row.part(part)
	old := row.values[from:to]
	ids := x.entriesOf(part, d, old, row.name)
	defer func() { x.lists[0] = ids[:0] }()
	if slices.Equal(old, ids) {
		return
	}
	x.update(id, old, ids)
	switch {
	case len(ids) == len(old):
		copy(old, ids)
	case len(ids) == 0:
		row.values = slices.Concat(row.values[:from-2], row.values[to:])
	case from == to: // a new part
		row.values = slices.Concat(row.values, []uint32{part, uint32(len(ids))}, ids)
	default:
		row.values = slices.Concat(row.values[:from-1], []uint32{uint32(len(ids))}, ids, row.values[to:])
	}
}

// part returns where the entries of a part are.
func (d *doc) part(part uint32) (from, to int) {
	for at := 0; at < len(d.values); at = to {
		from, to = at+2, at+2+int(d.values[at+1])
		if d.values[at] == part {
			return from, to
		}
	}
	return 0, 0
}

// lookAhead bounds how far a value is looked for among the old ones.
const lookAhead = 8

// entriesOf returns the entries of the values of d, each once. Most of them are the old
// ones, in the old order, and need no search.
func (x *Index) entriesOf(part uint32, d *Document, old []uint32, name string) []uint32 {
	ids := x.lists[0][:0]
	at := 0
next:
	for i := range d.values {
		v := &d.values[i]
		for j := at; j < len(old) && j < at+lookAhead; j++ {
			if e := x.entries.at(old[j]); e.kind() == v.kind && e.is(d, v) && x.is(e.field(), part, d.field(v)) {
				ids = append(ids, old[j])
				at = j + 1
				continue next
			}
		}
		ids = append(ids, x.intern(part, d, v, name))
		if at < len(old) && x.is(x.entries.at(old[at]).field(), part, d.field(v)) {
			at++ // the value it had before
		}
	}
	sort := append(x.lists[1][:0], ids...)
	slices.Sort(sort)
	if x.lists[1] = slices.Compact(sort); len(x.lists[1]) < len(ids) {
		ids = append(ids[:0], x.lists[1]...)
	}
	return ids
}

// is reports whether an entry is that of a value of the same kind.
func (e *entry) is(d *Document, v *value) bool {
	if v.kind == number {
		return e.key == v.key
	}
	return e.text == string(d.data(v))
}

func (x *Index) is(field, part uint32, name []byte) bool {
	f := x.field(field)
	return f.part == part && f.name == string(name)
}

// update changes entries and fields from the old entries of a part to the new ones.
func (x *Index) update(doc uint32, old, ids []uint32) {
	all := ids
	for len(old) > 0 && len(ids) > 0 && old[0] == ids[0] {
		old, ids = old[1:], ids[1:]
	}
	for len(old) > 0 && len(ids) > 0 && old[len(old)-1] == ids[len(ids)-1] {
		old, ids = old[:len(old)-1], ids[:len(ids)-1]
	}
	was, is := append(x.lists[1][:0], old...), append(x.lists[2][:0], ids...)
	x.lists[1], x.lists[2] = was, is
	slices.Sort(was)
	slices.Sort(is)
	i := 0
	for _, id := range is {
		for i < len(was) && was[i] < id {
			i++
		}
		if i < len(was) && was[i] == id {
			continue
		}
		e := x.entries.at(id)
		e.add(doc)
		x.field(e.field()).docs.add(doc)
	}
	if len(was) == 0 {
		return
	}
	x.stamp++
	for _, id := range all {
		x.field(x.entries.at(id).field()).stamp = x.stamp
	}
	i = 0
	for _, id := range was {
		for i < len(is) && is[i] < id {
			i++
		}
		if i < len(is) && is[i] == id {
			continue
		}
		x.removeFrom(id, doc, x.stamp)
	}
}

// removeFrom takes a document out of an entry, and out of the field unless that has the
// stamp.
func (x *Index) removeFrom(id, doc uint32, stamp uint64) {
	e := x.entries.at(id)
	if f := x.field(e.field()); f.stamp != stamp {
		f.docs.remove(doc)
	}
	if e.remove(doc) {
		x.dropEntry(id)
	}
}

// Delete removes a document and reports whether it was there.
func (x *Index) Delete(name string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	id, found := x.find(name)
	if !found {
		return false
	}
	x.stamp++
	row := x.docs.at(id)
	for at := 0; at < len(row.values); {
		n := int(row.values[at+1])
		for _, e := range row.values[at+2 : at+2+n] {
			x.removeFrom(e, id, x.stamp)
		}
		at += 2 + n
	}
	x.dropDoc(id)
	return true
}

// Has reports whether there is a document of a name.
func (x *Index) Has(name string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, found := x.find(name)
	return found
}

// Len returns the number of documents.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.names.Len()
}

// Values returns the values a field has in a part of a document, for people, in the
// order in which they were added.
func (x *Index) Values(name, part, field string) (values []string) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	id, found := x.find(name)
	n, ok := x.parts[part]
	if !found || !ok {
		return nil
	}
	row := x.docs.at(id)
	from, to := row.part(n)
	for _, e := range row.values[from:to] {
		if e := x.entries.at(e); e.kind() != word && x.field(e.field()).name == field {
			values = append(values, e.shown())
		}
	}
	return values
}

// Match reports whether a document is there and matches a query. It does not check the
// fields: see [Schema.Check].
func (x *Index) Match(q *Query, name string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	id, found := x.find(name)
	if !found {
		return false
	}
	row, skip := x.docs.at(id), x.skipped(q)
	return q.root.holds(func(l leaf) bool {
		field := x.schema.canonical(l.on())
		for at := 0; at < len(row.values); {
			part, n := row.values[at], int(row.values[at+1])
			at += 2 + n
			if part == skip {
				continue
			}
			for _, id := range row.values[at-n : at] {
				e := x.entries.at(id)
				if f := x.field(e.field()); (f.name == field || field == "" && f.bare) && l.fits(e) {
					return true
				}
			}
		}
		return false
	})
}

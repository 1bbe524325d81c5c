package index

import (
	"cmp"
	"slices"

	"github.com/thinghub/thinghub/internal/sorted"
)

// An entry is a value of a field and the documents that have it, at least one.
type entry struct {
	text  string // as it was given, of words in lower case; of numbers empty
	key   uint64 // of numbers numberKey, of others textKey
	more  *set   // the documents; nil if there is one
	first uint32 // the one document
	meta  uint32 // the field's number and the kind
}

const nobody = ^uint32(0)

func (e *entry) kind() kind    { return kind(e.meta % uint32(kinds)) }
func (e *entry) field() uint32 { return e.meta / uint32(kinds) }

func (e *entry) count() int {
	if e.more != nil {
		return e.more.n
	}
	return 1
}

func (e *entry) has(doc uint32) bool {
	if e.more != nil {
		return e.more.has(doc)
	}
	return e.first == doc
}

func (e *entry) each(yield func(doc uint32) bool) bool {
	if e.more != nil {
		return e.more.each(yield)
	}
	return yield(e.first)
}

func (e *entry) fill(b bitmap) {
	if e.more != nil {
		e.more.fill(b)
		return
	}
	b.set(e.first)
}

func (e *entry) countIn(b bitmap) int {
	if e.more != nil {
		return e.more.countIn(b)
	}
	if b.has(e.first) {
		return 1
	}
	return 0
}

func (e *entry) add(doc uint32) {
	switch {
	case e.more != nil:
		e.more.add(doc)
	case e.first == nobody:
		e.first = doc
	default:
		e.more = &set{}
		e.more.add(e.first)
		e.more.add(doc)
	}
}

// remove takes a document away and reports whether none is left.
func (e *entry) remove(doc uint32) (empty bool) {
	if e.more == nil {
		e.first = nobody
		return true
	}
	if e.more.remove(doc); e.more.n == 1 {
		e.first, e.more = e.more.few[0], nil
	}
	return false
}

// asNumber returns what ranges of numbers compare: numbers, and texts that are one.
func (e *entry) asNumber() (float64, bool) {
	switch e.kind() {
	case number:
		return keyNumber(e.key), true
	case text:
		return asNumber(e.text)
	default:
		return 0, false
	}
}

// compareText compares a text with another without regard to case.
func (e *entry) compareText(s string, key uint64) int {
	if e.key != key {
		return cmp.Compare(e.key, key)
	}
	return compareFold(e.text, s)
}

// shown is the value for people.
func (e *entry) shown() string {
	if e.kind() == number {
		return showNumber(keyNumber(e.key))
	}
	return e.text
}

// A field is the values of a field in one part of the documents.
type field struct {
	name string
	part uint32
	bare bool // whether a bare word of a query is looked for here
	// The entries, in order: texts and booleans without regard to case; words; numbers
	// by value, and texts that are numbers among them.
	texts, words, numbers sorted.List[uint32]
	real                  int // how many of numbers are no texts
	docs                  set // that have the field
	stamp                 uint64
}

func (f *field) empty() bool {
	return f.texts.Len()+f.words.Len()+f.numbers.Len() == 0
}

// A table keeps rows under small numbers, in pages, so that it grows without being
// copied and its rows stay where they are.
type table[T any] struct {
	pages []*[pageSize]T
	free  []uint32
	next  uint32
}

const pageSize = 1024

func (t *table[T]) at(id uint32) *T { return &t.pages[id/pageSize][id%pageSize] }

func (t *table[T]) add(row T) (id uint32) {
	if n := len(t.free); n > 0 {
		id, t.free = t.free[n-1], t.free[:n-1]
	} else {
		id = t.next
		t.next++
		if id/pageSize == uint32(len(t.pages)) {
			t.pages = append(t.pages, new([pageSize]T))
		}
	}
	*t.at(id) = row
	return id
}

func (t *table[T]) drop(id uint32) {
	var none T
	*t.at(id) = none
	t.free = append(t.free, id)
}

// fieldOf returns the number of a field, which is made if there is none yet.
func (x *Index) fieldOf(part uint32, name []byte) uint32 {
	for _, n := range x.named[string(name)] {
		if (*x.fields.at(n)).part == part {
			return n
		}
	}
	f := &field{name: string(name), part: part, bare: x.schema.bare(string(name))}
	n := x.fields.add(f)
	x.named[f.name] = append(x.named[f.name], n)
	return n
}

func (x *Index) field(n uint32) *field { return *x.fields.at(n) }

// dropField forgets a field without entries.
func (x *Index) dropField(n uint32) {
	f := x.field(n)
	if list := slices.DeleteFunc(x.named[f.name], func(m uint32) bool { return m == n }); len(list) > 0 {
		x.named[f.name] = list
	} else {
		delete(x.named, f.name)
	}
	x.fields.drop(n)
}

// intern returns the entry of a value, which is made, without a document, if there is
// none yet. If the text is name, that copy of it is kept.
func (x *Index) intern(part uint32, d *Document, v *value, name string) uint32 {
	n := x.fieldOf(part, d.field(v))
	f := x.field(n)
	e := entry{key: v.key, first: nobody, meta: n*uint32(kinds) + uint32(v.kind)}
	if v.kind != number {
		if e.text = name; string(d.data(v)) != name {
			e.text = string(d.data(v))
		}
		e.key = textKey(e.text)
	}
	list, compare := x.order(f, &e)
	p, found := list.Find(compare)
	if found {
		id, _ := list.At(p)
		return id
	}
	id := x.entries.add(e)
	list.Insert(p, id)
	switch _, isNumber := e.asNumber(); {
	case v.kind == number:
		f.real++
	case isNumber:
		p, _ := f.numbers.Find(x.byNumber(&e))
		f.numbers.Insert(p, id)
	}
	return id
}

// dropEntry forgets an entry that no document has.
func (x *Index) dropEntry(id uint32) {
	e := x.entries.at(id)
	n := e.field()
	f := x.field(n)
	list, compare := x.order(f, e)
	p, _ := list.Find(compare)
	list.Delete(p)
	switch _, isNumber := e.asNumber(); {
	case e.kind() == number:
		f.real--
	case isNumber:
		p, _ := f.numbers.Find(x.byNumber(e))
		f.numbers.Delete(p)
	}
	x.entries.drop(id)
	if f.empty() {
		x.dropField(n)
	}
}

// order returns the list an entry belongs to and how it compares.
func (x *Index) order(f *field, e *entry) (*sorted.List[uint32], func(uint32) int) {
	switch e.kind() {
	case number:
		return &f.numbers, x.byNumber(e)
	case word:
		return &f.words, x.byText(e)
	default:
		return &f.texts, x.byText(e)
	}
}

func (x *Index) byText(e *entry) func(uint32) int {
	return func(id uint32) int {
		o := x.entries.at(id)
		if c := o.compareText(e.text, e.key); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(o.text, e.text), cmp.Compare(o.kind(), e.kind()))
	}
}

func (x *Index) byNumber(e *entry) func(uint32) int {
	f, _ := e.asNumber()
	return func(id uint32) int {
		o := x.entries.at(id)
		g, _ := o.asNumber()
		if g != f {
			return cmp.Compare(g, f)
		}
		return cmp.Or(cmp.Compare(o.kind(), e.kind()), cmp.Compare(o.text, e.text))
	}
}

// notBefore finds a bound: the first entry of a list that is not before it. compare is
// below zero for entries that are.
func (x *Index) notBefore(list *sorted.List[uint32], compare func(e *entry) int) sorted.Place {
	p, _ := list.Find(func(id uint32) int {
		if compare(x.entries.at(id)) < 0 {
			return -1
		}
		return 1
	})
	return p
}

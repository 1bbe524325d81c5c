package index

import (
	"cmp"
	"slices"

	"github.com/thinghub/thinghub/internal/sorted"
)

// How the leaves of a query find their entries in a field.

func (n *term) in(x *Index, f *field) plan {
	if n.phrase != nil {
		return n.phraseIn(x, f)
	}
	var found entries
	key := textKey(n.want)
	at := x.notBefore(&f.texts, func(e *entry) int { return e.compareText(n.want, key) })
	for id := range f.texts.From(at) {
		e := x.entries.at(id)
		if e.compareText(n.want, key) != 0 {
			break
		}
		found = append(found, e)
	}
	if e := x.word(f, n.want); e != nil {
		found = append(found, e)
	}
	if n.isNumber {
		at := x.notBefore(&f.numbers, func(e *entry) int { return n.compare(e) })
		for id := range f.numbers.From(at) {
			e := x.entries.at(id)
			if n.compare(e) != 0 {
				break
			}
			if e.kind() == number {
				found = append(found, e)
			}
		}
	}
	return found
}

func (n *term) compare(e *entry) int {
	f, _ := e.asNumber()
	return cmp.Compare(f, n.number)
}

// word returns the entry of a word, or nil.
func (x *Index) word(f *field, w string) *entry {
	e := entry{text: w, key: textKey(w), meta: uint32(word)}
	at, found := f.words.Find(x.byText(&e))
	if !found {
		return nil
	}
	id, _ := f.words.At(at)
	return x.entries.at(id)
}

// phraseIn finds those that have all words, and of them those that have them in a row.
func (n *term) phraseIn(x *Index, f *field) plan {
	both := &intersection{x: x}
	for _, w := range n.phrase {
		e := x.word(f, w)
		if e == nil {
			return entries(nil)
		}
		both.of = append(both.of, entries{e})
	}
	slices.SortStableFunc(both.of, func(a, b plan) int { return cmp.Compare(a.most(), b.most()) })
	both.of = append(both.of, &stretch{x: x, f: f, list: &f.texts, to: f.texts.End(), leaf: n, n: f.docs.n})
	return both
}

func (n *wildcard) in(x *Index, f *field) plan {
	prefix := n.pattern[0].text
	within := func(list *sorted.List[uint32]) plan {
		from := x.notBefore(list, func(e *entry) int { return comparePrefix(e.text, prefix) })
		to := x.notBefore(list, func(e *entry) int { return comparePrefix(e.text, prefix) - 1 }) // what has it is before
		return x.stretch(f, list, from, to, n, n.pattern.prefix())
	}
	return x.union([]plan{within(&f.texts), within(&f.words)})
}

func (n *present) in(_ *Index, f *field) plan { return members{&f.docs} }

func (n *exact) in(x *Index, f *field) plan {
	e := entry{text: n.value, key: textKey(n.value), meta: uint32(text)}
	at, found := f.texts.Find(x.byText(&e))
	if !found {
		return entries(nil)
	}
	id, _ := f.texts.At(at)
	return entries{x.entries.at(id)}
}

func (n *span) in(x *Index, f *field) plan {
	list, compare := &f.texts, func(e *entry, b *bound) int { return e.compareText(b.text, textKey(b.text)) }
	if n.numbers {
		list, compare = &f.numbers, func(e *entry, b *bound) int {
			f, _ := e.asNumber()
			return cmp.Compare(f, b.number)
		}
	}
	// A bound's place is before what is equal to it, or behind it.
	place := func(b *bound, behind bool) sorted.Place {
		return x.notBefore(list, func(e *entry) int {
			c := compare(e, b)
			if c == 0 && behind {
				return -1
			}
			return c
		})
	}
	from, to := sorted.Place{}, list.End()
	if n.low.given {
		from = place(&n.low, !n.low.in)
	}
	if n.high.given {
		to = place(&n.high, n.high.in)
	}
	return x.stretch(f, list, from, to, n, n.numbers)
}

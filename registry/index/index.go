package index

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Index is an inverted index: for each field and value it knows the documents. It is
// safe for concurrent use.
//
// A query is answered from the smallest set of documents that it must be in, if it has
// one: a term without wildcards, or what an AND has among its parts. Otherwise all
// documents are looked at.
type Index struct {
	schema Schema
	mu     sync.RWMutex
	docs   map[string]*Document
	places map[place]set // by field and whole value, and by field and word
}

type place struct{ field, text string }

// A set is names of documents.
type set map[string]struct{}

// New returns an empty index. Errors are those of [Schema.Validate].
func New(s Schema) (*Index, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s.NamedShadows, s.CustomFields = slices.Clone(s.NamedShadows), slices.Clone(s.CustomFields)
	return &Index{schema: s, docs: map[string]*Document{}, places: map[place]set{}}, nil
}

// Schema returns what New was given.
func (x *Index) Schema() Schema { return x.schema }

// Put makes d the document of name. d may be changed afterwards.
func (x *Index) Put(name string, d *Document) {
	own := &Document{values: slices.Clone(d.values)}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(name)
	x.docs[name] = own
	for p := range own.places() {
		s := x.places[p]
		if s == nil {
			s = set{}
			x.places[p] = s
		}
		s[name] = struct{}{}
	}
}

// Delete removes a document and reports whether it was there.
func (x *Index) Delete(name string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.remove(name)
}

func (x *Index) remove(name string) bool {
	d := x.docs[name]
	if d == nil {
		return false
	}
	delete(x.docs, name)
	for p := range d.places() {
		if s := x.places[p]; len(s) > 1 {
			delete(s, name)
		} else {
			delete(x.places, p)
		}
	}
	return true
}

// places are where a document is found: by whole values, and by the words of texts.
func (d *Document) places() map[place]struct{} {
	out := map[place]struct{}{}
	for _, v := range d.values {
		if v.kind == number {
			out[numberPlace(v.field, v.number)] = struct{}{}
		}
		out[place{v.field, v.text}] = struct{}{}
		if v.kind == text {
			for word := range strings.FieldsSeq(v.text) {
				out[place{v.field, word}] = struct{}{}
			}
		}
	}
	return out
}

// Get returns a copy of a document.
func (x *Index) Get(name string) (*Document, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	d := x.docs[name]
	if d == nil {
		return nil, false
	}
	return &Document{values: slices.Clone(d.values)}, true
}

// Len returns the number of documents.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.docs)
}

// candidates returns a set that has all documents which match n, false if n says
// nothing about where they are.
func (x *Index) candidates(n node) (set, bool) {
	switch n := n.(type) {
	case *term:
		s, ok := plain(n.pattern)
		if !ok || n.field == "" {
			return nil, false
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return union(x.places[place{n.field, s}], x.places[numberPlace(n.field, f)]), true
		}
		if words := strings.Fields(s); len(words) > 1 && x.places[place{n.field, s}] == nil {
			return x.smallest(n.field, words), true
		} else if len(words) > 1 {
			return nil, false // the whole value of some, and words of others
		}
		return x.places[place{n.field, s}], true
	case and:
		var best set
		found := false
		for _, part := range n {
			if s, ok := x.candidates(part); ok && (!found || len(s) < len(best)) {
				best, found = s, true
			}
		}
		return best, found
	case or:
		var some set
		for _, part := range n {
			s, ok := x.candidates(part)
			if !ok {
				return nil, false
			}
			some = union(some, s)
		}
		return some, true
	}
	return nil, false
}

// union returns one of the sets if the other is empty.
func union(a, b set) set {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

// smallest is the smallest set of the documents that have each word.
func (x *Index) smallest(field string, words []string) set {
	best := x.places[place{field, words[0]}]
	for _, w := range words[1:] {
		if s := x.places[place{field, w}]; len(s) < len(best) {
			best = s
		}
	}
	return best
}

// numberPlace is where a number is found, however it is written.
func numberPlace(field string, f float64) place {
	return place{field, "\x00" + strconv.FormatFloat(f+0, 'g', -1, 64)} // + 0: of minus zero
}

// matching calls yield for every document that matches, in no order.
func (x *Index) matching(q *Query, yield func(name string, d *Document)) error {
	if err := x.schema.Check(q); err != nil {
		return err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if s, ok := x.candidates(q.root); ok {
		for name := range s {
			if d := x.docs[name]; q.Match(d) {
				yield(name, d)
			}
		}
		return nil
	}
	for name, d := range x.docs {
		if q.Match(d) {
			yield(name, d)
		}
	}
	return nil
}

// Search returns the names that match, in ascending order, starting behind after
// ("" = from the start), at most limit (<= 0: all). next is "" if there are no more, and
// otherwise what after must be for the next page. Errors are those of [Schema.Check].
func (x *Index) Search(q *Query, after string, limit int) (names []string, next string, err error) {
	err = x.matching(q, func(name string, _ *Document) {
		if name > after {
			names = append(names, name)
		}
	})
	if err != nil {
		return nil, "", err
	}
	slices.Sort(names)
	if limit > 0 && len(names) > limit {
		names = names[:limit:limit]
		next = names[limit-1]
	}
	return names, next, nil
}

// Count returns how many documents match.
func (x *Index) Count(q *Query) (n int, err error) {
	err = x.matching(q, func(string, *Document) { n++ })
	return n, err
}

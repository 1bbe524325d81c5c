package index

import (
	"math"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/internal/sorted"
)

// Search returns the names that match, in ascending order, starting behind after
// ("" = from the start), at most limit (<= 0: all). next is "" if there are no more, and
// otherwise what after must be for the next page. Errors are those of [Schema.Check].
func (x *Index) Search(q *Query, after string, limit int) (names []string, next string, err error) {
	if err := x.schema.Check(q); err != nil {
		return nil, "", err
	}
	if limit <= 0 {
		limit = math.MaxInt - 1
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	docs := x.page(x.plan(q), after, limit+1) // one more shows that there are more
	if len(docs) > limit {
		docs = docs[:limit]
		next = x.docs.at(docs[limit-1]).name
	}
	for _, id := range docs {
		names = append(names, x.docs.at(id).name)
	}
	return names, next, nil
}

// Count returns how many documents match. Errors are those of [Schema.Check].
func (x *Index) Count(q *Query) (int, error) {
	if err := x.schema.Check(q); err != nil {
		return 0, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.count(x.plan(q)), nil
}

func (x *Index) count(p plan) (n int) {
	switch p := p.(type) {
	case everybody:
		return p.most()
	case members:
		return p.n
	case *otherwise:
		return x.names.Len() - x.count(p.of)
	case entries:
		if len(p) == 1 {
			return p[0].count()
		}
	}
	x.gather(p, func(f *found) { n = f.n })
	return n
}

// found is the documents of a plan.
type found struct {
	n    int
	all  bool     // they are all there are
	few  []uint32 // they are these, ascending
	many bitmap   // they are these
}

// gather finds all documents of a plan. What use gets is good until it returns.
func (x *Index) gather(p plan, use func(*found)) {
	if p, all := p.(everybody); all {
		use(&found{n: p.most(), all: true})
		return
	}
	if p.most() <= fewDocs {
		few := []uint32{}
		p.each(func(doc uint32) bool {
			few = append(few, doc)
			return true
		})
		slices.Sort(few)
		few = slices.Compact(few)
		use(&found{n: len(few), few: few})
		return
	}
	x.borrow(func(b bitmap) {
		p.fill(b)
		use(&found{n: b.count(), many: b})
	})
}

const (
	// fewDocs is how many documents are put in order without much thought.
	fewDocs = 512
	// What it costs to look at the next name, and to compare the name of a document
	// with another.
	costOfName    = 10
	costOfCompare = 150
)

// page returns the first documents of a plan in the order of names behind after, at
// most limit.
//
// Either it goes through the documents and picks those that come first, or it goes
// through the names and picks those that match. The first is good if few match, the
// second if many do. So it begins with the second if that is likely to be faster, but
// for no longer than finding all that match would take: it never takes much more than
// twice the better way.
func (x *Index) page(p plan, after string, limit int) []uint32 {
	w := pager{x: x, after: after, limit: limit}
	if p.most() <= fewDocs {
		w.sort(p.each)
		return w.docs
	}
	w.at, _ = x.names.Find(func(id uint32) int {
		if x.docs.at(id).name <= after {
			return -1
		}
		return 1
	})
	if limit < x.names.Len() {
		likely, most := limit*x.names.Len()/p.most(), p.cost()/(costOfName+p.price())
		// What matches is not always spread evenly. If it is far from that, no more
		// time is lost.
		const uneven = 20
		if likely < most && w.walk(p.has, min(most, uneven*likely)) {
			return w.docs
		}
	}
	x.borrow(func(b bitmap) {
		p.fill(b)
		if b.count()*costOfCompare < x.names.Count(w.at, x.names.End())*costOfName {
			w.sort(b.each)
		} else {
			w.walk(b.has, x.names.Len())
		}
	})
	return w.docs
}

// A pager collects documents in the order of their names.
type pager struct {
	x     *Index
	after string // the name to begin behind
	at    sorted.Place
	limit int
	docs  []uint32
}

// walk collects what matches among the next names, and reports whether that was all.
func (w *pager) walk(match func(doc uint32) bool, names int) (done bool) {
	n, last := 0, uint32(0)
	for doc := range w.x.names.From(w.at) {
		if n == names {
			if n > 0 {
				w.after = w.x.docs.at(last).name
			}
			w.at = w.x.names.Skip(w.at, n)
			return false
		}
		n, last = n+1, doc
		if match(doc) {
			if w.docs = append(w.docs, doc); len(w.docs) == w.limit {
				return true
			}
		}
	}
	return true
}

// sort collects the documents with the first names.
func (w *pager) sort(each func(yield func(doc uint32) bool) bool) {
	room := w.limit - len(w.docs)
	var docs []uint32
	bound := "" // names from here on need not be looked at
	each(func(doc uint32) bool {
		name := w.x.docs.at(doc).name
		if name <= w.after || bound != "" && name >= bound {
			return true
		}
		if docs = append(docs, doc); len(docs)/2-fewDocs > room {
			docs = w.x.first(docs, room)
			bound = w.x.docs.at(docs[len(docs)-1]).name
		}
		return true
	})
	w.docs = append(w.docs, w.x.first(docs, room)...)
}

// first sorts documents by name and returns the first n, each once.
func (x *Index) first(docs []uint32, n int) []uint32 {
	slices.SortFunc(docs, func(a, b uint32) int { return strings.Compare(x.docs.at(a).name, x.docs.at(b).name) })
	docs = slices.Compact(docs)
	return docs[:min(n, len(docs))]
}

package index

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/internal/sorted"
)

// Statistics of a field.
type Statistics struct {
	Count   int  // documents that match and have the field
	Numeric bool // whether the rest is set: false for texts, and if nothing matches
	Average, Sum, Minimum, Maximum,
	SumOfSquares, Variance, StdDeviation float64
}

// An aggregation is of the values of a field in the documents found. Values that are
// not of the field's type are left out. A value that a document has several times
// counts once.
type aggregation struct {
	x      *Index
	name   string
	typ    Type // "" of a field without one: any
	custom bool // the values may be of another type
	found  *found
}

// aggregate checks the field, finds the documents and calls do under the lock.
func (x *Index) aggregate(q *Query, field string, do func(*aggregation) error) error {
	if err := x.schema.Check(q); err != nil {
		return err
	}
	a := aggregation{x: x}
	if err := a.open(field); err != nil {
		return err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	var err error
	x.gather(x.plan(q), func(f *found) {
		a.found = f
		err = do(&a)
	})
	return err
}

// open sets name and type of a field: a managed or custom one, or any attribute.
func (a *aggregation) open(field string) error {
	s := &a.x.schema
	switch {
	case field != "":
	case s.Kind == ThingGroups:
		field = "version"
	default:
		field = "registry.version"
	}
	a.name, a.typ = s.canonical(field), s.managed(field)
	if a.typ != "" {
		return nil
	}
	for _, f := range s.CustomFields {
		if f.Name == field {
			a.typ, a.custom = f.Type, true
			return nil
		}
	}
	if why := s.refusal(field); why != "" {
		return &FieldError{field, why, ErrInvalidAggregation}
	}
	if !strings.HasPrefix(field, "attributes.") {
		return &FieldError{field, "it is neither a managed nor a custom field", ErrInvalidAggregation}
	}
	return nil
}

// typed reports whether an entry is a value of the type.
func (a *aggregation) typed(e *entry) bool {
	switch k := e.kind(); {
	case k == word:
		return false
	case !a.custom:
		return true
	case a.typ == String:
		return k == text
	case a.typ == Number:
		_, ok := e.asNumber()
		return ok
	case a.typ == Boolean:
		return k == boolean || k == text && (compareFold(e.text, "true") == 0 || compareFold(e.text, "false") == 0)
	}
	return true
}

// number returns a value as a number; those of booleans are 0 and 1.
func (a *aggregation) number(e *entry) (float64, bool) {
	if a.typ == String {
		return 0, false
	}
	if e.kind() == boolean || a.typ == Boolean {
		if compareFold(e.text, "true") == 0 {
			return 1, true
		}
		return 0, true
	}
	return e.asNumber()
}

// each yields the values and how many of the documents found have them.
func (a *aggregation) each(yield func(e *entry, n int)) {
	for _, n := range a.x.named[a.name] {
		a.eachIn(n, a.x.field(n), yield)
	}
}

func (a *aggregation) eachIn(own uint32, f *field, yield func(e *entry, n int)) {
	if a.found.few != nil {
		counts := make(map[uint32]int)
		for _, doc := range a.found.few {
			row := a.x.docs.at(doc)
			from, to := row.part(f.part)
			for _, id := range row.values[from:to] {
				if a.x.entries.at(id).field() == own {
					counts[id]++
				}
			}
		}
		for id, n := range counts {
			if e := a.x.entries.at(id); a.typed(e) {
				yield(e, n)
			}
		}
		return
	}
	for _, list := range []*sorted.List[uint32]{&f.texts, &f.numbers} {
		for id := range list.From(sorted.Place{}) {
			e := a.x.entries.at(id)
			if list == &f.numbers && e.kind() != number {
				continue
			}
			if n := a.countOf(e); n > 0 && a.typed(e) {
				yield(e, n)
			}
		}
	}
}

// mixed reports whether different entries may look alike: those of several parts, or
// numbers and texts.
func (a *aggregation) mixed() bool {
	return len(a.x.named[a.name]) > 1 || slices.ContainsFunc(a.x.named[a.name], func(number uint32) bool {
		f := a.x.field(number)
		return f.real > 0 && f.texts.Len() > 0
	})
}

// countOf returns how many of the documents found have a value.
func (a *aggregation) countOf(e *entry) int {
	if a.found.all {
		return e.count()
	}
	return e.countIn(a.found.many)
}

// count returns how many of the documents found have the field.
func (a *aggregation) count() (n int) {
	fields := a.x.named[a.name]
	if a.found.few != nil {
		for _, doc := range a.found.few {
			if slices.ContainsFunc(fields, func(number uint32) bool { return a.has(doc, number) }) {
				n++
			}
		}
		return n
	}
	if len(fields) == 1 && !a.custom {
		docs := &a.x.field(fields[0]).docs
		if a.found.all {
			return docs.n
		}
		return docs.countIn(a.found.many)
	}
	a.x.borrow(func(b bitmap) {
		for _, number := range fields {
			f := a.x.field(number)
			if !a.custom {
				f.docs.fill(b)
				continue
			}
			for _, list := range []*sorted.List[uint32]{&f.texts, &f.numbers} {
				for id := range list.From(sorted.Place{}) {
					if e := a.x.entries.at(id); a.typed(e) {
						e.fill(b)
					}
				}
			}
		}
		if !a.found.all {
			b.and(a.found.many)
		}
		n = b.count()
	})
	return n
}

// has reports whether a document has a value of a field.
func (a *aggregation) has(doc, number uint32) bool {
	row := a.x.docs.at(doc)
	from, to := row.part(a.x.field(number).part)
	return slices.ContainsFunc(row.values[from:to], func(id uint32) bool {
		e := a.x.entries.at(id)
		return e.field() == number && a.typed(e)
	})
}

// Statistics of field ("" = registry.version, or version) in the documents that match.
// True counts as 1, false as 0. Errors are those of [Schema.Check], or wrap
// [ErrInvalidAggregation].
func (x *Index) Statistics(q *Query, field string) (s Statistics, err error) {
	err = x.aggregate(q, field, func(a *aggregation) error {
		s.Count = a.count()
		var n, squares float64 // squares of the distances to the mean
		a.each(func(e *entry, docs int) {
			v, ok := a.number(e)
			if !ok {
				return
			}
			if n == 0 {
				s.Minimum, s.Maximum = v, v
			}
			k := float64(docs)
			n += k
			s.Sum += k * v
			s.SumOfSquares += k * v * v
			s.Minimum, s.Maximum = min(s.Minimum, v), max(s.Maximum, v)
		})
		// Another pass, which is exact where the values are, in whatever order they come.
		mean := s.Sum / n
		a.each(func(e *entry, docs int) {
			if v, ok := a.number(e); ok {
				squares += float64(docs) * (v - mean) * (v - mean)
			}
		})
		if n == 0 || math.IsInf(s.Sum, 0) || math.IsInf(s.SumOfSquares, 0) || math.IsInf(squares, 0) {
			s = Statistics{Count: s.Count} // also if they are too large for a number
			return nil
		}
		s.Numeric = true
		s.Average = mean
		s.Variance = squares / n
		s.StdDeviation = math.Sqrt(s.Variance)
		return nil
	})
	return s, err
}

// Percentile is one percentile.
type Percentile struct{ Percent, Value float64 }

// Percentiles of a number field in the documents that match, one for each of percents
// (default 1, 5, 25, 50, 75, 95, 99), none if there are no values. Between two values it
// is the line that joins them.
func (x *Index) Percentiles(q *Query, field string, percents ...float64) (out []Percentile, err error) {
	if len(percents) == 0 {
		percents = []float64{1, 5, 25, 50, 75, 95, 99}
	}
	for _, p := range percents {
		if !(p >= 0 && p <= 100) {
			return nil, &FieldError{field, "percents are from 0 to 100", ErrInvalidAggregation}
		}
	}
	err = x.aggregate(q, field, func(a *aggregation) error {
		if a.typ != Number && a.typ != "" {
			return &FieldError{field, "its type is " + string(a.typ) + ", expected Number", ErrInvalidAggregation}
		}
		var list []counted
		total, other := 0, false
		a.each(func(e *entry, n int) {
			if v, ok := e.asNumber(); ok {
				list = append(list, counted{v, n})
				total += n
			} else {
				other = true
			}
		})
		if total == 0 && other {
			return &FieldError{field, "it has no numbers", ErrInvalidAggregation}
		}
		if total > 0 {
			out = percentiles(list, total, percents)
		}
		return nil
	})
	return out, err
}

type counted struct {
	value float64
	n     int
}

// percentiles takes values in any order; total is how many there are.
func percentiles(list []counted, total int, percents []float64) []Percentile {
	slices.SortFunc(list, func(a, b counted) int { return cmp.Compare(a.value, b.value) })
	ends := make([]int, len(list)) // how many values there are up to each
	n := 0
	for i, c := range list {
		n += c.n
		ends[i] = n
	}
	value := func(at int) float64 {
		i, _ := slices.BinarySearch(ends, at+1)
		return list[i].value
	}
	out := make([]Percentile, len(percents))
	for i, p := range percents {
		at := p / 100 * float64(total-1)
		low := int(at)
		v := value(low)
		if low+1 < total {
			v += (at - float64(low)) * (value(low+1) - v)
		}
		out[i] = Percentile{p, v}
	}
	return out
}

// Cardinality returns how many different values field has in the documents that match.
// Texts that differ in case only are one.
func (x *Index) Cardinality(q *Query, field string) (n int, err error) {
	err = x.aggregate(q, field, func(a *aggregation) error {
		if a.found.few != nil || a.mixed() {
			seen := make(map[string]bool)
			a.each(func(e *entry, _ int) { seen[fold(e.shown())] = true })
			n = len(seen)
			return nil
		}
		var last *entry // they come in order
		a.each(func(e *entry, _ int) {
			if last == nil || e.kind() == number || compareFold(last.text, e.text) != 0 {
				n++
			}
			last = e
		})
		return nil
	})
	return n, err
}

// Bucket is one value and how many of the matching documents have it.
type Bucket struct {
	Key   string
	Count int
}

// Buckets is the answer of [Index.Buckets].
type Buckets struct {
	Total   int // documents that match
	Buckets []Bucket
}

// mostBuckets bounds an answer; defaultBuckets is what is given unasked.
const (
	mostBuckets    = 10_000
	defaultBuckets = 10
)

// Buckets returns the n (1 to 10,000, 0 = 10) most frequent values of field, most
// frequent first.
func (x *Index) Buckets(q *Query, field string, n int) (b Buckets, err error) {
	switch {
	case n == 0:
		n = defaultBuckets
	case n < 0 || n > mostBuckets:
		return b, &FieldError{field, "expected 1 to 10000 buckets", ErrInvalidAggregation}
	}
	err = x.aggregate(q, field, func(a *aggregation) error {
		b.Total = a.found.n
		if a.mixed() {
			counts := make(map[string]int)
			a.each(func(e *entry, docs int) { counts[e.shown()] += docs })
			for key, docs := range counts {
				b.Buckets = append(b.Buckets, Bucket{key, docs})
			}
			b.Buckets = mostFrequent(b.Buckets, n)
			return nil
		}
		least := 0 // buckets with fewer need not be looked at
		a.each(func(e *entry, docs int) {
			if docs < least {
				return
			}
			if b.Buckets = append(b.Buckets, Bucket{e.shown(), docs}); len(b.Buckets) >= 2*n+fewDocs {
				b.Buckets = mostFrequent(b.Buckets, n)
				least = b.Buckets[n-1].Count
			}
		})
		b.Buckets = mostFrequent(b.Buckets, n)
		return nil
	})
	return b, err
}

// mostFrequent sorts buckets and returns the first n.
func mostFrequent(list []Bucket, n int) []Bucket {
	slices.SortFunc(list, func(p, q Bucket) int {
		return cmp.Or(cmp.Compare(q.Count, p.Count), cmp.Compare(p.Key, q.Key))
	})
	return list[:min(n, len(list))]
}

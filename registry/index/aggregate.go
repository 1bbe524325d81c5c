package index

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Statistics of a field.
type Statistics struct {
	Count   int  // documents that match and have the field
	Numeric bool // whether the rest is set: false for texts, and if nothing matches
	Average, Sum, Minimum, Maximum,
	SumOfSquares, Variance, StdDeviation float64
}

// aggregable says whether a field can be aggregated: a managed or custom one, or any
// that can be searched for.
func (x *Index) aggregable(field string) (string, error) {
	if field == "" {
		field = "registry.version"
		if x.schema.Kind == ThingGroups {
			field = "version"
		}
	}
	known := func(list []Field) bool {
		return slices.ContainsFunc(list, func(f Field) bool { return f.Name == field })
	}
	if known(x.schema.ManagedFields()) || known(x.schema.CustomFields) {
		return field, nil
	}
	if why := x.schema.refusal(field); why != "" {
		return "", &FieldError{field, why, ErrInvalidAggregation}
	}
	if strings.HasPrefix(field, "attributes.") {
		return field, nil
	}
	return "", &FieldError{field, "it is neither a managed nor a custom field", ErrInvalidAggregation}
}

// values calls yield for each matching document that has the field.
func (x *Index) values(q *Query, field string, yield func(values []value)) error {
	field, err := x.aggregable(field)
	if err != nil {
		return err
	}
	return x.matching(q, func(_ string, d *Document) {
		var own []value
		for _, v := range d.values {
			if v.field == field {
				own = append(own, v)
			}
		}
		if len(own) > 0 {
			yield(own)
		}
	})
}

// Statistics of field ("" = registry.version, or version) in the documents that match.
// Errors are those of [Schema.Check], or wrap [ErrInvalidAggregation].
func (x *Index) Statistics(q *Query, field string) (s Statistics, err error) {
	var n float64
	err = x.values(q, field, func(values []value) {
		s.Count++
		for _, v := range values {
			if v.kind != number {
				continue
			}
			if n == 0 {
				s.Minimum, s.Maximum = v.number, v.number
			}
			n++
			s.Sum += v.number
			s.SumOfSquares += v.number * v.number
			s.Minimum, s.Maximum = min(s.Minimum, v.number), max(s.Maximum, v.number)
		}
	})
	if err != nil || n == 0 {
		return s, err
	}
	s.Numeric = true
	s.Average = s.Sum / n
	s.Variance = max(0, s.SumOfSquares/n-s.Average*s.Average)
	s.StdDeviation = math.Sqrt(s.Variance)
	return s, nil
}

// Percentile is one percentile.
type Percentile struct{ Percent, Value float64 }

// Percentiles of a number field in the documents that match, one for each of percents
// (default 1, 5, 25, 50, 75, 95, 99), none if there are no values. Between two values it
// is the line that joins them.
func (x *Index) Percentiles(q *Query, field string, percents ...float64) ([]Percentile, error) {
	if len(percents) == 0 {
		percents = []float64{1, 5, 25, 50, 75, 95, 99}
	}
	for _, p := range percents {
		if !(p >= 0 && p <= 100) {
			return nil, &FieldError{field, "percents are from 0 to 100", ErrInvalidAggregation}
		}
	}
	var list []float64
	texts := false
	err := x.values(q, field, func(values []value) {
		for _, v := range values {
			if v.kind == number {
				list = append(list, v.number)
			} else {
				texts = true
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		if texts {
			return nil, &FieldError{field, "it has no numbers", ErrInvalidAggregation}
		}
		return nil, nil
	}
	slices.Sort(list)
	out := make([]Percentile, len(percents))
	for i, p := range percents {
		at := p / 100 * float64(len(list)-1)
		low := int(at)
		v := list[low]
		if low+1 < len(list) {
			v += (at - float64(low)) * (list[low+1] - v)
		}
		out[i] = Percentile{p, v}
	}
	return out, nil
}

// Cardinality returns how many different values field has in the documents that match.
func (x *Index) Cardinality(q *Query, field string) (int, error) {
	different := map[string]struct{}{}
	err := x.values(q, field, func(values []value) {
		for _, v := range values {
			different[v.text] = struct{}{}
		}
	})
	return len(different), err
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

// Buckets returns the n (1 to 10,000, 0 = 10) most frequent values of field, most frequent first.
func (x *Index) Buckets(q *Query, field string, n int) (b Buckets, err error) {
	switch {
	case n == 0:
		n = defaultBuckets
	case n < 0 || n > mostBuckets:
		return b, &FieldError{field, "expected 1 to 10000 buckets", ErrInvalidAggregation}
	}
	counts := map[string]int{}
	err = x.values(q, field, func(values []value) {
		seen := map[string]bool{}
		for _, v := range values {
			if !seen[v.shown] {
				seen[v.shown] = true
				counts[v.shown]++
			}
		}
	})
	if err != nil {
		return b, err
	}
	if b.Total, err = x.Count(q); err != nil {
		return b, err
	}
	for k, c := range counts {
		b.Buckets = append(b.Buckets, Bucket{k, c})
	}
	slices.SortFunc(b.Buckets, func(p, q Bucket) int {
		return cmp.Or(cmp.Compare(q.Count, p.Count), cmp.Compare(p.Key, q.Key))
	})
	b.Buckets = b.Buckets[:min(n, len(b.Buckets))]
	return b, nil
}

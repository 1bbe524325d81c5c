package registry

import (
	"context"
	"strconv"

	"github.com/thinghub/thinghub/registry/index"
)

// What aggregations return.
type (
	// Statistics of the values of a field. If Numeric is false, it has no numbers
	// and only Count counts.
	Statistics = index.Statistics
	// A Percentile is the value below which a part of the values is.
	Percentile = index.Percentile
	// A Bucket is a value and how many have it.
	Bucket = index.Bucket
	// Buckets are the values of a field, the most frequent first, and how many
	// documents match in all.
	Buckets = index.Buckets
)

// GetStatistics returns count, sum, average and the like of a field of what matches a
// query. The field must be managed, or a custom one; empty is "registry.version" (of
// groups "version").
//
// Errors: ErrInvalid, ErrInvalidQuery, ErrInvalidAggregation, ErrNotFound (the index
// is off), ErrIndexNotReady. So it is for the next three.
func (s *Service) GetStatistics(_ context.Context, q Search, field string) (Statistics, error) {
	x, query, err := s.openSearch(&q)
	if err != nil {
		return Statistics{}, err
	}
	r, err := x.Statistics(query, field)
	if err != nil {
		return Statistics{}, indexError(err)
	}
	return r, nil
}

// GetPercentiles returns percentiles of a field of numbers, one for each of percents,
// which are from 0 to 100; none stands for 1, 5, 25, 50, 75, 95 and 99.
func (s *Service) GetPercentiles(_ context.Context, q Search, field string, percents []float64) ([]Percentile, error) {
	for _, p := range percents {
		if !(p >= 0 && p <= 100) {
			return nil, invalid("percents.member", strconv.FormatFloat(p, 'g', -1, 64), "Member must have value between 0 and 100")
		}
	}
	x, query, err := s.openSearch(&q)
	if err != nil {
		return nil, err
	}
	r, err := x.Percentiles(query, field, percents...)
	if err != nil {
		return nil, indexError(err)
	}
	return append([]Percentile{}, r...), nil
}

// GetCardinality returns how many different values a field has.
func (s *Service) GetCardinality(_ context.Context, q Search, field string) (int, error) {
	x, query, err := s.openSearch(&q)
	if err != nil {
		return 0, err
	}
	n, err := x.Cardinality(query, field)
	if err != nil {
		return 0, indexError(err)
	}
	return n, nil
}

// GetBucketsAggregation returns the most frequent values of a field, maxBuckets of
// them: 1 to 10,000, or 0 for 10. The field must not be empty.
func (s *Service) GetBucketsAggregation(_ context.Context, q Search, field string, maxBuckets int) (Buckets, error) {
	if field == "" {
		return Buckets{}, invalid("aggregationField", field, "Member must have length greater than or equal to 1")
	}
	if maxBuckets < 0 || maxBuckets > 10000 {
		return Buckets{}, invalid("bucketsAggregationType.termsAggregation.maxBuckets", strconv.Itoa(maxBuckets), "Member must have value between 1 and 10000")
	}
	x, query, err := s.openSearch(&q)
	if err != nil {
		return Buckets{}, err
	}
	r, err := x.Buckets(query, field, maxBuckets)
	if err != nil {
		return Buckets{}, indexError(err)
	}
	r.Buckets = append([]Bucket{}, r.Buckets...)
	return r, nil
}

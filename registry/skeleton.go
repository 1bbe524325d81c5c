package registry

import (
	"context"
	"errors"
)

var errSkeleton = errors.New("registry: not written yet")

func (s *Service) UpdateIndexingConfiguration(ctx context.Context, c IndexingConfiguration) error {
	return errSkeleton
}

type IndexInfo struct{ Name, Status, Schema string }

func (s *Service) DescribeIndex(ctx context.Context, name string) (IndexInfo, error) {
	return IndexInfo{}, errSkeleton
}
func (s *Service) ListIndices(ctx context.Context, p Page) ([]string, string, error) {
	return nil, "", errSkeleton
}

// Search is a query of an  Index and Version: empty = AWS_Things, 2017-09-30.
type Search struct{ Index, Query, Version string }

type FoundThing struct {
	Name, ID, Type string
	Groups         []string
	Attributes     map[string]string
	Shadow         string        // JSON, or ""
	Connectivity   *Connectivity // nil: not indexed
}
type FoundGroup struct {
	Name, ID, Description string
	Attributes            map[string]string
	Parents               []string // root first
}
type SearchResult struct {
	Things []FoundThing // AWS_Things
	Groups []FoundGroup // AWS_ThingGroups
}

func (s *Service) SearchIndex(ctx context.Context, q Search, p Page) (SearchResult, string, error) {
	return SearchResult{}, "", errSkeleton
}

// Field: empty = registry.version (statistics, percentiles, cardinality).
func (s *Service) GetStatistics(ctx context.Context, q Search, field string) (Statistics, error) {
	return Statistics{}, errSkeleton
}
func (s *Service) GetPercentiles(ctx context.Context, q Search, field string, percents []float64) ([]Percentile, error) {
	return nil, errSkeleton
}
func (s *Service) GetCardinality(ctx context.Context, q Search, field string) (int, error) {
	return 0, errSkeleton
}
func (s *Service) GetBucketsAggregation(ctx context.Context, q Search, field string, maxBuckets int) (Buckets, error) {
	return Buckets{}, errSkeleton
}

// Statistics of a field. Numeric false (a field of texts): Count only.
type Statistics struct {
	Count                                                                int
	Numeric                                                              bool
	Average, Sum, Minimum, Maximum, SumOfSquares, Variance, StdDeviation float64
}
type Percentile struct{ Percent, Value float64 }
type Bucket struct {
	Key   string
	Count int
}

// Buckets: the most frequent first; Total counts the documents that match the query.
type Buckets struct {
	Total   int
	Buckets []Bucket
}

// ConnectivityChanged and ShadowChanged are how the host feeds the
func (s *Service) ShadowChanged(thing, shadow string, document []byte) {}

// ConnectivityChanged and ShadowChanged are how the host feeds the index.

// Inputs of dynamic groups.
type CreateDynamicGroupInput struct {
	Name                       string
	Index, Query, QueryVersion string // Index and QueryVersion: empty = default
	GroupProperties
	Tags map[string]string
}
type UpdateDynamicGroupInput struct {
	Name                       string
	Index, Query, QueryVersion string // empty: as it is
	GroupProperties
	ExpectedVersion *int64
}

func (s *Service) CreateDynamicThingGroup(ctx context.Context, in CreateDynamicGroupInput) (Group, error) {
	return Group{}, errSkeleton
}
func (s *Service) UpdateDynamicThingGroup(ctx context.Context, in UpdateDynamicGroupInput) (version int64, err error) {
	return 0, errSkeleton
}
func (s *Service) DeleteDynamicThingGroup(ctx context.Context, name string, expectedVersion *int64) error {
	return errSkeleton
}

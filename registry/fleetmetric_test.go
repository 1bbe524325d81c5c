package registry_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// metric is a metric that counts things.
func metric(name string) registry.FleetMetric {
	return registry.FleetMetric{
		Name: name, Query: "*", Field: "registry.version", Aggregation: registry.MetricStatistics, Values: []string{"count"}, Period: time.Minute,
	}
}

// indexedThings returns a service that indexes things.
func indexedThings(t *testing.T, change ...func(*registry.Config)) *registry.Service {
	t.Helper()
	s := newService(t, change...)
	index(t, s, registry.IndexRegistry)
	return s
}

func index(t *testing.T, s *registry.Service, mode string) {
	t.Helper()
	require.NoError(t, s.UpdateIndexingConfiguration(t.Context(), registry.IndexingConfiguration{Things: &registry.ThingIndexing{
		Mode: mode, CustomFields: []registry.Field{{Name: "attributes.n", Type: "Number"}},
	}}))
}

func TestFleetMetric(t *testing.T) {
	t.Parallel()
	s := indexedThings(t)
	ctx := t.Context()
	made, err := s.CreateFleetMetric(ctx, metric("m.1_a-b"), map[string]string{"k": "v"})
	require.NoError(t, err)
	require.EqualValues(t, 1, made.Version)
	require.Equal(t, registry.IndexThings, made.Index)
	require.Equal(t, registry.QueryVersion, made.QueryVersion)
	require.Equal(t, made.Created, made.Modified)
	got, err := s.DescribeFleetMetric(ctx, "m.1_a-b")
	require.NoError(t, err)
	require.Equal(t, made, got)
	tags, _, err := s.ListTagsForResource(ctx, arnPrefix+"fleetmetric/m.1_a-b", registry.Page{})
	require.NoError(t, err)
	require.Equal(t, []registry.Tag{{Key: "k", Value: "v"}}, tags)
	require.Equal(t, arnPrefix+"fleetmetric/m.1_a-b", s.FleetMetricARN("m.1_a-b"))

	again, err := s.CreateFleetMetric(ctx, metric("m.1_a-b"), nil)
	require.NoError(t, err, "the same once more")
	require.Equal(t, made, again)
	other := metric("m.1_a-b")
	other.Unit = "Count"
	_, err = s.CreateFleetMetric(ctx, other, nil)
	e := as(t, err, registry.ErrExists, "already exists with different properties")
	require.Equal(t, arnPrefix+"fleetmetric/m.1_a-b", e.ResourceARN)

	_, err = s.UpdateFleetMetric(ctx, registry.UpdateFleetMetricInput{Name: "m.1_a-b", ExpectedVersion: ptr(int64(7))})
	is(t, err, registry.ErrVersion, "expected 7, it is 1")
	updated, err := s.UpdateFleetMetric(ctx, registry.UpdateFleetMetricInput{
		Name: "m.1_a-b", ExpectedVersion: ptr(int64(1)), Description: ptr("d"), Query: "thingName:a*", Field: "attributes.n",
		Aggregation: registry.MetricPercentiles, Period: time.Hour, Unit: "Percent",
	})
	require.NoError(t, err)
	want := registry.FleetMetric{
		Name: "m.1_a-b", Description: "d", Index: registry.IndexThings, Query: "thingName:a*", QueryVersion: registry.QueryVersion, Field: "attributes.n",
		Aggregation: registry.MetricPercentiles, Period: time.Hour, Unit: "Percent", Created: made.Created, Modified: updated.Modified, Version: 2,
	}
	require.Equal(t, want, updated)
	_, err = s.UpdateFleetMetric(ctx, registry.UpdateFleetMetricInput{Name: "none"})
	is(t, err, registry.ErrNotFound, "Fleet metric none cannot be found")

	require.ErrorIs(t, s.DeleteFleetMetric(ctx, "m.1_a-b", ptr(int64(1))), registry.ErrVersion)
	require.NoError(t, s.DeleteFleetMetric(ctx, "m.1_a-b", ptr(int64(2))))
	require.NoError(t, s.DeleteFleetMetric(ctx, "m.1_a-b", nil), "there is none any more")
	_, err = s.DescribeFleetMetric(ctx, "m.1_a-b")
	is(t, err, registry.ErrNotFound, "cannot be found")
	_, err = s.CreateFleetMetric(ctx, metric("m.1_a-b"), nil)
	require.NoError(t, err)
	tags, _, err = s.ListTagsForResource(ctx, arnPrefix+"fleetmetric/m.1_a-b", registry.Page{})
	require.NoError(t, err)
	require.Empty(t, tags, "a new one has not the tags of the old one")
}

func TestFleetMetricForms(t *testing.T) {
	t.Parallel()
	s := indexedThings(t)
	for want, c := range map[string]struct {
		kind   error
		change func(*registry.FleetMetric)
	}{
		"'metricName'": {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Name = "a b" }},
		"at 'metricName' failed to satisfy constraint: Member must have length greater": {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Name = "" }},
		"at 'metricName' failed to satisfy constraint: Member must have length less":    {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Name = strings.Repeat("a", 129) }},
		"'description'":      {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Description = strings.Repeat("a", 1025) }},
		"'queryString'":      {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Query = "" }},
		"'queryVersion'":     {registry.ErrInvalid, func(m *registry.FleetMetric) { m.QueryVersion = "1" }},
		"'aggregationField'": {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Field = "" }},
		"'aggregationType.name' failed to satisfy constraint: Member must satisfy enum value set: [Statistics, Percentiles, Cardinality]": {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Aggregation = "Sum" }},
		"Value '61' at 'period'":          {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Period = 61 * time.Second }},
		"Value '0' at 'period'":           {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Period = 0 }},
		"Value '86460' at 'period'":       {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Period = 24*time.Hour + time.Minute }},
		"'unit'":                          {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Unit = "Parsecs" }},
		"'aggregationType.values.member'": {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Values = []string{"a.b"} }},
		"must not name a value twice":     {registry.ErrInvalid, func(m *registry.FleetMetric) { m.Values = []string{"sum", "sum"} }},
		`no value "p50"`:                  {registry.ErrInvalidAggregation, func(m *registry.FleetMetric) { m.Values = []string{"p50"} }},
		`no value "101"`: {registry.ErrInvalidAggregation, func(m *registry.FleetMetric) {
			m.Aggregation, m.Values = registry.MetricPercentiles, []string{"101"}
		}},
		`"nonsense"`:                           {registry.ErrInvalidAggregation, func(m *registry.FleetMetric) { m.Field = "nonsense" }},
		"invalid query":                        {registry.ErrInvalidQuery, func(m *registry.FleetMetric) { m.Query = "AND" }},
		"Index AWS_ThingGroups does not exist": {registry.ErrNotFound, func(m *registry.FleetMetric) { m.Index = registry.IndexGroups }},
	} {
		m := metric("m")
		c.change(&m)
		_, err := s.CreateFleetMetric(t.Context(), m, nil)
		is(t, err, c.kind, want)
	}
	_, err := s.CreateFleetMetric(t.Context(), metric("m"), map[string]string{"aws:x": ""})
	is(t, err, registry.ErrInvalid, "aws:")
	names, _, err := s.ListFleetMetrics(t.Context(), registry.Page{})
	require.NoError(t, err)
	require.Empty(t, names, "nothing of what was refused is there")
	_, err = newService(t).CreateFleetMetric(t.Context(), metric("m"), nil)
	is(t, err, registry.ErrNotFound, "indexing is off")
}

func TestListFleetMetrics(t *testing.T) {
	t.Parallel()
	s := indexedThings(t, func(c *registry.Config) { c.Limits.FleetMetrics = 5 })
	for _, name := range []string{"e", "c", "a", "d", "b"} {
		_, err := s.CreateFleetMetric(t.Context(), metric(name), nil)
		require.NoError(t, err)
	}
	_, err := s.CreateFleetMetric(t.Context(), metric("f"), nil)
	is(t, err, registry.ErrLimitExceeded, "There would be 6 fleet metrics, at most 5 are allowed")
	var all []string
	p := registry.Page{Max: 2}
	for {
		names, next, err := s.ListFleetMetrics(t.Context(), p)
		require.NoError(t, err)
		all = append(all, names...)
		if p.Token = next; next == "" {
			break
		}
	}
	require.Equal(t, []string{"a", "b", "c", "d", "e"}, all)
}

func TestFleetMetricValues(t *testing.T) {
	t.Parallel()
	s := indexedThings(t)
	create(t, s, "a", "b", "c", "d")
	for i, name := range []string{"a", "b", "c", "d"} { // with the versions 1 to 4
		for range i {
			_, err := s.UpdateThing(t.Context(), registry.UpdateThingInput{Name: name})
			require.NoError(t, err)
		}
	}
	values := func(aggregation, query, field string, wanted ...string) map[string]float64 {
		m := metric("m")
		m.Aggregation, m.Query, m.Field, m.Values = aggregation, query, field, wanted
		_, err := s.CreateFleetMetric(t.Context(), m, nil)
		require.NoError(t, err)
		list, err := s.FleetMetricValues(t.Context(), "m")
		require.NoError(t, err)
		require.NoError(t, s.DeleteFleetMetric(t.Context(), "m", nil))
		got := map[string]float64{}
		for _, v := range list {
			got[v.Name] = v.Value
		}
		return got
	}
	const version, late = "registry.version", "thingName:[c TO d]"
	require.InDeltaMapValues(t, map[string]float64{"count": 4, "average": 2.5, "sum": 10, "minimum": 1, "maximum": 4, "sumOfSquares": 30, "variance": 1.25, "stdDeviation": 1.118033988749895},
		values(registry.MetricStatistics, "*", version), 1e-9)
	require.Equal(t, map[string]float64{"sum": 7, "Count": 2}, values(registry.MetricStatistics, late, version, "sum", "Count"), "under the names they were asked for")
	require.Equal(t, map[string]float64{"count": 0}, values(registry.MetricStatistics, "thingName:none", version, "count", "sum"), "there is no sum of nothing")
	require.Equal(t, map[string]float64{"0": 1, "p50": 2.5, "P100": 4}, values(registry.MetricPercentiles, "*", version, "0", "p50", "P100"))
	require.Len(t, values(registry.MetricPercentiles, "*", version), 7)
	require.Empty(t, values(registry.MetricPercentiles, "thingName:none", version))
	require.Equal(t, map[string]float64{"Cardinality": 2}, values(registry.MetricCardinality, late, "thingName", "Cardinality"))
	require.Equal(t, map[string]float64{"cardinality": 4}, values(registry.MetricCardinality, "*", "thingName"))
	_, err := s.FleetMetricValues(t.Context(), "none")
	is(t, err, registry.ErrNotFound, "Fleet metric none")
}

// samples collects what a sink gets.
type samples struct {
	mu   sync.Mutex
	list []registry.MetricSample
	err  error
}

func (s *samples) FleetMetric(_ context.Context, sample registry.MetricSample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, sample)
	return s.err
}

func (s *samples) take() []registry.MetricSample {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

// running runs the work by the clock of a service with a sink, in a bubble.
func running(t *testing.T, sink registry.MetricSink, log *slog.Logger) *registry.Service {
	t.Helper()
	s := indexedThings(t, func(c *registry.Config) { c.Metrics, c.Logger = sink, log })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return s
}

func TestRun_EmitsFleetMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := &samples{}
		time.Sleep(17 * time.Second)
		s := running(t, sink, nil)
		create(t, s, "a", "b")
		_, err := s.CreateFleetMetric(t.Context(), metric("minutely"), nil)
		require.NoError(t, err)
		hourly := metric("hourly")
		hourly.Period, hourly.Unit = time.Hour, "Count"
		_, err = s.CreateFleetMetric(t.Context(), hourly, nil)
		require.NoError(t, err)
		begin := time.Now().Truncate(time.Hour).UTC()

		time.Sleep(43*time.Second - time.Nanosecond)
		require.Empty(t, sink.take())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, []registry.MetricSample{{
			Name: "minutely", Time: begin.Add(time.Minute), Period: time.Minute, Values: []registry.MetricValue{{Name: "count", Value: 2}},
		}}, sink.take())
		create(t, s, "c")
		time.Sleep(58 * time.Minute)
		synctest.Wait()
		require.Len(t, sink.take(), 58)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []registry.MetricSample{
			{Name: "hourly", Unit: "Count", Time: begin.Add(time.Hour), Period: time.Hour, Values: []registry.MetricValue{{Name: "count", Value: 3}}},
			{Name: "minutely", Time: begin.Add(time.Hour), Period: time.Minute, Values: []registry.MetricValue{{Name: "count", Value: 3}}},
		}, sink.take())
		require.NoError(t, s.DeleteFleetMetric(t.Context(), "minutely", nil))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, sink.take(), 1)
	})
}

// A sink that takes its time gets the next period that ends when it is done.
func TestRun_SlowSink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		begin := time.Now()
		s := running(t, registry.MetricFunc(func(_ context.Context, m registry.MetricSample) error {
			times = append(times, m.Time.Sub(begin))
			time.Sleep(150 * time.Second)
			return nil
		}), nil)
		_, err := s.CreateFleetMetric(t.Context(), metric("m"), nil)
		require.NoError(t, err)
		time.Sleep(8*time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Minute, 3 * time.Minute, 6 * time.Minute}, times)
	})
}

// What fails is told once, and the rest goes on.
func TestRun_Failures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		sink := &samples{err: errors.New("no network")}
		s := running(t, sink, slog.New(slog.NewTextHandler(&log, nil)))
		for _, name := range []string{"a", "b"} {
			_, err := s.CreateFleetMetric(t.Context(), metric(name), nil)
			require.NoError(t, err)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Len(t, sink.take(), 10)
		require.Equal(t, 2, strings.Count(log.String(), "no network"))

		sink.err = nil
		index(t, s, registry.IndexOff)
		log.Reset()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Empty(t, sink.take())
		require.Empty(t, log.String(), "it failed before")
		index(t, s, registry.IndexRegistry)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, sink.take(), 2)
		index(t, s, registry.IndexOff)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, 2, strings.Count(log.String(), "indexing is off"))
		require.Len(t, strings.Split(log.String(), "\n"), 3)
	})
}

func TestRun_WithoutSink(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, newService(t).Run(ctx))
}

package registry

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// What a fleet metric computes of its field.
const (
	// MetricStatistics has the values "count", "average", "sum", "minimum", "maximum",
	// "sumOfSquares", "variance" and "stdDeviation".
	MetricStatistics = "Statistics"
	// MetricPercentiles has whole percentiles as values: "50" or "p50".
	MetricPercentiles = "Percentiles"
	// MetricCardinality has the one value "cardinality": how many different ones the
	// field has.
	MetricCardinality = "Cardinality"
)

// metricUnits are the units of CloudWatch.
var metricUnits = []string{
	"Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits",
	"Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second",
	"Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second", "Count/Second", "None",
}

// A FleetMetric computes something of the fleet index at each full period.
type FleetMetric struct {
	// Name is 1 to 128 letters, digits, "_", "-" and ".".
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Index, Query and QueryVersion say what it is computed of, as in a [Search].
	Index        string `json:"index"`
	Query        string `json:"query"`
	QueryVersion string `json:"queryVersion"`
	// Field is the field of which something is computed: one that can be aggregated.
	Field string `json:"field"`
	// Aggregation is MetricStatistics, MetricPercentiles or MetricCardinality, and
	// Values those of its values that are wanted; none stands for all of them (of
	// the percentiles 1, 5, 25, 50, 75, 95 and 99).
	Aggregation string   `json:"aggregation"`
	Values      []string `json:"values,omitempty"`
	// Period is one minute to one day, in full minutes.
	Period time.Duration `json:"period"`
	// Unit is one of CloudWatch's, or empty. It is passed on.
	Unit     string    `json:"unit,omitempty"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
	// Version starts at 1 and grows by 1 with every update.
	Version int64 `json:"version"`
}

// Revision returns the version; see [Versioned].
func (m FleetMetric) Revision() int64 { return m.Version }

func (m FleetMetric) clone() FleetMetric {
	m.Values = slices.Clone(m.Values)
	return m
}

// FleetMetricARN returns the resource name of a fleet metric, whether there is one or
// not.
func (s *Service) FleetMetricARN(name string) string { return s.cfg.Scope.IoT("fleetmetric/" + name) }

// fill fills in what may be left out.
func (m *FleetMetric) fill() {
	if m.Index == "" {
		m.Index = IndexThings
	}
	if m.QueryVersion == "" {
		m.QueryVersion = QueryVersion
	}
	if len(m.Values) == 0 {
		m.Values = nil
	}
}

// check checks the form of a metric. The query and whether the field fits are for the
// index to say.
func (m *FleetMetric) check() error {
	if err := checkText("metricName", m.Name, 1, maxName, &metricChars, metricPattern); err != nil {
		return err
	}
	if err := checkPrintable("description", m.Description, maxMetricDescription); err != nil {
		return err
	}
	if err := checkName("indexName", m.Index); err != nil {
		return err
	}
	if err := checkQueryForm(m.Query, m.QueryVersion); err != nil {
		return err
	}
	if m.Field == "" {
		return invalid("aggregationField", m.Field, "Member must have length greater than or equal to 1")
	}
	if err := checkEnum("aggregationType.name", m.Aggregation, MetricStatistics, MetricPercentiles, MetricCardinality); err != nil {
		return err
	}
	if p := m.Period; p < time.Minute || p > 24*time.Hour || p%time.Minute != 0 {
		return invalid("period", strconv.FormatFloat(p.Seconds(), 'f', -1, 64), "Member must be a multiple of 60 between 60 and 86400")
	}
	if m.Unit != "" {
		if err := checkEnum("unit", m.Unit, metricUnits...); err != nil {
			return err
		}
	}
	return m.checkValues()
}

// checkValues checks that the aggregation has the values that are wanted.
func (m *FleetMetric) checkValues() error {
	seen := make(map[string]bool, len(m.Values))
	for _, v := range m.Values {
		if err := checkText("aggregationType.values.member", v, 1, 12, &metricValueChars, metricValuePattern); err != nil {
			return err
		}
		if seen[v] {
			return invalid("aggregationType.values", v, "Member must not name a value twice")
		}
		seen[v] = true
		if _, ok := m.valueOf(v); !ok {
			return &Error{Kind: ErrInvalidAggregation, Message: fmt.Sprintf("The aggregation %s has no value %q.", m.Aggregation, v)}
		}
	}
	return nil
}

// CreateFleetMetric creates a fleet metric. Created, Modified and Version of m are
// ignored; its empty fields have their defaults. If there is one that computes the
// same already, that one is returned, its tags untouched.
//
// Errors: ErrInvalid, ErrInvalidQuery, ErrInvalidAggregation, ErrExists, ErrNotFound
// (the index is off), ErrIndexNotReady, ErrLimitExceeded.
func (s *Service) CreateFleetMetric(ctx context.Context, m FleetMetric, tags map[string]string) (result FleetMetric, err error) {
	m.fill()
	if err := m.check(); err != nil {
		return FleetMetric{}, err
	}
	if err := s.CheckNewTags(tags); err != nil {
		return FleetMetric{}, err
	}
	m.Created, m.Version = now(), 1
	m.Modified = m.Created
	// That it can be computed is found out without a lock: it may take a while.
	if _, ok, err := lookup(ctx, s.store.FleetMetrics(), "fleet metric", m.Name); err != nil {
		return FleetMetric{}, err
	} else if !ok {
		if _, err := s.evaluate(ctx, m); err != nil {
			return FleetMetric{}, err
		}
	}
	defer s.locks.change()()
	err = again(func() error {
		old, ok, err := lookup(ctx, s.store.FleetMetrics(), "fleet metric", m.Name)
		if err != nil {
			return err
		}
		if ok {
			if !old.same(m) {
				return exists(m.Name, s.FleetMetricARN(m.Name), "Fleet metric %s already exists with different properties", m.Name)
			}
			result = old
			return nil
		}
		if err := s.checkFleetMetrics(ctx); err != nil {
			return err
		}
		if err := s.putNewTags(ctx, s.FleetMetricARN(m.Name), tags); err != nil {
			return err
		}
		result = m
		return put(ctx, s.store.FleetMetrics(), "fleet metric", m.Name, m, 0)
	})
	return result, err
}

// same reports whether two metrics are the same but for their times and versions.
func (m FleetMetric) same(o FleetMetric) bool {
	return m.Description == o.Description && m.Unit == o.Unit && m.Period == o.Period && m.computesAs(o)
}

func (m FleetMetric) computesAs(o FleetMetric) bool {
	return m.Index == o.Index && m.Query == o.Query && m.QueryVersion == o.QueryVersion && m.Field == o.Field &&
		m.Aggregation == o.Aggregation && slices.Equal(m.Values, o.Values)
}

// checkFleetMetrics checks that there may be one more.
func (s *Service) checkFleetMetrics(ctx context.Context) error {
	n := 1
	for _, err := range s.store.FleetMetrics().List(ctx, "") {
		if err != nil {
			return fmt.Errorf("registry: count fleet metrics: %w", err)
		}
		n++
	}
	if over(n, s.limits.FleetMetrics) {
		return overLimit("There would be %d fleet metrics, at most %d are allowed", n, s.limits.FleetMetrics)
	}
	return nil
}

// DescribeFleetMetric returns a fleet metric. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeFleetMetric(ctx context.Context, name string) (FleetMetric, error) {
	if err := checkText("metricName", name, 1, maxName, &metricChars, metricPattern); err != nil {
		return FleetMetric{}, err
	}
	return get(ctx, s.store.FleetMetrics(), "Fleet metric", name)
}

// UpdateFleetMetricInput says what to change of a fleet metric. Empty fields leave
// things as they are.
type UpdateFleetMetricInput struct {
	Name                       string
	Description                *string
	Index, Query, QueryVersion string
	Field                      string
	// Aggregation and Values are changed together: no Values stands for all.
	Aggregation string
	Values      []string
	Period      time.Duration
	Unit        string
	// ExpectedVersion is the version the metric must have; nil for any.
	ExpectedVersion *int64
}

// UpdateFleetMetric changes a fleet metric and returns it with its new version.
//
// Errors: ErrInvalid, ErrNotFound (the metric, or it is to compute something else and
// the index is off), ErrVersion, ErrInvalidQuery, ErrInvalidAggregation,
// ErrIndexNotReady.
func (s *Service) UpdateFleetMetric(ctx context.Context, in UpdateFleetMetricInput) (result FleetMetric, err error) {
	if err := checkText("metricName", in.Name, 1, maxName, &metricChars, metricPattern); err != nil {
		return FleetMetric{}, err
	}
	read := func() (old, m FleetMetric, err error) {
		old, err = get(ctx, s.store.FleetMetrics(), "Fleet metric", in.Name)
		if err == nil {
			err = checkVersion("fleet metric", in.Name, in.ExpectedVersion, old.Version)
		}
		if err == nil {
			m = in.apply(old)
			err = m.check()
		}
		return old, m, err
	}
	old, m, err := read()
	if err == nil && !m.computesAs(old) {
		_, err = s.evaluate(ctx, m) // without a lock
	}
	if err != nil {
		return FleetMetric{}, err
	}
	defer s.locks.change()()
	err = again(func() error {
		old, m, err := read()
		if err != nil {
			return err
		}
		m.Modified, m.Version = now(), old.Version+1
		result = m
		return put(ctx, s.store.FleetMetrics(), "fleet metric", m.Name, m, old.Version)
	})
	return result, err
}

func (in *UpdateFleetMetricInput) apply(m FleetMetric) FleetMetric {
	if in.Description != nil {
		m.Description = *in.Description
	}
	for _, f := range []struct {
		field *string
		value string
	}{
		{&m.Index, in.Index}, {&m.Query, in.Query}, {&m.QueryVersion, in.QueryVersion}, {&m.Field, in.Field}, {&m.Unit, in.Unit},
	} {
		if f.value != "" {
			*f.field = f.value
		}
	}
	if in.Aggregation != "" {
		m.Aggregation, m.Values = in.Aggregation, slices.Clone(in.Values)
	}
	if in.Period != 0 {
		m.Period = in.Period
	}
	m.fill()
	return m
}

// DeleteFleetMetric deletes a fleet metric. That there is none is no error.
// expectedVersion is the version the metric must have; nil for any.
//
// Errors: ErrInvalid, ErrVersion.
func (s *Service) DeleteFleetMetric(ctx context.Context, name string, expectedVersion *int64) error {
	if err := checkText("metricName", name, 1, maxName, &metricChars, metricPattern); err != nil {
		return err
	}
	defer s.locks.change()()
	return again(func() error {
		m, ok, err := lookup(ctx, s.store.FleetMetrics(), "fleet metric", name)
		if err != nil || !ok {
			return err
		}
		if err := checkVersion("fleet metric", name, expectedVersion, m.Version); err != nil {
			return err
		}
		if err := s.dropTags(ctx, s.FleetMetricARN(name)); err != nil {
			return err
		}
		return drop(ctx, s.store.FleetMetrics(), "fleet metric", name, m.Version)
	})
}

// ListFleetMetrics returns the names of the fleet metrics, sorted. Errors: ErrInvalid.
func (s *Service) ListFleetMetrics(ctx context.Context, p Page) (names []string, next string, err error) {
	const list = "fleet metrics"
	size, after, err := p.open(list, maxPage)
	if err != nil {
		return nil, "", err
	}
	name := func(m FleetMetric) string { return m.Name }
	names, next, err = take(s.store.FleetMetrics().List(ctx, after), list, size, name, func(m FleetMetric) (string, bool) { return m.Name, true })
	if err != nil {
		return nil, "", fmt.Errorf("registry: list fleet metrics: %w", err)
	}
	return names, next, nil
}

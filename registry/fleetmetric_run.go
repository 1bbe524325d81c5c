package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A MetricSink takes the values of fleet metrics as they come due. It is called by one
// goroutine at a time, which waits for it.
type MetricSink interface {
	FleetMetric(ctx context.Context, s MetricSample) error
}

// MetricFunc makes a function a [MetricSink].
type MetricFunc func(ctx context.Context, s MetricSample) error

// FleetMetric calls f.
func (f MetricFunc) FleetMetric(ctx context.Context, s MetricSample) error { return f(ctx, s) }

// A MetricSample is what a fleet metric was at the end of a period.
type MetricSample struct {
	// Name and Unit are the metric's.
	Name, Unit string
	// Time is the end of the period: a multiple of it since the epoch.
	Time   time.Time
	Period time.Duration
	Values []MetricValue
}

// A MetricValue is one value of a fleet metric under the name it was asked for.
type MetricValue struct {
	Name  string
	Value float64
}

// FleetMetricValues computes a fleet metric as of now. Values that do not exist are
// left out: the sum of no numbers, say.
//
// Errors: ErrInvalid, ErrNotFound (the metric, or the index is off), ErrIndexNotReady,
// and ErrInvalidQuery or ErrInvalidAggregation where the index has changed since the
// metric was made.
func (s *Service) FleetMetricValues(ctx context.Context, name string) ([]MetricValue, error) {
	m, err := s.DescribeFleetMetric(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.evaluate(ctx, m)
}

// Run does the service's work by the clock until ctx ends, and returns nil then. It
// hands Config.Metrics what fleet metrics are at the end of each of their periods, one
// after the other. What cannot be computed or handed over is logged and left out; so
// are periods that end while the sink still works.
//
// Every service with a sink does so: where several share a store, give it to one.
func (s *Service) Run(ctx context.Context) error {
	if s.cfg.Metrics == nil {
		<-ctx.Done()
		return nil
	}
	// Periods are full minutes.
	last := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	failed := make(map[string]bool)
	for {
		timer.Reset(min(time.Minute, time.Until(last.Truncate(time.Minute).Add(time.Minute))))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		t := time.Now()
		s.emitMetrics(ctx, last, t, failed)
		last = t
	}
}

// emitMetrics hands over the metrics whose periods ended after last, up to t. failed
// are those that failed the time before: that they still do is no news.
func (s *Service) emitMetrics(ctx context.Context, last, t time.Time, failed map[string]bool) {
	for m, err := range s.store.FleetMetrics().List(ctx, "") {
		if err != nil {
			if ctx.Err() == nil {
				s.cfg.Logger.Warn("fleet metrics not read", "err", err)
			}
			return
		}
		period := int64(m.Period / time.Second)
		if period <= 0 || t.Unix()/period == last.Unix()/period {
			continue
		}
		err := s.emitMetric(ctx, m, time.Unix(t.Unix()/period*period, 0).UTC())
		if err != nil && ctx.Err() == nil && !failed[m.Name] {
			s.cfg.Logger.Warn("fleet metric not emitted", "metric", m.Name, "err", err)
		}
		if failed[m.Name] = err != nil; err == nil {
			delete(failed, m.Name)
		}
	}
}

func (s *Service) emitMetric(ctx context.Context, m FleetMetric, t time.Time) error {
	values, err := s.evaluate(ctx, m)
	if err != nil {
		return err
	}
	return s.cfg.Metrics.FleetMetric(ctx, MetricSample{Name: m.Name, Unit: m.Unit, Time: t, Period: m.Period, Values: values})
}

// evaluate computes a metric.
func (s *Service) evaluate(ctx context.Context, m FleetMetric) ([]MetricValue, error) {
	q := Search{Index: m.Index, Query: m.Query, Version: m.QueryVersion}
	wanted := m.Values
	if len(wanted) == 0 {
		wanted = allMetricValues[m.Aggregation]
	}
	all := make(map[string]float64)
	switch m.Aggregation {
	case MetricStatistics:
		r, err := s.GetStatistics(ctx, q, m.Field)
		if err != nil {
			return nil, err
		}
		all["count"] = float64(r.Count)
		if r.Numeric {
			all["average"], all["sum"], all["minimum"], all["maximum"] = r.Average, r.Sum, r.Minimum, r.Maximum
			all["sumOfSquares"], all["variance"], all["stdDeviation"] = r.SumOfSquares, r.Variance, r.StdDeviation
		}
	case MetricPercentiles:
		percents := make([]float64, 0, len(wanted))
		for _, v := range wanted {
			p, _ := percentOf(v)
			percents = append(percents, float64(p))
		}
		r, err := s.GetPercentiles(ctx, q, m.Field, percents)
		if err != nil {
			return nil, err
		}
		for _, p := range r {
			all[strconv.Itoa(int(p.Percent))] = p.Value
		}
	case MetricCardinality:
		n, err := s.GetCardinality(ctx, q, m.Field)
		if err != nil {
			return nil, err
		}
		all["cardinality"] = float64(n)
	default:
		return nil, fmt.Errorf("registry: fleet metric %s: %w", m.Name, errors.ErrUnsupported)
	}
	values := []MetricValue{}
	for _, name := range wanted {
		key, _ := m.valueOf(name)
		if v, ok := all[key]; ok {
			values = append(values, MetricValue{name, v})
		}
	}
	return values, nil
}

// allMetricValues are the values of a metric that does not say which it wants.
var allMetricValues = map[string][]string{
	MetricStatistics:  {"count", "average", "sum", "minimum", "maximum", "sumOfSquares", "variance", "stdDeviation"},
	MetricPercentiles: {"1", "5", "25", "50", "75", "95", "99"},
	MetricCardinality: {"cardinality"},
}

// valueOf returns under which name evaluate finds a value that m wants, and whether
// the aggregation has it.
func (m *FleetMetric) valueOf(name string) (key string, ok bool) {
	if m.Aggregation == MetricPercentiles {
		p, ok := percentOf(name)
		return strconv.Itoa(p), ok
	}
	for _, v := range allMetricValues[m.Aggregation] {
		if strings.EqualFold(v, name) {
			return v, true
		}
	}
	return "", false
}

// percentOf reads "50" or "p50".
func percentOf(name string) (percent int, ok bool) {
	digits := strings.TrimPrefix(strings.ToLower(name), "p")
	n, err := strconv.ParseUint(digits, 10, 8)
	return int(n), err == nil && n <= 100
}

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// An away is an action whose far end never answers.
type away struct{ sink *actions.Sink }

func (a away) Sink() *actions.Sink { return a.sink }

func (a away) Do(context.Context, actions.Event) error { return errors.New("nobody is there") }

// TestMetrics_Sinks shows a sink that is down.
func TestMetrics_Sinks(t *testing.T) {
	t.Parallel()
	hub, err := thinghub.New(thinghub.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = hub.Close() })
	sink := actions.NewSink(actions.SinkConfig{Kind: "store", Name: "main", Failures: 1, Pause: time.Hour})
	twin := actions.NewSink(actions.SinkConfig{Kind: "store", Name: "main"})
	err = hub.Rules().Put(t.Context(), rules.Rule{Name: "twin", SQL: "SELECT * FROM 'b'", Actions: []actions.Action{away{twin}}})
	require.NoError(t, err)
	err = hub.Rules().Put(t.Context(), rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{away{sink}}})
	require.NoError(t, err)
	require.NoError(t, hub.Publish(t.Context(), "a", []byte("{}")))
	require.Eventually(t, func() bool { return sink.Health().Waiting == 1 }, 10*time.Second, time.Millisecond)

	names := map[string]bool{}
	for _, f := range gather(t, collector{hub}) {
		if !strings.HasPrefix(f.GetName(), "thinghub_sink_") {
			continue
		}
		require.Len(t, f.GetMetric(), 2, f.GetName())
		for _, m := range f.GetMetric() {
			require.Equal(t, "store", m.GetLabel()[0].GetValue())
			names[m.GetLabel()[1].GetValue()] = true
		}
		sum := 0.0
		for _, m := range f.GetMetric() {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
		want := 1.0
		if f.GetName() == "thinghub_sink_events_total" {
			want = 0
		}
		require.Equal(t, want, sum, f.GetName())
	}
	require.Equal(t, map[string]bool{"main": true, "main 2": true}, names)
}

// gather scrapes a collector.
func gather(t *testing.T, c prometheus.Collector) []*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(c))
	list, err := r.Gather()
	require.NoError(t, err)
	return list
}

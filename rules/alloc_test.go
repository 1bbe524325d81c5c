//go:build !race

package rules_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// A message that no rule passes on allocates nothing, one that is passed on a handful of
// pieces: what stays of it, and what its way through the lanes takes.
func TestAllocsSubmit(t *testing.T) { // AllocsPerRun forbids t.Parallel
	s := benched(t, rules.Delivery{})
	for i := range 20 {
		require.NoError(t, s.Put(t.Context(), rules.Rule{Name: fmt.Sprint("r", i), SQL: fmt.Sprintf(benchSQL, 80+i), Actions: []actions.Action{refuse(nil)}}))
		require.NoError(t, s.Put(t.Context(), rules.Rule{Name: fmt.Sprint("other", i), SQL: fmt.Sprintf("SELECT * FROM 'other/%d/+'", i)}))
	}
	m := benchMessage()
	elsewhere := benchMessage()
	elsewhere.Topic = "not/here"
	direct := benchMessage()
	direct.Topic = "$aws/rules/r1/sensors/dev-1/telemetry"
	for name, m := range map[string]*actions.Message{"no topic matches": elsewhere, "no condition is true": m, "Basic Ingest": direct} {
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = s.Submit(t.Context(), m) }), name)
	}

	s = benched(t, rules.Delivery{})
	done := make(chan struct{})
	tell := actions.Func(func(context.Context, actions.Event) error { done <- struct{}{}; return nil })
	require.NoError(t, s.Put(t.Context(), rules.Rule{Name: "r", SQL: fmt.Sprintf(benchSQL, 30), Actions: []actions.Action{tell}}))
	require.LessOrEqual(t, testing.AllocsPerRun(200, func() {
		_ = s.Submit(t.Context(), m)
		<-done
	}), 8.0, "a match")
}

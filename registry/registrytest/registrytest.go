package registrytest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// TestRegistry checks that what open returns keeps the promises of the
// [registry.Registry] interface. Every call of open must return an empty store; what
// must be closed is closed with t.Cleanup. It is worth running with -race. A table of
// things that is a [registry.ThingFinder] is checked as one.
func TestRegistry(t *testing.T, open func(t *testing.T) registry.Registry) {
	t.Run("things", func(t *testing.T) {
		testTable(t, open, registry.Registry.Things, func(name string, version int64) registry.Thing {
			return registry.Thing{
				Name: name, ID: "id of " + name, Type: "pump",
				Attributes: map[string]string{"a": "1", "b": "", "long": string(make([]byte, 700))}, Version: version,
			}
		})
	})
	t.Run("things without attributes", func(t *testing.T) {
		testTable(t, open, registry.Registry.Things, func(name string, version int64) registry.Thing {
			return registry.Thing{Name: name, Version: version}
		})
	})
	t.Run("things by attribute", func(t *testing.T) { testFinder(t, open) })
	created := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	t.Run("types", func(t *testing.T) {
		testTable(t, open, registry.Registry.Types, func(name string, version int64) registry.Type {
			return registry.Type{
				Name: name, ID: "id", Description: "d", SearchableAttributes: []string{"a", "b"},
				PropagatingAttributes: []registry.PropagatingAttribute{{Key: "k", ThingAttribute: "a"}, {Key: "l", ConnectionAttribute: "iot:ClientId"}},
				Created:               created, Deprecated: created.Add(time.Hour), Version: version,
			}
		})
	})
	t.Run("groups", func(t *testing.T) {
		testTable(t, open, registry.Registry.Groups, func(name string, version int64) registry.Group {
			return registry.Group{
				Name: name, ID: "id", Description: "d", Attributes: map[string]string{"a": "1"}, Parent: "p", Created: created,
				Query: "thingName:*", QueryVersion: "v", Index: "AWS_Things", Version: version,
			}
		})
	})
	t.Run("billing groups", func(t *testing.T) {
		testTable(t, open, registry.Registry.BillingGroups, func(name string, version int64) registry.BillingGroup {
			return registry.BillingGroup{Name: name, ID: "id", Description: "d", Created: created, Version: version}
		})
	})
	t.Run("fleet metrics", func(t *testing.T) {
		testTable(t, open, registry.Registry.FleetMetrics, func(name string, version int64) registry.FleetMetric {
			return registry.FleetMetric{
				Name: name, Description: "d", Index: "AWS_Things", Query: "*", QueryVersion: "v", Field: "f", Aggregation: registry.MetricPercentiles,
				Values: []string{"50", "p99"}, Period: time.Hour, Unit: "Count", Created: created, Modified: created.Add(time.Hour), Version: version,
			}
		})
	})
	t.Run("tags", func(t *testing.T) {
		testTable(t, open, registry.Registry.Tags, func(name string, version int64) registry.Tags {
			return registry.Tags{Values: map[string]string{"of": name, "empty": ""}, Version: version}
		})
	})
	t.Run("settings", func(t *testing.T) {
		testTable(t, open, registry.Registry.Settings, func(name string, version int64) registry.Setting {
			return registry.Setting{Value: `{"of":"` + name + `"}`, Version: version}
		})
	})
	t.Run("tables are apart", func(t *testing.T) { testApart(t, open(t)) })
	t.Run("links", func(t *testing.T) { testLinks(t, open) })
}

func testApart(t *testing.T, r registry.Registry) {
	ctx := t.Context()
	require.NoError(t, r.Things().Put(ctx, "a", registry.Thing{Name: "a", Version: 1}, 0))
	require.NoError(t, r.Groups().Put(ctx, "a", registry.Group{Name: "a", Version: 7}, 0))
	_, err := r.Types().Get(ctx, "a")
	require.ErrorIs(t, err, registry.ErrNotFound)
	require.NoError(t, r.Things().Delete(ctx, "a", 1))
	g, err := r.Groups().Get(ctx, "a")
	require.NoError(t, err)
	require.EqualValues(t, 7, g.Version)
}

// canceled returns a context that has ended.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

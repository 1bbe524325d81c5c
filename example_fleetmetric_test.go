package thinghub_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/registry"
)

// A fleet metric computes something of the fleet index again and again; the host says
// where its values go.
func Example_fleetMetric() {
	ctx := context.Background()
	hub, err := thinghub.New(thinghub.Config{RegistryConfig: registry.Config{
		Metrics: registry.MetricFunc(func(_ context.Context, s registry.MetricSample) error {
			for _, v := range s.Values { // each minute; in your program: to your metrics
				fmt.Println(s.Name, v.Name, v.Value)
			}
			return nil
		}),
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	things := hub.Registry()
	err = things.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{
		Things: &registry.ThingIndexing{Mode: registry.IndexRegistry, Connectivity: registry.IndexStatus},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"pump-1", "pump-2", "lamp-1"} {
		if _, err := things.CreateThing(ctx, registry.CreateThingInput{Name: name}); err != nil {
			log.Fatal(err)
		}
	}
	_, err = things.CreateFleetMetric(ctx, registry.FleetMetric{
		Name: "pumps-offline", Query: "thingName:pump-* AND connectivity.connected:false", Field: "thingName",
		Aggregation: registry.MetricStatistics, Values: []string{"count"}, Period: time.Minute,
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	now, err := things.FleetMetricValues(ctx, "pumps-offline")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(now)

	// Output:
	// [{count 2}]
}

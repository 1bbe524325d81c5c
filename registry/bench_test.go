package registry_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/thinghub/thinghub/registry"
)

const fleetSize = 1_000_000

// benchName is the name of a thing of the benchmarks' fleet.
func benchName(i int) string { return fmt.Sprintf("pump-%07d", i) }

// The fleets are made once: a million things with a type and three attributes, without
// and with an index.
var (
	benchFleet   = sync.OnceValues(func() (*registry.Service, error) { return newFleet(fleetSize, registry.IndexingConfiguration{}) })
	indexedFleet = sync.OnceValues(func() (*registry.Service, error) { return newFleet(fleetSize, everything()) })
)

func newFleet(n int, c registry.IndexingConfiguration) (*registry.Service, error) {
	ctx := context.Background()
	s, err := registry.New(registry.Config{})
	if err != nil {
		return nil, err
	}
	if err := s.UpdateIndexingConfiguration(ctx, c); err != nil {
		return nil, err
	}
	for _, name := range []string{"pump", "fan"} {
		if _, err := s.CreateThingType(ctx, name, registry.TypeProperties{}, nil); err != nil {
			return nil, err
		}
	}
	for i := range n {
		if _, err := s.CreateThing(ctx, benchThing(i)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// benchThing is the ith thing: one in ten thousand is a fan, ten are at each site.
func benchThing(i int) registry.CreateThingInput {
	in := registry.CreateThingInput{Name: benchName(i), Type: "pump", Attributes: map[string]string{
		"site": fmt.Sprint("site-", i%100_000), "serial": fmt.Sprintf("SN%08d", i), "model": fmt.Sprint("m", i%7),
	}}
	if i%10_000 == 77 {
		in.Type = "fan"
	}
	return in
}

func fleet(b *testing.B, make func() (*registry.Service, error)) *registry.Service {
	b.Helper()
	s, err := make()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// heap returns the bytes in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func randomNames() []string {
	names := make([]string, 4096)
	for i := range names {
		names[i] = benchName(rand.IntN(fleetSize))
	}
	return names
}

func BenchmarkDescribeThing(b *testing.B) {
	s, names := fleet(b, benchFleet), randomNames()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.DescribeThing(b.Context(), names[i%len(names)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdateThing(b *testing.B) {
	for name, make := range map[string]func() (*registry.Service, error){"store": benchFleet, "index": indexedFleet} {
		b.Run(name, func(b *testing.B) {
			s := fleet(b, make)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				in := registry.UpdateThingInput{Name: benchName(i * 7919 % fleetSize), Attributes: map[string]string{"note": fmt.Sprint(i % 1000)}, Merge: true}
				if _, err := s.UpdateThing(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Pages of ListThings, without a fleet index.
func BenchmarkListThings(b *testing.B) {
	s := fleet(b, benchFleet)
	for _, bench := range []struct {
		name   string
		filter registry.ThingFilter
		want   int
	}{
		{"ten by attribute", registry.ThingFilter{AttributeName: "site", AttributeValue: "site-4711"}, 10},
		{"25 of 143 thousand by attribute", registry.ThingFilter{AttributeName: "model", AttributeValue: "m3"}, 25},
		{"ten by prefix", registry.ThingFilter{AttributeName: "serial", AttributeValue: "SN0065432", PrefixValue: true}, 10},
		{"25 of 10 thousand by prefix", registry.ThingFilter{AttributeName: "serial", AttributeValue: "SN0065", PrefixValue: true}, 25},
		{"25 of a million by prefix", registry.ThingFilter{AttributeName: "serial", AttributeValue: "SN", PrefixValue: true}, 25},
		{"25 of a million by type", registry.ThingFilter{Type: "pump"}, 25},
		{"14 by type and attribute", registry.ThingFilter{Type: "fan", AttributeName: "model", AttributeValue: "m3"}, 14},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				things, _, err := s.ListThings(b.Context(), bench.filter, registry.Page{Max: 25})
				if err != nil || len(things) != bench.want {
					b.Fatal(len(things), err)
				}
			}
		})
	}
}

// Searches with their answers; see the benchmarks of package index for the searches
// themselves.
func BenchmarkSearchIndex(b *testing.B) {
	s := fleet(b, indexedFleet)
	for _, bench := range []struct {
		name, query string
		want        int
	}{
		{"one", "attributes.serial:SN00654321", 1},
		{"ten", "attributes.site:site-4711", 10},
		{"a page of 143 thousand", "attributes.model:m3 AND connectivity.connected:false", 100},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, _, err := s.SearchIndex(b.Context(), registry.Search{Query: bench.query}, registry.Page{})
				if err != nil || len(r.Things) != bench.want {
					b.Fatal(len(r.Things), err)
				}
			}
		})
	}
}

// News of one thing among a million.
func BenchmarkChanged(b *testing.B) {
	s := fleet(b, indexedFleet)
	b.Run("connectivity", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.ConnectivityChanged(benchName(i*7919%fleetSize), registry.Connectivity{
				Connected: i/fleetSize%2 == 0, Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)), Version: int64(i),
			})
		}
	})
	b.Run("shadow", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			at := 1_700_000_000 + i/1000
			s.ShadowChanged(benchName(i*7919%10_000), "", fmt.Appendf(nil, `{"reported":{"temp":%d,"on":true,"mode":"auto","net":{"rssi":-40,"ip":"10.0.0.1"}},"metadata":{"reported":{"temp":{"timestamp":%d},"on":{"timestamp":1},"mode":{"timestamp":1},"net":{"rssi":{"timestamp":1},"ip":{"timestamp":1}}}},"version":%d}`, i%100, at, i))
		}
	})
}

// The memory of a thing with a type and three attributes, all that is kept of it
// counted.
func BenchmarkCreateThing(b *testing.B) {
	for _, kind := range []string{"store", "index"} {
		b.Run(kind, func(b *testing.B) {
			c := registry.IndexingConfiguration{}
			if kind == "index" {
				c.Things = &registry.ThingIndexing{Mode: registry.IndexRegistry}
			}
			s, err := newFleet(0, c)
			if err != nil {
				b.Fatal(err)
			}
			before := heap()
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if _, err := s.CreateThing(b.Context(), benchThing(i)); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(heap()-before)/float64(b.N), "bytes/thing")
			runtime.KeepAlive(s)
		})
	}
}

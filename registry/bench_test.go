package registry_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/thinghub/thinghub/registry"
)

const fleetSize = 1_000_000

// benchName is the name of a thing of the benchmarks' fleet.
func benchName(i int) string { return fmt.Sprintf("pump-%07d", i) }

// benchFleet is made once: a million things of one type with three attributes.
var benchFleet = sync.OnceValues(func() (*registry.Service, error) { return newFleet(fleetSize, registry.IndexingConfiguration{}) })

func newFleet(n int, c registry.IndexingConfiguration) (*registry.Service, error) {
	ctx := context.Background()
	s, err := registry.New(registry.Config{})
	if err != nil {
		return nil, err
	}
	if err := s.UpdateIndexingConfiguration(ctx, c); err != nil && (c.Things != nil || c.Groups != nil) {
		return nil, err
	}
	if _, err := s.CreateThingType(ctx, "pump", registry.TypeProperties{}, nil); err != nil {
		return nil, err
	}
	for i := range n {
		if _, err := s.CreateThing(ctx, benchThing(i)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func benchThing(i int) registry.CreateThingInput {
	return registry.CreateThingInput{Name: benchName(i), Type: "pump", Attributes: map[string]string{
		"site": fmt.Sprint("site-", i%1000), "serial": fmt.Sprintf("SN%08d", i), "model": fmt.Sprint("m", i%7),
	}}
}

func fleet(b *testing.B) *registry.Service {
	b.Helper()
	s, err := benchFleet()
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

func BenchmarkDescribeThing(b *testing.B) {
	s := fleet(b)
	names := make([]string, 4096)
	for i := range names {
		names[i] = benchName(rand.IntN(fleetSize))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.DescribeThing(b.Context(), names[i%len(names)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoryGet(b *testing.B) {
	things := registry.NewMemory().Things()
	for i := range fleetSize {
		in := benchThing(i)
		if err := things.Put(b.Context(), in.Name, registry.Thing{Name: in.Name, Type: in.Type, Attributes: in.Attributes, Version: 1}, 0); err != nil {
			b.Fatal(err)
		}
	}
	names := make([]string, 4096)
	for i := range names {
		names[i] = benchName(rand.IntN(fleetSize))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := things.Get(b.Context(), names[i%len(names)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdateThing(b *testing.B) {
	s := fleet(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.UpdateThing(b.Context(), registry.UpdateThingInput{Name: benchName(i % fleetSize)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListThingsOfType(b *testing.B) {
	s := fleet(b)
	_, next, err := s.ListThings(b.Context(), registry.ThingFilter{Type: "pump"}, registry.Page{Max: 25})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		things, _, err := s.ListThings(b.Context(), registry.ThingFilter{Type: "pump"}, registry.Page{Max: 25, Token: next})
		if err != nil || len(things) != 25 {
			b.Fatal(len(things), err)
		}
	}
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

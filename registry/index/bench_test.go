package index_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/thinghub/thinghub/registry/index"
)

// The fleet of the benchmarks: a million things with a type, three attributes and
// connectivity.
const fleetSize = 1_000_000

func benchName(i int) string { return fmt.Sprintf("pump-%07d", i) }

func benchThing(d *index.Document, i int) {
	d.Reset()
	d.AddString("thingName", benchName(i))
	d.AddString("thingId", fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761&0xffffffff, i))
	d.AddString("thingTypeName", "pump")
	d.AddNumber("registry.version", 1)
	d.AddString("attributes.model", fmt.Sprint("m", i%7))
	d.AddString("attributes.serial", fmt.Sprintf("SN%08d", i))
	d.AddString("attributes.site", fmt.Sprint("site-", i%100_000)) // ten things each
}

func benchConnectivity(d *index.Document, i, version int) {
	d.Reset()
	d.AddBool("connectivity.connected", (i+version)%3 > 0)
	d.AddNumber("connectivity.timestamp", float64(1_700_000_000_000+i*1000+version))
	d.AddNumber("connectivity.version", float64(version))
}

func benchShadow(d *index.Document, i, version int) {
	d.Reset()
	at := 1_700_000_000 + (i+version)/100
	d.AddJSON("shadow.reported", fmt.Sprintf(`{"temp":%d,"on":true,"mode":"auto","net":{"rssi":%d,"ip":"10.0.0.1"}}`, (i+version)%100, -i%50))
	d.AddJSON("shadow.metadata", fmt.Sprintf(`{"reported":{"temp":{"timestamp":%d},"on":{"timestamp":1},"mode":{"timestamp":1},"net":{"rssi":{"timestamp":%d},"ip":{"timestamp":1}}}}`, at, at))
	d.AddNumber("shadow.version", float64(version))
	d.AddBool("shadow.hasDelta", false)
}

var benchFleet = sync.OnceValue(func() *index.Index {
	x, err := index.New(index.Schema{Shadow: true, Connectivity: true})
	if err != nil {
		panic(err)
	}
	var d index.Document
	for i := range fleetSize {
		benchThing(&d, i)
		x.Put(benchName(i), index.Part{"", &d})
		benchConnectivity(&d, i, 1)
		x.Put(benchName(i), index.Part{"connectivity", &d})
	}
	runtime.GC()
	return x
})

// Searches at a million things: one page, the first or one in the middle.
func BenchmarkSearch(b *testing.B) {
	x := benchFleet()
	for _, bench := range []struct {
		name, query, after string
		want               int
	}{
		{"one by name", "thingName:pump-0654321", "", 1},
		{"one by attribute", "attributes.serial:SN00654321", "", 1},
		{"ten by attribute", "attributes.site:site-4711", "", 10},
		{"page of 143 thousand", "attributes.model:m3", "", 100},
		{"page of a million", "thingTypeName:pump", benchName(500_000), 100},
		{"page of all", "*", benchName(500_000), 100},
		{"ten by prefix", "attributes.serial:SN0065432*", "", 10},
		{"page of 10 thousand by prefix", "attributes.serial:SN0065*", "", 100},
		{"page of a million by prefix", "attributes.serial:SN*", "", 100},
		{"ten by range", "connectivity.timestamp:[1700654321001 TO 1700654330001]", "", 10},
		{"page of 346 thousand by range", "connectivity.timestamp > 1700654321001", "", 100},
		{"ten by range of texts", `attributes.serial:["sn00654320" TO "sn00654329"]`, "", 10},
		{"AND, two of ten and 143 thousand", "attributes.site:site-4711 AND attributes.model:m3", "", 2},
		{"AND, page of 143 and 667 thousand", "attributes.model:m3 AND connectivity.connected:true", "", 100},
		{"AND, none of 143 and 143 thousand", "attributes.model:m3 AND attributes.model:m4", "", 0},
		{"NOT, page of 857 thousand", "NOT attributes.model:m3", benchName(500_000), 100},
		{"NOT, one of ten", "attributes.site:site-4711 NOT attributes.model:m*", "", 0},
		{"present, page of a million", "attributes.site:*", "", 100},
		{"wildcard in a word, 20", "thingName:pump-06543?? AND connectivity.connected:true", "", 67},
		{"any field", "SN00654321", "", 1},
	} {
		b.Run(bench.name, func(b *testing.B) {
			q, err := index.Parse(bench.query)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				names, _, err := x.Search(q, bench.after, 100)
				if err != nil || len(names) != bench.want {
					b.Fatal(len(names), err)
				}
			}
		})
	}
}

func BenchmarkCount(b *testing.B) {
	x := benchFleet()
	for _, query := range []string{"attributes.model:m3", "attributes.model:m3 AND connectivity.connected:true", "attributes.serial:SN00*", "NOT attributes.site:site-1*"} {
		b.Run(query, func(b *testing.B) {
			q, err := index.Parse(query)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if n, err := x.Count(q); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkAggregate(b *testing.B) {
	x := benchFleet()
	q, err := index.Parse("attributes.model:m3")
	if err != nil {
		b.Fatal(err)
	}
	for name, run := range map[string]func() error{
		"statistics of a version":     func() error { _, err := x.Statistics(q, ""); return err },
		"statistics of a timestamp":   func() error { _, err := x.Statistics(q, "connectivity.timestamp"); return err },
		"percentiles of a timestamp":  func() error { _, err := x.Percentiles(q, "connectivity.timestamp"); return err },
		"cardinality of 100 thousand": func() error { _, err := x.Cardinality(q, "attributes.site"); return err },
		"buckets of connected":        func() error { _, err := x.Buckets(q, "connectivity.connected", 10); return err },
		"buckets of 100 thousand":     func() error { _, err := x.Buckets(q, "attributes.site", 10); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One thing among a million changes: its attribute, its connectivity, its shadow.
func BenchmarkPut(b *testing.B) {
	x := benchFleet()
	var d index.Document
	b.Run("attribute", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			i := n * 7919 % fleetSize
			benchThing(&d, i)
			d.AddString("attributes.note", fmt.Sprint("note ", n%1000))
			x.Put(benchName(i), index.Part{"", &d})
		}
	})
	b.Run("connectivity", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			i := n * 7919 % fleetSize
			benchConnectivity(&d, i, 2+n/fleetSize)
			x.Put(benchName(i), index.Part{"connectivity", &d})
		}
	})
	b.Run("shadow", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			i := n * 7919 % 10_000
			benchShadow(&d, i, n/10_000)
			x.Put(benchName(i), index.Part{"shadow", &d})
		}
	})
	b.Run("nothing new", func(b *testing.B) {
		names := make([]string, 1024)
		for i := range names {
			names[i] = benchName(rand.IntN(10_000))
		}
		benchThing(&d, 0)
		for _, name := range names {
			x.Put(name, index.Part{"same", &d})
		}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			x.Put(names[n%len(names)], index.Part{"same", &d})
		}
	})
}

// The memory of a thing: all that is kept of it.
func BenchmarkMemory(b *testing.B) {
	fill := map[string]func(x *index.Index, d *index.Document, i int){
		"registry": func(x *index.Index, d *index.Document, i int) {
			benchThing(d, i)
			x.Put(benchName(i), index.Part{"", d})
		},
		"connectivity": func(x *index.Index, d *index.Document, i int) {
			benchConnectivity(d, i, 1)
			x.Put(benchName(i), index.Part{"connectivity", d})
		},
		"shadow of 5 values": func(x *index.Index, d *index.Document, i int) {
			benchShadow(d, i, 1)
			x.Put(benchName(i), index.Part{"shadow", d})
		},
	}
	for _, name := range []string{"registry", "connectivity", "shadow of 5 values"} {
		b.Run(name, func(b *testing.B) {
			x, err := index.New(index.Schema{Shadow: true, Connectivity: true})
			if err != nil {
				b.Fatal(err)
			}
			var d index.Document
			if name != "registry" {
				for i := range b.N {
					fill["registry"](x, &d, i)
				}
			}
			before := heap()
			b.ResetTimer()
			for i := range b.N {
				fill[name](x, &d, i)
			}
			b.StopTimer()
			b.ReportMetric(float64(int64(heap())-int64(before))/float64(b.N), "bytes/thing")
			runtime.KeepAlive(x)
		})
	}
}

// heap returns the bytes in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

package topic_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/thinghub/thinghub/internal/topic"
)

// Figures in DESIGN.md come from:
//
//	go test -run '^$' -bench . ./internal/topic/

var sizes = []struct {
	name string
	n    int
}{{"1k", 1_000}, {"100k", 100_000}, {"1M", 1_000_000}}

// mixes make the i-th filter of n, and a name that some of them match.
var mixes = []struct {
	name   string
	filter func(i int) string
	topic  func(i int) string
}{
	{
		"exact",
		func(i int) string { return fmt.Sprintf("site/%d/line/%d/temp", i%1000, i) },
		func(i int) string { return fmt.Sprintf("site/%d/line/%d/temp", i%1000, i) },
	},
	{
		// One filter per device, as hubs of devices have it.
		"device",
		func(i int) string { return fmt.Sprintf("cmd/device-%07d/#", i) },
		func(i int) string { return fmt.Sprintf("cmd/device-%07d/reboot", i) },
	},
	{
		"plus",
		func(i int) string { return fmt.Sprintf("dev/%d/+/x", i) },
		func(i int) string { return fmt.Sprintf("dev/%d/a/x", i) },
	},
	{
		// Half exact, half wildcards of all shapes. A name has four
		// matches and takes the trie into several branches.
		"mixed",
		func(i int) string {
			device := i - i%10
			site := device % 1000
			switch i % 10 {
			case 0:
				return fmt.Sprintf("site/%d/line/%d/temp", site, device)
			case 1, 2, 3, 4:
				return fmt.Sprintf("site/%d/line/%d/kind-%d", site, device, i%10)
			case 5:
				return fmt.Sprintf("site/%d/line/%d/#", site, device)
			case 6:
				return fmt.Sprintf("site/+/line/%d/temp", device)
			case 7:
				return fmt.Sprintf("site/%d/+/%d/+", site, device)
			case 8:
				return fmt.Sprintf("+/%d/line/%d/humidity", site, device)
			default:
				return fmt.Sprintf("site/%d/line/+/kind-%d", site, device)
			}
		},
		func(i int) string {
			i -= i % 10
			return fmt.Sprintf("site/%d/line/%d/temp", i%1000, i)
		},
	},
}

// filled is a tree with n filters and what it takes per filter, their text
// included.
func filled(n int, filter func(i int) string) (*topic.Tree[int], float64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tree, v := new(topic.Tree[int]), new(int)
	for i := range n {
		tree.Add(filter(i), v)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return tree, float64(after.HeapAlloc-before.HeapAlloc) / float64(tree.Len())
}

// drawn is a random sample of names, so that memory is as cold as in life.
func drawn(n int, name func(i int) string) []string {
	r := rand.New(rand.NewPCG(5, 6))
	names := make([]string, 1<<14)
	for i := range names {
		names[i] = name(r.IntN(n))
	}
	return names
}

func BenchmarkTreeMatch(b *testing.B) {
	for _, mix := range mixes {
		for _, size := range sizes {
			b.Run(mix.name+"/"+size.name, func(b *testing.B) {
				tree, bytes := filled(size.n, mix.filter)
				names := drawn(size.n, mix.topic)
				found := 0
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					tree.Match(names[i&(len(names)-1)], func(*int) bool { found++; return true })
					i++
				}
				b.ReportMetric(bytes, "B/filter")
				b.ReportMetric(float64(found)/float64(i), "values/op")
			})
		}
	}
}

func BenchmarkTreeMiss(b *testing.B) {
	for _, mix := range mixes {
		b.Run(mix.name+"/100k", func(b *testing.B) {
			tree, _ := filled(100_000, mix.filter)
			names := drawn(100_000, func(i int) string { return mix.topic(i) + "x" })
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				tree.Match(names[i&(len(names)-1)], func(*int) bool { return true })
				i++
			}
		})
	}
}

func BenchmarkTreeMatchFanOut(b *testing.B) {
	for _, n := range []int{1, 100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var tree topic.Tree[int]
			for range n {
				tree.Add("a/+", new(int))
			}
			b.ReportAllocs()
			found := 0
			for b.Loop() {
				tree.Match("a/b", func(*int) bool { found++; return true })
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(found), "ns/value")
		})
	}
}

func BenchmarkTreeAddRemove(b *testing.B) {
	for _, mix := range mixes {
		for _, size := range sizes {
			b.Run(mix.name+"/"+size.name, func(b *testing.B) {
				tree, _ := filled(size.n, mix.filter)
				extra := make([]string, 1<<12)
				for i := range extra {
					extra[i] = mix.filter(2_000_000 + i)
				}
				v := new(int)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					tree.Add(extra[i&(len(extra)-1)], v)
					tree.Remove(extra[i&(len(extra)-1)], v)
					i++
				}
			})
		}
	}
}

// One filter with many values: the oldest goes, a new one comes.
func BenchmarkTreeAddRemoveValue(b *testing.B) {
	for _, n := range []int{1, 10, 1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var tree topic.Tree[int]
			values := make([]int, n+1)
			for i := range n {
				tree.Add("a/+", &values[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				tree.Add("a/+", &values[(i+n)%(n+1)])
				tree.Remove("a/+", &values[i%(n+1)])
				i++
			}
		})
	}
}

func BenchmarkTreeMatchWhileChanging(b *testing.B) {
	for _, mix := range mixes {
		b.Run(mix.name+"/100k", func(b *testing.B) {
			tree, _ := filled(100_000, mix.filter)
			names := drawn(100_000, mix.topic)
			stop := make(chan struct{})
			var writer sync.WaitGroup
			writer.Go(func() {
				v := new(int)
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					tree.Add(mix.filter(2_000_000+i%1000), v)
					tree.Remove(mix.filter(2_000_000+i%1000), v)
				}
			})
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				found := 0
				for i := 0; pb.Next(); i++ {
					tree.Match(names[i&(len(names)-1)], func(*int) bool { found++; return true })
				}
			})
			b.StopTimer()
			close(stop)
			writer.Wait()
		})
	}
}

func BenchmarkNames(b *testing.B) {
	for _, size := range sizes {
		name := func(i int) string { return fmt.Sprintf("site/%d/line/%d/temp", i%1000, i) }
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		names, v := new(topic.Names[int]), new(int)
		for i := range size.n {
			names.Put(name(i), v)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		each := drawn(size.n, name)
		b.Run("put/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				names.Put(each[i&(len(each)-1)], v)
				i++
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(size.n), "B/name")
		})
		b.Run("get/"+size.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				names.Get(each[i&(len(each)-1)])
				i++
			}
		})
		for _, filter := range []string{"site/7/line/7/temp", "site/+/line/7/temp", "site/7/#", "#"} {
			b.Run("match "+filter+"/"+size.name, func(b *testing.B) {
				b.ReportAllocs()
				found := 0
				for b.Loop() {
					names.Match(filter, func(string, *int) bool { found++; return true })
				}
				b.ReportMetric(float64(found)/float64(b.N), "names/op")
			})
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	b.Run("name", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = topic.CheckName("site/7/line/7/temperature")
		}
	})
	b.Run("filter", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = topic.CheckFilter("site/+/line/7/temperature")
		}
	})
	b.Run("shared", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _, _ = topic.ParseShared("$share/group/site/+/line/7/#")
		}
	})
	b.Run("match", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			topic.Match("site/+/line/7/#", "site/7/line/7/temperature")
		}
	})
}

package shadow_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

// Figures in DESIGN.md come from
//
//	go test -run '^$' -bench . -cpu 1 ./shadow
//
// where an operation is one update: request read, document merged and stored,
// delta, accepted and documents made and handed to a Publisher that drops them.

// reported300 is a reported update of 300 bytes, as a device of fifteen values sends
// it.
const reported300 = `{"state":{"reported":{"temperature":21.437,"humidity":48.2,"pressure":1013.25,"battery":3.71,` +
	`"rssi":-67,"uptime":8675309,"firmware":"2.14.7","mode":"auto","fan":{"speed":3,"target":1250},` +
	`"valve":{"open":true,"position":42},"errors":[],"location":[52.5200,13.4050],"door":"shut"}},` +
	`"clientToken":"d1f"}`

const desired100 = `{"state":{"desired":{"mode":"auto","fan":{"speed":4},"valve":{"open":true},"interval":60,"firmware":"2.15.0"}}}`

func newBench(b *testing.B) *shadow.Service {
	b.Helper()
	svc, err := shadow.New(shadow.Config{Rate: -1})
	require.NoError(b, err)
	return svc
}

func updatesPerSecond(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
}

func BenchmarkHandleUpdate(b *testing.B) {
	request := []byte(reported300)
	require.Len(b, request, 300)
	for name, payload := range map[string]string{"compact": reported300, "spaced": strings.ReplaceAll(reported300, `":`, `": `)} {
		b.Run(name, func(b *testing.B) {
			svc := newBench(b)
			ctx, by := context.Background(), shadow.Requester{Source: shadow.FromMQTT, ClientID: "c"}
			topic, request := "$aws/things/thing-1/shadow/update", []byte(payload)
			_, err := svc.Handle(ctx, topic, []byte(desired100), by)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := svc.Handle(ctx, topic, request, by); err != nil {
					b.Fatal(err)
				}
			}
			updatesPerSecond(b)
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	small := []byte(`{"state":{"reported":{"temperature":21.5}}}`)
	for _, c := range []struct {
		name    string
		request []byte
	}{{"300B", []byte(reported300)}, {"one value of 300B", small}} {
		b.Run(c.name, func(b *testing.B) {
			svc := newBench(b)
			ctx, k := context.Background(), shadow.Key{Thing: "thing-1"}
			for _, request := range []string{desired100, reported300} {
				_, err := svc.Update(ctx, k, []byte(request), shadow.Requester{})
				require.NoError(b, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := svc.Update(ctx, k, c.request, shadow.Requester{}); err != nil {
					b.Fatal(err)
				}
			}
			updatesPerSecond(b)
		})
	}
}

// What watches cost an update of one thing: none, a thousand of other things, one of
// this thing, and a thousand of patterns that do not fit it.
func BenchmarkHandleUpdateWatched(b *testing.B) {
	for _, c := range []struct {
		name   string
		n      int
		filter func(i int) shadow.Filter
	}{
		{"by nobody", 0, nil},
		{"1000 others", 1000, func(i int) shadow.Filter { return shadow.Filter{Thing: "other-" + strconv.Itoa(i)} }},
		{"by one", 1, func(int) shadow.Filter { return shadow.Filter{Thing: "thing-1"} }},
		{"1000 patterns", 1000, func(i int) shadow.Filter { return shadow.Filter{Thing: "other-" + strconv.Itoa(i) + "*"} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			svc := newBench(b)
			watchAll(b.Context(), svc, c.n, c.filter)
			ctx, by := context.Background(), shadow.Requester{Source: shadow.FromMQTT, ClientID: "c"}
			topic, request := "$aws/things/thing-1/shadow/update", []byte(reported300)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := svc.Handle(ctx, topic, request, by); err != nil {
					b.Fatal(err)
				}
			}
			updatesPerSecond(b)
			svc.Close()
		})
	}
}

// watchAll starts n watches that take what they get, and returns when they watch. They
// end with ctx or the service.
func watchAll(ctx context.Context, svc *shadow.Service, n int, filter func(i int) shadow.Filter) {
	for i := range n {
		go func() {
			for _, err := range svc.Watch(ctx, filter(i)) {
				if err != nil {
					return
				}
			}
		}()
	}
	for svc.Watches() < n {
		runtime.Gosched()
	}
}

// Many things in turn, so that locks and documents are cold.
func BenchmarkHandleUpdate100k(b *testing.B) {
	svc := newBench(b)
	ctx := context.Background()
	topics := make([]string, 100_000)
	by := shadow.Requester{Source: shadow.FromMQTT, ClientID: "c"}
	for i := range topics {
		topics[i] = "$aws/things/thing-" + strconv.Itoa(i*7919%len(topics)) + "/shadow/update"
		_, err := svc.Handle(ctx, topics[i], []byte(desired100), by)
		require.NoError(b, err)
	}
	request := []byte(reported300)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := svc.Handle(ctx, topics[i%len(topics)], request, by); err != nil {
			b.Fatal(err)
		}
		i++
	}
	updatesPerSecond(b)
}

func BenchmarkGet(b *testing.B) {
	svc := newBench(b)
	ctx, k := context.Background(), shadow.Key{Thing: "thing-1"}
	for _, request := range []string{desired100, reported300} {
		_, err := svc.Update(ctx, k, []byte(request), shadow.Requester{})
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := svc.Get(ctx, k, shadow.Requester{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if shadow.Classify("$aws/things/thing-1/shadow/name/config/update/accepted") != shadow.Answer {
			b.Fatal("not an answer")
		}
	}
}

// What a shadow of 1 KB takes beyond its own size.
func BenchmarkMemory(b *testing.B) {
	const things = 10_000
	for b.Loop() {
		svc := newBench(b)
		before := heap()
		size := 0
		for i := range things {
			size = fillShadow(b, svc, shadow.Key{Thing: "thing-" + strconv.Itoa(i)}, 1, func() {})
		}
		b.ReportMetric(float64(size), "B/document")
		b.ReportMetric(float64(heap()-before)/things-float64(size), "B-over/shadow")
		runtime.KeepAlive(svc)
	}
}

// fillShadow makes a shadow of about 1 KB in as many updates of each side as asked
// for, with a pause after each, and returns its size.
func fillShadow(tb testing.TB, svc *shadow.Service, k shadow.Key, rounds int, pause func()) int {
	tb.Helper()
	var a shadow.Accepted
	var err error
	for r := range rounds {
		for _, side := range []string{"desired", "reported"} {
			var body strings.Builder
			for i := range 26 / rounds {
				fmt.Fprintf(&body, `,"value-%02d-%02d":%d`, r, i, 1000+i)
			}
			request := `{"state":{"` + side + `":{` + body.String()[1:] + `}}}`
			a, err = svc.Update(context.Background(), k, []byte(request), shadow.Requester{})
			require.NoError(tb, err)
			pause()
		}
	}
	return a.Current.Size()
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

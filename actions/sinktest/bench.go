package sinktest

import (
	"fmt"
	"testing"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// Bench measures how many records a second an action writes to its counterpart, and the
// processor time of this process for each: in batches, and one call for each.
func Bench(b *testing.B, newRig func(tb testing.TB) Rig) {
	b.Run("batched", func(b *testing.B) { bench(b, newRig(b), false) })
	b.Run("one-by-one", func(b *testing.B) { bench(b, newRig(b), true) })
}

// mostWaiting is how many records wait at most: enough for batches to fill.
const mostWaiting = 20_000

func bench(b *testing.B, rig Rig, single bool) {
	inner := rig.Action
	if single {
		rig.Action = func(tb testing.TB, addr string) actions.Action { return oneByOne{inner(tb, addr)} }
	}
	h := &hub{tb: b, rig: rig, failed: actions.NewRecorder(), next: map[string]int{}}
	h.start(rig.Action(b, rig.Addr), delivery(), nil) // without a proxy
	h.sendTo("first")                                 // connects
	h.settled()
	done := func() uint64 { return h.metrics().Actions[0].Success + h.metrics().Actions[0].Failure }
	before, calls, cpu := done(), h.metrics().Actions[0].Latency.Count, cpuTime()
	b.ResetTimer()
	began := time.Now()
	for i := range b.N {
		h.sendTo(fmt.Sprintf("k%d", i%64))
		for i%256 == 255 && h.metrics().Queued > mostWaiting {
			time.Sleep(200 * time.Microsecond)
		}
	}
	for done() < before+uint64(b.N) {
		time.Sleep(200 * time.Microsecond)
	}
	took := time.Since(began)
	b.StopTimer()
	m := h.metrics().Actions[0]
	if m.Failure > 0 {
		b.Fatalf("%d of %d failed: %s", m.Failure, b.N, h.failures())
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "msgs/s")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-us/msg")
	b.ReportMetric(float64(b.N)/float64(m.Latency.Count-calls), "msgs/call")
	b.ReportMetric(0, "ns/op")
}

// oneByOne is an action that takes no batches.
type oneByOne struct{ actions.Action }

func (o oneByOne) Kind() string {
	if n, ok := o.Action.(actions.Named); ok {
		return n.Kind()
	}
	return "unnamed"
}

func (o oneByOne) Resource(ev actions.Event) string {
	if n, ok := o.Action.(actions.Named); ok {
		return n.Resource(ev)
	}
	return ""
}

func (o oneByOne) Params() []actions.Param {
	if t, ok := o.Action.(actions.Templated); ok {
		return t.Params()
	}
	return nil
}

func (o oneByOne) Check() error {
	if c, ok := o.Action.(actions.Checker); ok {
		return c.Check()
	}
	return nil
}

func (o oneByOne) On(h actions.Host) (actions.Action, error) {
	inner, ok := o.Action.(actions.Hosted)
	if !ok {
		return o, nil
	}
	on, err := inner.On(h)
	return oneByOne{on}, err
}

func (o oneByOne) Sink() *actions.Sink {
	if s, ok := o.Action.(actions.Sinked); ok {
		return s.Sink()
	}
	return nil
}

package rules_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// A farDatabase is an action with a sink that can be down, or refuse some events in one way
// or another.
type farDatabase struct {
	*actions.Recorder
	sink  *actions.Sink
	down  atomic.Bool
	tries atomic.Int32
}

func newFarDatabase() *farDatabase {
	d := &farDatabase{sink: actions.NewSink(actions.SinkConfig{Kind: "database", Name: "main", Logger: slog.New(slog.DiscardHandler)})}
	d.Recorder = actions.NewRecorder()
	return d
}

func (d *farDatabase) Kind() string        { return "database" }
func (d *farDatabase) Sink() *actions.Sink { return d.sink }

var errAway = errors.New("the database is away")

func (d *farDatabase) Do(ctx context.Context, ev actions.Event) error {
	d.tries.Add(1)
	if d.down.Load() {
		return errAway
	}
	if strings.Contains(string(ev.Payload), "poison") {
		return actions.Permanent(errors.New("that is no row"))
	}
	return d.Recorder.Do(ctx, ev)
}

// A batching database also takes batches.
type batching struct {
	*farDatabase
	batch actions.Batch
	busy  func(ev actions.Event) bool // those that it cannot take now

	mu      sync.Mutex
	batches []int
}

func (d *batching) Batch() actions.Batch { return d.batch }

func (d *batching) DoBatch(ctx context.Context, evs []actions.Event) []error {
	d.mu.Lock()
	d.batches = append(d.batches, len(evs))
	d.mu.Unlock()
	errs := make([]error, len(evs))
	for i, ev := range evs {
		if d.busy != nil && d.busy(ev) {
			errs[i] = errors.New("busy")
		} else {
			errs[i] = d.Do(ctx, ev)
		}
	}
	return errs
}

func (d *batching) sizes() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]int(nil), d.batches...)
}

func TestSink_Outage(t *testing.T) {
	for _, batch := range []int{0, 10} {
		t.Run(fmt.Sprint("batches of ", batch), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := start(t, rules.Config{})
				d := &batching{farDatabase: newFarDatabase(), batch: actions.Batch{Events: batch}}
				failed := actions.NewRecorder()
				r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a/+'", Actions: []actions.Action{d}, ErrorAction: failed})
				d.down.Store(true)
				var want []string
				for i := range 50 {
					r.send("a/b", fmt.Sprint(i))
					want = append(want, fmt.Sprint(i))
				}
				settle(30 * time.Minute)
				h := r.Sinks()
				require.Len(t, h, 1)
				require.True(t, h[0].Down)
				require.ErrorIs(t, h[0].Err, errAway)
				require.Equal(t, h, r.Metrics().Sinks)
				require.EqualValues(t, h[0].Failures, h[0].Calls)
				require.Less(t, h[0].Calls, uint64(300), "most of the time nobody tries")
				require.Equal(t, 50, r.metrics("r").Queued)
				d.down.Store(false)
				settle(time.Minute)
				require.Equal(t, want, payloads(d.Recorder))
				require.Empty(t, failed.Events())
				h = r.Sinks()
				require.False(t, h[0].Down)
				require.EqualValues(t, 50, h[0].Events)

				// After an hour a message is given up, at once if it has waited all that time.
				d.down.Store(true)
				r.send("a/b", "late")
				settle(30 * time.Minute)
				r.send("a/c", "poison, but who knows")
				settle(31 * time.Minute)
				require.Len(t, failed.Events(), 1)
				report := string(failed.Events()[0].Payload)
				require.Contains(t, report, `"failedAction":"DatabaseAction"`)
				require.Contains(t, report, "the database is away")
				d.down.Store(false)
				settle(time.Minute)
				require.Len(t, failed.Events(), 2, "the poison")
				require.Contains(t, string(failed.Events()[1].Payload), "that is no row")
				require.False(t, r.Sinks()[0].Down)
				require.EqualValues(t, 2, r.metrics("r").Actions[0].Failure)
			})
		})
	}
}

// TestSink_SharedByRules has the trouble of one rule spare the tries of another.
func TestSink_SharedByRules(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		d := newFarDatabase()
		for _, name := range []string{"one", "two"} {
			r.put(rules.Rule{Name: name, SQL: fmt.Sprintf("SELECT * FROM '%s'", name), Actions: []actions.Action{d}})
		}
		d.down.Store(true)
		r.send("one", "1")
		settle(time.Second)
		require.True(t, r.Sinks()[0].Down)
		tries := d.tries.Load()
		r.send("two", "2")
		synctest.Wait()
		require.Equal(t, tries, d.tries.Load(), "the other rule does not try")
		require.Len(t, r.Sinks(), 1)
		d.down.Store(false)
		settle(time.Minute)
		require.ElementsMatch(t, []string{"1", "2"}, payloads(d.Recorder))
	})
}

func TestSink_RetryOfTheRule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		d, failed := newFarDatabase(), actions.NewRecorder()
		d.down.Store(true)
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}, ErrorAction: failed,
			Delivery: rules.Delivery{Retry: actions.Retry{MaxAge: 10 * time.Second}},
		})
		r.send("a", "1")
		settle(4 * time.Second)
		require.Empty(t, failed.Events())
		settle(7 * time.Second)
		require.Len(t, failed.Events(), 1, "the rule says how long")
	})
}

// TestSink_GoexitIsNoVerdict ends the goroutine of the one that tries for all.
func TestSink_GoexitIsNoVerdict(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		d := newFarDatabase()
		d.Respond = func(_ context.Context, ev actions.Event) error {
			if string(ev.Payload) == "exit" {
				runtime.Goexit()
			}
			return nil
		}
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}})
		d.down.Store(true)
		r.send("a", "exit")
		r.send("a", "next")
		settle(time.Second)
		require.True(t, r.Sinks()[0].Down)
		d.down.Store(false)
		settle(time.Minute)
		require.Equal(t, []string{"exit", "next"}, payloads(d.Recorder))
	})
}

func TestBatch_DistinctKeepsOrderWhenSomeComeAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		seen := map[string]int{}
		d := &batching{farDatabase: newFarDatabase(), batch: actions.Batch{
			Events: 100, AcrossTopics: true, Distinct: func(ev actions.Event) string { return ev.Message.Topic },
		}}
		d.busy = func(ev actions.Event) bool {
			seen[string(ev.Payload)]++
			return seen[string(ev.Payload)] <= len(ev.Payload)%3 // comes again, once or twice
		}
		gate := make(chan struct{})
		d.Respond = func(context.Context, actions.Event) error { <-gate; return nil }
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a/+'", Actions: []actions.Action{d}})
		for i := range 40 {
			for topic := range 4 {
				r.send(fmt.Sprintf("a/%d", topic), fmt.Sprintf(`"%d %s"`, i, strings.Repeat("x", i*topic%4)))
			}
		}
		synctest.Wait()
		close(gate)
		settle(time.Hour)
		next := map[string]int{}
		for _, ev := range d.Events() {
			n := 0
			_, err := fmt.Sscanf(string(ev.Payload), `"%d`, &n)
			require.NoError(t, err)
			require.Equal(t, next[ev.Message.Topic], n, "of %s", ev.Message.Topic)
			next[ev.Message.Topic]++
		}
		require.Len(t, d.Events(), 160)
		for _, n := range d.sizes() {
			require.LessOrEqual(t, n, 4, "each topic once")
		}
		require.Contains(t, d.sizes(), 4)
	})
}

// TestBatch_OfOneRevision has a lane with messages of a rule as it was after those of the
// rule as it is.
func TestBatch_OfOneRevision(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := idle(t, rules.Config{MaxInline: 20})
		d := &batching{farDatabase: newFarDatabase(), batch: actions.Batch{Events: 2, AcrossTopics: true}}
		gate := make(chan struct{})
		d.Respond = func(context.Context, actions.Event) error { <-gate; return nil }
		rule := rules.Rule{Name: "r", SQL: "SELECT n FROM '+'", Actions: []actions.Action{d}, Delivery: rules.Delivery{Lanes: 2}}
		r.put(rule)
		topic := "a"
		other := rules.ElsewhereThan(topic, 2)
		r.send(topic, fmt.Sprintf(`{"n":1,"s":%q}`, strings.Repeat("x", 20))) // a worker evaluates it
		r.put(rule)
		for range 3 {
			r.send(other, `{"n":0}`)
		}
		go func() { _ = r.Run(t.Context()) }()
		synctest.Wait()
		r.send(topic, `{"n":2}`)
		close(gate)
		settle(time.Hour)
		require.Equal(t, []string{`{"n":0}`, `{"n":0}`, `{"n":0}`, `{"n":1}`, `{"n":2}`}, payloads(d.Recorder))
	})
}

func TestBatch_ParallelLanes(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		bubbled := func(t *testing.T) {
			r := start(t, rules.Config{})
			d := &batching{farDatabase: newFarDatabase(), batch: actions.Batch{Events: 100, AcrossTopics: true, Parallel: parallel}}
			var inWork, most atomic.Int32
			d.Respond = func(context.Context, actions.Event) error {
				if n := inWork.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Second)
				inWork.Add(-1)
				return nil
			}
			r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a/+'", Actions: []actions.Action{d}, Delivery: rules.Delivery{Lanes: 4}})
			for i := range 100 {
				r.send(fmt.Sprintf("a/%d", i), fmt.Sprint(i))
			}
			settle(time.Hour)
			require.Len(t, d.Events(), 100)
			if parallel {
				require.EqualValues(t, 4, most.Load())
			} else {
				require.EqualValues(t, 1, most.Load())
			}
		}
		t.Run(fmt.Sprint(parallel), func(t *testing.T) { bubble(t, bubbled) })
	}
}

func TestOrderByClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		rec := actions.NewRecorder()
		rec.Respond = func(_ context.Context, ev actions.Event) error {
			time.Sleep(time.Duration(len(ev.Message.Topic)) * time.Millisecond)
			return nil
		}
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a/+'", Actions: []actions.Action{rec}, Delivery: rules.Delivery{Lanes: 8, Order: rules.OrderByClient},
		})
		for i := range 60 {
			for _, client := range []string{"x", "y", "z"} {
				r.submit(actions.Message{Topic: "a/" + strings.Repeat("t", 1+i*7%5), ClientID: client, Payload: []byte(fmt.Sprint(i))})
			}
		}
		settle(time.Hour)
		next := map[string]int{}
		for _, ev := range rec.Events() {
			require.Equal(t, fmt.Sprint(next[ev.Message.ClientID]), string(ev.Payload), "of client %s", ev.Message.ClientID)
			next[ev.Message.ClientID]++
		}
		require.Len(t, rec.Events(), 180)

		data, whole, err := r.EncodeRule(rules.Rule{SQL: "SELECT 1", Delivery: rules.Delivery{Order: rules.OrderByClient}})
		require.NoError(t, err)
		require.True(t, whole)
		require.Contains(t, string(data), `"delivery":{"order":"client"}`)
		decoded, err := r.DecodeRule("x", data)
		require.NoError(t, err)
		require.Equal(t, rules.OrderByClient, decoded.Delivery.Order)
		_, err = r.DecodeRule("x", []byte(`{"sql":"SELECT 1","actions":[],"delivery":{"order":"time"}}`))
		require.ErrorContains(t, err, `delivery.order is "time", expected topic or client`)
		err = r.Put(t.Context(), rules.Rule{Name: "x", SQL: "SELECT 1", Delivery: rules.Delivery{Order: "time"}})
		require.ErrorContains(t, err, `delivery.order is "time", expected topic or client`)
	})
}

// TestOrderByClient_InBatches has clients that publish on several topics.
func TestOrderByClient_InBatches(t *testing.T) {
	for name, batch := range map[string]actions.Batch{
		"one topic each": {Events: 10},
		"key":            {Events: 10, AcrossTopics: true, Parallel: true, Key: func(ev actions.Event) string { return ev.Message.Topic }},
		"distinct":       {Events: 10, AcrossTopics: true, Distinct: func(ev actions.Event) string { return ev.Message.Topic }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := start(t, rules.Config{})
				d := &batching{farDatabase: newFarDatabase(), batch: batch}
				gate := make(chan struct{})
				d.Respond = func(context.Context, actions.Event) error { <-gate; return nil }
				if batch.Distinct != nil {
					refused := map[string]bool{}
					d.busy = func(ev actions.Event) bool {
						id := ev.ID()
						again := !refused[id] && len(refused)%3 == 0
						refused[id] = true
						return again
					}
				}
				r.put(rules.Rule{
					Name: "r", SQL: "SELECT * FROM 'a/+'", Actions: []actions.Action{d}, Delivery: rules.Delivery{Lanes: 2, Order: rules.OrderByClient},
				})
				for i := range 60 {
					for c := range 3 {
						r.submit(actions.Message{Topic: fmt.Sprint("a/", i*(c+1)*5%7%3), ClientID: fmt.Sprint("c", c), Payload: []byte(fmt.Sprint(i))})
					}
				}
				synctest.Wait()
				close(gate)
				settle(time.Hour)
				next := map[string]int{}
				for _, ev := range d.Events() {
					require.Equal(t, fmt.Sprint(next[ev.Message.ClientID]), string(ev.Payload), "of client %s", ev.Message.ClientID)
					next[ev.Message.ClientID]++
				}
				require.Len(t, d.Events(), 180)
				require.Greater(t, slices.Max(d.sizes()), 1)
			})
		})
	}
}

func TestDeadLetters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dead := actions.NewRecorder()
		r := start(t, rules.Config{DeadLetters: dead, Delivery: rules.Delivery{Retry: quick}})
		failed := actions.NewRecorder()
		broken := errors.New("broken")
		r.put(rules.Rule{Name: "alone", SQL: "SELECT * FROM 'alone'", Actions: []actions.Action{refuse(broken), actions.NewRecorder()}})
		r.put(rules.Rule{Name: "both", SQL: "SELECT * FROM 'both'", Actions: []actions.Action{refuse(broken)}, ErrorAction: refuse(errors.New("broken too"))})
		r.put(rules.Rule{Name: "well", SQL: "SELECT * FROM 'well'", Actions: []actions.Action{refuse(broken)}, ErrorAction: failed})
		for _, topic := range []string{"alone", "both", "well"} {
			r.send(topic, "1")
		}
		settle(time.Hour)
		require.Len(t, failed.Events(), 1)
		var of []string
		for _, ev := range dead.Events() {
			of = append(of, ev.Rule)
			require.Contains(t, string(ev.Payload), `"ruleName":"`+ev.Rule+`"`)
			require.Contains(t, string(ev.Payload), `"errorMessage":"broken"`)
			require.Equal(t, actions.ErrorAction, ev.Action)
		}
		require.ElementsMatch(t, []string{"alone", "both"}, of)
		for _, name := range []string{"alone", "both", "well"} {
			require.Zero(t, r.metrics(name).Queued, name)
		}

		// What finds no room is a dead letter too.
		slow := newGate()
		r.put(rules.Rule{
			Name: "alone", SQL: "SELECT * FROM 'alone'", Actions: []actions.Action{slow},
			Delivery: rules.Delivery{Queue: 1, Reserve: -1, Retry: actions.Retry{Timeout: time.Hour}},
		})
		r.send("alone", "taken")
		r.send("alone", "too much")
		synctest.Wait()
		require.Len(t, dead.Events(), 3)
		require.Equal(t, "too much", string(dead.Events()[2].Message.Payload))
		close(slow.open)
	})
}

package rules_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// TestBacklog_ReportOfABatch stops a service whose error action has not taken the report
// on a batch of several messages.
func TestBacklog_ReportOfABatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		reports, batch := newFarDatabase(), &batching{farDatabase: newFarDatabase(), batch: actions.Batch{Events: 10}}
		reports.down.Store(true)
		rule := rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{batch}, ErrorAction: reports}
		r := begin(t, rules.Config{Backlog: store})
		gate := make(chan struct{})
		batch.busy = func(actions.Event) bool { <-gate; return false }
		r.put(rule)
		for i := range 5 {
			r.send("a", fmt.Sprintf(`"poison %d"`, i))
		}
		synctest.Wait()
		close(gate)
		settle(time.Second)
		require.Equal(t, []int{5}, batch.sizes())
		require.NoError(t, r.stop())
		require.Len(t, r.log.with("kept for the next start messages=5"), 1)

		reports.down.Store(false)
		r = begin(t, rules.Config{Backlog: store})
		r.put(rule)
		settle(time.Minute)
		var of []string
		for _, ev := range reports.Events() {
			var report struct {
				Payload  []byte `json:"base64OriginalPayload"`
				Payloads []struct {
					Payload []byte `json:"base64OriginalPayload"`
				} `json:"payloadsWithMetadata"`
			}
			require.NoError(t, json.Unmarshal(ev.Payload, &report))
			for _, p := range report.Payloads {
				of = append(of, string(p.Payload))
			}
			if report.Payload != nil {
				of = append(of, string(report.Payload))
			}
		}
		require.ElementsMatch(t, []string{`"poison 0"`, `"poison 1"`, `"poison 2"`, `"poison 3"`, `"poison 4"`}, of, "each is in one report")
		require.Zero(t, kept(t, store))
		require.NoError(t, r.stop())
	})
}

// TestBacklog_AgeIsThatInTheRule has a message whose time is not that of the hub's clock.
func TestBacklog_AgeIsThatInTheRule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		d, failed := newFarDatabase(), actions.NewRecorder()
		d.down.Store(true)
		rule := rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}, ErrorAction: failed}
		r := begin(t, rules.Config{Backlog: store})
		r.put(rule)
		old := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
		r.submit(actions.Message{Topic: "a", Payload: []byte("1"), Time: old})
		settle(20 * time.Minute)
		require.NoError(t, r.stop())
		r = begin(t, rules.Config{Backlog: store})
		r.put(rule)
		settle(30 * time.Minute)
		require.Empty(t, failed.Events(), "it is not an hour old")
		require.NoError(t, r.stop())
		r = begin(t, rules.Config{Backlog: store})
		r.put(rule)
		settle(8 * time.Minute)
		require.Empty(t, failed.Events(), "it is not an hour old")
		settle(3 * time.Minute)
		require.Len(t, failed.Events(), 1, "now it is")
		require.True(t, old.Equal(failed.Events()[0].Message.Time))
		require.NoError(t, r.stop())
	})
}

// TestBacklog_RuleHasNoActionsAnyMore is about what had not been given to actions.
func TestBacklog_RuleHasNoActionsAnyMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		first := &run{rig: idle(t, rules.Config{Backlog: store, MaxInline: 10}), end: func() {}}
		rule := rules.Rule{Name: "r", SQL: "SELECT n FROM 'a'", Actions: []actions.Action{actions.NewRecorder()}}
		first.put(rule)
		first.send("a", fmt.Sprintf(`{"n":1,"s":%q}`, strings.Repeat("x", 20)))
		first.send("a", `{"n":2}`)
		require.NoError(t, first.stop())

		second := begin(t, rules.Config{Backlog: store})
		rule.Actions = nil
		second.put(rule)
		settle(time.Minute)
		require.Zero(t, second.metrics("r").Queued)
		require.Zero(t, kept(t, store))
		require.NoError(t, second.stop())
	})
}

// A texted action has texts.
type texted struct {
	*farDatabase
	texts []string
}

func (a texted) Resource(actions.Event) string { return "" }
func (a texted) Params() (list []actions.Param) {
	for i, text := range a.texts {
		list = append(list, actions.Param{Name: fmt.Sprint("p", i), Text: text, Optional: true})
	}
	return list
}

// TestBacklog_TextsHaveChanged has an action with other texts than when a message was
// accepted.
func TestBacklog_TextsHaveChanged(t *testing.T) {
	for _, c := range []struct {
		name      string
		old, next []string
		want      []string // nil: it fails
	}{
		{"fixed now", []string{"${n}"}, []string{"x", "y"}, []string{"x", "y"}},
		{"more", []string{"${n}"}, []string{"${n}", "y"}, nil},
		{"fixed before", []string{"x"}, []string{"y", "z"}, []string{"y", "z"}},
		{"none now", []string{"${n}"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := rules.NewMemory()
				d, failed := newFarDatabase(), newFarDatabase()
				d.down.Store(true)
				failed.down.Store(true)
				refused := rules.Rule{Name: "e", SQL: "SELECT * FROM 'b'", Actions: []actions.Action{refuse(actions.Permanent(errors.New("no")))}}
				rule := rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{texted{d, c.old}}}
				r := begin(t, rules.Config{Backlog: store})
				r.put(rule)
				refused.ErrorAction = texted{failed, c.old}
				r.put(refused)
				r.send("a", `{"n":7}`)
				r.send("b", `{"n":7}`)
				settle(time.Minute)
				require.NoError(t, r.stop())

				d.down.Store(false)
				failed.down.Store(false)
				r = begin(t, rules.Config{Backlog: store})
				lost := actions.NewRecorder()
				r.put(rules.Rule{Name: "r", SQL: rule.SQL, Actions: []actions.Action{texted{d, c.next}}, ErrorAction: lost})
				refused.ErrorAction = texted{failed, c.next}
				r.put(refused)
				settle(time.Minute)
				require.Len(t, failed.Events(), 1, "a report has its texts made when it is delivered")
				require.Len(t, failed.Events()[0].Params, len(c.next))
				switch {
				case c.want != nil:
					require.Len(t, d.Events(), 1)
					require.Equal(t, c.want, d.Events()[0].Params)
				case c.next == nil:
					require.Len(t, d.Events(), 1)
					require.Empty(t, d.Events()[0].Params)
				default:
					require.Len(t, lost.Events(), 1)
					require.Contains(t, string(lost.Events()[0].Payload), "the action has other parameters than when the message was accepted")
				}
				require.Zero(t, kept(t, store))
				require.NoError(t, r.stop())
			})
		})
	}
}

// A frailStore ends in the middle of what it is to do, as a process that is killed.
type frailStore struct {
	rules.Store
	saves, deletes int // that it does
}

func (s *frailStore) Save(ctx context.Context, kind rules.RecordKind, r rules.Record) error {
	if s.saves--; s.saves < 0 && kind == rules.BacklogRecord {
		return errDisk
	}
	return s.Store.Save(ctx, kind, r)
}

func (s *frailStore) Delete(ctx context.Context, kind rules.RecordKind, name string, revision int64) error {
	if s.deletes--; s.deletes < 0 && kind == rules.BacklogRecord {
		return errDisk
	}
	return s.Store.Delete(ctx, kind, name, revision)
}

// TestBacklog_WrittenInPart has the records of two shutdowns, one of them not whole: what
// is there comes, some of it twice, and then the records go.
func TestBacklog_WrittenInPart(t *testing.T) {
	for _, c := range []frailStore{{saves: 1, deletes: 0}, {saves: 100, deletes: 0}, {saves: 100, deletes: 1}} {
		t.Run(fmt.Sprint(c.saves, " ", c.deletes), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				memory := rules.NewMemory()
				d := newFarDatabase()
				d.down.Store(true)
				beside := actions.NewRecorder()
				rule := rules.Rule{
					Name: "r", SQL: "SELECT * FROM 'a/+'", Actions: []actions.Action{d, beside},
					Delivery: rules.Delivery{Queue: 5000},
				}
				never := rule
				never.Name, never.SQL = "never", "SELECT * FROM 'b'"
				var want []string
				r := begin(t, rules.Config{Backlog: memory})
				r.put(rule)
				r.put(never)
				for i := range 700 {
					want = append(want, fmt.Sprint(i))
					r.send(fmt.Sprint("a/", i%3), fmt.Sprint(i))
				}
				r.send("b", "b")
				settle(time.Second)
				require.NoError(t, r.stop())

				frail := c
				frail.Store = memory
				r = begin(t, rules.Config{Backlog: &frail})
				r.put(rule)
				for i := range 700 {
					if c.saves > 1 || i < 1 {
						want = append(want, fmt.Sprint("new ", i))
					}
					r.send(fmt.Sprint("a/", i%3), fmt.Sprint("new ", i))
				}
				settle(time.Second)
				require.ErrorIs(t, r.stop(), errDisk)

				d.down.Store(false)
				r = begin(t, rules.Config{Backlog: memory})
				r.put(rule)
				r.put(never)
				settle(time.Hour)
				got := payloads(d.Recorder)
				slices.Sort(got)
				got = slices.Compact(got)
				for _, p := range append(want, "b") {
					if _, some := slices.BinarySearch(got, p); !some && !strings.HasPrefix(p, "new") {
						t.Fatalf("%s was lost", p)
					}
				}
				require.Zero(t, r.metrics("r").Queued)
				require.Zero(t, r.metrics("never").Queued)
				require.Zero(t, kept(t, memory))
				require.NoError(t, r.stop())
				require.Len(t, beside.Events(), 1400+1, "that was done before")
			})
		})
	}
}

// TestBacklog_RecordsGoWhenTheStoreWorksAgain cannot remove what is done at first.
func TestBacklog_RecordsGoWhenTheStoreWorksAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		memory := rules.NewMemory()
		d := newFarDatabase()
		d.down.Store(true)
		rule := rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}}
		later := rules.Rule{Name: "later", SQL: "SELECT * FROM 'b'", Actions: []actions.Action{d}}
		r := begin(t, rules.Config{Backlog: memory})
		r.put(rule)
		r.put(later)
		r.send("a", "1")
		r.send("b", "2")
		settle(time.Second)
		require.NoError(t, r.stop())

		d.down.Store(false)
		frail := &frailStore{Store: memory, saves: 1}
		r = begin(t, rules.Config{Backlog: frail})
		r.put(rule)
		settle(time.Minute)
		require.Equal(t, []string{"1"}, payloads(d.Recorder))
		require.Len(t, r.log.with("cannot be removed"), 1)
		frail.saves, frail.deletes = 100, 100
		require.NoError(t, r.stop())
		require.Equal(t, 1, kept(t, memory), "only what is not done")

		r = begin(t, rules.Config{Backlog: memory})
		r.put(rule)
		r.put(later)
		settle(time.Minute)
		require.Equal(t, []string{"1", "2"}, payloads(d.Recorder))
		require.Zero(t, kept(t, memory))
		require.NoError(t, r.stop())
	})
}

// TestBacklog_WhatIsKeptIsNotDropped counts what a rule that was deleted has lost, and
// nothing else.
func TestBacklog_WhatIsKeptIsNotDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newFarDatabase()
		d.down.Store(true)
		r := begin(t, rules.Config{Backlog: rules.NewMemory()})
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}})
		r.put(rules.Rule{Name: "gone", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}})
		r.send("a", "1")
		settle(time.Second)
		require.NoError(t, r.Delete(t.Context(), "gone"))
		require.ErrorContains(t, r.stop(), "1 messages were not worked")
		require.Zero(t, r.metrics("r").Dropped.Closed, "it is kept")
	})
}

// TestBacklog_OfLargeTexts has records of a size that a store can take.
func TestBacklog_OfLargeTexts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		d := newFarDatabase()
		d.down.Store(true)
		rule := rules.Rule{
			Name: "r", SQL: "SELECT n FROM 'a'", Delivery: rules.Delivery{QueueBytes: 64 << 20},
			Actions: []actions.Action{texted{d, slices.Repeat([]string{"${s}"}, 10)}},
		}
		r := begin(t, rules.Config{Backlog: store})
		r.put(rule)
		for i := range 12 {
			r.submit(actions.Message{Topic: "a", QoS: 1, Payload: fmt.Appendf(nil, `{"n":%d,"s":%q}`, i, strings.Repeat("x", 40<<10))})
		}
		settle(time.Second)
		require.NoError(t, r.stop())
		for rec, err := range store.All(t.Context(), rules.BacklogRecord) {
			require.NoError(t, err)
			require.Less(t, len(rec.Document), 3<<20)
		}
		d.down.Store(false)
		r = begin(t, rules.Config{Backlog: store})
		r.put(rule)
		settle(time.Minute)
		require.Len(t, d.Events(), 12)
		require.Len(t, d.Events()[11].Params[9], 40<<10)
		require.NoError(t, r.stop())
		require.Zero(t, kept(t, store))
	})
}

// TestBacklog_ActionIsGone has nobody who gets to know of it but the log.
func TestBacklog_ActionIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		d := newFarDatabase()
		d.down.Store(true)
		r := begin(t, rules.Config{Backlog: store})
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}})
		r.send("a", "1")
		r.send("a", "2")
		settle(time.Second)
		require.NoError(t, r.stop())
		r = begin(t, rules.Config{Backlog: store})
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{actions.NewRecorder()}})
		settle(time.Second)
		require.Len(t, r.log.with("rules: actions that a rule has no more are not done rule=r action=database events=2"), 1)
		require.Zero(t, r.metrics("r").Queued)
		require.NoError(t, r.stop())
		require.Zero(t, kept(t, store))
	})
}

// An endingStore ends what it is asked for when the service stops to run.
type endingStore struct {
	rules.Store
	end func()
}

func (s *endingStore) Delete(ctx context.Context, kind rules.RecordKind, name string, revision int64) error {
	if end := s.end; end != nil {
		s.end = nil
		end()
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Store.Delete(ctx, kind, name, revision)
}

// TestBacklog_RunEndsMeanwhile ends Run while the records of what is done are removed.
func TestBacklog_RunEndsMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &endingStore{Store: rules.NewMemory()}
		rec := actions.NewRecorder()
		rule := rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{rec}}
		first := &run{rig: idle(t, rules.Config{Backlog: store}), end: func() {}}
		first.put(rule)
		first.send("a", "1")
		require.NoError(t, first.stop())

		r := idle(t, rules.Config{Backlog: store})
		r.put(rule)
		ctx, cancel := context.WithCancel(t.Context())
		store.end = cancel
		require.NoError(t, r.Run(ctx))
		require.Len(t, rec.Events(), 1)
		require.Empty(t, r.log.with("cannot be removed"))
		require.NotZero(t, kept(t, store))

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, r.Run(ctx))
		require.Zero(t, kept(t, store))
		require.Len(t, rec.Events(), 1)
	})
}

// TestBacklog_PublishersMeanwhile has messages that come while the service is shut down:
// each is kept or counted.
func TestBacklog_PublishersMeanwhile(t *testing.T) {
	for i := range 5 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := rules.NewMemory()
				d := newFarDatabase()
				d.down.Store(true)
				rule := rules.Rule{
					Name: "r", SQL: "SELECT n FROM 'a/+'", Actions: []actions.Action{d},
					Delivery: rules.Delivery{Queue: 1 << 20, QueueBytes: 1 << 30},
				}
				r := begin(t, rules.Config{Backlog: store})
				r.put(rule)
				var taken atomic.Int64
				var publishers sync.WaitGroup
				for p := range 4 {
					publishers.Go(func() {
						for n := 0; ; n++ {
							m := &actions.Message{Topic: fmt.Sprint("a/", p), Payload: fmt.Appendf(nil, `{"n":%d}`, n)}
							if r.Submit(context.Background(), m) != nil {
								return
							}
							taken.Add(1)
						}
					})
				}
				for taken.Load() < 100 {
					runtime.Gosched()
				}
				ended, cancel := context.WithCancel(context.Background())
				cancel()
				_ = r.Shutdown(ended) // it says what it has lost, which the counter has too
				publishers.Wait()
				r.end()
				lost := r.metrics("r").Dropped.Closed

				d.down.Store(false)
				r = begin(t, rules.Config{Backlog: store})
				r.put(rule)
				settle(time.Minute)
				arrived := int64(len(d.Events())) + int64(lost)
				require.GreaterOrEqual(t, arrived, taken.Load())
				require.LessOrEqual(t, arrived, taken.Load()+4, "what a publisher was about to hand over may be counted twice")
				require.Zero(t, r.metrics("r").Queued)
				require.NoError(t, r.stop())
			})
		})
	}
}

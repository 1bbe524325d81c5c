package rules_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// gate is an action that waits to be let through.
type gate struct {
	open chan struct{}
	*actions.Recorder
}

func newGate() gate {
	g := gate{make(chan struct{}), actions.NewRecorder()}
	g.Respond = func(ctx context.Context, _ actions.Event) error {
		select {
		case <-g.open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g
}

func TestASlowActionHoldsUpItsOwnRuleOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		slow, quickly, beside := newGate(), actions.NewRecorder(), actions.NewRecorder()
		r.put(rules.Rule{
			Name: "slow", SQL: "SELECT * FROM 'a/+'", Actions: []actions.Action{slow, beside},
			Delivery: rules.Delivery{Lanes: 2, Retry: actions.Retry{Timeout: time.Hour}},
		})
		r.put(rules.Rule{Name: "quick", SQL: "SELECT * FROM 'a/+'", Actions: []actions.Action{quickly}})
		start := time.Now()
		for i := range 100 {
			r.send(fmt.Sprintf("a/%d", i%10), fmt.Sprint(i))
		}
		synctest.Wait()
		require.Zero(t, time.Since(start), "Submit does not wait")
		require.Len(t, slow.Events(), 2, "one for each lane")
		require.Len(t, quickly.Events(), 100)
		require.Len(t, beside.Events(), 100, "the other actions of the rule go on too")
		require.Equal(t, 100, r.metrics("slow").Queued)
		close(slow.open)
		synctest.Wait()
		require.Len(t, slow.Events(), 100)
		require.Zero(t, r.metrics("slow").Queued)
	})
}

func TestOrderPerTopic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		rec := actions.NewRecorder()
		var mu sync.Mutex
		inWork, most := map[string]int{}, 0
		rec.Respond = func(ctx context.Context, ev actions.Event) error {
			mu.Lock()
			inWork[ev.Message.Topic]++
			if inWork[ev.Message.Topic] > 1 {
				t.Errorf("two of %s at once", ev.Message.Topic)
			}
			most = max(most, len(inWork))
			mu.Unlock()
			time.Sleep(time.Duration(ev.Payload[2]%3+1) * time.Millisecond)
			mu.Lock()
			delete(inWork, ev.Message.Topic)
			mu.Unlock()
			if ev.Attempt == 1 && strings.HasSuffix(string(ev.Payload), "7") {
				return errors.New("once more")
			}
			return nil
		}
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM '+'", Actions: []actions.Action{rec}, Delivery: rules.Delivery{Lanes: 8, Retry: quick}})
		for i := range 400 {
			r.send(fmt.Sprintf("t%d", i%20), fmt.Sprintf("%03d", i))
		}
		settle(time.Hour)
		last := map[string]string{}
		for _, ev := range rec.Events() {
			if p := string(ev.Payload); ev.Attempt == 1 {
				require.Less(t, last[ev.Message.Topic], p)
				last[ev.Message.Topic] = p
			} else {
				require.Equal(t, last[ev.Message.Topic], p, "a retry comes before what follows")
			}
		}
		require.Len(t, rec.Events(), 440)
		require.Greater(t, most, 1, "lanes work side by side")
	})
}

func TestFullQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		slow, report := newGate(), newGate()
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{slow}, ErrorAction: report,
			Delivery: rules.Delivery{Queue: 3, Reserve: 2, Retry: actions.Retry{Timeout: time.Hour}},
		})
		for i := range 5 {
			r.send("a", fmt.Sprint(i)) // 3 and 4 are reported
		}
		for i := range 8 {
			r.submit(actions.Message{Topic: "a", QoS: 1, Payload: []byte(fmt.Sprint("q", i))}) // q0 and q1 fit, q2 is reported
		}
		synctest.Wait()
		m := r.metrics("r")
		require.Equal(t, 5, m.Queued)
		require.EqualValues(t, 8, m.Dropped.QueueFull)
		require.EqualValues(t, 13, m.Passed)
		require.Equal(t, []string{"WARN rules: a message is dropped because too many wait for the rule's actions rule=r topic=a queued=3"}, r.log.with("too many"), "it is logged once")
		close(report.open)
		close(slow.open)
		synctest.Wait()
		require.Equal(t, []string{"0", "1", "2", "q0", "q1"}, payloads(slow.Recorder))
		require.Len(t, report.Events(), 3, "as many as the queue holds")
		var reported []string
		for _, ev := range report.Events() {
			reported = append(reported, string(ev.Message.Payload))
		}
		require.Equal(t, []string{"3", "4", "q2"}, reported)
		require.Contains(t, string(report.Events()[2].Payload), `"failures":[{"failedAction":"RuleExecution","failedResource":"r","errorMessage":"the queue of the rule is full: 5 messages wait"}]`)

		r.send("a", "again")
		synctest.Wait()
		require.Len(t, slow.Events(), 6)
		require.Zero(t, r.metrics("r").Queued)

		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{newGate()}, Delivery: rules.Delivery{Queue: 1, Reserve: -1, Retry: actions.Retry{Timeout: time.Hour}},
		})
		r.submit(actions.Message{Topic: "a", QoS: 1})
		r.submit(actions.Message{Topic: "a", QoS: 1})
		synctest.Wait()
		require.Equal(t, 1, r.metrics("r").Queued, "without a reserve QoS 1 is dropped too")
		require.Len(t, r.log.with("too many"), 2, "a rule that was replaced is logged again")
	})
}

func TestFullQueueOfBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		slow := newGate()
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{slow}, Delivery: rules.Delivery{QueueBytes: 100, Retry: actions.Retry{Timeout: time.Hour}},
		})
		r.send("a", strings.Repeat("x", 1000)) // larger than the queue, which is empty
		r.send("a", "x")
		r.submit(actions.Message{Topic: "a", QoS: 1, Payload: []byte("x")})
		synctest.Wait()
		require.Equal(t, 1, r.metrics("r").Queued)
		require.EqualValues(t, 2, r.metrics("r").Dropped.QueueFull)
		close(slow.open)
		synctest.Wait()
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{newGate()}, Delivery: rules.Delivery{QueueBytes: 100, Retry: actions.Retry{Timeout: time.Hour}},
		})
		synctest.Wait()
		for range 200 {
			r.send("a", "x")
		}
		require.Equal(t, 100, r.metrics("r").Queued)
		for range 200 {
			r.submit(actions.Message{Topic: "a", QoS: 2, Payload: []byte("x")})
		}
		require.Equal(t, 200, r.metrics("r").Queued, "QoS 2 has as much again")
		r.put(rules.Rule{Name: "both", SQL: "SELECT VALUE x FROM 'b'", Actions: []actions.Action{newGate()}, Delivery: rules.Delivery{QueueBytes: 100}})
		for range 200 {
			r.send("b", `{"x":1}`) // 7 bytes in, 1 out
		}
		require.Equal(t, 12, r.metrics("both").Queued)
	})
}

func TestRetries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		rec := actions.NewRecorder()
		var times []time.Duration
		begin := time.Now()
		rec.Respond = func(_ context.Context, ev actions.Event) error {
			times = append(times, time.Since(begin))
			if ev.Attempt < 4 {
				return fmt.Errorf("failed %d", ev.Attempt)
			}
			return nil
		}
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{rec},
			Delivery: rules.Delivery{Retry: actions.Retry{Tries: 5, Backoff: 2 * time.Second, MaxBackoff: 5 * time.Second, MaxAge: time.Hour}},
		})
		r.send("a", "1")
		settle(time.Minute)
		require.Len(t, times, 4)
		for i, between := range [][2]time.Duration{{1, 2}, {2, 4}, {2500 * time.Millisecond / time.Second, 5}} {
			pause := times[i+1] - times[i]
			require.GreaterOrEqual(t, pause, between[0]*time.Second, "pause %d", i)
			require.LessOrEqual(t, pause, between[1]*time.Second, "pause %d", i)
		}
		ids := map[string]bool{}
		for i, ev := range rec.Events() {
			require.Equal(t, i+1, ev.Attempt)
			ids[ev.ID()] = true
		}
		require.Len(t, ids, 1, "the id stays the same")
		m := r.metrics("r").Actions[0]
		require.EqualValues(t, 3, m.Retries)
		require.EqualValues(t, 1, m.Success)
		require.Zero(t, m.Failure)
		require.EqualValues(t, 4, m.Latency.Count)
	})
}

func TestNoMoreRetries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		var tries [4]int
		count := func(i int, err error, d time.Duration) actions.Func {
			return func(ctx context.Context, _ actions.Event) error {
				tries[i]++
				if d > 0 {
					time.Sleep(d)
				}
				return err
			}
		}
		failed := errors.New("failed")
		put := func(i int, name string, a actions.Action, retry actions.Retry) {
			r.put(rules.Rule{Name: name, SQL: "SELECT * FROM 'a'", Actions: []actions.Action{a}, Delivery: rules.Delivery{Retry: retry}})
		}
		put(0, "tries", count(0, failed, 0), quick)
		put(1, "permanent", count(1, actions.Permanent(failed), 0), quick)
		put(2, "age", count(2, failed, 0), actions.Retry{Tries: 1000, Backoff: time.Second, MaxBackoff: time.Second, MaxAge: 10 * time.Second})
		put(3, "timeout", actions.Func(func(ctx context.Context, _ actions.Event) error {
			tries[3]++
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, 10*time.Second, time.Until(deadline))
			<-ctx.Done()
			return ctx.Err()
		}), quick)
		r.send("a", "")
		settle(time.Hour)
		require.Equal(t, 3, tries[0])
		require.Equal(t, 1, tries[1])
		require.GreaterOrEqual(t, tries[2], 10)
		require.LessOrEqual(t, tries[2], 20)
		require.Equal(t, 3, tries[3])
		for _, name := range []string{"tries", "permanent", "age", "timeout"} {
			m := r.metrics(name)
			require.EqualValues(t, 1, m.Actions[0].Failure, name)
			require.Zero(t, m.Queued, name)
		}
		require.Equal(t, 10*time.Second, r.metrics("timeout").Actions[0].Latency.Max)
		require.Equal(t, 30*time.Second, r.metrics("timeout").Actions[0].Latency.Sum)
		require.EqualValues(t, 3, r.metrics("timeout").Actions[0].Latency.Buckets[len(rules.LatencyBounds)-1])
	})
}

// stubborn is an action that knows itself how often it is to be tried.
type stubborn struct{ *actions.Recorder }

func (stubborn) Retry() actions.Retry { return actions.Retry{Tries: 7} }

func TestAnActionMayKnowBetter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		a := stubborn{actions.NewRecorder()}
		a.Respond = func(context.Context, actions.Event) error { return errors.New("no") }
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{a}, Delivery: rules.Delivery{Retry: quick}})
		r.send("a", "")
		settle(time.Hour)
		require.Len(t, a.Events(), 7)
	})
}

func TestPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		report, after := actions.NewRecorder(), actions.NewRecorder()
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", ErrorAction: report,
			Actions: []actions.Action{actions.Func(func(context.Context, actions.Event) error { panic("oh no") }), after},
		})
		r.send("a", "1")
		r.send("a", "2")
		synctest.Wait()
		require.Len(t, report.Events(), 2, "a panic is not retried")
		require.Contains(t, string(report.Events()[0].Payload), `"failures":[{"failedAction":"FunctionAction","failedResource":"","errorMessage":"panic: oh no"}]`)
		require.Len(t, after.Events(), 2)
		require.Len(t, r.log.with("ERROR rules: an action panicked"), 2)
	})
}

func TestFailuresAreLoggedWhenTheyBegin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		var err error
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{actions.Func(func(context.Context, actions.Event) error { return err })}})
		for _, err = range []error{nil, actions.Permanent(errors.New("one")), actions.Permanent(errors.New("two")), nil, nil, actions.Permanent(errors.New("three"))} {
			r.send("a", "")
			synctest.Wait()
		}
		require.Equal(t, []string{
			"WARN rules: an action fails rule=r action=function topic=a tries=1 err=one",
			"INFO rules: an action works again action=function",
			"WARN rules: an action fails rule=r action=function topic=a tries=1 err=three",
		}, r.log.with("an action"))
	})
}

func TestContextOfAnAction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{MaxHops: 255})
		type seen struct {
			hops        uint8
			before, end error
		}
		got := make(chan seen, 10)
		var kept context.Context
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{actions.Func(func(ctx context.Context, ev actions.Event) error {
			kept = ctx
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			before := ctx.Err()
			if len(ev.Payload) > 0 {
				<-child.Done()
			}
			got <- seen{actions.Hops(child), before, ctx.Err()}
			return nil
		})}, Delivery: rules.Delivery{Retry: actions.Retry{Timeout: time.Second}}})
		r.submit(actions.Message{Topic: "a"})
		require.Equal(t, seen{1, nil, nil}, <-got)
		synctest.Wait()
		require.ErrorIs(t, kept.Err(), context.Canceled, "the context ends with the call")
		<-kept.Done()
		r.submit(actions.Message{Topic: "a", Hops: 255, Payload: []byte("wait")})
		require.Equal(t, seen{255, nil, context.DeadlineExceeded}, <-got)
		synctest.Wait()
		require.ErrorIs(t, kept.Err(), context.DeadlineExceeded)
	})
}

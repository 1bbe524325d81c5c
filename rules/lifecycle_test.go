package rules_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

func TestReplaceUnderLoad(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var ran sync.WaitGroup
	ran.Go(func() { _ = s.Run(ctx) })
	var done [4]atomic.Int64
	var seen sync.Map
	put := func(version int, filter string) {
		err := s.Put(ctx, rules.Rule{
			Name: "r", SQL: fmt.Sprintf("SELECT *, %d AS v FROM '%s'", version, filter),
			Actions: []actions.Action{actions.Func(func(_ context.Context, ev actions.Event) error {
				done[0].Add(1)
				if _, twice := seen.LoadOrStore(ev.Message.TraceID.String(), true); twice {
					t.Errorf("%s came twice", ev.Message.TraceID.String())
				}
				return nil
			})},
			Delivery: rules.Delivery{Queue: 1 << 20, QueueBytes: 1 << 30},
		})
		if err != nil {
			t.Errorf("Put: %v", err)
		}
	}
	put(0, "a/+")
	const publishers, each = 4, 3000
	var publishing, replacing sync.WaitGroup
	stop := make(chan struct{})
	replacing.Go(func() {
		filters := []string{"a/+", "a/#", "a/b", "+/b"}
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				put(i, filters[i%len(filters)])
			}
		}
	})
	replacing.Go(func() { // other rules that come and go must not matter
		for {
			select {
			case <-stop:
				return
			default:
				_ = s.Put(ctx, rules.Rule{Name: "other", SQL: "SELECT * FROM 'a/b'"})
				_ = s.Delete(ctx, "other")
			}
		}
	})
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				topic := "a/b"
				if i%10 == 0 {
					topic = "$aws/rules/r/a/b"
				}
				m := actions.Message{Topic: topic, Payload: []byte(`{"x":1}`), QoS: 1, TraceID: actions.NamedTraceID(fmt.Sprintf("%d-%d", p, i))}
				if err := s.Submit(ctx, &m); err != nil {
					t.Errorf("Submit: %v", err)
				}
			}
		})
	}
	publishing.Wait()
	close(stop)
	replacing.Wait()
	require.NoError(t, s.Shutdown(ctx))
	require.EqualValues(t, publishers*each, done[0].Load(), "no message is lost")
	require.Zero(t, s.Metrics().RuleNotFound)
	cancel()
	ran.Wait()
}

func TestAMessageIsWorkedByTheRuleItMatched(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := idle(t, rules.Config{})
		before, after := actions.NewRecorder(), actions.NewRecorder()
		r.put(rules.Rule{Name: "r", SQL: "SELECT 1 AS v FROM 'a'", Actions: []actions.Action{before}})
		r.send("a", "")
		r.put(rules.Rule{Name: "r", SQL: "SELECT 2 AS v FROM 'a'", Actions: []actions.Action{after, after}, Delivery: rules.Delivery{Lanes: 9}})
		r.send("a", "")
		require.NoError(t, r.Disable(t.Context(), "r"))
		r.send("a", "")
		require.NoError(t, r.Delete(t.Context(), "r"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, r.Run(ctx))
		require.Equal(t, []string{`{"v":1}`}, payloads(before))
		require.Equal(t, []string{`{"v":2}`, `{"v":2}`}, payloads(after))
	})
}

func TestRunAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := idle(t, rules.Config{})
		rec := actions.NewRecorder()
		rec.Respond = func(ctx context.Context, ev actions.Event) error {
			select {
			case <-time.After(time.Minute):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		batched := newSink("x", actions.Batch{Events: 2, Open: time.Hour}, nil)
		failing := newSink("x", actions.Batch{Events: 2}, func(actions.Event) error { return errors.New("busy") })
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{rec, batched, failing},
			Delivery: rules.Delivery{Retry: actions.Retry{Tries: 4, Timeout: time.Hour, Backoff: 40 * time.Minute, MaxBackoff: time.Hour, MaxAge: 24 * time.Hour}},
		})
		for i := range 3 {
			r.send("a", fmt.Sprint(i))
		}
		for range 30 { // each Run ends in the middle of something
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
			begin := time.Now()
			require.NoError(t, r.Run(ctx))
			require.Equal(t, 100*time.Second, time.Since(begin))
			cancel()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
		defer cancel()
		require.NoError(t, r.Run(ctx))
		m := r.metrics("r")
		require.Zero(t, m.Queued)
		require.EqualValues(t, 3, m.Actions[0].Success)
		require.Zero(t, m.Actions[0].Retries, "an action that did not get its time has no try less")
		require.EqualValues(t, 3, m.Actions[1].Success)
		require.EqualValues(t, 3, m.Actions[2].Failure)
		var attempts []int
		for _, ev := range rec.Events() {
			attempts = append(attempts, ev.Attempt)
		}
		require.Equal(t, []int{1, 1, 1}, attempts[len(attempts)-3:])
	})
}

func TestRunTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		synctest.Wait()
		require.EqualError(t, r.Run(t.Context()), "rules: Run is called while it runs")
	})
}

func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		r := idle(t, rules.Config{})
		ended := make(chan error, 1)
		go func() { ended <- r.Run(context.Background()) }()
		slow := newSink("x", actions.Batch{}, func(actions.Event) error { time.Sleep(time.Second); return nil })
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{slow}})
		for range 10 {
			r.send("a", "")
		}
		begin := time.Now()
		require.NoError(t, r.Shutdown(ctx))
		require.Equal(t, 10*time.Second, time.Since(begin), "what was taken is worked")
		require.ErrorIs(t, <-ended, rules.ErrClosed)
		require.Len(t, slow.Events(), 10)

		require.ErrorIs(t, r.Submit(ctx, &actions.Message{Topic: "a"}), rules.ErrClosed)
		require.ErrorIs(t, r.Put(ctx, rules.Rule{Name: "s", SQL: "SELECT * FROM 'a'"}), rules.ErrClosed)
		require.ErrorIs(t, r.Delete(ctx, "r"), rules.ErrClosed)
		require.ErrorIs(t, r.Disable(ctx, "r"), rules.ErrClosed)
		_, err := r.CreateDestination(ctx, "https://example.com")
		require.ErrorIs(t, err, rules.ErrClosed)
		require.ErrorIs(t, r.Run(ctx), rules.ErrClosed)
		require.NoError(t, r.Shutdown(ctx), "again is fine")
		_, err = r.Get(ctx, "r")
		require.NoError(t, err, "what was can still be read")
	})
}

func TestShutdownGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		ended := actions.NewRecorder()
		ended.Respond = func(ctx context.Context, _ actions.Event) error {
			<-ctx.Done()
			return ctx.Err()
		}
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{ended}, Delivery: rules.Delivery{Retry: actions.Retry{Timeout: time.Hour}}})
		for range 10 {
			r.send("a", "")
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := r.Shutdown(ctx)
		require.EqualError(t, err, "rules: 10 messages were not worked: context deadline exceeded")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualValues(t, 10, r.metrics("r").Dropped.Closed)
	})
}

func TestShutdownIsCutByAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		g := newGate()
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{g}, Delivery: rules.Delivery{Retry: actions.Retry{Timeout: time.Hour}}})
		r.send("a", "")
		first := make(chan error, 1)
		go func() { first <- r.Shutdown(context.Background()) }()
		synctest.Wait()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, r.Shutdown(ended), context.Canceled)
		require.EqualError(t, <-first, "rules: 1 messages were not worked: rules: closed")
		require.EqualValues(t, 1, r.metrics("r").Dropped.Closed)
	})
}

func TestShutdownDoesNotWaitForCodeThatIgnoresItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		stuck := make(chan struct{})
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{actions.Func(func(context.Context, actions.Event) error {
			<-stuck
			return nil
		})}})
		r.send("a", "")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		require.ErrorIs(t, r.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(begin))
		close(stuck)
	})
}

func TestShutdownWithoutRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := idle(t, rules.Config{})
		require.NoError(t, r.Shutdown(t.Context()))
		require.ErrorIs(t, r.Run(t.Context()), rules.ErrClosed)

		r = idle(t, rules.Config{})
		rec := actions.NewRecorder()
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{rec}})
		r.send("a", "")
		shut := make(chan error, 1)
		go func() { shut <- r.Shutdown(context.Background()) }()
		synctest.Wait()
		require.ErrorIs(t, r.Run(t.Context()), rules.ErrClosed, "whoever runs now works what is left")
		require.NoError(t, <-shut)
		require.Len(t, rec.Events(), 1)
	})
}

func TestStartAndStopUnderStress(t *testing.T) {
	t.Parallel()
	for range 20 {
		s, err := rules.New(rules.Config{})
		require.NoError(t, err)
		var done atomic.Int64
		count := actions.Func(func(context.Context, actions.Event) error { done.Add(1); return nil })
		require.NoError(t, s.Put(t.Context(), rules.Rule{Name: "r", SQL: "SELECT * FROM '#'", Actions: []actions.Action{count}, Delivery: rules.Delivery{Queue: 1 << 20, QueueBytes: 1 << 30}}))
		var accepted atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() {
			for s.Run(t.Context()) == nil {
			}
		})
		for p := range 4 {
			wg.Go(func() {
				for i := range 200 {
					if s.Submit(t.Context(), &actions.Message{Topic: fmt.Sprint(p, i)}) != nil {
						return
					}
					accepted.Add(1)
				}
			})
		}
		wg.Go(func() {
			if err := s.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
		wg.Wait()
		dropped := s.Metrics().Rules["r"].Dropped.Closed
		require.EqualValues(t, accepted.Load(), done.Load()+int64(dropped))
	}
}

package rules_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

// An action that ends its goroutine, as the FailNow of a test does, has failed, and no more.
func TestAnActionThatEndsItsGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		rec, beside, report := actions.NewRecorder(), actions.NewRecorder(), actions.NewRecorder()
		rec.Respond = func(_ context.Context, ev actions.Event) error {
			if p := string(ev.Payload); p == "0" || p == "57" || p == "58" || p == "99" {
				runtime.Goexit()
			}
			return nil
		}
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{rec, beside}, ErrorAction: report})
		for i := range 100 {
			r.send("a", fmt.Sprint(i))
		}
		synctest.Wait()
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprint(i))
		}
		require.Equal(t, want, payloads(rec), "each is tried once")
		require.Equal(t, want, payloads(beside))
		m := r.metrics("r")
		require.Zero(t, m.Queued)
		require.EqualValues(t, 96, m.Actions[0].Success)
		require.EqualValues(t, 4, m.Actions[0].Failure)
		require.EqualValues(t, 100, m.Actions[1].Success)
		require.Len(t, report.Events(), 4)
		require.Contains(t, string(report.Events()[1].Payload), `"failures":[{"failedAction":"RecorderAction","failedResource":"","errorMessage":"the goroutine was ended by runtime.Goexit"}]`)
		require.Equal(t, "57", string(report.Events()[1].Message.Payload))
		require.Len(t, r.log.with("ERROR rules: an action ended its goroutine"), 4)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// leaving is an action that ends its goroutine wherever it is told to.
type leaving struct {
	sink
	leave string
}

func (a leaving) exit(where string, ev actions.Event) {
	if where == a.leave && string(ev.Message.Payload) == "2" {
		runtime.Goexit()
	}
}

func (a leaving) Resource(ev actions.Event) string { a.exit("resource", ev); return "table" }

func (a leaving) Batch() actions.Batch {
	if a.leave == "do" || a.leave == "retry" {
		return actions.Batch{}
	}
	return actions.Batch{Events: 3, Key: func(ev actions.Event) string { a.exit("key", ev); return "key" }}
}

func (a leaving) Do(ctx context.Context, ev actions.Event) error {
	a.exit("do", ev)
	if ev.Attempt == 2 {
		a.exit("retry", ev)
	}
	_ = a.Recorder.Do(ctx, ev)
	if a.leave == "resource" || a.leave == "retry" {
		return errors.New("busy")
	}
	return nil
}

func (a leaving) DoBatch(ctx context.Context, evs []actions.Event) []error {
	errs := make([]error, len(evs))
	for i, ev := range evs {
		a.exit("batch", ev)
		errs[i] = a.Do(ctx, ev)
	}
	return errs
}

func TestGoroutinesThatEndAnywhere(t *testing.T) {
	for where, failures := range map[string]uint64{"do": 1, "retry": 6, "batch": 3, "key": 1, "resource": 6, "late template": 1} {
		t.Run(where, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				functions := map[string]sql.Function{"leave": {Min: 1, Max: 1, Call: func(_ context.Context, args [][]byte) ([]byte, error) {
					if string(args[0]) == "2" {
						runtime.Goexit()
					}
					return args[0], nil
				}}}
				r := start(t, rules.Config{Functions: functions, Externals: sql.Externals{Secrets: &secrets{}}})
				report := actions.NewRecorder()
				a := leaving{newSink("t", actions.Batch{}, nil), where}
				if where == "late template" {
					a.table = "${concat(get_secret('a','SecretString','r'), leave(*))}"
				}
				r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{a}, ErrorAction: report, Delivery: rules.Delivery{Retry: quick}})
				for i := range 6 {
					r.send("a", fmt.Sprint(i))
				}
				settle(time.Hour)
				m := r.metrics("r")
				require.Zero(t, m.Queued)
				require.Equal(t, failures, m.Actions[0].Failure)
				require.EqualValues(t, 6-failures, m.Actions[0].Success)
				require.NotEmpty(t, report.Events())
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}

// Functions of the host's may end the goroutine too, wherever they are called.
func TestEvaluationsThatEndTheirGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		functions := map[string]sql.Function{"leave": {Min: 1, Max: 1, Call: func(_ context.Context, args [][]byte) ([]byte, error) {
			if string(args[0]) == "2" {
				runtime.Goexit()
			}
			return args[0], nil
		}}}
		r := start(t, rules.Config{Functions: functions, MaxInline: 6})
		rec, report := actions.NewRecorder(), actions.NewRecorder()
		table := newSink("t${leave(x)}", actions.Batch{}, nil)
		r.put(rules.Rule{Name: "where", SQL: "SELECT VALUE x FROM 'a' WHERE leave(x) >= 0", Actions: []actions.Action{rec}, ErrorAction: report})
		r.put(rules.Rule{Name: "template", SQL: "SELECT VALUE x FROM 'b'", Actions: []actions.Action{table}})
		for i := range 4 {
			r.send("a", fmt.Sprintf(`{"x":%d}`, i))
			done := make(chan struct{})
			go func() { // it is the publisher's that ends where the payload is small
				defer close(done)
				r.send("b", fmt.Sprintf(`{"x":%d}`, i)[:7])
			}()
			<-done
		}
		synctest.Wait()
		require.Equal(t, []string{"0", "1", "3"}, payloads(rec))
		require.Len(t, report.Events(), 1)
		require.EqualValues(t, 1, r.metrics("where").Failed)
		require.Zero(t, r.metrics("where").Queued)
		require.Zero(t, r.metrics("template").Queued)

		done := make(chan struct{})
		inline := start(t, rules.Config{Functions: functions})
		inline.put(rules.Rule{Name: "template", SQL: "SELECT VALUE x FROM 'b'", Actions: []actions.Action{table}})
		go func() {
			defer close(done)
			inline.send("b", `{"x":2}`)
		}()
		<-done
		require.Zero(t, inline.metrics("template").Queued, "its place is free")
		require.NoError(t, inline.Shutdown(t.Context()))
	})
}

// An error action has as much time as an action, from when it gets the report.
func TestTheTimeOfAnErrorAction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		report := actions.NewRecorder()
		report.Respond = func(_ context.Context, ev actions.Event) error {
			if ev.Attempt < 3 {
				return errors.New("not yet")
			}
			return nil
		}
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{refuse(errors.New("busy"))}, ErrorAction: report,
			Delivery: rules.Delivery{Retry: actions.Retry{Tries: 1000, Backoff: time.Second, MaxBackoff: time.Second, MaxAge: time.Minute}},
		})
		r.send("a", "1")
		settle(time.Hour)
		m := r.metrics("r")
		require.EqualValues(t, 1, m.Actions[0].Failure)
		require.EqualValues(t, 1, m.ErrorAction.Success, "the message is a minute old, the report is not")
		require.EqualValues(t, 2, m.ErrorAction.Retries)

		report.Respond = refuse(errors.New("never"))
		r.send("a", "1")
		settle(time.Hour)
		retries := r.metrics("r").ErrorAction.Retries
		require.Greater(t, retries, uint64(2+50))
		require.Less(t, retries, uint64(2+130), "it has an end")
	})
}

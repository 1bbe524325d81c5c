package rules_test

import (
	"context"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

// A message that is refused takes nobody's place, not even for a moment.
func TestRefusedMessagesTakeNoPlace(t *testing.T) {
	t.Parallel()
	r := idle(t, rules.Config{})
	r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{actions.NewRecorder()}, Delivery: rules.Delivery{Queue: 2000, Reserve: 2000, QueueBytes: 10_000}})
	r.send("a", "x")
	large := strings.Repeat("x", 20_001)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = r.Submit(t.Context(), &actions.Message{Topic: "a", Payload: []byte(large)})
				}
			}
		})
	}
	const n = 1999
	for range n {
		r.send("a", "x")
	}
	require.Equal(t, 1+n, r.metrics("r").Queued, "all of the small ones fit")
	for range 2000 {
		r.submit(actions.Message{Topic: "a", QoS: 1, Payload: []byte("x")})
	}
	require.Equal(t, 4000, r.metrics("r").Queued, "and so does the reserve, although QoS 0 is refused all the time")
	close(stop)
	wg.Wait()
}

// A report says what the queue is full of.
func TestWhyTheQueueIsFull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		report := actions.NewRecorder()
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{newGate()}, ErrorAction: report,
			Delivery: rules.Delivery{Queue: 2, Reserve: -1, QueueBytes: 100, Retry: actions.Retry{Timeout: time.Hour}},
		})
		send := func(size int) {
			r.submit(actions.Message{Topic: "a", QoS: 1, Payload: []byte(strings.Repeat("x", size))})
		}
		send(70)
		send(150)
		send(1)
		send(1)
		synctest.Wait()
		require.Len(t, report.Events(), 2)
		require.Contains(t, string(report.Events()[0].Payload), `"errorMessage":"the queue of the rule is full: messages of 70 bytes wait, and this one has 150"`)
		require.Contains(t, string(report.Events()[1].Payload), `"errorMessage":"the queue of the rule is full: 2 messages wait"`)
		require.Equal(t, []string{"WARN rules: a message is dropped because too much waits for the rule's actions rule=r topic=a queued=1 bytes=70 size=150"}, r.log.with("too"))
	})
}

// What a worker makes of a message counts as soon as it is made.
func TestOutputOfAWorkerCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{Externals: sql.Externals{Secrets: &secrets{}}, MaxInline: 2000})
		for name, text := range map[string]string{
			"calls": `SELECT get_secret('a','SecretString','r') AS s, payload FROM 'a'`,
			"large": `SELECT VALUE rpad('', 900) FROM 'b'`,
			"same":  `SELECT * FROM 'c'`,
		} {
			r.put(rules.Rule{
				Name: name, SQL: text, Actions: []actions.Action{newGate()}, Delivery: rules.Delivery{QueueBytes: 4000, Retry: actions.Retry{Timeout: time.Hour}},
			})
		}
		fill := strings.Repeat("x", 980)
		for range 5 {
			r.send("a", `{"payload":"`+fill+`"}`) // about 1000 bytes in and as many out
			settle(2 * time.Second)
		}
		require.Equal(t, 2, r.metrics("calls").Queued)
		for range 5 {
			r.send("b", fill+fill+fill) // 3000 in, 902 out
			synctest.Wait()
		}
		require.Equal(t, 1, r.metrics("large").Queued)
		r.send("b", strings.Repeat("x", 170))
		require.Equal(t, 1, r.metrics("large").Queued, "170 and 902 would be too much")
		for range 2 {
			r.send("c", fill+fill+fill[:40])
			synctest.Wait()
		}
		require.Equal(t, 2, r.metrics("same").Queued, "an output that is the payload counts once")
	})
}

// Code of the host's that panics when a message has a place already gives it back.
func TestAPanicGivesThePlaceBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		p := newSink("${get_user_properties('a')}", actions.Batch{}, nil)
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{p}})
		var bad iter.Seq2[string, string] = func(func(string, string) bool) { panic("no properties") }
		require.NoError(t, r.Submit(t.Context(), &actions.Message{Topic: "a", UserProperties: bad}))
		m := r.metrics("r")
		require.EqualValues(t, 1, m.Failed)
		require.Zero(t, m.Passed, "one message is not both")
		require.Zero(t, m.Queued)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, r.Shutdown(ctx))
	})
}

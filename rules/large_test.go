package rules_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
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

// heavy is a function that takes as long as the test wants for a large payload.
type heavy struct{ open chan struct{} }

func (h heavy) functions() map[string]sql.Function {
	return map[string]sql.Function{"heavy": {Min: 1, Max: 1, Call: func(_ context.Context, args [][]byte) ([]byte, error) {
		if len(args[0]) > 100 {
			<-h.open
		}
		return []byte("true"), nil
	}}}
}

// numbered is a payload of about so many bytes.
func numbered(n, size int) string {
	return fmt.Sprintf(`{"n":%d,"fill":"%s"}`, n, strings.Repeat("x", size))
}

// A large payload holds up neither its publisher nor other topics, and what comes on its
// topic afterwards comes afterwards.
func TestLargePayloadsAreEvaluatedByAWorker(t *testing.T) {
	for name, rule := range map[string]rules.Rule{
		"statement":  {SQL: "SELECT VALUE n FROM '+' WHERE heavy(fill)"},
		"expression": {Expr: &rules.Expr{Filter: "+", Where: "heavy(payload.fill)", Select: "payload.n"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := heavy{make(chan struct{})}
				r := start(t, rules.Config{MaxInline: 1000, Functions: h.functions()})
				a, b := actions.NewRecorder(), actions.NewRecorder()
				rule.Name, rule.Actions = "r", []actions.Action{a, b}
				rule.Delivery = rules.Delivery{Lanes: 64}
				r.put(rule)
				r.send("a", numbered(1, 1000))
				for i := range 100 {
					r.send("a", numbered(2+i, 0))
				}
				r.send(rules.ElsewhereThan("a", 64), numbered(0, 0))
				synctest.Wait()
				require.Equal(t, []string{"0"}, payloads(a), "topics with another hash do not wait")
				require.Equal(t, 101, r.metrics("r").Queued)
				require.EqualValues(t, 102, r.metrics("r").Matched)
				close(h.open)
				synctest.Wait()
				want := []string{"0", "1"}
				for i := range 100 {
					want = append(want, fmt.Sprint(2+i))
				}
				require.Equal(t, want, payloads(a))
				require.Equal(t, want, payloads(b))
				m := r.metrics("r")
				require.EqualValues(t, 102, m.Passed)
				require.Zero(t, m.Queued)
			})
		})
	}
}

// What follows a large payload keeps what was rendered for it, and its failures.
func TestWhatFollowsALargePayload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := heavy{make(chan struct{})}
		p := &publisher{}
		r := start(t, rules.Config{MaxInline: 1000, Functions: h.functions(), Publisher: p})
		report := actions.NewRecorder()
		r.put(rules.Rule{
			Name: "r", SQL: "SELECT n FROM 'a' WHERE heavy(fill)", ErrorAction: report,
			Actions: []actions.Action{actions.Republish{Topic: "to/${n}"}, actions.Republish{Topic: "${n}"}},
		})
		r.send("a", numbered(1, 1000))
		r.send("a", numbered(2, 0))
		r.send("a", `{"fill":""}`)
		r.send("a", `{"n":"#","fill":""}`)
		synctest.Wait()
		require.Empty(t, p.sent())
		require.Equal(t, 4, r.metrics("r").Queued)
		close(h.open)
		synctest.Wait()
		var first, second []string
		for _, line := range p.sent() {
			if strings.HasPrefix(line, "to/") {
				first = append(first, line)
			} else {
				second = append(second, line)
			}
		}
		require.Equal(t, []string{`to/1 {"n":1}`, `to/2 {"n":2}`, `to/ {}`}, first)
		require.Equal(t, []string{`1 {"n":1}`, `2 {"n":2}`}, second)
		require.Len(t, report.Events(), 2, "a topic was empty, and both had a wildcard")
		require.Zero(t, r.metrics("r").Queued)
	})
}

func TestMaxInline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, err := rules.New(rules.Config{MaxInline: -2})
		require.EqualError(t, err, "rules: Config.MaxInline is -2, expected -1 or more")
		for most, inline := range map[int]bool{0: true, 100: true, 99: false, -1: true} {
			r := idle(t, rules.Config{MaxInline: most})
			r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'"})
			r.send("a", numbered(1, 100-len(numbered(1, 0))))
			require.Equal(t, inline, r.metrics("r").Passed == 1, most)
			r.send("a", numbered(1, 64<<10))
			require.Equal(t, most == -1, r.metrics("r").Passed == 2, most)
		}
	})
}

// Whatever sizes come on whatever topics, and however the rule is replaced meanwhile: each
// action sees each message of a topic once and in order.
func TestLargePayloadsKeepTheOrder(t *testing.T) {
	t.Parallel()
	const topics, each = 6, 300
	for _, lanes := range []int{1, 3} {
		// A worker that evaluates lets others overtake it where they can.
		yields := map[string]sql.Function{"yields": {Min: 1, Max: 1, Call: func(_ context.Context, args [][]byte) ([]byte, error) {
			for range len(args[0]) / 4 {
				runtime.Gosched()
			}
			return []byte("true"), nil
		}}}
		s, err := rules.New(rules.Config{MaxInline: 500, Functions: yields})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = s.Run(ctx) })
		var mu sync.Mutex
		seen := [2]map[string][]string{{}, {}}
		action := func(i int) actions.Action {
			return actions.Func(func(_ context.Context, ev actions.Event) error {
				mu.Lock()
				defer mu.Unlock()
				seen[i][string([]byte(ev.Message.Topic))] = append(seen[i][string([]byte(ev.Message.Topic))], string(ev.Payload))
				return nil
			})
		}
		put := func(version int) {
			require.NoError(t, s.Put(t.Context(), rules.Rule{
				Name: "r", Actions: []actions.Action{action(0), action(1)}, Delivery: rules.Delivery{Lanes: lanes, Queue: 1 << 20, QueueBytes: 1 << 30},
				SQL: fmt.Sprintf("SELECT VALUE n FROM '+' WHERE n >= 0 AND %d > 0 AND yields(list)", version),
			}))
		}
		put(1)
		var publishers sync.WaitGroup
		for i := range topics {
			publishers.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), uint64(lanes)))
				for n := range each {
					size := random.IntN(20)
					if random.IntN(8) == 0 {
						size = random.IntN(200)
					}
					payload := fmt.Sprintf(`{"n":%d,"list":[%s{"n":1}]}`, n, strings.Repeat(`{"n":2},`, size))
					_ = s.Submit(ctx, &actions.Message{Topic: fmt.Sprint("t", i), QoS: byte(n % 2), Payload: []byte(payload)})
				}
			})
		}
		for version := range 20 {
			put(2 + version)
			time.Sleep(time.Millisecond)
		}
		publishers.Wait()
		require.NoError(t, s.Shutdown(t.Context()))
		cancel()
		run.Wait()
		for i := range seen {
			require.Len(t, seen[i], topics)
			for topic, got := range seen[i] {
				want := make([]string, each)
				for n := range want {
					want[n] = fmt.Sprint(n)
				}
				require.Equal(t, want, got, topic)
			}
		}
		m := s.Metrics().Rules["r"]
		require.EqualValues(t, topics*each, m.Matched)
		require.EqualValues(t, topics*each, m.Passed)
		require.Zero(t, m.Queued)
	}
}

package rules_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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

// A shop is an action that takes its time, ends when it is told to and says honestly what
// it has taken. It outlives the services that call it.
type shop struct {
	kind  string
	batch actions.Batch
	sink  *actions.Sink // nil: none
	down  atomic.Bool

	mu    sync.Mutex
	rnd   *rand.Rand
	taken []string // topic, client and payload
}

func (s *shop) Kind() string                  { return s.kind }
func (s *shop) Resource(actions.Event) string { return s.kind }
func (s *shop) Batch() actions.Batch          { return s.batch }
func (s *shop) Sink() *actions.Sink           { return s.sink }
func (s *shop) Params() []actions.Param       { return []actions.Param{{Name: "t", Text: "${topic()}"}} }

func (s *shop) Do(ctx context.Context, ev actions.Event) error {
	s.mu.Lock()
	busy := s.rnd.IntN(3) == 0
	pause := time.Duration(s.rnd.IntN(20)) * time.Millisecond
	s.mu.Unlock()
	if busy {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.down.Load():
		return errAway
	case ev.Action != actions.ErrorAction && strings.Contains(string(ev.Message.Payload), "poison"):
		return actions.Permanent(errors.New("that is no row"))
	case len(ev.Params) != 1 || ev.Params[0] != ev.Message.Topic:
		return actions.Permanent(fmt.Errorf("the text is %q", ev.Params))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ev.Action == actions.ErrorAction {
		s.taken = append(s.taken, string(ev.Payload))
	} else {
		s.taken = append(s.taken, ev.Message.Topic+" "+ev.Message.ClientID+" "+string(ev.Payload))
	}
	return nil
}

// DoBatch takes none after one that it does not take for now, so that the order is kept,
// unless Batch.Distinct sees to that.
func (s *shop) DoBatch(ctx context.Context, evs []actions.Event) []error {
	errs := make([]error, len(evs))
	for i, ev := range evs {
		if errs[i] = s.Do(ctx, ev); s.batch.Distinct == nil && errs[i] != nil && !errors.Is(errs[i], actions.ErrPermanent) {
			for ; i < len(evs); i++ {
				errs[i] = errAway
			}
			break
		}
	}
	return errs
}

// TestBacklog_RandomRestarts has a chain of services that are shut down at any moment,
// while sinks go down and come back. All that was accepted arrives, once, in order, and
// what cannot is in one report.
func TestBacklog_RandomRestarts(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { randomRestarts(t, seed) })
		})
	}
}

func randomRestarts(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	newShop := func(kind string, b actions.Batch, sink bool) *shop {
		s := &shop{kind: kind, batch: b, rnd: rand.New(rand.NewPCG(seed, uint64(len(kind))))}
		if !sink {
			return s
		}
		cfg := actions.SinkConfig{Kind: kind, Pause: 50 * time.Millisecond, MaxPause: time.Second, Logger: slog.New(slog.DiscardHandler)}
		if seed%4 == 1 {
			cfg.Probe = func(ctx context.Context) error {
				if s.down.Load() {
					return errAway
				}
				return ctx.Err()
			}
		}
		s.sink = actions.NewSink(cfg)
		return s
	}
	byTopic := func(ev actions.Event) string { return ev.Message.Topic }
	shops := []*shop{
		newShop("one", actions.Batch{}, true),
		newShop("some", actions.Batch{Events: 5, Open: 30 * time.Millisecond}, true),
		newShop("across", actions.Batch{Events: 8, AcrossTopics: true, Parallel: seed%2 == 0, Distinct: byTopic}, true),
		newShop("keyed", actions.Batch{Events: 8, Bytes: 100, AcrossTopics: true, Key: byTopic}, true),
		newShop("unsunk", actions.Batch{}, false),
	}
	reports := newShop("report", actions.Batch{}, seed%3 > 0)
	order := rules.OrderByTopic
	if seed%5 == 0 {
		order = rules.OrderByClient
	}
	rule := rules.Rule{
		Name: "r", SQL: "SELECT n, poison FROM 'a/+'", ErrorAction: reports,
		Delivery: rules.Delivery{
			Queue: 10_000, Lanes: 1 + rnd.IntN(4), Order: order,
			Retry: actions.Retry{Tries: 1000, MaxAge: 24 * time.Hour, Backoff: 10 * time.Millisecond, MaxBackoff: time.Second},
		},
	}
	if seed%4 == 2 {
		shops[0].sink, shops[1].sink = shops[2].sink, shops[2].sink
	}
	put := func(r *run) {
		if seed%7 == 6 { // this may reorder what waits
			rule.Delivery.Lanes = 1 + rnd.IntN(4)
			rule.Delivery.Order = []rules.Order{rules.OrderByTopic, rules.OrderByClient}[rnd.IntN(2)]
		}
		r.put(rule)
	}
	for _, s := range shops {
		rule.Actions = append(rule.Actions, s)
	}
	all := append(slices.Clone(shops), reports)
	store := rules.NewMemory()
	var sent, poison []string
	n := 0
	submit := func(r *run) {
		n++
		topic, client := fmt.Sprint("a/", rnd.IntN(4)), fmt.Sprint("c", rnd.IntN(3))
		payload, out := fmt.Sprintf(`{"n":%d}`, n), fmt.Sprintf(`{"n":%d}`, n)
		switch rnd.IntN(10) {
		case 0:
			payload = fmt.Sprintf(`{"n":%d,"poison":1}`, n)
			poison = append(poison, payload)
		case 1:
			payload = fmt.Sprintf(`{"n":%d,"s":%q}`, n, strings.Repeat("x", 100)) // a worker evaluates it
			fallthrough
		default:
			sent = append(sent, topic+" "+client+" "+out)
		}
		r.submit(actions.Message{Topic: topic, ClientID: client, Payload: []byte(payload), QoS: byte(rnd.IntN(2))})
	}
	const times = 6
	for i := range times {
		r := &run{rig: idle(t, rules.Config{Backlog: store, MaxInline: 50})}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		r.end = func() {
			cancel()
			running.Wait()
		}
		works := false
		work := func() {
			works = true
			running.Go(func() { _ = r.Run(ctx) })
		}
		early := rnd.IntN(2) == 0
		if early {
			work()
			time.Sleep(time.Duration(rnd.IntN(3)) * time.Millisecond)
		}
		if i == 0 || i == times-1 || rnd.IntN(4) > 0 { // sometimes the rule is not there
			put(r)
			for range rnd.IntN(80) {
				submit(r)
				if rnd.IntN(8) == 0 {
					all[rnd.IntN(len(all))].down.Store(rnd.IntN(2) == 0)
				}
				if rnd.IntN(4) == 0 {
					time.Sleep(time.Duration(rnd.IntN(40)) * time.Millisecond)
				}
				if rnd.IntN(20) == 0 {
					put(r)
				}
			}
		}
		if !early && rnd.IntN(3) > 0 {
			work()
			time.Sleep(time.Duration(rnd.IntN(100)) * time.Millisecond)
		}
		if i == times-1 {
			if !works {
				work()
			}
			for _, s := range all {
				s.down.Store(false)
			}
			settle(time.Hour)
			require.Zero(t, r.metrics("r").Queued)
			require.Zero(t, kept(t, store))
		}
		stop, stopped := context.WithTimeout(context.Background(), time.Duration(rnd.IntN(200))*time.Millisecond)
		var both sync.WaitGroup
		both.Go(func() { require.NoError(t, r.Shutdown(stop)) })
		require.NoError(t, r.Shutdown(stop))
		both.Wait()
		stopped()
		r.end()
	}
	synctest.Wait()

	want := slices.Sorted(slices.Values(sent))
	for _, s := range shops {
		require.Equal(t, want, slices.Sorted(slices.Values(s.taken)), s.kind)
		last := map[string]int{}
		for _, text := range s.taken {
			var topic, client string
			number := 0
			_, err := fmt.Sscanf(text, `%s %s {"n":%d}`, &topic, &client, &number)
			require.NoError(t, err)
			of := topic
			if order == rules.OrderByClient {
				of = client
			}
			if seed%7 != 6 {
				require.Greater(t, number, last[of], "%s: order of %s", s.kind, of)
			}
			last[of] = number
		}
	}
	var reported []string
	for _, text := range reports.taken {
		var report struct {
			Payload  []byte `json:"base64OriginalPayload"`
			Payloads []struct {
				Payload []byte `json:"base64OriginalPayload"`
			} `json:"payloadsWithMetadata"`
		}
		require.NoError(t, json.Unmarshal([]byte(text), &report))
		for _, p := range report.Payloads {
			reported = append(reported, string(p.Payload))
		}
		if report.Payload != nil {
			reported = append(reported, string(report.Payload))
		}
	}
	require.Equal(t, slices.Sorted(slices.Values(poison)), slices.Sorted(slices.Values(reported)))
}

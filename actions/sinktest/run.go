package sinktest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// patience bounds how long a test waits for what must happen.
const patience = 90 * time.Second

// keys is over how many keys, and so topics, a test sends.
const keys = 8

// Quick configures the sink of a rig: it takes tests fractions of a second to find that it
// is up again.
func Quick(kind, name string) actions.SinkConfig {
	return actions.SinkConfig{
		Kind: kind, Name: name, Failures: 2, Pause: 20 * time.Millisecond, MaxPause: 200 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// A hub is a rules engine with one rule, the rig's action and a proxy.
type hub struct {
	tb      testing.TB
	rig     Rig
	proxy   *Proxy
	service *rules.Service
	failed  *actions.Recorder // the error action
	end     func()

	mu   sync.Mutex
	next map[string]int
}

const ruleName = "sink"

func delivery() rules.Delivery {
	return rules.Delivery{
		Queue: 100_000, QueueBytes: 256 << 20, Lanes: 4,
		Retry: actions.Retry{Backoff: 5 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, Timeout: 10 * time.Second},
	}
}

// open makes a rig and a hub for it.
func open(tb testing.TB, rig Rig, d rules.Delivery, backlog rules.Store) *hub {
	tb.Helper()
	h := &hub{tb: tb, rig: rig, proxy: NewProxy(tb, rig.Addr), failed: actions.NewRecorder(), next: map[string]int{}}
	h.start(rig.Action(tb, h.proxy.Addr()), d, backlog)
	return h
}

// start begins an engine with the rule, which ends with the test if it did not before.
func (h *hub) start(a actions.Action, d rules.Delivery, backlog rules.Store) {
	h.tb.Helper()
	s, err := rules.New(rules.Config{Logger: slog.New(slog.DiscardHandler), Backlog: backlog})
	if err != nil {
		h.tb.Fatal(err)
	}
	rule := rules.Rule{Name: ruleName, SQL: "SELECT * FROM 'sink/+'", Actions: []actions.Action{a}, ErrorAction: h.failed, Delivery: d}
	if err := s.Put(context.Background(), rule); err != nil {
		h.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	h.service = s
	h.end = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	h.tb.Cleanup(h.end)
}

// send submits n more records for each key.
func (h *hub) send(n int) {
	h.tb.Helper()
	for range n {
		for k := range keys {
			h.sendTo(fmt.Sprintf("k%d", k))
		}
	}
}

func (h *hub) sendTo(key string) {
	h.tb.Helper()
	h.mu.Lock()
	r := Record{key, h.next[key]}
	h.next[key]++
	h.mu.Unlock()
	h.submit(key, r.payload(100))
}

func (h *hub) submit(key string, payload []byte) {
	h.tb.Helper()
	m := &actions.Message{Topic: "sink/" + key, Payload: payload, QoS: 1, ClientID: "client-" + key, Protocol: actions.ProtocolMQTT}
	if err := h.service.Submit(context.Background(), m); err != nil {
		h.tb.Fatal(err)
	}
}

// sent is how many records were sent.
func (h *hub) sent() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, of := range h.next {
		n += of
	}
	return n
}

// metrics are those of the rule.
func (h *hub) metrics() rules.RuleMetrics { return h.service.Metrics().Rules[ruleName] }

// health is that of the sink; false if the action has none.
func (h *hub) health() (actions.SinkHealth, bool) {
	if s := h.service.Sinks(); len(s) > 0 {
		return s[0], true
	}
	return actions.SinkHealth{}, false
}

// until waits for what must happen.
func (h *hub) until(what string, happened func() bool) {
	h.tb.Helper()
	pause := time.Millisecond
	for end := time.Now().Add(patience); !happened(); time.Sleep(pause) {
		if time.Now().After(end) {
			health, _ := h.health()
			h.tb.Fatalf("after %s it is not so that %s; sent %d; rule %+v; sink %+v; failures: %s",
				patience, what, h.sent(), h.metrics(), health, h.failures())
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// failures is what the first reports that the error action got say.
func (h *hub) failures() string {
	var b strings.Builder
	for i, ev := range h.failed.Events() {
		if i == 3 {
			b.WriteString("...")
			break
		}
		var report struct {
			Failures []struct{ ErrorMessage string }
		}
		if err := json.Unmarshal(ev.Payload, &report); err != nil {
			h.tb.Fatal(err)
		}
		for _, f := range report.Failures {
			fmt.Fprintf(&b, "%s: %.600s\n", ev.Message.Topic, f.ErrorMessage)
		}
	}
	return b.String()
}

// settled waits until nothing waits for the action any more.
func (h *hub) settled() {
	h.tb.Helper()
	h.until("everything is done", func() bool { return h.metrics().Queued == 0 })
}

// arrived waits until all that was sent has arrived, and checks its order.
func (h *hub) arrived() {
	h.tb.Helper()
	h.settled()
	if n := len(h.failed.Events()); n > 0 {
		h.tb.Fatalf("%d events failed: %s", n, h.failures())
	}
	h.complete(func(Record) bool { return false })
}

// complete waits until each record that was sent and is not excused has been read, and
// checks the order of those of each key and that nothing else arrived.
func (h *hub) complete(excused func(Record) bool) {
	h.tb.Helper()
	var missing string
	h.until("all records have arrived", func() bool {
		missing = h.compare(h.rig.Read(h.tb), excused)
		return missing == ""
	})
}

// compare returns what is missing in what was read. What can never become right fails the
// test.
func (h *hub) compare(read []Record, excused func(Record) bool) string {
	h.tb.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	seen, last := map[Record]bool{}, map[string]int{}
	for _, r := range read {
		n, known := h.next[r.Key]
		switch {
		case !known || r.N < 0 || r.N >= n:
			h.tb.Fatalf("%+v has arrived, which was not sent", r)
		case seen[r] && h.rig.Once:
			h.tb.Fatalf("%+v has arrived twice", r)
		case seen[r]:
			continue // delivered again, because nobody knew of the first time
		}
		seen[r] = true
		if before, some := last[r.Key]; some && before > r.N && !h.rig.Unordered {
			h.tb.Fatalf("%+v has arrived after number %d of its key", r, before)
		}
		last[r.Key] = r.N
	}
	for key, n := range h.next {
		for i := range n {
			r := Record{key, i}
			if !seen[r] && !excused(r) {
				return fmt.Sprintf("%+v", r)
			}
		}
	}
	return ""
}

// troubled waits until the action has noticed that something is wrong.
func (h *hub) troubled() {
	h.tb.Helper()
	h.until("the action has failed", func() bool {
		if s, ok := h.health(); ok {
			return s.Down
		}
		return h.metrics().Actions[0].Retries > 0
	})
}

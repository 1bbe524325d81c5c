package sinktest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// Run checks an action. newRig makes a rig for each test, which has a place of its own at
// the counterpart: a table, a topic, a bucket.
func Run(t *testing.T, newRig func(tb testing.TB) Rig) {
	t.Run("steady", func(t *testing.T) { steady(t, newRig(t)) })
	t.Run("down at first", func(t *testing.T) { downAtFirst(t, newRig(t)) })
	t.Run("outages", func(t *testing.T) { outages(t, newRig(t), 3, 200*time.Millisecond) })
	t.Run("cut connections", func(t *testing.T) { cuts(t, newRig(t), 500*time.Millisecond) })
	t.Run("slow", func(t *testing.T) { slow(t, newRig(t)) })
	t.Run("hanging", func(t *testing.T) { hanging(t, newRig(t)) })
	t.Run("errors", func(t *testing.T) { failing(t, newRig(t), 200*time.Millisecond) })
	t.Run("poison", func(t *testing.T) { poison(t, newRig(t)) })
	t.Run("stop", func(t *testing.T) { stop(t, newRig(t)) })
	t.Run("overflow", func(t *testing.T) { overflow(t, newRig(t)) })
}

// Soak is Run with outages of half a minute, for make soak.
func Soak(t *testing.T, newRig func(tb testing.TB) Rig) {
	const outage = 30 * time.Second
	t.Run("outages", func(t *testing.T) { outages(t, newRig(t), 2, outage) })
	t.Run("cut connections", func(t *testing.T) { cuts(t, newRig(t), outage) })
	t.Run("errors", func(t *testing.T) { failing(t, newRig(t), outage) })
}

// steady checks what happens when all is well.
func steady(t *testing.T, rig Rig) {
	h := open(t, rig, delivery(), nil)
	h.send(30)
	h.arrived()
	m := h.metrics()
	if m.Actions[0].Success != uint64(h.sent()) || m.Actions[0].Failure != 0 {
		t.Fatalf("%d records were sent, and counted are %+v", h.sent(), m.Actions[0])
	}
	if s, ok := h.health(); ok && (s.Down || s.Events != uint64(h.sent())) {
		t.Fatalf("%d records were sent, and the sink says %+v", h.sent(), s)
	}
}

// downAtFirst checks that a hub starts while its sink is down.
func downAtFirst(t *testing.T, rig Rig) {
	h := &hub{tb: t, rig: rig, proxy: NewProxy(t, rig.Addr), failed: actions.NewRecorder(), next: map[string]int{}}
	h.proxy.Down()
	h.start(rig.Action(t, h.proxy.Addr()), delivery(), nil)
	h.send(5)
	h.troubled()
	h.proxy.Up()
	h.arrived()
	if s, ok := h.health(); ok && (s.Down || s.Downs == 0 || s.Err == nil || s.Since.IsZero()) {
		t.Fatalf("the sink was down and is up again, and says %+v", s)
	}
}

// outages checks that what is accepted while the sink is down arrives later.
func outages(t *testing.T, rig Rig, times int, length time.Duration) {
	h := open(t, rig, delivery(), nil)
	h.send(2)
	for range times {
		h.proxy.Down()
		end := time.Now().Add(length)
		h.send(5)
		h.troubled()
		for time.Now().Before(end) {
			h.send(1)
			time.Sleep(length / 20)
		}
		h.proxy.Up()
		h.send(5)
		h.settled()
	}
	h.arrived()
}

// cuts checks connections that end at any moment.
func cuts(t *testing.T, rig Rig, length time.Duration) {
	h := open(t, rig, delivery(), nil)
	for end := time.Now().Add(length); time.Now().Before(end); {
		h.send(3)
		time.Sleep(20 * time.Millisecond)
		h.proxy.Cut()
		time.Sleep(length / 50)
	}
	h.arrived()
}

// slow checks a sink that takes its time.
func slow(t *testing.T, rig Rig) {
	h := open(t, rig, delivery(), nil)
	h.send(1)
	h.settled()
	h.proxy.Slow(20 * time.Millisecond)
	h.send(10)
	h.arrived()
}

// hanging checks a sink that does not answer.
func hanging(t *testing.T, rig Rig) {
	d := delivery()
	d.Retry.Timeout = time.Second
	h := open(t, rig, d, nil)
	h.send(2)
	h.settled()
	h.proxy.Hang()
	h.send(5)
	h.until("a call has been given up", func() bool {
		a := h.metrics().Actions[0]
		return a.Retries+a.Failure > 0
	})
	h.proxy.Down() // what hangs is lost
	h.proxy.Up()
	h.arrived()
}

// failing checks a sink that answers errors.
func failing(t *testing.T, rig Rig, length time.Duration) {
	h := open(t, rig, delivery(), nil)
	h.send(2)
	h.settled()
	mend := h.proxy.Up
	switch {
	case rig.Break != nil:
		mend = rig.Break(t)
	case rig.HTTP:
		h.proxy.Fail()
	default:
		t.Fatal("a rig needs Break or HTTP")
	}
	end := time.Now().Add(length)
	h.send(5)
	h.until("the action has failed", func() bool { return h.metrics().Actions[0].Retries > 0 })
	for time.Now().Before(end) {
		h.send(1)
		time.Sleep(length / 20)
	}
	mend()
	h.arrived()
}

// poison checks that what can never be written goes to the error action, and holds up
// nothing else.
func poison(t *testing.T, rig Rig) {
	if rig.Poison == nil {
		return // the counterpart takes everything
	}
	h := open(t, rig, delivery(), nil)
	const times = 3
	for range times {
		h.send(3)
		h.submit("k1", rig.Poison)
		h.send(3)
	}
	h.settled()
	h.complete(func(Record) bool { return false })
	reports := h.reports()
	if len(reports) != times {
		t.Fatalf("%d messages cannot be written, and %d were reported: %s", times, len(reports), h.failures())
	}
	for _, r := range reports {
		if string(r) != string(rig.Poison) {
			t.Fatalf("reported is %s, expected the poison %s: %s", r, rig.Poison, h.failures())
		}
	}
	if s, ok := h.health(); ok && s.Down {
		t.Fatalf("the sink counts as down because of a message that it refuses: %+v", s)
	}
}

// reports are the original payloads of what the error action got.
func (h *hub) reports() (payloads [][]byte) {
	h.tb.Helper()
	add := func(text string) {
		p, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			h.tb.Fatal(err)
		}
		payloads = append(payloads, p)
	}
	for _, ev := range h.failed.Events() {
		var report struct {
			Payload  *string `json:"base64OriginalPayload"`
			Payloads []struct {
				Payload string `json:"base64OriginalPayload"`
			} `json:"payloadsWithMetadata"`
		}
		if err := json.Unmarshal(ev.Payload, &report); err != nil {
			h.tb.Fatal(err)
		}
		if report.Payload != nil {
			add(*report.Payload)
		}
		for _, p := range report.Payloads {
			add(p.Payload)
		}
	}
	return payloads
}

// stop checks that a hub that is stopped while its sink is down, and started again, has
// lost nothing.
func stop(t *testing.T, rig Rig) {
	backlog := rules.NewMemory()
	h := open(t, rig, delivery(), backlog)
	h.send(3)
	h.settled()
	h.proxy.Down()
	h.send(10)
	h.troubled()
	ended, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := h.service.Shutdown(ended); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	h.end()
	h.proxy.Up()
	h.start(rig.Action(t, h.proxy.Addr()), delivery(), backlog)
	h.send(3)
	h.arrived()
}

// overflow checks that what finds no room is counted and goes to the error action.
func overflow(t *testing.T, rig Rig) {
	d := delivery()
	d.Queue, d.Reserve = 40, -1
	h := open(t, rig, d, nil)
	h.proxy.Down()
	for range 15 {
		h.send(1)
		h.until("the error action is done", func() bool {
			m := h.metrics()
			return uint64(len(h.reports())) == m.Dropped.QueueFull
		})
	}
	h.proxy.Up()
	h.settled()
	dropped := map[Record]bool{}
	for _, p := range h.reports() {
		dropped[Parse(t, p)] = true
	}
	if want := h.sent() - d.Queue; len(dropped) != want {
		t.Fatalf("%d records were sent to a queue of %d, and %d were dropped, expected %d", h.sent(), d.Queue, len(dropped), want)
	}
	h.complete(func(r Record) bool { return dropped[r] })
}

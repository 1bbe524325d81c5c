package rules

import (
	"fmt"
	"strings"
)

// admit finds a place in the queue of the rule for a message of a size. If there is none
// the message is dropped or goes to the error action.
func (sub *submission) admit(rev *revision, size int64) bool {
	s, r, d := sub.s, rev.rule, &rev.delivery
	most, mostBytes := int64(d.Queue), int64(d.QueueBytes)
	if sub.m.QoS > 0 {
		most, mostBytes = most+int64(d.Reserve), 2*mostBytes
	}
	n, c, ok := r.load.enter(size, most, mostBytes)
	switch {
	case !ok:
		sub.crush(rev, c, size)
		return false
	case !s.enter(r):
		s.vacate(r, 1, size)
		r.counters.closed.Add(1)
		return false
	}
	sub.held, sub.heldSize = true, size
	sub.crowded = sub.crowded || n%crowd == 0
	return true
}

// crush drops a message because the queue is full, or sends it to the error action.
func (sub *submission) crush(rev *revision, c crush, size int64) {
	s, r := sub.s, rev.rule
	r.counters.full.Add(1)
	if c.byBytes {
		s.warnOnce(r, warnFull, "rules: a message is dropped because too much waits for the rule's actions", "topic", strings.Clone(sub.m.Topic), "queued", c.messages, "bytes", c.bytes, "size", size)
	} else {
		s.warnOnce(r, warnFull, "rules: a message is dropped because too many wait for the rule's actions", "topic", strings.Clone(sub.m.Topic), "queued", c.messages)
	}
	if rev.onError != nil {
		sub.spill(rev, c, size)
	}
}

// spill sends a message to the error action because the queue is full. Messages of QoS 0
// leave half of the room for others.
func (sub *submission) spill(rev *revision, c crush, size int64) {
	r, room := rev.rule, int64(rev.delivery.Queue)
	if sub.m.QoS == 0 {
		room = (room + 1) / 2
	}
	if r.spilled.Add(1) > room || !sub.s.enter(r) {
		sub.s.unspill(r)
		return
	}
	text := fmt.Sprintf("the queue of the rule is full: %d messages wait", c.messages)
	if c.byBytes {
		text = fmt.Sprintf("the queue of the rule is full: messages of %d bytes wait, and this one has %d", c.bytes, size)
	}
	it := sub.alone(nil)
	it.rev, it.taken, it.spill = rev, sub.taken, true
	it.note(&failure{action: "RuleExecution", resource: r.name, message: text}, nil)
	sub.s.report([]*item{it}, nil)
}

// release gives back the place of an item in the queue, and the item.
func (s *Service) release(it *item) {
	r, size, spill, restored := it.rev.rule, it.size, it.spill, it.restored
	it.discard()
	if restored {
		s.unrestored()
	}
	if !spill {
		s.vacate(r, 1, size)
		return
	}
	s.unspill(r)
}

// unspill notes that a message that had no place in the queue is done.
func (s *Service) unspill(r *rule) {
	if r.spilled.Add(-1) == 0 {
		s.left()
	}
}

// vacate gives back places in the queue of a rule.
func (s *Service) vacate(r *rule, n, bytes int64) {
	if r.load.leave(n, bytes) {
		s.left()
	}
}

// The reasons to warn once for each time a rule is put.
const (
	warnHops = iota
	warnFull
	warnings
)

func (s *Service) warnOnce(r *rule, reason int, text string, args ...any) {
	if r.warned[reason].Load() || r.warned[reason].Swap(true) {
		return
	}
	s.cfg.Logger.Warn(text, append([]any{"rule", r.name}, args...)...)
}

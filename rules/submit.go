package rules

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/topic"
	"github.com/thinghub/thinghub/rules/sql"
)

// A submission is the work on one message on its publisher's goroutine.
type submission struct {
	s     *Service
	topic string
	taken time.Duration // see Service.offer
	m     actions.Message
	runs  runs
	revs  []*revision
	next  int                  // of the revisions that are evaluated
	found func(*revision) bool // appends to revs
	kept  *actions.Message     // the copy for items that are alone, nil before there is one
	ids   traceIDs
	debug bool
	large bool // the payload is, so workers evaluate it

	uncounted bool // the rule has not yet counted that it matched
	held      bool // a place in the queue was found, and no item has it yet
	heldSize  int64

	crowded bool // it is time to let the workers run
}

// crowd is how many messages a rule may take while its publisher runs on. A publisher
// that always has something to do, as a busy event loop, would otherwise keep its
// processor for ten milliseconds; on a small machine the workers would not run meanwhile,
// and then find a full queue that is in no cache any more.
const crowd = 256

var submissions = sync.Pool{New: func() any {
	sub := &submission{ids: traceIDs{rand.Uint64(), rand.Uint64()}}
	sub.found = func(rev *revision) bool {
		sub.revs = append(sub.revs, rev)
		return true
	}
	return sub
}}

// traceIDs make ids that are random in how they begin: the first number never comes again
// within 2^64 ids, and the second is mixed from it and what only this one has.
type traceIDs struct{ number, own uint64 }

func (t *traceIDs) next() actions.TraceID {
	t.number += 0x9e3779b97f4a7c15
	high, low := bits.Mul64(t.number^t.own, 0xd6e8feb86659fd93)
	return actions.NumberedTraceID(t.number, (high^low)|1) // which cannot be zero
}

func (sub *submission) free() {
	sub.revs = sub.revs[:0]
	sub.crowded = false
	sub.s, sub.topic, sub.m, sub.kept, sub.runs.set, sub.runs.m = nil, "", actions.Message{}, nil, nil, nil
	submissions.Put(sub)
}

// Submit offers a message to the rules: to all whose FROM matches its topic, or, for a
// topic of Basic Ingest, $aws/rules/{rule}/..., to the one that it names, unless that has
// a FROM that does not match the rest. Statements are evaluated before Submit returns,
// but for those that call out and payloads larger than [Config].MaxInline; actions run
// later. m is not kept.
//
// Submit does not wait. The error is nil or [ErrClosed]: what happens to the message in
// the rules is their affair.
func (s *Service) Submit(ctx context.Context, m *actions.Message) error {
	taken := time.Duration(0)
	if !m.Time.IsZero() && m.Time == m.Time.Round(0) { //nolint:staticcheck // whether it has a monotonic reading
		taken = max(1, s.now()) // the time is not that of the clock of this process
	}
	return s.offer(ctx, m.Topic, taken, func(to *actions.Message) { *to = *m })
}

// Offer is Submit for whom it costs something to make the message: fill is called only if
// a rule wants what is on the topic. It gets an empty message, which it fills before it
// returns, with that very topic. The message's Time, if it is set, is time.Now's.
func (s *Service) Offer(ctx context.Context, topic string, fill func(m *actions.Message)) error {
	return s.offer(ctx, topic, 0, fill)
}

// offer offers a message that was taken in at a time that now told, or at its Time if
// taken is 0.
func (s *Service) offer(ctx context.Context, topic string, taken time.Duration, fill func(m *actions.Message)) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if s.deaf() && !strings.HasPrefix(topic, ingestPrefix) {
		return nil
	}
	sub := submissions.Get().(*submission)
	sub.s, sub.topic, sub.taken = s, topic, taken
	found := s.match(sub)
	if !found || len(sub.revs) > 0 {
		fill(&sub.m)
	}
	if !found {
		sub.missed()
	} else if len(sub.revs) > 0 {
		sub.offer(ctx)
	}
	crowded := sub.crowded
	sub.free()
	if crowded {
		runtime.Gosched()
	}
	return nil
}

// deaf reports that no rule listens to any topic.
func (s *Service) deaf() bool {
	before := s.change.Load()
	return before&1 == 0 && s.filters.Len() == 0 && s.change.Load() == before
}

// match finds the revisions that want the message: all of one moment. It reports false
// for a message of Basic Ingest whose rule is not there.
func (s *Service) match(sub *submission) (found bool) {
	for range 8 {
		before := s.change.Load()
		if before&1 == 0 {
			found := s.look(sub)
			if s.change.Load() == before {
				return found
			}
		}
		runtime.Gosched()
	}
	s.swapping.Lock()
	defer s.swapping.Unlock()
	return s.look(sub)
}

// look reads the trees.
func (s *Service) look(sub *submission) (found bool) {
	sub.revs = sub.revs[:0]
	name, rest, direct := ingest(sub.topic)
	if !direct {
		s.filters.Match(sub.topic, sub.found)
		return true
	}
	s.names.All(name, sub.found)
	if len(sub.revs) == 0 {
		return false
	}
	if f, ok := sub.revs[0].program.filter(); ok && !topic.Match(f, rest) {
		sub.revs = sub.revs[:0]
	}
	return true
}

// missed counts a message of Basic Ingest without a rule.
func (sub *submission) missed() {
	sub.s.notFound.Add(1)
	name, _, _ := ingest(sub.topic)
	sub.s.cfg.Logger.Debug("rules: a message of Basic Ingest names no rule that is there and enabled", "rule", strings.Clone(name), "client", strings.Clone(sub.m.ClientID))
}

// offer evaluates the rules that were found.
func (sub *submission) offer(ctx context.Context) {
	s, m := sub.s, &sub.m
	sub.debug = s.cfg.Logger.Enabled(ctx, slog.LevelDebug)
	if m.Hops > s.cfg.MaxHops {
		for _, rev := range sub.revs {
			rev.rule.counters.matched.Add(1)
			rev.rule.counters.hops.Add(1)
			s.warnOnce(rev.rule, warnHops, "rules: a message is dropped because it may be in a loop", "topic", strings.Clone(m.Topic), "hops", m.Hops)
		}
		return
	}
	if m.TraceID.IsZero() {
		m.TraceID = sub.ids.next() // that all see
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	set := s.plan(sub.revs)
	sub.runs.set, sub.runs.m = set, m
	sub.large = s.cfg.MaxInline >= 0 && len(m.Payload) > s.cfg.MaxInline
	for sub.next = 0; sub.next < len(set.revs); {
		sub.evaluateRest(ctx)
	}
	sub.runs.end()
}

// evaluateRest evaluates the rules from sub.next on, up to one that panics.
func (sub *submission) evaluateRest(ctx context.Context) {
	set := sub.runs.set
	// A panic can only come from a function of the host's, which may also end the
	// goroutine. The run may be left in any state, so it is not used again.
	defer func() {
		p := recover()
		i := sub.next - 1
		if sub.uncounted {
			sub.uncounted = false
			set.revs[i].rule.counters.matched.Add(1)
		}
		if sub.held {
			sub.held = false
			sub.s.vacate(set.revs[i].rule, 1, sub.heldSize)
		}
		if p != nil {
			sub.runs.forget(i)
			sub.fail(set.revs[i], fmt.Errorf("%w: %v", errPanic, p))
		}
	}()
	for sub.next < len(set.revs) {
		i := sub.next
		sub.next++
		rev := set.revs[i]
		sub.uncounted = true
		if rev.late || sub.large {
			sub.postpone(rev)
		} else {
			sub.evaluate(ctx, i, rev)
		}
		if sub.uncounted {
			sub.uncounted = false
			rev.rule.counters.matched.Add(1)
		}
	}
}

// evaluate evaluates one rule, and sends what passes on its way.
func (sub *submission) evaluate(ctx context.Context, i int, rev *revision) {
	var run run
	var at int
	var res sql.Result
	var err error
	if rev.through {
		res.Matched, res.Output = true, sub.m.Payload
	} else {
		run, at = sub.runs.of(i)
		res, err = run.Eval(ctx, at)
	}
	switch {
	case err != nil:
		sub.fail(rev, err)
	case res.Matched:
		sub.pass(ctx, rev, run, at, res.Output)
	}
	if sub.debug && err == nil {
		sub.s.cfg.Logger.Debug("rules: evaluated", "rule", rev.rule.name, "topic", strings.Clone(sub.m.Topic), "client", strings.Clone(sub.m.ClientID), "passed", res.Matched)
	}
}

// pass gives a message that passed to the actions. It renders the texts that cannot wait.
func (sub *submission) pass(ctx context.Context, rev *revision, run run, at int, output []byte) {
	size := int64(len(sub.m.Payload) + extra(&sub.m, output))
	taken := len(rev.steps) > 0 && sub.admit(rev, size)
	var more []*extras
	if taken {
		more = rev.renderEarly(ctx, run, at) // code of the host's may panic there
	}
	if !taken {
		rev.rule.counters.passed.Add(1)
		return
	}
	set := rev.tracks()
	t := set.of(rev.orderOf(sub.m.Topic, sub.m.ClientID))
	it := sub.place(t, rev, output, size)
	t.pass(rev.rule)
	sub.uncounted = false
	if l := t.lanes[evaluationLane]; l != nil && l.active {
		// What was evaluated already must not overtake what waits to be.
		sub.s.push(t, evaluationLane, job{it: it, extras: &extras{passed: true, more: more}})
		t.mu.Unlock()
		return
	}
	sub.s.pushAll(set, t, it, more)
}

// postpone leaves the evaluation to a worker.
func (sub *submission) postpone(rev *revision) {
	size := int64(len(sub.m.Payload))
	if !sub.admit(rev, size) {
		return
	}
	t := rev.tracks().of(rev.orderOf(sub.m.Topic, sub.m.ClientID))
	it := sub.place(t, rev, nil, size)
	sub.s.push(t, evaluationLane, job{it: it})
	t.mu.Unlock()
}

// place makes an item for a track. It locks t.mu, and does not unlock it.
func (sub *submission) place(t *track, rev *revision, output []byte, size int64) (it *item) {
	if small(&sub.m, output) {
		t.mu.Lock()
		it = t.pack(&sub.m, output)
	} else {
		it = sub.alone(output)
		t.mu.Lock()
	}
	it.rev, it.size, it.taken = rev, size, sub.taken
	sub.held = false
	return it
}

// alone makes an item that is in no chunk. All of those of a submission share one copy of
// the message.
func (sub *submission) alone(output []byte) *item {
	if sub.kept == nil {
		sub.kept = sub.m.Clone()
	}
	if same(output, sub.m.Payload) {
		return &item{whole: &whole{sub.kept, sub.kept.Payload}}
	}
	return &item{whole: &whole{sub.kept, bytes.Clone(output)}}
}

// now is the time since the service was made.
func (s *Service) now() time.Duration { return time.Since(s.began) }

// age is how long ago the message of an item was taken in.
func (s *Service) age(it *item) time.Duration {
	if it.taken == 0 {
		return time.Since(it.time())
	}
	return s.now() - it.taken
}

// fail reports an evaluation that failed as a whole.
func (sub *submission) fail(rev *revision, err error) {
	s, size := sub.s, int64(len(sub.m.Payload))
	if !s.countFailed(rev, &sub.m, err) || rev.onError == nil || !sub.admit(rev, size) {
		return
	}
	it := sub.alone(nil)
	sub.held = false
	it.rev, it.size, it.taken = rev, size, sub.taken
	it.note(evaluationFailure(rev, err), nil)
	s.report([]*item{it}, nil)
}

// countFailed counts an evaluation that failed as a whole, and reports whether that is
// worth a report: a payload that is not JSON is not.
func (s *Service) countFailed(rev *revision, m *actions.Message, err error) bool {
	parse := errors.Is(err, sql.ErrPayload)
	if parse {
		rev.rule.counters.parseErrors.Add(1)
	} else {
		rev.rule.counters.failed.Add(1)
	}
	if s.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
		s.cfg.Logger.Debug("rules: the evaluation failed", "rule", rev.rule.name, "topic", strings.Clone(m.Topic), "client", strings.Clone(m.ClientID), "err", err)
	}
	return !parse
}

package rules

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// Metrics are the counters of a service as they stood. All count from when the service
// was made; those of a rule from when it was created.
type Metrics struct {
	// RulesExecuted is how often a rule was evaluated.
	RulesExecuted uint64
	// RuleNotFound is how many messages of Basic Ingest named no rule, or one that is
	// disabled.
	RuleNotFound uint64
	// Rules has the rules by their names.
	Rules map[string]RuleMetrics
	// Sinks is how the sinks of the rules' actions are, by their kinds and names.
	Sinks []actions.SinkHealth
}

// RuleMetrics are the counters of one rule.
type RuleMetrics struct {
	// Matched is how many messages came on a topic that the rule listens to.
	Matched uint64
	// Passed is for how many of them the condition was true.
	Passed uint64
	// ParseErrors is how many had a payload that is not JSON although the rule looks
	// into it.
	ParseErrors uint64
	// Failed is how many could not be evaluated for another reason: a function that
	// calls out failed, or an expression.
	Failed uint64
	// Dropped is how many messages did not reach the actions.
	Dropped DropMetrics
	// Queued is how many messages wait or are in work.
	Queued int
	// Actions are in the order of the rule's. What was counted stays when the rule is
	// replaced, as long as the kind of the action is the same.
	Actions []ActionMetrics
	// ErrorAction is that of [Config].DeadLetters if the rule has none of its own, and nil
	// without either.
	ErrorAction *ActionMetrics
}

// DropMetrics count messages that did not reach a rule's actions, by why.
type DropMetrics struct {
	// QueueFull: too many waited.
	QueueFull uint64
	// Hops: the message had too many hops, so it may be in a loop. It was not evaluated.
	Hops uint64
	// Closed: the service was shut down before the message was done.
	Closed uint64
}

// ActionMetrics are the counters of one action.
type ActionMetrics struct {
	// Kind is what the action is called in a rule: "republish".
	Kind string
	// Success and Failure are how many events were done, and how many given up.
	Success, Failure uint64
	// Retries is how often the action was tried again.
	Retries uint64
	// Latency is how long the tries took, the failed ones too.
	Latency Latency
}

// Latency says how long calls took. Calls of less than 2 µs are timed up to 32 together,
// and count as equally long.
type Latency struct {
	Count uint64
	Sum   time.Duration
	Max   time.Duration
	// Buckets counts the calls that took at most as long as LatencyBounds says, not
	// counting those of earlier buckets. The last one counts those beyond all bounds.
	Buckets [len(LatencyBounds) + 1]uint64
}

// LatencyBounds are the upper bounds of the buckets of [Latency].
var LatencyBounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// ruleCounters count for one rule.
type ruleCounters struct {
	matched, passed, parseErrors, failed atomic.Uint64
	full, hops, closed                   atomic.Uint64
}

// actionCounters count for one action.
type actionCounters struct {
	success, failure, retries atomic.Uint64
	sum, max                  atomic.Int64
	buckets                   [len(LatencyBounds) + 1]atomic.Uint64
}

// took counts one call.
func (c *actionCounters) took(d time.Duration) { c.tookEach(1, d) }

// tookTogether counts calls that took so long together. Those before took usual each.
func (c *actionCounters) tookTogether(calls int, all, usual time.Duration) {
	others := calls - 1
	if others == 0 || all <= LatencyBounds[0] {
		c.tookEach(calls, all/time.Duration(calls))
		return
	}
	// One was slow, and the others are taken to be as they always were.
	usual = min(usual, all/time.Duration(calls))
	c.tookEach(others, usual)
	c.tookEach(1, all-time.Duration(others)*usual)
}

// tookEach counts calls that took d each.
func (c *actionCounters) tookEach(calls int, d time.Duration) {
	i := 0
	for i < len(LatencyBounds) && d > LatencyBounds[i] {
		i++
	}
	c.buckets[i].Add(uint64(calls))
	c.sum.Add(int64(calls) * int64(d))
	for {
		longest := c.max.Load()
		if int64(d) <= longest || c.max.CompareAndSwap(longest, int64(d)) {
			return
		}
	}
}

func (st *step) metrics() ActionMetrics {
	c := st.counters
	m := ActionMetrics{Kind: st.kind, Success: c.success.Load(), Failure: c.failure.Load(), Retries: c.retries.Load()}
	m.Latency.Sum, m.Latency.Max = time.Duration(c.sum.Load()), time.Duration(c.max.Load())
	for i := range c.buckets {
		m.Latency.Buckets[i] = c.buckets[i].Load()
		m.Latency.Count += m.Latency.Buckets[i]
	}
	return m
}

// Metrics returns the counters as they stand.
func (s *Service) Metrics() Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := Metrics{RuleNotFound: s.notFound.Load(), RulesExecuted: s.executed.Load(), Rules: make(map[string]RuleMetrics, len(s.rules))}
	for name, r := range s.rules {
		c := &r.counters
		matched, passed := r.counted()
		rm := RuleMetrics{
			Matched: matched, Passed: passed, ParseErrors: c.parseErrors.Load(), Failed: c.failed.Load(),
			Dropped: DropMetrics{QueueFull: c.full.Load(), Hops: c.hops.Load(), Closed: c.closed.Load()},
			Queued:  int(r.load.messages()),
		}
		m.RulesExecuted += rm.Matched - rm.Dropped.Hops
		if rev := r.revision; rev != nil {
			for _, st := range rev.steps {
				rm.Actions = append(rm.Actions, st.metrics())
			}
			if rev.onError != nil {
				em := rev.onError.metrics()
				rm.ErrorAction = &em
			}
		}
		m.Rules[name] = rm
	}
	m.Sinks = s.sinks()
	return m
}

// Sinks returns how the sinks of the rules' actions are, by their kinds and names. A
// program that answers for its health looks for those that are down.
func (s *Service) Sinks() []actions.SinkHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sinks()
}

// sinks needs s.mu.
func (s *Service) sinks() (list []actions.SinkHealth) {
	seen := map[*actions.Sink]bool{}
	add := func(st *step) {
		if st != nil && st.sink != nil && !seen[st.sink] {
			seen[st.sink] = true
			list = append(list, st.sink.Health())
		}
	}
	for _, r := range s.rules {
		if rev := r.revision; rev != nil {
			for _, st := range rev.steps {
				add(st)
			}
			add(rev.onError)
			add(rev.dead)
		}
	}
	slices.SortFunc(list, func(a, b actions.SinkHealth) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	return list
}

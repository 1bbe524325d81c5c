package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// loadBacklog reads what was kept when a service was shut down. It waits for its rules.
func (s *Service) loadBacklog(ctx context.Context) error {
	if s.cfg.Backlog == nil {
		return nil
	}
	s.backlog.waiting = map[string][]entry{}
	for r, err := range s.cfg.Backlog.All(ctx, BacklogRecord) {
		if err != nil {
			return fmt.Errorf("rules: read the backlog: %w", err)
		}
		var entries []entry
		n, err := strconv.Atoi(r.Name)
		if err == nil {
			err = json.Unmarshal(r.Document, &entries)
		}
		if err != nil {
			return fmt.Errorf("rules: the record %s of the backlog is damaged: %w", r.Name, err)
		}
		s.backlog.next = max(s.backlog.next, n+1)
		s.backlog.records = append(s.backlog.records, Record{Name: r.Name, Revision: r.Revision})
		for _, e := range entries {
			s.backlog.waiting[e.Rule] = append(s.backlog.waiting[e.Rule], e)
		}
	}
	return nil
}

// restore gives a rule what was kept for it, before it gets anything new. The caller
// holds s.mu, or is New.
func (s *Service) restore(rl *rule) {
	if len(s.backlog.waiting[rl.name]) == 0 || rl.revision == nil {
		return
	}
	entries := once(s.backlog.waiting[rl.name])
	delete(s.backlog.waiting, rl.name)
	rl.revision.rule = rl
	s.restored.Add(1) // until all are there
	r := restorer{s: s, rev: rl.revision, items: map[itemKey]*item{}, jobs: map[itemKey]int32{}, gone: map[string]int{}}
	for i := range entries {
		r.count(&entries[i])
	}
	for i := range entries {
		r.place(&entries[i])
	}
	s.unrestored()
	s.cfg.Logger.Info("rules: what was left when the hub was stopped is worked on", "rule", rl.name, "messages", len(r.items))
	for _, kind := range slices.Sorted(maps.Keys(r.gone)) {
		s.cfg.Logger.Warn("rules: actions that a rule has no more are not done", "rule", rl.name, "action", kind, "events", r.gone[kind])
	}
}

// An itemKey tells an item of a rule from others.
type itemKey struct{ set, number int }

func (e *entry) key() itemKey { return itemKey{e.Set, e.Number} }

// once drops entries that are there twice, as they are if a service was ended while it
// replaced the backlog.
func once(entries []entry) []entry {
	type key struct {
		of     itemKey
		what   jobKind // empty for the item
		action int
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(entries, func(e entry) bool {
		k := key{of: e.key()}
		if e.Job != nil {
			k.what, k.action = e.Job.What, e.Job.Action
		}
		was := seen[k]
		seen[k] = true
		return was
	})
}

// unrestored notes that something of the backlog is done. When all is, the store forgets
// it.
func (s *Service) unrestored() {
	if s.restored.Add(-1) > 0 || s.closed.Load() {
		return
	}
	s.crew.once(s.forgetBacklog)
}

// forgetBacklog removes the backlog, but for that of rules that are not there yet.
func (s *Service) forgetBacklog(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.restored.Load() > 0 || s.closed.Load() {
		return
	}
	var rest []entry
	for _, entries := range s.backlog.waiting {
		rest = append(rest, entries...)
	}
	switch err := s.backlog.replace(ctx, s.cfg.Backlog, rest); {
	case err == nil:
	case ctx.Err() != nil:
		s.crew.once(s.forgetBacklog) // when somebody runs again
	default:
		s.cfg.Logger.Warn("rules: the backlog is done and cannot be removed; unless that works at the end it will come again", "err", err)
	}
}

// A restorer makes items of what was kept of a rule.
type restorer struct {
	s     *Service
	rev   *revision
	items map[itemKey]*item
	jobs  map[itemKey]int32 // how many each has
	gone  map[string]int    // jobs for actions that the rule has no more, by kind
}

// count makes the item of an entry, or counts what is to be done with one.
func (r *restorer) count(e *entry) {
	key := e.key()
	if e.Item != nil {
		r.items[key] = r.item(e.Item)
	}
	it := r.items[key]
	if j := e.Job; j != nil && it != nil && r.fits(it, j) {
		r.jobs[key]++
		it.left.Store(r.jobs[key])
	}
}

// fits reports that the rule still has the action of a job, and notes otherwise that this
// is not so. It is asked once.
func (r *restorer) fits(it *item, j *keptJob) bool {
	st := r.step(j)
	if st != nil || j.What == keptEvaluate || j.What == keptPassed {
		return true
	}
	j.What = ""
	r.gone[j.Kind]++
	it.note(&failure{j.Kind, "", fmt.Sprintf("the rule had the action %s when the message was accepted, and has it no more", j.Kind)}, nil)
	return false
}

// step returns the action of a job, nil if the rule has it no more.
func (r *restorer) step(j *keptJob) *step {
	switch {
	case j.What == keptReport && r.rev.onError != nil:
		return r.rev.onError
	case j.What == keptAction && j.Action >= 0 && j.Action < len(r.rev.steps) && r.rev.steps[j.Action].kind == j.Kind:
		return r.rev.steps[j.Action]
	}
	return nil
}

// place puts a job where it was, or ends an item for which there is none.
func (r *restorer) place(e *entry) {
	s, it, j := r.s, r.items[e.key()], e.Job
	if it == nil {
		return
	}
	if j == nil {
		if r.jobs[e.key()] == 0 {
			s.conclude(it)
		}
		return
	}
	set := r.rev.tracks()
	t := set.ofItem(it)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch st := r.step(j); j.What {
	case keptEvaluate:
		s.push(t, evaluationLane, job{it: it})
	case keptPassed:
		s.push(t, evaluationLane, job{it: it, extras: &extras{passed: true, more: r.more(j)}})
	case keptReport:
		x := r.extras(st, j)
		x.document, x.report, x.reported = j.Document, []*item{it}, s.now()
		s.push(t, errorLane, job{it: it, step: st, extras: x})
	case keptAction:
		k := job{it: it, step: st, extras: r.extras(st, j)}
		if first := &set.tracks[0]; st.across() && first != t {
			first.mu.Lock()
			defer first.mu.Unlock()
			t = first
		}
		s.push(t, st.index, k)
	}
}

// more is what the actions get of an item that passed.
func (r *restorer) more(j *keptJob) []*extras {
	list := make([]*extras, len(r.rev.steps))
	for i, st := range r.rev.steps {
		of := keptJob{Kind: st.kind}
		for _, m := range j.More {
			if m.Action == i && m.Kind == st.kind {
				of = m
			}
		}
		list[i] = r.extras(st, &of)
	}
	return list
}

// extras are those of a job. Texts that were rendered when the message passed are kept,
// others are made again.
func (r *restorer) extras(st *step, j *keptJob) *extras {
	x := &extras{attempt: j.Attempt}
	early := st.early && j.What != keptReport
	if early {
		for _, p := range j.Params {
			x.params = append(x.params, string(p))
		}
	}
	switch {
	case j.Failed != "":
		x.failed = actions.Permanent(errors.New(j.Failed))
	case early && len(x.params) != len(st.params):
		x.failed = actions.Permanent(errors.New("the action has other parameters than when the message was accepted"))
	}
	return x
}

// item makes an item.
func (r *restorer) item(k *keptItem) *item {
	m := &actions.Message{
		Topic: k.Topic, Payload: k.Payload, Time: k.Time, ClientID: k.ClientID, Principal: k.Principal, SourceIP: k.SourceIP,
		TraceID: actions.NamedTraceID(k.TraceID), QoS: k.QoS, Protocol: k.Protocol, Hops: k.Hops, PayloadFormat: actions.PayloadFormat(k.Format),
		ContentType: k.ContentType, ResponseTopic: k.ResponseTopic, CorrelationData: k.Correlation,
	}
	if len(k.Properties) > 0 {
		m.UserProperties = func(yield func(string, string) bool) {
			for _, p := range k.Properties {
				if !yield(p.Key, p.Value) {
					return
				}
			}
		}
	}
	out := k.Output
	if k.Same {
		out = m.Payload
	}
	taken := r.s.now() - max(0, time.Since(k.Taken))
	if taken == 0 {
		taken = 1 // because 0 says something else
	}
	it := &item{rev: r.rev, whole: &whole{m, out}, restored: true, taken: taken, size: int64(len(m.Payload) + extra(m, out))}
	for _, f := range k.Failures {
		it.note(&failure{f.Action, f.Resource, f.Message}, nil)
	}
	rl := r.rev.rule
	rl.load.enter(it.size, math.MaxInt64, math.MaxInt64)
	r.s.restored.Add(1)
	return it
}

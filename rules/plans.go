package rules

import (
	"sync/atomic"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// A planSet evaluates the revisions that match one topic together. It is immutable.
type planSet struct {
	key   uint64
	revs  []*revision
	at    []place // for each revision
	plans []plan  // one for each language
}

// A place says which plan has a program, and where in it.
type place struct{ plan, index int }

func newPlanSet(revs []*revision) *planSet {
	s := &planSet{key: setKey(revs), revs: append([]*revision(nil), revs...), at: make([]place, len(revs))}
	var languages []language
	var programs [][]program
	for i, rev := range revs {
		l := rev.program.language()
		n := 0
		for n < len(languages) && languages[n] != l {
			n++
		}
		if n == len(languages) {
			languages, programs = append(languages, l), append(programs, nil)
		}
		s.at[i] = place{n, len(programs[n])}
		programs[n] = append(programs[n], rev.program)
	}
	for n, l := range languages {
		s.plans = append(s.plans, l.plan(programs[n]))
	}
	return s
}

// setKey hashes a list of revisions.
func setKey(revs []*revision) uint64 {
	h := uint64(14695981039346656037)
	for _, rev := range revs {
		h = (h ^ rev.id) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	return h
}

func (s *planSet) is(key uint64, revs []*revision) bool {
	if s.key != key || len(s.revs) != len(revs) {
		return false
	}
	for i, rev := range revs {
		if s.revs[i] != rev {
			return false
		}
	}
	return true
}

// cacheSize is how many sets of rules are remembered.
const cacheSize = 1024

// A planCache remembers the plans for sets of revisions. Each set has one place, where
// another one may take over; so it is bounded and takes no lock. The cache is replaced
// when rules change.
type planCache struct {
	sets [cacheSize]atomic.Pointer[planSet]
}

// plan returns the plans for what matches a topic.
func (s *Service) plan(revs []*revision) *planSet {
	if len(revs) == 1 {
		return revs[0].alone
	}
	key := setKey(revs)
	slot := &s.plans.Load().sets[key%cacheSize]
	if p := slot.Load(); p != nil && p.is(key, revs) {
		return p
	}
	p := newPlanSet(revs)
	slot.Store(p)
	return p
}

// runs are the evaluations of one message in up to two languages.
type runs struct {
	set *planSet
	m   *actions.Message
	by  [2]run
	own sql.Run // for statements
}

// of returns the run for revision i of the set and its place in it.
func (r *runs) of(i int) (run, int) {
	at := r.set.at[i]
	if r.by[at.plan] == nil {
		r.by[at.plan] = r.set.plans[at.plan].begin(r.m, &r.own)
	}
	return r.by[at.plan], at.index
}

// forget gives up a run that may be in any state.
func (r *runs) forget(i int) {
	r.by[r.set.at[i].plan] = nil
	r.own = sql.Run{}
}

func (r *runs) end() {
	for i, run := range r.by {
		if run != nil {
			run.End()
			r.by[i] = nil
		}
	}
}

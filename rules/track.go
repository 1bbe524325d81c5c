package rules

import (
	"context"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
)

// The lanes of a track: those of the actions by their index, that of the error action,
// and that in which statements are evaluated that may wait.
const (
	errorLane = maxActions + iota
	evaluationLane
	laneSlots
)

// A track is the way of those messages of a rule whose topics, or clients, have one hash: a lane for
// each action, and the memory of what is in them. What is put into lanes together is put
// in under one lock.
type track struct {
	mu    sync.Mutex
	chunk *chunk // where the next item goes, nil while nothing is on its way
	both  uint64 // messages that matched and passed, which are in no other count
	old   bool   // the set was replaced: counts go to the rule
	lanes [laneSlots]*lane
}

// A trackSet is the tracks of a rule. It is replaced when a revision wants another number
// of them; what waits in the old ones is worked there.
type trackSet struct{ tracks []track }

var topicSeed = maphash.MakeSeed()

// tracks returns the tracks for what a revision has matched.
func (rev *revision) tracks() *trackSet {
	at := &rev.rule.tracks
	for {
		set := at.Load()
		if set != nil && len(set.tracks) == rev.delivery.Lanes {
			return set
		}
		if at.CompareAndSwap(set, &trackSet{make([]track, rev.delivery.Lanes)}) {
			rev.rule.fold(set)
		}
	}
}

// pass counts a message that matched and passed. The caller holds t.mu, which is cheaper
// than to count for all tracks.
func (t *track) pass(r *rule) {
	if t.old {
		r.counters.matched.Add(1)
		r.counters.passed.Add(1)
		return
	}
	t.both++
}

// fold counts for the rule what a set that was replaced has counted.
func (r *rule) fold(set *trackSet) {
	if set == nil {
		return
	}
	for i := range set.tracks {
		t := &set.tracks[i]
		t.mu.Lock()
		r.counters.matched.Add(t.both)
		r.counters.passed.Add(t.both)
		t.both, t.old = 0, true
		t.mu.Unlock()
	}
	r.noting.Lock()
	defer r.noting.Unlock()
	r.retired = append(slices.DeleteFunc(r.retired, (*trackSet).idle), set)
}

// idle reports that nothing is in the lanes of a set.
func (s *trackSet) idle() bool {
	for i := range s.tracks {
		t := &s.tracks[i]
		t.mu.Lock()
		idle := !slices.ContainsFunc(t.lanes[:], func(l *lane) bool { return l != nil && l.active })
		t.mu.Unlock()
		if !idle {
			return false
		}
	}
	return true
}

// counted is how many messages matched, and for how many of them the condition was true.
func (r *rule) counted() (matched, passed uint64) {
	matched, passed = r.counters.matched.Load(), r.counters.passed.Load()
	if set := r.tracks.Load(); set != nil {
		for i := range set.tracks {
			t := &set.tracks[i]
			t.mu.Lock()
			matched += t.both
			passed += t.both
			t.mu.Unlock()
		}
	}
	return matched, passed
}

// of returns the track for what orderOf returns.
func (s *trackSet) of(order string) *track {
	if len(s.tracks) == 1 {
		return &s.tracks[0]
	}
	i, _ := bits.Mul64(maphash.String(topicSeed, order), uint64(len(s.tracks)))
	return &s.tracks[i]
}

// ofItem returns the track for an item.
func (s *trackSet) ofItem(it *item) *track { return s.of(it.rev.orderOf(it.topic(), it.client())) }

// orderOf is what messages that stay in order have in common.
func (rev *revision) orderOf(topic, client string) string {
	if rev.delivery.Order == OrderByClient {
		return client
	}
	return topic
}

// push puts a job into a lane, and sees to it that somebody works there. The caller holds
// t.mu.
func (s *Service) push(t *track, slot int, j job) {
	l := t.lanes[slot]
	if l == nil {
		l = &lane{track: t, together: 1}
		l.task.init(func(ctx context.Context) { s.work(ctx, l) })
		t.lanes[slot] = l
	}
	if l.jobs == nil {
		l.jobs = jobLists.Get().(*jobList)
	}
	l.jobs.list = append(l.jobs.list, j)
	if !l.active {
		l.active = true
		s.crew.do(&l.task)
	} else if l.wake != nil {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// pushAll gives an item to the actions of its rule; more is nil or has what their jobs
// have besides the item. The caller holds t.mu, which is released: the item may be done
// then.
func (s *Service) pushAll(set *trackSet, t *track, it *item, more []*extras) {
	steps := it.rev.steps
	if n := int32(len(steps)); it.left.Load() != n { // a store costs more, and used items have 1
		it.left.Store(n)
	}
	across := false
	for i, st := range steps {
		if st.across() {
			across = true
			continue
		}
		j := job{it: it, step: st}
		if more != nil {
			j.extras = more[i]
		}
		s.push(t, i, j)
	}
	t.mu.Unlock()
	if !across {
		return
	}
	first := &set.tracks[0]
	first.mu.Lock()
	defer first.mu.Unlock()
	for i, st := range steps {
		if st.across() {
			j := job{it: it, step: st}
			if more != nil {
				j.extras = more[i]
			}
			s.push(first, i, j)
		}
	}
}

package rules

import (
	"context"
	"sync"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// A job is one event for one action, or an item that is to be evaluated.
type job struct {
	it      *item
	step    *step // nil: to be evaluated
	*extras       // nil if there are none
}

// An extras is what few jobs have.
type extras struct {
	params   []string
	failed   error // why the action need not be tried
	attempt  int
	rendered bool          // those params that may wait
	report   []*item       // of the error action: whose failures
	document []byte        // of the error action: the report
	reported time.Duration // when that was made, since Service.began
	passed   bool          // in the evaluation lane: it is evaluated, and only keeps its place
	more     []*extras     // then: what the jobs of the actions have
}

// own makes sure that a job has extras.
func (j *job) own() {
	if j.extras == nil {
		j.extras = &extras{}
	}
}

// plain reports that the action can be called for the first time with what is there.
func (j *job) plain() bool {
	x := j.extras
	return j.step.batcher == nil && j.step.sink == nil && !j.step.late && (x == nil || x.attempt == 0 && x.failed == nil && x.report == nil)
}

// event makes what the action gets. It is valid as long as the item and m are.
func (j *job) event(m *actions.Message) actions.Event {
	ev := actions.Event{Rule: j.it.rev.rule.name, Action: j.step.index, Payload: j.it.output(), Message: j.it.message(m), Params: j.step.fixed, Attempt: 1}
	if x := j.extras; x != nil {
		ev.Attempt = max(1, x.attempt)
		if x.params != nil {
			ev.Params = x.params
		}
		if x.report != nil {
			ev.Payload = x.document
		}
	}
	return ev
}

// A jobList is a list that is used again.
type jobList struct{ list []job }

// mostListed bounds what a list is kept for.
const mostListed = 4096

var jobLists = sync.Pool{New: func() any { return &jobList{make([]job, 0, 32)} }}

func (l *jobList) empty() {
	clear(l.list)
	l.list = l.list[:0]
}

func (l *jobList) free() {
	if l != nil && cap(l.list) <= mostListed {
		l.empty()
		jobLists.Put(l)
	}
}

// A lane has the jobs that are done one after the other. A goroutine works it while
// there are some.
type lane struct {
	track *track
	task  task

	// Guarded by track.mu.
	jobs   *jobList      // that came since the worker looked; nil if none did
	active bool          // a goroutine works the lane, or will when somebody runs
	wake   chan struct{} // for a worker that waits for company for a batch

	// The worker's own, kept when a Run ends before it is done.
	mine     *jobList // nil while the lane is idle
	next     int      // of mine
	batch    []job
	failed   []*failedJob
	events   []actions.Event    // of a batch that is handed over
	messages []*actions.Message // of those
	message  actions.Message    // of the present call
	call     *callContext       // for the next calls, if it fits; nil if there is none
	from     int                // the first job of those that are called together
	rushing  bool               // they are being called
	asking   *job               // of mine, while the action is asked for its key; nil otherwise
	exited   bool               // the last worker ended in the middle of a job
	clock    time.Duration      // since Service.began, of the last look at it; 0: long ago
	together int                // how many calls are made until the next look
	usual    time.Duration      // how long each of the last calls took
}

// more makes sure that the worker has a job, and reports false if there is none: then
// the lane is idle.
func (l *lane) more() bool {
	if l.mine != nil && l.next < len(l.mine.list) || len(l.batch) > 0 || len(l.failed) > 0 {
		return true
	}
	if l.mine != nil {
		l.mine.empty()
	}
	t := l.track
	t.mu.Lock()
	defer t.mu.Unlock()
	l.mine, l.jobs, l.next = l.jobs, l.mine, 0
	if l.mine != nil && len(l.mine.list) > 0 {
		return true
	}
	l.active = false
	l.mine.free()
	l.jobs.free()
	l.mine, l.jobs = nil, nil
	l.message, l.messages = actions.Message{}, nil // which would keep chunks
	if t.chunk != nil && t.chunk.idle() {
		t.chunk.close()
		t.chunk = nil
	}
	return false
}

// absorb takes what came meanwhile.
func (l *lane) absorb() {
	l.track.mu.Lock()
	defer l.track.mu.Unlock()
	if l.jobs != nil {
		l.mine.list = append(l.mine.list, l.jobs.list...)
		l.jobs.empty()
	}
}

// company waits until another job comes, the timer fires or ctx ends. It reports false
// if it was not a job.
func (l *lane) company(ctx context.Context, timer <-chan time.Time) bool {
	l.track.mu.Lock()
	if l.wake == nil {
		l.wake = make(chan struct{}, 1)
	}
	wake, some := l.wake, l.jobs != nil && len(l.jobs.list) > 0
	l.track.mu.Unlock()
	if some {
		return true
	}
	select {
	case <-wake:
		return true
	case <-timer:
	case <-ctx.Done():
	}
	return false
}

// work does the jobs of a lane until there is none left, or ctx ends.
func (s *Service) work(ctx context.Context, l *lane) {
	l.clock = 0
	returned := false
	defer func() {
		if !returned {
			// Code of the host's ended the goroutine: another one goes on.
			l.exited = true
			s.crew.do(&l.task)
		}
	}()
	if l.exited {
		s.failExited(l)
	}
	for l.more() {
		if ctx.Err() != nil || !s.turn(ctx, l) {
			s.crew.do(&l.task)
			break
		}
	}
	returned = true
}

// turn does the next job, or several. It reports false if ctx ended before that was done;
// it then goes on from there.
func (s *Service) turn(ctx context.Context, l *lane) bool {
	if len(l.batch) > 0 || len(l.failed) > 0 {
		return s.workBatch(ctx, l)
	}
	j := &l.mine.list[l.next]
	done := false
	switch {
	case j.step == nil && j.extras != nil && j.passed:
		s.dispatch(j.it, j.more)
		done = true
	case j.step == nil:
		done = s.evaluateLate(ctx, l, j)
	case j.plain():
		return s.rush(ctx, l)
	case j.step.batcher != nil && (j.extras == nil || j.failed == nil):
		return s.gather(ctx, l) && s.workBatch(ctx, l)
	default:
		done = s.perform(ctx, l, j)
	}
	if done {
		l.next++
	}
	l.clock = 0
	return done
}

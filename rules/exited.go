package rules

import (
	"errors"

	"github.com/thinghub/thinghub/actions"
)

// errExited is the failure of a job in which runtime.Goexit was called, as the FailNow of
// a test does. Whoever ends his goroutine does not want to be called again.
var errExited = actions.Permanent(errors.New("the goroutine was ended by runtime.Goexit"))

// failExited fails what the last worker of a lane was doing when code of the host's ended
// it. Nothing here calls such code again.
func (s *Service) failExited(l *lane) {
	l.exited = false
	l.clock, l.together = 0, 1
	if l.call != nil {
		l.call.end()
		l.call = nil
	}
	if l.rushing { // those before it went well
		l.rushing = false
		if done := l.mine.list[l.from:l.next]; len(done) > 0 {
			st := done[0].step
			st.counters.tookEach(len(done), l.usual)
			s.succeeded(st, uint64(len(done)))
			s.finishSome(done[0].it.rev.rule, done)
		}
	}
	if l.asking != nil {
		l.asking.failed = errExited
		l.asking = nil
		return
	}
	if len(l.batch) > 0 || len(l.failed) > 0 {
		s.failExitedBatch(l)
		return
	}
	if l.mine == nil || l.next >= len(l.mine.list) {
		return
	}
	j := &l.mine.list[l.next]
	l.next++
	if j.step == nil {
		s.failLate(j.it, errExited)
		return
	}
	j.own()
	j.attempt = max(1, j.attempt)
	s.cfg.Logger.Error("rules: an action ended its goroutine", "action", j.step.kind)
	s.gaveUp(j, errExited)
	s.finish(j, exitedFailure(j.step, errExited), nil)
}

// failExitedBatch fails a batch as a whole.
func (s *Service) failExitedBatch(l *lane) {
	for _, j := range l.batch {
		s.gaveUp(&j, errExited)
		l.failed = append(l.failed, &failedJob{j, errExited})
	}
	clear(l.batch)
	l.batch = l.batch[:0]
	clear(l.events)
	l.events = l.events[:0]
	same := map[string]*failure{}
	for _, f := range l.failed {
		same[f.err.Error()] = exitedFailure(f.job.step, f.err)
	}
	s.cfg.Logger.Error("rules: an action ended its goroutine", "action", l.failed[0].job.step.kind)
	l.finishFailed(s, same)
}

// exitedFailure is a failure without the name of the resource, which the action knows.
func exitedFailure(st *step, err error) *failure {
	return &failure{st.failedAction(), "", err.Error()}
}

// failLate ends an item whose evaluation by a worker failed.
func (s *Service) failLate(it *item, err error) {
	rev := it.rev
	if s.countFailed(rev, it.message(&actions.Message{}), err) && rev.onError != nil {
		it.note(evaluationFailure(rev, err), nil)
		s.report([]*item{it}, nil)
		return
	}
	s.release(it)
}

package rules

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// perform does one job, with its retries. It reports false if ctx ended before it was
// done.
func (s *Service) perform(ctx context.Context, l *lane, j *job) bool {
	st := j.step
	j.own()
	if j.failed == nil && !j.rendered && (st.late || j.report != nil && len(st.params) > 0) {
		if !s.renderLate(ctx, l, j) {
			return false
		}
		j.rendered = true
	}
	for {
		if j.failed == nil && !s.awaitSink(ctx, j) {
			return false
		}
		err := j.failed
		if err == nil {
			j.attempt++
			err = s.call(ctx, st, j.it.hops(), func(ctx context.Context) (verdict, error) {
				return verdictOn(st.action.Do(ctx, j.event(&l.message)))
			})
		}
		if settled, again := s.settle(ctx, l, j, err); !again {
			return settled
		}
	}
}

// settle decides what becomes of a job that was tried. Either it is settled, or it is to
// be tried again and the pause before that is over, or ctx has ended.
func (s *Service) settle(ctx context.Context, l *lane, j *job, err error) (settled, again bool) {
	st := j.step
	switch {
	case err == nil:
		s.succeeded(st, 1)
		s.finish(j, nil, nil)
		return true, false
	case ctx.Err() != nil && j.failed == nil:
		j.attempt-- // it did not get its time
		return false, false
	}
	pause := backoff(&st.retry, j.attempt)
	if !s.worthAnother(j, err, pause) {
		f := actionFailure(l, j, err) // asks code of the host's, so it is first
		s.gaveUp(j, err)
		s.finish(j, f, nil)
		return true, false
	}
	st.counters.retries.Add(1)
	return false, sleep(ctx, pause)
}

// renderLate renders the texts that may wait, and all of those of an error action.
func (s *Service) renderLate(ctx context.Context, l *lane, j *job) bool {
	set := j.it.rev.alone
	ctx, cancel := context.WithTimeout(ctx, j.step.retry.Timeout)
	defer cancel()
	err := safely(func() error {
		r := set.plans[0].begin(j.it.message(&l.message), nil)
		defer r.End()
		text := func(t template) (string, bool, error) { return r.Text(ctx, 0, t) }
		bound := func(t template) ([]byte, error) { return r.JSON(ctx, 0, t) }
		var err error
		if j.report != nil {
			j.params, err = j.step.render(text, bound, j.params, false)
			return err
		}
		j.params, err = j.step.render(text, bound, j.params, true)
		return err
	})
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return false // the hub stops
	}
	j.failed = err
	return true
}

// safely calls f and makes an error of a panic.
func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = actions.Permanent(fmt.Errorf("%w: %v", errPanic, p))
		}
	}()
	return f()
}

// A verdict is what a call says about the sink of the action: how many events it has
// taken, and why it has not if it took none.
type verdict struct {
	taken int
	err   error
}

// verdictOn is that of a call for one event.
func verdictOn(err error) (verdict, error) {
	if err != nil {
		return verdict{0, err}, err
	}
	return verdict{1, nil}, nil
}

// call calls an action: with a time limit, with the hops that what it publishes has, and
// without letting a panic through. Its sink, if it has one, must have allowed the call.
func (s *Service) call(ctx context.Context, st *step, hops uint8, do func(context.Context) (verdict, error)) (err error) {
	start := time.Now()
	limited := newCallContext(ctx, hops, st.retry.Timeout)
	limited.begin(start)
	silence := verdict{0, context.Canceled} // of code that does not return
	v := silence
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(st, p)
		}
		st.counters.took(time.Since(start))
		limited.end()
		if st.sink != nil {
			if ctx.Err() != nil && v.err != nil {
				v = silence // it did not get its time
			}
			st.sink.Done(v.taken, v.err)
		}
	}()
	v, err = do(limited)
	return err
}

// awaitSink waits until the sink of a job's action, if it has one, is up. It reports false
// if ctx ended first. If the job got too old it has failed.
func (s *Service) awaitSink(ctx context.Context, j *job) bool {
	st := j.step
	if st.sink == nil {
		return true
	}
	err := st.sink.Await(ctx, st.retry.MaxAge-s.ageOf(j))
	if err != nil && ctx.Err() != nil {
		return false
	}
	j.failed = actions.Permanent(err)
	return true
}

// ageOf is how old a job is.
func (s *Service) ageOf(j *job) time.Duration {
	if j.extras != nil && j.report != nil {
		return s.now() - j.reported // the actions have used up the message's time
	}
	return s.age(j.it)
}

// panicked makes an error of a panic of an action.
func (s *Service) panicked(st *step, p any) error {
	s.cfg.Logger.Error("rules: an action panicked", "action", st.kind, "panic", p, "stack", string(debug.Stack()))
	return actions.Permanent(fmt.Errorf("%w: %v", errPanic, p))
}

// worthAnother reports whether a job that failed is tried again after a pause.
func (s *Service) worthAnother(j *job, err error, pause time.Duration) bool {
	return !errors.Is(err, actions.ErrPermanent) && j.attempt < j.step.retry.Tries && s.ageOf(j)+pause <= j.step.retry.MaxAge
}

// backoff is how long to wait after a try: twice as long after each, half of it random.
func backoff(r *actions.Retry, attempt int) time.Duration {
	d := r.Backoff
	for i := 1; i < attempt && d < r.MaxBackoff; i++ {
		d *= 2
	}
	if d = min(d, r.MaxBackoff); d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2+1)
}

// sleep waits, and reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// succeeded counts events that are done.
func (s *Service) succeeded(st *step, n uint64) {
	st.counters.success.Add(n)
	if st.failing.Load() && st.failing.Swap(false) {
		s.cfg.Logger.Info("rules: an action works again", "action", st.kind)
	}
}

// gaveUp counts an event that failed, and logs the first one of a series.
func (s *Service) gaveUp(j *job, err error) {
	st := j.step
	st.counters.failure.Add(1)
	rule, topic := j.it.rev.rule.name, strings.Clone(j.it.topic())
	if !st.failing.Swap(true) {
		s.cfg.Logger.Warn("rules: an action fails", "rule", rule, "action", st.kind, "topic", topic, "tries", j.attempt, "err", err)
		return
	}
	s.cfg.Logger.Debug("rules: an action fails", "rule", rule, "action", st.kind, "topic", topic, "tries", j.attempt, "err", err)
}

// finish notes that an action is done with an item: well, or with a failure that others
// of its batch may share. The last one to be done sees to the error action. The item must
// not be touched afterwards.
func (s *Service) finish(j *job, f *failure, b *batchReport) {
	if j.extras != nil && j.report != nil {
		if dead := j.it.rev.dead; f != nil && dead != nil && j.step != dead {
			s.pushReport(dead, j.report, j.document)
			return
		}
		for _, it := range j.report {
			s.release(it)
		}
		return
	}
	it := j.it
	if f != nil {
		it.note(f, b)
	}
	if it.done() {
		s.conclude(it)
	}
}

// conclude sees to an item that all actions are done with.
func (s *Service) conclude(it *item) {
	switch t := it.trouble; {
	case t == nil || it.rev.onError == nil && t.batch == nil:
		s.release(it)
	case t.batch != nil:
		t.batch.done(s)
	default:
		s.report([]*item{it}, nil)
	}
}

// dispatch gives an item that passed to the actions.
func (s *Service) dispatch(it *item, more []*extras) {
	if len(it.rev.steps) == 0 { // any more, since the message was kept in the backlog
		s.release(it)
		return
	}
	set := it.rev.tracks()
	t := set.ofItem(it)
	t.mu.Lock()
	s.pushAll(set, t, it, more)
}

// evaluateLate evaluates an item whose program may wait, and sends it on its way if it
// passes.
func (s *Service) evaluateLate(ctx context.Context, l *lane, j *job) bool {
	it, rev, m := j.it, j.it.rev, j.it.message(&l.message)
	bounded, cancel := context.WithTimeout(ctx, rev.delivery.Retry.Timeout)
	defer cancel()
	sent := false
	err := safely(func() error {
		r := rev.alone.plans[0].begin(m, nil)
		defer r.End()
		res, err := r.Eval(bounded, 0)
		if err != nil || !res.Matched {
			return err
		}
		it.size += rev.rule.load.grow(int64(extra(m, res.Output)))
		it.setOutput(m, res.Output)
		more := rev.renderEarly(bounded, r, 0)
		rev.rule.counters.passed.Add(1)
		if len(rev.steps) > 0 {
			s.dispatch(it, more)
			sent = true
		}
		return nil
	})
	switch {
	case sent:
	case err != nil && ctx.Err() != nil:
		return false // the hub stops
	case err != nil:
		s.failLate(it, err)
	default:
		s.release(it)
	}
	return true
}

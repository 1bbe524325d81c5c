package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// A failedJob is an event of a batch that was given up. Those with the same error share
// a failure in the report.
type failedJob struct {
	job job
	err error
}

// mostScanned is how many waiting jobs are looked through for those that fit into a batch,
// and mostRepeated how many with a key that it has already.
const (
	mostScanned  = 1024
	mostRepeated = 128
)

// gather moves the next job and others that fit to it into the lane's batch; nothing if
// it turns out that the next one has failed. It reports false if ctx ended; then nothing
// has been moved.
func (s *Service) gather(ctx context.Context, l *lane) bool {
	l.absorb()
	// What has waited long enough in the queue does not wait again.
	first := &l.mine.list[l.next]
	end := s.now() + first.step.batch.Open - s.age(first.it)
	picked, full := s.pick(ctx, l)
	if open := end - s.now(); !full && open > 0 {
		timer := time.NewTimer(open)
		defer timer.Stop()
		// However many come that do not fit, the time is over when it is over.
		for !full && s.now() < end && l.company(ctx, timer.C) {
			l.absorb()
			picked, full = s.pick(ctx, l)
		}
	}
	if ctx.Err() != nil {
		return false
	}
	l.move(picked)
	return true
}

// A picking is what is known of a batch while its jobs are picked.
type picking struct {
	first    *job
	batch    *actions.Batch
	key      string
	bytes    int
	seen     map[string]bool // keys that are distinct
	repeated int
	byClient bool
	passed   map[string]bool // by client: those of whose messages none can follow
}

// A fit says whether a job goes into a batch.
type fit uint8

const (
	fits fit = iota
	fitsNot
	fitsNone // the first one has failed, or ctx ended
	fitsEnd  // no other one is to be looked at
)

// pick finds the jobs that go into one batch with the next one, by their places in mine.
// It reports whether the batch is full; it is if the next one has failed.
func (s *Service) pick(ctx context.Context, l *lane) (picked []int, full bool) {
	mine := l.mine.list
	p := newPicking(&mine[l.next])
	b := p.batch
	for i := l.next; i < min(len(mine), l.next+mostScanned); i++ {
		j := &mine[i]
		if j.step != p.first.step {
			return picked, true // of a later revision of the rule, or an earlier one: nothing overtakes it
		}
		if j.extras != nil && j.failed != nil || p.byClient && p.passed[j.it.client()] {
			continue
		}
		switch s.fit(ctx, l, p, j) {
		case fitsNone:
			return nil, true
		case fitsEnd:
			return picked, false
		case fitsNot:
			p.pass(j)
			continue
		case fits:
		}
		p.bytes += len(j.it.output())
		if b.Bytes > 0 && p.bytes > b.Bytes && len(picked) > 0 {
			return picked, true
		}
		picked = append(picked, i)
		if len(picked) == b.Events || b.Bytes > 0 && p.bytes >= b.Bytes {
			return picked, true
		}
		if b.Distinct != nil {
			p.pass(j) // it may come again
		}
	}
	return picked, false
}

func newPicking(first *job) *picking {
	p := &picking{first: first, batch: &first.step.batch, byClient: first.it.rev.delivery.Order == OrderByClient}
	if p.batch.Distinct != nil {
		p.seen = map[string]bool{}
	}
	if p.byClient {
		p.passed = map[string]bool{}
	}
	return p
}

// pass notes that no later message of a job's client may be in the batch, if their order is
// to be kept.
func (p *picking) pass(j *job) {
	if p.byClient {
		p.passed[j.it.client()] = true
	}
}

// fit asks whether a job goes into the batch.
func (s *Service) fit(ctx context.Context, l *lane, p *picking, j *job) fit {
	b := p.batch
	if !b.AcrossTopics && j.it.topic() != p.first.it.topic() {
		return fitsNot
	}
	if b.Key != nil {
		of, ok := s.keyOf(ctx, l, j, b.Key)
		switch {
		case ctx.Err() != nil || !ok && j == p.first:
			return fitsNone
		case j == p.first:
			p.key = of
		case !ok || of != p.key:
			return fitsNot
		}
	}
	if b.Distinct != nil {
		of, ok := s.keyOf(ctx, l, j, b.Distinct)
		switch {
		case ctx.Err() != nil || !ok && j == p.first:
			return fitsNone
		case !ok:
			return fitsNot
		case p.seen[of]:
			if p.repeated++; p.repeated == mostRepeated {
				return fitsEnd
			}
			return fitsNot
		}
		p.seen[of] = true
	}
	return fits
}

// keyOf asks for the key of a job, which may depend on texts that wait to be rendered. It
// reports false if there is none; then the job has failed, unless ctx ended.
func (s *Service) keyOf(ctx context.Context, l *lane, j *job, ask func(actions.Event) string) (key string, ok bool) {
	j.own()
	l.asking = j // until this returns, which it does not if that code ends the goroutine
	if s.renderRest(ctx, l, j) && j.failed == nil {
		j.failed = safely(func() error {
			key = ask(j.event(&l.message))
			return nil
		})
		ok = j.failed == nil
	}
	l.asking = nil
	return key, ok
}

// move takes jobs out of mine and makes them the batch.
func (l *lane) move(picked []int) {
	mine := l.mine.list
	to := l.next
	for i := l.next; i < len(mine); i++ {
		if len(picked) > 0 && picked[0] == i {
			mine[i].own()
			l.batch = append(l.batch, mine[i])
			picked = picked[1:]
			continue
		}
		mine[to] = mine[i]
		to++
	}
	clear(mine[to:])
	l.mine.list = mine[:to]
}

// workBatch does the lane's batch, with its retries. It reports false if ctx ended before
// it was done.
func (s *Service) workBatch(ctx context.Context, l *lane) bool {
	for len(l.batch) > 0 {
		if !s.renderBatch(ctx, l) || len(l.batch) > 0 && !s.awaitSinkOfBatch(ctx, l) {
			return false
		}
		if len(l.batch) == 0 {
			break
		}
		st := l.batch[0].step
		hops := uint8(0)
		for i := range l.batch {
			j := &l.batch[i]
			j.attempt++
			if len(l.messages) == i {
				l.messages = append(l.messages, &actions.Message{})
			}
			l.events = append(l.events, j.event(l.messages[i]))
			hops = max(hops, j.it.hops())
		}
		evs := l.events
		var errs []error
		err := s.call(ctx, st, hops, func(ctx context.Context) (verdict, error) {
			errs = st.batcher.DoBatch(ctx, evs)
			if errs != nil && len(errs) != len(evs) {
				return verdictOn(actions.Permanent(fmt.Errorf("DoBatch returned %d errors for %d events", len(errs), len(evs))))
			}
			return verdictOnBatch(len(evs), errs), nil
		})
		clear(evs)
		l.events = evs[:0]
		stopped := ctx.Err() != nil
		pause := backoff(&st.retry, l.batch[0].attempt)
		rest := l.batch[:0]
		for i, j := range l.batch {
			e := err
			if e == nil && errs != nil {
				e = errs[i]
			}
			switch {
			case e == nil:
				s.succeeded(st, 1)
				s.finish(&j, nil, nil)
			case stopped:
				j.attempt--
				rest = append(rest, j)
			case s.worthAnother(&j, e, pause):
				st.counters.retries.Add(1)
				rest = append(rest, j)
			default:
				s.gaveUp(&j, e)
				l.failed = append(l.failed, &failedJob{j, e})
			}
		}
		clear(l.batch[len(rest):])
		l.batch = rest
		if stopped || len(rest) > 0 && !sleep(ctx, pause) {
			return false
		}
	}
	l.reportFailed(s)
	return true
}

// verdictOnBatch is that of a call for n events with these errors, nil if all is well. It
// is an error if the sink took none, and one that is not permanent if there is one.
func verdictOnBatch(n int, errs []error) verdict {
	v := verdict{taken: n}
	for _, err := range errs {
		if err == nil {
			continue
		}
		v.taken--
		if v.err == nil || errors.Is(v.err, actions.ErrPermanent) || errors.Is(v.err, actions.ErrSinkWorks) {
			v.err = err
		}
	}
	if v.taken > 0 {
		v.err = nil
	}
	return v
}

// awaitSinkOfBatch waits until the sink of the lane's batch, if it has one, is up. It
// reports false if ctx ended first. What gets too old meanwhile leaves the batch.
func (s *Service) awaitSinkOfBatch(ctx context.Context, l *lane) bool {
	for len(l.batch) > 0 {
		oldest := 0
		for i := range l.batch {
			if s.ageOf(&l.batch[i]) > s.ageOf(&l.batch[oldest]) {
				oldest = i
			}
		}
		j := &l.batch[oldest]
		if !s.awaitSink(ctx, j) {
			return false
		}
		if j.failed == nil {
			return true
		}
		s.gaveUp(j, j.failed)
		l.failed = append(l.failed, &failedJob{*j, j.failed})
		l.batch = slices.Delete(l.batch, oldest, oldest+1)
	}
	return true
}

// renderRest renders the texts of a job that may wait, once. It reports false if ctx
// ended.
func (s *Service) renderRest(ctx context.Context, l *lane, j *job) bool {
	if j.step.late && !j.rendered {
		j.rendered = s.renderLate(ctx, l, j)
		return j.rendered
	}
	return true
}

// renderBatch renders the texts that may wait; a job for which that fails leaves the
// batch.
func (s *Service) renderBatch(ctx context.Context, l *lane) bool {
	rest := l.batch[:0]
	stopped := false
	for _, j := range l.batch {
		stopped = stopped || !s.renderRest(ctx, l, &j)
		if j.failed != nil {
			s.gaveUp(&j, j.failed)
			l.failed = append(l.failed, &failedJob{j, j.failed})
			continue
		}
		rest = append(rest, j)
	}
	clear(l.batch[len(rest):])
	l.batch = rest
	return !stopped
}

// reportFailed finishes the jobs of the batch that failed: they are reported together.
func (l *lane) reportFailed(s *Service) {
	if len(l.failed) == 0 {
		return
	}
	same := map[string]*failure{}
	for _, f := range l.failed { // before any is finished, because this asks code of the host's
		if text := f.err.Error(); same[text] == nil {
			same[text] = actionFailure(l, &f.job, f.err)
		}
	}
	l.finishFailed(s, same)
}

// finishFailed finishes the jobs of the batch that failed, with failures by the texts of
// their errors.
func (l *lane) finishFailed(s *Service, same map[string]*failure) {
	b := &batchReport{acrossTopics: l.failed[0].job.step.batch.AcrossTopics}
	b.left.Store(1)
	for _, f := range l.failed {
		s.finish(&f.job, same[f.err.Error()], b)
	}
	l.failed = l.failed[:0]
	b.done(s)
}

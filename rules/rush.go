package rules

import (
	"context"
	"time"
)

// Looking at the clock, counting and giving back memory cost more than a call of a quick
// action. So calls that take less than quick are put together: up to mostTogether.
const (
	quick        = 2 * time.Microsecond
	mostTogether = 32
)

// rush calls an action for the next jobs, which need nothing but the call, until it is
// time to look at the clock, or a job is of another kind, or one fails.
func (s *Service) rush(ctx context.Context, l *lane) bool {
	from := l.next
	l.from, l.rushing = from, true
	first := &l.mine.list[from]
	st, r, hops := first.step, first.it.rev.rule, first.it.hops()
	if l.clock == 0 {
		l.clock = s.now()
	}
	c := l.call
	if !c.fits(ctx, hops, st.retry.Timeout) {
		c = newCallContext(ctx, hops, st.retry.Timeout)
		l.call = c
	}
	began := time.Time{}
	if l.together == 1 {
		began = s.began.Add(l.clock)
	}
	c.begin(began)
	err := s.callSome(ctx, c, l, st)
	l.rushing = false
	c.end()

	now := s.now()
	took := now - l.clock
	l.clock = now
	done := l.next - from
	calls := done
	if err != nil {
		calls++
	}
	st.counters.tookTogether(calls, took, l.usual)
	l.pace(calls, took)
	if done > 0 {
		s.succeeded(st, uint64(done))
		s.finishSome(r, l.mine.list[from:l.next])
	}
	if err == nil {
		return true
	}
	j := &l.mine.list[l.next]
	j.own()
	j.attempt = 1
	settled, again := s.settle(ctx, l, j, err)
	if again {
		settled = s.perform(ctx, l, j)
	}
	if !settled {
		return false
	}
	l.next++
	l.clock = 0
	return true
}

// callSome moves l.next behind each job for which the action was called well. An error
// is that of the next one.
func (s *Service) callSome(ctx context.Context, c *callContext, l *lane, st *step) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(st, p)
		}
	}()
	for end := min(l.next+l.together, len(l.mine.list)); l.next < end; l.next++ {
		j := &l.mine.list[l.next]
		if j.step != st || !j.plain() || j.it.hops() != c.hops {
			return nil
		}
		if err := st.action.Do(c, j.event(&l.message)); err != nil {
			return err
		}
		if c.taken.Load() || ctx.Err() != nil {
			l.next++
			return nil
		}
	}
	return nil
}

// pace decides how many calls are made until the next look at the clock.
func (l *lane) pace(calls int, took time.Duration) {
	if calls == 0 {
		return
	}
	if l.usual = took / time.Duration(calls); l.usual < quick {
		l.together = min(2*l.together, mostTogether)
	} else {
		l.together = 1
	}
}

// finishSome notes that an action of a rule is done with the items of jobs, well, and
// gives up those that it was the last one for.
func (s *Service) finishSome(r *rule, jobs []job) {
	var n, bytes int64
	var c *chunk
	ofChunk := 0
	for i := range jobs {
		it := jobs[i].it
		if !it.done() {
			continue
		}
		if it.trouble != nil || it.restored {
			s.conclude(it)
			continue
		}
		n++
		bytes += it.size
		if it.chunk != c {
			if c != nil {
				c.done(ofChunk)
			}
			c, ofChunk = it.chunk, 0
		}
		if c != nil {
			it.overwrite()
			ofChunk++
		}
	}
	if c != nil {
		c.done(ofChunk)
	}
	if n > 0 {
		s.vacate(r, n, bytes)
	}
}

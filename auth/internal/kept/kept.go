// Package kept keeps what a server says of itself, such as its keys, and asks it again from
// time to time, for the packages below auth.
package kept

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// The wait after a server could not be asked: it doubles with each failure.
const (
	shortestWait = time.Second
	longestWait  = time.Minute
)

// Config says how long something is kept.
type Config struct {
	// Cooldown is how long after an answer [Value.Newer] does not ask again.
	Cooldown time.Duration
	// KeepFor is how long an answer counts if there is no other one.
	KeepFor time.Duration
	// Name is what errors call the server.
	Name string
	// Now is the clock.
	Now func() time.Time
	// RefreshAfter is how old an answer becomes before the next one is asked for, while it
	// counts.
	RefreshAfter time.Duration
	// Timeout is how long the server may take.
	Timeout time.Duration
}

// A Snapshot is what a server said at some time. It is not modified.
type Snapshot[T any] struct {
	Value T
	Taken time.Time
}

// A Value asks a server, one question at a time, and keeps the answer. Safe for concurrent
// use.
type Value[T any] struct {
	cfg Config
	ask func(ctx context.Context, last *Snapshot[T]) (T, error)

	mu       sync.Mutex
	current  *Snapshot[T] // nil: none yet
	running  *question    // nil: none
	failures int
	failed   error // the last one, nil after a success
	retry    time.Time
}

// A question is under way. Its result is there once done is closed.
type question struct {
	done chan struct{}
	err  error
}

// New returns a Value that has asked nobody yet. ask gets what was kept before, nil for
// nothing.
func New[T any](cfg Config, ask func(ctx context.Context, last *Snapshot[T]) (T, error)) *Value[T] {
	return &Value[T]{cfg: cfg, ask: ask}
}

// Get returns what counts, waiting for the server if there is nothing. The error wraps
// auth.ErrUnavailable.
func (v *Value[T]) Get(ctx context.Context) (*Snapshot[T], error) {
	v.mu.Lock()
	now, s := v.cfg.Now(), v.current
	if s != nil && now.Sub(s.Taken) < v.cfg.KeepFor {
		if now.Sub(s.Taken) >= v.cfg.RefreshAfter && v.running == nil && !now.Before(v.retry) {
			v.start()
		}
		v.mu.Unlock()
		return s, nil
	}
	return v.wait(ctx, now)
}

// Newer returns what the server said after s, or s itself if it was asked so lately that
// it is not asked again. The error, which wraps auth.ErrUnavailable, says that it cannot be
// asked.
func (v *Value[T]) Newer(ctx context.Context, s *Snapshot[T]) (*Snapshot[T], error) {
	v.mu.Lock()
	now := v.cfg.Now()
	switch {
	case v.current != s:
		s = v.current
		v.mu.Unlock()
		return s, nil
	case v.running == nil && (now.Sub(s.Taken) < v.cfg.Cooldown || now.Before(v.retry)):
		failed := v.failed
		v.mu.Unlock()
		if failed != nil { // it may have said what nobody has told us
			return nil, failed
		}
		return s, nil
	}
	return v.wait(ctx, now)
}

// wait waits for the question that is under way, or asks one. mu is held, and released.
func (v *Value[T]) wait(ctx context.Context, now time.Time) (*Snapshot[T], error) {
	if v.running == nil {
		if now.Before(v.retry) {
			err := v.failed
			v.mu.Unlock()
			return nil, err
		}
		v.start()
	}
	q := v.running
	v.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: waiting for %s: %w", auth.ErrUnavailable, v.cfg.Name, ctx.Err())
	case <-q.done:
	}
	if q.err != nil {
		return nil, q.err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.current, nil
}

// start asks the server. It does so on a goroutine of its own, which ends after
// Config.Timeout at the latest: whoever asks first may leave before the others. mu is
// held.
func (v *Value[T]) start() {
	q := &question{done: make(chan struct{})}
	v.running = q
	last := v.current
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), v.cfg.Timeout)
		defer cancel()
		taken := v.cfg.Now()
		value, err := v.ask(ctx, last)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.running, v.failed, v.retry = nil, nil, time.Time{}
		if err == nil {
			v.current, v.failures = &Snapshot[T]{value, taken}, 0
		} else {
			err = fmt.Errorf("%w: %s: %w", auth.ErrUnavailable, v.cfg.Name, err)
			v.failed, v.retry = err, v.cfg.Now().Add(min(shortestWait<<min(v.failures, 10), longestWait))
			v.failures++
		}
		q.err = err
		close(q.done)
	}()
}

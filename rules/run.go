package rules

import (
	"context"
	"fmt"
)

// Run works the messages that rules have taken, and sends confirmations of destinations,
// until ctx ends or the service is shut down. It returns when no goroutine of the service
// is left, which is not before every action that is being called has returned; their
// contexts end with ctx. What is not done then waits for another Run. The error is nil
// after ctx has ended, [ErrClosed] after Shutdown, and that of a second call while one is
// running.
func (s *Service) Run(ctx context.Context) error {
	if s.closed.Load() {
		select {
		case <-s.stop:
			return ErrClosed
		default: // Shutdown is waiting for the queues to empty
		}
	}
	if err := s.crew.run(ctx, s.stop); err != nil {
		return err
	}
	select {
	case <-s.stop:
		return ErrClosed
	default:
		return nil
	}
}

// Shutdown ends the service in good order: no message is taken any more, those that
// were taken are worked. If that is not done when ctx ends, what is left is dropped and
// counted, and the error says how much it is. Then Run ends; Shutdown waits for it, but
// not longer than ctx. Calling it again is fine, also meanwhile: if that call gives up, so
// do the others.
func (s *Service) Shutdown(ctx context.Context) error {
	s.closed.Store(true)
	s.left()
	var err error
	select {
	case <-s.drained:
	case <-s.stop: // also by somebody else, who did not wait
		if n := s.census.pending(); n > 0 {
			err = fmt.Errorf("rules: %d messages were not worked: %w", n, ErrClosed)
		}
	case <-ctx.Done():
		if n := s.abandon(); n > 0 {
			err = fmt.Errorf("rules: %d messages were not worked: %w", n, context.Cause(ctx))
		}
	}
	s.stopping.Do(func() { close(s.stop) })
	over := s.crew.running()
	select {
	case <-over:
	case <-ctx.Done():
	}
	select {
	case <-over: // also when ctx has ended
		if s.files != nil {
			if e := s.files.Close(); err == nil && e != nil {
				err = fmt.Errorf("rules: %w", e)
			}
		}
	default:
		if err == nil {
			err = context.Cause(ctx)
		}
	}
	return err
}

// drain notes that nothing is pending after the service was closed.
func (s *Service) drain() { s.draining.Do(func() { close(s.drained) }) }

// abandon counts what will not be worked.
func (s *Service) abandon() int64 {
	s.abandoning.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range s.rules {
			r.counters.closed.Add(uint64(r.load.messages()))
		}
	})
	return s.census.pending()
}

package rules

import (
	"context"
	"errors"
	"fmt"
	"time"
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
//
// With [Config].Backlog what is left is kept there, for the next service. That may take up
// to ten seconds longer than ctx: five for actions to return, and five for the store. If an
// action has not returned by then, nothing is kept.
func (s *Service) Shutdown(ctx context.Context) error {
	s.closed.Store(true)
	s.left()
	var err error
	why := ErrClosed
	select {
	case <-s.drained:
	case <-s.stop: // also by somebody else, who did not wait
	case <-ctx.Done():
		why = context.Cause(ctx)
	}
	err = s.giveUp(ctx, why)
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

// giveUp ends Run and sees to what is left: it is kept, or dropped and counted.
func (s *Service) giveUp(ctx context.Context, why error) error {
	s.stopping.Do(func() { close(s.stop) })
	kept := int64(0)
	if s.cfg.Backlog != nil {
		var err error
		if kept, err = s.keepRest(ctx); err != nil {
			why = err
		}
	}
	left := s.census.pending() - kept
	if left <= 0 {
		return nil
	}
	if why != ErrClosed { //nolint:errorlint // it is that one, or why this call gives up
		s.abandon()
	}
	return fmt.Errorf("rules: %d messages were not worked: %w", left, why)
}

// keepRest keeps what is left when Run has ended, once. It returns how many messages that
// are.
func (s *Service) keepRest(ctx context.Context) (kept int64, err error) {
	s.keeping.Do(func() {
		select {
		case <-s.crew.running():
		case <-time.After(keepWithin):
			s.keepErr = errors.New("an action does not return, so nothing can be kept")
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
		defer cancel()
		s.kept, s.keepErr = s.keepBacklog(ctx)
		if s.kept > 0 {
			s.cfg.Logger.Info("rules: what is not done is kept for the next start", "messages", s.kept)
		}
	})
	return s.kept, s.keepErr
}

// drain notes that nothing is pending after the service was closed.
func (s *Service) drain() { s.draining.Do(func() { close(s.drained) }) }

// abandon counts what will not be worked.
func (s *Service) abandon() int64 {
	s.abandoning.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range s.rules {
			r.counters.closed.Add(uint64(max(0, r.load.messages()-s.backlog.kept[r])))
		}
	})
	return s.census.pending()
}

package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// Run does the service's work by the clock until ctx ends, and returns nil then: it
// deletes certificates that have not been provisioned before their ownership token
// expired, and those of expired claims. Every hub may run it; what fails is logged and
// tried again a minute later.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		for _, err := range []error{s.sweepTokens(ctx), s.sweepClaims(ctx), s.sweepLocks(ctx)} {
			if err != nil && ctx.Err() == nil {
				s.cfg.Logger.Warn("provision: what has expired could not be deleted", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (s *Service) sweepTokens(ctx context.Context) error {
	// Who has taken a token in the last moment is given the time to end.
	expired := expiryKey(time.Now().Add(-graceTime).Unix())
	var failed []error
	for e, err := range s.tokens.List(ctx, nil, nil) {
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		if len(e.ID) != 2 || e.ID[0] > expired {
			break // the ones behind it expire later
		}
		// The certificate goes first: were it the token, a hub that dies between the two
		// would leave the certificate for ever.
		if err := s.discard(ctx, e.Value.Certificate, PendingActivation); err != nil {
			failed = append(failed, err)
			continue
		}
		if err := s.drop(ctx, e.ID); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (s *Service) sweepClaims(ctx context.Context) error {
	now := time.Now()
	var failed []error
	for e, err := range s.claims.List(ctx, nil, nil) {
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		if now.Before(e.Value.Expires) {
			continue
		}
		id := e.ID[0]
		var change auth.Change
		switch {
		case !e.Value.Deleted:
			if err := s.discard(ctx, id, Active); err != nil {
				failed = append(failed, err)
				continue
			}
			e.Value.Deleted = true
			change = s.claims.Put(e.Value, e.Revision, id)
		case now.Sub(e.Value.Expires) >= claimKept:
			change = s.claims.Delete(e.Revision, id)
		default:
			continue
		}
		if err := s.cfg.Directory.Commit(ctx, change); err != nil && !errors.Is(err, auth.ErrConflict) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// discard deletes a certificate that nobody needs any more. If somebody has put it to
// use, or taken it away, that is well too.
func (s *Service) discard(ctx context.Context, id string, has Status) error {
	if id == "" {
		return nil
	}
	err := s.cfg.Certificates.Delete(ctx, id, has)
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrUpdateConflict):
		return nil
	case errors.Is(err, ErrDeleteConflict):
		s.cfg.Logger.Warn("provision: an expired certificate is kept, because policies or things are attached to it", "certificate", id)
		return nil
	}
	return fmt.Errorf("provision: delete certificate %s: %w", id, err)
}

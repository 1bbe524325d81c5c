package provision

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// A lockRecord says that a certificate is being provisioned; its id is the
// certificate's. Devices try again within seconds, maybe at another hub: were two
// registrations of one certificate at work, the one that fails would take away what the
// other has found attached.
type lockRecord struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"` // in case that the hub dies
}

// lock makes a certificate this request's own until unlock is called. It does not wait:
// ErrUpdateConflict says that another request has it.
func (s *Service) lock(ctx context.Context, certificate string) (unlock func(), err error) {
	busy := failf(ErrUpdateConflict, "the certificate is being provisioned by another request")
	e, err := s.locks.Find(ctx, certificate)
	if err != nil {
		return nil, fmt.Errorf("provision: directory: %w", err)
	}
	now := time.Now()
	if e.Revision != 0 && now.Before(e.Value.Until) {
		return nil, busy
	}
	r := lockRecord{Holder: rand.Text(), Until: now.Add(graceTime)}
	err = s.cfg.Directory.Commit(ctx, s.locks.Put(r, e.Revision, certificate))
	if errors.Is(err, auth.ErrConflict) {
		return nil, busy
	}
	if err != nil {
		return nil, fmt.Errorf("provision: directory: %w", err)
	}
	return func() {
		s.cleanUp(ctx, func(ctx context.Context) error {
			return s.commit(ctx, func() ([]auth.Change, error) {
				e, err := s.locks.Find(ctx, certificate)
				if err != nil {
					return nil, fmt.Errorf("provision: directory: %w", err)
				}
				if e.Value.Holder != r.Holder {
					return nil, nil // it took too long
				}
				return []auth.Change{s.locks.Delete(e.Revision, certificate)}, nil
			})
		})
	}, nil
}

// sweepLocks deletes what hubs that died have left.
func (s *Service) sweepLocks(ctx context.Context) error {
	var failed []error
	for e, err := range s.locks.List(ctx, nil, nil) {
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		if time.Now().Before(e.Value.Until) {
			continue
		}
		if err := s.cfg.Directory.Commit(ctx, s.locks.Delete(e.Revision, e.ID...)); err != nil && !errors.Is(err, auth.ErrConflict) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

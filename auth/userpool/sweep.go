package userpool

import (
	"context"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// sweepEvery is how often what has expired is deleted.
const sweepEvery = 10 * time.Minute

// Run deletes what has expired until ctx ends, and returns nil then. Every hub may run
// it; what fails is logged and tried again ten minutes later.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("userpool: what has expired could not be deleted", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

const (
	// loginKept is how long a login is kept after its refresh token expired: no ID or access
	// token that came of that lives longer.
	loginKept = 26 * time.Hour
	// answerKept is how long it is kept that a challenge was answered, after its session
	// expired: clocks of hubs may differ.
	answerKept = time.Hour
)

// sweep deletes logins whose last token has expired, and what was kept of challenges.
func (s *Service) sweep(ctx context.Context) error {
	err := s.sweepTable(ctx, s.loginEnd, loginKept, func(id []string) auth.Change { return s.logins.Delete(auth.Any, id[1:]...) })
	if err != nil {
		return err
	}
	return s.sweepTable(ctx, s.answered, answerKept, nil)
}

// sweepTable deletes records whose ids begin with an hour that was over for some time, and
// what also returns for each.
func (s *Service) sweepTable(ctx context.Context, table records.Table[struct{}], kept time.Duration, also func(id []string) auth.Change) error {
	until := hour(s.cfg.Now().Add(-kept))
	const most = 100 // changes at a time
	var batch []auth.Change
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := s.commit(ctx, batch...)
		batch = batch[:0]
		return err
	}
	for e, err := range table.List(ctx, nil, nil) {
		if err != nil {
			return err
		}
		if len(e.ID) < 3 || e.ID[0] > until {
			break // those behind it end later
		}
		if batch = append(batch, table.Delete(auth.Any, e.ID...)); also != nil {
			batch = append(batch, also(e.ID))
		}
		if len(batch) >= most {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

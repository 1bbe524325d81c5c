package userpool

import (
	"context"
	"errors"

	"github.com/thinghub/thinghub/auth/internal/audit"
)

// migrate asks the hook for a user that is not there, and makes it. The error is
// errNoUser, which may say why, if there is none.
func (s *Service) migrate(ctx context.Context, p *poolRecord, c *clientRecord, name, secret string, metadata map[string]string) (*user, error) {
	hook := s.cfg.Hooks.UserMigration
	if hook == nil {
		return nil, errNoUser
	}
	trigger := "UserMigration_Authentication"
	if secret == "" {
		trigger = "UserMigration_ForgotPassword"
	}
	m, err := hook(audit.Apart(ctx), MigrationEvent{s.event(trigger, p, c.id, name, nil, metadata), secret})
	if err != nil { // as for a password that is wrong
		return nil, errNoUser.because("UserMigration: %v", err)
	}
	if m == nil {
		return nil, errNoUser
	}
	key, r, err := s.draft(p, name, m.Attributes, false)
	if err != nil {
		return nil, fault(ErrBadHook, "UserMigration: %v", err)
	}
	if r.Status = pick(m.Status, Confirmed); r.Status != Confirmed && r.Status != ResetRequired {
		return nil, fault(ErrBadHook, "UserMigration: Status is %q, expected %s or %s", shorten(m.Status), Confirmed, ResetRequired)
	}
	if secret != "" {
		// It was good elsewhere, so the policy is not asked.
		if len(secret) > mostPassword {
			return nil, errNoUser.because("UserMigration: the password is too long to be kept")
		}
		n, err := s.makePassword(ctx, p, false, r.Sub, secret)
		if err != nil {
			return nil, err
		}
		r.setPassword(n)
	} else if r.Status == Confirmed {
		r.Status = ResetRequired
	}
	u, err := s.insert(ctx, p, key, r)
	if errors.Is(err, ErrUserExists) {
		return nil, errConcurrent
	}
	return u, err
}

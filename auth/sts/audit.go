package sts

import (
	"context"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
)

// assume takes a role by one of the ways and tells how that ended.
func assume[O any](ctx context.Context, s *Service, operation, role string, do func(ctx context.Context, n *audit.Note) (O, error)) (O, error) {
	return audit.Do(ctx, s.room, operation, func(ctx context.Context, n *audit.Note) (O, error) {
		n.Action, n.Resource = auth.Action("sts:"+operation), audit.Clip(role)
		return do(ctx, n)
	})
}

// subject names who a login provider has proved somebody to be.
func subject(name, provider string) string {
	return fmt.Sprintf("the subject %.200q of %.200q", name, provider)
}

// judge says what an error means for who asked.
func judge(_ *audit.Note, err error) (auth.Outcome, error) {
	switch {
	case errors.Is(err, ErrDenied):
		return auth.Forbidden, err
	case errors.Is(err, ErrInvalidToken), errors.Is(err, ErrExpired), errors.Is(err, ErrRejected):
		return auth.Refused, err
	}
	return auth.OutcomeOf(err), err
}

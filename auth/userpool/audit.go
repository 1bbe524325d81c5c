package userpool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
)

// signIn does a step of a sign-in as somebody of a name and tells how it ended, unless it
// goes on with a challenge.
func (s *Service) signIn(ctx context.Context, operation, name string, step func(ctx context.Context) (AuthOutput, error)) (AuthOutput, error) {
	return audit.Do(ctx, s.room, operation, func(ctx context.Context, n *audit.Note) (AuthOutput, error) {
		noteCaller(ctx, n, name)
		out, err := step(ctx)
		n.Quiet = err == nil && out.ChallengeName != ""
		return out, err
	})
}

// noteCaller notes who somebody says they are, and where they are.
func noteCaller(ctx context.Context, n *audit.Note, name string) {
	n.User = audit.Clip(name)
	if addr, ok := ctx.Value(addrKey{}).(net.Addr); ok && n.RemoteAddr == "" {
		n.RemoteAddr = addr.String()
	}
}

// noteUser notes the user that somebody has proved to be. Administrators stay who they are.
func (s *Service) noteUser(ctx context.Context, sub string) {
	if n := s.room.Of(ctx); n.Action == "" {
		n.Principal, n.About = sub, ""
	}
}

// noteFound notes the user that an operation is about.
func (s *Service) noteFound(ctx context.Context, u *userRecord) {
	if n := s.room.Of(ctx); n.About == "" && n.Principal != u.Sub {
		n.About = "the user " + u.Sub
	}
}

// notePool notes the pool of an operation that nobody is asked about.
func (s *Service) notePool(ctx context.Context, pool string) {
	if n := s.room.Of(ctx); n.Resource == "" {
		n.Resource = s.ARN(pool)
	}
}

// judge says what an error means for who asked, and why they got it.
func judge(n *audit.Note, err error) (auth.Outcome, error) {
	why := err
	if p, ok := errors.AsType[problem](err); ok && p.cause != nil {
		why = p.cause
	}
	if e, ok := errors.AsType[*Error](err); ok && e.why != "" {
		why = fmt.Errorf("%w (%s)", err, e.why)
	}
	outcome := auth.OutcomeOf(err)
	switch {
	case outcome != auth.Failed:
	case errors.Is(err, errAttribute), errors.Is(err, errScope):
		outcome = auth.Forbidden
	case n.Action != "" && n.Operation != "AdminInitiateAuth" && n.Operation != "AdminRespondToAuthChallenge":
		// Who asks is known and may; what is wrong is wrong with what they ask for.
	case errors.Is(err, errConcurrent):
	case slices.ContainsFunc(refusals[:], func(kind error) bool { return errors.Is(err, kind) }):
		outcome = auth.Refused
	}
	return outcome, why
}

// refusals are kinds of errors of who did not prove who they are, or must not come in.
var refusals = [...]error{
	ErrNotAuthorized, ErrUserNotFound, ErrNotConfirmed, ErrCodeMismatch, ErrExpiredCode, ErrResetRequired, ErrLimit, ErrTooMany, ErrRefused,
	ErrEnableSoftwareToken, ErrUnauthorized, ErrReuse,
}

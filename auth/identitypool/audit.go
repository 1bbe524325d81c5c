package identitypool

import (
	"context"
	"errors"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
)

// noteIdentity notes the identity that somebody has proved to have. Who has signed the
// request stays who it is.
func (s *Service) noteIdentity(ctx context.Context, id string) {
	if n := s.room.Of(ctx); n.Action == "" {
		n.Principal, n.About = id, ""
	}
}

// judge says what an error means for who asked.
func judge(n *audit.Note, err error) (auth.Outcome, error) {
	outcome := auth.OutcomeOf(err)
	switch {
	case outcome != auth.Failed, n.Action != "": // who has signed a request may; what is wrong is wrong with what they ask for
	case errors.Is(err, ErrNotAuthorized) && n.Principal == "":
		outcome = auth.Refused
	case errors.Is(err, ErrNotAuthorized), errors.Is(err, ErrConflict): // the logins are good, for something else
		outcome = auth.Forbidden
	}
	return outcome, err
}

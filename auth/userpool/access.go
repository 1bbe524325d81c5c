package userpool

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

// A caller is who has an access token.
type caller struct {
	pool   *poolRecord
	client *clientRecord
	user   *user
	origin string
}

// caller proves an access token, whose issuer says which pool it is of.
func (s *Service) caller(ctx context.Context, token string) (*caller, error) {
	t, err := parseToken(token)
	if err != nil {
		return nil, errBadAccess
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	// Not proved yet: it chooses the keys, with which the proof is then made.
	var raw json.RawMessage
	if t.UnsafeClaimsWithoutVerification(&raw) != nil || json.Unmarshal(raw, &claims) != nil {
		return nil, errBadAccess
	}
	pool, ok := strings.CutPrefix(claims.Issuer, s.cfg.Issuer+"/")
	if !ok {
		return nil, errBadAccess
	}
	proved, u, origin, err := s.prove(ctx, pool, token, "access")
	if proved != nil {
		s.noteUser(ctx, proved.Subject)
		s.notePool(ctx, pool)
	}
	switch {
	case errors.Is(err, auth.ErrTokenExpired):
		return nil, errOldAccess
	case errors.Is(err, auth.ErrUnavailable):
		return nil, err
	case errors.Is(err, errTokenRevoked), errors.Is(err, errTokenSignOut):
		return nil, errRevoked
	case errors.Is(err, errTokenDisabled):
		return nil, errDisabled
	case err != nil:
		return nil, errBadAccess.because("%v", err)
	}
	if scope, _ := proved.Claims["scope"].(string); !slices.Contains(strings.Fields(scope), adminScope) {
		return nil, errScope
	}
	p, _, err := s.pool(ctx, pool)
	if err != nil {
		return nil, err
	}
	c, _, err := s.client(ctx, pool, proved.Audience[0])
	if err != nil {
		return nil, err
	}
	if u.Status == ResetRequired {
		return nil, fault(ErrResetRequired, "Password reset required for the user")
	}
	return &caller{p, c, u, origin}, nil
}

package userpool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// GetTokensFromRefreshTokenInput is a refresh token.
type GetTokensFromRefreshTokenInput struct {
	ClientID       string `json:"ClientId"`
	ClientSecret   string
	RefreshToken   string
	ClientMetadata map[string]string
}

// TokensOutput has tokens.
type TokensOutput struct{ AuthenticationResult *AuthenticationResult }

// GetTokensFromRefreshToken returns new tokens for a refresh token, and another one in
// its place if the client rotates them. Errors: ErrInvalid, ErrNotFound,
// ErrNotAuthorized, ErrReuse if the token was replaced before: then all tokens of the
// login are good no more.
func (s *Service) GetTokensFromRefreshToken(ctx context.Context, in GetTokensFromRefreshTokenInput) (TokensOutput, error) {
	return audit.Do(ctx, s.room, "GetTokensFromRefreshToken", func(ctx context.Context, n *audit.Note) (TokensOutput, error) {
		noteCaller(ctx, n, "")
		p, c, err := s.clientPool(ctx, in.ClientID)
		if err != nil {
			return TokensOutput{}, err
		}
		if err := c.checkSecret(in.ClientSecret); err != nil {
			return TokensOutput{}, err
		}
		r, _, err := s.refresh(ctx, p, c, in.RefreshToken, nil, in.ClientMetadata)
		return TokensOutput{r}, err
	})
}

// reused is why a refresh token is no good that was good.
const reused = "it was used again after its rotation, so all tokens of the sign-in are revoked"

// checkSecret compares the secret itself.
func (c *clientRecord) checkSecret(secret string) error {
	if c.Secret == "" && secret != "" || !equal([]byte(secret), []byte(c.Secret)) {
		return fault(ErrNotAuthorized, "Unable to verify secret for client %s", c.id)
	}
	return nil
}

// loginOf reads the login of a refresh token of a client.
func (s *Service) loginOf(ctx context.Context, p *poolRecord, c *clientRecord, text string) (records.Entry[loginRecord], uint32, error) {
	origin, number, signed, sum, ok := parseRefresh(text)
	if !ok {
		return records.Entry[loginRecord]{}, 0, errBadRefresh
	}
	e, err := s.logins.Get(ctx, p.id, origin)
	if errors.Is(err, auth.ErrNotFound) {
		return e, 0, errBadRefresh.because("there is no such sign-in")
	}
	if err != nil {
		return e, 0, fmt.Errorf("userpool: read a login of %s: %w", p.id, err)
	}
	if !equal(sum, refreshSum(e.Value.Secret, signed)) {
		return e, 0, errBadRefresh.because("its signature is wrong")
	}
	s.noteUser(ctx, e.Value.Sub)
	if e.Value.Client != c.id {
		return e, 0, fault(ErrUnauthorized, "The refresh token was issued to another client.")
	}
	return e, number, nil
}

// refresh returns new tokens. check, if it is not nil, sees the user before.
func (s *Service) refresh(ctx context.Context, p *poolRecord, c *clientRecord, text string, check func(u *user) error, metadata map[string]string) (*AuthenticationResult, *user, error) {
	for range tries {
		e, number, err := s.loginOf(ctx, p, c, text)
		if errors.Is(err, ErrUnauthorized) {
			err = errBadRefresh.because("it is another client's")
		}
		if err != nil {
			return nil, nil, err
		}
		l, now := e.Value, s.cfg.Now().UTC()
		switch {
		case l.Revoked:
			return nil, nil, errNoRefresh.because("the sign-in was revoked")
		case !now.Before(l.Expires):
			return nil, nil, errOldRefresh
		case number > l.Number:
			return nil, nil, errBadRefresh
		case number < l.Number && (number != l.Before || !now.Before(l.Until)):
			// Whoever used it first may be a thief, or the one from whom it was stolen.
			if err := s.revoke(ctx, p, e.ID[1]); err != nil {
				return nil, nil, err
			}
			s.cfg.Logger.Warn("userpool: a refresh token was used again after its rotation", "pool", p.id, "client", c.id, "sub", l.Sub)
			return nil, nil, fault(ErrReuse, "Refresh token has been invalidated by rotation; all tokens of the sign-in are revoked")
		}
		u, err := s.byKey(ctx, p, l.Key)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case u == nil || u.Sub != l.Sub || u.Gen != l.Gen:
			return nil, nil, errNoRefresh.because("the user has signed out everywhere or is deleted")
		case u.Disabled:
			return nil, nil, errDisabled
		case u.Status == ResetRequired:
			return nil, nil, fault(ErrResetRequired, "Password reset required for the user")
		}
		if check != nil {
			if err := check(u); err != nil {
				return nil, nil, err
			}
		}
		result, err := s.tokens(ctx, p, c, u, e.ID[1], l.Time, grant{scopes: l.Scopes}, "TokenGeneration_RefreshTokens", metadata)
		if err != nil || !c.rotates() {
			return result, u, err
		}
		if number < l.Number {
			// The answer was lost, or another of the client's windows asked too: all get
			// the same token, so that using one does not spoil another.
			result.RefreshToken = refreshToken(e.ID[1], l)
			return result, u, nil
		}
		grace := time.Duration(c.Settings.RefreshTokenRotation.RetryGracePeriodSeconds) * time.Second
		l.Before, l.Until = number, now.Add(grace)
		l.Number++
		err = s.commit(ctx, s.logins.Put(l, e.Revision, e.ID...))
		if err == nil {
			result.RefreshToken = refreshToken(e.ID[1], l)
			return result, u, nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return nil, nil, fmt.Errorf("userpool: keep a login of %s: %w", p.id, err)
		}
	}
	return nil, nil, errConcurrent
}

// revoke ends a login.
func (s *Service) revoke(ctx context.Context, p *poolRecord, origin string) error {
	for range tries {
		e, err := s.logins.Find(ctx, p.id, origin)
		if err != nil || e.Revision == 0 || e.Value.Revoked {
			return err
		}
		e.Value.Revoked = true
		err = s.commit(ctx, s.logins.Put(e.Value, e.Revision, e.ID...))
		if err == nil || !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
	return errConcurrent
}

// RevokeTokenInput is a refresh token to be revoked.
type RevokeTokenInput struct {
	ClientID     string `json:"ClientId"`
	ClientSecret string
	Token        string
}

// RevokeToken ends the login of a refresh token: neither it nor the ID and access tokens
// that came of it are good any more. Errors: ErrInvalid, ErrUnauthorized for another
// client's token, ErrTokenType if it is an ID or access token, ErrUnsupported if the
// client does not revoke. A token that is unknown or revoked is no error.
func (s *Service) RevokeToken(ctx context.Context, in RevokeTokenInput) (Empty, error) {
	p, c, err := s.clientPool(ctx, in.ClientID)
	if errors.Is(err, ErrNotFound) {
		return Empty{}, secretField("ClientId", "the id of a client")
	}
	if err != nil {
		return Empty{}, err
	}
	if c.checkSecret(in.ClientSecret) != nil {
		return Empty{}, fault(ErrUnauthorized, "Unable to verify secret for client %s", c.id)
	}
	if !*c.Settings.EnableTokenRevocation {
		return Empty{}, fault(ErrUnsupported, "Token revocation is not enabled for client %s", c.id)
	}
	if _, err := parseToken(in.Token); err == nil {
		return Empty{}, fault(ErrTokenType, "Unsupported token type")
	}
	if _, _, _, _, ok := parseRefresh(in.Token); !ok {
		return Empty{}, secretField("Token", "a refresh token")
	}
	e, _, err := s.loginOf(ctx, p, c, in.Token)
	if errors.Is(err, ErrNotAuthorized) {
		s.room.Of(ctx).Hidden = err
		return Empty{}, nil
	}
	if err != nil {
		return Empty{}, err
	}
	if err := s.revoke(ctx, p, e.ID[1]); err != nil {
		return Empty{}, err
	}
	return Empty{}, nil
}

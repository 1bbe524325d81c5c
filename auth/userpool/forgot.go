package userpool

import (
	"context"
	"errors"
)

// ForgotPasswordInput asks for a code to set a new password.
type ForgotPasswordInput struct {
	ClientID       string `json:"ClientId"`
	SecretHash     string
	Username       string
	ClientMetadata map[string]string
}

// ForgotPassword sends a code to set a new password, to the verified phone number or
// e-mail address of a user. Users that are not there, are disabled, or have neither get
// the same answer and nothing is sent; that a message could not be sent is not told
// either. Errors: ErrInvalid, ErrNotFound, ErrNotAuthorized, ErrCodeDelivery without a
// Sender, ErrLimit, ErrTooMany; ErrUserNotFound, ErrRefused, and ErrCodeDelivery of any
// kind, only for clients that tell.
func (s *Service) ForgotPassword(ctx context.Context, in ForgotPasswordInput) (CodeOutput, error) {
	p, c, err := s.clientPool(ctx, in.ClientID)
	if err != nil {
		return CodeOutput{}, err
	}
	if err := c.checkSecretHash(in.SecretHash, in.Username); err != nil {
		return CodeOutput{}, err
	}
	if !userName.MatchString(in.Username) {
		return CodeOutput{}, invalid("Username", in.Username, "1 to 128 letters, digits and signs without spaces")
	}
	u, err := s.find(ctx, p, in.Username)
	if err != nil {
		return CodeOutput{}, err
	}
	if err := s.maySend(ctx, p, guessedAs(u, in.Username)); err != nil {
		return CodeOutput{}, err
	}
	if s.cfg.Sender == nil {
		return CodeOutput{}, errNoSender // whoever it is
	}
	if u == nil {
		u, err = s.migrate(ctx, p, c, in.Username, "", in.ClientMetadata)
		if e, ok := errors.AsType[*Error](err); ok && errors.Is(e, ErrUserNotFound) {
			return s.sendNobody(ctx, p, c, in.Username, e)
		}
		if err != nil {
			return CodeOutput{}, err
		}
	}
	t, ok := targetOf(&u.userRecord, true, "phone_number", "email")
	switch {
	case u.Disabled:
		return s.sendNobody(ctx, p, c, in.Username, errDisabled)
	case !ok:
		return s.sendNobody(ctx, p, c, in.Username, fault(ErrInvalid, "Cannot reset password for the user as there is no registered/verified email or phone_number"))
	case u.Status == ForceChangePassword:
		return s.sendNobody(ctx, p, c, in.Username, fault(ErrNotAuthorized, "User password cannot be reset in the current state."))
	}
	done, code, err := s.resetCode(ctx, p, u, t)
	if err != nil {
		return CodeOutput{}, err
	}
	return s.sent(ctx, c, t, s.sendCode(ctx, p, MessageForgot, c.id, &done.userRecord, t, code, in.ClientMetadata))
}

// sendNobody answers as if a code were sent, after the work of that, where there is nobody
// to send one to. A client that tells is told why.
func (s *Service) sendNobody(ctx context.Context, p *poolRecord, c *clientRecord, name string, why *Error) (CodeOutput, error) {
	if !c.discreet() {
		return CodeOutput{}, why
	}
	if err := s.feign(ctx, p); err != nil {
		return CodeOutput{}, err
	}
	s.room.Of(ctx).Hidden = why
	return CodeOutput{p.fakeDelivery(name)}, nil
}

// sent answers that a code was sent. That it was not is told by a client that tells.
func (s *Service) sent(ctx context.Context, c *clientRecord, t target, err error) (CodeOutput, error) {
	if err != nil && c.discreet() {
		s.room.Of(ctx).Hidden, err = err, nil
	}
	return CodeOutput{t.delivery()}, err
}

// resetCode makes the code for a new password.
func (s *Service) resetCode(ctx context.Context, p *poolRecord, u *user, t target) (done *user, code string, err error) {
	done, err = s.change(ctx, p, u, func(u *userRecord) error {
		code = s.newCode(p, u, forForgot, t.attribute, forgotLife)
		return nil
	})
	return done, code, err
}

// ConfirmForgotPasswordInput is a code and a new password.
type ConfirmForgotPasswordInput struct {
	ClientID         string `json:"ClientId"`
	SecretHash       string
	Username         string
	ConfirmationCode string
	Password         string
	ClientMetadata   map[string]string
}

// ConfirmForgotPassword sets a new password and ends all logins of the user. Errors:
// ErrInvalid, ErrNotFound, ErrNotAuthorized, ErrPassword, ErrCodeMismatch,
// ErrExpiredCode, ErrLimit after too many tries; ErrUserNotFound only for clients that
// tell.
func (s *Service) ConfirmForgotPassword(ctx context.Context, in ConfirmForgotPasswordInput) (Empty, error) {
	p, c, err := s.clientPool(ctx, in.ClientID)
	if err != nil {
		return Empty{}, err
	}
	if err := c.checkSecretHash(in.SecretHash, in.Username); err != nil {
		return Empty{}, err
	}
	if err := p.checkPassword(in.Password); err != nil {
		return Empty{}, err
	}
	u, err := s.findTold(ctx, p, c, in.Username)
	if err != nil {
		return Empty{}, err
	}
	sub := p.fakeSub(in.Username)
	if u != nil {
		sub = u.Sub
	}
	var done *user
	err = s.tryCode(ctx, p, forForgot, guessedAs(u, in.Username), func() error {
		// Also for a wrong code: the time it takes is the same for everybody.
		secret, err := s.makePassword(ctx, p, false, sub, in.Password)
		if err != nil {
			return err
		}
		if u == nil {
			return s.redeemNobody(ctx, p)
		}
		done, err = s.redeem(ctx, p, u, forForgot, in.ConfirmationCode, func(u *userRecord, _ codeRecord) error {
			if u.Disabled {
				return errDisabled
			}
			u.setPassword(secret)
			u.Gen++
			u.Status, u.Modified = Confirmed, s.cfg.Now().UTC()
			return nil
		})
		return err
	})
	if err != nil {
		return Empty{}, err
	}
	s.noteUser(ctx, done.Sub)
	s.ended(p, done.Sub)
	return Empty{}, ask(ctx, "PostConfirmation", s.cfg.Hooks.PostConfirmation, s.event("PostConfirmation_ConfirmForgotPassword", p, c.id, done.Name, &done.userRecord, in.ClientMetadata))
}

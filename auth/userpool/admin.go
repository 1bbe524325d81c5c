package userpool

import (
	"context"
)

// UserInput names a user of a pool, by name, sub or alias.
type UserInput struct {
	UserPoolID string `json:"UserPoolId"`
	Username   string
}

// admin reads a user for an operation of administrators.
func (s *Service) admin(ctx context.Context, pool, name string) (*poolRecord, *user, error) {
	p, _, err := s.pool(ctx, pool)
	if err != nil {
		return nil, nil, err
	}
	u, err := s.get(ctx, p, name)
	return p, u, err
}

// A User is what administrators are told of a user.
type User struct {
	Username             string
	Attributes           []Attribute
	UserCreateDate       Time
	UserLastModifiedDate Time
	Enabled              bool
	UserStatus           string
}

func (u *userRecord) told(keep func(name string) bool) User {
	return User{u.Name, listed(u.Attributes, u.Sub, keep), Time{u.Created}, Time{u.Modified}, !u.Disabled, u.Status}
}

// AdminGetUserOutput is a user.
type AdminGetUserOutput struct {
	Username             string
	UserAttributes       []Attribute
	UserCreateDate       Time
	UserLastModifiedDate Time
	Enabled              bool
	UserStatus           string
	PreferredMfaSetting  string   `json:",omitempty"`
	UserMFASettingList   []string `json:",omitempty"`
}

// AdminGetUser returns a user. Errors: ErrInvalid, ErrNotFound, ErrUserNotFound.
func (s *Service) AdminGetUser(ctx context.Context, in UserInput) (AdminGetUserOutput, error) {
	_, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return AdminGetUserOutput{}, err
	}
	t := u.told(nil)
	out := AdminGetUserOutput{t.Username, t.Attributes, t.UserCreateDate, t.UserLastModifiedDate, t.Enabled, t.UserStatus, "", nil}
	out.PreferredMfaSetting, out.UserMFASettingList = u.mfa()
	return out, nil
}

// AdminConfirmSignUpInput names a user to be confirmed.
type AdminConfirmSignUpInput struct {
	UserPoolID     string `json:"UserPoolId"`
	Username       string
	ClientMetadata map[string]string
}

// AdminConfirmSignUp confirms a user without a code; it verifies nothing. Errors:
// ErrInvalid, ErrNotFound, ErrUserNotFound, ErrNotAuthorized if it is confirmed.
func (s *Service) AdminConfirmSignUp(ctx context.Context, in AdminConfirmSignUpInput) (Empty, error) {
	p, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return Empty{}, err
	}
	done, err := s.change(ctx, p, u, func(u *userRecord) error {
		if u.Status != Unconfirmed {
			return fault(ErrNotAuthorized, "User cannot be confirmed. Current status is %s", u.Status)
		}
		delete(u.Codes, forConfirm)
		u.Status, u.Modified = Confirmed, s.cfg.Now().UTC()
		return nil
	})
	if err != nil {
		return Empty{}, err
	}
	return Empty{}, ask(ctx, "PostConfirmation", s.cfg.Hooks.PostConfirmation, s.event("PostConfirmation_ConfirmSignUp", p, "", done.Name, &done.userRecord, in.ClientMetadata))
}

// AdminSetUserPasswordInput is a new password.
type AdminSetUserPasswordInput struct {
	UserPoolID string `json:"UserPoolId"`
	Username   string
	Password   string
	// Permanent passwords need not be changed.
	Permanent bool
}

// AdminSetUserPassword sets the password of a user and ends all its logins. Errors:
// ErrInvalid, ErrNotFound, ErrUserNotFound, ErrPassword.
func (s *Service) AdminSetUserPassword(ctx context.Context, in AdminSetUserPasswordInput) (Empty, error) {
	p, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return Empty{}, err
	}
	if err := p.checkPassword(in.Password); err != nil {
		return Empty{}, err
	}
	n, err := s.makePassword(ctx, p, true, u.Sub, in.Password)
	if err != nil {
		return Empty{}, err
	}
	_, err = s.change(ctx, p, u, func(u *userRecord) error {
		u.setPassword(n)
		u.Gen++
		u.Status, u.Modified = Confirmed, s.cfg.Now().UTC()
		delete(u.Codes, forForgot)
		if !in.Permanent {
			u.Status, u.Temporary = ForceChangePassword, s.cfg.Now().Add(p.temporaryLife()).UTC()
		}
		return nil
	})
	if err == nil {
		s.ended(p, u.Sub)
	}
	return Empty{}, err
}

// AdminDeleteUser deletes a user. Errors: ErrInvalid, ErrNotFound, ErrUserNotFound.
func (s *Service) AdminDeleteUser(ctx context.Context, in UserInput) (Empty, error) {
	p, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return Empty{}, err
	}
	return Empty{}, s.remove(ctx, p, u)
}

// AdminDisableUser shuts a user out and ends all its logins. Errors: ErrInvalid,
// ErrNotFound, ErrUserNotFound.
func (s *Service) AdminDisableUser(ctx context.Context, in UserInput) (Empty, error) {
	return s.setDisabled(ctx, in, true)
}

// AdminEnableUser lets a user in again. Errors: ErrInvalid, ErrNotFound, ErrUserNotFound.
func (s *Service) AdminEnableUser(ctx context.Context, in UserInput) (Empty, error) {
	return s.setDisabled(ctx, in, false)
}

func (s *Service) setDisabled(ctx context.Context, in UserInput, disabled bool) (Empty, error) {
	p, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return Empty{}, err
	}
	_, err = s.change(ctx, p, u, func(u *userRecord) error {
		if disabled && !u.Disabled {
			u.Gen++
		}
		u.Disabled, u.Modified = disabled, s.cfg.Now().UTC()
		return nil
	})
	if err == nil && disabled {
		s.ended(p, u.Sub)
	}
	return Empty{}, err
}

// AdminResetUserPasswordInput names a user that must set a new password.
type AdminResetUserPasswordInput struct {
	UserPoolID     string `json:"UserPoolId"`
	Username       string
	ClientMetadata map[string]string
}

// AdminResetUserPassword makes a user set a new password with a code, which is sent to
// it, and ends all its logins. Errors: ErrInvalid, ErrNotFound, ErrUserNotFound,
// ErrNotAuthorized in another status than CONFIRMED and RESET_REQUIRED, ErrCodeDelivery.
func (s *Service) AdminResetUserPassword(ctx context.Context, in AdminResetUserPasswordInput) (Empty, error) {
	p, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return Empty{}, err
	}
	t, ok := targetOf(&u.userRecord, true, "phone_number", "email")
	if !ok {
		return Empty{}, fault(ErrInvalid, "Cannot reset password for the user as there is no registered/verified email or phone_number")
	}
	_, err = s.change(ctx, p, u, func(u *userRecord) error {
		if u.Status != Confirmed && u.Status != ResetRequired {
			return fault(ErrNotAuthorized, "User password cannot be reset in the current state.")
		}
		u.Gen++
		u.Status, u.Modified = ResetRequired, s.cfg.Now().UTC()
		return nil
	})
	if err != nil {
		return Empty{}, err
	}
	s.ended(p, u.Sub)
	done, code, err := s.resetCode(ctx, p, u, t)
	if err != nil {
		return Empty{}, err
	}
	return Empty{}, s.sendCode(ctx, p, MessageForgot, "", &done.userRecord, t, code, in.ClientMetadata)
}

// AdminUpdateUserAttributesInput changes attributes; an empty value removes one.
type AdminUpdateUserAttributesInput struct {
	UserPoolID     string `json:"UserPoolId"`
	Username       string
	UserAttributes []Attribute
	ClientMetadata map[string]string
}

// AdminUpdateUserAttributes changes attributes of a user, also email_verified and
// phone_number_verified. Errors: ErrInvalid, ErrNotFound, ErrUserNotFound,
// ErrAliasExists.
func (s *Service) AdminUpdateUserAttributes(ctx context.Context, in AdminUpdateUserAttributesInput) (Empty, error) {
	p, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return Empty{}, err
	}
	given, err := attributes("UserAttributes", in.UserAttributes)
	if err != nil {
		return Empty{}, err
	}
	_, err = s.change(ctx, p, u, func(u *userRecord) error {
		u.Modified = s.cfg.Now().UTC()
		return p.set(u, given)
	})
	return Empty{}, err
}

// AdminDeleteUserAttributesInput removes attributes.
type AdminDeleteUserAttributesInput struct {
	UserPoolID         string `json:"UserPoolId"`
	Username           string
	UserAttributeNames []string
}

// AdminDeleteUserAttributes removes attributes of a user. Errors: ErrInvalid,
// ErrNotFound, ErrUserNotFound.
func (s *Service) AdminDeleteUserAttributes(ctx context.Context, in AdminDeleteUserAttributesInput) (Empty, error) {
	list := make([]Attribute, len(in.UserAttributeNames))
	for i, name := range in.UserAttributeNames {
		list[i].Name = name
	}
	return s.AdminUpdateUserAttributes(ctx, AdminUpdateUserAttributesInput{UserPoolID: in.UserPoolID, Username: in.Username, UserAttributes: list})
}

// AdminUserGlobalSignOut ends all logins of a user. Errors: ErrInvalid, ErrNotFound,
// ErrUserNotFound.
func (s *Service) AdminUserGlobalSignOut(ctx context.Context, in UserInput) (Empty, error) {
	p, u, err := s.admin(ctx, in.UserPoolID, in.Username)
	if err != nil {
		return Empty{}, err
	}
	return Empty{}, s.signOut(ctx, p, u)
}

// AdminInitiateAuthInput begins a sign-in from a server of the host's.
type AdminInitiateAuthInput struct {
	UserPoolID string `json:"UserPoolId"`
	InitiateAuthInput
}

// AdminInitiateAuth is InitiateAuth for servers; they may also use
// ADMIN_USER_PASSWORD_AUTH, where the client allows it. Failures do not count for the
// server's address. Errors as those of InitiateAuth.
func (s *Service) AdminInitiateAuth(ctx context.Context, in AdminInitiateAuthInput) (AuthOutput, error) {
	return s.signIn(ctx, "AdminInitiateAuth", in.AuthParameters["USERNAME"], func(ctx context.Context) (AuthOutput, error) {
		p, c, err := s.adminClient(ctx, in.UserPoolID, in.ClientID)
		if err != nil {
			return AuthOutput{}, err
		}
		return s.initiate(WithAddr(ctx, nil), p, c, in.InitiateAuthInput)
	})
}

// AdminRespondToAuthChallengeInput answers a challenge from a server of the host's.
type AdminRespondToAuthChallengeInput struct {
	UserPoolID string `json:"UserPoolId"`
	RespondToAuthChallengeInput
}

// AdminRespondToAuthChallenge is RespondToAuthChallenge for servers. Errors as those of
// it.
func (s *Service) AdminRespondToAuthChallenge(ctx context.Context, in AdminRespondToAuthChallengeInput) (AuthOutput, error) {
	return s.signIn(ctx, "AdminRespondToAuthChallenge", in.ChallengeResponses["USERNAME"], func(ctx context.Context) (AuthOutput, error) {
		p, c, err := s.adminClient(ctx, in.UserPoolID, in.ClientID)
		if err != nil {
			return AuthOutput{}, err
		}
		return s.respond(WithAddr(ctx, nil), p, c, in.RespondToAuthChallengeInput)
	})
}

func (s *Service) adminClient(ctx context.Context, pool, client string) (*poolRecord, *clientRecord, error) {
	p, _, err := s.pool(ctx, pool)
	if err != nil {
		return nil, nil, err
	}
	s.notePool(ctx, p.id)
	c, _, err := s.client(ctx, pool, client)
	return p, c, err
}

package userpool

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth/internal/password"
)

// AccessInput is an access token.
type AccessInput struct{ AccessToken string }

// GetUserOutput is what a user sees of itself.
type GetUserOutput struct {
	Username            string
	UserAttributes      []Attribute
	PreferredMfaSetting string   `json:",omitempty"`
	UserMFASettingList  []string `json:",omitempty"`
}

// GetUser returns the user of an access token. Errors: ErrNotAuthorized.
func (s *Service) GetUser(ctx context.Context, in AccessInput) (GetUserOutput, error) {
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return GetUserOutput{}, err
	}
	out := GetUserOutput{Username: c.user.Name, UserAttributes: listed(c.user.Attributes, c.user.Sub, c.client.reads)}
	out.PreferredMfaSetting, out.UserMFASettingList = c.user.mfa()
	return out, nil
}

// UpdateUserAttributesInput changes attributes; an empty value removes one.
type UpdateUserAttributesInput struct {
	AccessToken    string
	UserAttributes []Attribute
	ClientMetadata map[string]string
}

// UpdateUserAttributesOutput says where codes went.
type UpdateUserAttributesOutput struct {
	CodeDeliveryDetailsList []CodeDelivery `json:",omitempty"`
}

// UpdateUserAttributes changes attributes of the user of an access token. A new e-mail
// address or phone number is not verified until the code that is sent to it is given to
// VerifyUserAttribute. Errors: ErrInvalid, ErrNotAuthorized, ErrAliasExists,
// ErrCodeDelivery, ErrTooMany.
func (s *Service) UpdateUserAttributes(ctx context.Context, in UpdateUserAttributesInput) (UpdateUserAttributesOutput, error) {
	var out UpdateUserAttributesOutput
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return out, err
	}
	given, err := attributes("UserAttributes", in.UserAttributes)
	if err != nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !c.client.writes(name) || strings.HasSuffix(name, "_verified") {
			return out, errAttribute
		}
	}
	changed := false
	for _, name := range [...]string{"email", "phone_number"} {
		if v := given[name]; v != "" && v != c.user.Attributes[name] && slices.Contains(c.pool.Settings.AutoVerifiedAttributes, name) {
			changed = true
		}
	}
	if changed {
		err := s.maySend(ctx, c.pool, c.user.key)
		if errors.Is(err, ErrLimit) {
			err = fault(ErrTooMany, "%s", errAttempts.Message) // as the model calls it here
		}
		if err != nil {
			return out, err
		}
	}
	var codes map[string]string
	u, err := s.change(ctx, c.pool, c.user, func(u *userRecord) error {
		codes = map[string]string{}
		before := maps.Clone(u.Attributes)
		if err := c.pool.set(u, given); err != nil {
			return err
		}
		for _, name := range [...]string{"email", "phone_number"} {
			if v := u.Attributes[name]; v != before[name] {
				delete(u.Codes, forVerify+name)
				if v != "" && slices.Contains(c.pool.Settings.AutoVerifiedAttributes, name) {
					codes[name] = s.newCode(c.pool, u, forVerify+name, name, verifyLife)
				}
			}
		}
		u.Modified = s.cfg.Now().UTC()
		return nil
	})
	if err != nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(codes)) {
		t := target{name, media[name], u.Attributes[name]}
		if err := s.sendCode(ctx, c.pool, MessageUpdate, c.client.id, &u.userRecord, t, codes[name], in.ClientMetadata); err != nil {
			return out, err
		}
		out.CodeDeliveryDetailsList = append(out.CodeDeliveryDetailsList, *t.delivery())
	}
	return out, nil
}

// set changes attributes of a user, whoever asks. An address or number that is another
// one is not verified any more, unless what is given says so.
func (p *poolRecord) set(u *userRecord, given map[string]string) error {
	if u.Attributes == nil {
		u.Attributes = map[string]string{}
	}
	if _, ok := given["sub"]; ok {
		return invalid("UserAttributes", "sub", "attributes that can be written")
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		if err := p.checkValue(name, value); err != nil {
			return err
		}
		a, _ := p.attribute(name)
		switch {
		case value == u.Attributes[name]:
			continue
		case !a.mutable() && u.Attributes[name] != "":
			return fault(ErrInvalid, "user.%s: Attribute cannot be updated.", name)
		case value == "" && (a.Required || slices.Contains(p.UsernameAttributes, name) && p.named(u) == name):
			return fault(ErrInvalid, "user.%s: The attribute is required.", name)
		case value == "":
			delete(u.Attributes, name)
		default:
			u.Attributes[name] = value
		}
		if _, told := given[name+"_verified"]; media[name] != "" && !told {
			if delete(u.Attributes, name+"_verified"); value != "" {
				u.Attributes[name+"_verified"] = "false"
			}
		}
	}
	return nil
}

// named is the only attribute that a user can still be found by, "" if there are others.
func (p *poolRecord) named(u *userRecord) (only string) {
	for _, a := range p.UsernameAttributes {
		if u.Attributes[a] != "" {
			if only != "" {
				return ""
			}
			only = a
		}
	}
	return only
}

// DeleteUserAttributesInput removes attributes.
type DeleteUserAttributesInput struct {
	AccessToken        string
	UserAttributeNames []string
}

// DeleteUserAttributes removes attributes of the user of an access token. Errors:
// ErrInvalid, ErrNotAuthorized.
func (s *Service) DeleteUserAttributes(ctx context.Context, in DeleteUserAttributesInput) (Empty, error) {
	list := make([]Attribute, len(in.UserAttributeNames))
	for i, name := range in.UserAttributeNames {
		list[i].Name = name
	}
	_, err := s.UpdateUserAttributes(ctx, UpdateUserAttributesInput{AccessToken: in.AccessToken, UserAttributes: list})
	return Empty{}, err
}

// GetUserAttributeVerificationCodeInput asks for a code.
type GetUserAttributeVerificationCodeInput struct {
	AccessToken    string
	AttributeName  string // "email" or "phone_number"
	ClientMetadata map[string]string
}

// GetUserAttributeVerificationCode sends a code to the e-mail address or phone number of
// the user of an access token. Errors: ErrInvalid, ErrNotAuthorized, ErrCodeDelivery,
// ErrLimit.
func (s *Service) GetUserAttributeVerificationCode(ctx context.Context, in GetUserAttributeVerificationCodeInput) (CodeOutput, error) {
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return CodeOutput{}, err
	}
	t := target{in.AttributeName, media[in.AttributeName], c.user.Attributes[in.AttributeName]}
	if t.medium == "" {
		return CodeOutput{}, invalid("AttributeName", in.AttributeName, "email or phone_number")
	}
	if t.to == "" {
		return CodeOutput{}, fault(ErrInvalid, "The user has no %s.", t.attribute)
	}
	if err := s.maySend(ctx, c.pool, c.user.key); err != nil {
		return CodeOutput{}, err
	}
	var code string
	u, err := s.change(ctx, c.pool, c.user, func(u *userRecord) error {
		code = s.newCode(c.pool, u, forVerify+t.attribute, t.attribute, verifyLife)
		t.to = u.Attributes[t.attribute]
		return nil
	})
	if err != nil {
		return CodeOutput{}, err
	}
	err = s.sendCode(ctx, c.pool, MessageVerify, c.client.id, &u.userRecord, t, code, in.ClientMetadata)
	return CodeOutput{t.delivery()}, err
}

// VerifyUserAttributeInput is a code that a user got.
type VerifyUserAttributeInput struct {
	AccessToken   string
	AttributeName string
	Code          string
}

// VerifyUserAttribute verifies the e-mail address or phone number of the user of an
// access token. Errors: ErrInvalid, ErrNotAuthorized, ErrCodeMismatch, ErrExpiredCode,
// ErrAliasExists, ErrLimit after too many tries.
func (s *Service) VerifyUserAttribute(ctx context.Context, in VerifyUserAttributeInput) (Empty, error) {
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return Empty{}, err
	}
	if media[in.AttributeName] == "" {
		return Empty{}, invalid("AttributeName", in.AttributeName, "email or phone_number")
	}
	purpose := forVerify + in.AttributeName
	return Empty{}, s.tryCode(ctx, c.pool, purpose, c.user.key, func() error {
		_, err := s.redeem(ctx, c.pool, c.user, purpose, in.Code, func(u *userRecord, code codeRecord) error {
			u.Attributes[code.Attribute+"_verified"], u.Modified = "true", s.cfg.Now().UTC()
			return nil
		})
		return err
	})
}

// ChangePasswordInput is the old and the new password.
type ChangePasswordInput struct{ AccessToken, PreviousPassword, ProposedPassword string }

// ChangePassword changes the password of the user of an access token, whose logins go
// on. Errors: ErrNotAuthorized, ErrPassword, and ErrLimit after too many tries.
func (s *Service) ChangePassword(ctx context.Context, in ChangePasswordInput) (Empty, error) {
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return Empty{}, err
	}
	if err := c.pool.checkPassword(in.ProposedPassword); err != nil {
		return Empty{}, err
	}
	err = s.attempt(ctx, c.pool, c.user.key, ofPassword, errTries, func(end *password.Outcome) error {
		matched, _, err := s.matches(ctx, c.pool, c.user, in.PreviousPassword)
		*end = outcomeOf(matched, err)
		if err == nil && !matched {
			return errBadLogin.because("PreviousPassword is wrong")
		}
		return err
	})
	if err != nil {
		return Empty{}, err
	}
	secret, err := s.makePassword(ctx, c.pool, false, c.user.Sub, in.ProposedPassword)
	if err != nil {
		return Empty{}, err
	}
	_, err = s.change(ctx, c.pool, c.user, func(u *userRecord) error {
		if u.Passwords != c.user.Passwords || u.Sub != c.user.Sub {
			return errBadLogin.because("the password was changed meanwhile")
		}
		u.setPassword(secret)
		u.Modified = s.cfg.Now().UTC()
		return nil
	})
	return Empty{}, err
}

// DeleteUser deletes the user of an access token. Errors: ErrNotAuthorized.
func (s *Service) DeleteUser(ctx context.Context, in AccessInput) (Empty, error) {
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return Empty{}, err
	}
	return Empty{}, s.remove(ctx, c.pool, c.user)
}

// GlobalSignOut ends all logins of the user of an access token: its tokens of any kind
// are good no more. Errors: ErrNotAuthorized.
func (s *Service) GlobalSignOut(ctx context.Context, in AccessInput) (Empty, error) {
	c, err := s.caller(ctx, in.AccessToken)
	if err != nil {
		return Empty{}, err
	}
	return Empty{}, s.signOut(ctx, c.pool, c.user)
}

func (s *Service) signOut(ctx context.Context, p *poolRecord, u *user) error {
	_, err := s.change(ctx, p, u, func(u *userRecord) error {
		u.Gen++
		return nil
	})
	if err == nil {
		s.ended(p, u.Sub)
	}
	return err
}

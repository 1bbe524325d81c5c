package userpool

import (
	"context"
	"errors"
	"slices"
)

// AdminCreateUserInput is a user to be made.
type AdminCreateUserInput struct {
	UserPoolID     string `json:"UserPoolId"`
	Username       string
	UserAttributes []Attribute
	ValidationData []Attribute
	// TemporaryPassword is made if it is empty.
	TemporaryPassword string
	// MessageAction is "SUPPRESS", which sends nothing, or "RESEND", which sends another
	// temporary password to a user that is there.
	MessageAction string
	// DesiredDeliveryMediums are of "SMS", which is the default, and "EMAIL".
	DesiredDeliveryMediums []string
	// ForceAliasCreation takes aliases away from who has them, in place of
	// ErrUserExists.
	ForceAliasCreation bool
	ClientMetadata     map[string]string
}

// AdminCreateUserOutput is the user.
type AdminCreateUserOutput struct{ User User }

// AdminCreateUser makes a user that must change its temporary password when it signs in,
// and sends that to it. Errors: ErrInvalid, ErrNotFound, ErrUserExists, ErrPassword,
// ErrRefused, ErrCodeDelivery, ErrUserNotFound or ErrState for RESEND.
func (s *Service) AdminCreateUser(ctx context.Context, in AdminCreateUserInput) (AdminCreateUserOutput, error) {
	var out AdminCreateUserOutput
	p, _, err := s.pool(ctx, in.UserPoolID)
	if err != nil {
		return out, err
	}
	if in.MessageAction != "" && in.MessageAction != "SUPPRESS" && in.MessageAction != "RESEND" {
		return out, invalid("MessageAction", in.MessageAction, "SUPPRESS or RESEND")
	}
	if err := among("DesiredDeliveryMediums", in.DesiredDeliveryMediums, "SMS", "EMAIL"); err != nil {
		return out, err
	}
	secret := in.TemporaryPassword
	if secret == "" {
		secret = p.generatePassword()
	} else if err := p.checkPassword(secret); err != nil {
		return out, err
	}
	var u *user
	if in.MessageAction == "RESEND" {
		u, err = s.reinvite(ctx, p, in, secret)
	} else {
		u, err = s.invite(ctx, p, in, secret)
	}
	if err != nil {
		return out, err
	}
	out.User = u.told(nil)
	if in.MessageAction == "SUPPRESS" {
		return out, nil
	}
	mediums := in.DesiredDeliveryMediums
	if len(mediums) == 0 {
		mediums = []string{"SMS"}
		if u.Attributes["phone_number"] == "" {
			mediums = []string{"EMAIL"} // a number to write to is not required here
		}
	}
	for _, a := range [...]string{"phone_number", "email"} {
		if t, ok := targetOf(&u.userRecord, false, a); ok && slices.Contains(mediums, t.medium) {
			if err := s.sendCode(ctx, p, MessageInvite, "", &u.userRecord, t, secret, in.ClientMetadata); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

func (s *Service) invite(ctx context.Context, p *poolRecord, in AdminCreateUserInput, secret string) (*user, error) {
	given, err := attributes("UserAttributes", in.UserAttributes)
	if err != nil {
		return nil, err
	}
	validation, err := attributes("ValidationData", in.ValidationData)
	if err != nil {
		return nil, err
	}
	key, u, err := s.draft(p, in.Username, given, false)
	if err != nil {
		return nil, err
	}
	u.Status = ForceChangePassword
	e := SignUpEvent{Event: s.event("PreSignUp_AdminCreateUser", p, "", u.Name, u, in.ClientMetadata)}
	e.NotFound, e.ValidationData = false, validation
	if err := s.preSignUp(ctx, &e, u); err != nil {
		return nil, err
	}
	n, err := s.makePassword(ctx, p, true, u.Sub, secret)
	if err != nil {
		return nil, err
	}
	u.setPassword(n)
	u.Temporary = s.cfg.Now().Add(p.temporaryLife()).UTC()
	done, err := s.insert(ctx, p, key, u)
	if errors.Is(err, ErrAliasExists) && in.ForceAliasCreation {
		for _, a := range [...]string{"email", "phone_number"} {
			if u.Attributes[a+"_verified"] == "true" {
				if err := s.takeAlias(ctx, p, key, a, u.Attributes[a]); err != nil {
					return nil, err
				}
			}
		}
		done, err = s.insert(ctx, p, key, u)
	}
	return done, existsBy(err)
}

// reinvite gives a user that has not come yet another temporary password.
func (s *Service) reinvite(ctx context.Context, p *poolRecord, in AdminCreateUserInput, secret string) (*user, error) {
	u, err := s.get(ctx, p, in.Username)
	if err != nil {
		return nil, err
	}
	n, err := s.makePassword(ctx, p, true, u.Sub, secret)
	if err != nil {
		return nil, err
	}
	return s.change(ctx, p, u, func(u *userRecord) error {
		if u.Status != ForceChangePassword {
			return fault(ErrState, "Resend not possible. %s status is not %s", u.Name, ForceChangePassword)
		}
		u.setPassword(n)
		u.Temporary, u.Modified = s.cfg.Now().Add(p.temporaryLife()).UTC(), s.cfg.Now().UTC()
		return nil
	})
}

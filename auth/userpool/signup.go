package userpool

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
)

// SignUpInput is a user that signs up.
type SignUpInput struct {
	ClientID       string `json:"ClientId"`
	SecretHash     string
	Username       string
	Password       string
	UserAttributes []Attribute
	// ValidationData and ClientMetadata go to hooks.
	ValidationData []Attribute
	ClientMetadata map[string]string
}

// SignUpOutput says whether the user must still be confirmed.
type SignUpOutput struct {
	UserConfirmed       bool
	UserSub             string
	CodeDeliveryDetails *CodeDelivery `json:",omitempty"`
}

// SignUp makes a user that is to be confirmed with the code that is sent to it. Errors:
// ErrInvalid, ErrNotFound, ErrNotAuthorized, ErrPassword, ErrUserExists, ErrRefused,
// ErrCodeDelivery, ErrTooMany. That a name is taken cannot be hidden; with
// ErrCodeDelivery the user is there and may ask for another code.
func (s *Service) SignUp(ctx context.Context, in SignUpInput) (SignUpOutput, error) {
	p, c, err := s.clientPool(ctx, in.ClientID)
	if err != nil {
		return SignUpOutput{}, err
	}
	if err := c.checkSecretHash(in.SecretHash, in.Username); err != nil {
		return SignUpOutput{}, err
	}
	if p.Settings.AdminCreateUserConfig.AllowAdminCreateUserOnly {
		return SignUpOutput{}, fault(ErrNotAuthorized, "SignUp is not permitted for this user pool")
	}
	if err := s.mayAsk(ctx); err != nil {
		return SignUpOutput{}, err
	}
	given, err := attributes("UserAttributes", in.UserAttributes)
	if err != nil {
		return SignUpOutput{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !c.writes(name) || strings.HasSuffix(name, "_verified") {
			return SignUpOutput{}, errAttribute
		}
	}
	validation, err := attributes("ValidationData", in.ValidationData)
	if err != nil {
		return SignUpOutput{}, err
	}
	key, u, err := s.draft(p, in.Username, given, true)
	if err != nil {
		return SignUpOutput{}, err
	}
	if err := p.checkPassword(in.Password); err != nil {
		return SignUpOutput{}, err
	}
	u.Status = Unconfirmed
	e := SignUpEvent{Event: s.event("PreSignUp_SignUp", p, c.id, u.Name, u, in.ClientMetadata)}
	e.NotFound, e.ValidationData = false, validation
	if err := s.preSignUp(ctx, &e, u); err != nil {
		return SignUpOutput{}, err
	}
	if e.AutoConfirm {
		u.Status = Confirmed
	}
	// Before the work is done.
	old, err := s.byKey(ctx, p, key)
	if err != nil {
		return SignUpOutput{}, err
	}
	if old != nil {
		return SignUpOutput{}, fault(ErrUserExists, "User already exists")
	}
	secret, err := s.makePassword(ctx, p, false, u.Sub, in.Password)
	if err != nil {
		return SignUpOutput{}, err
	}
	u.setPassword(secret)
	t, sends := targetOf(u, false, p.Settings.AutoVerifiedAttributes...)
	sends = sends && u.Status == Unconfirmed
	var code string
	if sends {
		code = s.newCode(p, u, forConfirm, t.attribute, confirmLife)
	}
	if _, err := s.insert(ctx, p, key, u); err != nil {
		return SignUpOutput{}, existsBy(err)
	}
	s.noteUser(ctx, u.Sub)
	out := SignUpOutput{UserConfirmed: e.AutoConfirm, UserSub: u.Sub}
	if sends {
		if err := s.sendCode(ctx, p, MessageSignUp, c.id, u, t, code, in.ClientMetadata); err != nil {
			return out, err
		}
		out.CodeDeliveryDetails = t.delivery()
	}
	if e.AutoConfirm {
		return out, ask(ctx, "PostConfirmation", s.cfg.Hooks.PostConfirmation, s.event("PostConfirmation_ConfirmSignUp", p, c.id, u.Name, u, in.ClientMetadata))
	}
	return out, nil
}

// existsBy is what an alias that is taken is called where a user is made: the model has
// no other error for it.
func existsBy(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && errors.Is(e, ErrAliasExists) {
		return fault(ErrUserExists, "%s", e.Message)
	}
	return err
}

// draft makes a user of a name and attributes, all of which it checks. key is what it is
// to be kept under. all says that it must have what is required; others are asked for it
// with their first password.
func (s *Service) draft(p *poolRecord, name string, given map[string]string, all bool) (key string, u *userRecord, err error) {
	now := s.cfg.Now().UTC()
	u = &userRecord{Name: name, Sub: newUUID(), Attributes: maps.Clone(given), Created: now, Modified: now}
	if u.Attributes == nil {
		u.Attributes = map[string]string{}
	}
	if len(p.UsernameAttributes) > 0 {
		attribute := ""
		for _, a := range p.UsernameAttributes {
			if a == "email" && email.MatchString(name) || a == "phone_number" && phone.MatchString(name) {
				attribute = a
			}
		}
		if attribute == "" {
			return "", nil, fault(ErrInvalid, "Username should be an %s.", strings.ReplaceAll(strings.Join(p.UsernameAttributes, " or "), "_", " "))
		}
		if v, ok := u.Attributes[attribute]; ok && p.fold(v) != p.fold(name) {
			return "", nil, invalid("UserAttributes."+attribute, v, "the same as Username")
		}
		u.Attributes[attribute], u.Name = name, u.Sub
	} else if err := p.checkName(name); err != nil {
		return "", nil, err
	}
	if _, ok := given["sub"]; ok {
		return "", nil, invalid("UserAttributes", "sub", "attributes that can be written")
	}
	for _, a := range slices.Sorted(maps.Keys(u.Attributes)) {
		if err := p.checkValue(a, u.Attributes[a]); err != nil {
			return "", nil, err
		}
		if u.Attributes[a] == "" {
			delete(u.Attributes, a)
		}
	}
	for _, a := range p.Schema {
		if all && a.Required && u.Attributes[a.Name] == "" {
			return "", nil, fault(ErrInvalid, "Attributes did not conform to the schema: %s: The attribute is required", a.Name)
		}
	}
	return p.fold(u.Name), u, nil
}

// preSignUp asks the hook, and verifies what it says.
func (s *Service) preSignUp(ctx context.Context, e *SignUpEvent, u *userRecord) error {
	if err := ask(ctx, "PreSignUp", s.cfg.Hooks.PreSignUp, e); err != nil {
		return err
	}
	for _, v := range [...]struct {
		is        bool
		attribute string
	}{{e.AutoVerifyEmail, "email"}, {e.AutoVerifyPhone, "phone_number"}} {
		if !v.is {
			continue
		}
		if u.Attributes[v.attribute] == "" {
			return fault(ErrBadHook, "PreSignUp verifies %s, which the user does not have", v.attribute)
		}
		u.Attributes[v.attribute+"_verified"] = "true"
	}
	return nil
}

// ConfirmSignUpInput is a code that a user got.
type ConfirmSignUpInput struct {
	ClientID         string `json:"ClientId"`
	SecretHash       string
	Username         string
	ConfirmationCode string
	// ForceAliasCreation takes an alias away from who has it, in place of ErrAliasExists.
	ForceAliasCreation bool
	ClientMetadata     map[string]string
}

// ConfirmSignUp confirms a user, and that it has what the code was sent to. Errors:
// ErrInvalid, ErrNotFound, ErrNotAuthorized, ErrCodeMismatch, ErrExpiredCode,
// ErrAliasExists, ErrLimit after too many tries; ErrUserNotFound only for clients that
// tell.
func (s *Service) ConfirmSignUp(ctx context.Context, in ConfirmSignUpInput) (Empty, error) {
	p, c, err := s.clientPool(ctx, in.ClientID)
	if err != nil {
		return Empty{}, err
	}
	if err := c.checkSecretHash(in.SecretHash, in.Username); err != nil {
		return Empty{}, err
	}
	u, err := s.findTold(ctx, p, c, in.Username)
	if err != nil {
		return Empty{}, err
	}
	confirm := func() (*user, error) {
		return s.redeem(ctx, p, u, forConfirm, in.ConfirmationCode, func(u *userRecord, code codeRecord) error {
			if u.Disabled {
				return errDisabled
			}
			if u.Status != Unconfirmed {
				return fault(ErrNotAuthorized, "User cannot be confirmed. Current status is %s", u.Status)
			}
			u.Status, u.Modified = Confirmed, s.cfg.Now().UTC()
			u.Attributes[code.Attribute+"_verified"] = "true"
			return nil
		})
	}
	var done *user
	err = s.tryCode(ctx, p, forConfirm, guessedAs(u, in.Username), func() (err error) {
		if u == nil {
			return s.redeemNobody(ctx, p)
		}
		done, err = confirm()
		if errors.Is(err, ErrAliasExists) && in.ForceAliasCreation {
			proved := u.Codes[forConfirm] // the code was right, else the alias would not matter
			if err = s.takeAlias(ctx, p, u.key, proved.Attribute, proved.Value); err == nil {
				done, err = confirm()
			}
		}
		return err
	})
	if err != nil {
		return Empty{}, err
	}
	s.noteUser(ctx, done.Sub)
	return Empty{}, ask(ctx, "PostConfirmation", s.cfg.Hooks.PostConfirmation, s.event("PostConfirmation_ConfirmSignUp", p, c.id, done.Name, &done.userRecord, in.ClientMetadata))
}

// takeAlias makes a value nobody's alias. It is called for who has proved to have it.
func (s *Service) takeAlias(ctx context.Context, p *poolRecord, key, attribute, value string) error {
	if !slices.Contains(p.AliasAttributes, attribute) || attribute == "preferred_username" || value == "" {
		return nil
	}
	e, err := s.aliases.Find(ctx, p.id, attribute, p.fold(value))
	if err != nil || e.Revision == 0 || e.Value == key {
		return err
	}
	holder, err := s.byKey(ctx, p, e.Value)
	if err != nil || holder == nil {
		return err
	}
	_, err = s.change(ctx, p, holder, func(other *userRecord) error {
		if p.fold(other.Attributes[attribute]) == p.fold(value) {
			other.Attributes[attribute+"_verified"] = "false"
		}
		return nil
	})
	if errors.Is(err, ErrUserNotFound) {
		return nil
	}
	return err
}

// findTold is find; where the client tells it, that there is no user is an error.
func (s *Service) findTold(ctx context.Context, p *poolRecord, c *clientRecord, name string) (*user, error) {
	if !userName.MatchString(name) {
		return nil, invalid("Username", name, "1 to 128 letters, digits and signs without spaces")
	}
	u, err := s.find(ctx, p, name)
	if err == nil && u == nil && !c.discreet() {
		err = errNoUser
	}
	return u, err
}

// ResendConfirmationCodeInput asks for another code.
type ResendConfirmationCodeInput struct {
	ClientID       string `json:"ClientId"`
	SecretHash     string
	Username       string
	ClientMetadata map[string]string
}

// CodeOutput says where a code went.
type CodeOutput struct{ CodeDeliveryDetails *CodeDelivery }

// ResendConfirmationCode sends another code to confirm a sign-up. Users that are not
// there, or are confirmed already, get the same answer and nothing is sent; that a message
// could not be sent is not told either. Errors: ErrInvalid, ErrNotFound, ErrNotAuthorized,
// ErrCodeDelivery without a Sender, ErrLimit, ErrTooMany; ErrUserNotFound, ErrRefused, and
// ErrCodeDelivery of any kind, only for clients that tell.
func (s *Service) ResendConfirmationCode(ctx context.Context, in ResendConfirmationCodeInput) (CodeOutput, error) {
	p, c, err := s.clientPool(ctx, in.ClientID)
	if err != nil {
		return CodeOutput{}, err
	}
	if err := c.checkSecretHash(in.SecretHash, in.Username); err != nil {
		return CodeOutput{}, err
	}
	u, err := s.findTold(ctx, p, c, in.Username)
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
		return s.sendNobody(ctx, p, c, in.Username, errNoUser)
	}
	t, ok := targetOf(&u.userRecord, false, p.Settings.AutoVerifiedAttributes...)
	if u.Status != Unconfirmed || !ok {
		return s.sendNobody(ctx, p, c, in.Username, fault(ErrInvalid, "User is already confirmed, or has no address for a code."))
	}
	var code string
	done, err := s.change(ctx, p, u, func(u *userRecord) error {
		code = s.newCode(p, u, forConfirm, t.attribute, confirmLife)
		return nil
	})
	if err != nil {
		return CodeOutput{}, err
	}
	return s.sent(ctx, c, t, s.sendCode(ctx, p, MessageResend, c.id, &done.userRecord, t, code, in.ClientMetadata))
}

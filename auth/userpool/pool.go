package userpool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

var (
	poolID   = regexp.MustCompile(`^[\w-]+_[0-9a-zA-Z]+$`)
	poolName = regexp.MustCompile(`^[\w\s+=,.@-]{1,128}$`)
)

// PoolSettings are what can be changed about a pool. What is empty has its default.
type PoolSettings struct {
	Policies struct {
		PasswordPolicy PasswordPolicy
	}
	// AutoVerifiedAttributes are those of "email" and "phone_number" that a code is sent
	// to at sign-up and after a change. Without any of them users are confirmed by an
	// administrator or by the hook PreSignUp.
	AutoVerifiedAttributes []string `json:",omitempty"`
	// MfaConfiguration is "OFF" (the default), "OPTIONAL" or "ON": whether users may or
	// must have a software token (TOTP).
	MfaConfiguration      string
	AdminCreateUserConfig AdminCreateUserConfig
	// DeletionProtection is "INACTIVE" (the default) or "ACTIVE": DeleteUserPool is
	// refused.
	DeletionProtection string
	// EmailVerificationMessage, EmailVerificationSubject and SmsVerificationMessage are
	// what is sent with codes, for which {####} stands.
	EmailVerificationMessage string            `json:",omitempty"`
	EmailVerificationSubject string            `json:",omitempty"`
	SmsVerificationMessage   string            `json:",omitempty"`
	UserPoolTags             map[string]string `json:",omitempty"`
}

// PasswordPolicy is what passwords must have. A policy that is all zero is the default: 8
// characters, of each class at least one.
type PasswordPolicy struct {
	// MinimumLength is 6 to 99, by default 8.
	MinimumLength                                                      int
	RequireUppercase, RequireLowercase, RequireNumbers, RequireSymbols bool
	// TemporaryPasswordValidityDays is how long passwords by AdminCreateUser are good, 1
	// to 365 days, by default 7.
	TemporaryPasswordValidityDays int
}

// AdminCreateUserConfig says how users come into a pool.
type AdminCreateUserConfig struct {
	// AllowAdminCreateUserOnly refuses SignUp.
	AllowAdminCreateUserOnly bool
	// InviteMessageTemplate is what AdminCreateUser sends; {username} and {####} stand
	// for the name and the temporary password.
	InviteMessageTemplate *InviteMessage `json:",omitempty"`
}

// An InviteMessage is the text of an invitation.
type InviteMessage struct {
	EmailMessage, EmailSubject, SMSMessage string `json:",omitempty"`
}

// UsernameConfiguration says how user names are compared.
type UsernameConfiguration struct{ CaseSensitive bool }

// CreateUserPoolInput is what a pool is made of.
type CreateUserPoolInput struct {
	PoolName string
	PoolSettings
	// AliasAttributes are those of "email", "phone_number" and "preferred_username" by
	// which users may sign in besides their names, once they are verified. One value is
	// the alias of one user.
	AliasAttributes []string
	// UsernameAttributes are those of "email" and "phone_number" that users sign up with
	// in place of a name. Not together with AliasAttributes.
	UsernameAttributes []string
	// UsernameConfiguration makes names and aliases distinguish case, which they do not
	// by default.
	UsernameConfiguration *UsernameConfiguration
	// Schema are custom attributes, and standard ones that are required.
	Schema []SchemaAttribute
}

// A UserPool is what is told of a pool.
type UserPool struct {
	ID   string `json:"Id"`
	Name string
	Arn  string
	PoolSettings
	AliasAttributes       []string `json:",omitempty"`
	UsernameAttributes    []string `json:",omitempty"`
	UsernameConfiguration UsernameConfiguration
	SchemaAttributes      []SchemaAttribute
	CreationDate          Time
	LastModifiedDate      Time
}

type poolRecord struct {
	Name               string            `json:"name"`
	Settings           PoolSettings      `json:"settings"`
	AliasAttributes    []string          `json:"aliases,omitempty"`
	UsernameAttributes []string          `json:"usernames,omitempty"`
	CaseSensitive      bool              `json:"case,omitempty"`
	Schema             []SchemaAttribute `json:"schema,omitempty"`
	Secret             []byte            `json:"secret"` // for digests of codes and what unknown users get
	Created            time.Time         `json:"created"`
	Modified           time.Time         `json:"modified"`

	id string // of the record
}

// aliased reports whether users may sign in by an attribute.
func (p *poolRecord) aliased(attribute string) bool {
	return slices.Contains(p.AliasAttributes, attribute) || slices.Contains(p.UsernameAttributes, attribute)
}

// CreateUserPoolOutput is the answer of CreateUserPool and DescribeUserPool.
type CreateUserPoolOutput struct{ UserPool UserPool }

// CreateUserPool makes a pool. Errors: ErrInvalid.
func (s *Service) CreateUserPool(ctx context.Context, in CreateUserPoolInput) (CreateUserPoolOutput, error) {
	err := error(auth.ErrConflict)
	for n := 0; errors.Is(err, auth.ErrConflict) && n < tries; n++ {
		var p UserPool
		if p, err = s.createPool(ctx, s.cfg.Scope.Region+"_"+randomText(9, letters), in); err == nil {
			return CreateUserPoolOutput{p}, nil
		}
	}
	return CreateUserPoolOutput{}, err
}

func (s *Service) createPool(ctx context.Context, id string, in CreateUserPoolInput) (UserPool, error) {
	if !poolName.MatchString(in.PoolName) {
		return UserPool{}, invalid("PoolName", in.PoolName, "1 to 128 letters, digits, spaces and _+=,.@-")
	}
	if err := in.complete(); err != nil {
		return UserPool{}, err
	}
	if len(in.AliasAttributes) > 0 && len(in.UsernameAttributes) > 0 {
		return UserPool{}, fault(ErrInvalid, "AliasAttributes and UsernameAttributes are both set, expected at most one of them")
	}
	if err := among("AliasAttributes", in.AliasAttributes, "email", "phone_number", "preferred_username"); err != nil {
		return UserPool{}, err
	}
	if err := among("UsernameAttributes", in.UsernameAttributes, "email", "phone_number"); err != nil {
		return UserPool{}, err
	}
	schema, err := completeSchema(in.Schema)
	if err != nil {
		return UserPool{}, err
	}
	now := s.cfg.Now().UTC()
	p := poolRecord{
		Name: in.PoolName, Settings: in.PoolSettings, AliasAttributes: in.AliasAttributes, UsernameAttributes: in.UsernameAttributes,
		CaseSensitive: in.UsernameConfiguration != nil && in.UsernameConfiguration.CaseSensitive,
		Schema:        schema, Secret: make([]byte, 32), Created: now, Modified: now, id: id,
	}
	_, _ = rand.Read(p.Secret)
	if err := s.commit(ctx, s.pools.Put(p, 0, id)); err != nil {
		return UserPool{}, fmt.Errorf("userpool: create pool %s: %w", id, err)
	}
	return s.described(&p), nil
}

// complete fills in what is empty and checks the rest.
func (p *PoolSettings) complete() error {
	pp := &p.Policies.PasswordPolicy
	if *pp == (PasswordPolicy{}) {
		*pp = PasswordPolicy{MinimumLength: 8, RequireUppercase: true, RequireLowercase: true, RequireNumbers: true, RequireSymbols: true}
	}
	if pp.MinimumLength == 0 {
		pp.MinimumLength = 8
	}
	if pp.TemporaryPasswordValidityDays == 0 {
		pp.TemporaryPasswordValidityDays = 7
	}
	if pp.MinimumLength < 6 || pp.MinimumLength > 99 {
		return fault(ErrInvalid, "Policies.PasswordPolicy.MinimumLength is %d, expected 6 to 99", pp.MinimumLength)
	}
	if pp.TemporaryPasswordValidityDays < 1 || pp.TemporaryPasswordValidityDays > 365 {
		return fault(ErrInvalid, "Policies.PasswordPolicy.TemporaryPasswordValidityDays is %d, expected 1 to 365", pp.TemporaryPasswordValidityDays)
	}
	if err := oneOf("MfaConfiguration", &p.MfaConfiguration, "OFF", "OPTIONAL", "ON"); err != nil {
		return err
	}
	if err := oneOf("DeletionProtection", &p.DeletionProtection, "INACTIVE", "ACTIVE"); err != nil {
		return err
	}
	if err := among("AutoVerifiedAttributes", p.AutoVerifiedAttributes, "email", "phone_number"); err != nil {
		return err
	}
	texts := map[string]string{"EmailVerificationMessage": p.EmailVerificationMessage, "EmailVerificationSubject": p.EmailVerificationSubject, "SmsVerificationMessage": p.SmsVerificationMessage}
	if m := p.AdminCreateUserConfig.InviteMessageTemplate; m != nil {
		texts["InviteMessageTemplate.EmailMessage"], texts["InviteMessageTemplate.EmailSubject"], texts["InviteMessageTemplate.SMSMessage"] = m.EmailMessage, m.EmailSubject, m.SMSMessage
	}
	for _, field := range slices.Sorted(maps.Keys(texts)) {
		if len(texts[field]) > 20_000 {
			return invalid(field, texts[field], "at most 20000 bytes")
		}
	}
	if len(p.UserPoolTags) > 50 {
		return fault(ErrInvalid, "UserPoolTags has %d, expected at most 50", len(p.UserPoolTags))
	}
	return nil
}

func oneOf(field string, value *string, allowed ...string) error {
	if *value == "" {
		*value = allowed[0]
	}
	if !slices.Contains(allowed, *value) {
		return invalid(field, *value, "one of "+fmt.Sprint(allowed))
	}
	return nil
}

func among(field string, values []string, allowed ...string) error {
	for i, v := range values {
		if !slices.Contains(allowed, v) || slices.Contains(values[:i], v) {
			return invalid(field, v, "each once of "+fmt.Sprint(allowed))
		}
	}
	return nil
}

func (s *Service) described(p *poolRecord) UserPool {
	return UserPool{
		ID: p.id, Name: p.Name, Arn: s.ARN(p.id), PoolSettings: p.Settings, AliasAttributes: p.AliasAttributes,
		UsernameAttributes: p.UsernameAttributes, UsernameConfiguration: UsernameConfiguration{p.CaseSensitive},
		SchemaAttributes: allSchema(p.Schema), CreationDate: Time{p.Created}, LastModifiedDate: Time{p.Modified},
	}
}

// pool reads a pool.
func (s *Service) pool(ctx context.Context, id string) (*poolRecord, records.Entry[poolRecord], error) {
	if !poolID.MatchString(id) || len(id) > 55 {
		return nil, records.Entry[poolRecord]{}, invalid("UserPoolId", id, "the id of a pool, such as eu-central-1_AbCdEfGhI")
	}
	e, err := s.pools.Get(ctx, id)
	if errors.Is(err, auth.ErrNotFound) {
		return nil, e, fault(ErrNotFound, "User pool %s does not exist.", id)
	}
	if err != nil {
		return nil, e, fmt.Errorf("userpool: read pool %s: %w", id, err)
	}
	e.Value.id = id
	return &e.Value, e, nil
}

// PoolInput names a pool.
type PoolInput struct {
	UserPoolID string `json:"UserPoolId"`
}

// DescribeUserPool returns a pool. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeUserPool(ctx context.Context, in PoolInput) (CreateUserPoolOutput, error) {
	p, _, err := s.pool(ctx, in.UserPoolID)
	if err != nil {
		return CreateUserPoolOutput{}, err
	}
	return CreateUserPoolOutput{s.described(p)}, nil
}

// UpdateUserPoolInput changes a pool: the settings take the place of all that it has.
type UpdateUserPoolInput struct {
	UserPoolID string `json:"UserPoolId"`
	PoolSettings
}

// UpdateUserPool replaces the settings of a pool. Errors: ErrInvalid, ErrNotFound,
// ErrConcurrent.
func (s *Service) UpdateUserPool(ctx context.Context, in UpdateUserPoolInput) (Empty, error) {
	if err := in.complete(); err != nil {
		return Empty{}, err
	}
	return Empty{}, s.changePool(ctx, in.UserPoolID, func(p *poolRecord) error {
		p.Settings = in.PoolSettings
		return nil
	})
}

func (s *Service) changePool(ctx context.Context, id string, f func(p *poolRecord) error) error {
	for range tries {
		p, e, err := s.pool(ctx, id)
		if err != nil {
			return err
		}
		if err := f(p); err != nil {
			return err
		}
		p.Modified = s.cfg.Now().UTC()
		err = s.commit(ctx, s.pools.Put(*p, e.Revision, id))
		if err == nil || !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
	return fault(ErrConcurrent, "The user pool was changed meanwhile, please try again.")
}

package userpool

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

var (
	clientID     = regexp.MustCompile(`^[\w+]{1,128}$`)
	clientSecret = regexp.MustCompile(`^[\w+]{24,64}$`)
)

// ClientSettings are what can be changed about a client. What is empty has its default.
type ClientSettings struct {
	ClientName string
	// RefreshTokenValidity, AccessTokenValidity and IdTokenValidity are how long tokens
	// live, in TokenValidityUnits. Refresh tokens live an hour to ten years, by default
	// 30 days; the others 5 minutes to a day, by default an hour, and never longer than
	// refresh tokens.
	RefreshTokenValidity, AccessTokenValidity int `json:",omitempty"`
	IDTokenValidity                           int `json:"IdTokenValidity,omitempty"`
	TokenValidityUnits                        *TokenValidityUnits
	// ReadAttributes are what users see of themselves, and what ID tokens have;
	// WriteAttributes what they may change. Empty: all, custom ones too, so name them where
	// one of them is not for users to choose, such as a role.
	ReadAttributes, WriteAttributes []string `json:",omitempty"`
	// ExplicitAuthFlows are the flows that are allowed: ALLOW_USER_PASSWORD_AUTH,
	// ALLOW_USER_SRP_AUTH, ALLOW_REFRESH_TOKEN_AUTH, ALLOW_CUSTOM_AUTH,
	// ALLOW_ADMIN_USER_PASSWORD_AUTH. By default SRP, custom and refresh.
	ExplicitAuthFlows []string
	// CallbackURLs are where sign-ins at [Pages] may lead to, LogoutURLs where signing out
	// there may: absolute URLs without a fragment, https except for localhost, or of an
	// app's own scheme. They are compared as they stand. DefaultRedirectURI, one of
	// CallbackURLs, is for requests without one.
	CallbackURLs, LogoutURLs []string `json:",omitempty"`
	DefaultRedirectURI       string   `json:",omitempty"`
	// AllowedOAuthFlowsUserPoolClient allows sign-ins at Pages, by AllowedOAuthFlows of
	// which only "code" is offered ("implicit" and, alone, "client_credentials" are kept),
	// with AllowedOAuthScopes: of "openid", "email", "phone", "profile" and
	// "aws.cognito.signin.user.admin". Both must be there with it.
	AllowedOAuthFlowsUserPoolClient       bool
	AllowedOAuthFlows, AllowedOAuthScopes []string `json:",omitempty"`
	// SupportedIdentityProviders, if there are any, must have "COGNITO" for sign-ins at
	// Pages; others are not offered.
	SupportedIdentityProviders []string `json:",omitempty"`
	// PreventUserExistenceErrors is "ENABLED" (the default) or "LEGACY", which tells
	// whoever asks which users there are.
	PreventUserExistenceErrors string
	// EnableTokenRevocation lets RevokeToken work. Default true.
	EnableTokenRevocation *bool
	// AuthSessionValidity is how long a challenge may take, 3 to 15 minutes, 3 by default.
	AuthSessionValidity  int
	RefreshTokenRotation *RefreshTokenRotation `json:",omitempty"`
}

// TokenValidityUnits are "seconds", "minutes", "hours" or "days"; by default hours, and
// days for refresh tokens.
type TokenValidityUnits struct {
	AccessToken  string `json:",omitempty"`
	IDToken      string `json:"IdToken,omitempty"`
	RefreshToken string `json:",omitempty"`
}

// RefreshTokenRotation replaces a refresh token each time that it is used.
type RefreshTokenRotation struct {
	// Feature is "ENABLED" or "DISABLED".
	Feature string
	// RetryGracePeriodSeconds is how long the one before is good too, 0 to 60.
	RetryGracePeriodSeconds int
}

// CreateUserPoolClientInput is what a client is made of.
type CreateUserPoolClientInput struct {
	UserPoolID string `json:"UserPoolId"`
	ClientSettings
	// GenerateSecret gives the client a secret.
	GenerateSecret bool
}

// A UserPoolClient is what is told of a client, its secret included.
type UserPoolClient struct {
	UserPoolID string `json:"UserPoolId"`
	ClientID   string `json:"ClientId"`
	// ClientSecret is empty if there is none.
	ClientSecret string `json:",omitempty"`
	ClientSettings
	CreationDate     Time
	LastModifiedDate Time
}

type clientRecord struct {
	Secret   string         `json:"secret,omitempty"`
	Settings ClientSettings `json:"settings"`
	Created  time.Time      `json:"created"`
	Modified time.Time      `json:"modified"`

	id, pool string // of the record
}

// CreateUserPoolClientOutput is the answer of CreateUserPoolClient and others.
type CreateUserPoolClientOutput struct{ UserPoolClient UserPoolClient }

// CreateUserPoolClient makes a client. Errors: ErrInvalid, ErrNotFound.
func (s *Service) CreateUserPoolClient(ctx context.Context, in CreateUserPoolClientInput) (CreateUserPoolClientOutput, error) {
	c, err := s.createClient(ctx, randomText(26, lower+digits), "", in)
	return CreateUserPoolClientOutput{c}, err
}

func (s *Service) createClient(ctx context.Context, id, secret string, in CreateUserPoolClientInput) (UserPoolClient, error) {
	p, e, err := s.pool(ctx, in.UserPoolID)
	if err != nil {
		return UserPoolClient{}, err
	}
	if err := in.complete(p); err != nil {
		return UserPoolClient{}, err
	}
	if secret == "" && in.GenerateSecret {
		secret = randomText(52, lower+digits)
	}
	now := s.cfg.Now().UTC()
	c := clientRecord{Secret: secret, Settings: in.ClientSettings, Created: now, Modified: now, id: id, pool: p.id}
	// The pool is written as it is: a client cannot come into one that is being deleted.
	err = s.commit(ctx, s.clients.Put(c, 0, p.id, id), s.poolOf.Put(p.id, 0, id), s.pools.Put(*p, e.Revision, p.id))
	if err != nil {
		return UserPoolClient{}, fmt.Errorf("userpool: create client %s: %w", id, err)
	}
	return c.described(), nil
}

func (c *clientRecord) described() UserPoolClient {
	return UserPoolClient{c.pool, c.id, c.Secret, c.Settings, Time{c.Created}, Time{c.Modified}}
}

var units = map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour}

const tenYears = 3650 * 24 * time.Hour

// complete fills in what is empty and checks the rest.
func (c *ClientSettings) complete(p *poolRecord) error {
	if !poolName.MatchString(c.ClientName) {
		return invalid("ClientName", c.ClientName, "1 to 128 letters, digits, spaces and _+=,.@-")
	}
	if err := c.completeLives(); err != nil {
		return err
	}
	if len(c.ExplicitAuthFlows) == 0 {
		c.ExplicitAuthFlows = []string{"ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}
	}
	if err := among("ExplicitAuthFlows", c.ExplicitAuthFlows, "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH",
		"ALLOW_CUSTOM_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"); err != nil {
		return err
	}
	for _, l := range [...]struct {
		field string
		names []string
	}{{"ReadAttributes", c.ReadAttributes}, {"WriteAttributes", c.WriteAttributes}} {
		for _, name := range l.names {
			if _, ok := p.attribute(name); !ok && name != "sub" {
				return invalid(l.field, name, "an attribute of the user pool's schema")
			}
		}
	}
	if err := c.checkOAuth(); err != nil {
		return err
	}
	if err := oneOf("PreventUserExistenceErrors", &c.PreventUserExistenceErrors, "ENABLED", "LEGACY"); err != nil {
		return err
	}
	if c.EnableTokenRevocation == nil {
		yes := true
		c.EnableTokenRevocation = &yes
	}
	if c.AuthSessionValidity == 0 {
		c.AuthSessionValidity = 3
	}
	if c.AuthSessionValidity < 3 || c.AuthSessionValidity > 15 {
		return fault(ErrInvalid, "AuthSessionValidity is %d, expected 3 to 15 minutes", c.AuthSessionValidity)
	}
	if r := c.RefreshTokenRotation; r != nil {
		if err := oneOf("RefreshTokenRotation.Feature", &r.Feature, "DISABLED", "ENABLED"); err != nil {
			return err
		}
		if r.RetryGracePeriodSeconds < 0 || r.RetryGracePeriodSeconds > 60 {
			return fault(ErrInvalid, "RefreshTokenRotation.RetryGracePeriodSeconds is %d, expected 0 to 60", r.RetryGracePeriodSeconds)
		}
	}
	return nil
}

// completeLives fills in and checks how long tokens live.
func (c *ClientSettings) completeLives() error {
	u := TokenValidityUnits{}
	if c.TokenValidityUnits != nil {
		u = *c.TokenValidityUnits
	}
	for _, l := range [...]struct {
		field         string
		value         *int
		unit          *string
		usual         string
		usually       int
		shortest, max time.Duration
	}{
		{"RefreshTokenValidity", &c.RefreshTokenValidity, &u.RefreshToken, "days", 30, time.Hour, tenYears},
		{"AccessTokenValidity", &c.AccessTokenValidity, &u.AccessToken, "hours", 1, 5 * time.Minute, 24 * time.Hour},
		{"IdTokenValidity", &c.IDTokenValidity, &u.IDToken, "hours", 1, 5 * time.Minute, 24 * time.Hour},
	} {
		if *l.unit == "" {
			*l.unit = l.usual
		}
		unit, ok := units[*l.unit]
		if !ok {
			return invalid("TokenValidityUnits for "+l.field, *l.unit, "seconds, minutes, hours or days")
		}
		if *l.value == 0 {
			*l.value, *l.unit, unit = l.usually, l.usual, units[l.usual]
		}
		// The bound before the product: a large number must not wrap round.
		if d := time.Duration(*l.value) * unit; *l.value < 0 || *l.value > int(tenYears/unit) || d < l.shortest || d > l.max {
			return fault(ErrInvalid, "%s is %d %s, expected %v to %v", l.field, *l.value, *l.unit, l.shortest, l.max)
		}
	}
	c.TokenValidityUnits = &u
	if access, id, refresh := c.accessLife(), c.idLife(), c.refreshLife(); access > refresh || id > refresh {
		return fault(ErrInvalid, "AccessTokenValidity is %v and IdTokenValidity %v, expected at most RefreshTokenValidity, %v", access, id, refresh)
	}
	return nil
}

func (c *ClientSettings) accessLife() time.Duration {
	return time.Duration(c.AccessTokenValidity) * units[c.TokenValidityUnits.AccessToken]
}

func (c *ClientSettings) idLife() time.Duration {
	return time.Duration(c.IDTokenValidity) * units[c.TokenValidityUnits.IDToken]
}

func (c *ClientSettings) refreshLife() time.Duration {
	return time.Duration(c.RefreshTokenValidity) * units[c.TokenValidityUnits.RefreshToken]
}

// allows reports whether a flow, such as "USER_SRP_AUTH", is allowed.
func (c *clientRecord) allows(flow string) bool {
	return slices.Contains(c.Settings.ExplicitAuthFlows, "ALLOW_"+flow)
}

// discreet reports whether nobody is to learn which users there are.
func (c *clientRecord) discreet() bool { return c.Settings.PreventUserExistenceErrors != "LEGACY" }

func (c *clientRecord) reads(name string) bool {
	return len(c.Settings.ReadAttributes) == 0 || slices.Contains(c.Settings.ReadAttributes, name) || name == "sub"
}

func (c *clientRecord) writes(name string) bool {
	return len(c.Settings.WriteAttributes) == 0 || slices.Contains(c.Settings.WriteAttributes, name)
}

func (c *clientRecord) rotates() bool {
	return c.Settings.RefreshTokenRotation != nil && c.Settings.RefreshTokenRotation.Feature == "ENABLED"
}

// client reads a client of a pool.
func (s *Service) client(ctx context.Context, pool, id string) (*clientRecord, records.Entry[clientRecord], error) {
	if !clientID.MatchString(id) {
		return nil, records.Entry[clientRecord]{}, invalid("ClientId", id, "1 to 128 letters, digits and _+")
	}
	e, err := s.clients.Get(ctx, pool, id)
	if errors.Is(err, auth.ErrNotFound) {
		return nil, e, fault(ErrNotFound, "User pool client %s does not exist.", id)
	}
	if err != nil {
		return nil, e, fmt.Errorf("userpool: read client %s: %w", id, err)
	}
	e.Value.id, e.Value.pool = id, pool
	return &e.Value, e, nil
}

// clientPool reads a client, and the pool that it is of.
func (s *Service) clientPool(ctx context.Context, id string) (*poolRecord, *clientRecord, error) {
	if !clientID.MatchString(id) {
		return nil, nil, invalid("ClientId", id, "1 to 128 letters, digits and _+")
	}
	of, err := s.poolOf.Get(ctx, id)
	if errors.Is(err, auth.ErrNotFound) {
		return nil, nil, fault(ErrNotFound, "User pool client %s does not exist.", id)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("userpool: read client %s: %w", id, err)
	}
	s.notePool(ctx, of.Value)
	c, _, err := s.client(ctx, of.Value, id)
	if err != nil {
		return nil, nil, err
	}
	p, _, err := s.pool(ctx, of.Value)
	return p, c, err
}

package identitypool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/auth/internal/signing"
	"github.com/thinghub/thinghub/auth/policy"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Config is the configuration of a [Service].
type Config struct {
	// Directory keeps pools, identities and the keys that sign tokens. It must be set.
	Directory auth.Directory
	// Scope is what resource names and ids begin with. Empty fields have the defaults of
	// the hub: "aws", "local", "000000000000".
	Scope Scope
	// Roles has the roles and makes credentials. It must be set.
	Roles *roles.Service
	// Providers prove tokens, by the name of the login provider as it stands in Logins:
	// "accounts.google.com", "cognito-idp.REGION.amazonaws.com/POOL", the issuer of OpenID
	// Connect without "https://", the ARN of a SAML provider. The map is copied.
	Providers map[string]auth.TokenVerifier
	// Provider finds the verifier of a provider that is not among Providers, nil if there
	// is none: for providers that come and go, such as user pools. Default: none.
	Provider func(ctx context.Context, name string) (auth.TokenVerifier, error)
	// Issuer is the iss of the tokens of GetOpenIDToken, "https://" and
	// cognito-identity.amazonaws.com by default. Whoever checks them elsewhere needs an
	// address of the host's, where Service.Discovery is served.
	Issuer string
	// Authorize decides about the operations of Service.Handler that are not for
	// everybody: it says who has signed a request, also if they may not, and refuses with a
	// *sigv4.Error, auth.ErrUnrecognised, or an error that wraps auth.ErrDenied. action is such as
	// "cognito-identity:DescribeIdentityPool", resource the ARN of the pool or "*". For
	// the roles that a pool is given it is asked again, about iam:PassRole. nil refuses
	// them all. The methods of Service ask nobody.
	Authorize func(ctx context.Context, r *http.Request, body []byte, action auth.Action, resource string) (*auth.Identity, error)
	// Changed is called after an identity was disabled or deleted. The host ends its
	// connections:
	//
	//	Changed: func(id string) { hub.DisconnectPrincipal(id) }
	//
	// It may be called concurrently. nil: nobody is told.
	Changed func(identity string)
	// Audit is told of every operation over HTTP, those that only read included, and of
	// GetID, GetCredentialsForIdentity, GetOpenIDToken and
	// GetOpenIDTokenForDeveloperIdentity by other ways. Event.Service is
	// "cognito-identity", Resource the pool; Principal is the identity once it is proved, or
	// who signed the request; Event.Err says of a refusal also what who asked is not told.
	// Default auth.LogEvents of Logger, auth.LogLines a second.
	Audit auth.Auditor
	// Guests is how many new guests there may be in a second, on average; ten times as
	// many may come at once. 100 by default, negative for any number.
	Guests float64
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// Now is the clock; nil stands for time.Now.
	Now func() time.Time
}

// withDefaults returns a copy that is complete and valid.
func (c Config) withDefaults() (Config, error) {
	if c.Directory == nil {
		return c, errors.New("identitypool: Config.Directory is nil, expected a directory such as auth.NewMemory()")
	}
	if c.Roles == nil {
		return c, errors.New("identitypool: Config.Roles is nil, expected the roles of the hub")
	}
	if err := c.Scope.Check(); err != nil {
		return c, fmt.Errorf("identitypool: Config.Scope.%w", err)
	}
	c.Scope = c.Scope.WithDefaults()
	c.Providers = maps.Clone(c.Providers)
	for name, v := range c.Providers {
		switch {
		case v == nil:
			return c, fmt.Errorf("identitypool: Config.Providers[%q] is nil, expected a verifier", name)
		case name == policy.CognitoProvider:
			return c, fmt.Errorf("identitypool: Config.Providers has %q, expected it not to: these tokens are the pool's own", name)
		case checkProvider("Providers", name) != nil:
			return c, fmt.Errorf("identitypool: Config.Providers has %q, expected the name of a login provider of 1 to %d bytes without blanks", shorten(name), maxProvider)
		}
	}
	if c.Issuer == "" {
		c.Issuer = "https://" + policy.CognitoProvider
	}
	if c.Guests == 0 {
		c.Guests = 100
	}
	if math.IsNaN(c.Guests) || math.IsInf(c.Guests, 1) {
		return c, fmt.Errorf("identitypool: Config.Guests is %v, expected a number, negative for any number of guests", c.Guests)
	}
	if c.Provider == nil {
		c.Provider = func(context.Context, string) (auth.TokenVerifier, error) { return nil, nil }
	}
	if c.Authorize == nil {
		c.Authorize = func(_ context.Context, _ *http.Request, _ []byte, action auth.Action, resource string) (*auth.Identity, error) {
			return nil, &auth.Denied{Action: action, Resource: resource, Reason: "nobody may manage identity pools from outside"}
		}
	}
	if c.Changed == nil {
		c.Changed = func(string) {}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Audit == nil {
		c.Audit = auth.LogEvents(c.Logger, auth.LogLines)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// How long things last.
const (
	credentialLife = time.Hour        // of the enhanced flow
	tokenLife      = 10 * time.Minute // of GetOpenIDToken
	// Of GetOpenIDTokenForDeveloperIdentity.
	usualDeveloperLife   = 15 * time.Minute
	longestDeveloperLife = 24 * time.Hour
	// Of the keys that sign.
	keyLife = 30 * 24 * time.Hour
)

// A Service keeps identity pools. Its methods may be called concurrently.
type Service struct {
	cfg        Config
	pools      records.Table[poolRecord]
	identities records.Table[identityRecord]
	members    records.Table[struct{}]    // (pool, identity)
	logins     records.Table[loginRecord] // (pool, provider, subject)
	ring       *signing.Ring
	guests     *bucket
	marks      *records.Marks
	room       *audit.Room
}

// New returns a Service. The error names the field of cfg that is wrong.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg:        cfg,
		pools:      records.NewTable[poolRecord](cfg.Directory, "identitypool"),
		identities: records.NewTable[identityRecord](cfg.Directory, "identitypool-identity"),
		members:    records.NewTable[struct{}](cfg.Directory, "identitypool-member"),
		logins:     records.NewTable[loginRecord](cfg.Directory, "identitypool-login"),
		ring: signing.New(signing.Config{
			Directory: cfg.Directory, Kind: "identitypool-key", Issuer: cfg.Issuer, Every: keyLife, Keep: longestDeveloperLife + time.Hour, Now: cfg.Now,
		}),
		guests: newBucket(cfg.Guests, cfg.Now),
		marks:  records.NewMarks(),
		room:   &audit.Room{Service: "cognito-identity", Audit: cfg.Audit, Now: cfg.Now, Judge: judge},
	}, nil
}

// Discovery serves the public keys of tokens, at a path that ends in
// /.well-known/jwks.json, and a discovery document, at one that ends in
// /.well-known/openid-configuration. base is the address before these, without a slash at
// its end.
func (s *Service) Discovery(base string) http.Handler { return s.ring.Handler(base) }

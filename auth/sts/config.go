package sts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/policy"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Config is the configuration of a [Service].
type Config struct {
	// Roles has the roles and makes credentials. It must be set.
	Roles *roles.Service
	// Scope is that of Roles. Empty fields have the defaults of the hub: "aws", "local",
	// "000000000000".
	Scope Scope
	// IdentityPools proves tokens of identity pools, of the issuer PoolIssuer, by default
	// https://cognito-identity.amazonaws.com. nil: there are none.
	IdentityPools auth.TokenVerifier
	PoolIssuer    string
	// Providers prove tokens of login providers, by the name that trust policies have for
	// them: the issuer without "https://", such as "accounts.google.com", and for access
	// tokens what the request has as ProviderId. The map is copied.
	Providers map[string]auth.TokenVerifier
	// Provider finds the verifier of a provider that is not among Providers, nil if there
	// is none: for providers that come and go, such as user pools. Default: none.
	Provider func(ctx context.Context, name string) (auth.TokenVerifier, error)
	// SAML proves assertions, by the ARN of the provider:
	// arn:aws:iam::ACCOUNT:saml-provider/NAME. The map is copied.
	SAML map[string]AssertionVerifier
	// Policy returns a policy by the ARN that a request names in PolicyArns, or an error
	// that wraps auth.ErrNotFound. nil: there are none.
	Policy func(ctx context.Context, arn string) (auth.Document, error)
	// Authorize decides about the operations of Service.Handler that are signed: it says
	// who has signed a request, also if they may not, and refuses with a *sigv4.Error,
	// auth.ErrUnrecognised, or an error that wraps auth.ErrDenied. action is sts:AssumeRole, and resource the role,
	// which the policies of the caller must allow besides what the role's trust policy
	// says; or action is sts:GetCallerIdentity, and resource "*", which AWS allows
	// everybody who has a key. nil refuses them all.
	Authorize func(ctx context.Context, r *http.Request, body []byte, action auth.Action, resource string) (*auth.Identity, error)
	// Audit is told of every operation over HTTP, those that only read included, and of the
	// roles that are taken by the methods of Service. Event.Service is "sts", Resource the
	// role; Principal is who has signed the request, or, with the token or assertion of a
	// login provider, the session of the role that they got. Event.Err says of a refusal
	// also what who asked is not told. Default auth.LogEvents of Logger, auth.LogLines a
	// second.
	Audit auth.Auditor
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// Now is the clock; nil stands for time.Now.
	Now func() time.Time
}

// withDefaults returns a copy that is complete and valid.
func (c Config) withDefaults() (Config, error) {
	if c.Roles == nil {
		return c, errors.New("sts: Config.Roles is nil, expected the roles of the hub")
	}
	if err := c.Scope.Check(); err != nil {
		return c, fmt.Errorf("sts: Config.Scope.%w", err)
	}
	c.Scope = c.Scope.WithDefaults()
	if want := c.Roles.RoleARN(""); !strings.HasPrefix(want, "arn:"+c.Scope.Partition+":iam::"+c.Scope.Account+":") {
		return c, fmt.Errorf("sts: Config.Scope has the partition %q and the account %q, expected those of Config.Roles, whose roles are %sNAME", c.Scope.Partition, c.Scope.Account, want)
	}
	c.Providers, c.SAML = maps.Clone(c.Providers), maps.Clone(c.SAML)
	for name, v := range c.Providers {
		switch {
		case v == nil:
			return c, fmt.Errorf("sts: Config.Providers[%q] is nil, expected a verifier", name)
		case name == "" || strings.Contains(name, "://") || name == policy.CognitoProvider:
			return c, fmt.Errorf("sts: Config.Providers has %q, expected the name of a login provider without scheme; tokens of identity pools are for IdentityPools", name)
		}
	}
	for name, v := range c.SAML {
		if prefix := c.samlPrefix(); v == nil || !strings.HasPrefix(name, prefix) || len(name) == len(prefix) {
			return c, fmt.Errorf("sts: Config.SAML has %q, expected a name %sNAME with a verifier", name, prefix)
		}
	}
	if c.PoolIssuer == "" {
		c.PoolIssuer = "https://" + policy.CognitoProvider
	}
	if c.Provider == nil {
		c.Provider = func(context.Context, string) (auth.TokenVerifier, error) { return nil, nil }
	}
	if c.Policy == nil {
		c.Policy = func(context.Context, string) (auth.Document, error) { return auth.Document{}, auth.ErrNotFound }
	}
	if c.Authorize == nil {
		c.Authorize = func(_ context.Context, _ *http.Request, _ []byte, action auth.Action, resource string) (*auth.Identity, error) {
			return nil, &auth.Denied{Action: action, Resource: resource, Reason: "nobody may do it from outside"}
		}
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

func (c *Config) samlPrefix() string {
	return "arn:" + c.Scope.Partition + ":iam::" + c.Scope.Account + ":saml-provider/"
}

// A Service gives credentials of roles. It keeps nothing. Its methods may be called
// concurrently.
type Service struct {
	cfg  Config
	room *audit.Room
}

// New returns a Service. The error names the field of cfg that is wrong.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Service{cfg, &audit.Room{Service: "sts", Audit: cfg.Audit, Now: cfg.Now, Judge: judge}}, nil
}

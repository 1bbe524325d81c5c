package hosted

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/thinghub/thinghub/auth/userpool"
)

// An app is a client of the pool, as the library wants to see it.
type app struct {
	userpool.UserPoolClient
	// redirect is where it wants to be called back; which kind of app it is depends on
	// that alone.
	redirect string
}

var _ op.Client = app{}

// client finds the client of an id; it is nil if there is none.
func (h *Handler) client(ctx context.Context, id string) (*app, error) {
	c, err := h.cfg.Pools.DescribeUserPoolClient(ctx, userpool.ClientInput{UserPoolID: h.cfg.Pool, ClientID: id})
	if errors.Is(err, userpool.ErrNotFound) || errors.Is(err, userpool.ErrInvalid) {
		return nil, nil //nolint:nilnil // there is none: the contract
	}
	if err != nil {
		return nil, err
	}
	return &app{UserPoolClient: c.UserPoolClient}, nil
}

// may reports whether people may sign in to the app here.
func (a app) may() bool {
	return a.AllowedOAuthFlowsUserPoolClient && (len(a.SupportedIdentityProviders) == 0 || slices.Contains(a.SupportedIdentityProviders, "COGNITO"))
}

// proves reports whether a secret is the app's; an app without one has none to show.
func (a app) proves(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(secret), []byte(a.ClientSecret)) == 1
}

// hash is the SECRET_HASH with a user's name, "" for apps without a secret.
func (a app) hash(username string) string {
	if a.ClientSecret == "" {
		return ""
	}
	return userpool.SecretHash(a.ClientSecret, username, a.ClientID)
}

// What follows is op.Client, of which the library looks at the URIs, the kind and the
// types.

func (a app) GetID() string                    { return a.ClientID }
func (a app) RedirectURIs() []string           { return a.CallbackURLs }
func (a app) PostLogoutRedirectURIs() []string { return a.LogoutURLs }

// ApplicationType is native for a scheme of the app's own. For all others the library
// compares URIs as they stand.
func (a app) ApplicationType() op.ApplicationType {
	if u, err := url.Parse(a.redirect); err == nil && u.Scheme != "https" && u.Scheme != "http" {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}

func (a app) AuthMethod() oidc.AuthMethod {
	if a.ClientSecret == "" {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}

func (a app) ResponseTypes() []oidc.ResponseType {
	if slices.Contains(a.AllowedOAuthFlows, "code") {
		return []oidc.ResponseType{oidc.ResponseTypeCode}
	}
	return nil
}

func (a app) GrantTypes() (list []oidc.GrantType) {
	if !a.may() || !slices.Contains(a.AllowedOAuthFlows, "code") {
		return nil
	}
	list = append(list, oidc.GrantTypeCode)
	// With rotation a client must not have the flow: the tokens have taken its place.
	if rotates := a.RefreshTokenRotation; slices.Contains(a.ExplicitAuthFlows, "ALLOW_REFRESH_TOKEN_AUTH") || rotates != nil && rotates.Feature == "ENABLED" {
		list = append(list, oidc.GrantTypeRefreshToken)
	}
	return list
}

func (a app) LoginURL(string) string                                              { return "" }
func (a app) AccessTokenType() op.AccessTokenType                                 { return op.AccessTokenTypeJWT }
func (a app) IDTokenLifetime() time.Duration                                      { return 0 }
func (a app) DevMode() bool                                                       { return false }
func (a app) RestrictAdditionalIdTokenScopes() func(scopes []string) []string     { return nil }
func (a app) RestrictAdditionalAccessTokenScopes() func(scopes []string) []string { return nil }
func (a app) IsScopeAllowed(scope string) bool                                    { return slices.Contains(a.AllowedOAuthScopes, scope) }
func (a app) IDTokenUserinfoClaimsAssertion() bool                                { return false }
func (a app) ClockSkew() time.Duration                                            { return 0 }

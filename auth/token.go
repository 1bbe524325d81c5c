package auth

import (
	"context"
	"fmt"
	"time"
)

// A TokenVerifier proves tokens of one login provider: a user pool, an OpenID Connect
// issuer, a social network, a SAML identity provider.
//
// Verify returns what a token says once it is proved: signed by the provider, for us, in
// time. Otherwise the error wraps [ErrTokenExpired] or [ErrBadCredentials], or
// [ErrUnavailable] if the provider cannot be asked. Safe for concurrent use; if it never
// waits, say so with [Immediate].
type TokenVerifier interface {
	Verify(ctx context.Context, token string) (*Token, error)
}

// A Token is what a proved token says.
type Token struct {
	// Issuer names the provider, Subject whom the token is about: never an e-mail
	// address or another name that may pass to somebody else.
	Issuer, Subject string
	// Audience is whom the token is for: the ids of clients.
	Audience []string
	// Issued and Expires bound its life.
	Issued, Expires time.Time
	// Claims are all claims as JSON has them: strings, float64, bool, []any,
	// map[string]any. They must not be modified.
	Claims map[string]any
}

// ErrTokenExpired: the token was good once. It wraps [ErrBadCredentials].
var ErrTokenExpired = fmt.Errorf("%w: the token has expired", ErrBadCredentials)

package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// A Recogniser is a verifier that knows at a glance whether a token is for it to prove.
type Recogniser interface {
	Recognises(token string) bool
}

// PasswordConfig says how clients log in with tokens.
type PasswordConfig struct {
	// Admit, if it is not nil, completes the identity that a proved token makes, or
	// refuses it with an error as of auth.Authenticator. It gets one that nobody else has
	// yet: Principal is Prefix and the token's subject, ARN is "ISSUER#SUBJECT", Kind is
	// auth.User (who may not use the control plane), Grant has Policies, Expires is the
	// end of the token, Attributes has "issuer" and "subject". Principal must not become
	// empty.
	Admit func(ctx context.Context, t *auth.Token, id *auth.Identity) error
	// Bearer lets in requests with the header "Authorization: Bearer TOKEN", also the
	// one that a WebSocket began with.
	Bearer bool
	// Policies are granted to everybody who comes in. Policies attached to the identity's
	// ARN count too.
	Policies []auth.Document
	// Prefix stands before the subject in the name of the principal: with it, subjects
	// are never taken for users of the hub, or for subjects of another issuer.
	Prefix string
	// UserName is what clients send as their user name when they send a token as their
	// password, by MQTT or HTTP Basic. Empty: nobody does.
	UserName string
	// Verifiers prove tokens. If there are several, all but the last must be Recognisers:
	// the first that recognises a token decides.
	Verifiers []auth.TokenVerifier
}

// Passwords lets clients in who present a token as their password, or as a bearer token.
// It is an [auth.Authenticator] for thinghub.Config.Logins.
type Passwords struct{ cfg PasswordConfig }

var (
	_ auth.Authenticator = (*Passwords)(nil)
	_ auth.Immediate     = (*Passwords)(nil)
)

// Password returns an Authenticator. The error names the field of cfg that is wrong.
func Password(cfg PasswordConfig) (*Passwords, error) {
	switch {
	case cfg.UserName == "" && !cfg.Bearer:
		return nil, errors.New("oidc: PasswordConfig.UserName is empty and Bearer false, expected one of them: nobody could log in")
	case strings.ContainsAny(cfg.UserName, "?\x00") || len(cfg.UserName) > 128:
		return nil, fmt.Errorf("oidc: PasswordConfig.UserName is %q, expected at most 128 bytes without ? and zero bytes", web.Shorten(cfg.UserName, 200))
	case len(cfg.Verifiers) == 0:
		return nil, errors.New("oidc: PasswordConfig.Verifiers is empty, expected one at least")
	}
	for i, v := range cfg.Verifiers {
		if v == nil {
			return nil, fmt.Errorf("oidc: PasswordConfig.Verifiers[%d] is nil", i)
		}
		if _, ok := v.(Recogniser); !ok && i < len(cfg.Verifiers)-1 {
			return nil, fmt.Errorf("oidc: PasswordConfig.Verifiers[%d] is a %T, expected a Recogniser: those behind it would never be asked", i, v)
		}
	}
	cfg.Verifiers, cfg.Policies = slices.Clone(cfg.Verifiers), slices.Clone(cfg.Policies)
	return &Passwords{cfg}, nil
}

// Immediate reports that Authenticate never waits.
func (p *Passwords) Immediate() bool {
	return p.cfg.Admit == nil && !slices.ContainsFunc(p.cfg.Verifiers, func(v auth.TokenVerifier) bool {
		i, ok := v.(auth.Immediate)
		return !ok || !i.Immediate()
	})
}

// Authenticate returns whom the token of a client is about. The identity ends with the
// token.
//
// The error is auth.ErrUnrecognised if there is none for it to prove: the user name is
// another one and there is no bearer token of an issuer that is known; or the client has
// a certificate or signed its request, which say who it is whatever else it sends.
// Otherwise errors are those of the verifier, or of PasswordConfig.Admit.
func (p *Passwords) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.TLS != nil && len(c.TLS.PeerCertificates) > 0 || c.Request != nil && isSigned(c.Request) {
		return nil, auth.ErrUnrecognised
	}
	token, named := p.presented(c)
	if token == "" && !named {
		return nil, auth.ErrUnrecognised
	}
	v := p.verifier(token)
	switch {
	case v == nil && named:
		return nil, refuse("the token is of no issuer that is known here")
	case v == nil:
		return nil, auth.ErrUnrecognised
	}
	t, err := v.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	return p.identity(ctx, v, t)
}

// verifier returns who proves a token, nil if nobody does.
func (p *Passwords) verifier(token string) auth.TokenVerifier {
	for _, v := range p.cfg.Verifiers {
		if r, ok := v.(Recogniser); !ok || r.Recognises(token) {
			return v
		}
	}
	return nil
}

// presented returns the token of credentials. named says that it came with the user name
// that is for tokens only: then nobody else is asked.
func (p *Passwords) presented(c *auth.Credentials) (token string, named bool) {
	username, password := c.Username, c.Password
	if !c.HasUsername && password == nil && c.Request != nil {
		if u, pw, ok := c.Request.BasicAuth(); ok {
			username, password = u, []byte(pw)
		}
	}
	name, rest, _ := strings.Cut(username, "?") // behind which SDKs tell their versions
	if strings.Contains(strings.ToLower(rest), "x-amz-customauthorizer-") {
		return "", false
	}
	if p.cfg.UserName != "" && name == p.cfg.UserName {
		return string(password), true
	}
	if p.cfg.Bearer && name == "" && password == nil && c.Request != nil {
		return bearer(c.Request), false
	}
	return "", false
}

// bearer returns the bearer token of a request (RFC 6750, section 2.1).
func bearer(r *http.Request) string {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

// isSigned says whether a request has a signature of AWS's kind.
func isSigned(r *http.Request) bool {
	for _, v := range r.Header["Authorization"] {
		if strings.HasPrefix(v, "AWS4-") {
			return true
		}
	}
	query := r.RequestURI
	if r.URL != nil {
		query += "&" + r.URL.RawQuery
	}
	return strings.Contains(strings.ToLower(query), "x-amz-signature=")
}

// reserved are names of principals that mean something else: certificates, resources, and
// identities of pools.
var reserved = regexp.MustCompile(`^([0-9a-f]{64}|arn:.*|[\w-]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// identity makes an identity of a proved token.
func (p *Passwords) identity(ctx context.Context, v auth.TokenVerifier, t *auth.Token) (*auth.Identity, error) {
	id := &auth.Identity{
		Principal: p.cfg.Prefix + t.Subject, Kind: auth.User, ARN: t.Issuer + "#" + t.Subject, Expires: t.Expires,
		Attributes: map[string]string{"issuer": t.Issuer, "subject": t.Subject},
	}
	if s, ok := v.(interface{ Skew() time.Duration }); ok {
		id.Expires = id.Expires.Add(s.Skew()) // or it would be over at once
	}
	if len(p.cfg.Policies) > 0 {
		id.Grant = &auth.Grant{Policies: p.cfg.Policies}
	}
	if p.cfg.Prefix == "" && reserved.MatchString(t.Subject) {
		return nil, fmt.Errorf("%w: oidc: the subject %q has the form of another principal's name, expected PasswordConfig.Prefix with such", auth.ErrNotAuthorized, web.Shorten(t.Subject, 200))
	}
	if p.cfg.Admit != nil {
		if err := p.cfg.Admit(ctx, t, id); err != nil {
			return nil, err
		}
	}
	if id.Principal == "" {
		return nil, errors.New("oidc: PasswordConfig.Admit has left no Principal")
	}
	return id, nil
}

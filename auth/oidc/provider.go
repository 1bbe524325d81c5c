package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// A Provider proves the tokens of one issuer. It is an [auth.TokenVerifier]; its methods
// may be called concurrently.
type Provider struct {
	cfg        Config
	algorithms []jose.SignatureAlgorithm
	keys       keys    // if they are given
	remote     *remote // else
}

var (
	_ auth.TokenVerifier = (*Provider)(nil)
	_ auth.Immediate     = (*Provider)(nil)
	_ Recogniser         = (*Provider)(nil)
)

// New returns a Provider. It asks nobody: the issuer is discovered when the first token
// comes. The error names the field of cfg that is wrong.
func New(cfg Config) (*Provider, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Provider{cfg: cfg, algorithms: signatureAlgorithms(cfg.Algorithms)}
	if cfg.static() {
		p.keys, err = cfg.staticKeys()
	} else {
		p.remote = newRemote(&p.cfg)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Issuer returns Config.Issuer.
func (p *Provider) Issuer() string { return p.cfg.Issuer }

// Skew returns how long after its end a token still counts.
func (p *Provider) Skew() time.Duration { return p.cfg.Skew }

// Immediate reports that Verify never waits: the keys are given.
func (p *Provider) Immediate() bool { return p.remote == nil }

// Recognises reports whether a token says that it is of this issuer. It proves nothing.
func (p *Provider) Recognises(token string) bool {
	if len(token) > p.cfg.MaxToken {
		return false
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var claims map[string]json.RawMessage
	var issuer string
	if json.Unmarshal(payload, &claims) != nil || json.Unmarshal(claims["iss"], &issuer) != nil {
		return false
	}
	return p.is(issuer)
}

func (p *Provider) is(issuer string) bool {
	for _, known := range append([]string{p.cfg.Issuer}, p.cfg.Aliases...) {
		if issuer == known {
			return true
		}
	}
	return false
}

// Verify proves a token: it is a signed JWT in compact form, by a key of the issuer and
// one of Config.Algorithms, from the issuer, for one of Config.Audiences, made for
// Config.Use, and in time. Headers that name or bring a key (jku, x5u, jwk, x5c) are not
// looked at; one that is critical (crit) is refused.
//
// The error wraps [auth.ErrTokenExpired] if all but its time is right,
// [auth.ErrUnavailable] if the issuer cannot be asked for its keys, and
// [auth.ErrBadCredentials] otherwise; it does not hold the token.
func (p *Provider) Verify(ctx context.Context, token string) (*auth.Token, error) {
	return p.verify(ctx, token, nil)
}

// VerifyNonce is Verify for a token that must have this nonce.
func (p *Provider) VerifyNonce(ctx context.Context, token, nonce string) (*auth.Token, error) {
	if nonce == "" {
		return nil, refuse("the nonce to compare with is empty")
	}
	return p.verify(ctx, token, &nonce)
}

func (p *Provider) verify(ctx context.Context, token string, nonce *string) (*auth.Token, error) {
	proof, err := p.prove(ctx, token)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := proof.Claims(&claims); err != nil {
		return nil, refuse("the claims cannot be read: %w", err)
	}
	t, err := p.cfg.check(proof.header, claims, nonce)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// A proof is a token whose signature is right, which says nothing about its claims.
type proof struct {
	*gooidc.IDToken
	header map[string]any
}

func (p *Provider) prove(ctx context.Context, token string) (*proof, error) {
	switch {
	case len(token) > p.cfg.MaxToken:
		return nil, refuse("the token has %d bytes, expected at most %d", len(token), p.cfg.MaxToken)
	case !isCompact(token):
		return nil, refuse("the token is no JWT, expected three parts in base64url with dots between them")
	}
	a := &attempt{p: p}
	// What is skipped here is checked in Config.check, which is stricter.
	verifier := gooidc.NewVerifier(p.cfg.Issuer, a, &gooidc.Config{
		SkipClientIDCheck: true, SkipExpiryCheck: true, SkipIssuerCheck: true, SupportedSigningAlgs: p.cfg.Algorithms,
	})
	id, err := verifier.Verify(ctx, token)
	switch {
	case a.err != nil: // which the library keeps to itself
		return nil, a.err
	case err != nil:
		return nil, refuse("%s", strings.TrimPrefix(web.Brief(err).Error(), "oidc: "))
	}
	return &proof{id, a.header}, nil
}

// isCompact reports whether a token has the only form that is accepted: the library would
// also take JSON, and text with blanks in it.
func isCompact(token string) bool {
	dots := 0
	for i := range len(token) {
		switch c := token[i]; {
		case c == '.':
			dots++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return dots == 2
}

// An attempt is the key set of one verification.
type attempt struct {
	p      *Provider
	header map[string]any
	err    error
}

// VerifySignature returns the payload of a token that a key of the issuer has signed.
func (a *attempt) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.verify(ctx, token)
	a.err = err
	return payload, err
}

func (a *attempt) verify(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, a.p.algorithms)
	if err != nil {
		return nil, refuse("the token cannot be read: %w", web.Brief(err))
	}
	header, err := readHeader(token)
	if err != nil {
		return nil, err
	}
	if _, critical := header["crit"]; critical {
		return nil, refuse("the token has critical headers (crit), expected none")
	}
	a.header = header
	id, algorithm := jws.Signatures[0].Protected.KeyID, jws.Signatures[0].Protected.Algorithm
	all := a.p.keys
	if a.p.remote == nil {
		if payload, ok := try(jws, all.find(id, algorithm)); ok {
			return payload, nil
		}
		return nil, unsigned(id, algorithm)
	}
	s, err := a.p.remote.Get(ctx)
	if err != nil {
		return nil, err
	}
	if payload, ok := try(jws, s.Value.keys.find(id, algorithm)); ok {
		return payload, nil
	}
	newer, err := a.p.remote.Newer(ctx, s)
	if err != nil {
		return nil, err
	}
	if newer != s {
		if payload, ok := try(jws, newer.Value.keys.find(id, algorithm)); ok {
			return payload, nil
		}
	}
	return nil, unsigned(id, algorithm)
}

func unsigned(id, algorithm string) error {
	return refuse("%w (kid %q, alg %q)", errUnsigned, web.Shorten(id, 100), algorithm)
}

func try(jws *jose.JSONWebSignature, candidates keys) ([]byte, bool) {
	for _, k := range candidates {
		if payload, err := jws.Verify(k.public); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// readHeader reads the header of a token whose form is known to be right.
func readHeader(token string) (header map[string]any, err error) {
	first, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(first)
	if err == nil {
		err = json.Unmarshal(b, &header)
	}
	if err != nil {
		return nil, refuse("the header cannot be read: %w", err)
	}
	return header, nil
}

// Discover returns what the issuer says of itself; it asks if that is not known. With
// given keys there is nothing to discover, and the error says so. An error that wraps
// [auth.ErrUnavailable] may be gone the next time.
func (p *Provider) Discover(ctx context.Context) (Metadata, error) {
	switch {
	case p.remote == nil:
		return Metadata{}, errors.New("oidc: Discover: the keys of " + p.cfg.Issuer + " are given, there is nothing to discover")
	case p.cfg.KeysURL != "":
		return Metadata{}, fmt.Errorf("oidc: Discover: %s is not discovered: Config.KeysURL is set", p.cfg.Issuer)
	}
	s, err := p.remote.Get(ctx)
	if err != nil {
		return Metadata{}, err
	}
	return s.Value.Metadata, nil
}

// same compares without telling how much is right.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

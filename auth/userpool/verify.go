package userpool

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/thinghub/thinghub/auth"
)

// A Pool proves the tokens of one user pool. It is an auth.TokenVerifier for ID tokens.
// Safe for concurrent use.
type Pool struct {
	s  *Service
	id string
}

var (
	_ auth.TokenVerifier = (*Pool)(nil)
	_ auth.Immediate     = (*Pool)(nil)
)

// Pool returns the pool of an id. It need not exist yet.
func (s *Service) Pool(id string) *Pool { return &Pool{s, id} }

// Immediate reports whether Verify never waits, which is so if the directory does not.
func (v *Pool) Immediate() bool {
	i, ok := v.s.cfg.Directory.(auth.Immediate)
	return ok && i.Immediate()
}

// Issuer returns what tokens of the pool have in iss.
func (v *Pool) Issuer() string { return v.s.IssuerOf(v.id) }

// Verify proves an ID token: that this pool has signed it for a client it has, that it is
// in time, and that neither the sign-in was revoked nor the user deleted, disabled or
// signed out. An access token is refused. The error wraps auth.ErrTokenExpired,
// auth.ErrBadCredentials, or auth.ErrUnavailable if the directory fails.
func (v *Pool) Verify(ctx context.Context, token string) (*auth.Token, error) {
	t, _, _, err := v.s.prove(ctx, v.id, token, "id")
	return t, err
}

// VerifyAccess is Verify for access tokens, which have no audience but the claim
// client_id: Audience has that. Do not take an access token for proof of who somebody
// is.
func (v *Pool) VerifyAccess(ctx context.Context, token string) (*auth.Token, error) {
	t, _, _, err := v.s.prove(ctx, v.id, token, "access")
	return t, err
}

const (
	mostToken = 64 << 10
	// clockSkew is how far clocks of hubs may differ.
	clockSkew = time.Minute
)

func refuseToken(format string, args ...any) error {
	return fmt.Errorf("%w: userpool: %s", auth.ErrBadCredentials, fmt.Sprintf(format, args...))
}

// What a token that was good rests on no more.
var (
	errTokenRevoked  = refuseToken("the sign-in was revoked")
	errTokenSignOut  = refuseToken("the user has signed out everywhere or is deleted")
	errTokenDisabled = refuseToken("the user is disabled")
)

// parseToken reads the form of a token. Only RS256 is, whatever the header says; where it
// says where keys are, nobody looks.
func parseToken(text string) (*jwt.JSONWebToken, error) {
	if len(text) > mostToken {
		return nil, refuseToken("the token has %d bytes, expected at most %d", len(text), mostToken)
	}
	t, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, refuseToken("the token is not a JWT that is signed with RS256")
	}
	if len(t.Headers) != 1 {
		return nil, refuseToken("the token has %d signatures, expected one", len(t.Headers))
	}
	if h := t.Headers[0]; h.JSONWebKey != nil || len(h.ExtraHeaders) > 0 && !onlyType(h.ExtraHeaders) || h.Nonce != "" {
		return nil, refuseToken("the header of the token has more than alg, kid and typ")
	}
	return t, nil
}

func onlyType(h map[jose.HeaderKey]any) bool {
	_, ok := h[jose.HeaderType]
	return ok && len(h) == 1
}

// prove proves a token of a pool for a use, and returns the user and the login that it
// is of.
func (s *Service) prove(ctx context.Context, pool, text, use string) (*auth.Token, *user, string, error) {
	t, err := parseToken(text)
	if err != nil {
		return nil, nil, "", err
	}
	if !poolID.MatchString(pool) {
		return nil, nil, "", refuseToken("there is no user pool %q", shorten(pool))
	}
	k, err := s.keys.byKid(ctx, pool, t.Headers[0].KeyID)
	if err != nil {
		return nil, nil, "", unavailable(err)
	}
	if k == nil {
		return nil, nil, "", refuseToken("the token is signed with a key that the pool %s does not have", pool)
	}
	var raw json.RawMessage
	if err := t.Claims(k.private.Public(), &raw); err != nil {
		return nil, nil, "", refuseToken("the signature of the token is wrong")
	}
	token, err := s.checkClaims(pool, raw, use)
	if err != nil {
		return nil, nil, "", err
	}
	u, origin, err := s.checkLogin(ctx, pool, token)
	return token, u, origin, err
}

func unavailable(err error) error {
	return fmt.Errorf("%w: %w", auth.ErrUnavailable, err)
}

// checkClaims checks what a token says by itself.
func (s *Service) checkClaims(pool string, raw json.RawMessage, use string) (*auth.Token, error) {
	t := &auth.Token{}
	if err := json.Unmarshal(raw, &t.Claims); err != nil || t.Claims == nil {
		return nil, refuseToken("the claims of the token are not an object")
	}
	text := func(name string) string {
		v, _ := t.Claims[name].(string)
		return v
	}
	if got := text("token_use"); got != use {
		return nil, refuseToken("token_use is %q, expected %q", shorten(got), use)
	}
	if t.Issuer = text("iss"); t.Issuer != s.IssuerOf(pool) {
		return nil, refuseToken("iss is %q, expected %q", shorten(t.Issuer), s.IssuerOf(pool))
	}
	if t.Subject = text("sub"); t.Subject == "" {
		return nil, refuseToken("sub is not there")
	}
	audience := "aud"
	if use == "access" {
		audience = "client_id"
	}
	if t.Audience = []string{text(audience)}; t.Audience[0] == "" {
		return nil, refuseToken("%s is not the id of a client", audience)
	}
	var ok [2]bool
	t.Expires, ok[0] = instant(t.Claims["exp"])
	t.Issued, ok[1] = instant(t.Claims["iat"])
	if i := slices.Index(ok[:], false); i >= 0 {
		return nil, refuseToken("%s is not a number of seconds", [...]string{"exp", "iat"}[i])
	}
	now := s.cfg.Now()
	if t.Issued.After(now.Add(clockSkew)) {
		return nil, refuseToken("iat is %v, in the future", t.Issued)
	}
	if !now.Before(t.Expires) {
		return nil, fmt.Errorf("%w: userpool: at %v", auth.ErrTokenExpired, t.Expires)
	}
	return t, nil
}

func instant(v any) (time.Time, bool) {
	f, ok := v.(float64)
	if !ok || math.IsNaN(f) || f < 0 || f > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0).UTC(), true
}

// checkLogin checks that what a token rests on is still so.
func (s *Service) checkLogin(ctx context.Context, pool string, t *auth.Token) (*user, string, error) {
	origin, _ := t.Claims["origin_jti"].(string)
	client, err := s.poolOf.Find(ctx, t.Audience[0])
	if err != nil {
		return nil, "", unavailable(err)
	}
	if client.Revision == 0 || client.Value != pool {
		return nil, "", refuseToken("the token is for %q, which is no client of the pool", shorten(t.Audience[0]))
	}
	login, err := s.logins.Find(ctx, pool, origin)
	if err != nil {
		return nil, "", unavailable(err)
	}
	l := login.Value
	if login.Revision == 0 || l.Revoked || l.Sub != t.Subject || l.Client != t.Audience[0] {
		return nil, "", errTokenRevoked
	}
	e, err := s.users.Find(ctx, pool, l.Key)
	if err != nil {
		return nil, "", unavailable(err)
	}
	if e.Revision == 0 || e.Value.Sub != l.Sub || e.Value.Gen != l.Gen {
		return nil, "", errTokenSignOut
	}
	if e.Value.Disabled {
		return nil, "", errTokenDisabled
	}
	return &user{e.Value, l.Key, e.Revision}, origin, nil
}

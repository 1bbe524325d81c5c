package identitypool

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/policy"
)

// Claims of our own in tokens. useClaim says what a token is for besides being a web
// identity: one with asLogin, and no other, is a login of the user in userClaim.
const (
	useClaim  = "th_use"
	userClaim = "th_user"
	asLogin   = "login"
)

// GetOpenIDToken returns a token for AssumeRoleWithWebIdentity, for ten minutes, for who
// proves that an identity is theirs. Logins that are not linked to it yet are linked.
//
// Errors: ErrInvalid (also if the pool does not allow the basic flow), ErrNotFound,
// ErrNotAuthorized, ErrConflict, ErrLimit, ErrExternal, ErrConcurrent.
func (s *Service) GetOpenIDToken(ctx context.Context, id string, logins Logins) (string, error) {
	return audit.Do(ctx, s.room, "GetOpenIdToken", func(ctx context.Context, _ *audit.Note) (string, error) {
		return s.openIDToken(ctx, id, logins)
	})
}

func (s *Service) openIDToken(ctx context.Context, id string, logins Logins) (string, error) {
	_, p, err := s.readIdentity(ctx, id)
	if err != nil {
		return "", err
	}
	if !p.Value.Pool.AllowClassicFlow {
		return "", fault(ErrInvalid, "Basic (classic) flow is not enabled, please use enhanced flow.")
	}
	c, err := s.admit(ctx, id, logins)
	if err != nil {
		return "", err
	}
	return s.ring.Sign(ctx, map[string]any{"sub": id, "aud": c.pool.Value.Pool.ID, "amr": c.amr()}, tokenLife)
}

// A DeveloperLogin is what the host's backend says of one of its users.
type DeveloperLogin struct {
	// Pool is the id of a pool that has a DeveloperProviderName.
	Pool string
	// Identity is the id of an identity that the user is to be linked to, also a guest's;
	// empty for the one that the user has, or a new one.
	Identity string
	// Logins has the user under the pool's DeveloperProviderName, not a token but the id
	// that the backend has for them: 1 to 1024 bytes. Others are tokens of login providers
	// as in GetID.
	Logins Logins
	// Duration is how long the token lives, 1 second to 24 hours, 15 minutes if it is 0.
	Duration time.Duration
}

const maxUserID = 1024

func checkUser(field, user string) error {
	if user == "" || len(user) > maxUserID {
		return invalid(field, user, "Member must have a length of 1 to 1024")
	}
	return nil
}

// GetOpenIDTokenForDeveloperIdentity returns the identity of a user of the host's backend,
// which it makes if there is none, and a token with which the user's app can sign in: in
// Logins under the name cognito-identity.amazonaws.com. Whoever may call it can be anybody:
// it is for the backend alone.
//
// Errors: ErrInvalid, ErrNotFound, ErrNotAuthorized, ErrConflict, ErrRegistered, ErrLimit,
// ErrExternal, ErrConcurrent.
func (s *Service) GetOpenIDTokenForDeveloperIdentity(ctx context.Context, d DeveloperLogin) (id, token string, err error) {
	token, err = audit.Do(ctx, s.room, "GetOpenIdTokenForDeveloperIdentity", func(ctx context.Context, n *audit.Note) (string, error) {
		id, token, err = s.developerToken(ctx, d)
		return token, err
	})
	return id, token, err
}

func (s *Service) developerToken(ctx context.Context, d DeveloperLogin) (id, token string, err error) {
	if d.Duration == 0 {
		d.Duration = usualDeveloperLife
	}
	if d.Duration < time.Second || d.Duration > longestDeveloperLife {
		return "", "", invalid("tokenDuration", d.Duration.String(), "Member must have value between 1 and 86400")
	}
	if d.Identity != "" {
		if err := checkID("identityId", d.Identity); err != nil {
			return "", "", err
		}
	}
	p, err := s.readPool(ctx, d.Pool)
	if err != nil {
		return "", "", err
	}
	provider := p.Value.Pool.DeveloperProviderName
	user, found := d.Logins[provider]
	if provider == "" || !found {
		return "", "", fault(ErrInvalid, "Please provide a valid developer provider: logins must have a user of the pool's DeveloperProviderName.")
	}
	s.room.Of(ctx).User = audit.Clip(user)
	if err := checkUser("logins."+provider, user); err != nil {
		return "", "", err
	}
	others := Logins{}
	for name, t := range d.Logins {
		if name != provider {
			others[name] = t
		}
	}
	proved, err := s.prove(ctx, &p.Value.Pool, others)
	if err != nil {
		return "", "", err
	}
	id, _, err = s.resolve(ctx, &wish{pool: d.Pool, id: d.Identity, logins: proved, provider: provider, user: user})
	if err != nil {
		return "", "", err
	}
	s.noteIdentity(ctx, id)
	c := caller{logins: append(proved, &login{amr: []string{provider, provider + ":" + d.Pool + ":" + user}})}
	token, err = s.ring.Sign(ctx, map[string]any{"sub": id, "aud": d.Pool, "amr": c.amr(), useClaim: asLogin, userClaim: user}, d.Duration)
	return id, token, err
}

// readOwn returns what a token of this service's says, and that it still holds.
func (s *Service) readOwn(ctx context.Context, token string) (t *auth.Token, p *Pool, signedIn bool, err error) {
	t, err = s.ring.Verify(ctx, token)
	if err != nil {
		return nil, nil, false, err
	}
	gone := func(why string) error { return &Error{Kind: auth.ErrBadCredentials, Message: why} }
	e, at, err := s.readIdentity(ctx, t.Subject)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalid) {
		return nil, nil, false, gone("the identity of the token is deleted")
	}
	if err != nil {
		return nil, nil, false, err
	}
	p = &at.Value.Pool
	amr := texts(t.Claims["amr"])
	signedIn = slices.Contains(amr, Authenticated)
	user, ofUser := t.Claims[userClaim].(string)
	switch {
	case len(t.Audience) != 1 || t.Audience[0] != p.ID:
		return nil, nil, false, gone("the token is for another pool than its identity's")
	case e.Value.Disabled:
		return nil, nil, false, gone("the identity of the token is disabled")
	case !signedIn && (e.Value.Linked || !p.AllowUnauthenticated):
		return nil, nil, false, gone("the identity of the token is no guest's any more")
	case ofUser && !e.Value.hasUser(user):
		return nil, nil, false, gone("the user of the token is not linked any more")
	}
	return t, p, signedIn, nil
}

// proveOwn proves a login with a token of GetOpenIDTokenForDeveloperIdentity. Those of
// GetOpenIDToken are none: who has one could go on for ever with a login of ten minutes.
func (s *Service) proveOwn(ctx context.Context, p *Pool, token string) (*login, error) {
	t, of, signedIn, err := s.readOwn(ctx, token)
	if err != nil {
		return nil, refusal(err)
	}
	use, _ := t.Claims[useClaim].(string)
	if !signedIn || use != asLogin || of.ID != p.ID {
		return nil, fault(ErrNotAuthorized, "Invalid login token. Not a token for a developer user of this identity pool.")
	}
	var amr []string
	for _, m := range texts(t.Claims["amr"]) {
		if m != Authenticated && m != Unauthenticated {
			amr = append(amr, m)
		}
	}
	return &login{provider: policy.CognitoProvider, subject: t.Subject, audience: t.Audience, claims: t.Claims, amr: amr, identity: t.Subject}, nil
}

// WebIdentity returns the verifier of the tokens of GetOpenIDToken and
// GetOpenIDTokenForDeveloperIdentity, for AssumeRoleWithWebIdentity. It refuses those of
// pools that do not allow the basic flow, and of identities that were disabled or deleted.
func (s *Service) WebIdentity() auth.TokenVerifier { return webIdentity{s} }

type webIdentity struct{ s *Service }

// Verify implements auth.TokenVerifier.
func (v webIdentity) Verify(ctx context.Context, token string) (*auth.Token, error) {
	t, p, _, err := v.s.readOwn(ctx, token)
	if err != nil {
		return nil, err
	}
	if !p.AllowClassicFlow {
		return nil, &Error{Kind: auth.ErrBadCredentials, Message: "the pool of the token does not allow the basic flow"}
	}
	return t, nil
}

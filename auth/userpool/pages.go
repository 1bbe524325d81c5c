package userpool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
)

// Pages is what web pages need on which the users of a pool sign in: package auth/hosted
// has some. Users prove at the pages who they are, and get a proof of it in place of
// tokens; with that, apps get codes, and for those tokens. All that a sign-in elsewhere
// goes through it does here too: hooks, second factors, and the counts of failures.
//
// Nothing of this is kept by the service until a code is redeemed: proofs and codes are
// sealed, so that every hub can read them and nobody else. Pages trusts its caller with
// what clients prove elsewhere: it asks for no client secret, and for no flow that the
// client must allow. Safe for concurrent use.
type Pages struct {
	s    *Service
	pool string
	life time.Duration
}

// Pages returns the pages' part of a pool, which need not exist yet. Proofs are good for
// life, in whole seconds, at least one.
func (s *Service) Pages(pool string, life time.Duration) *Pages {
	return &Pages{s, pool, max(life, time.Second)}
}

// HostedURL returns where the pages of a pool are, as Config.Hosted has it; "" if there
// are none.
func (s *Service) HostedURL(pool string) string { return s.cfg.Hosted[pool] }

// A PageStep is how far a sign-in at pages has come: a challenge, or a proof.
type PageStep struct {
	ChallengeName, Session string
	ChallengeParameters    map[string]string
	// Proof stands for the user who has signed in. It is a secret.
	Proof string
}

// client reads a client of the pool.
func (v *Pages) client(ctx context.Context, id string) (*poolRecord, *clientRecord, error) {
	p, _, err := v.s.pool(ctx, v.pool)
	if err != nil {
		return nil, nil, err
	}
	v.s.notePool(ctx, v.pool)
	c, _, err := v.s.client(ctx, v.pool, id)
	return p, c, err
}

// Do does an operation of pages that r asks for, and tells Config.Audit how it ended, by a
// name such as "SignUp_POST", of which there are few, and by the name that somebody gave.
// What do calls with its context, such as SignIn, is part of the operation and not told by
// itself. An error that wraps ErrNotAuthorized is a refusal.
func (v *Pages) Do(r *http.Request, operation, username string, do func(ctx context.Context) error) error {
	_, err := v.s.room.HTTP(r, operation, func(ctx context.Context, n *audit.Note) (any, error) {
		n.User = audit.Clip(username)
		v.s.notePool(ctx, v.pool)
		return nil, do(ctx)
	})
	return err
}

// What AWS calls that somebody signs in at pages, or an app asks for tokens.
const (
	loginPost = "Login_POST"
	tokenPost = "Token_POST"
)

// SignIn takes the name and the password of a user. Errors as those of InitiateAuth.
func (v *Pages) SignIn(ctx context.Context, client, username, password string) (PageStep, error) {
	out, err := v.s.signIn(ctx, loginPost, username, func(ctx context.Context) (AuthOutput, error) {
		p, c, err := v.client(ctx, client)
		if err != nil {
			return AuthOutput{}, err
		}
		if !userName.MatchString(username) {
			return AuthOutput{}, invalid("Username", username, "1 to 128 letters, digits and signs without spaces")
		}
		if password == "" {
			return AuthOutput{}, secretField("Password", "a password")
		}
		st := state{ID: make([]byte, 16), Client: c.id, Name: username, Flow: "USER_PASSWORD_AUTH", Pages: int64(v.life / time.Second)}
		_, _ = rand.Read(st.ID)
		return v.s.byPassword(ctx, p, c, st, password, nil)
	})
	return stepOf(out), err
}

// Answer goes on after a challenge, as RespondToAuthChallenge does: responses need
// neither USERNAME nor SECRET_HASH. Errors as those of it.
func (v *Pages) Answer(ctx context.Context, client, challenge, session string, responses map[string]string) (PageStep, error) {
	out, err := v.s.signIn(ctx, loginPost, "", func(ctx context.Context) (AuthOutput, error) {
		p, c, err := v.client(ctx, client)
		if err != nil {
			return AuthOutput{}, err
		}
		switch challenge {
		case "NEW_PASSWORD_REQUIRED", softwareToken, "MFA_SETUP":
		default:
			return AuthOutput{}, invalid("ChallengeName", challenge, "NEW_PASSWORD_REQUIRED, SOFTWARE_TOKEN_MFA or MFA_SETUP")
		}
		return v.s.respond(ctx, p, c, RespondToAuthChallengeInput{
			ClientID: client, ChallengeName: challenge, Session: session, ChallengeResponses: responses, pages: true,
		})
	})
	return stepOf(out), err
}

func stepOf(out AuthOutput) PageStep {
	return PageStep{out.ChallengeName, out.Session, out.ChallengeParameters, out.proof}
}

// A proof is that a user has signed in at Pages.
type proof struct {
	ID        []byte    `json:"i"`
	Key       string    `json:"k"`
	Sub       string    `json:"u"`
	Gen       int64     `json:"g,omitempty"`
	Passwords int64     `json:"p,omitempty"`
	Time      time.Time `json:"t"` // of the sign-in
	Expires   time.Time `json:"e"`
}

// proofOf seals the proof of a sign-in.
func (s *Service) proofOf(ctx context.Context, p *poolRecord, u *user, st state) (string, error) {
	now := s.cfg.Now().UTC()
	return s.seal(ctx, p, sealProof, "", proof{
		ID: st.ID, Key: u.key, Sub: u.Sub, Gen: u.Gen, Passwords: u.Passwords, Time: now, Expires: now.Add(time.Duration(st.Pages) * time.Second),
	}, 1)
}

// holder returns the user of whom something is a proof, who must be as it was then.
func (s *Service) holder(ctx context.Context, p *poolRecord, of proof) (*user, error) {
	u, err := s.byKey(ctx, p, of.Key)
	if err != nil {
		return nil, err
	}
	s.noteUser(ctx, of.Sub)
	if u == nil || u.Sub != of.Sub || u.Gen != of.Gen || u.Passwords != of.Passwords {
		return nil, errChanged
	}
	switch {
	case u.Disabled:
		return nil, errDisabled
	case u.Status == ResetRequired:
		return nil, fault(ErrResetRequired, "Password reset required for the user")
	case u.Status != Confirmed:
		return nil, errBadSession
	}
	return u, nil
}

// proved reads a proof that is good.
func (v *Pages) proved(ctx context.Context, text string) (*poolRecord, proof, *user, error) {
	var of proof
	p, _, err := v.s.pool(ctx, v.pool)
	if err != nil {
		return nil, of, nil, err
	}
	if err := v.s.unseal(ctx, p, sealProof, "", text, &of); err != nil {
		return nil, of, nil, err
	}
	if len(of.ID) != 16 {
		return nil, of, nil, errBadSession
	}
	if !v.s.cfg.Now().Before(of.Expires) {
		return nil, of, nil, errOldSession
	}
	ended, err := v.s.logins.Find(ctx, p.id, uuidOf([16]byte(of.ID)))
	if err != nil {
		return nil, of, nil, fmt.Errorf("userpool: read a login of %s: %w", p.id, err)
	}
	if ended.Revision != 0 {
		return nil, of, nil, errBadSession
	}
	u, err := v.s.holder(ctx, p, of)
	return p, of, u, err
}

// A PageUser is who has signed in at pages.
type PageUser struct {
	Username, Sub string
	// Age is how long ago it did.
	Age time.Duration
}

// Who returns the user of a proof. Errors: ErrNotAuthorized if the proof is not one, or
// not any more: it has expired, somebody has signed out with it, or the user has signed
// out everywhere, has another password, or is disabled or deleted; ErrResetRequired.
func (v *Pages) Who(ctx context.Context, proof string) (PageUser, error) {
	_, of, u, err := v.proved(ctx, proof)
	if err != nil {
		return PageUser{}, err
	}
	return PageUser{u.Name, u.Sub, v.s.cfg.Now().Sub(of.Time)}, nil
}

// SignOut ends a proof everywhere. Tokens that came of it stay as they are. One that is
// not good is no error.
func (v *Pages) SignOut(ctx context.Context, proof string) error {
	p, of, u, err := v.proved(ctx, proof)
	if errors.Is(err, ErrNotAuthorized) || errors.Is(err, ErrResetRequired) {
		return nil
	}
	if err != nil {
		return err
	}
	// It is kept as a login that is over, so that it is swept with those.
	r := loginRecord{Key: u.key, Sub: u.Sub, Secret: make([]byte, 32), Time: of.Time, Expires: of.Expires, Revoked: true}
	_, _ = rand.Read(r.Secret)
	origin := uuidOf([16]byte(of.ID))
	err = v.s.commit(ctx, v.s.logins.Put(r, 0, p.id, origin),
		v.s.loginEnd.Put(struct{}{}, 0, hour(of.Expires), p.id, origin))
	if errors.Is(err, auth.ErrConflict) {
		return nil // somebody else was faster
	}
	return err
}

// A PageRequest is what an app asks for with a code.
type PageRequest struct {
	ClientID, RedirectURI string
	// Scopes are those of the client's AllowedOAuthScopes that are granted, one at least.
	Scopes []string
	// Nonce comes back in the ID token. Challenge is that of PKCE (S256), "" for none.
	Nonce, Challenge string
}

// codeLife is how long a code can be redeemed.
const codeLife = 5 * time.Minute

// A pageCode is what a code has. Its ID becomes the origin of the login, of which there
// can be one only.
type pageCode struct {
	ID      []byte      `json:"i"`
	Proof   proof       `json:"p"`
	Request PageRequest `json:"r"`
	Expires time.Time   `json:"e"`
}

// Code returns a code for an app: the user of a proof gives it what it asks for. The code
// can be redeemed once within five minutes. Errors: ErrInvalid, ErrNotFound, and those of
// Who.
func (v *Pages) Code(ctx context.Context, proof string, r PageRequest) (string, error) {
	p, of, _, err := v.proved(ctx, proof)
	if err != nil {
		return "", err
	}
	c, _, err := v.s.client(ctx, p.id, r.ClientID)
	if err != nil {
		return "", err
	}
	if len(r.Scopes) == 0 {
		return "", fault(ErrInvalid, "Scopes is empty, expected at least one")
	}
	for _, scope := range r.Scopes {
		if !slices.Contains(c.Settings.AllowedOAuthScopes, scope) {
			return "", invalid("Scopes", scope, "scopes of AllowedOAuthScopes")
		}
	}
	code := pageCode{ID: make([]byte, 16), Proof: of, Request: r, Expires: v.s.cfg.Now().UTC().Add(codeLife)}
	_, _ = rand.Read(code.ID)
	text, err := v.s.seal(ctx, p, sealCode, c.id, code, 1)
	if err == nil && len(text) > mostSession {
		return "", fault(ErrInvalid, "The request is too long")
	}
	return text, err
}

// A PageGrant is what a code stands for.
type PageGrant struct {
	PageRequest
	code pageCode
}

// Grant reads a code of a client, for checks before it is redeemed. It says nothing about
// whether that is possible still. Errors: ErrNotAuthorized if it is no code of the
// client's.
func (v *Pages) Grant(ctx context.Context, client, code string) (*PageGrant, error) {
	p, c, err := v.client(ctx, client)
	if err != nil {
		return nil, err
	}
	var g PageGrant
	if err := v.s.unseal(ctx, p, sealCode, c.id, code, &g.code); err != nil {
		return nil, err
	}
	if len(g.code.ID) != 16 || g.code.Request.ClientID != c.id {
		return nil, errBadSession
	}
	g.PageRequest = g.code.Request
	return &g, nil
}

// PageTokens are tokens, and the scope of the access token as hooks have left it. Without
// the scope openid there is no ID token.
type PageTokens struct {
	*AuthenticationResult
	Scope string
}

// Redeem gives the tokens of a code. A code that was redeemed before ends the sign-in of
// that time with all its tokens, as somebody has a copy. Errors: ErrNotAuthorized,
// ErrResetRequired, ErrRefused.
func (v *Pages) Redeem(ctx context.Context, g *PageGrant) (PageTokens, error) {
	return audit.Do(ctx, v.s.room, tokenPost, func(ctx context.Context, n *audit.Note) (PageTokens, error) {
		noteCaller(ctx, n, "")
		return v.redeem(ctx, g)
	})
}

func (v *Pages) redeem(ctx context.Context, g *PageGrant) (PageTokens, error) {
	p, c, err := v.client(ctx, g.ClientID)
	if err != nil {
		return PageTokens{}, err
	}
	origin := uuidOf([16]byte(g.code.ID))
	used, err := v.s.logins.Find(ctx, p.id, origin)
	if err != nil {
		return PageTokens{}, fmt.Errorf("userpool: read a login of %s: %w", p.id, err)
	}
	if used.Revision != 0 {
		return PageTokens{}, v.reused(ctx, p, c, origin)
	}
	if !v.s.cfg.Now().Before(g.code.Expires) {
		return PageTokens{}, errOldSession
	}
	u, err := v.s.holder(ctx, p, g.code.Proof)
	if err != nil {
		return PageTokens{}, err
	}
	r, err := v.s.login(ctx, p, c, u, [16]byte(g.code.ID), g.code.Proof.Time, grant{g.Scopes, g.Nonce}, "TokenGeneration_HostedAuth", nil)
	if errors.Is(err, errLoginTwice) {
		return PageTokens{}, v.reused(ctx, p, c, origin)
	}
	if err != nil {
		return PageTokens{}, err
	}
	return PageTokens{r, r.scope}, nil
}

func (v *Pages) reused(ctx context.Context, p *poolRecord, c *clientRecord, origin string) error {
	if err := v.s.revoke(ctx, p, origin); err != nil {
		return err
	}
	v.s.cfg.Logger.Warn("userpool: a code was used again; its sign-in is revoked", "pool", p.id, "client", c.id, "origin", origin)
	return errUsedCode
}

// Refresh is GetTokensFromRefreshToken for who has proved by other means to be the
// client. Errors as those of it.
func (v *Pages) Refresh(ctx context.Context, client, token string) (PageTokens, error) {
	return audit.Do(ctx, v.s.room, tokenPost, func(ctx context.Context, n *audit.Note) (PageTokens, error) {
		noteCaller(ctx, n, "")
		p, c, err := v.client(ctx, client)
		if err != nil {
			return PageTokens{}, err
		}
		r, _, err := v.s.refresh(ctx, p, c, token, nil, nil)
		if err != nil {
			return PageTokens{}, err
		}
		return PageTokens{r, r.scope}, nil
	})
}

// UserInfo returns the claims that the scopes of an access token show of its user: sub,
// username, and attributes. Errors: what VerifyAccess of the pool returns, ErrUnauthorized
// without the scope openid.
func (v *Pages) UserInfo(ctx context.Context, token string) (map[string]any, error) {
	t, u, _, err := v.s.prove(ctx, v.pool, token, "access")
	if err != nil {
		return nil, err
	}
	v.s.noteUser(ctx, u.Sub)
	scope, _ := t.Claims["scope"].(string)
	g := grant{scopes: strings.Fields(scope)}
	if !slices.Contains(g.scopes, scopeOpenID) {
		return nil, fault(ErrUnauthorized, "The access token does not have the scope openid")
	}
	c, _, err := v.s.client(ctx, v.pool, t.Audience[0])
	if err != nil {
		return nil, err
	}
	claims := map[string]any{"sub": u.Sub, "username": u.Name}
	for name, value := range u.Attributes {
		if c.reads(name) && g.shows(name) {
			claims[name] = claim(name, value)
		}
	}
	return claims, nil
}

package hosted

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/thinghub/thinghub/auth/userpool"
)

// token gives tokens for a code or a refresh token.
func (h *Handler) token(w http.ResponseWriter, r *http.Request) {
	var tokens userpool.PageTokens
	err := h.pages.Do(r, "Token_POST", "", func(ctx context.Context) (err error) {
		r := r.WithContext(ctx)
		if err := once(r); err != nil {
			return err
		}
		switch oidc.GrantType(r.PostForm.Get("grant_type")) {
		case oidc.GrantTypeCode:
			tokens, err = h.exchange(r)
		case oidc.GrantTypeRefreshToken:
			tokens, err = h.refresh(r)
		case "":
			err = oidc.ErrInvalidRequest().WithDescription("grant_type is missing")
		default:
			err = oidc.ErrUnsupportedGrantType().WithDescription("grant_type is not authorization_code or refresh_token")
		}
		return err
	})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.say(w, http.StatusOK, oidc.AccessTokenResponse{
		AccessToken: tokens.AccessToken, TokenType: tokens.TokenType, RefreshToken: tokens.RefreshToken, ExpiresIn: uint64(tokens.ExpiresIn),
		IDToken: tokens.IDToken, Scope: strings.Fields(tokens.Scope),
	})
}

// once reads the form; no parameter is in it twice.
func once(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return oidc.ErrInvalidRequest().WithDescription("the body is not a form, or too long")
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return oidc.ErrInvalidRequest().WithDescription("a parameter is there more than once")
		}
	}
	return nil
}

// refused is an error of the library that the pool's audit knows for a refusal.
func refused(e *oidc.Error, why string) error {
	return fmt.Errorf("%w: %w", userpool.ErrNotAuthorized, e.WithDescription("%s", why))
}

// prove finds the app that says it is a client, and proves it.
func (h *Handler) prove(r *http.Request, id, secret string) (*app, error) {
	c, err := h.client(r.Context(), id)
	if err != nil {
		return nil, err
	}
	named := r.PostForm.Get("client_id")
	if c == nil || !c.proves(secret) || r.PostForm.Has("client_assertion") || named != "" && named != id {
		return nil, refused(oidc.ErrInvalidClient(), "there is no such client, or its secret is another one")
	}
	return c, nil
}

// exchange redeems a code.
func (h *Handler) exchange(r *http.Request) (none userpool.PageTokens, err error) {
	in, err := op.ParseAccessTokenRequest(r, h.decoder)
	if err != nil {
		return none, err
	}
	c, err := h.prove(r, in.ClientID, in.ClientSecret)
	if err != nil {
		return none, err
	}
	if !op.ValidateGrantType(c, oidc.GrantTypeCode) {
		return none, oidc.ErrUnauthorizedClient()
	}
	if in.Code == "" {
		return none, oidc.ErrInvalidRequest().WithDescription("code is missing")
	}
	g, err := h.pages.Grant(r.Context(), c.ClientID, in.Code)
	if errors.Is(err, userpool.ErrNotAuthorized) {
		return none, refused(oidc.ErrInvalidGrant(), "code is not one of the client's")
	}
	if err != nil {
		return none, err
	}
	if in.RedirectURI == "" {
		in.RedirectURI = c.DefaultRedirectURI // as where the code was asked for
	}
	if in.RedirectURI != g.RedirectURI {
		return none, refused(oidc.ErrInvalidGrant(), "redirect_uri is not that of the code")
	}
	var challenge *oidc.CodeChallenge
	if g.Challenge != "" {
		challenge = &oidc.CodeChallenge{Challenge: g.Challenge, Method: oidc.CodeChallengeMethodS256}
	}
	if err := op.AuthorizeCodeChallenge(in.CodeVerifier, challenge); err != nil {
		return none, fmt.Errorf("%w: %w", userpool.ErrNotAuthorized, err)
	}
	// Only now is the code used up: who has a copy of it alone can do no harm.
	return h.pages.Redeem(r.Context(), g)
}

// refresh gives new tokens for a refresh token. What scope says is left aside: the tokens
// have what they had, which the answer says.
func (h *Handler) refresh(r *http.Request) (none userpool.PageTokens, err error) {
	in, err := op.ParseRefreshTokenRequest(r, h.decoder)
	if err != nil {
		return none, err
	}
	c, err := h.prove(r, in.ClientID, in.ClientSecret)
	if err != nil {
		return none, err
	}
	if !op.ValidateGrantType(c, oidc.GrantTypeRefreshToken) {
		return none, oidc.ErrUnauthorizedClient()
	}
	if in.RefreshToken == "" {
		return none, oidc.ErrInvalidRequest().WithDescription("refresh_token is missing")
	}
	return h.pages.Refresh(r.Context(), c.ClientID, in.RefreshToken)
}

// revocation is how the library reads who wants to revoke.
type revocation struct {
	oidc.RevocationRequest
	ClientID     string `schema:"client_id"`
	ClientSecret string `schema:"client_secret"`
}

func (r *revocation) SetClientID(id string)         { r.ClientID = id }
func (r *revocation) SetClientSecret(secret string) { r.ClientSecret = secret }
func (r *revocation) IsSetClientAssertion() bool    { return false }
func (r *revocation) IsSetClientIDAndClientSecret() bool {
	return r.ClientID != "" && r.ClientSecret != ""
}

// revoke ends the sign-in of a refresh token: RFC 7009.
func (h *Handler) revoke(w http.ResponseWriter, r *http.Request) {
	err := h.pages.Do(r, "Revoke_POST", "", func(ctx context.Context) error { return h.revokes(r.WithContext(ctx)) })
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (h *Handler) revokes(r *http.Request) error {
	if err := once(r); err != nil {
		return err
	}
	var in revocation
	if err := op.ParseAuthenticatedTokenRequest(r, h.decoder, &in); err != nil {
		return err
	}
	c, err := h.prove(r, in.ClientID, in.ClientSecret)
	if err != nil {
		return err
	}
	if in.Token == "" {
		return oidc.ErrInvalidRequest().WithDescription("token is missing")
	}
	_, err = h.cfg.Pools.RevokeToken(r.Context(), userpool.RevokeTokenInput{ClientID: c.ClientID, ClientSecret: in.ClientSecret, Token: in.Token})
	switch {
	case errors.Is(err, userpool.ErrInvalid):
		return nil // what is no token is not good either
	case errors.Is(err, userpool.ErrTokenType):
		return &oidc.Error{ErrorType: "unsupported_token_type", Description: "only refresh tokens can be revoked, which ends their ID and access tokens too"}
	case errors.Is(err, userpool.ErrUnsupported):
		return oidc.ErrUnauthorizedClient().WithDescription("token revocation is not enabled for the client")
	case errors.Is(err, userpool.ErrUnauthorized):
		return refused(oidc.ErrInvalidGrant(), "the token was issued to another client")
	}
	return err
}

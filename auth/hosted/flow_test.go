package hosted_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/hosted"
	"github.com/thinghub/thinghub/auth/userpool"
)

// client is the OAuth library of another make, which knows the pool from discovery alone.
func (r *rig) client(id, secret string, style oauth2.AuthStyle, scopes ...string) (context.Context, *oidc.Provider, *oauth2.Config) {
	r.t.Helper()
	ctx := oidc.ClientContext(r.t.Context(), r.server.Client())
	provider, err := oidc.NewProvider(ctx, r.IssuerOf(poolID))
	require.NoError(r.t, err)
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = style
	return ctx, provider, &oauth2.Config{ClientID: id, ClientSecret: secret, Endpoint: endpoint, RedirectURL: callback, Scopes: scopes}
}

// TestCodeWithPKCE: an app without a secret signs somebody in, verifies the ID token with
// the pool's keys, asks who it is, refreshes, and revokes.
func TestCodeWithPKCE(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "email", "alice@example.com", "email_verified", "true", "name", "Alice", "custom:plant", "p1")
	ctx, provider, app := r.client(publicID, "", oauth2.AuthStyleAutoDetect, "openid", "email")
	pkce := oauth2.GenerateVerifier()
	to, err := url.Parse(app.AuthCodeURL("a state", oauth2.S256ChallengeOption(pkce), oidc.Nonce("a nonce")))
	require.NoError(t, err)
	b := r.browser()
	back := b.signIn(to.Query(), "alice@example.com")
	require.Equal(t, "a state", back.Get("state"))
	require.Equal(t, r.IssuerOf(poolID), back.Get("iss"))

	token, err := app.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(pkce))
	require.NoError(t, err)
	require.Equal(t, "Bearer", token.TokenType)
	require.Equal(t, "openid email", token.Extra("scope"))
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: publicID}).Verify(ctx, raw)
	require.NoError(t, err)
	require.Equal(t, "a nonce", id.Nonce)
	require.NoError(t, id.VerifyAccessToken(token.AccessToken))
	var claims map[string]any
	require.NoError(t, id.Claims(&claims))
	require.Equal(t, "alice@example.com", claims["email"])
	require.Equal(t, "alice", claims["cognito:username"])
	require.NotContains(t, claims, "name")
	_, err = r.Pool(poolID).Verify(ctx, raw)
	require.NoError(t, err, "the pool's own token")

	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	require.NoError(t, err)
	require.Equal(t, id.Subject, info.Subject)
	require.Equal(t, "alice@example.com", info.Email)
	require.True(t, info.EmailVerified)

	token.Expiry = time.Now().Add(-time.Minute)
	again, err := app.TokenSource(ctx, token).Token()
	require.NoError(t, err)
	require.NotEqual(t, token.AccessToken, again.AccessToken)
	require.Equal(t, token.RefreshToken, again.RefreshToken)
	raw, _ = again.Extra("id_token").(string)
	_, err = provider.VerifierContext(ctx, &oidc.Config{ClientID: publicID}).Verify(ctx, raw)
	require.NoError(t, err)

	a := r.call("/oauth2/revoke", "", "", url.Values{"client_id": {publicID}, "token": {again.RefreshToken}, "token_type_hint": {"refresh_token"}})
	require.Equal(t, 200, a.status, a.raw)
	require.Equal(t, http.StatusUnauthorized, r.userInfo(again.AccessToken).status)
	_, err = app.TokenSource(ctx, token).Token()
	require.ErrorContains(t, err, "invalid_grant")
}

// TestConfidential: an app with a secret proves itself by Basic or in the body, with PKCE
// or without.
func TestConfidential(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	for name, style := range map[string]oauth2.AuthStyle{"basic": oauth2.AuthStyleInHeader, "body": oauth2.AuthStyleInParams, "either": oauth2.AuthStyleAutoDetect} {
		ctx, provider, app := r.client(secretID, secret, style, "openid")
		to, err := url.Parse(app.AuthCodeURL("x"))
		require.NoError(t, err)
		token, err := app.Exchange(ctx, r.browser().signIn(to.Query(), "alice").Get("code"))
		require.NoError(t, err, name)
		raw, _ := token.Extra("id_token").(string)
		id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: secretID}).Verify(ctx, raw)
		require.NoError(t, err)
		require.Empty(t, id.Nonce)
		token.Expiry = time.Now().Add(-time.Minute)
		_, err = app.TokenSource(ctx, token).Token()
		require.NoError(t, err)
		a := r.call("/oauth2/revoke", secretID, secret, url.Values{"token": {token.RefreshToken}})
		require.Equal(t, 200, a.status, a.raw)
	}
}

// TestSession: who has signed in for one app need not do so for another, for as long as
// the session lives and unless the app wants it.
func TestSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	b := r.browser()
	b.signIn(request(), "alice")
	other := url.Values{"client_id": {secretID}, "response_type": {"code"}, "redirect_uri": {callback}, "state": {"t"}}
	require.NotEmpty(t, b.authorize(other).back().Get("code"))
	require.NotEmpty(t, b.authorize(with(other, "prompt", "none")).back().Get("code"))
	require.NotEmpty(t, b.authorize(with(other, "prompt", "consent")).back().Get("code"), "there is nothing to consent to")
	// As a form of the app's page; the browser then asks anew.
	p := b.post(r.base+"/oauth2/authorize", other)
	require.Equal(t, 303, p.status)
	require.NotEmpty(t, b.get(p.header.Get("Location")).back().Get("code"))

	r.pass(10 * time.Minute)
	for name, q := range map[string]url.Values{
		"login": with(other, "prompt", "login"), "account": with(other, "prompt", "select_account"), "age": with(other, "max_age", "600"), "now": with(other, "max_age", "0"),
	} {
		require.Equal(t, "password", b.authorize(q).form().types["password"], name)
	}
	require.NotEmpty(t, b.authorize(with(other, "max_age", "601")).back().Get("code"))
	require.NotEmpty(t, b.authorize(with(other, "max_age", "18446744073709551615")).back().Get("code"))
	require.Equal(t, "login_required", b.authorize(with(with(other, "max_age", "600"), "prompt", "none")).back().Get("error"))
	back := r.browser().authorize(with(other, "prompt", "none")).back()
	require.Equal(t, "login_required", back.Get("error"))
	require.Equal(t, "t", back.Get("state"))
	require.Equal(t, r.IssuerOf(poolID), back.Get("iss"))

	r.pass(50 * time.Minute)
	require.Equal(t, "login_required", b.authorize(with(other, "prompt", "none")).back().Get("error"))
	b.signIn(request(), "alice")
	_, err := r.AdminUserGlobalSignOut(t.Context(), userpool.UserInput{UserPoolID: poolID, Username: "alice"})
	require.NoError(t, err)
	require.Equal(t, "login_required", b.authorize(with(other, "prompt", "none")).back().Get("error"))
}

// TestLogout: signing out ends the session, also a copy of it, and leads to one of the
// app's addresses.
func TestLogout(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	ask := request("prompt", "none")
	for name, c := range map[string]struct{ query, to string }{
		"cognito":    {"client_id=public&logout_uri=" + url.QueryEscape(farewell), farewell},
		"oidc":       {"client_id=public&state=a%26b&post_logout_redirect_uri=" + url.QueryEscape(farewell), farewell + "?state=a%26b"},
		"nowhere":    {"", ""},
		"foreign":    {"client_id=public&logout_uri=https%3A%2F%2Fevil.example", ""},
		"callback":   {"client_id=public&logout_uri=" + url.QueryEscape(callback), ""},
		"no client":  {"logout_uri=" + url.QueryEscape(farewell), ""},
		"bad client": {"client_id=%00&logout_uri=" + url.QueryEscape(farewell), ""},
	} {
		b := r.browser()
		b.signIn(request(), "alice")
		address, err := url.Parse(r.server.URL)
		require.NoError(t, err)
		copies := b.http.Jar.Cookies(address)
		require.NotEmpty(t, b.authorize(ask).back().Get("code"))
		p := b.get(r.base + "/logout?" + c.query)
		require.Equal(t, c.to, p.header.Get("Location"), name)
		if c.to == "" {
			require.NotEmpty(t, p.text("h1"))
		}
		require.Empty(t, b.http.Jar.Cookies(address), "%s: the browser keeps nothing", name)
		require.Equal(t, "login_required", b.authorize(ask).back().Get("error"), name)
		thief := r.browser()
		thief.http.Jar.SetCookies(address, copies)
		require.Equal(t, "login_required", thief.authorize(ask).back().Get("error"), "%s: a copy", name)
	}
	// And to sign in as somebody else.
	b := r.browser()
	b.signIn(request(), "alice")
	p := b.get(r.base + "/logout?" + request().Encode())
	require.Equal(t, "password", b.get(p.header.Get("Location")).form().types["password"])
}

// TestScopes: an app gets what it asks for and may have, or all of that if it does not
// say.
func TestScopes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "email", "alice@example.com", "name", "Alice")
	b := r.browser()
	got := r.tokens(b.signIn(request("scope", ""), "alice").Get("code"))
	require.Equal(t, "openid email profile phone aws.cognito.signin.user.admin", got["scope"])
	got = r.tokens(b.authorize(request("scope", "openid openid ")).back().Get("code"))
	require.Equal(t, "openid", got["scope"])
	got = r.tokens(b.authorize(request("scope", "aws.cognito.signin.user.admin")).back().Get("code"))
	require.NotContains(t, got, "id_token")
	access, _ := got["access_token"].(string)
	_, err := r.GetUser(t.Context(), userpool.AccessInput{AccessToken: access})
	require.NoError(t, err)
	require.Equal(t, 403, r.userInfo(access).status)
	r.change(publicID, func(c *userpool.ClientSettings) { c.AllowedOAuthScopes = []string{"openid"} })
	for _, scope := range []string{"openid email", "admin", "openid offline_access", "OPENID"} {
		require.Equal(t, "invalid_scope", b.authorize(request("scope", scope)).back().Get("error"), scope)
	}
	r.change(publicID, func(c *userpool.ClientSettings) { c.AllowedOAuthScopes = []string{"openid", "email"} })
	require.Equal(t, "invalid_scope", b.authorize(request("scope", "email")).back().Get("error"))
}

// TestRedirects: kinds of addresses that apps have, each as it stands.
func TestRedirects(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	b := r.browser()
	b.signIn(request(), "alice")
	for _, to := range []string{"http://localhost:3000/back", "myapp://back", "https://app.example.com/other"} {
		p := b.authorize(request("redirect_uri", to))
		require.Equal(t, 303, p.status, to)
		require.True(t, strings.HasPrefix(p.header.Get("Location"), to+"?code="), p.header.Get("Location"))
		u, err := url.Parse(p.header.Get("Location"))
		require.NoError(t, err)
		a := r.call("/oauth2/token", "", "", exchanging(u.Query().Get("code"), "redirect_uri", to))
		require.Equal(t, 200, a.status, a.raw)
	}
	require.Equal(t, 400, b.authorize(request("redirect_uri", "")).status)
	r.change(publicID, func(c *userpool.ClientSettings) { c.DefaultRedirectURI = callback })
	code := b.authorize(request("redirect_uri", "")).back().Get("code")
	a := r.call("/oauth2/token", "", "", exchanging(code, "redirect_uri", ""))
	require.Equal(t, 200, a.status, a.raw)
}

// TestRotation: a client that rotates refresh tokens gets another one each time.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	r.change(publicID, func(c *userpool.ClientSettings) {
		c.ExplicitAuthFlows, c.RefreshTokenRotation = []string{"ALLOW_USER_SRP_AUTH"}, &userpool.RefreshTokenRotation{Feature: "ENABLED"}
	})
	first := r.tokens(r.browser().signIn(request(), "alice").Get("code"))
	refresh := func(token any) answer {
		return r.call("/oauth2/token", "", "", url.Values{"grant_type": {"refresh_token"}, "client_id": {publicID}, "refresh_token": {token.(string)}})
	}
	second := refresh(first["refresh_token"])
	require.Equal(t, 200, second.status, second.raw)
	require.Equal(t, "openid email", second.body["scope"])
	require.NotEqual(t, first["refresh_token"], second.body["refresh_token"])
	refused(t, refresh(first["refresh_token"]), 400, "invalid_grant")
	refused(t, refresh(second.body["refresh_token"]), 400, "invalid_grant", "the reuse ended the sign-in")
	r.change(publicID, func(c *userpool.ClientSettings) { c.RefreshTokenRotation = nil })
	refused(t, refresh(first["refresh_token"]), 400, "unauthorized_client")
}

// TestRevocation: RFC 7009, with the answers of Cognito.
func TestRevocation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	got := r.tokens(r.browser().signIn(request(), "alice").Get("code"))
	token, _ := got["refresh_token"].(string)
	access, _ := got["access_token"].(string)
	form := func(pairs ...string) url.Values {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return q
	}
	refused(t, r.call("/oauth2/revoke", "", "", form("token", token)), 401, "invalid_client")
	refused(t, r.call("/oauth2/revoke", "", "", form("client_id", publicID)), 400, "invalid_request")
	refused(t, r.call("/oauth2/revoke", "", "", form("client_id", publicID, "token", access)), 400, "unsupported_token_type")
	refused(t, r.call("/oauth2/revoke", secretID, secret, form("token", token)), 400, "invalid_grant")
	require.Equal(t, 200, r.call("/oauth2/revoke", "", "", form("client_id", publicID, "token", "rubbish")).status)
	require.Equal(t, 200, r.userInfo(access).status)
	for range 2 {
		require.Equal(t, 200, r.call("/oauth2/revoke", "", "", form("client_id", publicID, "token", token)).status)
		require.Equal(t, 401, r.userInfo(access).status)
	}
	no := false
	r.change(publicID, func(c *userpool.ClientSettings) { c.EnableTokenRevocation = &no })
	refused(t, r.call("/oauth2/revoke", "", "", form("client_id", publicID, "token", token)), 400, "unauthorized_client")
}

// TestUserInfo: what is no access token, or none for this, is refused as RFC 6750 says.
func TestUserInfo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "email", "alice@example.com", "email_verified", "false")
	got := r.tokens(r.browser().signIn(request(), "alice").Get("code"))
	access, _ := got["access_token"].(string)
	id, _ := got["id_token"].(string)
	a := r.userInfo(access)
	require.Equal(t, 200, a.status)
	require.Equal(t, "*", a.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "alice@example.com", a.body["email"])
	require.Equal(t, false, a.body["email_verified"])
	require.Equal(t, "alice", a.body["username"])
	require.Equal(t, 200, r.call("/oauth2/userInfo", "", "", url.Values{"access_token": {access}}).status)
	for token, challenge := range map[string]string{"": "Bearer", "x": `Bearer error="invalid_token"`, id: `Bearer error="invalid_token"`, access + "x": `Bearer error="invalid_token"`} {
		a := r.userInfo(token)
		require.Equal(t, 401, a.status)
		require.Equal(t, challenge, a.header.Get("WWW-Authenticate"))
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/oauth2/userInfo?access_token="+access, nil)
	require.NoError(t, err)
	require.Equal(t, 401, r.send(q).status, "URLs get into logs")
	r.pass(time.Hour)
	require.Equal(t, 401, r.userInfo(access).status)
}

// TestTrouble: a directory that fails is not the caller's fault, and is not told in words.
func TestTrouble(t *testing.T) {
	t.Parallel()
	broken := &breaking{Directory: auth.NewMemory()}
	r := newRig(t, func(c *userpool.Config, _ *hosted.Config) { c.Directory = broken })
	r.user("alice")
	b := r.browser()
	q := request()
	code := b.signIn(q, "alice").Get("code")
	form := b.authorize(with(q, "prompt", "login"))
	broken.down.Store(true)
	for name, p := range map[string]*page{
		"authorize": b.get(r.base + "/oauth2/authorize?" + q.Encode()), "login": b.get(r.base + "/login?" + q.Encode()), "logout": b.get(r.base + "/logout"),
		"form": b.submit(form, "username", "alice", "password", goodPass),
	} {
		require.Equal(t, 503, p.status, name)
		require.NotContains(t, p.body, "disk", name)
		require.NotEmpty(t, p.text("alert"), name)
	}
	refused(t, r.call("/oauth2/token", "", "", exchanging(code)), 503, "temporarily_unavailable")
}

// breaking is a directory that can be out of reach.
type breaking struct {
	auth.Directory
	down atomic.Bool
}

func (b *breaking) fail() error {
	if b.down.Load() {
		return fmt.Errorf("%w: the disk is gone", auth.ErrUnavailable)
	}
	return nil
}

func (b *breaking) Get(ctx context.Context, key string) (auth.Record, error) {
	if err := b.fail(); err != nil {
		return auth.Record{}, err
	}
	return b.Directory.Get(ctx, key)
}

func (b *breaking) Commit(ctx context.Context, changes ...auth.Change) error {
	if err := b.fail(); err != nil {
		return err
	}
	return b.Directory.Commit(ctx, changes...)
}

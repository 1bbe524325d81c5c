package userpool_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

const callback = "https://app.example.com/back"

// withPages gives both clients of the rig OAuth settings, and the pool pages.
func withPages(c *userpool.Config) {
	c.Hosted = map[string]string{poolID: "https://login.example.com/people"}
	for i := range c.Pools[0].Clients {
		s := &c.Pools[0].Clients[i].Client.ClientSettings
		s.ExplicitAuthFlows = []string{"ALLOW_REFRESH_TOKEN_AUTH"}
		s.CallbackURLs = []string{callback}
		s.AllowedOAuthFlowsUserPoolClient, s.AllowedOAuthFlows = true, []string{"code"}
		s.AllowedOAuthScopes = []string{"openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"}
	}
}

// proof signs alice in at pages.
func (r *rig) proof(v *userpool.Pages, name string) string {
	r.t.Helper()
	step, err := v.SignIn(r.ctx, appID, name, goodPass)
	require.NoError(r.t, err)
	require.NotEmpty(r.t, step.Proof, step.ChallengeName)
	return step.Proof
}

// redeem gets tokens for a proof.
func (r *rig) redeem(v *userpool.Pages, proof string, q userpool.PageRequest) userpool.PageTokens {
	r.t.Helper()
	code, err := v.Code(r.ctx, proof, q)
	require.NoError(r.t, err)
	g, err := v.Grant(r.ctx, q.ClientID, code)
	require.NoError(r.t, err)
	require.Equal(r.t, q, g.PageRequest)
	tokens, err := v.Redeem(r.ctx, g)
	require.NoError(r.t, err)
	return tokens
}

func asks(scopes string) userpool.PageRequest {
	return userpool.PageRequest{ClientID: appID, RedirectURI: callback, Scopes: strings.Fields(scopes), Nonce: "n1", Challenge: "c1"}
}

// TestPages: a sign-in without flows and secrets becomes a proof, that a code, that the
// pool's own tokens with the scopes that were asked for.
func TestPages(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var triggers []string
	note := func(_ context.Context, e userpool.Event) error {
		mu.Lock()
		defer mu.Unlock()
		triggers = append(triggers, e.Trigger)
		return nil
	}
	r := newRig(t, withPages, func(c *userpool.Config) {
		c.Hooks = userpool.Hooks{PreAuthentication: note, PostAuthentication: note, PreToken: func(ctx context.Context, e *userpool.TokenEvent) error {
			e.IDClaims = map[string]any{"nonce": "forged", "at_hash": "forged", "tenant": "north"}
			return note(ctx, e.Event)
		}}
	})
	r.user("alice", "email", "alice@example.com", "email_verified", "true", "name", "Alice", "custom:plant", "p1")
	v := r.Pages(poolID, time.Hour)
	proof := r.proof(v, "alice")
	r.pass(time.Minute)
	who, err := v.Who(r.ctx, proof)
	require.NoError(t, err)
	require.Equal(t, userpool.PageUser{Username: "alice", Sub: value(r.get("alice").UserAttributes, "sub"), Age: time.Minute}, who)
	require.Equal(t, []string{"PreAuthentication_Authentication", "PostAuthentication_Authentication"}, triggers)

	r.pass(10 * time.Minute)
	tokens := r.redeem(v, proof, asks("openid email"))
	require.Equal(t, "TokenGeneration_HostedAuth", triggers[2])
	require.Equal(t, "openid email", tokens.Scope)
	id, access := claims(t, tokens.IDToken), claims(t, tokens.AccessToken)
	require.Equal(t, "openid email", access["scope"])
	require.Equal(t, "n1", id["nonce"])
	require.Equal(t, "north", id["tenant"])
	require.NotEqual(t, "forged", id["at_hash"])
	require.EqualValues(t, noon.Unix(), id["auth_time"], "when she signed in, not when the app got its tokens")
	require.Equal(t, "alice@example.com", id["email"])
	require.Equal(t, true, id["email_verified"])
	require.NotContains(t, id, "name")
	require.NotContains(t, id, "custom:plant")
	_, err = r.Pool(poolID).Verify(r.ctx, tokens.IDToken)
	require.NoError(t, err)

	// Refreshing keeps the scopes, at pages and elsewhere.
	again, err := v.Refresh(r.ctx, appID, tokens.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, "openid email", again.Scope)
	require.NotContains(t, claims(t, again.IDToken), "name")
	require.NotContains(t, claims(t, again.IDToken), "nonce")
	other, err := r.refresh(tokens.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, "openid email", claims(t, other.AccessToken)["scope"])

	// The access token is for what it says only.
	_, err = r.GetUser(r.ctx, userpool.AccessInput{AccessToken: tokens.AccessToken})
	is(t, err, userpool.ErrNotAuthorized, "scopes")
	info, err := v.UserInfo(r.ctx, tokens.AccessToken)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"sub": who.Sub, "username": "alice", "email": "alice@example.com", "email_verified": true}, info)

	for scopes, want := range map[string][]string{
		"openid":         {"email", "name", "custom:plant"},
		"openid profile": {"email", "name", "custom:plant"},
		"openid phone":   nil,
	} {
		got := claims(t, r.redeem(v, proof, asks(scopes)).IDToken)
		for _, name := range []string{"email", "name", "custom:plant"} {
			require.Equal(t, contains(want, name), got[name] != nil, "%s: %s", scopes, name)
		}
	}
	only := r.redeem(v, proof, asks("aws.cognito.signin.user.admin"))
	require.Empty(t, only.IDToken)
	_, err = r.GetUser(r.ctx, userpool.AccessInput{AccessToken: only.AccessToken})
	require.NoError(t, err)
	_, err = v.UserInfo(r.ctx, only.AccessToken)
	is(t, err, userpool.ErrUnauthorized, "openid")
	_, err = v.UserInfo(r.ctx, tokens.IDToken)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// TestProofEnds: what a proof rests on may end.
func TestProofEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(r *rig, v *userpool.Pages, proof string) error{
		"time":     func(r *rig, _ *userpool.Pages, _ string) error { r.pass(time.Hour); return nil },
		"sign-out": func(r *rig, v *userpool.Pages, proof string) error { return v.SignOut(r.ctx, proof) },
		"sign-out everywhere": func(r *rig, _ *userpool.Pages, _ string) error {
			_, err := r.AdminUserGlobalSignOut(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			return err
		},
		"password": func(r *rig, _ *userpool.Pages, _ string) error { r.setPassword("alice", "An0ther!pass"); return nil },
		"own password": func(r *rig, v *userpool.Pages, proof string) error {
			token := r.redeem(v, proof, asks("aws.cognito.signin.user.admin")).AccessToken
			_, err := r.ChangePassword(r.ctx, userpool.ChangePasswordInput{AccessToken: token, PreviousPassword: goodPass, ProposedPassword: "An0ther!pass"})
			return err
		},
		"disabled": func(r *rig, _ *userpool.Pages, _ string) error {
			_, err := r.AdminDisableUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			return err
		},
		"deleted": func(r *rig, _ *userpool.Pages, _ string) error {
			_, err := r.AdminDeleteUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			return err
		},
		"replaced": func(r *rig, _ *userpool.Pages, _ string) error {
			_, err := r.AdminDeleteUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			r.user("alice")
			return err
		},
	} {
		r := newRig(t, withPages)
		r.user("alice")
		v := r.Pages(poolID, time.Hour)
		proof := r.proof(v, "alice")
		code, err := v.Code(r.ctx, proof, asks("openid"))
		require.NoError(t, err)
		require.NoError(t, end(r, v, proof), name)
		_, err = v.Who(r.ctx, proof)
		is(t, err, userpool.ErrNotAuthorized)
		_, err = v.Code(r.ctx, proof, asks("openid"))
		is(t, err, userpool.ErrNotAuthorized)
		require.NoError(t, v.SignOut(r.ctx, proof), "%s: again", name)
		if name != "sign-out" { // an app may have what it was given before
			g, err := v.Grant(r.ctx, appID, code)
			require.NoError(t, err)
			_, err = v.Redeem(r.ctx, g)
			is(t, err, userpool.ErrNotAuthorized)
		}
	}
}

// TestCodeOnce: a code that is used again ends what it led to.
func TestCodeOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPages)
	r.user("alice")
	v := r.Pages(poolID, time.Hour)
	code, err := v.Code(r.ctx, r.proof(v, "alice"), asks("openid"))
	require.NoError(t, err)
	g, err := v.Grant(r.ctx, appID, code)
	require.NoError(t, err)

	const many = 8
	results := make([]userpool.PageTokens, many)
	errs := make([]error, many)
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() { results[i], errs[i] = v.Redeem(r.ctx, g) })
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			_, err := r.Pool(poolID).Verify(r.ctx, results[i].IDToken)
			require.ErrorIs(t, err, auth.ErrBadCredentials, "somebody has a copy of the code")
			_, err = v.Refresh(r.ctx, appID, results[i].RefreshToken)
			is(t, err, userpool.ErrNotAuthorized)
		} else if !errors.Is(err, userpool.ErrTooMany) {
			is(t, err, userpool.ErrNotAuthorized)
		}
	}
	require.Equal(t, 1, won)

	// Also when it would be too old.
	code, err = v.Code(r.ctx, r.proof(v, "alice"), asks("openid"))
	require.NoError(t, err)
	g, err = v.Grant(r.ctx, appID, code)
	require.NoError(t, err)
	tokens, err := v.Redeem(r.ctx, g)
	require.NoError(t, err)
	r.pass(10 * time.Minute)
	_, err = r.Pool(poolID).Verify(r.ctx, tokens.IDToken)
	require.NoError(t, err)
	_, err = v.Redeem(r.ctx, g)
	is(t, err, userpool.ErrNotAuthorized, "used before")
	_, err = r.Pool(poolID).Verify(r.ctx, tokens.IDToken)
	require.ErrorIs(t, err, auth.ErrBadCredentials)

	code, err = v.Code(r.ctx, r.proof(v, "alice"), asks("openid"))
	require.NoError(t, err)
	g, err = v.Grant(r.ctx, appID, code)
	require.NoError(t, err)
	r.pass(5 * time.Minute)
	_, err = v.Redeem(r.ctx, g)
	is(t, err, userpool.ErrNotAuthorized, "expired")
}

// TestPagesAndOperations: what is sealed for one use is of no use for another, for another
// client or pool.
func TestPagesAndOperations(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPages, func(c *userpool.Config) {
		more := c.Pools[0]
		more.ID = "eu-central-1_Other"
		more.Clients = []userpool.ClientDefinition{{ID: "other", Client: more.Clients[0].Client}}
		c.Pools = append(c.Pools, more)
	})
	r.user("alice")
	v, other := r.Pages(poolID, time.Hour), r.Pages("eu-central-1_Other", time.Hour)
	proof := r.proof(v, "alice")
	code, err := v.Code(r.ctx, proof, asks("openid"))
	require.NoError(t, err)
	for _, wrong := range []string{"", "x", code, proof + "A", proof[:len(proof)-2], strings.ToLower(proof)} {
		_, err = v.Who(r.ctx, wrong)
		is(t, err, userpool.ErrNotAuthorized)
	}
	_, err = other.Who(r.ctx, proof)
	is(t, err, userpool.ErrNotAuthorized)
	for _, wrong := range []string{"", "x", proof, code + "A"} {
		_, err = v.Grant(r.ctx, appID, wrong)
		is(t, err, userpool.ErrNotAuthorized)
	}
	_, err = v.Grant(r.ctx, secretID, code)
	is(t, err, userpool.ErrNotAuthorized)
	_, err = v.Grant(r.ctx, "other", code)
	is(t, err, userpool.ErrNotFound)
	for _, q := range []userpool.PageRequest{{ClientID: "other", Scopes: []string{"openid"}}, {ClientID: "none", Scopes: []string{"openid"}}} {
		_, err = v.Code(r.ctx, proof, q)
		is(t, err, userpool.ErrNotFound)
	}
	for _, scopes := range []string{"", "openid admin"} {
		_, err = v.Code(r.ctx, proof, asks(scopes))
		is(t, err, userpool.ErrInvalid, "Scopes")
	}
	_, err = v.SignIn(r.ctx, "other", "alice", goodPass)
	is(t, err, userpool.ErrNotFound)
	_, err = v.Refresh(r.ctx, "other", "x")
	is(t, err, userpool.ErrNotFound)
	_, err = v.SignIn(r.ctx, appID, "a b", goodPass)
	is(t, err, userpool.ErrInvalid)
	_, err = v.SignIn(r.ctx, appID, "alice", "")
	is(t, err, userpool.ErrInvalid)

	// A challenge that pages got is not answered elsewhere, and the other way round.
	_, err = r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "bob", TemporaryPassword: "Temp0rary!", MessageAction: "SUPPRESS"})
	require.NoError(t, err)
	step, err := v.SignIn(r.ctx, secretID, "bob", "Temp0rary!")
	require.NoError(t, err)
	require.Equal(t, "NEW_PASSWORD_REQUIRED", step.ChallengeName)
	answer := map[string]string{"USERNAME": "bob", "NEW_PASSWORD": goodPass, "SECRET_HASH": userpool.SecretHash(secret, "bob", secretID)}
	_, err = r.RespondToAuthChallenge(r.ctx, userpool.RespondToAuthChallengeInput{ClientID: secretID, ChallengeName: step.ChallengeName, Session: step.Session, ChallengeResponses: answer})
	is(t, err, userpool.ErrNotAuthorized, "session")
	_, err = v.Answer(r.ctx, appID, step.ChallengeName, step.Session, answer)
	is(t, err, userpool.ErrNotAuthorized, "session")
	_, err = v.Answer(r.ctx, secretID, "PASSWORD_VERIFIER", step.Session, answer)
	is(t, err, userpool.ErrInvalid, "ChallengeName")
	step, err = v.Answer(r.ctx, secretID, step.ChallengeName, step.Session, map[string]string{"NEW_PASSWORD": goodPass})
	require.NoError(t, err)
	require.NotEmpty(t, step.Proof)
}

// TestPagesGuesses: pages are no way around the count of failures.
func TestPagesGuesses(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPages)
	r.user("alice")
	v := r.Pages(poolID, time.Hour)
	for range 5 {
		_, err := v.SignIn(r.ctx, appID, "alice", "wrong")
		is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	}
	_, err := v.SignIn(r.ctx, appID, "alice", goodPass)
	is(t, err, userpool.ErrNotAuthorized, "exceeded")
	_, err = v.SignIn(r.ctx, appID, "nobody", goodPass)
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")
}

// TestPagesSweep: a sign-out is kept as long as its proof would have been good, and some.
func TestPagesSweep(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPages)
	r.user("alice")
	v := r.Pages(poolID, time.Hour)
	require.NoError(t, v.SignOut(r.ctx, r.proof(v, "alice")))
	kept := func() (n int) {
		for _, kind := range []string{"userpool-login", "userpool-login-end"} {
			for _, err := range r.dir.Scan(r.ctx, auth.Prefix(kind), "") {
				require.NoError(t, err)
				n++
			}
		}
		return n
	}
	require.NoError(t, userpool.Sweep(r.ctx, r.Service))
	require.Equal(t, 2, kept())
	r.pass(30 * time.Hour)
	require.NoError(t, userpool.Sweep(r.ctx, r.Service))
	require.Zero(t, kept())
}

// TestDiscoveryOfPages: the endpoints are named where there are pages.
func TestDiscoveryOfPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPages)
	about := func(pool string) map[string]any {
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+pool+"/.well-known/openid-configuration", nil))
		require.Equal(t, 200, w.Code)
		var m map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &m))
		return m
	}
	m := about(poolID)
	require.Equal(t, "https://login.example.com/people/oauth2/authorize", m["authorization_endpoint"])
	require.Equal(t, "https://login.example.com/people/oauth2/token", m["token_endpoint"])
	require.Equal(t, []any{"S256"}, m["code_challenge_methods_supported"])
	require.Equal(t, "https://login.example.com/people", r.HostedURL(poolID))
	bare, err := r.CreateUserPool(r.ctx, userpool.CreateUserPoolInput{PoolName: "bare"})
	require.NoError(t, err)
	require.NotContains(t, about(bare.UserPool.ID), "authorization_endpoint")
	require.Empty(t, r.HostedURL(bare.UserPool.ID))

	for pool, at := range map[string]string{"": "https://a.example", "x y": "https://a.example", poolID: "http://a.example", poolID + "1": "https://a.example/", poolID + "2": "https://a.example?x", poolID + "3": "a.example", poolID + "4": "https://a.example#x"} {
		cfg := config(r)
		cfg.Hosted = map[string]string{pool: at}
		_, err := userpool.New(cfg)
		require.ErrorContains(t, err, "Config.Hosted", "%s: %s", pool, at)
	}
}

// TestClientOAuth: which OAuth settings a client may have.
func TestClientOAuth(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	create := func(change func(c *userpool.ClientSettings)) error {
		in := userpool.CreateUserPoolClientInput{UserPoolID: poolID, ClientSettings: userpool.ClientSettings{ClientName: "x"}}
		change(&in.ClientSettings)
		out, err := r.CreateUserPoolClient(r.ctx, in)
		if err == nil {
			in.ClientName = "y"
			_, err := r.UpdateUserPoolClient(r.ctx, userpool.UpdateUserPoolClientInput{UserPoolID: poolID, ClientID: out.UserPoolClient.ClientID, ClientSettings: in.ClientSettings})
			require.NoError(t, err)
			told, err := r.DescribeUserPoolClient(r.ctx, userpool.ClientInput{UserPoolID: poolID, ClientID: out.UserPoolClient.ClientID})
			require.NoError(t, err)
			require.Equal(t, in.CallbackURLs, told.UserPoolClient.CallbackURLs)
			require.Equal(t, in.AllowedOAuthScopes, told.UserPoolClient.AllowedOAuthScopes)
			require.Equal(t, in.AllowedOAuthFlows, told.UserPoolClient.AllowedOAuthFlows)
			require.Equal(t, in.AllowedOAuthFlowsUserPoolClient, told.UserPoolClient.AllowedOAuthFlowsUserPoolClient)
			require.Equal(t, in.DefaultRedirectURI, told.UserPoolClient.DefaultRedirectURI)
		}
		return err
	}
	long := "https://example.com/" + strings.Repeat("x", 1024)
	for url, good := range map[string]bool{
		"https://example.com": true, "https://example.com/a?b=c": true, "http://localhost:8080/x": true, "http://127.0.0.1": true, "http://[::1]:1/x": true,
		"myapp://back": true, "com.example.app:/back": true,
		"": false, "/x": false, "https://": false, "http://example.com": false, "http://localhost.example.com": false, "https://example.com/x#": false,
		"https://example.com/a b": false, "https://example.com/\n": false, "https://user@example.com": false, long: false,
		"javascript:alert(1)": false, "JavaScript:alert(1)": false, "data:text/html,x": false, "vbscript:x": false, "file:///x": false, "blob:https://example.com/x": false,
	} {
		for _, set := range []func(c *userpool.ClientSettings){
			func(c *userpool.ClientSettings) { c.CallbackURLs = []string{url} },
			func(c *userpool.ClientSettings) { c.LogoutURLs = []string{url} },
		} {
			err := create(set)
			require.Equal(t, good, err == nil, "%q: %v", url, err)
			if err != nil {
				is(t, err, userpool.ErrInvalid, "URLs is ")
			}
		}
	}
	require.NoError(t, create(func(c *userpool.ClientSettings) {
		c.CallbackURLs, c.DefaultRedirectURI = []string{"https://example.com/b", "https://example.com/a"}, "https://example.com/a"
		c.AllowedOAuthFlowsUserPoolClient, c.AllowedOAuthFlows, c.AllowedOAuthScopes = true, []string{"code", "implicit"}, []string{"openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"}
	}))
	for name, bad := range map[string]struct {
		kind error
		set  func(c *userpool.ClientSettings)
	}{
		"default": {userpool.ErrInvalid, func(c *userpool.ClientSettings) { c.DefaultRedirectURI = "https://example.com" }},
		"no flows": {userpool.ErrInvalid, func(c *userpool.ClientSettings) {
			c.AllowedOAuthFlowsUserPoolClient, c.AllowedOAuthScopes = true, []string{"openid"}
		}},
		"no scopes": {userpool.ErrInvalid, func(c *userpool.ClientSettings) {
			c.AllowedOAuthFlowsUserPoolClient, c.AllowedOAuthFlows = true, []string{"code"}
		}},
		"flow":          {userpool.ErrInvalid, func(c *userpool.ClientSettings) { c.AllowedOAuthFlows = []string{"password"} }},
		"flow together": {userpool.ErrOAuthFlow, func(c *userpool.ClientSettings) { c.AllowedOAuthFlows = []string{"code", "client_credentials"} }},
		"scope":         {userpool.ErrScope, func(c *userpool.ClientSettings) { c.AllowedOAuthScopes = []string{"things/read"} }},
		"scope twice":   {userpool.ErrInvalid, func(c *userpool.ClientSettings) { c.AllowedOAuthScopes = []string{"openid", "openid"} }},
		"scope's form":  {userpool.ErrInvalid, func(c *userpool.ClientSettings) { c.AllowedOAuthScopes = []string{"open id"} }},
		"many scopes":   {userpool.ErrInvalid, func(c *userpool.ClientSettings) { c.AllowedOAuthScopes = make([]string, 51) }},
		"many URLs":     {userpool.ErrInvalid, func(c *userpool.ClientSettings) { c.LogoutURLs = make([]string, 101) }},
	} {
		err := create(bad.set)
		require.ErrorIs(t, err, bad.kind, name)
		is(t, err, bad.kind)
	}
}

// TestProofForm: proofs stand in cookies and codes in URLs as they are.
func TestProofForm(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPages)
	name := strings.Repeat("世", 128)
	r.user(name)
	v := r.Pages(poolID, time.Hour)
	proof := r.proof(v, name)
	code, err := v.Code(r.ctx, proof, asks("openid"))
	require.NoError(t, err)
	for _, text := range []string{proof, code} {
		require.Less(t, len(text), 3000, "a cookie has room for 4096 bytes")
		_, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
	}
}

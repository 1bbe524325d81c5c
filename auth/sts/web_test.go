package sts_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sts"
)

const googleApp = `"StringEquals": {"accounts.google.com:aud": "app-1"}`

func TestWebIdentity(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	role := r.role(t, "web", "Federated", google, googleApp, 2*time.Hour)
	a, err := r.AssumeRoleWithWebIdentity(ctx, sts.Request{Role: role, Session: session, Duration: 2 * time.Hour}, sign(t, google, "anna", nil, time.Hour), "")
	require.NoError(t, err)
	require.Equal(t, "anna", a.Subject)
	require.Equal(t, "app-1", a.Audience)
	require.Equal(t, "https://"+google, a.Provider)
	who := r.holder(t, a.Credentials)
	require.Equal(t, auth.IAM, who.Kind)
	require.Equal(t, map[string]string{
		"aws:PrincipalArn": role, "aws:PrincipalAccount": "000000000000", "aws:userid": roles.RoleID(role) + ":anna", google + ":sub": "anna", google + ":aud": "app-1",
		"aws:FederatedProvider": "arn:aws:iam::000000000000:oidc-provider/" + google,
	}, who.Attributes)

	// By the ARN of the provider, and for a provider whose tokens do not say who made them.
	byARN := r.role(t, "arn", "Federated", "arn:aws:iam::000000000000:oidc-provider/"+google, googleApp, time.Hour)
	_, err = r.AssumeRoleWithWebIdentity(ctx, sts.Request{Role: byARN, Session: session}, sign(t, google, "anna", nil, time.Hour), "")
	require.NoError(t, err)
	shop := r.role(t, "shop", "Federated", amazon, `"StringEquals": {"www.amazon.com:app_id": "app-1"}`, time.Hour)
	a, err = r.AssumeRoleWithWebIdentity(ctx, sts.Request{Role: shop, Session: session}, sign(t, amazon, "anna", nil, time.Hour), amazon)
	require.NoError(t, err)
	require.Equal(t, amazon, a.Provider)
}

func TestWebIdentityRefuses(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	role := r.role(t, "web", "Federated", google, googleApp, time.Hour)
	good := sign(t, google, "anna", nil, time.Hour)
	payload := func(text string) string {
		parts := strings.Split(good, ".")
		return parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(text)) + "." + parts[2]
	}
	for name, c := range map[string]struct {
		token, provider string
		kind            error
	}{
		"expired":                        {sign(t, google, "anna", nil, -time.Minute), "", sts.ErrExpired},
		"for another application":        {sign(t, google, "anna", map[string]any{"aud": "app-2"}, time.Hour), "", sts.ErrDenied},
		"for nobody":                     {sign(t, google, "anna", map[string]any{"aud": []string{}}, time.Hour), "", sts.ErrDenied},
		"issued to another application":  {sign(t, google, "anna", map[string]any{"aud": []string{"app-1", "app-2"}, "azp": "app-2"}, time.Hour), "", sts.ErrDenied},
		"of an issuer that nobody knows": {sign(t, "evil.example.com", "anna", nil, time.Hour), "", sts.ErrInvalidToken},
		"of another issuer":              {sign(t, amazon, "anna", nil, time.Hour), google, sts.ErrInvalidToken},
		"of a provider it is not for":    {sign(t, amazon, "anna", nil, time.Hour), "", sts.ErrDenied},
		"with a claim that was changed":  {payload(`{"iss":"https://accounts.google.com","sub":"admin","aud":"app-1","exp":9999999999,"iat":1}`), "", sts.ErrInvalidToken},
		"that says it is a pool's":       {payload(`{"iss":"https://cognito-identity.amazonaws.com","sub":"local:1","aud":"local:2","amr":["authenticated"],"exp":9999999999,"iat":1}`), "", sts.ErrInvalidToken},
		"given out as a pool's":          {good, "cognito-identity.amazonaws.com", sts.ErrInvalidToken},
		"with an issuer without TLS":     {payload(`{"iss":"http://accounts.google.com"}`), "", sts.ErrInvalidToken},
		"with a slash behind the issuer": {payload(`{"iss":"https://accounts.google.com/"}`), "", sts.ErrInvalidToken},
		"without an issuer":              {payload(`{}`), "", sts.ErrInvalidToken},
		"that is none":                   {"none", "", sts.ErrInvalidToken},
		"with bad base64":                {"a.!.c", "", sts.ErrInvalidToken},
		"too short":                      {"abc", "", sts.ErrInvalid},
		"too long":                       {strings.Repeat("a", 20_001), "", sts.ErrInvalid},
		"of a provider with a long name": {good, strings.Repeat("a", 2049), sts.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := r.AssumeRoleWithWebIdentity(ctx, sts.Request{Role: role, Session: session}, c.token, c.provider)
			require.ErrorIs(t, err, c.kind)
		})
	}
	for _, bad := range []sts.Request{{Role: "x", Session: session}, {Role: role}} {
		_, err := r.AssumeRoleWithWebIdentity(ctx, bad, good, "")
		require.ErrorIs(t, err, sts.ErrInvalid)
	}
}

// failing is a verifier of a provider that says no.
type failing struct {
	token *auth.Token
	err   error
}

func (f failing) Verify(context.Context, string) (*auth.Token, error) { return f.token, f.err }

func TestProvidersThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failing
		kind error
	}{
		{failing{nil, auth.ErrNotAuthorized}, sts.ErrRejected},
		{failing{nil, auth.ErrBanned}, sts.ErrRejected},
		{failing{nil, auth.ErrUnavailable}, sts.ErrUnavailable},
		{failing{nil, errors.New("broken")}, sts.ErrUnavailable},
		{failing{nil, nil}, sts.ErrInvalidToken},
		{failing{&auth.Token{}, nil}, sts.ErrInvalidToken},
		{failing{&auth.Token{Subject: "x", Expires: time.Unix(1, 0)}, nil}, sts.ErrExpired},
	} {
		r := newRig(t, func(cfg *sts.Config) {
			cfg.Provider = func(_ context.Context, name string) (auth.TokenVerifier, error) {
				if name == "down" {
					return nil, auth.ErrUnavailable
				}
				return c.failing, nil
			}
		})
		role := r.role(t, "web", "Federated", "a.example.com", `"StringEquals": {"a.example.com:aud": "x"}`, time.Hour)
		_, err := r.AssumeRoleWithWebIdentity(t.Context(), sts.Request{Role: role, Session: session}, "token", "a.example.com")
		require.ErrorIs(t, err, c.kind)
		_, err = r.AssumeRoleWithWebIdentity(t.Context(), sts.Request{Role: role, Session: session}, "token", "down")
		require.ErrorIs(t, err, sts.ErrUnavailable)
	}
}

// The basic flow: a token of an identity pool takes a role that trusts the pool.
func TestBasicFlow(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	pools := map[string]identitypool.Pool{}
	for _, name := range []string{"ours", "theirs"} {
		p, err := r.pools.CreateIdentityPool(ctx, identitypool.Pool{Name: name, AllowUnauthenticated: true, AllowClassicFlow: true, LoginProviders: map[string]string{google: "app-1"}})
		require.NoError(t, err)
		pools[name] = p
	}
	ours := pools["ours"]
	condition := func(amr string) string {
		return fmt.Sprintf(`"StringEquals": {"cognito-identity.amazonaws.com:aud": %q}, "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": %q}`, ours.ID, amr)
	}
	role := r.role(t, "pool", "Federated", "cognito-identity.amazonaws.com", condition("authenticated"), 3*time.Hour)
	guests := r.role(t, "guests", "Federated", "cognito-identity.amazonaws.com", condition("unauthenticated"), time.Hour)
	hole := r.role(t, "hole", "Federated", "cognito-identity.amazonaws.com", "", time.Hour)
	logins := identitypool.Logins{google: sign(t, google, "anna", nil, time.Hour)}
	token := func(pool string, logins identitypool.Logins) (id, token string) {
		id, err := r.pools.GetID(ctx, pools[pool].ID, logins)
		require.NoError(t, err)
		token, err = r.pools.GetOpenIDToken(ctx, id, logins)
		require.NoError(t, err)
		return id, token
	}
	take := func(role, token string) (sts.WebIdentity, error) {
		return r.AssumeRoleWithWebIdentity(ctx, sts.Request{Role: role, Session: session, Duration: time.Hour}, token, "")
	}
	id, mine := token("ours", logins)
	a, err := take(role, mine)
	require.NoError(t, err)
	require.Equal(t, id, a.Subject)
	require.Equal(t, ours.ID, a.Audience)
	who := r.holder(t, a.Credentials)
	require.Equal(t, auth.Authenticated, who.Kind)
	require.Equal(t, id, who.Principal)
	require.Equal(t, role, who.Role)
	require.Equal(t, ours.ID, who.Attributes[roles.PoolAud])
	require.Equal(t, google+","+google+":anna", who.Attributes[roles.PoolAMR])
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/pool/anna", r.GetCallerIdentity(who).ARN)

	_, stranger := token("theirs", logins)
	_, err = take(role, stranger)
	require.ErrorIs(t, err, sts.ErrDenied, "another pool")
	_, err = take(hole, stranger)
	require.NoError(t, err, "what the warning is about")
	guest, of := token("ours", nil)
	_, err = take(role, of)
	require.ErrorIs(t, err, sts.ErrDenied, "a guest")
	a, err = take(guests, of)
	require.NoError(t, err)
	require.Equal(t, auth.Guest, r.holder(t, a.Credentials).Kind)
	_, err = take(guests, mine)
	require.ErrorIs(t, err, sts.ErrDenied)

	// A token ends with its identity, and with what it says of it.
	_, err = r.pools.GetCredentialsForIdentity(ctx, guest, identitypool.Logins{google: sign(t, google, "bob", nil, time.Hour)}, "")
	require.ErrorIs(t, err, identitypool.ErrConfiguration, "the pool has no roles, but bob is linked")
	_, err = take(guests, of)
	require.ErrorIs(t, err, sts.ErrInvalidToken, "no guest's any more")
	require.NoError(t, r.pools.SetIdentityDisabled(ctx, id, true))
	_, err = take(role, mine)
	require.ErrorIs(t, err, sts.ErrInvalidToken)
	require.NoError(t, r.pools.SetIdentityDisabled(ctx, id, false))
	ours.AllowClassicFlow = false
	_, err = r.pools.UpdateIdentityPool(ctx, ours)
	require.NoError(t, err)
	_, err = take(role, mine)
	require.ErrorIs(t, err, sts.ErrInvalidToken, "the basic flow was turned off")
	_, err = r.pools.DeleteIdentities(ctx, id)
	require.NoError(t, err)
	_, err = take(role, mine)
	require.ErrorIs(t, err, sts.ErrInvalidToken)

	none := newRig(t, func(c *sts.Config) { c.IdentityPools = nil })
	_, err = none.AssumeRoleWithWebIdentity(ctx, sts.Request{Role: role, Session: session}, mine, "")
	require.ErrorIs(t, err, sts.ErrInvalidToken)
}

func FuzzWebIdentity(f *testing.F) {
	r := newRig(f)
	role := r.role(f, "web", "Federated", google, googleApp, time.Hour)
	f.Add("a.e30.c", "")
	f.Add(sign(f, google, "anna", map[string]any{"aud": "app-2"}, time.Hour), "")
	f.Add(sign(f, amazon, "anna", nil, time.Hour), google)
	f.Fuzz(func(t *testing.T, token, provider string) {
		_, err := r.AssumeRoleWithWebIdentity(t.Context(), sts.Request{Role: role, Session: session}, token, provider)
		_, typed := errors.AsType[*sts.Error](err)
		require.True(t, typed, "%v", err)
	})
}

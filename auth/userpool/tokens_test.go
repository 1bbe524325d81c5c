package userpool_test

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "email", "alice@example.com", "email_verified", "true", "phone_number", "+491234567", "custom:plant", "north")
	one, two := 1, 2
	for _, g := range []userpool.GroupInput{
		{GroupName: "b-staff", RoleArn: "arn:aws:iam::123456789012:role/staff", Precedence: &two},
		{GroupName: "a-all"},
		{GroupName: "c-admin", RoleArn: "arn:aws:iam::123456789012:role/admin", Precedence: &one},
	} {
		g.UserPoolID = poolID
		_, err := r.CreateGroup(r.ctx, g)
		require.NoError(t, err)
		_, err = r.AdminAddUserToGroup(r.ctx, userpool.MemberInput{UserPoolID: poolID, GroupName: g.GroupName, Username: "alice"})
		require.NoError(t, err)
	}
	got := r.login("alice")
	require.Equal(t, "Bearer", got.TokenType)
	require.Equal(t, 3600, got.ExpiresIn)
	id, access := claims(t, got.IDToken), claims(t, got.AccessToken)
	sub := value(r.get("alice").UserAttributes, "sub")
	for _, c := range []map[string]any{id, access} {
		require.Equal(t, sub, c["sub"])
		require.Equal(t, "https://cognito-idp.eu-central-1.amazonaws.com/"+poolID, c["iss"])
		require.EqualValues(t, noon.Unix(), c["iat"])
		require.EqualValues(t, noon.Unix(), c["auth_time"])
		require.EqualValues(t, noon.Unix()+3600, c["exp"])
		require.Equal(t, []any{"c-admin", "b-staff", "a-all"}, c["cognito:groups"])
		require.Equal(t, id["origin_jti"], c["origin_jti"])
		require.NotEmpty(t, c["event_id"])
	}
	require.NotEqual(t, id["jti"], access["jti"])
	for _, name := range []string{"sub", "iss", "iat", "auth_time", "exp", "cognito:groups", "origin_jti", "event_id", "jti"} {
		delete(id, name)
		delete(access, name)
	}
	require.Equal(t, map[string]any{
		"aud": appID, "token_use": "id", "cognito:username": "alice", "email": "alice@example.com", "email_verified": true,
		"phone_number": "+491234567", "phone_number_verified": false, "custom:plant": "north",
		"cognito:roles":          []any{"arn:aws:iam::123456789012:role/admin", "arn:aws:iam::123456789012:role/staff"},
		"cognito:preferred_role": "arn:aws:iam::123456789012:role/admin",
	}, without(id, "phone_number_verified", "phone_number_verified"), "the number was never verified")
	require.Equal(t, map[string]any{"client_id": appID, "token_use": "access", "username": "alice", "scope": "aws.cognito.signin.user.admin"}, access)

	head, err := base64.RawURLEncoding.DecodeString(strings.Split(got.IDToken, ".")[0])
	require.NoError(t, err)
	_, kid := userpool.SigningKey(r.Service, poolID)
	require.JSONEq(t, `{"alg":"RS256","kid":"`+kid+`"}`, string(head))

	v := r.Pool(poolID)
	require.True(t, v.Immediate())
	require.Equal(t, r.IssuerOf(poolID), v.Issuer())
	token, err := v.Verify(r.ctx, got.IDToken)
	require.NoError(t, err)
	require.Equal(t, r.IssuerOf(poolID), token.Issuer)
	require.Equal(t, sub, token.Subject)
	require.Equal(t, []string{appID}, token.Audience)
	require.Equal(t, noon, token.Issued)
	require.Equal(t, noon.Add(time.Hour), token.Expires)
	require.Equal(t, "north", token.Claims["custom:plant"])
	_, err = v.VerifyAccess(r.ctx, got.AccessToken)
	require.NoError(t, err)

	r.pass(time.Hour - time.Second)
	_, err = v.Verify(r.ctx, got.IDToken)
	require.NoError(t, err)
	r.pass(time.Second)
	_, err = v.Verify(r.ctx, got.IDToken)
	require.ErrorIs(t, err, auth.ErrTokenExpired)
	_, err = r.GetUser(r.ctx, userpool.AccessInput{AccessToken: got.AccessToken})
	is(t, err, userpool.ErrNotAuthorized, "expired")
}

// without fills in false where a claim is missing, so that both forms are equal.
func without(m map[string]any, names ...string) map[string]any {
	m = maps.Clone(m)
	for _, n := range names {
		if _, ok := m[n]; !ok {
			m[n] = false
		}
	}
	return m
}

// TestRevoked: what ends the tokens of a user, and what does not.
func TestRevoked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(r *rig, got *userpool.AuthenticationResult) error
		told string // what GetUser says then
	}{
		{"RevokeToken", func(r *rig, got *userpool.AuthenticationResult) error {
			_, err := r.RevokeToken(r.ctx, userpool.RevokeTokenInput{ClientID: appID, Token: got.RefreshToken})
			return err
		}, "revoked"},
		{"GlobalSignOut", func(r *rig, got *userpool.AuthenticationResult) error {
			_, err := r.GlobalSignOut(r.ctx, userpool.AccessInput{AccessToken: got.AccessToken})
			return err
		}, "revoked"},
		{"AdminUserGlobalSignOut", func(r *rig, _ *userpool.AuthenticationResult) error {
			_, err := r.AdminUserGlobalSignOut(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			return err
		}, "revoked"},
		{"AdminDisableUser", func(r *rig, _ *userpool.AuthenticationResult) error {
			_, err := r.AdminDisableUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			return err
		}, "revoked"},
		{"disabled and enabled", func(r *rig, _ *userpool.AuthenticationResult) error {
			_, err := r.AdminDisableUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			if err == nil {
				_, err = r.AdminEnableUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			}
			return err
		}, "revoked"},
		{"DeleteUser", func(r *rig, got *userpool.AuthenticationResult) error {
			_, err := r.DeleteUser(r.ctx, userpool.AccessInput{AccessToken: got.AccessToken})
			return err
		}, "revoked"},
		{"deleted and made anew", func(r *rig, _ *userpool.AuthenticationResult) error {
			_, err := r.AdminDeleteUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			r.user("alice")
			return err
		}, "revoked"},
		{"AdminSetUserPassword", func(r *rig, _ *userpool.AuthenticationResult) error {
			r.setPassword("alice", "An0ther!pass")
			return nil
		}, "revoked"},
		{"AdminResetUserPassword", func(r *rig, _ *userpool.AuthenticationResult) error {
			_, err := r.AdminResetUserPassword(r.ctx, userpool.AdminResetUserPasswordInput{UserPoolID: poolID, Username: "alice"})
			return err
		}, "revoked"},
		{"DeleteUserPoolClient", func(r *rig, _ *userpool.AuthenticationResult) error {
			_, err := r.DeleteUserPoolClient(r.ctx, userpool.ClientInput{UserPoolID: poolID, ClientID: appID})
			return err
		}, "Invalid"},
		{"DeleteUserPool", func(r *rig, _ *userpool.AuthenticationResult) error {
			_, err := r.DeleteUserPool(r.ctx, userpool.PoolInput{UserPoolID: poolID})
			return err
		}, "Invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.user("alice", "email", "alice@example.com", "email_verified", "true")
			got, v := r.login("alice"), r.Pool(poolID)
			_, err := v.Verify(r.ctx, got.IDToken)
			require.NoError(t, err)
			require.NoError(t, c.end(r, got))
			_, err = v.Verify(r.ctx, got.IDToken)
			require.ErrorIs(t, err, auth.ErrBadCredentials)
			_, err = r.GetUser(r.ctx, userpool.AccessInput{AccessToken: got.AccessToken})
			is(t, err, userpool.ErrNotAuthorized, c.told)
			_, err = r.refresh(got.RefreshToken)
			require.Error(t, err)
			if c.name != "RevokeToken" && !strings.HasPrefix(c.name, "DeleteUserPool") {
				require.NotEmpty(t, r.changed)
			}
		})
	}
	r := newRig(t)
	r.user("alice")
	one, two := r.login("alice"), r.login("alice")
	_, err := r.RevokeToken(r.ctx, userpool.RevokeTokenInput{ClientID: appID, Token: one.RefreshToken})
	require.NoError(t, err)
	_, err = r.RevokeToken(r.ctx, userpool.RevokeTokenInput{ClientID: appID, Token: one.RefreshToken})
	require.NoError(t, err, "again")
	_, err = r.Pool(poolID).Verify(r.ctx, two.IDToken)
	require.NoError(t, err, "the other sign-in goes on")
	_, err = r.ChangePassword(r.ctx, userpool.ChangePasswordInput{AccessToken: two.AccessToken, PreviousPassword: goodPass, ProposedPassword: "An0ther!pass"})
	require.NoError(t, err)
	_, err = r.Pool(poolID).Verify(r.ctx, two.IDToken)
	require.NoError(t, err, "its own change of the password does not end it")
	for _, c := range []struct {
		in   userpool.RevokeTokenInput
		kind error
	}{
		{userpool.RevokeTokenInput{ClientID: appID, Token: two.IDToken}, userpool.ErrTokenType},
		{userpool.RevokeTokenInput{ClientID: appID, Token: two.AccessToken}, userpool.ErrTokenType},
		{userpool.RevokeTokenInput{ClientID: appID, Token: "x"}, userpool.ErrInvalid},
		{userpool.RevokeTokenInput{ClientID: "nobody", Token: two.RefreshToken}, userpool.ErrInvalid},
		{userpool.RevokeTokenInput{ClientID: appID, ClientSecret: "x", Token: two.RefreshToken}, userpool.ErrUnauthorized},
		{userpool.RevokeTokenInput{ClientID: secretID, Token: two.RefreshToken}, userpool.ErrUnauthorized},
		{userpool.RevokeTokenInput{ClientID: secretID, ClientSecret: secret, Token: two.RefreshToken}, userpool.ErrUnauthorized},
	} {
		_, err := r.RevokeToken(r.ctx, c.in)
		is(t, err, c.kind)
	}
	no := false
	_, err = r.UpdateUserPoolClient(r.ctx, userpool.UpdateUserPoolClientInput{UserPoolID: poolID, ClientID: appID, ClientSettings: userpool.ClientSettings{EnableTokenRevocation: &no}})
	require.NoError(t, err)
	_, err = r.RevokeToken(r.ctx, userpool.RevokeTokenInput{ClientID: appID, Token: two.RefreshToken})
	is(t, err, userpool.ErrUnsupported)
}

func TestPreToken(t *testing.T) {
	t.Parallel()
	var event userpool.TokenEvent
	var fail error
	r := newRig(t, func(c *userpool.Config) {
		c.Hooks.PreToken = func(_ context.Context, e *userpool.TokenEvent) error {
			event = *e
			e.Groups = append(e.Groups, "extra")
			e.IDClaims = map[string]any{"tenant": "north", "sub": "x", "aud": "x", "exp": 1, "token_use": "access", "client_id": "x", "cognito:username": "x", "list": []int{1}}
			e.AccessClaims = map[string]any{"tenant": "south", "aud": "x", "username": "x", "jti": "x"}
			e.SuppressID, e.SuppressAccess = []string{"email", "iss"}, []string{"client_id"}
			e.AddScopes = []string{"things/read"}
			return fail
		}
	})
	r.user("alice", "email", "alice@example.com")
	got := r.login("alice")
	require.Equal(t, "TokenGeneration_Authentication", event.Trigger)
	id, access := claims(t, got.IDToken), claims(t, got.AccessToken)
	require.Equal(t, "north", id["tenant"])
	require.Equal(t, []any{1.0}, id["list"])
	require.Equal(t, []any{"extra"}, id["cognito:groups"])
	require.NotContains(t, id, "email")
	require.NotContains(t, id, "client_id")
	require.Equal(t, "south", access["tenant"])
	require.NotContains(t, access, "aud")
	require.Equal(t, "aws.cognito.signin.user.admin things/read", access["scope"])
	for name, want := range map[string]any{"aud": appID, "token_use": "id", "cognito:username": "alice", "iss": r.IssuerOf(poolID)} {
		require.Equal(t, want, id[name])
	}
	require.Equal(t, appID, access["client_id"])
	require.Equal(t, "alice", access["username"])
	_, err := r.Pool(poolID).Verify(r.ctx, got.IDToken)
	require.NoError(t, err)
	_, err = r.refresh(got.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, "TokenGeneration_RefreshTokens", event.Trigger)
	fail = errors.New("not today")
	_, err = r.try("alice", goodPass)
	is(t, err, userpool.ErrRefused, "PreTokenGeneration failed with error not today.")
}

// TestKeys: keys are shared by hubs, published before they sign, and kept as long as a
// token may live.
func TestKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	got := r.login("alice")
	first := r.Service
	_, kid := userpool.SigningKey(first, poolID)
	r.open() // another hub
	_, err := r.Pool(poolID).Verify(r.ctx, got.IDToken)
	require.NoError(t, err)
	_, same := userpool.SigningKey(r.Service, poolID)
	require.Equal(t, kid, same)

	r.pass(89 * 24 * time.Hour) // a day before: the next one is published
	_, same = userpool.SigningKey(r.Service, poolID)
	require.Equal(t, kid, same)
	r.pass(24*time.Hour - time.Second)
	old := r.login("alice")
	_, same = userpool.SigningKey(r.Service, poolID)
	require.Equal(t, kid, same)
	r.pass(time.Second)
	_, next := userpool.SigningKey(r.Service, poolID)
	require.NotEqual(t, kid, next)
	fresh := r.login("alice")
	for _, s := range []*userpool.Service{first, r.Service} {
		for _, token := range []string{old.IDToken, fresh.IDToken} {
			_, err := s.Pool(poolID).Verify(r.ctx, token)
			require.NoError(t, err)
		}
		_, same = userpool.SigningKey(s, poolID)
		require.Equal(t, next, same)
	}
	// At the one after the next the first has gone.
	r.pass(90 * 24 * time.Hour)
	r.login("alice")
	r.open()
	_, err = r.Pool(poolID).Verify(r.ctx, old.IDToken)
	require.ErrorContains(t, err, "key")
}

func FuzzVerify(f *testing.F) {
	r := newRig(f)
	r.user("alice")
	got := r.login("alice")
	r.ctx = context.Background()
	key, kid := userpool.SigningKey(r.Service, poolID)
	for _, token := range []string{got.IDToken, got.AccessToken, got.RefreshToken, "a.b.c", "{}", forge(f, key, map[string]any{"alg": "RS256", "kid": kid}, map[string]any{"exp": "x"})} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		v := r.Pool(poolID)
		id, idErr := v.Verify(r.ctx, token)
		access, accessErr := v.VerifyAccess(r.ctx, token)
		require.False(t, idErr == nil && accessErr == nil, "a token is of one kind")
		if idErr == nil {
			require.Equal(t, "id", id.Claims["token_use"])
		}
		if accessErr == nil {
			require.Equal(t, "access", access.Claims["token_use"])
		}
		_, _ = r.refresh(token)
		_, _ = r.RevokeToken(r.ctx, userpool.RevokeTokenInput{ClientID: appID, Token: token})
	})
}

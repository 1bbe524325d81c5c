package userpool_test

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

func TestRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	got := r.login("alice")
	r.pass(2 * time.Hour)
	again, err := r.refresh(got.RefreshToken)
	require.NoError(t, err)
	require.Empty(t, again.RefreshToken)
	was, is2 := claims(t, got.IDToken), claims(t, again.IDToken)
	require.Equal(t, was["origin_jti"], is2["origin_jti"])
	require.Equal(t, was["auth_time"], is2["auth_time"])
	require.EqualValues(t, r.now().Unix(), is2["iat"])
	_, err = r.Pool(poolID).Verify(r.ctx, again.IDToken)
	require.NoError(t, err)
	other, err := r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters: map[string]string{"REFRESH_TOKEN": got.RefreshToken}})
	require.NoError(t, err)
	require.Empty(t, other.AuthenticationResult.RefreshToken)
	b, err := base64.RawURLEncoding.DecodeString(got.RefreshToken)
	require.NoError(t, err)
	for i := range b {
		bad := append([]byte(nil), b...)
		bad[i] ^= 1
		_, err := r.refresh(base64.RawURLEncoding.EncodeToString(bad))
		is(t, err, userpool.ErrNotAuthorized, "Invalid Refresh Token")
	}
	for _, bad := range []string{"x", got.AccessToken, got.RefreshToken + "A", got.RefreshToken[1:]} {
		_, err := r.refresh(bad)
		is(t, err, userpool.ErrNotAuthorized)
	}
	_, err = r.GetTokensFromRefreshToken(r.ctx, userpool.GetTokensFromRefreshTokenInput{ClientID: secretID, ClientSecret: secret, RefreshToken: got.RefreshToken})
	is(t, err, userpool.ErrNotAuthorized)
	_, err = r.GetTokensFromRefreshToken(r.ctx, userpool.GetTokensFromRefreshTokenInput{ClientID: secretID, RefreshToken: got.RefreshToken})
	is(t, err, userpool.ErrNotAuthorized, "secret")
	r.pass(30*24*time.Hour - 2*time.Hour - time.Second)
	_, err = r.refresh(got.RefreshToken)
	require.NoError(t, err)
	r.pass(time.Second)
	_, err = r.refresh(got.RefreshToken)
	is(t, err, userpool.ErrNotAuthorized, "expired")

	// A client with a secret proves it with any of the user's names.
	auth := func(params map[string]string) (userpool.AuthOutput, error) {
		flow := "USER_PASSWORD_AUTH"
		if params["REFRESH_TOKEN"] != "" {
			flow = "REFRESH_TOKEN_AUTH"
		}
		return r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: secretID, AuthFlow: flow, AuthParameters: params})
	}
	out, err := auth(map[string]string{"USERNAME": "alice", "PASSWORD": goodPass, "SECRET_HASH": userpool.SecretHash(secret, "alice", secretID)})
	require.NoError(t, err)
	token := out.AuthenticationResult.RefreshToken
	for _, name := range []string{"alice", value(r.get("alice").UserAttributes, "sub")} {
		_, err = auth(map[string]string{"REFRESH_TOKEN": token, "SECRET_HASH": userpool.SecretHash(secret, name, secretID)})
		require.NoError(t, err, name)
	}
	_, err = auth(map[string]string{"REFRESH_TOKEN": token, "SECRET_HASH": userpool.SecretHash(secret, "bob", secretID), "USERNAME": "bob"})
	is(t, err, userpool.ErrNotAuthorized, "secret hash") // which a user of the client's app may have, with another's token
	_, err = auth(map[string]string{"REFRESH_TOKEN": token, "SECRET_HASH": userpool.SecretHash(secret, "bob", secretID)})
	is(t, err, userpool.ErrNotAuthorized)
	_, err = auth(map[string]string{"REFRESH_TOKEN": token})
	is(t, err, userpool.ErrNotAuthorized)
}

func rotate(grace int) func(c *userpool.Config) {
	return func(c *userpool.Config) {
		c.Pools[0].Clients[0].Client.RefreshTokenRotation = &userpool.RefreshTokenRotation{Feature: "ENABLED", RetryGracePeriodSeconds: grace}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRig(t, rotate(0))
	r.user("alice")
	got := r.login("alice")
	next, err := r.refresh(got.RefreshToken)
	require.NoError(t, err)
	require.NotEmpty(t, next.RefreshToken)
	third, err := r.refresh(next.RefreshToken)
	require.NoError(t, err)
	_, err = r.refresh(got.RefreshToken)
	is(t, err, userpool.ErrReuse)
	_, err = r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters: map[string]string{"REFRESH_TOKEN": next.RefreshToken}})
	is(t, err, userpool.ErrNotAuthorized, "revoked")
	_, err = r.refresh(third.RefreshToken)
	is(t, err, userpool.ErrNotAuthorized, "revoked")
	_, err = r.Pool(poolID).Verify(r.ctx, third.IDToken)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	require.Contains(t, r.log.String(), "used again after its rotation")

	// It does not live longer for being replaced.
	got = r.login("alice")
	for range 3 {
		r.pass(10*24*time.Hour - time.Second)
		got, err = r.refresh(got.RefreshToken)
		require.NoError(t, err)
	}
	r.pass(3 * time.Second)
	_, err = r.refresh(got.RefreshToken)
	is(t, err, userpool.ErrNotAuthorized, "expired")

	// Within the grace period the one before is good too, for an answer that was lost.
	r = newRig(t, rotate(30))
	r.user("alice")
	got = r.login("alice")
	lost, err := r.refresh(got.RefreshToken)
	require.NoError(t, err)
	r.pass(29 * time.Second)
	next, err = r.refresh(got.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, lost.RefreshToken, next.RefreshToken, "using one would spoil the other")
	_, err = r.refresh(next.RefreshToken)
	require.NoError(t, err)
	_, err = r.refresh(got.RefreshToken)
	is(t, err, userpool.ErrReuse)
}

// TestRotationRace: of many who use a refresh token at once one gets the next.
func TestRotationRace(t *testing.T) {
	t.Parallel()
	r := newRig(t, rotate(0))
	r.user("alice")
	token := r.login("alice").RefreshToken
	const n = 8
	results := make(chan error, n)
	for range n {
		go func() {
			_, err := r.refresh(token)
			results <- err
		}()
	}
	good := 0
	for range n {
		if err := <-results; err == nil {
			good++
		} else {
			require.True(t, errors.Is(err, userpool.ErrReuse) || errors.Is(err, userpool.ErrNotAuthorized), err)
		}
	}
	require.Equal(t, 1, good)
}

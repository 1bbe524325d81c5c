package identitypool_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
)

func TestOpenIDToken(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	anna := login(t, people, "a1")
	id := r.identity(t, anna)
	token, err := r.GetOpenIDToken(ctx, id, anna)
	require.NoError(t, err)

	// As somebody sees it who has the address only.
	srv := httptest.NewServer(r.Discovery("http://placeholder"))
	t.Cleanup(srv.Close)
	get := func(path string, into any) {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(q)
		require.NoError(t, err)
		defer func() { require.NoError(t, res.Body.Close()) }()
		require.Equal(t, 200, res.StatusCode)
		require.NoError(t, json.NewDecoder(res.Body).Decode(into))
	}
	var discovery struct {
		Issuer string
		Keys   string   `json:"jwks_uri"`
		Algs   []string `json:"id_token_signing_alg_values_supported"`
	}
	get("/.well-known/openid-configuration", &discovery)
	require.Equal(t, "https://cognito-identity.amazonaws.com", discovery.Issuer)
	require.Equal(t, "http://placeholder/.well-known/jwks.json", discovery.Keys)
	require.Equal(t, []string{"RS256"}, discovery.Algs)
	var keys jose.JSONWebKeySet
	get("/.well-known/jwks.json", &keys)
	require.Len(t, keys.Keys, 1)
	require.True(t, keys.Keys[0].IsPublic())
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, parsed.Claims(keys, &claims))
	require.Equal(t, map[string]any{
		"iss": "https://cognito-identity.amazonaws.com", "aud": r.pool.ID, "sub": id, "iat": float64(r.at.Unix()), "exp": float64(r.at.Add(10 * time.Minute).Unix()),
		"amr": []any{"authenticated", people, people + ":CognitoSignIn:a1"},
	}, claims)

	verifier := r.WebIdentity()
	got, err := verifier.Verify(ctx, token)
	require.NoError(t, err)
	require.Equal(t, id, got.Subject)
	require.Equal(t, []string{r.pool.ID}, got.Audience)
	r.pass(10 * time.Minute)
	_, err = verifier.Verify(ctx, token)
	require.ErrorIs(t, err, auth.ErrTokenExpired)
	_, err = verifier.Verify(ctx, sign(t, google, "anna", nil, time.Hour))
	require.ErrorIs(t, err, auth.ErrBadCredentials)

	guest, err := r.GetOpenIDToken(ctx, r.identity(t, nil), nil)
	require.NoError(t, err)
	got, err = verifier.Verify(ctx, guest)
	require.NoError(t, err)
	require.Equal(t, []any{"unauthenticated"}, got.Claims["amr"])
}

// A token of the basic flow is no login: who has one could go on with it for ever.
func TestTokensOfTheBasicFlowAreNoLogins(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	anna := login(t, google, "anna")
	id := r.identity(t, anna)
	token, err := r.GetOpenIDToken(ctx, id, anna)
	require.NoError(t, err)
	guestID := r.identity(t, nil)
	guest, err := r.GetOpenIDToken(ctx, guestID, nil)
	require.NoError(t, err)
	_, user := r.user(t, "u1")
	other, err := r.CreateIdentityPool(ctx, wholePool())
	require.NoError(t, err)
	for name, c := range map[string]struct{ pool, token string }{
		"of who has signed in": {r.pool.ID, token},
		"of a guest":           {r.pool.ID, guest},
		"of another pool":      {other.ID, user},
		"of Google":            {r.pool.ID, anna[google]},
		"no token":             {r.pool.ID, "x"},
	} {
		_, err := r.GetID(ctx, c.pool, identitypool.Logins{own: c.token})
		require.ErrorIs(t, err, identitypool.ErrNotAuthorized, name)
	}
	// And a token that was got with a user's is none either.
	userID, _ := r.user(t, "u1")
	derived, err := r.GetOpenIDToken(ctx, userID, identitypool.Logins{own: user})
	require.NoError(t, err)
	_, err = r.GetCredentialsForIdentity(ctx, userID, identitypool.Logins{own: derived}, "")
	require.ErrorIs(t, err, identitypool.ErrNotAuthorized)
}

func TestBasicFlowIsAllowedByThePool(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	anna := login(t, google, "anna")
	id := r.identity(t, anna)
	_, user := r.user(t, "u1")
	_, err := r.WebIdentity().Verify(ctx, user)
	require.NoError(t, err)
	p := wholePool()
	p.ID, p.AllowClassicFlow = r.pool.ID, false
	_, err = r.UpdateIdentityPool(ctx, p)
	require.NoError(t, err)
	_, err = r.GetOpenIDToken(ctx, id, anna)
	require.ErrorIs(t, err, identitypool.ErrInvalid)
	require.ErrorContains(t, err, "classic")
	_, err = r.WebIdentity().Verify(ctx, user)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	require.NotEmpty(t, r.identity(t, identitypool.Logins{own: user}), "a login it still is")
	_, err = r.GetOpenIDToken(ctx, "local:00", nil)
	require.ErrorIs(t, err, identitypool.ErrNotFound)
}

// failing is a login provider that cannot be asked.
type failing struct{ err error }

func (f failing) Verify(context.Context, string) (*auth.Token, error) { return nil, f.err }

// subjects is a provider that says what it is made of.
type subjects auth.Token

func (s subjects) Verify(context.Context, string) (*auth.Token, error) {
	t := auth.Token(s)
	return &t, nil
}

func TestProvidersThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verifier auth.TokenVerifier
		err      error
		kind     error
	}{
		{nil, nil, identitypool.ErrInvalid},
		{nil, errors.New("broken"), identitypool.ErrExternal},
		{failing{auth.ErrUnavailable}, nil, identitypool.ErrExternal},
		{failing{errors.New("the secret is 1234")}, nil, identitypool.ErrExternal},
		{failing{auth.ErrNotAuthorized}, nil, identitypool.ErrNotAuthorized},
		{failing{auth.ErrBanned}, nil, identitypool.ErrNotAuthorized},
		{failing{context.Canceled}, nil, context.Canceled},
		{subjects{Audience: []string{app}}, nil, identitypool.ErrExternal},
		{subjects{Subject: string(make([]byte, 2049)), Audience: []string{app}}, nil, identitypool.ErrExternal},
		{subjects{Subject: "x", Audience: []string{app}, Expires: time.Unix(1, 0)}, nil, identitypool.ErrNotAuthorized},
		{subjects{Subject: "x", Audience: []string{app}}, nil, nil},
	} {
		r := newRig(t, func(cfg *identitypool.Config) {
			delete(cfg.Providers, google)
			cfg.Provider = func(_ context.Context, name string) (auth.TokenVerifier, error) {
				require.Equal(t, google, name)
				return c.verifier, c.err
			}
		})
		_, err := r.GetID(t.Context(), r.pool.ID, identitypool.Logins{google: "token"})
		require.ErrorIs(t, err, c.kind)
		if e, ok := errors.AsType[*identitypool.Error](err); ok {
			_, says := e.Public()
			require.NotContains(t, says, "1234")
		}
	}
}

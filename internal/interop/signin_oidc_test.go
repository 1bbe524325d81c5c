package interop_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

// TestSignInOIDC: somebody signs in with a provider of another make, by code and PKCE, and
// goes all the way.
func TestSignInOIDC(t *testing.T) {
	t.Parallel()
	h := newSignIn(t)
	_, issuer := beginOIDC(t, h.url+"/back/hub", h.url+"/back/other")
	page := func(client, secret string) auth.TokenVerifier {
		p := oidcProvider(t, oidc.Config{Issuer: issuer, Audiences: []string{client}})
		f, err := oidc.NewFlow(oidc.FlowConfig{
			Provider: p, ClientID: client, RedirectURL: h.url + "/back/" + client, Secret: func(context.Context) (string, error) { return secret, nil },
		})
		require.NoError(t, err)
		h.pages.oidc(client, f.Begin, func(ctx context.Context, p *oidc.Pending, form url.Values) (any, error) {
			in, err := f.Exchange(ctx, p, form)
			if err != nil {
				return nil, err
			}
			return map[string]string{"login": in.IDToken}, nil
		})
		return p
	}
	late := oidcProvider(t, oidc.Config{Issuer: issuer, Audiences: []string{"hub"}, Now: func() time.Time { return time.Now().Add(2 * time.Hour) }})
	provider := strings.TrimPrefix(issuer, "http://")
	verifier := page("hub", oidcSecret)
	page("other", "x")
	h.start(t, func(c *thinghub.Config) {
		c.LoginProviders = map[string]auth.TokenVerifier{provider: verifier, "late.test": late}
	})
	arn := "arn:aws:iam::" + account + ":oidc-provider/"
	h.makePool(t, cognitoidentity.CreateIdentityPoolInput{OpenIdConnectProviderARNs: []string{arn + provider, arn + "late.test"}})

	alice := newBrowser(t, map[string]string{"login": "alice", "password": "any"})
	token := alice.signsIn(t, h.url+"/sign-in/hub").Login
	identity := h.travels(t, provider, token)
	h.takesRole(t, provider, "hub", token, &provider)     // since the issuer is one without TLS
	again := alice.signsIn(t, h.url+"/sign-in/hub").Login // by now without asking
	require.NotEqual(t, token, again)
	require.Equal(t, identity, h.identity(t, provider, again))
	bob := newBrowser(t, map[string]string{"login": "bob", "password": "any"}).signsIn(t, h.url+"/sign-in/hub")
	require.NotEqual(t, identity, h.identity(t, provider, bob.Login))

	bad := append(spoilt(t, token),
		badLogin{"another client", alice.signsIn(t, h.url+"/sign-in/other").Login, saysInvalid, stsInvalid},
		badLogin{"access token", accessToken(t, issuer), saysInvalid, stsInvalid},
	)
	h.refuses(t, provider, identity, &provider, bad...)
	h.refuses(t, "late.test", identity, aws.String("late.test"), badLogin{"expired", token, saysExpired, stsExpired})
}

// identity returns that of a login.
func (h *signInHub) identity(t *testing.T, provider, token string) string {
	t.Helper()
	pools, _ := h.anonymous()
	id, err := pools.GetId(t.Context(), &cognitoidentity.GetIdInput{IdentityPoolId: &h.pool, Logins: map[string]string{provider: token}})
	require.NoError(t, err)
	return *id.IdentityId
}

// spoilt are what somebody without the key of the issuer can make of a good ID token.
func spoilt(t *testing.T, token string) []badLogin {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	part := func(i int) (o object) {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &o))
		return o
	}
	pack := func(o object) string {
		text, err := json.Marshal(o)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	header, claims := part(0), part(1)
	kid, _ := header["kid"].(string)
	forged := signJWT(t, newSigningKey(t, header["alg"].(string)), kid, header["alg"].(string), claims)
	claims["sub"] = "admin"
	return []badLogin{
		{"alg none", pack(object{"alg": "none", "kid": kid}) + "." + parts[1] + ".", saysInvalid, stsInvalid},
		{"forged", forged, saysInvalid, stsInvalid},
		{"changed", parts[0] + "." + pack(claims) + "." + parts[2], saysInvalid, stsInvalid},
		{"unsigned", parts[0] + "." + parts[1] + ".", saysInvalid, stsInvalid},
	}
}

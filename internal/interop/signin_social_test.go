package interop_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
	"github.com/thinghub/thinghub/auth/oidc/social"
)

// A socialLogin is a login provider of the kind that everybody knows, with a stand-in.
type socialLogin struct {
	*standIn
	// provider is its name in Logins, audience the app that it says tokens are for.
	provider, audience string
	verifier           auth.TokenVerifier
	flow               *social.Flow
	bad                []badLogin // besides what can be made of a good one
}

// TestSignInSocial goes all the way with each of the social providers, whose stand-ins
// speak their protocols.
func TestSignInSocial(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T, back string) *socialLogin{
		"Google": google, "Amazon": amazon, "Facebook": facebook, "X": x, "Apple": apple,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newSignIn(t)
			l := begin(t, h.url+"/back/social")
			h.pages.oidc("social", l.flow.Begin, func(ctx context.Context, p *oidc.Pending, form url.Values) (any, error) {
				in, err := l.flow.Exchange(ctx, p, form)
				if err != nil {
					return nil, err
				}
				who, _ := social.AppleName(form)
				return map[string]string{"login": in.Login, "access": in.AccessToken, "first": who.First}, nil
			})
			h.start(t, func(c *thinghub.Config) { c.LoginProviders = map[string]auth.TokenVerifier{l.provider: l.verifier} })
			h.makePool(t, cognitoidentity.CreateIdentityPoolInput{SupportedLoginProviders: map[string]string{l.provider: l.audience}})
			alice := map[string]string{"user": "alice", "password": "alice-pw"}
			browser := newBrowser(t, alice)
			in := browser.signsIn(t, h.url+"/sign-in/social")
			require.Equal(t, l.formPost, in.First == "Alice")
			identity := h.travels(t, l.provider, in.Login)
			h.takesRole(t, l.provider, l.audience, in.Login, &l.provider)
			again := newBrowser(t, alice).signsIn(t, h.url+"/sign-in/social")
			require.Empty(t, again.First)
			require.NotEqual(t, in.Login, again.Login)
			require.Equal(t, identity, h.identity(t, l.provider, again.Login))
			bad := l.bad
			if name == "Google" || name == "Apple" {
				bad = append(bad, spoilt(t, in.Login)...)
			}
			if name == "X" {
				bad = append(bad, badLogin{"access token that is not sealed", in.Access, saysInvalid, stsInvalid})
			}
			h.refuses(t, l.provider, identity, &l.provider, bad...)
			status, page := newBrowser(t, map[string]string{"user": "alice", "password": "guess"}).visit(t, h.url+"/sign-in/social")
			require.Equal(t, http.StatusForbidden, status, page)
		})
	}
}

// begins returns a flow of a stand-in, with its secret unless that is made of a key.
func (s *standIn) begins(t *testing.T, flow func(social.FlowConfig) (*social.Flow, error), cfg social.FlowConfig) *social.Flow {
	t.Helper()
	cfg.RedirectURL = s.back
	f, err := flow(cfg)
	require.NoError(t, err)
	return f
}

// google: ID tokens of OpenID Connect.
func google(t *testing.T, back string) *socialLogin {
	s := newStandIn(t, "1234.apps.googleusercontent.com", back, "openid")
	key := newSigningKey(t, "RS256")
	token := func(changes object) string { return signJWT(t, key, "k1", "RS256", s.claims(changes)) }
	s.openID(key, "/o/oauth2/v2/auth", "/token", "/oauth2/v3/certs")
	s.exchangesAt("/token", func(r *http.Request) bool { return s.inHeader(r) || s.inBody(r) }, func(asked url.Values) object {
		return object{"access_token": s.issue("ya29.", nil), "expires_in": 3599, "token_type": "Bearer", "scope": "openid", "id_token": token(object{"nonce": asked.Get("nonce"), "azp": s.client})}
	})
	g, err := social.NewGoogle(social.GoogleConfig{ClientIDs: []string{s.client, "other.apps.googleusercontent.com"}, Issuer: s.URL})
	require.NoError(t, err)
	hourAgo := time.Now().Add(-time.Hour).Unix()
	return &socialLogin{s, "accounts.google.com", s.client, g, s.begins(t, g.Flow, social.FlowConfig{Secret: s.secret}), []badLogin{
		{"somebody's app", token(object{"aud": "evil"}), saysInvalid, stsInvalid},
		{"another app of ours", token(object{"aud": "other.apps.googleusercontent.com"}), saysAudience, "AccessDenied"},
		{"expired", token(object{"iat": hourAgo - 3600, "exp": hourAgo}), saysExpired, stsExpired},
		{"another issuer", token(object{"iss": "https://accounts.google.com"}), saysInvalid, stsInvalid},
	}}
}

// amazon: access tokens, about which it tells for whom they are.
func amazon(t *testing.T, back string) *socialLogin {
	s := newStandIn(t, "amzn1.application-oa2-client.1", back, "profile")
	s.signsInAt("/ap/oa")
	s.exchangesAt("/auth/o2/token", s.inBody, func(url.Values) object {
		return object{"access_token": s.issue("Atza|", object{"aud": s.client, "exp": 3600}), "token_type": "bearer", "expires_in": 3600, "refresh_token": "Atzr|x"}
	})
	s.mux.HandleFunc("GET /auth/o2/tokeninfo", func(w http.ResponseWriter, r *http.Request) {
		token, known := s.about(r.URL.Query().Get("access_token"))
		if !known {
			reply(w, 400, object{"error": "invalid_token", "error_description": "The request has an invalid parameter : access_token"})
			return
		}
		reply(w, 200, object{"iss": "https://www.amazon.com", "user_id": "amzn1.account.ALICE", "aud": token["aud"], "app_id": "amzn1.application.1", "exp": token["exp"], "iat": time.Now().Unix()})
	})
	s.mux.HandleFunc("GET /user/profile", func(w http.ResponseWriter, r *http.Request) {
		if _, known := s.bearer(r); !known {
			reply(w, 400, object{"error": "invalid_token"})
			return
		}
		reply(w, 200, object{"user_id": "amzn1.account.ALICE", "email": "alice@example.com", "name": "Alice"})
	})
	a, err := social.NewAmazon(social.AmazonConfig{ClientIDs: []string{s.client}, AuthURL: s.URL + "/ap/oa", BaseURL: s.URL})
	require.NoError(t, err)
	return &socialLogin{s, "www.amazon.com", s.client, a, s.begins(t, a.Flow, social.FlowConfig{Secret: s.secret}), []badLogin{
		{"somebody's app", s.issue("Atza|", object{"aud": "amzn1.application-oa2-client.2", "exp": 3600}), saysInvalid, stsInvalid},
		{"expired", s.issue("Atza|", object{"aud": s.client, "exp": 0}), saysExpired, stsExpired},
		{"forged", "Atza|forged", saysInvalid, stsInvalid},
	}}
}

// facebook: access tokens, about which it tells those with the app's secret for which app
// they are.
func facebook(t *testing.T, back string) *socialLogin {
	s := newStandIn(t, "138483919580948", back, "public_profile")
	s.fragment = "#_=_" // which Facebook adds
	now := time.Now().Unix()
	s.signsInAt("/dialog/oauth")
	s.exchangesAt("/v23.0/oauth/access_token", s.inBody, func(url.Values) object {
		return object{"access_token": s.issue("EAAG", object{"app_id": s.client, "expires_at": now + 5000}), "token_type": "bearer", "expires_in": 5000}
	})
	s.mux.HandleFunc("GET /v23.0/debug_token", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("access_token") != s.client+"|"+s.secret {
			reply(w, 400, object{"error": object{"message": "Invalid OAuth access token signature.", "type": "OAuthException", "code": 190}})
			return
		}
		token, known := s.about(q.Get("input_token"))
		data := object{"type": "USER", "application": "Hub", "is_valid": true, "issued_at": now - 100, "scopes": []string{"public_profile"}, "user_id": "1207059", "app_id": token["app_id"], "expires_at": token["expires_at"]}
		switch {
		case !known:
			data = object{"is_valid": false, "scopes": []string{}, "error": object{"code": 190, "message": "Invalid OAuth access token."}}
		case token["expires_at"].(int64) < now:
			data["is_valid"], data["error"] = false, object{"code": 190, "subcode": 463, "message": "Error validating access token: Session has expired"}
		}
		reply(w, 200, object{"data": data})
	})
	f, err := social.NewFacebook(social.FacebookConfig{AppID: s.client, AppSecret: s.secret, AuthURL: s.URL + "/dialog/oauth", BaseURL: s.URL + "/v23.0"})
	require.NoError(t, err)
	return &socialLogin{s, "graph.facebook.com", s.client, f, s.begins(t, f.Flow, social.FlowConfig{}), []badLogin{
		{"somebody's app", s.issue("EAAG", object{"app_id": "666", "expires_at": now + 5000}), saysInvalid, stsInvalid},
		{"expired", s.issue("EAAG", object{"app_id": s.client, "expires_at": now - 100}), saysExpired, stsExpired},
		{"forged", "EAAGforged", saysInvalid, stsInvalid},
	}}
}

// x: access tokens of OAuth 2.0, which do not tell for which app they are.
func x(t *testing.T, back string) *socialLogin {
	s := newStandIn(t, "x-client", back, "users.read tweet.read")
	s.signsInAt("/i/oauth2/authorize")
	s.exchangesAt("/2/oauth2/token", s.inHeader, func(asked url.Values) object {
		return object{"token_type": "bearer", "expires_in": 7200, "access_token": s.issue("x-", object{}), "scope": asked.Get("scope")}
	})
	s.mux.HandleFunc("GET /2/users/me", func(w http.ResponseWriter, r *http.Request) {
		if _, known := s.bearer(r); !known {
			reply(w, 401, object{"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"})
			return
		}
		reply(w, 200, object{"data": object{"id": "2244994945", "name": "Alice", "username": "alice"}})
	})
	cfg := social.XConfig{ClientID: s.client, ClientSecret: s.secret, AuthURL: s.URL + "/i/oauth2/authorize", BaseURL: s.URL}
	v, err := social.NewX(cfg)
	require.NoError(t, err)
	return &socialLogin{s, "api.twitter.com", s.client, v, s.begins(t, v.Flow, social.FlowConfig{}), []badLogin{
		{"token and secret of OAuth 1.0a", "2244994945-token;secret", saysInvalid, stsInvalid},
		{"forged", "x1." + base64.RawURLEncoding.EncodeToString(make([]byte, 100)), saysInvalid, stsInvalid},
	}}
}

// apple: ID tokens of OpenID Connect, for clients that sign their secret, and a form that
// brings people back.
func apple(t *testing.T, back string) *socialLogin {
	const team, keyID = "DEF123GHIJ", "ABC123DEFG"
	s := newStandIn(t, "com.example.hub", back, "name email")
	s.formPost, s.first = true, `{"name": {"firstName": "Alice", "lastName": "Doe"}, "email": "alice@example.com"}`
	key, ours := newSigningKey(t, "RS256"), newSigningKey(t, "ES256")
	token := func(changes object) string {
		return signJWT(t, key, "k1", "RS256", s.claims(object{"sub": "001234.abc.0001", "nonce_supported": true, "email_verified": "true"}, changes))
	}
	s.openID(key, "/auth/authorize", "/auth/token", "/auth/keys")
	signed := func(r *http.Request) bool {
		jws, err := jose.ParseSignedCompact(r.PostForm.Get("client_secret"), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil || jws.Signatures[0].Protected.KeyID != keyID {
			return false
		}
		text, err := jws.Verify(ours.Public())
		var c struct {
			Iss, Aud, Sub string
			Exp           int64
		}
		return err == nil && json.Unmarshal(text, &c) == nil && c.Iss == team && c.Aud == s.URL && c.Sub == s.client && r.PostForm.Get("client_id") == s.client &&
			c.Exp > time.Now().Unix() && c.Exp < time.Now().Add(182*24*time.Hour).Unix()
	}
	s.exchangesAt("/auth/token", signed, func(asked url.Values) object {
		return object{"access_token": s.issue("a.", nil), "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r.0", "id_token": token(object{"nonce": asked.Get("nonce")})}
	})
	der, err := x509.MarshalPKCS8PrivateKey(ours)
	require.NoError(t, err)
	a, err := social.NewApple(social.AppleConfig{ClientIDs: []string{s.client, "com.example.app"}, Issuer: s.URL, Key: &social.AppleKey{
		ID: keyID, TeamID: team, PEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}})
	require.NoError(t, err)
	hourAgo := time.Now().Add(-time.Hour).Unix()
	return &socialLogin{s, "appleid.apple.com", s.client, a, s.begins(t, a.Flow, social.FlowConfig{Scopes: []string{"name", "email"}}), []badLogin{
		{"somebody's app", token(object{"aud": "com.evil.app"}), saysInvalid, stsInvalid},
		{"another app of ours", token(object{"aud": "com.example.app"}), saysAudience, "AccessDenied"},
		{"expired", token(object{"iat": hourAgo - 600, "exp": hourAgo}), saysExpired, stsExpired},
	}}
}

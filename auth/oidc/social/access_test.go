package social_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
	"github.com/thinghub/thinghub/auth/oidc/social"
)

const amazonClient = "amzn1.application-oa2-client.1"

// newAmazon is Login with Amazon as its documentation has it, with one customer. The
// stand's answers to a good token can be changed.
func newAmazon(t *testing.T, change func(info, profile object)) (*stand, *social.Amazon) {
	t.Helper()
	answers := func() (info, profile object) {
		info = object{
			"iss": "https://www.amazon.com", "user_id": "amzn1.account.K2LI23KL2LK2", "aud": amazonClient, "app_id": "amzn1.application.436457DFHDH", "exp": 3597, "iat": 1311280970,
		}
		profile = object{"user_id": "amzn1.account.K2LI23KL2LK2", "email": "johndoe@example.com", "name": "John Doe", "postal_code": "98101"}
		if change != nil {
			change(info, profile)
		}
		return info, profile
	}
	var s *stand
	s = newStand(t, map[string]http.HandlerFunc{
		"/auth/o2/tokeninfo": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("access_token") != "Atza|good+" {
				answer(w, 400, object{"error": "invalid_token", "error_description": "The access token " + r.URL.Query().Get("access_token")})
				return
			}
			info, _ := answers()
			answer(w, 200, info)
		},
		"/user/profile": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer Atza|good+" {
				answer(w, 400, object{"error": "invalid_token"})
				return
			}
			_, profile := answers()
			if profile["status"] != nil {
				answer(w, 403, object{"error": "insufficient_scope"})
				return
			}
			answer(w, 200, profile)
		},
		"/auth/o2/token": func(w http.ResponseWriter, r *http.Request) {
			if r.ParseForm() != nil || r.PostForm.Get("client_id") != amazonClient || r.PostForm.Get("client_secret") != "secret" {
				answer(w, 401, object{"error": "invalid_client"})
				return
			}
			if _, ok := s.redeem(w, r); ok {
				answer(w, 200, object{"access_token": "Atza|good+", "token_type": "bearer", "expires_in": 3600, "refresh_token": "Atzr|x"})
			}
		},
	})
	a, err := social.NewAmazon(social.AmazonConfig{ClientIDs: []string{amazonClient}, BaseURL: s.URL, AuthURL: s.URL + "/ap/oa", Timeout: brief})
	require.NoError(t, err)
	return s, a
}

func TestAmazon(t *testing.T) {
	t.Parallel()
	s, a := newAmazon(t, nil)
	got, err := a.Verify(t.Context(), "Atza|good+")
	require.NoError(t, err)
	require.Equal(t, "amzn1.account.K2LI23KL2LK2", got.Subject)
	require.Equal(t, []string{amazonClient}, got.Audience)
	require.Equal(t, "https://www.amazon.com", got.Issuer)
	require.Equal(t, "johndoe@example.com", got.Claims["email"])
	require.WithinDuration(t, time.Now().Add(3597*time.Second), got.Expires, time.Minute)
	require.Equal(t, int64(1311280970), got.Issued.Unix())
	_, err = a.Verify(t.Context(), "Atza|other")
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	require.NotContains(t, err.Error(), "Atza|other")
	rubbish(t, s, a)
	f, err := a.Flow(social.FlowConfig{RedirectURL: backURL, Secret: "secret"})
	require.NoError(t, err)
	in, err := signIn(t, s, f, url.Values{"client_id": {amazonClient}, "scope": {"profile"}})
	require.NoError(t, err)
	require.Equal(t, "Atza|good+", in.Login)
	require.Equal(t, got.Subject, in.Token.Subject)
	outage(t, s, a, "Atza|good+")
}

func TestAmazonRefuses(t *testing.T) {
	t.Parallel()
	for expects, change := range map[string]func(info, profile object){
		"for the client":     func(info, _ object) { info["aud"] = "amzn1.application-oa2-client.2" },
		"iss is":             func(info, _ object) { info["iss"] = "https://www.amazon.test" },
		"expired":            func(info, _ object) { info["exp"] = 0 },
		"when the token":     func(info, _ object) { info["exp"] = "3597" },
		"whose the token is": func(info, _ object) { delete(info, "user_id") },
		"another customer":   func(_, profile object) { profile["user_id"] = "amzn1.account.OTHER" },
		"insufficient_scope": func(_, profile object) { profile["status"] = 403 },
	} {
		s, a := newAmazon(t, change)
		_, err := a.Verify(t.Context(), "Atza|good+")
		require.ErrorIs(t, err, auth.ErrBadCredentials)
		require.ErrorContains(t, err, expects)
		if expects == "for the client" {
			require.Equal(t, 1, s.count(), "a token of another client is not used")
		}
		require.Equal(t, expects == "expired", isExpired(err))
	}
}

// newFacebook is the Graph API as its documentation has it, with one person.
func newFacebook(t *testing.T, change func(data, me object), fields ...string) (*stand, *social.Facebook) {
	t.Helper()
	const app, secret = "138483919580948", "app-secret"
	answers := func() (data, me object) {
		now := time.Now().Unix()
		data = object{
			"app_id": app, "type": "USER", "application": "Hub", "expires_at": now + 5000, "data_access_expires_at": now + 90*86400, "is_valid": true, "issued_at": now - 100,
			"metadata": object{"sso": "iphone-safari"}, "scopes": []string{"public_profile"}, "user_id": "1207059",
		}
		me = object{"id": "1207059", "name": "Ada"}
		if change != nil {
			change(data, me)
		}
		return data, me
	}
	var s *stand
	s = newStand(t, map[string]http.HandlerFunc{
		"/v1/debug_token": func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if q.Get("access_token") != app+"|"+secret {
				answer(w, 400, object{"error": object{"message": "Invalid OAuth access token signature.", "type": "OAuthException", "code": 190, "fbtrace_id": "x"}})
				return
			}
			data, _ := answers()
			if q.Get("input_token") != "EAAGood" {
				data = object{"error": object{"code": 190, "message": "Invalid OAuth access token " + q.Get("input_token")}, "is_valid": false, "scopes": []string{}}
			}
			answer(w, 200, object{"data": data})
		},
		"/v1/me": func(w http.ResponseWriter, r *http.Request) {
			_, me := answers()
			if status, there := me["status"]; there {
				answer(w, 400, object{"error": object{"code": status, "type": "OAuthException", "message": "EAAGood"}})
				return
			}
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte("EAAGood"))
			if r.Header.Get("Authorization") != "Bearer EAAGood" || r.URL.Query().Get("appsecret_proof") != hex.EncodeToString(mac.Sum(nil)) || r.URL.Query().Get("fields") != "id,name" {
				answer(w, 400, object{"error": object{"code": 100, "type": "GraphMethodException"}})
				return
			}
			answer(w, 200, me)
		},
		"/v1/oauth/access_token": func(w http.ResponseWriter, r *http.Request) {
			if r.ParseForm() != nil || r.PostForm.Get("client_id") != app || r.PostForm.Get("client_secret") != secret {
				answer(w, 400, object{"error": object{"code": 1, "message": "Error validating client secret."}})
				return
			}
			if _, ok := s.redeem(w, r); ok {
				answer(w, 200, object{"access_token": "EAAGood", "token_type": "bearer", "expires_in": 5183944})
			}
		},
	})
	f, err := social.NewFacebook(social.FacebookConfig{AppID: app, AppSecret: secret, BaseURL: s.URL + "/v1", AuthURL: s.URL + "/dialog/oauth", Timeout: brief, Fields: fields})
	require.NoError(t, err)
	return s, f
}

func TestFacebook(t *testing.T) {
	t.Parallel()
	s, f := newFacebook(t, nil)
	got, err := f.Verify(t.Context(), "EAAGood")
	require.NoError(t, err)
	require.Equal(t, "1207059", got.Subject)
	require.Equal(t, []string{"138483919580948"}, got.Audience)
	require.Equal(t, "https://graph.facebook.com", got.Issuer)
	require.WithinDuration(t, time.Now().Add(5000*time.Second), got.Expires, time.Minute)
	require.Equal(t, 1, s.count())
	rubbish(t, s, f)
	flow, err := f.Flow(social.FlowConfig{RedirectURL: backURL})
	require.NoError(t, err)
	in, err := signIn(t, s, flow, url.Values{"client_id": {"138483919580948"}, "scope": {"public_profile"}})
	require.NoError(t, err)
	require.Equal(t, "EAAGood", in.Login)
	outage(t, s, f, "EAAGood")

	s, f = newFacebook(t, nil, "name")
	got, err = f.Verify(t.Context(), "EAAGood")
	require.NoError(t, err)
	require.Equal(t, "Ada", got.Claims["name"])
	_, err = f.Verify(t.Context(), "EAAOther")
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	require.NotContains(t, err.Error(), "EAAOther")
	outage(t, s, f, "EAAGood")
}

func TestFacebookRefuses(t *testing.T) {
	t.Parallel()
	for expects, c := range map[string]struct {
		want   error
		change func(data, me object)
	}{
		`for the app "666"`: {auth.ErrBadCredentials, func(data, _ object) { data["app_id"] = "666" }},
		"for the app \"\"":  {auth.ErrBadCredentials, func(data, _ object) { data["app_id"] = 138483919580948 }},
		"code 100": {auth.ErrBadCredentials, func(data, _ object) {
			data["is_valid"], data["error"] = false, object{"code": 100, "message": "The App_id in the input_token did not match the Viewing App"}
		}},
		"does not count":       {auth.ErrBadCredentials, func(data, _ object) { delete(data, "is_valid") }},
		"the type \"PAGE\"":    {auth.ErrBadCredentials, func(data, _ object) { data["type"] = "PAGE" }},
		"whose the token":      {auth.ErrBadCredentials, func(data, _ object) { delete(data, "user_id") }},
		"when the token":       {auth.ErrBadCredentials, func(data, _ object) { delete(data, "expires_at") }},
		"expired":              {auth.ErrTokenExpired, func(data, _ object) { data["is_valid"], data["error"] = false, object{"code": 190, "subcode": 463} }},
		"the token has exp":    {auth.ErrTokenExpired, func(data, _ object) { data["expires_at"] = 5 }},
		"another person":       {auth.ErrBadCredentials, func(_, me object) { me["id"] = "2" }},
		"/me answers 400":      {auth.ErrBadCredentials, func(_, me object) { me["status"] = 190 }},
		"/me answers 400 (cod": {auth.ErrUnavailable, func(_, me object) { me["status"] = 4 }}, // too many calls
	} {
		_, f := newFacebook(t, c.change, "name")
		_, err := f.Verify(t.Context(), "EAAGood")
		require.ErrorIs(t, err, c.want, expects)
		require.ErrorContains(t, err, expects)
		require.NotContains(t, err.Error(), "EAAGood")
	}
	_, f := newFacebook(t, func(data, _ object) { data["expires_at"] = 0 }, "name")
	got, err := f.Verify(t.Context(), "EAAGood")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), got.Expires, time.Minute, "a token without end is asked about again")
}

// TestFacebookOwnSecret: when our own secret is wrong, nobody's token is to blame.
func TestFacebookOwnSecret(t *testing.T) {
	t.Parallel()
	s, _ := newFacebook(t, nil)
	f, err := social.NewFacebook(social.FacebookConfig{AppID: "138483919580948", AppSecret: "old-secret", BaseURL: s.URL + "/v1"})
	require.NoError(t, err)
	_, err = f.Verify(t.Context(), "EAAGood")
	require.ErrorIs(t, err, auth.ErrUnavailable)
	require.NotContains(t, err.Error(), "old-secret")
}

// newX is the API of X as its documentation has it, with one account.
func newX(t *testing.T, change func(me object), more ...func(*social.XConfig)) (*stand, *social.X) {
	t.Helper()
	var s *stand
	s = newStand(t, map[string]http.HandlerFunc{
		"/2/users/me": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer x-token" {
				answer(w, 401, object{"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"})
				return
			}
			me := object{"data": object{"id": "2244994945", "name": "X Dev", "username": "XDevelopers"}}
			if change != nil {
				change(me)
			}
			answer(w, 200, me)
		},
		"/2/oauth2/token": func(w http.ResponseWriter, r *http.Request) {
			if id, secret, _ := r.BasicAuth(); id != "x-client" || secret != "x-secret" {
				if r.ParseForm() != nil || r.PostForm.Get("client_id") != "x-public" {
					answer(w, 401, object{"error": "unauthorized_client"})
					return
				}
			}
			if _, ok := s.redeem(w, r); ok {
				answer(w, 200, object{"token_type": "bearer", "expires_in": 7200, "access_token": "x-token", "scope": "users.read tweet.read"})
			}
		},
	})
	cfg := social.XConfig{ClientID: "x-client", ClientSecret: "x-secret", BaseURL: s.URL, AuthURL: s.URL + "/i/oauth2/authorize", Timeout: brief}
	for _, m := range more {
		m(&cfg)
	}
	x, err := social.NewX(cfg)
	require.NoError(t, err)
	return s, x
}

func loginX(t *testing.T, s *stand, x *social.X, client string) (*social.SignIn, error) {
	t.Helper()
	f, err := x.Flow(social.FlowConfig{RedirectURL: backURL})
	require.NoError(t, err)
	return signIn(t, s, f, url.Values{"client_id": {client}, "scope": {"users.read tweet.read"}})
}

func TestX(t *testing.T) {
	t.Parallel()
	s, x := newX(t, nil)
	in, err := loginX(t, s, x, "x-client")
	require.NoError(t, err)
	require.Equal(t, "2244994945", in.Token.Subject)
	require.NotContains(t, in.Login, "x-token")
	require.True(t, x.Recognises(in.Login))
	got, err := x.Verify(t.Context(), in.Login)
	require.NoError(t, err)
	require.Equal(t, "2244994945", got.Subject)
	require.Equal(t, "XDevelopers", got.Claims["username"])
	require.Equal(t, []string{"x-client"}, got.Audience)
	require.WithinDuration(t, time.Now().Add(2*time.Hour), got.Expires, time.Minute)

	before := s.count()
	for name, login := range map[string]string{
		"bare token":     "x-token",
		"OAuth 1.0a":     "1234-token;secret",
		"empty":          "",
		"changed":        in.Login[:len(in.Login)-2] + "AA",
		"cut":            in.Login[:20],
		"no base64":      "x1.!!!!",
		"forged":         "x1." + strings.Repeat("A", 80),
		"far too long":   "x1." + strings.Repeat("A", 1<<20),
		"more behind":    in.Login + "AAAA",
		"not x's prefix": strings.TrimPrefix(in.Login, "x1."),
	} {
		_, err := x.Verify(t.Context(), login)
		require.ErrorIs(t, err, auth.ErrBadCredentials, name)
	}
	_, err = x.Verify(t.Context(), "1234-token;secret")
	require.ErrorContains(t, err, "OAuth 1.0a, which is not supported")
	require.Equal(t, before, s.count(), "X is not asked about what we have not sealed")

	_, other := newX(t, nil, func(c *social.XConfig) { c.ClientSecret, c.BaseURL = "other", s.URL })
	_, err = other.Verify(t.Context(), in.Login)
	require.ErrorIs(t, err, auth.ErrBadCredentials, "sealed by another app")
	_, other = newX(t, nil, func(c *social.XConfig) { c.ClientID, c.BaseURL = "other", s.URL })
	_, err = other.Verify(t.Context(), in.Login)
	require.ErrorIs(t, err, auth.ErrBadCredentials, "sealed for another app with the same secret")
	_, late := newX(t, nil, func(c *social.XConfig) {
		c.Now, c.BaseURL = func() time.Time { return time.Now().Add(3 * time.Hour) }, s.URL
	})
	_, err = late.Verify(t.Context(), in.Login)
	require.True(t, isExpired(err))
	outage(t, s, x, in.Login)
}

func TestXRefuses(t *testing.T) {
	t.Parallel()
	refusing := false
	s, x := newX(t, func(me object) {
		if refusing {
			delete(me, "data")
			me["errors"] = []object{{"title": "Forbidden"}}
		}
	}, func(c *social.XConfig) {
		c.ClientID, c.ClientSecret, c.Key = "x-public", "", []byte(strings.Repeat("k", 32))
	})
	in, err := loginX(t, s, x, "x-public")
	require.NoError(t, err)
	refusing = true
	_, err = x.Verify(t.Context(), in.Login)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	s.breaks(func(w http.ResponseWriter, _ *http.Request) { answer(w, 401, object{"title": "Unauthorized"}) })
	_, err = x.Verify(t.Context(), in.Login)
	require.ErrorIs(t, err, auth.ErrBadCredentials, "taken back")
	require.ErrorContains(t, err, "X answers 401: Unauthorized")
}

func TestAccessConfig(t *testing.T) {
	t.Parallel()
	amazon := func(c social.AmazonConfig) error { _, err := social.NewAmazon(c); return err }
	facebook := func(c social.FacebookConfig) error { _, err := social.NewFacebook(c); return err }
	x := func(c social.XConfig) error { _, err := social.NewX(c); return err }
	for expects, err := range map[string]error{
		"AmazonConfig.ClientIDs is empty":   amazon(social.AmazonConfig{}),
		`AmazonConfig.BaseURL is "ftp://x"`: amazon(social.AmazonConfig{ClientIDs: []string{"a"}, BaseURL: "ftp://x"}),
		`AmazonConfig.AuthURL is "/"`:       amazon(social.AmazonConfig{ClientIDs: []string{"a"}, AuthURL: "/"}),
		"AmazonConfig.Timeout is -1s":       amazon(social.AmazonConfig{ClientIDs: []string{"a"}, Timeout: -time.Second}),
		"FacebookConfig.AppID or AppSecret": facebook(social.FacebookConfig{AppID: "a"}),
		`FacebookConfig.BaseURL is "x"`:     facebook(social.FacebookConfig{AppID: "a", AppSecret: "b", BaseURL: "x"}),
		`FacebookConfig.AuthURL is "x"`:     facebook(social.FacebookConfig{AppID: "a", AppSecret: "b", AuthURL: "x"}),
		"FacebookConfig.Timeout is 1h0m0s":  facebook(social.FacebookConfig{AppID: "a", AppSecret: "b", Timeout: time.Hour}),
		"XConfig.ClientID is empty":         x(social.XConfig{}),
		"XConfig.Key has 0 bytes":           x(social.XConfig{ClientID: "a"}),
		"XConfig.Key has 5 bytes":           x(social.XConfig{ClientID: "a", ClientSecret: "b", Key: []byte("short")}),
		`XConfig.BaseURL is "x"`:            x(social.XConfig{ClientID: "a", ClientSecret: "b", BaseURL: "x"}),
		`XConfig.AuthURL is "x"`:            x(social.XConfig{ClientID: "a", ClientSecret: "b", AuthURL: "x"}),
		"XConfig.Timeout is 1h0m0s":         x(social.XConfig{ClientID: "a", ClientSecret: "b", Timeout: time.Hour}),
	} {
		require.ErrorContains(t, err, expects)
	}
	var _ oidc.Recogniser = (*social.X)(nil)
}

func isExpired(err error) bool { return errors.Is(err, auth.ErrTokenExpired) }

func errorsIsAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}

package hosted_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/userpool"
)

// TestAttackVerifier: a code that was seen on its way is worth nothing without the
// verifier, and apps cannot be talked out of PKCE.
func TestAttackVerifier(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	b := r.browser()
	code := b.signIn(request(), "alice").Get("code")
	for name, wrong := range map[string]string{
		"missing": "", "the challenge itself": challengeOf(verifier), "another one": strings.Repeat("x", 43), "shorter": verifier[:20], "longer": verifier + "x", "other case": strings.ToUpper(verifier) + "a",
	} {
		a := r.call("/oauth2/token", "", "", exchanging(code, "code_verifier", wrong))
		require.Equal(t, 400, a.status, name)
		require.Contains(t, []any{"invalid_grant", "invalid_request"}, a.body["error"], name)
	}
	r.tokens(code) // the attempts have not used it up
	for name, changes := range map[string][]string{
		"none":          {"code_challenge", "", "code_challenge_method", ""},
		"plain":         {"code_challenge", verifier, "code_challenge_method", "plain"},
		"no method":     {"code_challenge_method", ""},
		"empty":         {"code_challenge", ""},
		"other method":  {"code_challenge_method", "S512"},
		"other case":    {"code_challenge_method", "s256"},
		"not a digest":  {"code_challenge", "x"},
		"padded":        {"code_challenge", challengeOf(verifier) + "="},
		"not base64url": {"code_challenge", strings.Repeat("+", 43)},
	} {
		back := b.authorize(request(changes...)).back()
		require.Equal(t, "invalid_request", back.Get("error"), name)
		require.Equal(t, "s&=1", back.Get("state"))
	}
	// An app with a secret may do without, but what it has sent counts, and nobody adds a
	// verifier later.
	with, without := request("client_id", secretID), request("client_id", secretID, "code_challenge", "", "code_challenge_method", "")
	form := func(q url.Values, verifier string) url.Values {
		return exchanging(b.authorize(q).back().Get("code"), "client_id", "", "code_verifier", verifier)
	}
	require.Equal(t, 400, r.call("/oauth2/token", secretID, secret, form(with, "")).status)
	require.Equal(t, 400, r.call("/oauth2/token", secretID, secret, form(without, verifier)).status)
	require.Equal(t, 200, r.call("/oauth2/token", secretID, secret, form(with, verifier)).status)
	require.Equal(t, 200, r.call("/oauth2/token", secretID, secret, form(without, "")).status)
}

// TestAttackCodeReuse: a code that comes twice, with all that belongs to it, ends what the
// first time led to.
func TestAttackCodeReuse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	code := r.browser().signIn(request(), "alice").Get("code")
	got := r.tokens(code)
	access, _ := got["access_token"].(string)
	refused(t, r.call("/oauth2/token", "", "", exchanging(code, "code_verifier", strings.Repeat("x", 43))), 400, "invalid_grant")
	require.Equal(t, 200, r.userInfo(access).status, "who has the code alone ends nothing")
	refused(t, r.call("/oauth2/token", "", "", exchanging(code)), 400, "invalid_grant")
	require.Equal(t, 401, r.userInfo(access).status)
	_, err := r.Pool(poolID).Verify(t.Context(), got["id_token"].(string))
	require.Error(t, err)
	refused(t, r.call("/oauth2/token", "", "", url.Values{"grant_type": {"refresh_token"}, "client_id": {publicID}, "refresh_token": {got["refresh_token"].(string)}}), 400, "invalid_grant")
	require.Contains(t, r.logged(), "a code was used again")
}

// TestAttackForeignCode: a code is for the app that it was given to, for as long as it
// lives, and only while its user may sign in.
func TestAttackForeignCode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	b := r.browser()
	code := b.signIn(request(), "alice").Get("code")
	refused(t, r.call("/oauth2/token", secretID, secret, exchanging(code, "client_id", "")), 400, "invalid_grant")
	r.tokens(code)
	fresh := func() string { return b.authorize(request()).back().Get("code") }
	code = fresh()
	for name, wrong := range map[string]string{
		"rubbish": "x", "not text": "\x00\xff", "long": strings.Repeat("A", 60_000), "cut": code[:len(code)-1], "more": code + "A", "other encoding": strings.ReplaceAll(code, code[4:5], "+"),
		"a session": b.http.Jar.Cookies(&url.URL{Scheme: "https", Host: r.server.Listener.Addr().String(), Path: "/"})[0].Value,
	} {
		refused(t, r.call("/oauth2/token", "", "", exchanging(wrong)), 400, "invalid_grant", name)
	}
	refused(t, r.call("/oauth2/token", "", "", exchanging("", "code", "")), 400, "invalid_request")
	r.pass(5 * time.Minute)
	refused(t, r.call("/oauth2/token", "", "", exchanging(code)), 400, "invalid_grant", "five minutes are over")
	code = fresh()
	r.change(publicID, func(c *userpool.ClientSettings) { c.AllowedOAuthFlows = []string{"implicit"} })
	refused(t, r.call("/oauth2/token", "", "", exchanging(code)), 400, "unauthorized_client")
	require.Equal(t, "unauthorized_client", b.authorize(request()).back().Get("error"))
	r.change(publicID, func(c *userpool.ClientSettings) { c.AllowedOAuthFlows = []string{"code"} })
	code = fresh()
	_, err := r.AdminDisableUser(t.Context(), userpool.UserInput{UserPoolID: poolID, Username: "alice"})
	require.NoError(t, err)
	refused(t, r.call("/oauth2/token", "", "", exchanging(code)), 400, "invalid_grant")
}

// TestAttackClientSecret: an app proves itself, by one method, with its own secret.
func TestAttackClientSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	b := r.browser()
	q := request("client_id", secretID)
	code := b.signIn(q, "alice").Get("code")
	body := func(id, secret string) url.Values { return exchanging(code, "client_id", id, "client_secret", secret) }
	for name, a := range map[string]answer{
		"none":                 r.call("/oauth2/token", "", "", body(secretID, "")),
		"wrong":                r.call("/oauth2/token", "", "", body(secretID, "wrong")),
		"wrong, Basic":         r.call("/oauth2/token", secretID, "wrong", body("", "")),
		"empty, Basic":         r.call("/oauth2/token", secretID, "", body("", "")),
		"cut":                  r.call("/oauth2/token", secretID, secret[:len(secret)-1], body("", "")),
		"of a public app":      r.call("/oauth2/token", "", "", body(publicID, secret)),
		"of a public app, too": r.call("/oauth2/token", publicID, secret, body("", "")),
		"of nobody":            r.call("/oauth2/token", "nobody", secret, body("", "")),
		"mixed up":             r.call("/oauth2/token", secretID, secret, body(publicID, "")),
		"mixed up, too":        r.call("/oauth2/token", publicID, "", body(secretID, "")),
		"no client":            r.call("/oauth2/token", "", "", body("", "")),
		"assertion":            r.call("/oauth2/token", "", "", exchanging(code, "client_id", secretID, "client_assertion", "x", "client_assertion_type", "y")),
		"assertion of nobody":  r.call("/oauth2/token", "", "", exchanging(code, "client_assertion", "x")),
	} {
		refused(t, a, 401, "invalid_client", name)
	}
	require.NotEmpty(t, r.call("/oauth2/token", secretID, "wrong", body("", "")).header.Get("WWW-Authenticate"))
	refused(t, r.call("/oauth2/token", secretID, secret, body(secretID, secret)), 400, "invalid_request", "both methods")
	refused(t, r.call("/oauth2/token", secretID, secret, exchanging(code, "client_id", "", "client_assertion", "x", "client_assertion_type", "y")), 400, "invalid_request", "two methods")
	refused(t, r.call("/oauth2/token", secretID, secret, with(body("", ""), "x", strings.Repeat("x", 70_000))), 400, "invalid_request", "too long")
	refused(t, r.call("/oauth2/token", secretID, secret, with(body("", ""), "code", code, code)), 400, "invalid_request", "twice")
	a := r.call("/oauth2/token", secretID, secret, body("", ""))
	require.Equal(t, 200, a.status, a.raw)
	refresh, _ := a.body["refresh_token"].(string)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	for name, a := range map[string]answer{
		"refresh without": r.call("/oauth2/token", "", "", with(form, "client_id", secretID)),
		"revoke without":  r.call("/oauth2/revoke", "", "", url.Values{"token": {refresh}, "client_id": {secretID}}),
		"refresh wrong":   r.call("/oauth2/token", secretID, "wrong", form),
		"revoke wrong":    r.call("/oauth2/revoke", secretID, "wrong", url.Values{"token": {refresh}}),
	} {
		refused(t, a, 401, "invalid_client", name)
	}
	refused(t, r.call("/oauth2/token", "", "", with(form, "client_id", publicID)), 400, "invalid_grant", "of another app")
	require.Equal(t, 200, r.call("/oauth2/token", secretID, secret, form).status)
	for _, form := range []url.Values{{}, {"grant_type": {""}}, {"grant_type": {"password"}}, {"grant_type": {"client_credentials"}}, {"grant_type": {"refresh_token"}}, {"grant_type": {"authorization_code"}}} {
		a := r.call("/oauth2/token", secretID, secret, form)
		require.Equal(t, 400, a.status, form)
		require.Contains(t, []any{"invalid_request", "unsupported_grant_type"}, a.body["error"])
	}
}

// TestAttackURLSecrets: what must not get into logs is not taken from a URL.
func TestAttackURLSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	code := r.browser().signIn(request(), "alice").Get("code")
	refused(t, r.call("/oauth2/token?"+exchanging(code).Encode(), "", "", url.Values{}), 400, "invalid_request")
	refused(t, r.call("/oauth2/token?client_secret=x", "", "", exchanging(code, "client_id", "")), 401, "invalid_client")
	require.Equal(t, 200, r.call("/oauth2/token?code=other", "", "", exchanging(code)).status)
	require.NotContains(t, r.logged(), goodPass)
	require.NotContains(t, r.logged(), code)
}

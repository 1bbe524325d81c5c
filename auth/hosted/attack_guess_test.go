package hosted_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/hosted"
	"github.com/thinghub/thinghub/auth/userpool"
)

// TestAttackBruteForce: guesses at the page count as guesses elsewhere do, for the user
// and for the address.
func TestAttackBruteForce(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config, _ *hosted.Config) { c.PerAddress = userpool.Limits{Failures: 8} })
	r.user("alice")
	r.user("ben")
	r.change(publicID, func(c *userpool.ClientSettings) { c.ExplicitAuthFlows = []string{"ALLOW_USER_PASSWORD_AUTH"} })
	guess := func(name, password string) *page {
		b := r.browser() // without what the last one knows
		return b.submit(b.authorize(request()), "username", name, "password", password)
	}
	for range 5 {
		p := guess("alice", "wrong")
		require.Equal(t, 400, p.status)
		require.Contains(t, p.text("alert"), "Incorrect")
	}
	require.Contains(t, guess("alice", goodPass).text("alert"), "exceeded")
	_, err := r.InitiateAuth(t.Context(), userpool.InitiateAuthInput{ClientID: publicID, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": "alice", "PASSWORD": goodPass}})
	require.ErrorIs(t, err, userpool.ErrNotAuthorized, "elsewhere, too")
	require.Equal(t, guess("ben", "wrong").text("alert"), guess("nobody", "wrong").text("alert"), "nobody learns who is known")
	guess("carl", "wrong")
	require.Contains(t, guess("ben", goodPass).text("alert"), "exceeded", "the address has failed too often")
	r.pass(time.Hour)
	require.NotEmpty(t, guess("ben", goodPass).back().Get("code"))
}

// TestAttackSteps: no step of a sign-in can be left out, or taken for another.
func TestAttackSteps(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config, _ *hosted.Config) { c.Pools[0].Pool.MfaConfiguration = "ON" })
	r.user("alice")
	b := r.browser()
	setup := b.submit(b.authorize(request()), "username", "alice", "password", goodPass)
	f := setup.form()
	session := f.fields.Get("session")
	for name, changes := range map[string][]string{
		"no set-up":           {"challenge", "SOFTWARE_TOKEN_MFA"},
		"a password instead":  {"challenge", "NEW_PASSWORD_REQUIRED", "password", goodPass, "again", goodPass},
		"an unknown step":     {"challenge", "PASSWORD_VERIFIER"},
		"no step":             {"challenge", ""},
		"no session":          {"session", ""},
		"a forged session":    {"session", base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x01\x06public" + strings.Repeat("x", 64)))},
		"a session of others": {"session", session[:len(session)-4] + "AAAA"},
	} {
		fields := with(f.fields, "code", "123456")
		for i := 0; i < len(changes); i += 2 {
			fields.Set(changes[i], changes[i+1])
		}
		p := b.post(f.action, fields)
		require.Equal(t, 400, p.status, name)
		require.NotContains(t, strings.Join(p.header.Values("Set-Cookie"), ""), "session", name)
	}
	// With the session of another app's page.
	p := b.post(strings.ReplaceAll(f.action, publicID, secretID), with(f.fields, "code", totp(t, setup.text("code"), r.now())))
	require.Equal(t, 400, p.status)
	// A session is not a cookie.
	host, err := url.Parse(r.server.URL)
	require.NoError(t, err)
	b.http.Jar.SetCookies(host, []*http.Cookie{{Name: "__Host-session-" + poolID, Value: session, Path: "/", Secure: true}})
	require.Equal(t, "login_required", b.authorize(request("prompt", "none")).back().Get("error"))
}

// TestAbandoned: sign-ins that nobody finishes leave nothing behind, in memory or in the
// directory.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	r.invite("ben", "Temp0rary!")
	count := func() (n int) {
		for _, err := range r.dir.Scan(t.Context(), "", "") {
			require.NoError(t, err)
			n++
		}
		return n
	}
	r.browser().signIn(request(), "alice") // the pool has its keys now
	before := count()
	for range 50 {
		b := r.browser()
		p := b.authorize(request())
		b.submit(p, "username", "ben", "password", "Temp0rary!")
		p = b.submit(p, "username", "alice", "password", goodPass)
		require.NotEmpty(t, p.back().Get("code"), "which is never redeemed")
	}
	require.Equal(t, before, count())
}

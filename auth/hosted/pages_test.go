package hosted_test

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/thinghub/thinghub/auth/hosted"
	"github.com/thinghub/thinghub/auth/userpool"
)

// TestSignUp: somebody makes an account, asks for another code, confirms it and signs in.
func TestSignUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, q := range map[string]url.Values{"anna": request(), "ben": {"client_id": {secretID}, "response_type": {"code"}, "redirect_uri": {callback}}} {
		b := r.browser()
		p := b.get(b.authorize(q).link("Create an account"))
		require.Equal(t, "Create an account", p.text("h1"))
		require.Equal(t, "email", p.form().types["attribute.email"])
		fill := func(pairs ...string) *page {
			return b.submit(p, append([]string{"username", name, "password", goodPass, "again", goodPass, "attribute.email", name + "@example.com"}, pairs...)...)
		}
		bad := fill("again", "other")
		require.Equal(t, 400, bad.status)
		require.Contains(t, bad.text("alert"), "not the same")
		require.Equal(t, name+"@example.com", bad.form().fields.Get("attribute.email"), "what was written is kept")
		require.Empty(t, bad.form().fields.Get("password"), "but for secrets")
		bad = fill("password", "weak", "again", "weak")
		require.Contains(t, bad.text("alert"), "policy")
		bad = fill("attribute.email", "nonsense")
		require.Contains(t, bad.text("alert"), "email")

		p = fill()
		require.Equal(t, 200, p.status)
		require.Contains(t, p.text("status"), "***@e***")
		first, ok := r.outbox.Last(name + "@example.com")
		require.True(t, ok)
		again := b.post(p.link("Send another code"), p.form().fields)
		require.Contains(t, again.text("status"), "***@e***")
		second, _ := r.outbox.Last(name + "@example.com")
		require.NotEqual(t, first.Code, second.Code)
		bad = b.submit(again, "code", "x")
		require.Equal(t, 400, bad.status)
		require.NotEmpty(t, bad.text("alert"))
		p = b.submit(bad, "code", second.Code)
		require.Contains(t, p.text("status"), "confirmed")
		require.NotEmpty(t, b.submit(p, "password", goodPass).back().Get("code"))

		p = b.submit(b.get(r.base+"/signup?"+q.Encode()), "username", name, "password", goodPass, "again", goodPass, "attribute.email", "x@example.com")
		require.Contains(t, p.text("alert"), "already exists")
	}
}

// TestUnconfirmed: who signs in before the account is confirmed is asked for the code,
// with the right password only.
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	p := b.get(r.base + "/signup?" + request().Encode())
	b.submit(p, "username", "anna", "password", goodPass, "again", goodPass, "attribute.email", "anna@example.com")
	b = r.browser()
	p = b.submit(b.authorize(request()), "username", "anna", "password", "wrong")
	require.Contains(t, p.text("alert"), "Incorrect")
	p = b.submit(p, "username", "anna", "password", goodPass)
	require.Equal(t, "Confirm your account", p.text("h1"))
	m, _ := r.outbox.Last("anna@example.com")
	p = b.submit(p, "code", m.Code)
	require.NotEmpty(t, b.submit(p, "password", goodPass).back().Get("code"))
	// The page by itself asks for the name, too.
	p = b.submit(b.get(r.base+"/confirmUser?"+request().Encode()), "username", "nobody", "code", "123456")
	require.Equal(t, 400, p.status)
}

// TestSignUpByEmail: where people are called by their address, nobody is asked for it
// twice.
func TestSignUpByEmail(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config, _ *hosted.Config) {
		p := &c.Pools[0].Pool
		p.AliasAttributes, p.UsernameAttributes = nil, []string{"email"}
		p.Schema = []userpool.SchemaAttribute{{Name: "given_name", Required: true}}
	})
	b := r.browser()
	p := b.authorize(request())
	require.Equal(t, "E-mail address", p.text("label"))
	p = b.get(p.link("Create an account"))
	f := p.form()
	require.NotContains(t, f.fields, "attribute.email")
	require.Equal(t, "email", f.types["username"])
	p = b.submit(p, "username", "anna@example.com", "password", goodPass, "again", goodPass)
	require.Contains(t, p.text("alert"), "given_name")
	p = b.submit(p, "password", goodPass, "again", goodPass, "attribute.given_name", "Anna")
	m, ok := r.outbox.Last("anna@example.com")
	require.True(t, ok)
	p = b.submit(p, "code", m.Code)
	require.NotEmpty(t, b.submit(p, "password", goodPass).back().Get("code"))
}

// TestNoSignUp: a pool that lets nobody sign up has no page for it.
func TestNoSignUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config, _ *hosted.Config) {
		c.Pools[0].Pool.AdminCreateUserConfig.AllowAdminCreateUserOnly = true
	})
	b := r.browser()
	p := b.authorize(request())
	require.NotContains(t, p.body, "/signup")
	p = b.get(r.base + "/signup?" + request().Encode())
	require.Equal(t, 400, p.status)
	require.Equal(t, "Sign in", p.text("h1"))
	f := p.form().fields
	f.Set("password", goodPass)
	f.Set("again", goodPass)
	f.Set("username", "anna")
	require.Equal(t, 400, b.post(r.base+"/signup?"+request().Encode(), f).status)
	_, err := r.AdminGetUser(t.Context(), userpool.UserInput{UserPoolID: poolID, Username: "anna"})
	require.ErrorIs(t, err, userpool.ErrUserNotFound)
}

// TestForgotPassword: with a code somebody sets a new password; who is not there gets the
// same answers.
func TestForgotPassword(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("anna", "email", "anna@example.com", "email_verified", "true")
	b := r.browser()
	ask := func(name string) *page {
		return b.submit(b.get(b.authorize(request()).link("Forgot your password?")), "username", name)
	}
	nobody := ask("nobody")
	require.Equal(t, 200, nobody.status)
	require.Contains(t, nobody.text("status"), "A code was sent to")
	p := ask("anna")
	require.Contains(t, p.text("status"), "a***@e***")
	m, _ := r.outbox.Last("anna@example.com")
	const next = "An0ther!pass"
	bad := b.submit(p, "code", m.Code, "password", next, "again", "x")
	require.Contains(t, bad.text("alert"), "not the same")
	bad = b.submit(bad, "code", "000000x", "password", next, "again", next)
	require.Contains(t, bad.text("alert"), "Invalid verification code")
	require.Equal(t, bad.text("alert"), b.submit(nobody, "code", "000000", "password", next, "again", next).text("alert"))
	p = b.submit(bad, "code", m.Code, "password", next, "again", next)
	require.Contains(t, p.text("status"), "password is set")
	require.NotEmpty(t, b.submit(p, "username", "anna", "password", next).back().Get("code"))

	// An administrator wants it, too.
	_, err := r.AdminResetUserPassword(t.Context(), userpool.AdminResetUserPasswordInput{UserPoolID: poolID, Username: "anna"})
	require.NoError(t, err)
	b = r.browser()
	p = b.submit(b.authorize(request()), "username", "anna", "password", next)
	require.Contains(t, p.text("status"), "new password")
	p = b.submit(p)
	m, _ = r.outbox.Last("anna@example.com")
	p = b.submit(p, "code", m.Code, "password", goodPass, "again", goodPass)
	require.NotEmpty(t, b.submit(p, "password", goodPass).back().Get("code"))
	// The page by itself asks for the name, too.
	p = b.get(r.base + "/confirmForgotPassword?" + request().Encode())
	require.Contains(t, p.form().fields, "username")
}

// TestNewPassword: who has a temporary password sets another one, and says what is
// missing.
func TestNewPassword(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config, _ *hosted.Config) {
		c.Pools[0].Pool.Schema = []userpool.SchemaAttribute{{Name: "name", Required: true}, {Name: "email", Required: true}}
	})
	r.invite("anna", "Temp0rary!", "email", "anna@example.com")
	b := r.browser()
	p := b.submit(b.authorize(request()), "username", "anna", "password", "Temp0rary!")
	require.Equal(t, "Set a new password", p.text("h1"))
	f := p.form().fields
	require.Contains(t, f, "attribute.name")
	require.NotContains(t, f, "attribute.email", "which is known")
	bad := b.submit(p, "password", goodPass, "again", "x", "attribute.name", "Anna")
	require.Contains(t, bad.text("alert"), "not the same")
	bad = b.submit(bad, "password", "weak", "again", "weak", "attribute.name", "Anna")
	require.Contains(t, bad.text("alert"), "policy")
	back := b.submit(bad, "password", goodPass, "again", goodPass, "attribute.name", "Anna").back()
	require.NotEmpty(t, back.Get("code"))
	u, err := r.AdminGetUser(t.Context(), userpool.UserInput{UserPoolID: poolID, Username: "anna"})
	require.NoError(t, err)
	require.Equal(t, userpool.Confirmed, u.UserStatus)

	// Again with the same page: it is used up.
	fresh := b.authorize(request("prompt", "login")).form().fields.Get("_csrf")
	p = b.submit(bad, "password", goodPass, "again", goodPass, "_csrf", fresh)
	require.Equal(t, "Sign in", p.text("h1"))
	require.Contains(t, p.text("alert"), "session")
	// And in time.
	r.invite("ben", "Temp0rary!", "email", "ben@example.com", "name", "Ben")
	p = b.submit(b.authorize(request("prompt", "login")), "username", "ben", "password", "Temp0rary!")
	r.pass(3 * time.Minute)
	p = b.submit(p, "password", goodPass, "again", goodPass)
	require.Contains(t, p.text("alert"), "expired")
	require.Equal(t, "ben", p.form().fields.Get("username"))
}

// TestSoftwareToken: where the pool requires it somebody sets up a software token, and
// needs it the next time.
func TestSoftwareToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config, _ *hosted.Config) { c.Pools[0].Pool.MfaConfiguration = "ON" })
	r.user("anna")
	b := r.browser()
	p := b.submit(b.authorize(request()), "username", "anna", "password", goodPass)
	require.Equal(t, "Set up an authenticator app", p.text("h1"))
	secret := p.text("code")
	to, err := url.Parse(p.link("Open an authenticator app on this device"))
	require.NoError(t, err)
	require.Equal(t, "otpauth", to.Scheme)
	require.Equal(t, secret, to.Query().Get("secret"))
	bad := b.submit(p, "code", "000000")
	require.Equal(t, 400, bad.status)
	require.Equal(t, secret, bad.text("code"), "the same one again")
	forged := b.submit(p, "code", "000000", "secret", "send me your code")
	require.Empty(t, forged.text("code"), "which is not what somebody else wants to say")
	require.NotEmpty(t, b.submit(bad, "code", totp(t, secret, r.now())).back().Get("code"))

	b = r.browser()
	p = b.submit(b.authorize(request()), "username", "anna", "password", goodPass)
	require.Equal(t, "Enter the code of your authenticator app", p.text("h1"))
	require.Equal(t, "Sign in", p.text("button"))
	bad = b.submit(p, "code", totp(t, secret, r.now()))
	require.Contains(t, bad.text("alert"), "Invalid", "each code once")
	r.pass(30 * time.Second)
	require.NotEmpty(t, b.submit(bad, "code", totp(t, secret, r.now())).back().Get("code"))

	// Guesses count.
	r.pass(30 * time.Second)
	for range 6 {
		p = b.submit(b.authorize(request("prompt", "login")), "username", "anna", "password", goodPass)
		p = b.submit(p, "code", "000000")
	}
	require.Contains(t, p.text("alert"), "exceeded")
}

// TestAccessible: each page says in which language it is, what it is about, what each
// field is for and what is wrong, and works without scripts.
func TestAccessible(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	q := request().Encode()
	for _, path := range []string{"/login", "/signup", "/confirmUser", "/forgotPassword", "/confirmForgotPassword"} {
		p := b.get(r.base + path + "?" + q)
		require.Equal(t, 200, p.status)
		labels, inputs, focused := map[string]bool{}, 0, 0
		p.walk(func(n *html.Node, a map[string]string) {
			switch n.Data {
			case "html":
				require.Equal(t, "en", a["lang"])
			case "label":
				labels[a["for"]] = true
			case "script", "iframe", "object":
				t.Errorf("%s: %s", path, n.Data)
			}
			for name := range a {
				require.False(t, strings.HasPrefix(name, "on"), name)
			}
		})
		p.walk(func(n *html.Node, a map[string]string) {
			if n.Data != "input" || a["type"] == "hidden" {
				return
			}
			inputs++
			require.True(t, labels[a["id"]], "%s: %s", path, a["name"])
			require.NotEmpty(t, a["autocomplete"], "%s: %s", path, a["name"])
			if _, ok := a["autofocus"]; ok {
				focused++
			}
		})
		require.Equal(t, p.text("h1")+" - Public app", p.text("title"))
		require.NotZero(t, inputs)
		require.Equal(t, 1, focused, path)
	}
	p := b.submit(b.authorize(request()), "username", "x", "password", "y")
	require.True(t, strings.HasPrefix(p.text("title"), "Error: "))
	p.walk(func(n *html.Node, a map[string]string) {
		if n.Data == "input" && a["type"] != "hidden" {
			require.Equal(t, "error", a["aria-describedby"])
		}
	})
}

// TestTemplates: a host replaces all pages, or one; a template that fails is not half a
// page.
func TestTemplates(t *testing.T) {
	t.Parallel()
	set := func(text string) func(*userpool.Config, *hosted.Config) {
		return func(_ *userpool.Config, c *hosted.Config) { c.Templates = template.Must(template.New("").Parse(text)) }
	}
	r := newRig(t, set(`{{define "login"}}<h1>Our {{.Title}}</h1><form method="post" action="{{.Action}}">{{range $n, $v := .Hidden}}<input name="{{$n}}" value="{{$v}}">{{end}}<input name="username"><input name="password"></form>{{end}}`))
	r.user("anna")
	b := r.browser()
	p := b.authorize(request())
	require.Equal(t, "Our Sign in", p.text("h1"))
	require.NotEmpty(t, b.submit(p, "username", "anna", "password", goodPass).back().Get("code"))
	require.Equal(t, "Create an account", b.get(r.base+"/signup?"+request().Encode()).text("h1"))
	r = newRig(t, set(`{{define "page"}}<h1>{{.Name}} {{.App}}</h1>{{end}}`))
	require.Equal(t, "forgot Public app", r.browser().get(r.base+"/forgotPassword?"+request().Encode()).text("h1"))
	require.Equal(t, "error ", r.browser().get(r.base+"/login").text("h1"))
	r = newRig(t, set(`{{define "login"}}half of it{{.Nothing}}{{end}}`))
	p = r.browser().authorize(request())
	require.Equal(t, http.StatusInternalServerError, p.status)
	require.NotContains(t, p.body, "half")
	require.Contains(t, r.logged(), "a page could not be written")
}

// TestHint: the name that an app expects is filled in.
func TestHint(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	require.Equal(t, "anna", b.authorize(request("login_hint", "anna")).form().fields.Get("username"))
	require.Empty(t, b.authorize(request("login_hint", strings.Repeat("x", 1000))).form().fields.Get("username"))
}

func TestNew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for want, cfg := range map[string]hosted.Config{
		"Config.Pools is nil":       {Pool: poolID},
		`Config.Pool is "other"`:    {Pools: r.Service, Pool: "other"},
		"Config.SessionLife is 1s,": {Pools: r.Service, Pool: poolID, SessionLife: time.Second},
		"Config.SessionLife is 24h": {Pools: r.Service, Pool: poolID, SessionLife: 24*time.Hour + 1},
	} {
		_, err := hosted.New(cfg)
		require.ErrorContains(t, err, want)
	}
	h, err := hosted.New(hosted.Config{Pools: r.Service, Pool: poolID})
	require.NoError(t, err)
	require.NotNil(t, h)
}

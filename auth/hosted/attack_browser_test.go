package hosted_test

import (
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

// TestAttackCSRF: a form counts only from our page, in the browser that it was shown to.
func TestAttackCSRF(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	r.user("mallory")
	attacker := r.browser()
	theirs := attacker.authorize(request()).form()
	theirs.fields.Set("username", "mallory")
	theirs.fields.Set("password", goodPass)
	victim := r.browser()
	ours := victim.authorize(request())
	post := func(b *browser, fields url.Values, headers ...string) *page {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, theirs.action, strings.NewReader(fields.Encode()))
		require.NoError(t, err)
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(headers); i += 2 {
			q.Header.Set(headers[i], headers[i+1])
		}
		return b.do(q)
	}
	good := with(theirs.fields, "_csrf", ours.form().fields.Get("_csrf"))
	for name, p := range map[string]*page{
		"the attacker's token":   post(victim, theirs.fields),
		"no token":               post(victim, with(theirs.fields, "_csrf")),
		"empty":                  post(victim, with(theirs.fields, "_csrf", "")),
		"no cookie":              post(r.browser(), theirs.fields),
		"no cookie, empty":       post(r.browser(), with(theirs.fields, "_csrf", "")),
		"from another site":      post(victim, good, "Sec-Fetch-Site", "cross-site"),
		"from a sibling":         post(victim, good, "Sec-Fetch-Site", "same-site"),
		"from another origin":    post(victim, good, "Origin", "https://evil.example"),
		"from an unknown origin": post(victim, good, "Origin", "null"),
		"the token in the URL":   victim.post(theirs.action+"&_csrf="+good.Get("_csrf"), less(theirs.fields, "_csrf")),
	} {
		require.Equal(t, 403, p.status, name)
		require.Equal(t, "Sign in", p.text("h1"), name)
		require.NotContains(t, strings.Join(p.header.Values("Set-Cookie"), "\n"), "session", name)
	}
	for path, fields := range map[string]url.Values{
		"/signup": {"username": {"x"}}, "/challenge": {"challenge": {"SOFTWARE_TOKEN_MFA"}}, "/confirmUser": {"username": {"x"}}, "/resendcode": {"username": {"x"}}, "/forgotPassword": {"username": {"alice"}}, "/confirmForgotPassword": {"username": {"alice"}},
	} {
		require.Equal(t, 403, victim.post(r.base+path+"?"+request().Encode(), fields).status, path)
	}
	require.Zero(t, r.outbox.Len())
	require.NotEmpty(t, post(victim, with(good, "username", "alice"), "Sec-Fetch-Site", "same-origin", "Origin", r.server.URL).back().Get("code"))
}

// TestAttackFixation: who signs in has a new session, whatever the browser had before.
func TestAttackFixation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	r.user("mallory")
	host, err := url.Parse(r.server.URL)
	require.NoError(t, err)
	values := func(b *browser) map[string]string {
		m := map[string]string{}
		for _, c := range b.http.Jar.Cookies(host) {
			m[c.Name] = c.Value
		}
		return m
	}
	attacker, victim := r.browser(), r.browser()
	attacker.signIn(request(), "mallory")
	planted := attacker.http.Jar.Cookies(host)
	victim.http.Jar.SetCookies(host, planted)
	p := victim.submit(victim.authorize(request("prompt", "login")), "username", "alice", "password", goodPass)
	got := r.tokens(p.back().Get("code"))
	require.Equal(t, "alice", r.userInfo(got["access_token"].(string)).body["username"])
	for _, c := range planted {
		require.NotEqual(t, c.Value, values(victim)[c.Name], c.Name)
	}
	got = r.tokens(attacker.authorize(request()).back().Get("code"))
	require.Equal(t, "mallory", r.userInfo(got["access_token"].(string)).body["username"])
	before := values(victim)
	victim.signIn(request("prompt", "login"), "alice")
	for name, value := range values(victim) {
		require.NotEqual(t, before[name], value, "%s: each sign-in has its own", name)
	}
	// Two sessions are none: it is not known who has set the other one.
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/oauth2/authorize?"+request("prompt", "none").Encode(), nil)
	require.NoError(t, err)
	for name, value := range values(victim) {
		q.Header.Add("Cookie", name+"="+value)
		q.Header.Add("Cookie", name+"="+values(attacker)[name])
	}
	require.Equal(t, "login_required", r.browser().do(q).back().Get("error"))
}

// TestAttackCookies: what is set is out of reach for scripts, other hosts and plain HTTP,
// and ends.
func TestAttackCookies(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *userpool.Config, c *hosted.Config) { c.SessionLife = 10 * time.Minute })
	r.user("alice")
	b := r.browser()
	first := b.authorize(request())
	list := append(cookies(t, first.header), cookies(t, b.submit(first, "username", "alice", "password", goodPass).header)...)
	require.Len(t, list, 3)
	for _, c := range list {
		require.True(t, strings.HasPrefix(c.Name, "__Host-"), c.Name)
		require.True(t, c.HttpOnly)
		require.True(t, c.Secure)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite)
		require.Equal(t, "/", c.Path)
		require.Empty(t, c.Domain)
		if strings.Contains(c.Name, "session") {
			require.Equal(t, 600, c.MaxAge)
		}
	}
	require.Equal(t, "__Host-session-"+poolID, list[1].Name)
	// Without TLS, which is for development, they work too.
	r = newRig(t, func(c *userpool.Config, _ *hosted.Config) { c.Hosted = map[string]string{poolID: "http://localhost:1"} })
	for _, c := range cookies(t, r.browser().get(r.base+"/login?"+request().Encode()).header) {
		require.False(t, c.Secure)
		require.Equal(t, "csrf-"+poolID, c.Name)
	}
}

func cookies(t *testing.T, header http.Header) []*http.Cookie {
	t.Helper()
	return (&http.Response{Header: header}).Cookies()
}

const script = `"><script>alert(1)</script><img src=x onerror=alert(1) x='`

// TestAttackXSS: whatever comes in stays text.
func TestAttackXSS(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "email", "alice@example.com", "email_verified", "true")
	r.change(publicID, func(c *userpool.ClientSettings) { c.ClientName = "a-b.c@d,e+f=g" })
	harmless := func(what string, p *page) {
		t.Helper()
		p.walk(func(n *html.Node, a map[string]string) {
			require.NotContains(t, []string{"script", "img", "iframe", "object", "svg"}, n.Data, what)
			for name, value := range a {
				require.False(t, strings.HasPrefix(name, "on"), "%s: %s", what, name)
				if name == "href" || name == "action" || name == "formaction" {
					require.True(t, strings.HasPrefix(value, r.base), "%s: %s", what, value)
				}
			}
		})
		require.Contains(t, p.header.Get("Content-Security-Policy"), "default-src 'none'", what)
		require.Equal(t, "nosniff", p.header.Get("X-Content-Type-Options"))
	}
	b := r.browser()
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age", "login_hint", "code_challenge", "code_challenge_method", "ui_locales", "request", "request_uri", "unknown", script} {
		for _, path := range []string{"/oauth2/authorize", "/login", "/signup", "/confirmUser", "/forgotPassword", "/confirmForgotPassword", "/logout"} {
			p := b.get(r.base + path + "?" + request(name, script).Encode())
			if p.status == 303 {
				require.NotContains(t, p.header.Get("Location"), "<")
				require.Empty(t, p.body)
				continue
			}
			harmless(path+" "+name, p)
		}
	}
	for path, name := range map[string]string{"/logout?client_id=public&logout_uri=": "", "/logout?logout_uri=x&client_id=": "", "/logout?post_logout_redirect_uri=": "", "/" + url.PathEscape(script) + "?x=": ""} {
		p := b.get(r.base + path + url.QueryEscape(script) + name)
		require.NotEqual(t, 303, p.status)
		require.NotContains(t, p.body, "<script")
	}
	// And what is written into forms, with all errors that repeat it.
	for path, fields := range map[string][]string{
		"/login": {"username", "password"}, "/signup": {"username", "password", "again", "attribute.email"}, "/confirmUser": {"username", "code"},
		"/forgotPassword": {"username"}, "/confirmForgotPassword": {"username", "code", "password", "again"},
	} {
		p := b.get(r.base + path + "?" + request().Encode())
		for _, field := range fields {
			q := p.form().fields
			q.Set("username", "alice")
			q.Set("password", goodPass)
			q.Set("again", goodPass)
			q.Set(field, script)
			harmless(path+" "+field, b.post(r.base+path+"?"+request("prompt", "login").Encode(), q))
		}
	}
	csrf := b.authorize(request("prompt", "login")).form().fields.Get("_csrf")
	for _, field := range []string{"challenge", "session", "secret", "username", "code", "attribute." + script} {
		for _, kind := range []string{"NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA", "MFA_SETUP", script} {
			q := url.Values{"_csrf": {csrf}, "challenge": {kind}, "session": {"x"}}
			q.Set(field, script)
			harmless(kind+" "+field, b.post(r.base+"/challenge?"+request().Encode(), q))
		}
	}
}

// TestAttackFrames: no page is shown in somebody else's, none is kept, and none tells
// others where it was.
func TestAttackFrames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	q := request().Encode()
	for _, path := range []string{"/login?" + q, "/signup?" + q, "/confirmUser?" + q, "/forgotPassword?" + q, "/confirmForgotPassword?" + q, "/login", "/oauth2/authorize", "/logout"} {
		h := b.get(r.base + path).header
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
		require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		require.Contains(t, h.Get("Content-Security-Policy"), "base-uri 'none'", path)
		require.Equal(t, !strings.HasPrefix(path, "/login?"), strings.Contains(h.Get("Content-Security-Policy"), "form-action 'self'"), path)
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"), path)
		require.Equal(t, "no-store", h.Get("Cache-Control"), path)
		require.Empty(t, h.Get("Access-Control-Allow-Origin"), path)
	}
	first, second := b.get(r.base+"/login?"+q), b.get(r.base+"/login?"+q)
	require.NotEqual(t, first.header.Get("Content-Security-Policy"), second.header.Get("Content-Security-Policy"), "a nonce is for one page")
}

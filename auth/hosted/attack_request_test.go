package hosted_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/thinghub/thinghub/auth/hosted"
	"github.com/thinghub/thinghub/auth/userpool"
)

// TestAttackRedirect: nobody is sent to an address that is not the app's to the letter,
// neither with a code nor with an error.
func TestAttackRedirect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	signed, anybody := r.browser(), r.browser()
	signed.signIn(request(), "alice")
	for _, to := range []string{
		"https://evil.example", "//evil.example", "/back", "https://app.example.com", "https://app.example.com/back", callback + "&x=1", callback + "/", callback + "%20", " " + callback, callback + "#x",
		"https://app.example.com/Back?kept=1", "https://APP.example.com/back?kept=1", "http://app.example.com/back?kept=1", "https://app.example.com:443/back?kept=1",
		"https://app.example.com@evil.example/back?kept=1", "https://app.example.com.evil.example/back?kept=1", `https://app.example.com\@evil.example/back?kept=1`,
		"https://app.example.com/x/../back?kept=1", "https://app.example.com/back?kept=1%0d%0aX:1", "https://app.example.com/other?x", "https://app.example.com/other%2f..",
		"javascript:alert(1)", "data:text/html,x", "http://localhost:3001/back", "http://127.0.0.1:3000/back", "http://localhost/back", "myapp://back/x", "myapp://evil", "MYAPP://back", "*",
	} {
		for path, q := range map[string]url.Values{
			"/oauth2/authorize?": request("redirect_uri", to), "/oauth2/authorize?x&": request("redirect_uri", to, "prompt", "none"),
			"/login?": request("redirect_uri", to, "response_type", "nonsense"), "/signup?": request("redirect_uri", to, "scope", "nonsense"),
		} {
			for _, b := range []*browser{signed, anybody} {
				p := b.get(r.base + path + q.Encode())
				require.Equal(t, 400, p.status, "%s%s", path, to)
				require.Empty(t, p.header.Get("Location"), to)
				require.NotContains(t, p.body, "evil.example")
			}
		}
	}
	// Where the code is redeemed it is the same one.
	code := signed.authorize(request()).back().Get("code")
	for _, to := range []string{"", "https://app.example.com/other", "https://evil.example", callback + "x"} {
		refused(t, r.call("/oauth2/token", "", "", exchanging(code, "redirect_uri", to)), 400, "invalid_grant", to)
	}
	r.tokens(code)
	// What a request says of its host leads nowhere.
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/oauth2/authorize?"+request().Encode(), nil)
	require.NoError(t, err)
	q.Host = "evil.example"
	q.Header.Set("X-Forwarded-Host", "evil.example")
	require.True(t, strings.HasPrefix(anybody.do(q).header.Get("Location"), r.base+"/login?"))
	// Other apps' addresses are not this one's.
	r.change(secretID, func(c *userpool.ClientSettings) { c.CallbackURLs = []string{"https://server.example.com/back"} })
	require.Equal(t, 400, signed.get(r.base+"/oauth2/authorize?"+request("redirect_uri", "https://server.example.com/back").Encode()).status)
}

// TestAttackClients: who is no app, or one that nobody signs in to here, is told on the
// spot.
func TestAttackClients(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, id := range []string{"", "none", "a b", "../" + publicID, strings.Repeat("x", 200), "%00"} {
		require.Equal(t, 400, r.browser().authorize(request("client_id", id)).status, id)
	}
	for name, f := range map[string]func(c *userpool.ClientSettings){
		"off":       func(c *userpool.ClientSettings) { c.AllowedOAuthFlowsUserPoolClient = false },
		"elsewhere": func(c *userpool.ClientSettings) { c.SupportedIdentityProviders = []string{"Google"} },
	} {
		r := newRig(t)
		r.change(publicID, f)
		require.Equal(t, 400, r.browser().authorize(request()).status, name)
	}
}

// TestAttackState: state comes back as it was and adds nothing of its own.
func TestAttackState(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	b := r.browser()
	b.signIn(request(), "alice")
	for _, state := range []string{"a b", "&code=evil", "#x", "%0d%0aSet-Cookie: x=1", "世界 +/=", strings.Repeat("x", 2000), "\u2028<>\"'"} {
		for _, scope := range []string{"openid", "nonsense"} {
			back := b.authorize(request("state", state, "scope", scope)).back()
			require.Equal(t, []string{state}, back["state"])
			require.NotEqual(t, "evil", back.Get("code"))
			require.Equal(t, scope == "openid", back.Has("code"))
			require.Len(t, append(back["code"], back["error"]...), 1)
		}
	}
	require.False(t, b.authorize(request("state", "")).back().Has("state"))
	for _, state := range []string{"a\r\nb", "\x00", "\xff", strings.Repeat("x", 9000)} {
		require.Equal(t, 400, b.get(r.base+"/oauth2/authorize?"+request("state", state).Encode()).status, "%q", state)
	}
}

// TestAttackRequests: what is not offered is refused, not half done.
func TestAttackRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	b := r.browser()
	b.signIn(request(), "alice")
	for name, c := range map[string]struct {
		kind string
		q    url.Values
	}{
		"token":            {"unsupported_response_type", request("response_type", "token")},
		"hybrid":           {"unsupported_response_type", request("response_type", "code id_token")},
		"no type":          {"invalid_request", request("response_type", "")},
		"fragment":         {"invalid_request", request("response_mode", "fragment")},
		"form_post":        {"invalid_request", request("response_mode", "form_post")},
		"web_message":      {"invalid_request", request("response_mode", "web_message")},
		"request object":   {"request_not_supported", request("request", "eyJhbGciOiJub25lIn0.e30.")},
		"request by URL":   {"request_uri_not_supported", request("request_uri", "https://evil.example/x")},
		"none with others": {"invalid_request", request("prompt", "none login")},
		"unknown prompt":   {"invalid_request", request("prompt", "create")},
		"long nonce":       {"invalid_request", request("nonce", strings.Repeat("x", 513))},
	} {
		back := b.authorize(c.q).back()
		require.Equal(t, c.kind, back.Get("error"), name)
		require.Equal(t, "s&=1", back.Get("state"), name)
		require.False(t, back.Has("code"), name)
	}
	require.True(t, b.authorize(request("response_mode", "query", "ui_locales", "de xx-invalid-", "unknown", "x")).back().Has("code"))
	for name, raw := range map[string]string{
		"twice":        request().Encode() + "&client_id=" + secretID,
		"scope twice":  request().Encode() + "&scope=openid",
		"semicolon":    request().Encode() + ";x=1",
		"bad escape":   request().Encode() + "&x=%zz",
		"age":          request("max_age", "x").Encode(),
		"negative age": request("max_age", "-1").Encode(),
		"too long":     request().Encode() + "&x=" + strings.Repeat("x", 9000),
	} {
		p := b.get(r.base + "/oauth2/authorize?" + raw)
		require.Equal(t, 400, p.status, name)
		require.Empty(t, p.header.Get("Location"), name)
	}
	for _, c := range []struct{ method, path string }{{"PUT", "/login"}, {"DELETE", "/oauth2/token"}, {"GET", "/oauth2/token"}, {"GET", "/challenge"}, {"GET", "/resendcode"}, {"POST", "/logout"}} {
		q, err := http.NewRequestWithContext(t.Context(), c.method, r.base+c.path+"?"+request().Encode(), nil)
		require.NoError(t, err)
		require.Equal(t, 405, b.do(q).status, c.path)
	}
	require.Equal(t, 404, b.get(r.base+"/other").status)
	require.Equal(t, 400, b.post(r.base+"/oauth2/authorize?x=1", request()).status)
	require.Equal(t, 400, b.post(r.base+"/oauth2/authorize", request("state", strings.Repeat("x", 9000))).status)
	require.Equal(t, 400, b.post(r.base+"/login?"+request().Encode(), url.Values{"username": {strings.Repeat("x", 70_000)}}).status)
}

// FuzzRequest: whatever a request says, a browser is sent to our pages or to one of the
// app's addresses, and what it is shown has nothing of the request that is not text.
func FuzzRequest(f *testing.F) {
	f.Add(request().Encode())
	f.Add(request("redirect_uri", "https://evil.example").Encode())
	f.Add(request("state", script, "login_hint", script).Encode())
	f.Add("client_id=public&client_id=x&%zz;")
	f.Add("scope.0=x&client_id=public&max_age=99999999999999999999&prompt=none+login&ui_locales=%ff")
	f.Add(request("prompt", "none", "scope", "a b c", "response_mode", "fragment").Encode())
	r := newRig(f)
	pages, err := hosted.New(hosted.Config{Pools: r.Service, Pool: poolID})
	if err != nil {
		f.Fatal(err)
	}
	allowed := []string{r.base + "/login?", "https://app.example.com/back?", "https://app.example.com/other?", "http://localhost:3000/back?", "myapp://back?"}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/oauth2/authorize", "/login", "/signup", "/logout"} {
			w := httptest.NewRecorder()
			pages.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Host: "x", Body: http.NoBody})
			to := w.Header().Get("Location")
			switch w.Code {
			case 200, 400:
				require.Empty(t, to)
				p := &page{t, w.Code, w.Header(), w.Body.String()}
				p.walk(func(n *html.Node, a map[string]string) {
					require.NotEqual(t, "script", n.Data)
					for _, name := range []string{"href", "action", "formaction"} {
						require.True(t, a[name] == "" || strings.HasPrefix(a[name], r.base+"/"), a[name])
					}
				})
			case 303:
				ours := false
				for _, prefix := range allowed {
					ours = ours || strings.HasPrefix(to, prefix)
				}
				require.True(t, ours || to == farewell || strings.HasPrefix(to, farewell+"?state="), to)
				require.NotContains(t, to, "\n")
			default:
				t.Fatalf("%s: %d", path, w.Code)
			}
		}
	})
}

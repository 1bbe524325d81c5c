package hosted_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/hosted"
	"github.com/thinghub/thinghub/auth/userpool"
)

const (
	poolID   = "eu-central-1_TestPool1"
	publicID = "public"
	secretID = "confidential"
	secret   = "0123456789abcdefghijklmnop"
	goodPass = "Passw0rd!"
	callback = "https://app.example.com/back?kept=1"
	farewell = "https://app.example.com/bye"
	verifier = "0123456789-0123456789-0123456789-0123456789"
)

// A rig is a pool with its pages, at a server with TLS.
type rig struct {
	*userpool.Service
	t      testing.TB
	server *httptest.Server
	base   string // of the pages
	dir    auth.Directory
	outbox *userpool.Outbox
	log    *strings.Builder

	mu    sync.Mutex
	clock time.Time
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	r.clock = r.clock.Add(d)
	r.mu.Unlock()
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// app is what clients of the rig have in common.
func app(name string) userpool.ClientSettings {
	return userpool.ClientSettings{
		ClientName: name, ExplicitAuthFlows: []string{"ALLOW_REFRESH_TOKEN_AUTH"}, AllowedOAuthFlowsUserPoolClient: true, AllowedOAuthFlows: []string{"code"},
		AllowedOAuthScopes: []string{"openid", "email", "profile", "phone", "aws.cognito.signin.user.admin"},
		CallbackURLs:       []string{callback, "https://app.example.com/other", "http://localhost:3000/back", "myapp://back"}, LogoutURLs: []string{farewell},
	}
}

func newRig(t testing.TB, change ...func(c *userpool.Config, h *hosted.Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: auth.NewMemory(), outbox: &userpool.Outbox{}, log: &strings.Builder{}, clock: time.Now()}
	mux := http.NewServeMux()
	r.server = httptest.NewTLSServer(mux)
	t.Cleanup(r.server.Close)
	r.base = r.server.URL + "/people"
	log := slog.New(slog.NewTextHandler(lockedWriter{&r.mu, r.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))

	pool := userpool.CreateUserPoolInput{PoolName: "people", AliasAttributes: []string{"email"}, Schema: []userpool.SchemaAttribute{{Name: "plant"}}}
	pool.AutoVerifiedAttributes = []string{"email"}
	pool.MfaConfiguration = "OPTIONAL"
	people := userpool.Config{
		Directory: r.dir, Issuer: r.server.URL + "/pools", Hash: userpool.HashParams{Memory: 64, Time: 1, Parallelism: 1},
		Sender: r.outbox, Now: r.now, Logger: log, Hosted: map[string]string{poolID: r.base},
		Pools: []userpool.Definition{{ID: poolID, Pool: pool, Clients: []userpool.ClientDefinition{
			{ID: publicID, Client: userpool.CreateUserPoolClientInput{ClientSettings: app("Public app")}},
			{ID: secretID, Secret: secret, Client: userpool.CreateUserPoolClientInput{ClientSettings: app("Server app")}},
		}}},
	}
	cfg := hosted.Config{Pool: poolID, Logger: log}
	for _, c := range change {
		c(&people, &cfg)
	}
	var err error
	r.Service, err = userpool.New(people)
	require.NoError(t, err)
	cfg.Pools = r.Service
	pages, err := hosted.New(cfg)
	require.NoError(t, err)
	mux.Handle("/people/", http.StripPrefix("/people", pages))
	mux.Handle("/pools/", http.StripPrefix("/pools", r.Handler()))
	return r
}

// logged is what was logged until now.
func (r *rig) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// user makes a user who can sign in.
func (r *rig) user(name string, pairs ...string) {
	r.t.Helper()
	r.invite(name, "Temp0rary!", pairs...)
	_, err := r.AdminSetUserPassword(r.t.Context(), userpool.AdminSetUserPasswordInput{UserPoolID: poolID, Username: name, Password: goodPass, Permanent: true})
	require.NoError(r.t, err)
}

// invite makes a user with a temporary password.
func (r *rig) invite(name, password string, pairs ...string) {
	r.t.Helper()
	var list []userpool.Attribute
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, userpool.Attribute{Name: pairs[i], Value: pairs[i+1]})
	}
	_, err := r.AdminCreateUser(r.t.Context(), userpool.AdminCreateUserInput{UserPoolID: poolID, Username: name, TemporaryPassword: password, UserAttributes: list, MessageAction: "SUPPRESS"})
	require.NoError(r.t, err)
}

// change changes the settings of a client.
func (r *rig) change(id string, f func(c *userpool.ClientSettings)) {
	r.t.Helper()
	c, err := r.DescribeUserPoolClient(r.t.Context(), userpool.ClientInput{UserPoolID: poolID, ClientID: id})
	require.NoError(r.t, err)
	f(&c.UserPoolClient.ClientSettings)
	_, err = r.UpdateUserPoolClient(r.t.Context(), userpool.UpdateUserPoolClientInput{UserPoolID: poolID, ClientID: id, ClientSettings: c.UserPoolClient.ClientSettings})
	require.NoError(r.t, err)
}

// challengeOf is the code_challenge of a verifier.
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a request of the public app; changes replace parameters, "" removes one.
func request(changes ...string) url.Values {
	q := url.Values{
		"client_id": {publicID}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"openid email"}, "state": {"s&=1"}, "nonce": {"n1"},
		"code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "" {
			q.Del(changes[i])
		} else {
			q.Set(changes[i], changes[i+1])
		}
	}
	return q
}

// A browser keeps cookies, and tells about redirects rather than following them.
type browser struct {
	r    *rig
	http *http.Client
}

func (r *rig) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(r.t, err)
	return &browser{r, &http.Client{Jar: jar, Transport: r.server.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// A page is what a browser got.
type page struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

func (b *browser) do(r *http.Request) *page {
	b.r.t.Helper()
	resp, err := b.http.Do(r)
	require.NoError(b.r.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.r.t, err)
	return &page{b.r.t, resp.StatusCode, resp.Header, string(body)}
}

func (b *browser) get(address string) *page {
	b.r.t.Helper()
	r, err := http.NewRequestWithContext(b.r.t.Context(), http.MethodGet, address, nil)
	require.NoError(b.r.t, err)
	return b.do(r)
}

func (b *browser) post(address string, form url.Values) *page {
	b.r.t.Helper()
	r, err := http.NewRequestWithContext(b.r.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	require.NoError(b.r.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

// authorize is what an app makes a browser ask for; if that leads to a page of ours it is
// opened.
func (b *browser) authorize(q url.Values) *page {
	b.r.t.Helper()
	p := b.get(b.r.base + "/oauth2/authorize?" + q.Encode())
	if to := p.header.Get("Location"); strings.HasPrefix(to, b.r.base) {
		return b.get(to)
	}
	return p
}

// submit fills in the form of a page and sends it.
func (b *browser) submit(p *page, pairs ...string) *page {
	b.r.t.Helper()
	f := p.form()
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(b.r.t, f.fields, pairs[i], p.body)
		f.fields.Set(pairs[i], pairs[i+1])
	}
	return b.post(f.action, f.fields)
}

// signIn signs in with a password, which must lead back to the app.
func (b *browser) signIn(q url.Values, name string) url.Values {
	b.r.t.Helper()
	p := b.submit(b.authorize(q), "username", name, "password", goodPass)
	return p.back()
}

// back is what the app is told.
func (p *page) back() url.Values {
	p.t.Helper()
	to := p.header.Get("Location")
	require.Equal(p.t, http.StatusSeeOther, p.status, p.body)
	require.True(p.t, strings.HasPrefix(to, callback+"&") || strings.HasPrefix(to, "https://app.example.com/back?"), to)
	u, err := url.Parse(to)
	require.NoError(p.t, err)
	require.Equal(p.t, "1", u.Query().Get("kept"))
	return u.Query()
}

// A form is that of a page.
type form struct {
	action string
	fields url.Values
	types  map[string]string
}

// walk calls f for each element.
func (p *page) walk(f func(n *html.Node, attributes map[string]string)) {
	p.t.Helper()
	doc, err := html.Parse(strings.NewReader(p.body))
	require.NoError(p.t, err)
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			m := map[string]string{}
			for _, a := range n.Attr {
				m[a.Key] = a.Val
			}
			f(n, m)
		}
	}
}

func (p *page) form() form {
	p.t.Helper()
	f := form{fields: url.Values{}, types: map[string]string{}}
	p.walk(func(n *html.Node, a map[string]string) {
		switch n.Data {
		case "form":
			require.Equal(p.t, "post", a["method"])
			f.action = a["action"]
		case "input":
			f.fields.Set(a["name"], a["value"])
			f.types[a["name"]] = a["type"]
		}
	})
	require.NotEmpty(p.t, f.action, "%d %v %s", p.status, p.header, p.body)
	return f
}

// text is that of the first element with a role or of a name, "" if there is none.
func (p *page) text(what string) (text string) {
	p.walk(func(n *html.Node, a map[string]string) {
		if (n.Data == what || a["role"] == what) && text == "" {
			for c := range n.Descendants() {
				if c.Type == html.TextNode {
					text += c.Data
				}
			}
		}
	})
	return text
}

// link is where a link leads to.
func (p *page) link(words string) (to string) {
	p.t.Helper()
	p.walk(func(n *html.Node, a map[string]string) {
		if n.FirstChild != nil && n.FirstChild.Data == words {
			to = a["href"] + a["formaction"]
		}
	})
	require.NotEmpty(p.t, to, p.body)
	return to
}

// An answer is one of an endpoint for apps.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// call posts a form as apps do. user and password are for Basic, "" for none.
func (r *rig) call(path, user, password string, form url.Values) answer {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.base+path, strings.NewReader(form.Encode()))
	require.NoError(r.t, err)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		q.SetBasicAuth(user, password)
	}
	return r.send(q)
}

func (r *rig) send(q *http.Request) answer {
	r.t.Helper()
	resp, err := r.server.Client().Do(q)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(b)}
	if len(b) > 0 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		require.NoError(r.t, json.Unmarshal(b, &a.body), a.raw)
	}
	return a
}

// exchanging is the form that redeems a code for the public app; changes as in request.
func exchanging(code string, changes ...string) url.Values {
	q := url.Values{"grant_type": {"authorization_code"}, "client_id": {publicID}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "" {
			q.Del(changes[i])
		} else {
			q.Set(changes[i], changes[i+1])
		}
	}
	return q
}

// tokens redeems a code, which must work.
func (r *rig) tokens(code string) map[string]any {
	r.t.Helper()
	a := r.call("/oauth2/token", "", "", exchanging(code))
	require.Equal(r.t, 200, a.status, a.raw)
	return a.body
}

// userInfo asks who the user of an access token is.
func (r *rig) userInfo(access string) answer {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.base+"/oauth2/userInfo", nil)
	require.NoError(r.t, err)
	if access != "" {
		q.Header.Set("Authorization", "Bearer "+access)
	}
	return r.send(q)
}

// refused requires the error of an endpoint for apps.
func refused(t testing.TB, a answer, status int, kind string, message ...any) {
	t.Helper()
	require.Equal(t, status, a.status, message...)
	require.Equal(t, kind, a.body["error"], message...)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.NotContains(t, a.body, "access_token")
}

// totp is the code that a software token shows.
func totp(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	require.NoError(t, err)
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[19]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// less is a copy of values without one.
func less(v url.Values, name string) url.Values {
	c := maps.Clone(v)
	c.Del(name)
	return c
}

// with is a copy of values with more.
func with(v url.Values, name string, values ...string) url.Values {
	c := maps.Clone(v)
	c[name] = values
	return c
}

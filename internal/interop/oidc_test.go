package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

const oidcSecret, oidcBack = "s3:cret/+", "https://hub.test/back"

// beginOIDC starts oidc-provider, with further addresses to send people back to.
func beginOIDC(t *testing.T, back ...string) (p *process, issuer string) {
	t.Helper()
	require.DirExists(t, "node_modules", "install the packages with: make test (or scripts/testdeps.sh)")
	p = begin(t, "node", append([]string{"testdata/oidc.mjs"}, back...)...)
	return p, oidcSays(t, p, "http://")
}

// oidcSays returns the next line with a prefix: the library writes notices of its own.
func oidcSays(t *testing.T, p *process, prefix string) string {
	t.Helper()
	for {
		if line := p.lines.next(t); strings.HasPrefix(line, prefix) {
			return line
		}
	}
}

func oidcProvider(t *testing.T, cfg oidc.Config) *oidc.Provider {
	t.Helper()
	cfg.Algorithms, cfg.Cooldown = []string{"ES256"}, time.Second
	p, err := oidc.New(cfg)
	require.NoError(t, err)
	return p
}

// accessToken is one for the hub, which a device gets with the secret that it shares with
// the issuer.
func accessToken(t *testing.T, issuer string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/token", strings.NewReader("grant_type=client_credentials"))
	require.NoError(t, err)
	r.SetBasicAuth("hub", url.QueryEscape(oidcSecret))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var body struct {
		Token string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
	require.NotEmpty(t, body.Token)
	return body.Token
}

// TestOIDCDevices lets a device in with an access token of an issuer of another make, also
// after the issuer has another key.
func TestOIDCDevices(t *testing.T) {
	t.Parallel()
	p, issuer := beginOIDC(t)
	logins, err := oidc.Password(oidc.PasswordConfig{
		UserName: "token", Bearer: true, Verifiers: []auth.TokenVerifier{oidcProvider(t, oidc.Config{Issuer: issuer, Audiences: []string{"urn:hub"}, Use: oidc.AccessTokens})},
	})
	require.NoError(t, err)
	h := startHub(t, func(c *thinghub.Config) { c.Authenticator, c.Logins = nil, []auth.Authenticator{logins} })
	tcp, web := "tcp://"+h.addr, "ws://"+h.serveHTTP(t, nil)+"/mqtt"
	password := func(token string) v3Option {
		return func(o *mqtt.ClientOptions) { o.SetUsername("token").SetPassword(token) }
	}
	bearer := func(token string) v3Option {
		return func(o *mqtt.ClientOptions) { o.SetHTTPHeaders(http.Header{"Authorization": {"Bearer " + token}}) }
	}
	first := accessToken(t, issuer)
	dialV3(t, tcp, "password", password(first))
	dialV3(t, web, "bearer", bearer(first))
	require.Equal(t, "hub", h.client(t, "password").Principal)
	require.Equal(t, "hub", h.client(t, "bearer").Principal)
	refused := func(name, url string, how v3Option) {
		tok := newV3(url, name, how).Connect()
		require.True(t, tok.WaitTimeout(patience))
		require.Error(t, tok.Error(), name)
	}
	refused("cut", tcp, password(first[:len(first)-8]))
	refused("cut bearer", web, bearer(first[:len(first)-8]))

	_, err = io.WriteString(p.stdin, "rotate\n")
	require.NoError(t, err)
	oidcSays(t, p, "rotated")
	second := accessToken(t, issuer)
	await(t, "the issuer's new key", func() error { // which is not asked for within the cooldown
		tok := newV3(tcp, "rotated", password(second)).Connect()
		if !tok.WaitTimeout(patience) {
			return fmt.Errorf("no answer")
		}
		return tok.Error()
	})
	refused("with the key that is gone", tcp, password(first))
}

var hidden = regexp.MustCompile(`name="prompt" value="(\w+)"`)

// visit is what somebody does who is sent to the issuer: it returns where the browser ends
// up.
func visitOIDC(t *testing.T, to, name string) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "hub.test" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := browser.Get(to)
	for range 5 {
		require.NoError(t, err)
		page, readErr := io.ReadAll(resp.Body)
		require.NoError(t, readErr)
		require.NoError(t, resp.Body.Close())
		if at := resp.Header.Get("Location"); strings.HasPrefix(at, oidcBack) {
			u, err := url.Parse(at)
			require.NoError(t, err)
			return u.Query()
		}
		prompt := hidden.FindSubmatch(page)
		require.NotNil(t, prompt, "%s %s", resp.Status, page)
		form := url.Values{"prompt": {string(prompt[1])}}
		if form.Get("prompt") == "login" {
			form.Set("login", name)
			form.Set("password", "any")
		}
		resp, err = browser.PostForm(resp.Request.URL.String(), form)
	}
	require.FailNow(t, "the issuer asks and asks")
	return nil
}

// TestOIDCPeople goes through the authorization code flow with an issuer of another make.
func TestOIDCPeople(t *testing.T) {
	t.Parallel()
	_, issuer := beginOIDC(t)
	provider := oidcProvider(t, oidc.Config{Issuer: issuer, Audiences: []string{"hub"}})
	secret := func(s string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return s, nil }
	}
	flow, err := oidc.NewFlow(oidc.FlowConfig{Provider: provider, ClientID: "hub", RedirectURL: oidcBack, Secret: secret(oidcSecret)})
	require.NoError(t, err)
	begin := func() *oidc.Pending {
		p, err := flow.Begin(t.Context())
		require.NoError(t, err)
		return p
	}
	p := begin()
	back := visitOIDC(t, p.URL, "alice")
	require.Equal(t, issuer, back.Get("iss"))
	in, err := flow.Exchange(t.Context(), p, back)
	require.NoError(t, err)
	require.Equal(t, "alice", in.Token.Subject)
	got, err := provider.Verify(t.Context(), in.IDToken)
	require.NoError(t, err)
	require.Equal(t, in.Token, got)
	_, err = provider.Verify(t.Context(), accessToken(t, issuer))
	require.ErrorIs(t, err, auth.ErrBadCredentials, "an access token is no ID token")
	_, err = flow.Exchange(t.Context(), p, back)
	require.ErrorIs(t, err, auth.ErrBadCredentials, "a code counts once")

	// What somebody has done in one browser does not sign in another one.
	mine, theirs := begin(), begin()
	back = visitOIDC(t, theirs.URL, "mallory")
	_, err = flow.Exchange(t.Context(), mine, back)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	back.Set("state", mine.State)
	_, err = flow.Exchange(t.Context(), mine, back)
	require.ErrorIs(t, err, auth.ErrBadCredentials, "the issuer checks the verifier")

	wrong, err := oidc.NewFlow(oidc.FlowConfig{Provider: provider, ClientID: "hub", RedirectURL: oidcBack, Secret: secret("old")})
	require.NoError(t, err)
	p = begin()
	_, err = wrong.Exchange(t.Context(), p, visitOIDC(t, p.URL, "alice"))
	require.ErrorIs(t, err, auth.ErrUnavailable, "our secret is to blame")
}

package saml_test

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	"github.com/crewjam/saml/logger"
	"github.com/crewjam/saml/samlidp"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/saml"
)

// newIDP is an identity provider of another make, with the user alice, that knows us.
func newIDP(t *testing.T, service []byte) *httptest.Server {
	t.Helper()
	var handler atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.Load().(http.Handler).ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	base, err := url.Parse(srv.URL)
	require.NoError(t, err)
	s := newSigner(idpKey.key, time.Now())
	idp, err := samlidp.New(samlidp.Options{URL: *base, Key: s.key, Signer: s.key, Certificate: s.cert, Store: &samlidp.MemoryStore{}, Logger: quiet{}})
	require.NoError(t, err)
	idp.IDP.SignatureMethod = dsig.RSASHA256SignatureMethod
	handler.Store(http.Handler(idp))
	for path, body := range map[string]string{"/users/alice": `{"name": "alice", "password": "alice-pw", "email": "alice@example.com", "groups": ["admins"]}`, "/services/hub": string(service)} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := srv.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusNoContent, resp.StatusCode, path)
	}
	return srv
}

type quiet struct{ logger.Interface }

func (quiet) Print(...any)          {}
func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

var field = regexp.MustCompile(`name="(SAMLResponse|RelayState)" value="([^"]*)"`)

// login is what somebody does who logs in at the identity provider and is then sent there
// by us: it returns what the browser posts to us.
func login(t *testing.T, to, password string) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	at, err := url.Parse(to)
	require.NoError(t, err)
	resp, err := browser.PostForm("http://"+at.Host+"/login", url.Values{"user": {"alice"}, "password": {password}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	resp, err = browser.Get(to)
	require.NoError(t, err)
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	back := url.Values{}
	for _, m := range field.FindAllStringSubmatch(string(page), -1) {
		back.Set(m[1], html.UnescapeString(m[2]))
	}
	return back
}

// TestSignIn goes through the whole of it with an identity provider of another make.
func TestSignIn(t *testing.T) {
	t.Parallel()
	own := newSigner(otherKey.key, time.Now())
	for name, change := range map[string]func(*saml.Config){
		"plain":                func(*saml.Config) {},
		"signed and encrypted": func(c *saml.Config) { c.Key, c.Certificate = own.key, own.cert },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := func(at string) func(*saml.Config) {
				return func(c *saml.Config) {
					c.Metadata, c.MetadataURL, c.Now, c.NameIDFormat = nil, at+"/metadata", nil, string(crewjam.UnspecifiedNameIDFormat)
					change(c)
				}
			}
			service, err := provider(t, live("http://127.0.0.1:1")).ServiceMetadata()
			require.NoError(t, err)
			idp := newIDP(t, service)
			p := provider(t, live(idp.URL))

			pending := map[string]*saml.Pending{}
			var got *saml.Assertion
			var failed error
			acs, err := p.Handler(saml.HandlerConfig{
				Take: func(r *http.Request) *saml.Pending {
					c, err := r.Cookie("session")
					if err != nil {
						return nil
					}
					p := pending[c.Value]
					delete(pending, c.Value)
					return p
				},
				Done: func(w http.ResponseWriter, _ *http.Request, a *saml.Assertion) {
					got = a
					w.WriteHeader(http.StatusNoContent)
				},
				Failed: func(w http.ResponseWriter, _ *http.Request, err error) {
					failed = err
					w.WriteHeader(http.StatusForbidden)
				},
			})
			require.NoError(t, err)
			post := func(session string, form url.Values) int {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, acsURL, strings.NewReader(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.AddCookie(&http.Cookie{Name: "session", Value: session})
				w := httptest.NewRecorder()
				acs.ServeHTTP(w, r)
				return w.Code
			}

			begun, err := p.Begin(t.Context())
			require.NoError(t, err)
			id, query := requestOf(t, begun.URL)
			require.Equal(t, begun.ID, id)
			require.Equal(t, begun.RelayState, query.Get("RelayState"))
			require.Equal(t, name != "plain", query.Get("Signature") != "")
			back := login(t, begun.URL, "alice-pw")
			require.Len(t, back, 2)
			posted, err := base64.StdEncoding.DecodeString(back.Get("SAMLResponse"))
			require.NoError(t, err)
			require.Equal(t, name != "plain", strings.Contains(string(posted), "EncryptedAssertion"))
			require.Equal(t, http.StatusForbidden, post("other", back), "another browser")
			require.ErrorContains(t, failed, "nobody is signing in")
			pending["s"] = begun
			require.Equal(t, http.StatusNoContent, post("s", back), "%v", failed)
			require.Equal(t, idp.URL+"/metadata", got.Issuer)
			require.Equal(t, begun.ID, got.InResponseTo)
			require.NotEmpty(t, got.Subject)
			require.Contains(t, strings.Join(got.Audience, " "), hubName)
			require.Equal(t, http.StatusForbidden, post("s", back), "again")
			pending["s"] = begun
			require.Equal(t, http.StatusForbidden, post("s", back), "again, though the host has not forgotten it")
			require.ErrorContains(t, failed, "already been used")
			_, err = p.Verify(t.Context(), back.Get("SAMLResponse"))
			require.ErrorIs(t, err, auth.ErrBadCredentials, "it answers a request")

			begun, err = p.Begin(t.Context())
			require.NoError(t, err)
			require.Empty(t, login(t, begun.URL, "guess").Get("SAMLResponse"))
			pending["s"] = begun
			require.Equal(t, http.StatusForbidden, post("s", back), "the answer to another request")
		})
	}
}

func TestFinishRefuses(t *testing.T) {
	t.Parallel()
	p := provider(t)
	pending, err := p.Begin(t.Context())
	require.NoError(t, err)
	require.Equal(t, epoch.Add(10*time.Minute), pending.Expires)
	answer := func(to string) string { return answerTo(t, to) }
	good := url.Values{"RelayState": {pending.RelayState}, "SAMLResponse": {answer(pending.ID)}}
	with := func(name string, values ...string) url.Values {
		v := url.Values{"RelayState": good["RelayState"], "SAMLResponse": good["SAMLResponse"]}
		v[name] = values
		return v
	}
	for _, c := range []struct {
		name, expects string
		pending       *saml.Pending
		form          url.Values
	}{
		{"nobody", "incomplete", nil, good},
		{"no state kept", "incomplete", &saml.Pending{ID: pending.ID}, with("RelayState", "")},
		{"state of another browser", "RelayState", pending, with("RelayState", "x")},
		{"state twice", "RelayState", pending, with("RelayState", pending.RelayState, pending.RelayState)},
		{"no response", "SAMLResponse", pending, with("SAMLResponse")},
		{"two responses", "SAMLResponse", pending, with("SAMLResponse", answer(pending.ID), answer(pending.ID))},
		{"too late", "longer than", &saml.Pending{ID: pending.ID, RelayState: pending.RelayState, Expires: epoch}, good},
		{"answer to another request", "InResponseTo", pending, with("SAMLResponse", answer("id-other"))},
		{"answer to none", "InResponseTo", pending, with("SAMLResponse", encode(signed(t)))},
		{"assertion alone", "answers no request", pending, with("SAMLResponse", encode(text(t, sign(t, idpKey, assertion().Element(), ""))))},
		{"assertion for another request in our answer", "request IDs", pending, with("SAMLResponse", func() string {
			raw := text(t, response(sign(t, idpKey, assertion(func(a *crewjam.Assertion) {
				a.Subject.SubjectConfirmations[0].SubjectConfirmationData.InResponseTo = "id-other"
			}).Element(), "")))
			return encode(strings.Replace(raw, `Version="2.0" IssueInstant`, `InResponseTo="`+pending.ID+`" Version="2.0" IssueInstant`, 1))
		}())},
	} {
		_, err := p.Finish(t.Context(), c.pending, c.form)
		require.ErrorIs(t, err, auth.ErrBadCredentials, c.name)
		require.ErrorContains(t, err, c.expects, c.name)
	}
	_, err = p.Finish(t.Context(), pending, good)
	require.NoError(t, err)
}

func TestHandler(t *testing.T) {
	t.Parallel()
	p := provider(t)
	_, err := p.Handler(saml.HandlerConfig{})
	require.ErrorContains(t, err, "Take or Done is nil")
	away := provider(t, func(c *saml.Config) { c.Metadata, c.MetadataURL = nil, "http://127.0.0.1:1/" })
	for _, c := range []struct {
		name, method, body string
		p                  *saml.Provider
		want               int
	}{
		{"GET", http.MethodGet, "", p, 405},
		{"nothing", http.MethodPost, "", p, 403},
		{"bad form", http.MethodPost, "%", p, 403},
		{"endless", http.MethodPost, "SAMLResponse=" + strings.Repeat("A", 1<<20), p, 403},
		{"no metadata", http.MethodPost, url.Values{"RelayState": {"r"}, "SAMLResponse": {encode(signed(t))}}.Encode(), away, 503},
	} {
		h, err := c.p.Handler(saml.HandlerConfig{
			Take: func(*http.Request) *saml.Pending {
				return &saml.Pending{ID: "i", RelayState: "r", Expires: epoch.Add(time.Minute)}
			},
			Done: func(http.ResponseWriter, *http.Request, *saml.Assertion) {},
		})
		require.NoError(t, err)
		r := httptest.NewRequestWithContext(t.Context(), c.method, acsURL, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, c.want, w.Code, c.name)
		require.NotContains(t, w.Body.String(), "saml")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestMetadata is fetched late, again after a while, and when a certificate is not known.
func TestMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		first, second := newSigner(idpKey.key, start), newSigner(otherKey.key, start)
		serve, asked := metadata(t, first), 0
		p := provider(t, func(c *saml.Config) {
			c.Metadata, c.MetadataURL, c.Now = nil, "https://idp.test/metadata", nil
			c.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked++
				if serve == nil {
					return nil, errors.New("connection refused")
				}
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(serve))), Request: r, Header: http.Header{}}, nil
			})}
		})
		verify := func(s *signer) error {
			now := time.Now()
			r := response(sign(t, s, assertion(func(a *crewjam.Assertion) {
				a.IssueInstant, a.Conditions.NotBefore, a.Conditions.NotOnOrAfter = now, now, now.Add(time.Minute)
				a.Subject.SubjectConfirmations[0].SubjectConfirmationData.NotOnOrAfter = now.Add(time.Minute)
			}).Element(), ""))
			r.CreateAttr("IssueInstant", now.Format(time.RFC3339))
			_, err := p.Verify(t.Context(), encode(text(t, r)))
			return err
		}
		require.Zero(t, asked)
		require.NoError(t, verify(first))
		require.NoError(t, verify(first))
		require.ErrorIs(t, verify(second), auth.ErrBadCredentials)
		require.Equal(t, 1, asked, "not again so soon")
		serve = metadata(t, second)
		time.Sleep(10 * time.Second)
		require.NoError(t, verify(second))
		require.ErrorIs(t, verify(first), auth.ErrBadCredentials)
		require.Equal(t, 2, asked)
		serve = nil
		time.Sleep(2 * time.Hour)
		require.NoError(t, verify(second))
		synctest.Wait()
		require.Equal(t, 3, asked)
		require.ErrorIs(t, verify(first), auth.ErrUnavailable, "it may be one that nobody has told us of")
		time.Sleep(23 * time.Hour)
		require.ErrorIs(t, verify(second), auth.ErrUnavailable)
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	now := newSigner(idpKey.key, time.Now())
	expired := newSigner(idpKey.key, epoch.Add(-730*24*time.Hour))
	for expects, change := range map[string]func(*saml.Config){
		"Config.EntityID is empty":                        func(c *saml.Config) { c.EntityID = "" },
		"Config.Directory is nil":                         func(c *saml.Config) { c.Directory = nil },
		"or none of them":                                 func(c *saml.Config) { c.Metadata = nil },
		"Config has Metadata and MetadataURL":             func(c *saml.Config) { c.MetadataURL = "https://idp.test" },
		`Config.MetadataURL is "http://idp.test"`:         func(c *saml.Config) { c.Metadata, c.MetadataURL = nil, "http://idp.test" },
		`Config.ACSURL is ""`:                             func(c *saml.Config) { c.ACSURL = "" },
		`Config.ACSURL is "https://hub.test/a b", expect`: func(c *saml.Config) { c.ACSURL = "https://hub.test/a b" },
		"Config has Key or Certificate":                   func(c *saml.Config) { c.Key = idpKey.key },
		"Config.MaxBytes is -1":                           func(c *saml.Config) { c.MaxBytes = -1 },
		"Config.Cooldown is 1ms":                          func(c *saml.Config) { c.Cooldown = time.Millisecond },
		"Config.Lifetime is 48h":                          func(c *saml.Config) { c.Lifetime = 48 * time.Hour },
		"Config.RefreshAfter is 1s":                       func(c *saml.Config) { c.RefreshAfter = time.Second },
		"Config.KeepFor is 1m0s":                          func(c *saml.Config) { c.KeepFor = time.Minute },
		"Config.Timeout is 1h":                            func(c *saml.Config) { c.Timeout = time.Hour },
		"Config.Metadata: the XML cannot be read":         func(c *saml.Config) { c.Metadata = []byte("<x") },
		"Config.Metadata: the XML has a DTD":              func(c *saml.Config) { c.Metadata = append([]byte("<!DOCTYPE x>"), c.Metadata...) },
		"Config.Metadata: there is no certificate":        func(c *saml.Config) { c.Metadata = metadata(t) },
		"Config.Metadata: no identity provider": func(c *saml.Config) {
			c.Metadata = []byte(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="x"/>`)
		},
		`no entity found with entityID "https://other"`: func(c *saml.Config) { c.IdentityProvider = "https://other" },
		"Config.Metadata: ":                             func(c *saml.Config) { c.MetadataCertificates = []*x509.Certificate{now.cert} },
	} {
		cfg := saml.Config{EntityID: hubName, ACSURL: acsURL, Metadata: metadata(t, idpKey), Directory: auth.NewMemory()}
		change(&cfg)
		_, err := saml.New(cfg)
		require.ErrorContains(t, err, expects)
		require.ErrorContains(t, err, "saml: ")
	}
	// A certificate that is over, and one that counts as a mere key.
	for ignore, want := range map[bool]bool{true: true, false: false} {
		p := provider(t, func(c *saml.Config) { c.Metadata, c.IgnoreCertificateExpiry = metadata(t, expired), ignore })
		_, err := p.Verify(t.Context(), encode(text(t, response(sign(t, expired, assertion().Element(), "")))))
		require.Equal(t, want, err == nil, "%v", err)
	}
}

// TestSignedMetadata: metadata that somebody we trust has signed, as in federations.
func TestSignedMetadata(t *testing.T) {
	t.Parallel()
	of := func(s *signer) []byte {
		d := etree.NewDocument()
		require.NoError(t, d.ReadFromBytes(metadata(t, idpKey)))
		d.Root().CreateAttr("ID", "m-1")
		return []byte(text(t, sign(t, s, d.Root(), "")))
	}
	federation := newSigner(newRSA(), time.Now())
	for name, c := range map[string]struct {
		metadata []byte
		want     bool
	}{"signed": {of(federation), true}, "by another": {of(newSigner(otherKey.key, time.Now())), false}, "not at all": {metadata(t, idpKey), false}} {
		for _, idp := range []string{"", idpName} {
			_, err := saml.New(saml.Config{
				EntityID: hubName, ACSURL: acsURL, Metadata: c.metadata, Reusable: true, IdentityProvider: idp, MetadataCertificates: []*x509.Certificate{federation.cert},
			})
			require.Equal(t, c.want, err == nil, "%s: %v", name, err)
		}
	}
}

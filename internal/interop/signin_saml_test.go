package interop_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	crewjam "github.com/crewjam/saml"
	"github.com/crewjam/saml/logger"
	"github.com/crewjam/saml/samlidp"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/saml"
	hubsts "github.com/thinghub/thinghub/auth/sts"
)

// corp is the SAML provider of these tests, and the role that it gives to people.
const (
	corp     = "arn:aws:iam::" + account + ":saml-provider/corp"
	corpLate = "arn:aws:iam::" + account + ":saml-provider/corp-late"
	corpRole = "arn:aws:iam::" + account + ":role/visitor"
)

// A samlIDP is an identity provider of another make, with the user alice.
type samlIDP struct{ url string }

// names gives people a name that stays, and their role, as a company does that lets them
// into AWS.
type names struct{ crewjam.DefaultAssertionMaker }

func (n names) MakeAssertion(r *crewjam.IdpAuthnRequest, s *crewjam.Session) error {
	who := *s
	who.NameID, who.NameIDFormat = "employee-7", string(crewjam.PersistentNameIDFormat)
	for name, value := range map[string]string{saml.AttributeRole: corpRole + "," + corp, saml.AttributeRoleSessionName: s.UserName} {
		who.CustomAttributes = append(who.CustomAttributes, crewjam.Attribute{
			Name: name, NameFormat: "urn:oasis:names:tc:SAML:2.0:attrname-format:uri", Values: []crewjam.AttributeValue{{Type: "xs:string", Value: value}},
		})
	}
	return n.DefaultAssertionMaker.MakeAssertion(r, &who)
}

// silent is a logger of the library's for nobody.
type silent struct{ logger.Interface }

func (silent) Print(...any)          {}
func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// startIDP starts one with a key of its own, which may pose as another one.
func startIDP(t *testing.T, poses ...string) *samlIDP {
	t.Helper()
	var handler atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.Load().(http.Handler).ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	at, err := url.Parse(srv.URL)
	require.NoError(t, err)
	key := newSigningKey(t, "RS256")
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	idp, err := samlidp.New(samlidp.Options{URL: *at, Key: key, Signer: key, Certificate: cert, Store: &samlidp.MemoryStore{}, Logger: silent{}})
	require.NoError(t, err)
	idp.IDP.SignatureMethod, idp.IDP.AssertionMaker = dsig.RSASHA256SignatureMethod, names{}
	for _, other := range poses {
		u, err := url.Parse(other + "/metadata")
		require.NoError(t, err)
		idp.IDP.MetadataURL = *u
	}
	handler.Store(http.Handler(idp))
	i := &samlIDP{srv.URL}
	i.put(t, "/users/alice", `{"name": "alice", "password": "alice-pw", "email": "alice@example.com"}`)
	return i
}

func (i *samlIDP) put(t *testing.T, path, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, i.url+path, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusNoContent, resp.StatusCode, path)
}

// knows registers a service provider, and a link in the company's portal to it.
func (i *samlIDP) knows(t *testing.T, name, entity string, p *saml.Provider) {
	t.Helper()
	metadata, err := p.ServiceMetadata()
	require.NoError(t, err)
	i.put(t, "/services/"+name, string(metadata))
	i.put(t, "/shortcuts/"+name, `{"name": "`+name+`", "service_provider": "`+entity+`"}`)
}

// saml adds the pages of a SAML provider: /sign-in/saml, and /acs, whose last word to the
// app is the response that was posted.
func (p *sitePages) saml(t *testing.T, provider *saml.Provider) {
	t.Helper()
	p.mux.HandleFunc("GET /sign-in/saml", func(w http.ResponseWriter, r *http.Request) {
		pending, err := provider.Begin(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		p.send(w, r, pending.URL, pending)
	})
	acs, err := provider.Handler(saml.HandlerConfig{
		Take: func(r *http.Request) *saml.Pending {
			pending, _ := p.take(r).(*saml.Pending)
			return pending
		},
		Done: func(w http.ResponseWriter, r *http.Request, a *saml.Assertion) {
			p.answer(w, map[string]string{"login": r.PostForm.Get("SAMLResponse"), "first": a.Subject}, nil)
		},
		Failed: func(w http.ResponseWriter, _ *http.Request, err error) { p.answer(w, nil, err) },
	})
	require.NoError(t, err)
	p.mux.Handle("/acs", acs)
}

// A samlRig is a hub, its SAML provider, and alice's browser.
type samlRig struct {
	*signInHub
	idp    *samlIDP
	people *saml.Provider
	alice  *browser
}

func newSAMLRig(t *testing.T) *samlRig {
	t.Helper()
	h := newSignIn(t)
	r := &samlRig{signInHub: h, idp: startIDP(t), alice: newBrowser(t, map[string]string{"user": "alice", "password": "alice-pw"})}
	dir := auth.NewMemory()
	provider := func(change func(*saml.Config)) *saml.Provider {
		cfg := saml.Config{MetadataURL: r.idp.url + "/metadata", EntityID: h.url + "/saml", ACSURL: h.url + "/acs", Directory: dir}
		change(&cfg)
		p, err := saml.New(cfg)
		require.NoError(t, err)
		return p
	}
	r.people = provider(func(c *saml.Config) { c.Reusable = true })
	once := provider(func(*saml.Config) {})
	late := provider(func(c *saml.Config) { c.Reusable, c.Now = true, func() time.Time { return time.Now().Add(time.Hour) } })
	r.idp.knows(t, "hub", h.url+"/saml", r.people)
	r.idp.knows(t, "other", "https://other.test/saml", provider(func(c *saml.Config) { c.EntityID = "https://other.test/saml" }))
	h.pages.saml(t, r.people)
	h.start(t, func(c *thinghub.Config) {
		c.LoginProviders = map[string]auth.TokenVerifier{corp: r.people, corpLate: late}
		c.STSConfig.SAML = map[string]hubsts.AssertionVerifier{corp: once, corpLate: late}
	})
	h.makePool(t, cognitoidentity.CreateIdentityPoolInput{SamlProviderARNs: []string{corp, corpLate}})
	h.makeRole(t, "visitor", corp, `"StringEquals": {"saml:aud": "`+h.url+`/acs", "saml:iss": "`+r.idp.url+`/metadata"}`, "visitor")
	return r
}

// takes takes the role that an assertion names.
func (r *samlRig) takes(ctx context.Context, provider, assertion string) (*sts.AssumeRoleWithSAMLOutput, error) {
	_, tokens := r.anonymous()
	return tokens.AssumeRoleWithSAML(ctx, &sts.AssumeRoleWithSAMLInput{RoleArn: aws.String(corpRole), PrincipalArn: &provider, SAMLAssertion: &assertion})
}

// refuses takes an assertion that does not count to identity pools and to the token service.
func (r *samlRig) refuses(t *testing.T, provider, identity string, bad badLogin) {
	t.Helper()
	pools, _ := r.anonymous()
	logins := map[string]string{provider: bad.token}
	_, id := pools.GetId(t.Context(), &cognitoidentity.GetIdInput{IdentityPoolId: &r.pool, Logins: logins})
	_, enhanced := pools.GetCredentialsForIdentity(t.Context(), &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: &identity, Logins: logins})
	for _, err := range []error{id, enhanced} {
		goFails[*types.NotAuthorizedException](t, err)
		require.ErrorContains(t, err, bad.pool, bad.name)
	}
	_, err := r.takes(t.Context(), provider, bad.token)
	require.Equal(t, bad.sts, codeOf(t, err), bad.name)
}

// TestSignInSAML: somebody is sent to a SAML identity provider of another make, comes back,
// and goes all the way; or comes from the company's portal with nobody having asked.
func TestSignInSAML(t *testing.T) {
	t.Parallel()
	r := newSAMLRig(t)
	in := r.alice.signsIn(t, r.url+"/sign-in/saml")
	require.Equal(t, "employee-7", in.First)
	identity := r.travels(t, corp, in.Login)
	taken, err := r.takes(t.Context(), corp, in.Login)
	require.NoError(t, err)
	require.Equal(t, []string{"employee-7", "persistent", r.idp.url + "/metadata", r.url + "/acs"}, []string{*taken.Subject, *taken.SubjectType, *taken.Issuer, *taken.Audience})
	require.Equal(t, "arn:aws:sts::"+account+":assumed-role/visitor/alice", *taken.AssumedRoleUser.Arn)
	r.uses(t, ofSTS(taken.Credentials), "visitor")
	_, err = r.takes(t.Context(), corp, in.Login)
	require.Equal(t, stsInvalid, codeOf(t, err), "once")
	r.refuses(t, corpLate, identity, badLogin{"expired", in.Login, saysExpired, stsExpired})

	// From the portal.
	status, page := r.alice.visit(t, r.idp.url+"/login/hub")
	require.Equal(t, http.StatusForbidden, status, "the page lets nobody in whom it has not sent")
	require.Contains(t, page, "nobody is signing in")
	posted := r.alice.sent.Get("SAMLResponse")
	require.Equal(t, identity, r.identity(t, corp, posted))
	taken, err = r.takes(t.Context(), corp, posted)
	require.NoError(t, err)
	r.uses(t, ofSTS(taken.Credentials), "visitor")
	_, err = r.takes(t.Context(), corp, posted)
	require.Equal(t, stsInvalid, codeOf(t, err), "once")
}

// TestSignInSAMLRefuses: what was caught on the way, is for others or was put together from
// good pieces gets nowhere, neither on the page nor where it is exchanged.
func TestSignInSAMLRefuses(t *testing.T) {
	t.Parallel()
	r := newSAMLRig(t)
	in := r.alice.signsIn(t, r.url+"/sign-in/saml")
	identity := r.identity(t, corp, in.Login)
	require.Equal(t, http.StatusForbidden, r.posts(t, r.alice, r.alice.sent), "the same form again")
	mallory := newBrowser(t, r.alice.knows)
	mallory.stops = r.url + "/acs"
	caught := mallory.visits(t, r.url+"/sign-in/saml")
	require.Equal(t, http.StatusForbidden, r.posts(t, mallory, url.Values{"SAMLResponse": {in.Login}, "RelayState": caught["RelayState"]}), "what alice's browser has brought")
	require.Equal(t, http.StatusForbidden, r.posts(t, mallory, caught), "the host forgets who is signing in with the first try")
	forger := startIDP(t, r.idp.url)
	forger.knows(t, "hub", r.url+"/saml", r.people)
	guest := newBrowser(t, r.alice.knows)
	guest.stops = mallory.stops
	status, page := guest.visit(t, forger.url+"/login/hub") // which signs in there
	require.Equal(t, http.StatusOK, status, page)
	for _, bad := range []badLogin{
		{"an answer that nobody has brought", caught.Get("SAMLResponse"), saysInvalid, stsInvalid},
		{"for another service", mallory.visits(t, r.idp.url+"/login/other").Get("SAMLResponse"), saysInvalid, stsInvalid},
		{"of another identity provider", guest.visits(t, forger.url+"/login/hub").Get("SAMLResponse"), saysInvalid, stsInvalid},
		{"no XML", "employee-7", saysInvalid, stsInvalid},
	} {
		r.refuses(t, corp, identity, bad)
	}

	// What alice makes of her own, to be somebody else.
	r.alice.stops = mallory.stops
	for name, attack := range wrapping {
		t.Run(name, func(t *testing.T) {
			form := r.alice.visits(t, r.url+"/sign-in/saml")
			form.Set("SAMLResponse", attacked(t, form.Get("SAMLResponse"), attack))
			require.Equal(t, http.StatusForbidden, r.posts(t, r.alice, form))
			r.refuses(t, corp, identity, badLogin{name, attacked(t, in.Login, attack), saysInvalid, stsInvalid})
		})
	}
	plain := func(good, _ string) string { return good }
	form := r.alice.visits(t, r.url+"/sign-in/saml")
	form.Set("SAMLResponse", attacked(t, form.Get("SAMLResponse"), plain))
	require.Equal(t, http.StatusOK, r.posts(t, r.alice, form), "taken apart and put together again it is good")
	_, err := r.takes(t.Context(), corp, attacked(t, in.Login, plain))
	require.NoError(t, err)
}

// posts posts a form to the page to which answers come, and returns the status.
func (r *samlRig) posts(t *testing.T, b *browser, form url.Values) int {
	t.Helper()
	resp, err := b.PostForm(r.url+"/acs", form)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// wrapping are attacks on the signature. Each is given a good assertion, and an evil one
// without a signature.
var wrapping = map[string]func(good, evil string) string{
	"name changed":       func(good, _ string) string { return strings.ReplaceAll(good, "employee-7", "employee-1") },
	"not signed":         func(_, evil string) string { return evil },
	"evil one first":     func(good, evil string) string { return evil + good },
	"evil one last":      func(good, evil string) string { return good + evil },
	"borrowed signature": func(good, evil string) string { return withSignature(evil, signatureOf(good)) },
	"good one in the signature": func(good, evil string) string {
		return withSignature(evil, strings.Replace(signatureOf(good), "</ds:Signature>", "<ds:Object>"+good+"</ds:Object></ds:Signature>", 1))
	},
	"good one in an extension": func(good, evil string) string { return "<samlp:Extensions>" + good + "</samlp:Extensions>" + evil },
	"good one in the evil one": func(good, evil string) string {
		return strings.Replace(evil, "</saml:Subject>", "</saml:Subject>"+good, 1)
	},
	"comment in the name": func(good, _ string) string { return strings.ReplaceAll(good, "employee-7", "employee-7<!-- -->") },
}

// attacked takes a response apart, and makes another one of it: without the signature of
// the whole, which nothing can be changed under.
func attacked(t *testing.T, encoded string, attack func(good, evil string) string) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(text), "<saml:Assertion ")
	require.True(t, found)
	good, tail, found := strings.Cut("<saml:Assertion "+rest, "</saml:Assertion>")
	require.True(t, found)
	good += "</saml:Assertion>"
	signature := signatureOf(good)
	require.NotEmpty(t, signature)
	evil := strings.NewReplacer("employee-7", "employee-1", signature, "", ` ID="id-`, ` ID="id-0`).Replace(good)
	return base64.StdEncoding.EncodeToString([]byte(strings.Replace(head, signatureOf(head), "", 1) + attack(good, evil) + tail))
}

// signatureOf is the first signature, "" if there is none.
func signatureOf(xml string) string {
	from, to := strings.Index(xml, "<ds:Signature "), strings.Index(xml, "</ds:Signature>")
	if from < 0 || to < from {
		return ""
	}
	return xml[from : to+len("</ds:Signature>")]
}

// withSignature puts a signature into an assertion, behind its issuer.
func withSignature(assertion, signature string) string {
	return strings.Replace(assertion, "</saml:Issuer>", "</saml:Issuer>"+signature, 1)
}

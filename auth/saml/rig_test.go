package saml_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/xml"
	"io"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/saml"
)

const (
	idpName = "https://idp.test/metadata"
	hubName = "https://hub.test/saml"
	acsURL  = "https://hub.test/saml/acs"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return epoch }

// A signer is a key with its certificate, made once for all tests.
type signer struct {
	key  crypto.Signer
	cert *x509.Certificate
}

var idpKey, otherKey, curveKey = newSigner(newRSA(), epoch), newSigner(newRSA(), epoch), newSigner(newEC(), epoch)

func newRSA() crypto.Signer {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func newEC() crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func newSigner(key crypto.Signer, at time.Time) *signer {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: at.Add(-24 * time.Hour), NotAfter: at.Add(365 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &signer{key, cert}
}

// metadata is what an identity provider publishes that signs with these.
func metadata(t testing.TB, signers ...*signer) []byte {
	t.Helper()
	e := &crewjam.EntityDescriptor{EntityID: idpName, IDPSSODescriptors: []crewjam.IDPSSODescriptor{{
		SingleSignOnServices: []crewjam.Endpoint{{Binding: crewjam.HTTPRedirectBinding, Location: "https://idp.test/sso"}},
	}}}
	d := &e.IDPSSODescriptors[0]
	d.ProtocolSupportEnumeration = "urn:oasis:names:tc:SAML:2.0:protocol"
	for _, s := range signers {
		d.KeyDescriptors = append(d.KeyDescriptors, crewjam.KeyDescriptor{Use: "signing", KeyInfo: crewjam.KeyInfo{X509Data: crewjam.X509Data{
			X509Certificates: []crewjam.X509Certificate{{Data: base64.StdEncoding.EncodeToString(s.cert.Raw)}},
		}}})
	}
	text, err := xml.Marshal(e)
	require.NoError(t, err)
	return text
}

func provider(t testing.TB, change ...func(*saml.Config)) *saml.Provider {
	t.Helper()
	cfg := saml.Config{EntityID: hubName, ACSURL: acsURL, Metadata: metadata(t, idpKey), Directory: auth.NewMemory(), Now: clock}
	for _, c := range change {
		c(&cfg)
	}
	p, err := saml.New(cfg)
	require.NoError(t, err)
	return p
}

// assertion is one that counts at epoch, with a change.
func assertion(change ...func(*crewjam.Assertion)) *crewjam.Assertion {
	until := epoch.Add(5 * time.Minute)
	a := &crewjam.Assertion{
		ID: "id-" + randomID(), IssueInstant: epoch.Add(-time.Second), Version: "2.0", Issuer: crewjam.Issuer{Value: idpName},
		Subject: &crewjam.Subject{
			NameID:               &crewjam.NameID{Format: string(crewjam.PersistentNameIDFormat), Value: "alice-1"},
			SubjectConfirmations: []crewjam.SubjectConfirmation{{Method: "urn:oasis:names:tc:SAML:2.0:cm:bearer", SubjectConfirmationData: &crewjam.SubjectConfirmationData{NotOnOrAfter: until, Recipient: acsURL}}},
		},
		Conditions: &crewjam.Conditions{
			NotBefore: epoch.Add(-time.Minute), NotOnOrAfter: until,
			AudienceRestrictions: []crewjam.AudienceRestriction{{Audience: crewjam.Audience{Value: hubName}}},
		},
		AuthnStatements: []crewjam.AuthnStatement{{AuthnInstant: epoch.Add(-time.Minute), AuthnContext: crewjam.AuthnContext{
			AuthnContextClassRef: &crewjam.AuthnContextClassRef{Value: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"},
		}}},
		AttributeStatements: []crewjam.AttributeStatement{{Attributes: []crewjam.Attribute{
			attribute(saml.AttributeRole, "arn:aws:iam::123456789012:role/Operator,arn:aws:iam::123456789012:saml-provider/corp"),
			attribute(saml.AttributeRoleSessionName, "alice@corp"),
			attribute(saml.AttributeSessionDuration, "1800"),
			attribute("groups", "a", "b"),
		}}},
	}
	for _, c := range change {
		c(a)
	}
	return a
}

func attribute(name string, values ...string) crewjam.Attribute {
	a := crewjam.Attribute{Name: name, NameFormat: "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"}
	for _, v := range values {
		a.Values = append(a.Values, crewjam.AttributeValue{Type: "xs:string", Value: v})
	}
	return a
}

func randomID() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// sign puts a signature into an element, behind its issuer.
func sign(t testing.TB, s *signer, e *etree.Element, method string) *etree.Element {
	t.Helper()
	ctx, err := dsig.NewSigningContext(s.key, [][]byte{s.cert.Raw})
	require.NoError(t, err)
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if method == "" {
		method = dsig.RSASHA256SignatureMethod
		if s == curveKey {
			method = dsig.ECDSASHA256SignatureMethod
		}
	}
	require.NoError(t, ctx.SetSignatureMethod(method))
	sig, err := ctx.ConstructSignature(e, true)
	require.NoError(t, err)
	signed := e.Copy()
	signed.InsertChildAt(1, sig)
	return signed
}

// response puts elements into a response, as they are.
func response(elements ...*etree.Element) *etree.Element {
	r := etree.NewElement("samlp:Response")
	for _, a := range [][2]string{
		{"xmlns:samlp", "urn:oasis:names:tc:SAML:2.0:protocol"},
		{"xmlns:saml", "urn:oasis:names:tc:SAML:2.0:assertion"},
		{"ID", "id-" + randomID()},
		{"Version", "2.0"},
		{"IssueInstant", epoch.Format(time.RFC3339)},
		{"Destination", acsURL},
	} {
		r.CreateAttr(a[0], a[1])
	}
	r.CreateElement("saml:Issuer").SetText(idpName)
	r.CreateElement("samlp:Status").CreateElement("samlp:StatusCode").CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:Success")
	for _, e := range elements {
		r.AddChild(e)
	}
	return r
}

func text(t testing.TB, e *etree.Element) string {
	t.Helper()
	d := etree.NewDocument()
	d.SetRoot(e)
	s, err := d.WriteToString()
	require.NoError(t, err)
	return s
}

func encode(xml string) string { return base64.StdEncoding.EncodeToString([]byte(xml)) }

// signed is a response with a signed assertion in it, as XML.
func signed(t testing.TB, change ...func(*crewjam.Assertion)) string {
	t.Helper()
	return text(t, response(sign(t, idpKey, assertion(change...).Element(), "")))
}

// requestOf reads the request in an address that Begin has made.
func requestOf(t testing.TB, raw string) (id string, query url.Values) {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	deflated, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	require.NoError(t, err)
	plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
	require.NoError(t, err)
	var r crewjam.AuthnRequest
	require.NoError(t, xml.Unmarshal(plain, &r))
	require.Equal(t, hubName, r.Issuer.Value)
	require.Equal(t, acsURL, r.AssertionConsumerServiceURL)
	require.True(t, strings.HasPrefix(raw, r.Destination), raw)
	return r.ID, u.Query()
}

func decoded(t testing.TB, encoded string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	return string(b)
}

package saml_test

import (
	"context"
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/saml"
	"github.com/thinghub/thinghub/auth/sts"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	curve := provider(t, func(c *saml.Config) { c.Metadata = metadata(t, otherKey, curveKey) })
	for name, c := range map[string]struct {
		p   *saml.Provider
		xml string
	}{
		"signed assertion":        {provider(t), signed(t)},
		"signed response":         {provider(t), text(t, sign(t, idpKey, response(assertion().Element()), ""))},
		"both":                    {provider(t), text(t, sign(t, idpKey, response(sign(t, idpKey, assertion().Element(), "")), ""))},
		"assertion alone":         {provider(t), text(t, sign(t, idpKey, assertion().Element(), ""))},
		"alone, with declaration": {provider(t), `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + text(t, sign(t, idpKey, assertion().Element(), ""))},
		"with declaration":        {provider(t), `<?xml version="1.0"?>` + signed(t)},
		"ECDSA, second key":       {curve, text(t, response(sign(t, curveKey, assertion().Element(), "")))},
	} {
		got, err := c.p.Verify(t.Context(), encode(c.xml))
		require.NoError(t, err, name)
		require.Equal(t, &auth.Token{
			Issuer: idpName, Subject: "alice-1", Audience: []string{hubName}, Issued: epoch.Add(-time.Second), Expires: epoch.Add(5 * time.Minute),
			Claims: map[string]any{
				saml.AttributeRole:            "arn:aws:iam::123456789012:role/Operator,arn:aws:iam::123456789012:saml-provider/corp",
				saml.AttributeRoleSessionName: "alice@corp", saml.AttributeSessionDuration: "1800", "groups": []any{"a", "b"},
			},
		}, got, name)
		_, err = c.p.Verify(t.Context(), encode(c.xml))
		require.ErrorIs(t, err, auth.ErrBadCredentials, "%s: counts once", name)
		require.NotErrorIs(t, err, auth.ErrTokenExpired)
	}
	lines := encode(signed(t))
	_, err := provider(t).Verify(t.Context(), lines[:76]+"\r\n"+lines[76:]+"\n")
	require.NoError(t, err, "base64 in lines")
}

// TestOnce: an assertion counts once on all hubs that share a directory, in whatever
// response it comes.
func TestOnce(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	now := epoch
	with := func(c *saml.Config) { c.Directory, c.Now = dir, func() time.Time { return now } }
	first, second := provider(t, with), provider(t, with)
	a := sign(t, idpKey, assertion().Element(), "")
	bare := text(t, a.Copy())
	_, err := first.Verify(t.Context(), encode(text(t, response(a))))
	require.NoError(t, err)
	for _, p := range []*saml.Provider{first, second} {
		_, err = p.Verify(t.Context(), encode(bare))
		require.ErrorIs(t, err, auth.ErrBadCredentials)
		require.ErrorContains(t, err, "already been used")
	}
	records := func() (n int) {
		for _, err := range dir.Scan(t.Context(), "", "") {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Equal(t, 1, records())
	now = epoch.Add(10 * time.Minute)
	late := func(a *crewjam.Assertion) {
		a.IssueInstant, a.Conditions.NotOnOrAfter = now, now.Add(time.Minute)
		a.Subject.SubjectConfirmations[0].SubjectConfirmationData.NotOnOrAfter = now.Add(time.Minute)
	}
	_, err = first.Verify(t.Context(), encode(text(t, sign(t, idpKey, assertion(late).Element(), ""))))
	require.NoError(t, err)
	require.Equal(t, 1, records(), "what is over is thrown away")

	again := provider(t, func(c *saml.Config) { c.Directory, c.Reusable = nil, true })
	for range 3 {
		_, err = again.Verify(t.Context(), encode(bare))
		require.NoError(t, err)
	}
	broken := provider(t, func(c *saml.Config) { c.Directory = deaf{auth.NewMemory()} })
	_, err = broken.Verify(t.Context(), encode(bare))
	require.ErrorIs(t, err, auth.ErrUnavailable)
	require.NotErrorIs(t, err, auth.ErrBadCredentials)
}

// deaf is a directory that does not take changes.
type deaf struct{ auth.Directory }

func (deaf) Commit(ctx context.Context, _ ...auth.Change) error { return errors.New("disk full") }

// TestStatements changes one thing of a good assertion at a time, before it is signed.
func TestStatements(t *testing.T) {
	t.Parallel()
	confirmation := func(f func(d *crewjam.SubjectConfirmationData)) func(*crewjam.Assertion) {
		return func(a *crewjam.Assertion) { f(a.Subject.SubjectConfirmations[0].SubjectConfirmationData) }
	}
	for _, c := range []struct {
		name, expects string // "" for none
		change        func(*crewjam.Assertion)
	}{
		{"another issuer", "issuer is not", func(a *crewjam.Assertion) { a.Issuer.Value = "https://evil.test" }},
		{"issuer with trailing slash", "issuer is not", func(a *crewjam.Assertion) { a.Issuer.Value += "/" }},
		{"another audience", "AudienceRestriction", func(a *crewjam.Assertion) { a.Conditions.AudienceRestrictions[0].Audience.Value = "https://other.test" }},
		{"audience with trailing slash", "AudienceRestriction", func(a *crewjam.Assertion) { a.Conditions.AudienceRestrictions[0].Audience.Value += "/" }},
		{"no audience", "no AudienceRestriction", func(a *crewjam.Assertion) { a.Conditions.AudienceRestrictions = nil }},
		{"two restrictions", "AudienceRestriction", func(a *crewjam.Assertion) {
			a.Conditions.AudienceRestrictions = append(a.Conditions.AudienceRestrictions, crewjam.AudienceRestriction{Audience: crewjam.Audience{Value: "x"}})
		}},
		{"another recipient", "Recipient", confirmation(func(d *crewjam.SubjectConfirmationData) { d.Recipient = "https://other.test/acs" })},
		{"no recipient", "Recipient", confirmation(func(d *crewjam.SubjectConfirmationData) { d.Recipient = "" })},
		{"no confirmation", "bearer", func(a *crewjam.Assertion) { a.Subject.SubjectConfirmations = nil }},
		{"holder of key", "bearer", func(a *crewjam.Assertion) {
			a.Subject.SubjectConfirmations[0].Method = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
		}},
		{"no subject", "Subject", func(a *crewjam.Assertion) { a.Subject = nil }},
		{"no name", "Subject", func(a *crewjam.Assertion) { a.Subject.NameID = nil }},
		{"empty name", "no NameID", func(a *crewjam.Assertion) { a.Subject.NameID.Value = "" }},
		{"nobody has logged in", "AuthnStatement", func(a *crewjam.Assertion) { a.AuthnStatements = nil }},
		{"no conditions", "Conditions", func(a *crewjam.Assertion) { a.Conditions = nil }},
		{"answers a request", "request IDs", confirmation(func(d *crewjam.SubjectConfirmationData) { d.InResponseTo = "id-1" })},
		{"expired", "expired", confirmation(func(d *crewjam.SubjectConfirmationData) { d.NotOnOrAfter = epoch.Add(-4 * time.Minute) })},
		{"conditions expired", "expired", func(a *crewjam.Assertion) { a.Conditions.NotOnOrAfter = epoch.Add(-3 * time.Minute) }},
		{"conditions within skew", "", func(a *crewjam.Assertion) { a.Conditions.NotOnOrAfter = epoch.Add(-2 * time.Minute) }},
		{"not yet", "not yet valid", func(a *crewjam.Assertion) { a.Conditions.NotBefore = epoch.Add(4 * time.Minute) }},
		{"not yet, within skew", "", func(a *crewjam.Assertion) { a.Conditions.NotBefore = epoch.Add(2 * time.Minute) }},
		{"issued long ago", "expired", func(a *crewjam.Assertion) { a.IssueInstant = epoch.Add(-2 * time.Minute) }},
		{"issued tomorrow", "future", func(a *crewjam.Assertion) { a.IssueInstant = epoch.Add(24 * time.Hour) }},
		{"transient", "transient", func(a *crewjam.Assertion) { a.Subject.NameID.Format = string(crewjam.TransientNameIDFormat) }},
		{"e-mail address", "e-mail", func(a *crewjam.Assertion) { a.Subject.NameID.Format = string(crewjam.EmailAddressNameIDFormat) }},
		{"unspecified", "", func(a *crewjam.Assertion) { a.Subject.NameID.Format = string(crewjam.UnspecifiedNameIDFormat) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := provider(t).Verify(t.Context(), encode(signed(t, c.change)))
			if c.expects == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, auth.ErrBadCredentials)
			if c.expects != "expired" {
				require.ErrorContains(t, err, c.expects)
			}
		})
	}
}

// TestExpired: what was right once is called expired, and nothing else.
func TestExpired(t *testing.T) {
	t.Parallel()
	good, forged := signed(t), text(t, response(sign(t, otherKey, assertion().Element(), "")))
	elsewhere := signed(t, func(a *crewjam.Assertion) { a.Conditions.AudienceRestrictions[0].Audience.Value = "x" })
	whole := text(t, sign(t, idpKey, response(assertion().Element()), ""))
	p := provider(t, func(c *saml.Config) { c.Now = func() time.Time { return epoch.Add(time.Hour) } })
	for name, c := range map[string]struct {
		xml  string
		want bool
	}{"good": {good, true}, "signed as a whole": {whole, true}, "forged": {forged, false}, "for another": {elsewhere, false}} {
		_, err := p.Verify(t.Context(), encode(c.xml))
		require.ErrorIs(t, err, auth.ErrBadCredentials, name)
		require.Equal(t, c.want, errors.Is(err, auth.ErrTokenExpired), "%s: %v", name, err)
	}
}

// TestAttacks are made of a good response by somebody who has no key.
func TestAttacks(t *testing.T) {
	t.Parallel()
	evil := func() *etree.Element {
		return assertion(func(a *crewjam.Assertion) { a.Subject.NameID.Value = "admin" }).Element()
	}
	good := func() *etree.Element { return sign(t, idpKey, assertion().Element(), "") }
	parse := func(s string) *etree.Element {
		d := etree.NewDocument()
		require.NoError(t, d.ReadFromString(s))
		return d.Root()
	}
	// sneak moves the good assertion somewhere within the evil one, which takes its
	// signature along.
	sneak := func(place func(evil, good, signature *etree.Element)) string {
		g, e := good(), evil()
		s := g.ChildElements()[1]
		place(e, g, s)
		return text(t, response(e))
	}
	changed := func(old, now string) string { return strings.Replace(signed(t), old, now, 1) }
	for name, bad := range map[string]string{
		"unsigned":             text(t, response(evil())),
		"another's key":        text(t, response(sign(t, otherKey, evil(), ""))),
		"another's key, whole": text(t, sign(t, otherKey, response(evil()), "")),
		"SHA-1":                text(t, response(sign(t, idpKey, evil(), dsig.RSASHA1SignatureMethod))),
		"name changed":         changed("alice-1", "admin"),
		"attribute changed":    changed("role/Operator", "role/Admin"),
		"issuer changed":       changed(">"+idpName+"<", ">https://evil.test<"),
		"id changed": func() string {
			g := good()
			g.CreateAttr("ID", "id-other")
			return text(t, response(g))
		}(),
		"id changed, reference too": func() string {
			g := good()
			return strings.ReplaceAll(text(t, response(g)), g.SelectAttrValue("ID", ""), "id-other")
		}(),
		"another version": func() string {
			e := assertion().Element()
			e.CreateAttr("Version", "1.1")
			return text(t, response(sign(t, idpKey, e, "")))
		}(),
		"comment in the name":        signedThen(t, "adminx", "admin", "admin<!-- -->"),
		"comment in a name, signed":  changed("alice-1", "alice-1<!---->"),
		"comment in front":           "<!-- x -->" + signed(t),
		"comment behind":             signed(t) + "<!-- x -->",
		"processing instruction":     changed("alice-1", "alice-1<?x y?>"),
		"DTD":                        `<!DOCTYPE r [<!ENTITY x "admin">]>` + changed("alice-1", "&x;"),
		"DTD, external":              `<!DOCTYPE r SYSTEM "http://evil.test/x.dtd">` + signed(t),
		"entity":                     changed("alice-1", "&x;"),
		"another encoding":           `<?xml version="1.0" encoding="ISO-8859-1"?>` + signed(t),
		"UTF-16":                     "\xfe\xff\x00<\x00a",
		"two assertions, evil first": text(t, response(evil(), good())),
		"two assertions, good first": text(t, response(good(), evil())),
		"evil beside, same id": func() string {
			g, e := good(), evil()
			e.CreateAttr("ID", g.SelectAttrValue("ID", ""))
			return text(t, response(e, g))
		}(),
		"good in an extension": func() string {
			r := response(evil())
			x := etree.NewElement("samlp:Extensions")
			x.AddChild(good())
			r.InsertChildAt(1, x)
			return text(t, r)
		}(),
		"good in the signature's object": sneak(func(e, g, s *etree.Element) {
			g.RemoveChild(s)
			s.CreateElement("ds:Object").AddChild(g)
			e.InsertChildAt(1, s)
		}),
		"good in the signature": sneak(func(e, g, s *etree.Element) {
			g.RemoveChild(s)
			s.AddChild(g)
			e.InsertChildAt(1, s)
		}),
		"good in the subject": sneak(func(e, g, _ *etree.Element) {
			e.FindElement("./saml:Subject").AddChild(g)
		}),
		"good in advice, its signature outside": sneak(func(e, g, s *etree.Element) {
			g.RemoveChild(s)
			e.CreateElement("saml:Advice").AddChild(g)
			e.InsertChildAt(1, s)
		}),
		"good in a response within": func() string {
			r := response(evil())
			r.AddChild(response(good()))
			return text(t, r)
		}(),
		"evil around good response": func() string {
			inner := sign(t, idpKey, response(assertion().Element()), "")
			e := evil()
			e.AddChild(inner)
			return text(t, response(e))
		}(),
		"signature of another assertion": func() string {
			e := evil()
			e.InsertChildAt(1, good().ChildElements()[1])
			return text(t, response(e))
		}(),
		"signature of another, its id": func() string {
			g, e := good(), evil()
			e.CreateAttr("ID", g.SelectAttrValue("ID", ""))
			e.InsertChildAt(1, g.ChildElements()[1])
			return text(t, response(e))
		}(),
		"signed response, assertion added": func() string {
			r := sign(t, idpKey, response(assertion().Element()), "")
			r.AddChild(evil())
			return text(t, r)
		}(),
		"signed response, assertion replaced": func() string {
			r := sign(t, idpKey, response(assertion().Element()), "")
			r.RemoveChild(r.FindElement("./saml:Assertion"))
			r.AddChild(evil())
			return text(t, r)
		}(),
		"two signatures": func() string {
			g := good()
			g.InsertChildAt(2, sign(t, otherKey, evil(), "").ChildElements()[1])
			return text(t, response(g))
		}(),
		"no assertion":           text(t, response()),
		"not success":            strings.Replace(signed(t), "status:Success", "status:Responder", 1),
		"another destination":    strings.Replace(signed(t), `Destination="`+acsURL, `Destination="https://other.test/acs`, 1),
		"another root":           "<Assertions>" + signed(t) + "</Assertions>",
		"two roots":              signed(t) + signed(t),
		"behind the root":        signed(t) + "x",
		"in front of the root":   "x" + signed(t),
		"response of old":        strings.Replace(signed(t), epoch.Format(time.RFC3339), "2020-01-01T00:00:00Z", 1),
		"other namespace":        strings.ReplaceAll(signed(t), "SAML:2.0:assertion", "SAML:1.0:assertion"),
		"deep":                   strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000),
		"wide":                   "<Response>" + strings.Repeat("<a/>", 20000) + "</Response>",
		"cut":                    signed(t)[:2000],
		"empty element":          "<Response/>",
		"nothing":                "",
		"text":                   "alice",
		"attribute twice":        strings.Replace(signed(t), `Version="2.0"`, `Version="2.0" Version="2.0"`, 1),
		"unbound prefix":         "<x:Response><x:Assertion/></x:Response>",
		"HMAC":                   strings.Replace(signed(t), dsig.RSASHA256SignatureMethod, "http://www.w3.org/2000/09/xmldsig#hmac-sha1", 1),
		"signature without hash": text(t, response(parse(strings.Replace(text(t, good()), "<ds:DigestValue>", "<ds:DigestValue>AA", 1)))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, p := range []*saml.Provider{provider(t), provider(t, func(c *saml.Config) { c.Reusable = true })} {
				got, err := p.Verify(t.Context(), encode(bad))
				require.ErrorIs(t, err, auth.ErrBadCredentials)
				require.Nil(t, got)
				require.Less(t, len(err.Error()), 800)
			}
		})
	}
	for name, bad := range map[string]string{"no base64": "<Response/>", "far too long": strings.Repeat("A", 1<<20), "long": encode("<Response>" + strings.Repeat(" ", 257<<10) + "</Response>"), "empty": ""} {
		_, err := provider(t).Verify(t.Context(), bad)
		require.ErrorIs(t, err, auth.ErrBadCredentials, name)
	}
}

// signedThen signs an assertion about name and then puts something in place of a part.
func signedThen(t *testing.T, name, old, now string) string {
	t.Helper()
	s := signed(t, func(a *crewjam.Assertion) { a.Subject.NameID.Value = name })
	require.Contains(t, s, name)
	return strings.Replace(s, old, now, 1)
}

func TestEncrypted(t *testing.T) {
	t.Parallel()
	// Encrypted for nobody we are: without a key there is nothing to decrypt with.
	r := response()
	r.CreateElement("saml:EncryptedAssertion")
	_, err := provider(t).Verify(t.Context(), encode(text(t, r)))
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	_, err = provider(t, func(c *saml.Config) { c.Key, c.Certificate = otherKey.key, otherKey.cert }).Verify(t.Context(), encode(text(t, r)))
	require.ErrorIs(t, err, auth.ErrBadCredentials)
}

func TestAssertion(t *testing.T) {
	t.Parallel()
	attrs := func(list ...crewjam.Attribute) func(*crewjam.Assertion) {
		return func(a *crewjam.Assertion) { a.AttributeStatements[0].Attributes = list }
	}
	get := func(change ...func(*crewjam.Assertion)) *saml.Assertion {
		a, err := provider(t).Assert(t.Context(), encode(signed(t, change...)))
		require.NoError(t, err)
		return a
	}
	end := epoch.Add(8 * time.Hour)
	a := get(func(a *crewjam.Assertion) { a.AuthnStatements[0].SessionNotOnOrAfter = &end })
	require.Equal(t, []string{"alice-1", "persistent", idpName, acsURL}, []string{a.Subject, a.SubjectType, a.Issuer, a.Recipient})
	require.Equal(t, end, a.SessionExpires)
	tok, err := a.Token(false)
	require.NoError(t, err)
	require.Equal(t, end, tok.Expires)
	forSTS, err := a.STS()
	require.NoError(t, err)
	require.Equal(t, &sts.Assertion{
		Issuer: idpName, Subject: "alice-1", SubjectType: "persistent", Recipient: acsURL, SessionName: "alice@corp", SessionDuration: 30 * time.Minute, SessionEnds: end,
		Roles: []string{"arn:aws:iam::123456789012:role/Operator,arn:aws:iam::123456789012:saml-provider/corp"},
	}, forSTS)
	none, err := get(attrs()).STS()
	require.NoError(t, err)
	require.Equal(t, &sts.Assertion{Issuer: idpName, Subject: "alice-1", SubjectType: "persistent", Recipient: acsURL}, none)
	for expects, bad := range map[string]crewjam.Attribute{
		"RoleSessionName has 2 values": attribute(saml.AttributeRoleSessionName, "alice", "bob"),
		"SessionDuration has 2 values": attribute(saml.AttributeSessionDuration, "1800", "3600"),
		`SessionDuration is "x"`:       attribute(saml.AttributeSessionDuration, "x"),
		`SessionDuration is "1e3"`:     attribute(saml.AttributeSessionDuration, "1e3"),
	} {
		_, err = get(attrs(bad)).STS()
		require.ErrorIs(t, err, auth.ErrBadCredentials)
		require.ErrorContains(t, err, expects)
	}

	mail := get(func(a *crewjam.Assertion) { a.Subject.NameID.Format = string(crewjam.EmailAddressNameIDFormat) })
	_, err = mail.Token(false)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	tok, err = mail.Token(true)
	require.NoError(t, err)
	require.Equal(t, "alice-1", tok.Subject)
	tok, err = get(func(a *crewjam.Assertion) { a.Subject.NameID.NameQualifier = "https://other.test" }).Token(false)
	require.NoError(t, err)
	require.Equal(t, "https://other.test!alice-1", tok.Subject, "one name, two people")
	require.NoError(t, xml.Unmarshal(metadata(t, idpKey), new(crewjam.EntityDescriptor)))
}

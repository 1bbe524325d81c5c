package saml_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/saml"
)

// read reads a file of what an identity provider has once signed: each process that fuzzes
// must see the same.
func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".xml")
	require.NoError(t, err)
	return string(b)
}

// Whatever is made of responses that count, it is about nobody else.
func FuzzVerify(f *testing.F) {
	p := provider(f, func(c *saml.Config) { c.Reusable, c.Metadata = true, []byte(read(f, "metadata")) })
	for _, name := range []string{"response", "whole", "assertion"} {
		s := read(f, name)
		_, err := p.Verify(f.Context(), encode(s))
		require.NoError(f, err, name)
		f.Add(s)
		f.Add(strings.Replace(s, "alice-1", "ali<!-- -->ce-1", 1))
		f.Add(strings.Replace(s, "<ds:SignedInfo>", "<ds:Object/><ds:SignedInfo>", 1))
	}
	f.Add("")
	f.Add("<Response/>")
	f.Add("<!DOCTYPE x [<!ENTITY y 'z'>]><x>&y;</x>")
	f.Fuzz(func(t *testing.T, xml string) {
		got, err := p.Verify(t.Context(), encode(xml))
		if err != nil {
			require.ErrorIs(t, err, auth.ErrBadCredentials)
			return
		}
		require.Equal(t, "alice-1", got.Subject)
		require.Equal(t, idpName, got.Issuer)
		require.Equal(t, []any{"a", "b"}, got.Claims["groups"])
	})
}

// Any text is metadata or an error.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(read(f, "metadata")))
	f.Add([]byte(`<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"><EntityDescriptor entityID="x"><IDPSSODescriptor/></EntityDescriptor></EntitiesDescriptor>`))
	f.Add([]byte(`x`))
	f.Fuzz(func(t *testing.T, xml []byte) {
		p, err := saml.New(saml.Config{EntityID: hubName, ACSURL: acsURL, Metadata: xml, Reusable: true, Now: clock})
		if err != nil {
			require.ErrorContains(t, err, "saml: Config")
			return
		}
		_, err = p.Begin(t.Context())
		if err != nil {
			require.ErrorIs(t, err, auth.ErrUnavailable)
		}
	})
}

// BenchmarkVerify is the price of a login.
func BenchmarkVerify(b *testing.B) {
	p := provider(b, func(c *saml.Config) { c.Reusable = true })
	for _, bench := range []struct{ name, xml string }{
		{"assertion", signed(b)},
		{"forged", text(b, response(sign(b, otherKey, assertion().Element(), "")))},
		{"no XML", "alice"},
	} {
		encoded := encode(bench.xml)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = p.Verify(b.Context(), encoded)
			}
		})
	}
}

package policy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

// certificate signs a certificate and reads it back.
func certificate(t testing.TB, template, parent *x509.Certificate) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.NotBefore, template.NotAfter = time.Unix(1, 0), time.Unix(2, 0)
	template.SerialNumber = big.NewInt(0x0abc)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func names(pairs ...any) (list []pkix.AttributeTypeAndValue) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, pairs[i].(int)}, Value: pairs[i+1]})
	}
	return list
}

func TestCertificateFacts(t *testing.T) {
	t.Parallel()
	directory, err := asn1.Marshal(pkix.Name{CommonName: "dir", Organization: []string{"o"}}.ToRDNSequence())
	require.NoError(t, err)
	general := func(tag int, compound bool, b []byte) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: b}
	}
	issuerNames, err := asn1.Marshal([]asn1.RawValue{
		general(2, false, []byte("ca.example")), general(4, true, directory), general(0, true, []byte{5, 0}), general(7, false, []byte{1, 2, 3}),
		general(4, true, []byte{5, 0}), general(7, false, net.ParseIP("2001:db8::1")), general(1, false, []byte("\xff")),
	})
	require.NoError(t, err)
	cert := certificate(t, &x509.Certificate{
		Subject: pkix.Name{ExtraNames: names(
			6, "DE", 10, "o1", 10, "o2", 10, "o3", 10, "o4", 10, "o5", 10, "o6", 11, "ou", 8, "st", 3, "pump-1", 3, "second", 5, "sn", 46, "dn",
			12, "ti", 4, "su", 42, "gi", 43, "in", 65, "ps", 44, "ge", 17, "no field of policies",
		)},
		DNSNames: []string{"a.example", "b.example"}, EmailAddresses: []string{"a@example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
		URIs:            []*url.URL{{Scheme: "urn", Opaque: "x:y"}},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 18}, Value: issuerNames}},
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "Plant CA", Organization: []string{"Plant"}}})
	require.Equal(t, map[string][]string{
		"SerialNumber":    {"abc"},
		"Subject.Country": {"DE"}, "Subject.Organization": {"o1", "o2", "o3", "o4", "o5"}, "Subject.OrganizationalUnit": {"ou"},
		"Subject.State": {"st"}, "Subject.CommonName": {"pump-1", "second"}, "Subject.SerialNumber": {"sn"},
		"Subject.DistinguishedNameQualifier": {"dn"}, "Subject.Title": {"ti"}, "Subject.Surname": {"su"}, "Subject.GivenName": {"gi"},
		"Subject.Initials": {"in"}, "Subject.Pseudonym": {"ps"}, "Subject.GenerationQualifier": {"ge"},
		"Issuer.CommonName": {"Plant CA"}, "Issuer.Organization": {"Plant"},
		"Subject.AlternativeName.DNSName": {"a.example", "b.example"}, "Subject.AlternativeName.RFC822Name": {"a@example"},
		"Subject.AlternativeName.IPAddress": {"192.0.2.1"}, "Subject.AlternativeName.UniformResourceIdentifier": {"urn:x:y"},
		"Issuer.AlternativeName.DNSName": {"ca.example"}, "Issuer.AlternativeName.DirectoryName": {"CN=dir,O=o"},
		"Issuer.AlternativeName.IPAddress": {"2001:db8::1"},
	}, policy.CertificateFacts(cert))
	require.Nil(t, policy.CertificateFacts(nil))
	require.Empty(t, policy.CertificateFacts(&x509.Certificate{}))

	b := program(t, statement("Allow", "iot:Publish", "topic/${iot:Certificate.Subject.CommonName.1}/${iot:Certificate.Issuer.CommonName}")).
		Bind(&policy.Facts{Certificate: policy.CertificateFacts(cert)})
	require.True(t, b.Publish("second/Plant CA").Allowed())
}

// Whatever stands in the extension, nothing panics and all text is UTF-8.
func FuzzAlternativeNames(f *testing.F) {
	f.Add([]byte{0x30, 3, 0x82, 1, 'a'})
	f.Add([]byte{0x30, 6, 0x87, 4, 1, 2, 3, 4})
	f.Add([]byte{0x30, 4, 0xa4, 2, 0x30, 0})
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		facts := policy.CertificateFacts(&x509.Certificate{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: der}}})
		for field, values := range facts {
			require.Contains(t, field, "Subject.AlternativeName.")
			require.LessOrEqual(t, len(values), 5)
		}
	})
}

package policy

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"
	"unicode/utf8"
)

// nameFields are the fields of a distinguished name that policies know.
var nameFields = map[string]string{
	"2.5.4.6":  "Country",
	"2.5.4.10": "Organization",
	"2.5.4.11": "OrganizationalUnit",
	"2.5.4.8":  "State",
	"2.5.4.3":  "CommonName",
	"2.5.4.5":  "SerialNumber",
	"2.5.4.46": "DistinguishedNameQualifier",
	"2.5.4.12": "Title",
	"2.5.4.4":  "Surname",
	"2.5.4.42": "GivenName",
	"2.5.4.43": "Initials",
	"2.5.4.65": "Pseudonym",
	"2.5.4.44": "GenerationQualifier",
}

// alternativeNames are the kinds of names in subjectAltName and issuerAltName, by the
// tags of GeneralName (RFC 5280, 4.2.1.6).
var alternativeNames = map[int]string{
	1: "RFC822Name",
	2: "DNSName",
	4: "DirectoryName",
	6: "UniformResourceIdentifier",
	7: "IPAddress",
}

var (
	subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	issuerAltName  = asn1.ObjectIdentifier{2, 5, 29, 18}
)

// CertificateFacts reads the fields of a certificate that policies know, for
// [Facts.Certificate]: "Subject.CommonName", "Issuer.Organization",
// "Subject.AlternativeName.DNSName", "SerialNumber" and so on, with the values in the
// certificate's order, five at most of each. The serial number is in lower-case
// hexadecimal. Alternative names that do not parse are left out. Nil gives nil.
func CertificateFacts(cert *x509.Certificate) map[string][]string {
	if cert == nil {
		return nil
	}
	c := certificateFields{}
	c.name("Subject.", cert.Subject.Names)
	c.name("Issuer.", cert.Issuer.Names)
	for _, ext := range cert.Extensions {
		switch {
		case ext.Id.Equal(subjectAltName):
			c.alternatives("Subject.AlternativeName.", ext.Value)
		case ext.Id.Equal(issuerAltName):
			c.alternatives("Issuer.AlternativeName.", ext.Value)
		}
	}
	if cert.SerialNumber != nil {
		c.add("SerialNumber", cert.SerialNumber.Text(16))
	}
	return c
}

type certificateFields map[string][]string

func (c certificateFields) add(field, text string) {
	if len(c[field]) < maxValues && utf8.ValidString(text) {
		c[field] = append(c[field], text)
	}
}

func (c certificateFields) name(prefix string, names []pkix.AttributeTypeAndValue) {
	for _, a := range names {
		field, known := nameFields[a.Type.String()]
		if text, ok := a.Value.(string); known && ok {
			c.add(prefix+field, text)
		}
	}
}

func (c certificateFields) alternatives(prefix string, der []byte) {
	var list asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &list); err != nil || len(rest) > 0 || !list.IsCompound {
		return
	}
	for der = list.Bytes; len(der) > 0; {
		var v asn1.RawValue
		var err error
		if der, err = asn1.Unmarshal(der, &v); err != nil {
			return
		}
		field, known := alternativeNames[v.Tag]
		if !known || v.Class != asn1.ClassContextSpecific {
			continue
		}
		text := string(v.Bytes)
		switch field {
		case "IPAddress":
			a, ok := netip.AddrFromSlice(v.Bytes)
			if !ok {
				continue
			}
			text = a.String()
		case "DirectoryName":
			var sequence pkix.RDNSequence
			if rest, err := asn1.Unmarshal(v.Bytes, &sequence); err != nil || len(rest) > 0 {
				continue
			}
			var name pkix.Name
			name.FillFromRDNSequence(&sequence)
			text = name.String()
		}
		c.add(prefix+field, text)
	}
}

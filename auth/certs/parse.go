package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what is parsed: those of the AWS model.
const (
	maxCertificate = 65536
	maxCSR         = 4096
)

// Fingerprint returns the id of a certificate: the SHA-256 of its DER form as 64 lower
// case hex digits.
func Fingerprint(c *x509.Certificate) string {
	id := fingerprint(c)
	return string(id[:])
}

func fingerprint(c *x509.Certificate) (id [64]byte) {
	sum := sha256.Sum256(c.Raw)
	hex.Encode(id[:], sum[:])
	return id
}

// parseCertificate reads the first certificate of a PEM text, which may have a chain
// behind it but nothing else: a private key must not get into the directory because
// somebody sent the wrong file.
func parseCertificate(field, text string) (*x509.Certificate, error) {
	if text == "" || len(text) > maxCertificate {
		return nil, badLength(field, maxCertificate)
	}
	if !utf8.ValidString(text) { // it would not be kept as it is
		return nil, unfit(ErrInvalid, field, "is not UTF-8", "a PEM text", nil)
	}
	const want = "a PEM text of certificates"
	var first *x509.Certificate
	for rest := []byte(text); ; {
		var b *pem.Block
		b, rest = pem.Decode(rest)
		switch {
		case b == nil && first == nil:
			return nil, unfit(ErrValidation, field, "has no PEM block", want, nil)
		case b == nil:
			return first, nil
		case b.Type != "CERTIFICATE":
			return nil, unfit(ErrValidation, field, fmt.Sprintf("has a PEM block of type %q", shorten(b.Type)), want, nil)
		case first != nil:
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, unfit(ErrValidation, field, "cannot be read: "+err.Error(), "an X.509 certificate", err)
		}
		first = c
	}
}

// signatures are the algorithms that certificates may be signed with. DSA is missing,
// because Go cannot check it.
var signatures = []x509.SignatureAlgorithm{
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
}

// parseDevice is parseCertificate for one that a client is to connect with.
func parseDevice(field, text string, now time.Time) (*x509.Certificate, error) {
	c, err := parseCertificate(field, text)
	if err != nil {
		return nil, err
	}
	if err := checkKey(c.PublicKey); err != nil {
		return nil, unfit(ErrValidation, field, "has "+err.Error(), wantKey, nil)
	}
	if !slices.Contains(signatures, c.SignatureAlgorithm) {
		return nil, unfit(ErrValidation, field, "is signed with "+c.SignatureAlgorithm.String(), "RSA or ECDSA with SHA-256, SHA-384 or SHA-512", nil)
	}
	if now.After(c.NotAfter) {
		return nil, unfit(ErrValidation, field, "has expired at "+c.NotAfter.Format(time.RFC3339), "a later end", nil)
	}
	return c, nil
}

// parseCA is parseCertificate for a CA.
func parseCA(field, text string, now time.Time) (*x509.Certificate, error) {
	c, err := parseCertificate(field, text)
	if err != nil {
		return nil, err
	}
	problem, want := "", ""
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		problem, want = "is not the certificate of a CA", "the basic constraint CA:TRUE"
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		problem, want = "is not for signing certificates", "the key usage keyCertSign"
	case now.After(c.NotAfter):
		problem, want = "has expired at "+c.NotAfter.Format(time.RFC3339), "a later end"
	case now.Before(c.NotBefore):
		problem, want = "is not valid before "+c.NotBefore.Format(time.RFC3339), "an earlier begin"
	default:
		if err := checkKey(c.PublicKey); err != nil {
			return nil, unfit(ErrValidation, field, "has "+err.Error(), wantKey, nil)
		}
		return c, nil
	}
	return nil, unfit(ErrValidation, field, problem, want, nil)
}

// parseCSR reads a certificate signing request and checks its signature, which proves
// that whoever asks has the key.
func parseCSR(text string) (*x509.CertificateRequest, error) {
	const field, want = "certificateSigningRequest", "one PEM block of type CERTIFICATE REQUEST"
	if text == "" || len(text) > maxCSR {
		return nil, badLength(field, maxCSR)
	}
	b, rest := pem.Decode([]byte(text))
	if b == nil {
		return nil, unfit(ErrInvalid, field, "has no PEM block", want, nil)
	}
	if b.Type != "CERTIFICATE REQUEST" && b.Type != "NEW CERTIFICATE REQUEST" {
		return nil, unfit(ErrInvalid, field, fmt.Sprintf("has a PEM block of type %q", shorten(b.Type)), want, nil)
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, unfit(ErrInvalid, field, "has more than one PEM block", want, nil)
	}
	r, err := x509.ParseCertificateRequest(b.Bytes)
	if err != nil {
		return nil, unfit(ErrInvalid, field, "cannot be read: "+err.Error(), "a PKCS #10 request", err)
	}
	if err := checkKey(r.PublicKey); err != nil {
		return nil, unfit(ErrInvalid, field, "has "+err.Error(), wantKey, nil)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, unfit(ErrInvalid, field, "has a wrong signature: "+err.Error(), "one made with its own key, and SHA-256 or better", err)
	}
	return r, nil
}

const wantKey = "an RSA key of 2048 to 8192 bits or a key on P-256, P-384 or P-521"

// checkKey says what is wrong with a public key.
func checkKey(pub any) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		// crypto/tls takes no longer ones.
		if n := k.N.BitLen(); n < 2048 || n > 8192 {
			return fmt.Errorf("an RSA key of %d bits", n)
		}
		return nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return fmt.Errorf("a key on %s", k.Curve.Params().Name)
	default:
		kind := strings.TrimPrefix(fmt.Sprintf("%T", pub), "*")
		kind, _, _ = strings.Cut(kind, ".")
		if pub == nil {
			kind = "unknown"
		}
		return fmt.Errorf("a key of type %s", kind)
	}
}

var errNotYet = errors.New("is not valid yet")

// usable says why a client may not authenticate with a certificate, whatever its status:
// nil if it may.
func usable(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("%w: it is from %s on", errNotYet, c.NotBefore.Format(time.RFC3339))
	case now.After(c.NotAfter):
		return fmt.Errorf("has expired at %s", c.NotAfter.Format(time.RFC3339))
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("is not for digital signatures")
	case len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 &&
		!slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny):
		return errors.New("is not for clients")
	case len(c.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("has a critical extension %s, which is not understood", c.UnhandledCriticalExtensions[0])
	}
	return nil
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// A KeyType is a kind of keys that the service makes.
type KeyType uint8

// The types of keys.
const (
	// RSA2048 is what AWS IoT makes. A key takes a good part of a second.
	RSA2048 KeyType = iota
	// P256 is small and quick, and devices of the last ten years know it.
	P256
)

// template returns what all certificates of the service have in common.
func (s *Service) template(pub crypto.PublicKey) (*x509.Certificate, error) {
	id, err := keyID(pub)
	if err != nil {
		return nil, err
	}
	ca := s.ca.Certificate
	t := &x509.Certificate{
		SerialNumber: newSerial(), SubjectKeyId: id, AuthorityKeyId: ca.SubjectKeyId,
		NotBefore: s.now().Add(-slack), NotAfter: lastDay,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	// A chain is only good as long as all of it is.
	if t.NotBefore.Before(ca.NotBefore) {
		t.NotBefore = ca.NotBefore
	}
	if t.NotAfter.After(ca.NotAfter) {
		t.NotAfter = ca.NotAfter
	}
	if len(t.AuthorityKeyId) == 0 {
		if t.AuthorityKeyId, err = keyID(ca.PublicKey); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (s *Service) sign(t *x509.Certificate, pub crypto.PublicKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, s.ca.Certificate, pub, s.ca.Signer)
	if err != nil {
		return nil, fmt.Errorf("certs: sign a certificate: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certs: read what was signed: %w", err)
	}
	return c, nil
}

var genericSubject = pkix.Name{CommonName: "AWS IoT Certificate"}

// issue makes the certificate of a device. subject is the DER of its name, nil for the
// one that all have. until, if it is not zero, ends it earlier than others.
func (s *Service) issue(pub crypto.PublicKey, subject []byte, until time.Time) (*x509.Certificate, error) {
	t, err := s.template(pub)
	if err != nil {
		return nil, err
	}
	t.Subject, t.RawSubject = genericSubject, subject
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if !until.IsZero() && until.Before(t.NotAfter) {
		t.NotAfter = until
	}
	return s.sign(t, pub)
}

// IssueServer makes a certificate for a server, with a P-256 key, that clients who trust
// [Service.CAPEM] accept under the given names: host names ("*.example.org" too) and IP
// addresses. It is not registered; nobody can connect with it as a client.
//
// Errors: ErrInvalid (no name, or one that cannot be).
func (s *Service) IssueServer(hosts ...string) (tls.Certificate, error) {
	if len(hosts) == 0 {
		return tls.Certificate{}, invalid("hosts", "", "Member must have length greater than or equal to 1")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certs: make a key: %w", err)
	}
	t, err := s.template(key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	t.Subject = pkix.Name{CommonName: hosts[0]}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range hosts {
		if h == "" || len(h) > 253 || strings.ContainsFunc(h, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return tls.Certificate{}, invalid("hosts", h, "Member must have 1 to 253 ASCII characters without blanks")
		}
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	if len(hosts[0]) > 64 { // the most a common name may have
		t.Subject = pkix.Name{}
	}
	c, err := s.sign(t, key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	out := tls.Certificate{Certificate: [][]byte{c.Raw, s.ca.Certificate.Raw}, PrivateKey: key, Leaf: c}
	for _, above := range s.ca.Chain {
		out.Certificate = append(out.Certificate, above.Raw)
	}
	return out, nil
}

// A KeyPair is a key in PEM form.
type KeyPair struct{ PublicKey, PrivateKey string }

// newKey makes a key of the configured type. RSA keys keep a processor busy, so there
// are never more at work than there are processors.
func (s *Service) newKey(ctx context.Context) (crypto.PublicKey, KeyPair, error) {
	if err := ctx.Err(); err != nil {
		return nil, KeyPair{}, fmt.Errorf("certs: make a key: %w", err)
	}
	var pub crypto.PublicKey
	var private pem.Block
	if s.cfg.Keys == P256 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, KeyPair{}, fmt.Errorf("certs: make a key: %w", err)
		}
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, KeyPair{}, fmt.Errorf("certs: write a key: %w", err)
		}
		pub, private = key.Public(), pem.Block{Type: "EC PRIVATE KEY", Bytes: der}
	} else {
		select {
		case s.keygen <- struct{}{}:
			defer func() { <-s.keygen }()
		case <-ctx.Done():
			return nil, KeyPair{}, fmt.Errorf("certs: make a key: %w", ctx.Err())
		}
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, KeyPair{}, fmt.Errorf("certs: make a key: %w", err)
		}
		pub, private = key.Public(), pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, KeyPair{}, fmt.Errorf("certs: write a key: %w", err)
	}
	return pub, KeyPair{
		PublicKey:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})),
		PrivateKey: string(pem.EncodeToMemory(&private)),
	}, nil
}

// newSerial returns a positive number of exactly 20 bytes, the most that RFC 5280
// allows. The first byte is from 0x40 to 0x7f: neither a sign nor a zero to be dropped.
func newSerial() *big.Int {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b[:])
}

// keyID returns the identifier of a public key as of RFC 7093, section 2, method 1.
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("certs: write a key: %w", err)
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &spki); err != nil {
		return nil, fmt.Errorf("certs: read a key: %w", err)
	}
	sum := sha256.Sum256(spki.Key.Bytes)
	return sum[:20], nil
}

package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// An Authority is a CA that signs.
type Authority struct {
	// Certificate is the CA's. Its issuer may be another CA.
	Certificate *x509.Certificate
	// Signer has the key that belongs to it. It must be safe for concurrent use.
	Signer crypto.Signer
	// Chain are the certificates above it, the nearest first, as far as clients need
	// them. Empty if Certificate is what they trust.
	Chain []*x509.Certificate
}

// A hubCA is the CA that the service made for itself.
type hubCA struct {
	Certificate string
	Key         string // PKCS #8, in the clear
}

// openCA checks the CA that was given, or finds the hub's own, or makes it.
func (s *Service) openCA(ctx context.Context) error {
	if s.cfg.CA != nil {
		s.ca = *s.cfg.CA
		if err := s.ca.check(s.now()); err != nil {
			return fmt.Errorf("certs: Config.CA%w", err)
		}
		s.caID = Fingerprint(s.ca.Certificate)
		return nil
	}
	table := records.NewTable[hubCA](s.cfg.Directory, "hub-ca")
	e, err := table.Find(ctx, s.tenant)
	if err == nil && e.Revision == 0 {
		var made hubCA
		if made, err = newCA(s.now()); err != nil {
			return err
		}
		err = s.cfg.Directory.Commit(ctx, table.Put(made, 0, s.tenant))
		if err == nil || errors.Is(err, auth.ErrConflict) { // another hub was faster: its CA is ours
			e, err = table.Get(ctx, s.tenant)
		}
	}
	if err != nil {
		return fmt.Errorf("certs: the hub's CA: %w", err)
	}
	if s.ca, err = e.Value.open(); err != nil {
		return fmt.Errorf("certs: the hub's CA in the directory is damaged: %w", err)
	}
	s.caID = Fingerprint(s.ca.Certificate)
	return nil
}

// check begins its error with the field that is wrong.
func (a *Authority) check(now time.Time) error {
	c := a.Certificate
	switch {
	case c == nil:
		return errors.New(".Certificate is missing")
	case a.Signer == nil:
		return errors.New(".Signer is missing")
	case !c.BasicConstraintsValid || !c.IsCA:
		return errors.New(".Certificate is not the certificate of a CA, expected the basic constraint CA:TRUE")
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New(".Certificate is not for signing certificates, expected the key usage keyCertSign")
	case now.After(c.NotAfter):
		return fmt.Errorf(".Certificate has expired at %s", c.NotAfter.Format(time.RFC3339))
	}
	if k, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !k.Equal(a.Signer.Public()) {
		return errors.New(".Signer has another key than Certificate")
	}
	below := c
	for i, c := range a.Chain {
		if c == nil {
			return fmt.Errorf(".Chain[%d] is missing", i)
		}
		if err := below.CheckSignatureFrom(c); err != nil {
			return fmt.Errorf(".Chain[%d] has not signed the certificate before it: %w", i, err)
		}
		below = c
	}
	return nil
}

// lastDay is when certificates of AWS IoT, and ours, end.
var lastDay = time.Date(2049, time.December, 31, 23, 59, 59, 0, time.UTC)

// slack is how far before now certificates begin: devices have clocks that are wrong.
const slack = 24 * time.Hour

func newCA(now time.Time) (hubCA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return hubCA{}, fmt.Errorf("certs: make the key of the hub's CA: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return hubCA{}, fmt.Errorf("certs: make the key of the hub's CA: %w", err)
	}
	var tag [4]byte
	_, _ = rand.Read(tag[:]) // never fails
	t := &x509.Certificate{
		// Names differ, so that clients that know several hubs can tell their CAs apart.
		Subject:      pkix.Name{Organization: []string{"thinghub"}, CommonName: "thinghub CA " + hex.EncodeToString(tag[:])},
		SerialNumber: newSerial(), NotBefore: now.Add(-2 * slack), NotAfter: lastDay,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if t.SubjectKeyId, err = keyID(key.Public()); err != nil {
		return hubCA{}, err
	}
	t.AuthorityKeyId = t.SubjectKeyId
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return hubCA{}, fmt.Errorf("certs: make the hub's CA: %w", err)
	}
	return hubCA{
		Certificate: certificatePEM(der),
		Key:         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
	}, nil
}

func (h hubCA) open() (a Authority, err error) {
	if a.Certificate, err = parseCertificate("certificate", h.Certificate); err != nil {
		return a, err
	}
	b, _ := pem.Decode([]byte(h.Key))
	if b == nil {
		return a, errors.New("the key has no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return a, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return a, fmt.Errorf("the key is a %T, which cannot sign", key)
	}
	a.Signer = signer
	return a, nil
}

// CAPEM returns the certificate of the CA that signs what the service makes, and the
// chain above it: what clients are to trust.
func (s *Service) CAPEM() string {
	text := certificatePEM(s.ca.Certificate.Raw)
	for _, c := range s.ca.Chain {
		text += certificatePEM(c.Raw)
	}
	return text
}

// CAPool returns the same as CAPEM for crypto/tls. The caller may add to it.
func (s *Service) CAPool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.Certificate)
	for _, c := range s.ca.Chain {
		pool.AddCert(c)
	}
	return pool
}

package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// maxCRL is how long a CRL file may be.
const maxCRL = 16 << 20

// A crlRecord is the latest CRL of a CA.
type crlRecord struct {
	DER []byte `json:"der"`
}

// A CRL tells of a certificate revocation list.
type CRL struct {
	// CA is the id of the CA certificate whose list it is.
	CA string
	// Number is nil for a list without one.
	Number *big.Int
	// ThisUpdate is when it was made; NextUpdate is when the next one is due, zero if
	// it does not say.
	ThisUpdate, NextUpdate time.Time
	// Entries is how many certificates it revokes, known here or not.
	Entries int
	// Revoked are the certificates that became REVOKED, or INACTIVE if they are only on
	// hold, with this call.
	Revoked []string
}

// The reasons of entries that matter here (RFC 5280, section 5.3.1).
const (
	reasonHold   = 6
	reasonRemove = 8
)

// LoadCRL takes over CRLs: one in DER form, or any number in PEM form. Each must be
// signed by a CA certificate that is registered, whatever its status, or by the hub's
// own, and must not be older than the one loaded before; the same one may be loaded
// again.
//
// Certificates on it become REVOKED, those on hold INACTIVE, and cannot be activated,
// registered or registered just in time from then on: also after a restart, and with a
// later CRL that does not name them any more they stay as they are. A CRL whose next
// update is overdue still counts, with a warning in the log: what it revokes is revoked.
// If LoadCRL fails in the middle it can be called again.
//
// Errors: ErrInvalid (it cannot be read, is longer than 16 MiB, is from the future or
// older than the one before, is indirect or a delta), ErrValidation (no such CA signed
// it).
func (s *Service) LoadCRL(ctx context.Context, data []byte) ([]CRL, error) {
	lists, err := parseCRLs(data)
	if err != nil {
		return nil, err
	}
	out := make([]CRL, 0, len(lists))
	for _, l := range lists {
		c, err := s.loadCRL(ctx, l)
		if err != nil {
			return out, err
		}
		out = append(out, c)
	}
	return out, nil
}

func parseCRLs(data []byte) ([]*x509.RevocationList, error) {
	const field, want = "crl", "a CRL in DER form, or PEM blocks of type X509 CRL"
	if len(data) == 0 || len(data) > maxCRL {
		return nil, unfit(ErrInvalid, field, fmt.Sprintf("has %d bytes", len(data)), "1 to "+itoa(maxCRL), nil)
	}
	var ders [][]byte
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "X509 CRL" {
			return nil, unfit(ErrInvalid, field, fmt.Sprintf("has a PEM block of type %q", shorten(b.Type)), want, nil)
		}
		ders = append(ders, b.Bytes)
	}
	if n := bytes.Count(data, []byte("-----BEGIN ")); ders != nil && len(ders) < n { // as of a file that is half written
		return nil, unfit(ErrInvalid, field, fmt.Sprintf("has %d PEM blocks of %d that cannot be read", n-len(ders), n), want, nil)
	}
	if ders == nil {
		ders = [][]byte{data}
	}
	lists := make([]*x509.RevocationList, len(ders))
	for i, der := range ders {
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, unfit(ErrInvalid, field, "cannot be read: "+err.Error(), want, err)
		}
		// What is critical changes what the list means: entries of other CAs, only a part
		// of the certificates, a delta.
		for _, e := range l.Extensions {
			if e.Critical {
				return nil, unfit(ErrInvalid, field, fmt.Sprintf("has a critical extension %s", e.Id), "a complete CRL of the CA itself", nil)
			}
		}
		lists[i] = l
	}
	return lists, nil
}

func (s *Service) loadCRL(ctx context.Context, l *x509.RevocationList) (CRL, error) {
	ca, err := s.crlIssuer(ctx, l)
	if err != nil {
		return CRL{}, err
	}
	now := s.now()
	if l.ThisUpdate.After(now) {
		return CRL{}, unfit(ErrInvalid, "crl", "is from "+l.ThisUpdate.Format(time.RFC3339), "a CRL that is not from the future", nil)
	}
	out := CRL{CA: ca.id, Number: l.Number, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, Entries: len(l.RevokedCertificateEntries)}
	if !l.NextUpdate.IsZero() && now.After(l.NextUpdate) {
		s.cfg.Logger.Warn("certs: a newer CRL is due", "ca", ca.id, "since", l.NextUpdate)
	}
	// Revoke first, so that nothing is missed if this process ends in the middle, and
	// again for what was registered before the list was stored.
	for range tries {
		e, err := s.crls.Find(ctx, s.tenant, ca.id)
		if err != nil {
			return out, fmt.Errorf("certs: read the CRL of CA %s: %w", ca.id, err)
		}
		if err := newerCRL(e, l); err != nil {
			return out, err
		}
		if err := s.revokeAll(ctx, ca, l, &out); err != nil {
			return out, err
		}
		err = s.cfg.Directory.Commit(ctx, s.crls.Put(crlRecord{l.Raw}, e.Revision, s.tenant, ca.id))
		if errors.Is(err, auth.ErrConflict) {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("certs: store the CRL of CA %s: %w", ca.id, err)
		}
		return out, s.revokeAll(ctx, ca, l, &out)
	}
	return out, tooBusy("CRL of CA", ca.id)
}

// newerCRL refuses a list that is older than the one there is.
func newerCRL(e records.Entry[crlRecord], l *x509.RevocationList) error {
	if e.Revision == 0 {
		return nil
	}
	old, err := x509.ParseRevocationList(e.Value.DER)
	if err != nil {
		return fmt.Errorf("certs: the CRL in the directory is damaged: %w", err)
	}
	if old.Number != nil && l.Number != nil {
		if l.Number.Cmp(old.Number) < 0 {
			return unfit(ErrInvalid, "crl", "has the number "+l.Number.String(), "at least "+old.Number.String()+", that of the one before", nil)
		}
		return nil
	}
	if l.ThisUpdate.Before(old.ThisUpdate) {
		return unfit(ErrInvalid, "crl", "is from "+l.ThisUpdate.Format(time.RFC3339), "not before "+old.ThisUpdate.Format(time.RFC3339)+", when the one before was made", nil)
	}
	return nil
}

// crlIssuer finds the CA that signed a list.
func (s *Service) crlIssuer(ctx context.Context, l *x509.RevocationList) (*registeredCA, error) {
	all, err := s.named(ctx, l.RawIssuer)
	if err != nil {
		return nil, err
	}
	var why error
	for _, ca := range all {
		if why = l.CheckSignatureFrom(ca.certificate); why == nil {
			return ca, nil
		}
	}
	if why != nil {
		return nil, unfit(ErrValidation, "crl", "is not signed by the CA it names: "+why.Error(), "", why)
	}
	return nil, unfit(ErrValidation, "crl", "is of a CA that is not registered", "that the CA is registered first", nil)
}

// named returns the CAs of a name: registered ones, and the hub's own.
func (s *Service) named(ctx context.Context, rawName []byte) ([]*registeredCA, error) {
	var all []*registeredCA
	if string(s.ca.Certificate.RawSubject) == string(rawName) {
		all = append(all, &registeredCA{id: s.caID, certificate: s.ca.Certificate})
	}
	for e, err := range s.subjects.List(ctx, []string{s.tenant, nameKey(rawName)}, nil) {
		if err != nil {
			return nil, fmt.Errorf("certs: find CAs: %w", err)
		}
		if e.ID[2] == s.caID && len(all) > 0 {
			continue
		}
		ca, err := s.registeredCA(ctx, e.ID[2])
		if errors.Is(err, auth.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, ca)
	}
	return all, nil
}

// DescribeCRL tells of the latest CRL of a CA certificate.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeCRL(ctx context.Context, ca string) (CRL, error) {
	id, err := checkID("caCertificateId", ca)
	if err != nil {
		return CRL{}, err
	}
	e, err := s.crls.Find(ctx, s.tenant, id)
	if err != nil {
		return CRL{}, fmt.Errorf("certs: read the CRL of CA %s: %w", id, err)
	}
	if e.Revision == 0 {
		return CRL{}, notFound("CRL of CA certificate", id)
	}
	l, err := x509.ParseRevocationList(e.Value.DER)
	if err != nil {
		return CRL{}, fmt.Errorf("certs: the CRL of CA %s in the directory is damaged: %w", id, err)
	}
	return CRL{CA: id, Number: l.Number, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, Entries: len(l.RevokedCertificateEntries)}, nil
}

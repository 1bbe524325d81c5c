package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
)

// revokeAll changes the certificates that are on a list.
func (s *Service) revokeAll(ctx context.Context, ca *registeredCA, l *x509.RevocationList, out *CRL) error {
	issuer := nameKey(l.RawIssuer)
	for _, e := range l.RevokedCertificateEntries {
		if e.ReasonCode == reasonRemove {
			continue
		}
		for i, err := range s.serials.List(ctx, []string{s.tenant, issuer, e.SerialNumber.Text(16)}, nil) {
			if err != nil {
				return fmt.Errorf("certs: find revoked certificates: %w", err)
			}
			if err := s.revoke(ctx, i.ID[3], ca, e.ReasonCode, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// revoke changes a certificate that has the number of an entry, if it is of that CA.
func (s *Service) revoke(ctx context.Context, id string, ca *registeredCA, reason int, out *CRL) error {
	to := Revoked
	if reason == reasonHold {
		to = Inactive
	}
	done := false
	err := s.edit(ctx, s.tenant, id, func(r *record) ([]auth.Change, error) {
		done = false
		if r.Status == Revoked || r.Status == to || (to == Inactive && r.Status == PendingTransfer) {
			return nil, errUnchanged
		}
		if r.CA != ca.id { // of another CA of that name, or registered without one
			c, err := parseCertificate("certificatePem", r.PEM)
			if err != nil || signed(c, ca.certificate) != nil {
				return nil, errUnchanged
			}
		}
		done = true
		if r.Status == PendingTransfer {
			return s.endTransfer(r, s.tenant, id, to), nil
		}
		r.Status = to
		return nil, nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err == nil && done && out != nil {
		out.Revoked = append(out.Revoked, id)
	}
	return err
}

// A parsedCRL is what a CRL says: reasons by serial number.
type parsedCRL struct {
	revision int64
	reasons  map[string]int
}

// crl returns the latest list of a CA, nil without one.
func (s *Service) crl(ctx context.Context, id string) (*parsedCRL, error) {
	rec, err := s.cfg.Directory.Get(ctx, s.crls.Key(s.tenant, id))
	if errors.Is(err, auth.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("certs: read the CRL of CA %s: %w", id, err)
	}
	if v, ok := s.crlCache.Load(id); ok && v.(*parsedCRL).revision == rec.Revision {
		return v.(*parsedCRL), nil
	}
	e, err := s.crls.Read(rec)
	if err != nil {
		return nil, fmt.Errorf("certs: read the CRL of CA %s: %w", id, err)
	}
	l, err := x509.ParseRevocationList(e.Value.DER)
	if err != nil {
		return nil, fmt.Errorf("certs: the CRL of CA %s in the directory is damaged: %w", id, err)
	}
	p := &parsedCRL{rec.Revision, make(map[string]int, len(l.RevokedCertificateEntries))}
	for _, e := range l.RevokedCertificateEntries {
		p.reasons[e.SerialNumber.Text(16)] = e.ReasonCode
	}
	s.crlCache.Store(id, p)
	return p, nil
}

// revocation finds out whether a CA has revoked c: the CA and the reason, or nil.
func (s *Service) revocation(ctx context.Context, c *x509.Certificate) (*registeredCA, int, error) {
	all, err := s.named(ctx, c.RawIssuer)
	if err != nil {
		return nil, 0, err
	}
	_, serial := serialKey(c)
	for _, ca := range all {
		l, err := s.crl(ctx, ca.id)
		if err != nil {
			return nil, 0, err
		}
		if l == nil {
			continue
		}
		if reason, ok := l.reasons[serial]; ok && reason != reasonRemove && signed(c, ca.certificate) == nil {
			return ca, reason, nil
		}
	}
	return nil, 0, nil
}

// refuseRevoked is an error of a kind if a CA has revoked c.
func (s *Service) refuseRevoked(ctx context.Context, c *x509.Certificate, kind error) error {
	ca, _, err := s.revocation(ctx, c)
	if err != nil {
		return err
	}
	if ca != nil {
		return failed(kind, "Certificate %s is on the CRL of CA %s", Fingerprint(c), ca.id)
	}
	return nil
}

// recheck is called for what has just been stored: a CRL may have come between the look
// at it and the storing, too early to find the certificate.
func (s *Service) recheck(ctx context.Context, id string, c *x509.Certificate) error {
	ca, reason, err := s.revocation(ctx, c)
	if err != nil || ca == nil {
		return err
	}
	if err := s.revoke(ctx, id, ca, reason, nil); err != nil {
		return err
	}
	return failed(ErrState, "Certificate %s is on the CRL of CA %s", id, ca.id)
}

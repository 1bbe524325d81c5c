package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
)

// A RegisterInput is a certificate to be registered.
type RegisterInput struct {
	// PEM is the certificate, 1 to 65536 bytes, kept as it is. A chain may follow it.
	PEM string
	// CA is the PEM of the CA certificate that signed it, which must be registered. It
	// may be left out if no other registered CA could have.
	CA string
	// Status is Active, Inactive or Revoked. Default Inactive.
	Status Status
	// SetAsActive is an older way to ask for Active; it counts if Status is empty.
	SetAsActive bool
	// Vouched: the host answers for the certificate itself, as for one that its operator
	// has put into a file. Registered without a CA its mode is Default then.
	Vouched bool
}

// RegisterCertificate registers a certificate that a registered, active CA has signed.
// It has the mode of the CA. Nothing is published.
//
// Errors: ErrInvalid, ErrValidation (the certificate or the CA certificate cannot be
// read, has expired, has a key or signature of another kind; the CA is not registered or
// did not sign it, or has revoked it), ErrState (the status cannot be set, the CA is
// inactive), ErrConflict (more than one CA has signed it: give CA), ErrExists.
func (s *Service) RegisterCertificate(ctx context.Context, in RegisterInput) (Issued, error) {
	r, c, err := s.registration(in)
	if err != nil {
		return Issued{}, err
	}
	ca, err := s.issuerFor(ctx, c, in.CA)
	if err != nil {
		return Issued{}, err
	}
	if ca.Status != CAActive {
		return Issued{}, failed(ErrState, "CA certificate %s is %s, expected ACTIVE", ca.id, ca.Status)
	}
	r.CA, r.Mode = ca.id, ca.Mode
	return s.register(ctx, r, c)
}

// RegisterCertificateWithoutCA registers a certificate on its own; CA of the input must
// be empty. Its mode is SNIOnly, unless it is Vouched.
//
// Errors: as of RegisterCertificate, without ErrConflict.
func (s *Service) RegisterCertificateWithoutCA(ctx context.Context, in RegisterInput) (Issued, error) {
	if in.CA != "" {
		return Issued{}, &Error{
			Kind: ErrInvalid, Field: "caCertificatePem", Want: "nothing",
			Message: "caCertificatePem is set, expected nothing: the certificate is to be registered without a CA",
		}
	}
	r, c, err := s.registration(in)
	if err != nil {
		return Issued{}, err
	}
	r.Mode = SNIOnly
	if in.Vouched {
		r.Mode = Default
	}
	return s.register(ctx, r, c)
}

// registration checks what does not depend on what is stored.
func (s *Service) registration(in RegisterInput) (*record, *x509.Certificate, error) {
	switch {
	case in.Status == "" && in.SetAsActive:
		in.Status = Active
	case in.Status == "":
		in.Status = Inactive
	}
	if err := checkEnum("status", in.Status, statuses...); err != nil {
		return nil, nil, err
	}
	if checkStatus("status", in.Status) != nil {
		return nil, nil, &Error{
			Kind: ErrState, Field: "status", Value: string(in.Status), Want: "ACTIVE, INACTIVE or REVOKED",
			Message: "Not allowed to register certificate with " + string(in.Status) + " status",
		}
	}
	c, err := parseDevice("certificatePem", in.PEM, s.now())
	if err != nil {
		return nil, nil, err
	}
	return &record{PEM: in.PEM, Status: in.Status}, c, nil
}

func (s *Service) register(ctx context.Context, r *record, c *x509.Certificate) (Issued, error) {
	if r.Status != Revoked {
		if err := s.refuseRevoked(ctx, c, ErrValidation); err != nil {
			return Issued{}, err
		}
	}
	out := Issued{ID: Fingerprint(c), PEM: r.PEM}
	out.ARN = s.ARN(out.ID)
	if err := s.insert(ctx, out.ID, r, c); err != nil {
		return Issued{}, err
	}
	if r.Status != Revoked {
		if err := s.recheck(ctx, out.ID, c); err != nil {
			return Issued{}, err
		}
	}
	return out, nil
}

// issuerFor finds the registered CA that has signed c: the one given in PEM, or the only
// one there is.
func (s *Service) issuerFor(ctx context.Context, c *x509.Certificate, given string) (*registeredCA, error) {
	if given != "" {
		p, err := parseCertificate("caCertificatePem", given)
		if err != nil {
			return nil, err
		}
		ca, err := s.registeredCA(ctx, Fingerprint(p))
		if errors.Is(err, auth.ErrNotFound) {
			return nil, unfit(ErrValidation, "caCertificatePem", "is not registered", "a registered CA certificate", nil)
		}
		if err != nil {
			return nil, err
		}
		if err := signed(c, ca.certificate); err != nil {
			return nil, unfit(ErrValidation, "certificatePem", "is not signed by the CA: "+err.Error(), "a certificate of that CA", err)
		}
		return ca, s.caValid(ca)
	}
	all, err := s.issuers(ctx, c)
	if err != nil {
		return nil, err
	}
	switch len(all) {
	case 0:
		return nil, unfit(ErrValidation, "certificatePem", "is not signed by a registered CA", "that the CA is registered first", nil)
	case 1:
		return all[0], s.caValid(all[0])
	default:
		return nil, failed(ErrConflict, "%d registered CA certificates have the subject and the key that signed the certificate: caCertificatePem must say which", len(all))
	}
}

func (s *Service) caValid(ca *registeredCA) error {
	if s.now().After(ca.certificate.NotAfter) {
		return failed(ErrValidation, "CA certificate %s has expired", ca.id)
	}
	return nil
}

// signed says why c is not a certificate that the CA has signed; nil if it is.
func signed(c, ca *x509.Certificate) error {
	if string(c.RawIssuer) != string(ca.RawSubject) {
		return errors.New("its issuer has another name than the CA")
	}
	return c.CheckSignatureFrom(ca)
}

// issuers returns the registered CAs that have signed c, whatever their status.
func (s *Service) issuers(ctx context.Context, c *x509.Certificate) ([]*registeredCA, error) {
	var all []*registeredCA
	for e, err := range s.subjects.List(ctx, []string{s.tenant, nameKey(c.RawIssuer)}, nil) {
		if err != nil {
			return nil, fmt.Errorf("certs: find the CA of a certificate: %w", err)
		}
		ca, err := s.registeredCA(ctx, e.ID[2])
		if errors.Is(err, auth.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		if signed(c, ca.certificate) == nil {
			all = append(all, ca)
		}
	}
	return all, nil
}

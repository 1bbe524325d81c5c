package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// A CACertificate is what DescribeCACertificate tells.
type CACertificate struct {
	ID, ARN           string
	Status            CAStatus
	Auto              AutoRegistration
	Mode              Mode
	PEM               string // as it was sent
	OwnedBy           string
	Created, Modified time.Time
	// Version counts changes, from 1.
	Version             int
	Generation          string
	NotBefore, NotAfter time.Time
	// Config is nil without a template.
	Config *RegistrationConfig
}

// DescribeCACertificate returns a registered CA certificate.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeCACertificate(ctx context.Context, id string) (CACertificate, error) {
	id, err := checkID("certificateId", id)
	if err != nil {
		return CACertificate{}, err
	}
	ca, err := s.registeredCA(ctx, id)
	if errors.Is(err, auth.ErrNotFound) {
		return CACertificate{}, notFound("CA certificate", id)
	}
	if err != nil {
		return CACertificate{}, err
	}
	out := CACertificate{
		ID: id, ARN: s.CAARN(id), Status: ca.Status, Auto: ca.Auto, Mode: ca.Mode, PEM: ca.PEM, OwnedBy: s.cfg.Scope.Account,
		Created: ca.Created, Modified: ca.Modified, Version: ca.Version, Generation: ca.Generation,
		NotBefore: ca.certificate.NotBefore, NotAfter: ca.certificate.NotAfter,
	}
	if ca.Config != nil {
		c := *ca.Config
		out.Config = &c
	}
	return out, nil
}

// An UpdateCAInput says what is to change. What is empty stays as it is.
type UpdateCAInput struct {
	ID     string
	Status CAStatus
	Auto   AutoRegistration
	Config *RegistrationConfig
	// RemoveAutoRegistration switches auto registration off and takes the template away.
	RemoveAutoRegistration bool
}

// UpdateCACertificate changes a CA certificate. Certificates that were registered with
// it stay as they are.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) UpdateCACertificate(ctx context.Context, in UpdateCAInput) error {
	id, err := checkID("certificateId", in.ID)
	if err != nil {
		return err
	}
	if in.Status != "" {
		if err := checkEnum("newStatus", in.Status, CAActive, CAInactive); err != nil {
			return err
		}
	}
	if in.Auto != "" {
		if err := checkEnum("newAutoRegistrationStatus", in.Auto, Enable, Disable); err != nil {
			return err
		}
	}
	if err := in.Config.check(); err != nil {
		return err
	}
	if in.RemoveAutoRegistration && (in.Auto == Enable || in.Config != nil) {
		return failed(ErrInvalid, "removeAutoRegistration is true, expected neither registrationConfig nor newAutoRegistrationStatus ENABLE with it")
	}
	for range tries {
		e, err := s.cas.Find(ctx, s.tenant, id)
		if err != nil {
			return fmt.Errorf("certs: read CA certificate %s: %w", id, err)
		}
		if e.Revision == 0 {
			return notFound("CA certificate", id)
		}
		r := e.Value
		if in.Status != "" {
			r.Status = in.Status
		}
		if in.Auto != "" {
			r.Auto = in.Auto
		}
		if in.Config != nil {
			r.Config = in.Config
		}
		if in.RemoveAutoRegistration {
			r.Auto, r.Config = Disable, nil
		}
		r.Modified = s.now()
		r.Version++
		err = s.cfg.Directory.Commit(ctx, s.cas.Put(r, e.Revision, s.tenant, id))
		if errors.Is(err, auth.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("certs: store CA certificate %s: %w", id, err)
		}
		return nil
	}
	return tooBusy("CA certificate", id)
}

// DeleteCACertificate deletes a CA certificate that is not active, and its CRL.
// Certificates that were registered with it stay; ListCertificatesByCA still lists them.
//
// Errors: ErrInvalid, ErrNotFound, ErrState (it is ACTIVE).
func (s *Service) DeleteCACertificate(ctx context.Context, id string) error {
	id, err := checkID("certificateId", id)
	if err != nil {
		return err
	}
	for range tries {
		e, err := s.cas.Find(ctx, s.tenant, id)
		if err != nil {
			return fmt.Errorf("certs: read CA certificate %s: %w", id, err)
		}
		if e.Revision == 0 {
			return notFound("CA certificate", id)
		}
		if e.Value.Status == CAActive {
			return failed(ErrState, "CA certificate %s is ACTIVE, expected that it is deactivated first", id)
		}
		var c *x509.Certificate
		if c, err = parseCertificate("caCertificate", e.Value.PEM); err != nil {
			return fmt.Errorf("certs: CA certificate %s is damaged: %w", id, err)
		}
		changes := append(s.delist(s.tenant, listCAs, order(e.Value.Created, id)),
			s.cas.Delete(e.Revision, s.tenant, id), s.crls.Delete(auth.Any, s.tenant, id),
			s.subjects.Delete(auth.Any, s.tenant, nameKey(c.RawSubject), id))
		err = s.cfg.Directory.Commit(ctx, changes...)
		if errors.Is(err, auth.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("certs: delete CA certificate %s: %w", id, err)
		}
		s.parsed.Delete(id)
		s.crlCache.Delete(id)
		return nil
	}
	return tooBusy("CA certificate", id)
}

package certs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// A Certificate is what DescribeCertificate tells.
type Certificate struct {
	ID, ARN string
	// CA is the id of the CA certificate that signed it, as far as that is known here:
	// empty for one that was registered without a CA.
	CA     string
	Status Status
	Mode   Mode
	// PEM is the certificate as it was made or sent.
	PEM string
	// OwnedBy is the account that has it, PreviousOwnedBy the one it was transferred
	// from, or empty.
	OwnedBy, PreviousOwnedBy string
	Created, Modified        time.Time
	// Version counts changes, from 1.
	Version    int
	Generation string
	// NotBefore and NotAfter are when it is valid.
	NotBefore, NotAfter time.Time
	// Transfer is the last one, nil without one.
	Transfer *TransferData
}

// TransferData tells of a transfer. Times are zero for what has not happened.
type TransferData struct {
	Message, RejectReason    string
	Date, Accepted, Rejected time.Time
}

// DescribeCertificate returns a certificate: one of this account, or one that another
// account offers to it.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeCertificate(ctx context.Context, id string) (Certificate, error) {
	id, err := checkID("certificateId", id)
	if err != nil {
		return Certificate{}, err
	}
	e, err := s.find(ctx, id)
	if err != nil {
		return Certificate{}, err
	}
	r := &e.Value
	c, err := parseCertificate("certificatePem", r.PEM)
	if err != nil {
		return Certificate{}, fmt.Errorf("certs: certificate %s is damaged: %w", id, err)
	}
	out := Certificate{
		ID: id, ARN: s.arnOf(r.Owner, id), CA: r.CA, Status: r.Status, Mode: r.Mode, PEM: r.PEM,
		OwnedBy: r.Owner, PreviousOwnedBy: r.Previous, Created: r.Created, Modified: r.Modified,
		Version: r.Version, Generation: r.Generation, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
	}
	if t := r.Transfer; t != nil {
		out.Transfer = &TransferData{Message: t.Message, RejectReason: t.Reason, Date: t.Date, Accepted: t.Accepted, Rejected: t.Rejected}
	}
	return out, nil
}

// arnOf names a certificate of an account.
func (s *Service) arnOf(account, id string) string {
	scope := s.cfg.Scope
	scope.Account = account
	return scope.IoT("cert/" + id)
}

// UpdateCertificate sets the status of a certificate to Active, Inactive or Revoked.
// That it has it already is no error.
//
// Errors: ErrInvalid, ErrNotFound, ErrState (the status cannot be set; the certificate
// is REVOKED or PENDING_TRANSFER; it is to be ACTIVE, and its CA has revoked it).
func (s *Service) UpdateCertificate(ctx context.Context, id string, to Status) error {
	id, err := checkID("certificateId", id)
	if err != nil {
		return err
	}
	if err := checkStatus("newStatus", to); err != nil {
		return err
	}
	return s.setStatus(ctx, id, to, func(from Status) error {
		switch from {
		case Revoked:
			return failed(ErrState, "Certificate %s is REVOKED, which is final", id)
		case PendingTransfer:
			return failed(ErrState, "Certificate %s is PENDING_TRANSFER: the transfer must be accepted, rejected or cancelled first", id)
		default:
			return nil
		}
	})
}

// DeleteCertificate deletes a certificate that is not active and has no things and no
// policies. With force its policies are taken off.
//
// Errors: ErrInvalid, ErrNotFound, ErrState (it is ACTIVE or PENDING_TRANSFER),
// ErrDeleteConflict.
func (s *Service) DeleteCertificate(ctx context.Context, id string, force bool) error {
	id, err := checkID("certificateId", id)
	if err != nil {
		return err
	}
	return s.remove(ctx, id, func(ctx context.Context, r *record) error {
		if r.Status == Active || r.Status == PendingTransfer {
			return failed(ErrState, "Certificate %s is %s, expected that it is deactivated first", id, r.Status)
		}
		policies, things, err := s.attached(ctx, id)
		switch {
		case err != nil:
			return err
		case things:
			return failed(ErrDeleteConflict, "Things are attached to certificate %s, expected that they are detached first", id)
		case policies && !force:
			return failed(ErrDeleteConflict, "Policies are attached to certificate %s, expected that they are detached first", id)
		case policies:
			if err := s.cfg.Attachments.DetachPolicies(ctx, s.ARN(id)); err != nil {
				return fmt.Errorf("certs: detach the policies of certificate %s: %w", id, err)
			}
		}
		return nil
	})
}

// remove deletes a certificate if may says nothing against it.
func (s *Service) remove(ctx context.Context, id string, may func(ctx context.Context, r *record) error) error {
	for range tries {
		e, err := s.get(ctx, id)
		if err != nil {
			return err
		}
		if err := may(ctx, &e.Value); err != nil {
			return err
		}
		c, err := parseCertificate("certificatePem", e.Value.PEM)
		if err != nil {
			return fmt.Errorf("certs: certificate %s is damaged: %w", id, err)
		}
		changes := append(s.indexes(s.tenant, id, &e.Value, c, false), s.certs.Delete(e.Revision, s.tenant, id))
		if e.Value.ReplaceBy != "" {
			changes = append(changes, s.rotations.Delete(auth.Any, s.tenant, e.Value.ReplaceBy, id))
		}
		err = s.cfg.Directory.Commit(ctx, changes...)
		if err != nil {
			s.states.doubt(id)
		}
		if errors.Is(err, auth.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("certs: delete certificate %s: %w", id, err)
		}
		s.states.drop(id)
		s.changed(id, Deleted)
		return nil
	}
	return tooBusy("certificate", id)
}

package certs

import (
	"context"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
)

// maxMessage is how long the texts of a transfer may be.
const maxMessage = 128

// TransferCertificate offers a certificate to another account of the region: a service
// over the same Directory with that account in its Scope can accept or reject it. Until
// then it is PENDING_TRANSFER, which ends its connections. Returns its ARN.
//
// Errors: ErrInvalid, ErrNotFound, ErrState (it is ACTIVE, REVOKED, PENDING_TRANSFER or
// PENDING_ACTIVATION; AWS wants it inactive), ErrTransferConflict (policies or things
// are attached, or the other account has the certificate too).
func (s *Service) TransferCertificate(ctx context.Context, id, account, message string) (arn string, err error) {
	if id, err = checkID("certificateId", id); err != nil {
		return "", err
	}
	if err := checkAccount("targetAwsAccount", account); err != nil {
		return "", err
	}
	if account == s.cfg.Scope.Account {
		return "", failed(ErrInvalid, "targetAwsAccount is %q, expected another account than the one that has the certificate", account)
	}
	if err := checkText("transferMessage", message, maxMessage); err != nil {
		return "", err
	}
	target := tenantOf(s.cfg.Scope.Region, account)
	err = s.edit(ctx, s.tenant, id, func(r *record) ([]auth.Change, error) {
		if r.Status != Inactive {
			return nil, failed(ErrState, "Certificate %s is %s, expected INACTIVE", id, r.Status)
		}
		policies, things, err := s.attached(ctx, id)
		if err != nil {
			return nil, err
		}
		if policies || things {
			return nil, failed(ErrTransferConflict, "Policies or things are attached to certificate %s, expected that they are detached first", id)
		}
		e, err := s.certs.Find(ctx, target, id)
		if err != nil {
			return nil, fmt.Errorf("certs: read certificate %s of account %s: %w", id, account, err)
		}
		if e.Revision != 0 {
			return nil, failed(ErrTransferConflict, "Account %s has certificate %s itself", account, id)
		}
		r.Status = PendingTransfer
		r.Transfer = &transfer{To: account, Message: message, Date: s.now()}
		changes := append(s.enlist(s.tenant, listOut, order(r.Transfer.Date, id)), s.enlist(target, listAll, order(r.Created, id))...)
		return append(changes, s.incoming.Put(incoming{s.cfg.Scope.Account}, auth.Any, target, id)), nil
	})
	if err != nil {
		return "", err
	}
	return s.ARN(id), nil
}

// offeredTo reports whether a certificate is on its way to an account.
func (r *record) offeredTo(account string) bool {
	return r.Status == PendingTransfer && r.Transfer.To == account
}

// endTransfer takes a certificate off the lists of offers and gives it a status.
func (s *Service) endTransfer(r *record, source, id string, to Status) []auth.Change {
	target := tenantOf(s.cfg.Scope.Region, r.Transfer.To)
	r.Status = to
	changes := append(s.delist(source, listOut, order(r.Transfer.Date, id)), s.delist(target, listAll, order(r.Created, id))...)
	return append(changes, s.incoming.Delete(auth.Any, target, id))
}

// AcceptCertificateTransfer takes over a certificate that another account offers. It is
// Inactive then, or Active.
//
// Errors: ErrInvalid, ErrNotFound (nobody offers it), ErrTransferCompleted (it was
// accepted before), ErrExists (it has been registered here meanwhile), ErrState (it is to
// be active, and a CA registered here has revoked it).
func (s *Service) AcceptCertificateTransfer(ctx context.Context, id string, setAsActive bool) error {
	id, err := checkID("certificateId", id)
	if err != nil {
		return err
	}
	for range tries {
		began := s.states.mark(id)
		from, err := s.offered(ctx, id)
		if err != nil {
			return err
		}
		source := tenantOf(s.cfg.Scope.Region, from)
		e, err := s.certs.Find(ctx, source, id)
		if err != nil {
			return fmt.Errorf("certs: read certificate %s of account %s: %w", id, from, err)
		}
		if e.Revision == 0 || !e.Value.offeredTo(s.cfg.Scope.Account) {
			continue // it was withdrawn meanwhile
		}
		if mine, err := s.certs.Find(ctx, s.tenant, id); err != nil {
			return fmt.Errorf("certs: read certificate %s: %w", id, err)
		} else if mine.Revision != 0 { // registered here since it was offered
			return s.exists(id)
		}
		r := e.Value
		c, err := parseCertificate("certificatePem", r.PEM)
		if err != nil {
			return fmt.Errorf("certs: certificate %s is damaged: %w", id, err)
		}
		changes := s.endTransfer(&r, source, id, Inactive)
		if setAsActive {
			if err := s.refuseRevoked(ctx, c, ErrState); err != nil {
				return err
			}
			r.Status = Active
		}
		// The old account forgets it, but for where it went.
		changes = append(changes, s.indexes(source, id, &r, c, false)...)
		changes = append(changes, s.certs.Delete(e.Revision, source, id), s.moved.Put(movedTo{s.cfg.Scope.Account}, auth.Any, source, id))
		r.Replaces, r.ReplaceBy = "", ""
		r.Transfer.Accepted = s.now()
		r.Owner, r.Previous, r.Modified = s.cfg.Scope.Account, from, s.now()
		r.Version++
		changes = append(changes, s.certs.Put(r, 0, s.tenant, id))
		changes = merge(changes, s.indexes(s.tenant, id, &r, c, true))
		err = s.cfg.Directory.Commit(ctx, changes...)
		if errors.Is(err, auth.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("certs: store certificate %s: %w", id, err)
		}
		s.states.set(id, r.Status, began)
		s.changed(id, r.Status)
		if setAsActive {
			return s.recheck(ctx, id, c)
		}
		return nil
	}
	return tooBusy("certificate", id)
}

// merge adds changes; the later one of two for the same key counts.
func merge(changes, more []auth.Change) []auth.Change {
	at := make(map[string]int, len(changes))
	for i, c := range changes {
		at[c.Key] = i
	}
	for _, c := range more {
		if i, ok := at[c.Key]; ok {
			changes[i] = c
		} else {
			changes = append(changes, c)
		}
	}
	return changes
}

// RejectCertificateTransfer turns down a certificate that another account offers: it
// stays there, Inactive.
//
// Errors: ErrInvalid, ErrNotFound (nobody offers it), ErrTransferCompleted.
func (s *Service) RejectCertificateTransfer(ctx context.Context, id, reason string) error {
	id, err := checkID("certificateId", id)
	if err != nil {
		return err
	}
	if err := checkText("rejectReason", reason, maxMessage); err != nil {
		return err
	}
	from, err := s.offered(ctx, id)
	if err != nil {
		return err
	}
	source := tenantOf(s.cfg.Scope.Region, from)
	return s.edit(ctx, source, id, func(r *record) ([]auth.Change, error) {
		if !r.offeredTo(s.cfg.Scope.Account) {
			return nil, failed(ErrTransferCompleted, "Certificate %s is not offered any more", id)
		}
		changes := s.endTransfer(r, source, id, Inactive)
		r.Transfer.Reason, r.Transfer.Rejected = reason, s.now()
		return changes, nil
	})
}

// CancelCertificateTransfer takes an offer back: the certificate is Inactive again.
//
// Errors: ErrInvalid, ErrNotFound, ErrTransferCompleted (the other account has accepted
// it, or nothing is on its way).
func (s *Service) CancelCertificateTransfer(ctx context.Context, id string) error {
	id, err := checkID("certificateId", id)
	if err != nil {
		return err
	}
	err = s.edit(ctx, s.tenant, id, func(r *record) ([]auth.Change, error) {
		if r.Status != PendingTransfer {
			return nil, failed(ErrTransferCompleted, "Certificate %s is %s: no transfer is on its way", id, r.Status)
		}
		return s.endTransfer(r, s.tenant, id, Inactive), nil
	})
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	m, findErr := s.moved.Find(ctx, s.tenant, id)
	if findErr != nil {
		return fmt.Errorf("certs: read where certificate %s went: %w", id, findErr)
	}
	if m.Revision != 0 {
		return failed(ErrTransferCompleted, "Account %s has accepted certificate %s", m.Value.To, id)
	}
	return err
}

// offered returns the account that offers a certificate to this one.
func (s *Service) offered(ctx context.Context, id string) (from string, err error) {
	in, err := s.incoming.Find(ctx, s.tenant, id)
	if err != nil {
		return "", fmt.Errorf("certs: read the transfer of certificate %s: %w", id, err)
	}
	if in.Revision != 0 {
		return in.Value.From, nil
	}
	e, err := s.get(ctx, id)
	if err != nil {
		return "", err
	}
	if t := e.Value.Transfer; t != nil && !t.Accepted.IsZero() {
		return "", failed(ErrTransferCompleted, "The transfer of certificate %s was accepted at %s", id, t.Accepted.Format("2006-01-02T15:04:05Z"))
	}
	return "", notFound("Transfer of certificate", id)
}

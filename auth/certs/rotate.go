package certs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// A rotation says which certificate ends when another one is used, or at a deadline, by
// which it is listed.
type rotation struct {
	Old string `json:"old"`
}

// A RotateInput says which certificate is to be replaced.
type RotateInput struct {
	// ID is the certificate that is in use. It must be Active.
	ID string
	// CSR is the request for the new one. If it is empty keys are made.
	CSR string
	// Within is when the old certificate ends even if the new one is not used. 0: it does
	// not. Mind that a device that has not got the new one by then cannot connect.
	Within time.Duration
}

// Rotate makes an active certificate that takes the place of another one: the policies
// and things of that one are attached to it too. The old one stays Active until a client
// has connected with the new one, of which the host tells [Service.Connected], or until
// the deadline, which [Service.Run] watches; it becomes Inactive then, and what is
// attached to it stays. If the new one is deactivated or deleted before that, the old
// one stays as it is.
//
// The new certificate is another principal: a session of the old one does not pass on.
//
// Errors: ErrInvalid (Within is negative, CSR), ErrNotFound, ErrState (the old one is
// not ACTIVE).
func (s *Service) Rotate(ctx context.Context, in RotateInput) (Issued, error) {
	id, err := checkID("certificateId", in.ID)
	if err != nil {
		return Issued{}, err
	}
	if in.Within < 0 {
		return Issued{}, invalid("within", in.Within.String(), "Member must not be negative")
	}
	e, err := s.get(ctx, id)
	if err != nil {
		return Issued{}, err
	}
	if e.Value.Status != Active {
		return Issued{}, failed(ErrState, "Certificate %s is %s, expected ACTIVE", id, e.Value.Status)
	}
	var out Issued
	if in.CSR == "" {
		out, err = s.issueKeys(ctx, Terms{Status: Inactive}, id)
	} else {
		out, err = s.issueCSR(ctx, in.CSR, Terms{Status: Inactive}, id)
	}
	if err != nil {
		return Issued{}, err
	}
	if s.cfg.Attachments != nil {
		if err := s.cfg.Attachments.CopyAttachments(ctx, s.ARN(id), out.ARN); err != nil {
			return Issued{}, s.undo(ctx, out.ID, fmt.Errorf("certs: attach to certificate %s what %s has: %w", out.ID, id, err))
		}
	}
	err = s.edit(ctx, s.tenant, out.ID, func(r *record) ([]auth.Change, error) {
		r.Status = Active
		if in.Within == 0 {
			return nil, nil
		}
		r.ReplaceBy = fmt.Sprintf("%016x", uint64(s.now().Add(in.Within).UnixNano()))
		return []auth.Change{s.rotations.Put(rotation{id}, 0, s.tenant, r.ReplaceBy, out.ID)}, nil
	})
	if err != nil {
		return Issued{}, s.undo(ctx, out.ID, err)
	}
	return out, nil
}

// undo deletes the certificate of a rotation that failed because of err.
func (s *Service) undo(ctx context.Context, id string, err error) error {
	// The caller may have given up, which may be why it failed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handshakeTime)
	defer cancel()
	if s.cfg.Attachments != nil {
		if e := s.cfg.Attachments.DetachPolicies(ctx, s.ARN(id)); e != nil {
			s.cfg.Logger.Warn("certs: policies of a certificate that is not needed stay", "certificate", id, "err", e)
		}
	}
	if e := s.remove(ctx, id, func(context.Context, *record) error { return nil }); e != nil && !errors.Is(e, ErrNotFound) {
		s.cfg.Logger.Warn("certs: a certificate that is not needed stays", "certificate", id, "err", e)
	}
	return err
}

// Connected is to be called when a client was accepted with a certificate. It ends the
// rotation in which this is the new one, if there is one; otherwise it costs a look into
// memory. Not being in use is no error, whatever the principal is.
func (s *Service) Connected(ctx context.Context, principal string) error {
	if _, st := s.states.now([]byte(principal)); !st.rotates {
		return nil
	}
	return s.replace(ctx, principal)
}

// replace deactivates the certificate that another one replaces.
func (s *Service) replace(ctx context.Context, id string) error {
	e, err := s.get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if old := e.Value.Replaces; old != "" && e.Value.Status == Active {
		// The old one first: if this ends in the middle it is done again.
		err := s.edit(ctx, s.tenant, old, func(r *record) ([]auth.Change, error) {
			if r.Status != Active {
				return nil, errUnchanged
			}
			r.Status = Inactive
			return nil, nil
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	err = s.edit(ctx, s.tenant, id, func(r *record) ([]auth.Change, error) {
		if r.Replaces == "" {
			return nil, errUnchanged
		}
		var changes []auth.Change
		if r.ReplaceBy != "" {
			changes = append(changes, s.rotations.Delete(auth.Any, s.tenant, r.ReplaceBy, id))
		}
		r.Replaces, r.ReplaceBy = "", ""
		return changes, nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Sweep ends the rotations whose deadline is over. [Service.Run] calls it.
func (s *Service) Sweep(ctx context.Context) error {
	now := fmt.Sprintf("%016x", uint64(s.now().UnixNano()))
	for e, err := range s.rotations.List(ctx, []string{s.tenant}, nil) {
		if err != nil {
			return fmt.Errorf("certs: list rotations: %w", err)
		}
		deadline, id := e.ID[1], e.ID[2]
		if deadline > now {
			break
		}
		if err := s.replace(ctx, id); err != nil {
			return err
		}
		// Of a certificate that is gone, or went to another account, only this is left.
		if err := s.cfg.Directory.Commit(ctx, s.rotations.Delete(auth.Any, s.tenant, deadline, id)); err != nil {
			return fmt.Errorf("certs: end the rotation to certificate %s: %w", id, err)
		}
	}
	return nil
}

// sweepEvery is how exact deadlines are.
const sweepEvery = time.Minute

// Run watches the deadlines of rotations until ctx ends. It returns nil then; what goes
// wrong is logged and tried again a minute later.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("certs: rotations were not ended", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

package certs

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// An Issued is a certificate that the service made or registered.
type Issued struct {
	ID, ARN string
	PEM     string
	// Keys is set if the service made the keys. The private key is not kept.
	Keys KeyPair
}

// Terms are what a certificate that the service makes is to be like, besides what the
// AWS API can ask for.
type Terms struct {
	// Status is Active, Inactive or PendingActivation. Default Inactive.
	Status Status
	// Unlisted certificates are in no list; they can be described and used.
	Unlisted bool
	// Until ends the certificate earlier than others. Whole seconds count. Default: it
	// ends in 2049, or with the CA.
	Until time.Time
}

func (t *Terms) check(now time.Time) error {
	if t.Status == "" {
		t.Status = Inactive
	}
	if err := checkEnum("status", t.Status, Active, Inactive, PendingActivation); err != nil {
		return err
	}
	if !t.Until.IsZero() && !t.Until.After(now) {
		return invalid("until", t.Until.Format(time.RFC3339), "Member must be in the future")
	}
	return nil
}

func created(active bool) Terms {
	if active {
		return Terms{Status: Active}
	}
	return Terms{}
}

// CreateKeysAndCertificate makes a key and a certificate for it. The private key is only
// in the answer.
func (s *Service) CreateKeysAndCertificate(ctx context.Context, setAsActive bool) (Issued, error) {
	return s.IssueKeys(ctx, created(setAsActive))
}

// CreateCertificateFromCsr makes a certificate for a PEM encoded signing request of at
// most 4096 bytes, with its key and subject. Whatever else it asks for is passed over.
//
// Errors: ErrInvalid (it cannot be read, its signature is wrong, its key is neither RSA
// with 2048 to 8192 bits nor on P-256, P-384 or P-521, its subject is the CA's).
func (s *Service) CreateCertificateFromCsr(ctx context.Context, csr string, setAsActive bool) (Issued, error) {
	return s.IssueCSR(ctx, csr, created(setAsActive))
}

// IssueKeys is CreateKeysAndCertificate on other terms.
//
// Errors: ErrInvalid (Terms).
func (s *Service) IssueKeys(ctx context.Context, t Terms) (Issued, error) {
	if err := t.check(s.now()); err != nil {
		return Issued{}, err
	}
	return s.issueKeys(ctx, t, "")
}

// IssueCSR is CreateCertificateFromCsr on other terms.
func (s *Service) IssueCSR(ctx context.Context, csr string, t Terms) (Issued, error) {
	if err := t.check(s.now()); err != nil {
		return Issued{}, err
	}
	return s.issueCSR(ctx, csr, t, "")
}

func (s *Service) issueKeys(ctx context.Context, t Terms, replaces string) (Issued, error) {
	pub, keys, err := s.newKey(ctx)
	if err != nil {
		return Issued{}, err
	}
	out, err := s.make(ctx, pub, nil, t, replaces)
	if err != nil {
		return Issued{}, err
	}
	out.Keys = keys
	return out, nil
}

func (s *Service) issueCSR(ctx context.Context, csr string, t Terms, replaces string) (Issued, error) {
	r, err := parseCSR(csr)
	if err != nil {
		return Issued{}, err
	}
	subject := r.RawSubject
	if len(r.Subject.Names) == 0 {
		subject = nil
	}
	if bytes.Equal(subject, s.ca.Certificate.RawSubject) {
		// It would look as if it had signed itself.
		return Issued{}, unfit(ErrInvalid, "certificateSigningRequest", "has the subject of the CA", "another one", nil)
	}
	return s.make(ctx, r.PublicKey, subject, t, replaces)
}

// make signs and stores a certificate.
func (s *Service) make(ctx context.Context, pub crypto.PublicKey, subject []byte, t Terms, replaces string) (Issued, error) {
	c, err := s.issue(pub, subject, t.Until)
	if err != nil {
		return Issued{}, err
	}
	out := Issued{ID: Fingerprint(c), PEM: certificatePEM(c.Raw)}
	out.ARN = s.ARN(out.ID)
	r := record{PEM: out.PEM, CA: s.caID, Status: t.Status, Mode: Default, Unlisted: t.Unlisted, Replaces: replaces}
	if err := s.insert(ctx, out.ID, &r, c); err != nil {
		return Issued{}, err
	}
	return out, nil
}

// Activate gives a certificate that waits for it its first status, Active or Inactive:
// the end of provisioning. That it has this status already is no error.
//
// Errors: ErrInvalid, ErrNotFound, ErrState (it is not PENDING_ACTIVATION, or its CA has
// revoked it).
func (s *Service) Activate(ctx context.Context, id string, to Status) error {
	id, err := checkID("certificateId", id)
	if err != nil {
		return err
	}
	if err := checkEnum("status", to, Active, Inactive); err != nil {
		return err
	}
	return s.setStatus(ctx, id, to, func(from Status) error {
		if from != PendingActivation {
			return failed(ErrState, "Certificate %s is %s, expected PENDING_ACTIVATION", id, from)
		}
		return nil
	})
}

// DeleteUnused deletes a certificate that nobody has activated.
//
// Errors: ErrInvalid, ErrNotFound, ErrState (it is not PENDING_ACTIVATION).
func (s *Service) DeleteUnused(ctx context.Context, id string) error {
	id, err := checkID("certificateId", id)
	if err != nil {
		return err
	}
	return s.remove(ctx, id, func(_ context.Context, r *record) error {
		if r.Status != PendingActivation {
			return failed(ErrState, "Certificate %s is %s, expected PENDING_ACTIVATION", id, r.Status)
		}
		return nil
	})
}

// setStatus changes a status. may is asked unless it is the same.
func (s *Service) setStatus(ctx context.Context, id string, to Status, may func(from Status) error) error {
	var c *x509.Certificate
	err := s.edit(ctx, s.tenant, id, func(r *record) ([]auth.Change, error) {
		if r.Status == to {
			return nil, errUnchanged
		}
		if err := may(r.Status); err != nil {
			return nil, err
		}
		r.Status = to
		if to != Active {
			return nil, nil
		}
		var err error
		if c, err = parseCertificate("certificatePem", r.PEM); err != nil {
			return nil, err
		}
		return nil, s.refuseRevoked(ctx, c, ErrState)
	})
	if err != nil || c == nil {
		return err
	}
	return s.recheck(ctx, id, c)
}

// newID returns a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

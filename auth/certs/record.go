package certs

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// A record is what the directory keeps of a certificate. It lies under the account that
// owns it and the id.
type record struct {
	PEM        string    `json:"pem"`          // as it was sent
	CA         string    `json:"ca,omitempty"` // id of the CA certificate that is known to have signed it
	Status     Status    `json:"status"`
	Mode       Mode      `json:"mode"`
	Owner      string    `json:"owner"`
	Previous   string    `json:"previous,omitempty"`
	Created    time.Time `json:"created"`
	Modified   time.Time `json:"modified"`
	Version    int       `json:"version"`
	Generation string    `json:"generation"`
	Transfer   *transfer `json:"transfer,omitempty"`
	// JIT: registered just in time. Unlisted: in no list, as the certificates of
	// provisioning claims. Replaces: the certificate that ends when this one is used.
	JIT      bool   `json:"jit,omitempty"`
	Unlisted bool   `json:"unlisted,omitempty"`
	Replaces string `json:"replaces,omitempty"`
	// ReplaceBy is the order of the rotation's deadline, empty without one.
	ReplaceBy string `json:"replaceBy,omitempty"`
}

type transfer struct {
	To       string    `json:"to"`
	Message  string    `json:"message,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Date     time.Time `json:"date,omitzero"`
	Accepted time.Time `json:"accepted,omitzero"`
	Rejected time.Time `json:"rejected,omitzero"`
}

// incoming says whose certificate was offered to an account.
type incoming struct {
	From string `json:"from"`
}

// movedTo remembers to whom a certificate went.
type movedTo struct {
	To string `json:"to"`
}

// An order is where something is in a list: by time, then by id. Lists can only be read
// forwards, so each exists twice, the second time with all digits turned round.

func order(at time.Time, id string) string { return fmt.Sprintf("%016x", uint64(at.UnixNano())) + id }

func backwards(order string) string {
	const digits = "0123456789abcdef"
	b := []byte(order)
	for i, c := range b {
		if at := strings.IndexByte(digits, c); at >= 0 {
			b[i] = digits[15-at]
		}
	}
	return string(b)
}

// The lists. Those of certificates by CA have the id of the CA behind them.
const (
	listAll  = "all"
	listOut  = "out"
	listCAs  = "cas"
	listOfCA = "ca:"
)

// enlist puts a certificate into a list, in both directions, delist takes it out.
func (s *Service) enlist(tenant, list, order string) []auth.Change {
	return []auth.Change{
		s.lists.Put(struct{}{}, auth.Any, tenant, list+"+", order),
		s.lists.Put(struct{}{}, auth.Any, tenant, list+"-", backwards(order)),
	}
}

func (s *Service) delist(tenant, list, order string) []auth.Change {
	return []auth.Change{
		s.lists.Delete(auth.Any, tenant, list+"+", order),
		s.lists.Delete(auth.Any, tenant, list+"-", backwards(order)),
	}
}

// nameKey stands for a distinguished name in keys.
func nameKey(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// serialKey is what a CRL knows of a certificate: its issuer's name and its number.
func serialKey(c *x509.Certificate) (issuer, serial string) {
	return nameKey(c.RawIssuer), c.SerialNumber.Text(16)
}

// indexes are the entries that a certificate has besides its record.
func (s *Service) indexes(tenant, id string, r *record, c *x509.Certificate, there bool) []auth.Change {
	issuer, serial := serialKey(c)
	f, one := s.enlist, s.serials.Put(struct{}{}, auth.Any, tenant, issuer, serial, id)
	if !there {
		f, one = s.delist, s.serials.Delete(auth.Any, tenant, issuer, serial, id)
	}
	changes := []auth.Change{one}
	if r.Unlisted {
		return changes
	}
	at := order(r.Created, id)
	changes = append(changes, f(tenant, listAll, at)...)
	if r.CA != "" {
		changes = append(changes, f(tenant, listOfCA+r.CA, at)...)
	}
	return changes
}

// insert stores a new certificate.
func (s *Service) insert(ctx context.Context, id string, r *record, c *x509.Certificate) error {
	now := s.now()
	r.Owner, r.Created, r.Modified, r.Version, r.Generation = s.cfg.Scope.Account, now, now, 1, newID()
	changes := append(s.indexes(s.tenant, id, r, c, true), s.certs.Put(*r, 0, s.tenant, id))
	err := s.cfg.Directory.Commit(ctx, changes...)
	switch {
	case errors.Is(err, auth.ErrConflict):
		return s.exists(id)
	case err != nil:
		return fmt.Errorf("certs: store certificate %s: %w", id, err)
	}
	return nil
}

func (s *Service) exists(id string) error {
	return &Error{
		Kind: ErrExists, ResourceID: id, ResourceARN: s.ARN(id),
		Message: "The certificate is already registered with id " + id,
	}
}

// get reads a certificate of this account.
func (s *Service) get(ctx context.Context, id string) (records.Entry[record], error) {
	e, err := s.certs.Get(ctx, s.tenant, id)
	if errors.Is(err, auth.ErrNotFound) {
		return e, notFound("Certificate", id)
	}
	if err != nil {
		return e, fmt.Errorf("certs: read certificate %s: %w", id, err)
	}
	return e, nil
}

// find is get for those that other accounts offer to this one, too.
func (s *Service) find(ctx context.Context, id string) (e records.Entry[record], err error) {
	e, err = s.get(ctx, id)
	if !errors.Is(err, ErrNotFound) {
		return e, err
	}
	in, inErr := s.incoming.Find(ctx, s.tenant, id)
	if inErr != nil {
		return e, fmt.Errorf("certs: read the transfer of certificate %s: %w", id, inErr)
	}
	if in.Revision == 0 {
		return e, err
	}
	from, inErr := s.certs.Get(ctx, tenantOf(s.cfg.Scope.Region, in.Value.From), id)
	if errors.Is(inErr, auth.ErrNotFound) {
		return e, err
	}
	if inErr != nil {
		return e, fmt.Errorf("certs: read certificate %s of account %s: %w", id, in.Value.From, inErr)
	}
	return from, nil
}

// errUnchanged is returned by an edit that has nothing to do.
var errUnchanged = errors.New("certs: unchanged")

// tries is how often a change begins anew because others change the same record.
const tries = 16

// edit changes the record of a certificate of an account, together with what f says, and
// tells the host of its new status.
func (s *Service) edit(ctx context.Context, tenant, id string, f func(r *record) ([]auth.Change, error)) error {
	for range tries {
		began := s.states.mark(id)
		e, err := s.certs.Get(ctx, tenant, id)
		if errors.Is(err, auth.ErrNotFound) {
			return notFound("Certificate", id)
		}
		if err != nil {
			return fmt.Errorf("certs: read certificate %s: %w", id, err)
		}
		r := e.Value
		was := r.Status
		more, err := f(&r)
		if errors.Is(err, errUnchanged) {
			return nil
		}
		if err != nil {
			return err
		}
		r.Modified = s.now()
		r.Version++
		err = s.cfg.Directory.Commit(ctx, append(more, s.certs.Put(r, e.Revision, tenant, id))...)
		mine := tenant == s.tenant
		if mine && err == nil {
			s.states.set(id, r.Status, began)
		} else if mine { // it may have been stored all the same
			s.states.doubt(id)
		}
		if errors.Is(err, auth.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("certs: store certificate %s: %w", id, err)
		}
		if mine && was != r.Status {
			s.changed(id, r.Status)
		}
		return nil
	}
	return tooBusy("certificate", id)
}

func tooBusy(what, id string) error {
	return fmt.Errorf("certs: %s %s was changed by others %d times in a row: %w", what, id, tries, auth.ErrConflict)
}

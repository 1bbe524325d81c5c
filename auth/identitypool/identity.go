package identitypool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/internal/records"
)

type identityRecord struct {
	Pool string `json:"pool"`
	// Logins are subjects by the provider.
	Logins map[string]string `json:"logins,omitempty"`
	// Users are those of the host's backend, and Provider is what the pool calls it.
	Users    []string `json:"users,omitempty"`
	Provider string   `json:"provider,omitempty"`
	// Linked: it has had a login, and is no guest's any more, even without one.
	Linked   bool      `json:"linked,omitempty"`
	Disabled bool      `json:"disabled,omitempty"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
}

type loginRecord struct {
	Identity string
}

type identityEntry = records.Entry[identityRecord]

// maxLinked is how many logins an identity may have.
const maxLinked = 100

func (r *identityRecord) number() int { return len(r.Logins) + len(r.Users) }

// has reports whether a login is linked.
func (r *identityRecord) has(provider, subject string) bool {
	s, found := r.Logins[provider]
	return found && s == subject
}

func notFound(id string) error { return fault(ErrNotFound, "Identity '%s' not found.", id) }

// forbidden is the answer to who has not proved that an identity is theirs.
func forbidden(id string) error {
	return fault(ErrNotAuthorized, "Access to Identity '%s' is forbidden.", id)
}

// readIdentity returns an identity and its pool.
func (s *Service) readIdentity(ctx context.Context, id string) (identityEntry, records.Entry[poolRecord], error) {
	var none records.Entry[poolRecord]
	if err := checkID("identityId", id); err != nil {
		return identityEntry{}, none, err
	}
	e, err := s.identities.Get(ctx, id)
	if errors.Is(err, auth.ErrNotFound) {
		return e, none, notFound(id)
	}
	if err != nil {
		return e, none, fmt.Errorf("identitypool: read identity %s: %w", id, err)
	}
	if n := s.room.Of(ctx); n.About == "" && n.Principal != id {
		n.About = "the identity " + id
	}
	p, err := s.readPool(ctx, e.Value.Pool)
	if errors.Is(err, ErrNotFound) { // it is being deleted
		return e, none, notFound(id)
	}
	return e, p, err
}

// A wish is what somebody wants of their logins.
type wish struct {
	pool string
	// id is the identity that they say is theirs; empty: whichever belongs to the logins,
	// a new one if there is none.
	id     string
	logins []*login
	// user is one of the host's backend, of the provider that the pool has for these;
	// empty for none. Who asks speaks for the host, and may link it to any identity.
	provider, user string
}

// resolve returns the identity of some logins, of which there is at least one or a user.
// Those that are not linked yet are linked to it.
//
// It is tried again when somebody else has changed one of the records meanwhile; so a login
// that is there twice at once makes one identity.
func (s *Service) resolve(ctx context.Context, w *wish) (string, *identityRecord, error) {
	for range tries {
		e, changes, err := s.plan(ctx, w)
		if errors.Is(err, errAgain) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		id := e.ID[0]
		if len(changes) == 0 {
			return id, &e.Value, nil
		}
		err = s.cfg.Directory.Commit(ctx, changes...)
		if err == nil {
			return id, &e.Value, nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return "", nil, fmt.Errorf("identitypool: link logins to identity %s: %w", id, err)
		}
	}
	return "", nil, fault(ErrConcurrent, "The identity is being changed by others.")
}

// errAgain: what was read does not fit together any more.
var errAgain = errors.New("identitypool: changed meanwhile")

// plan finds the identity of a wish and what has to change for it.
func (s *Service) plan(ctx context.Context, w *wish) (identityEntry, []auth.Change, error) {
	owner := "" // of the logins that are linked
	var fresh []*login
	belongs := func(id string) error {
		if owner != "" && owner != id {
			return fault(ErrConflict, "Logins are already linked to different identities.")
		}
		owner = id
		return nil
	}
	for _, l := range w.logins {
		if l.identity != "" {
			if err := belongs(l.identity); err != nil {
				return identityEntry{}, nil, err
			}
			continue
		}
		at, err := s.logins.Find(ctx, w.pool, l.provider, l.subject)
		if err != nil {
			return identityEntry{}, nil, fmt.Errorf("identitypool: look up a login of %s: %w", l.provider, err)
		}
		if at.Revision == 0 {
			fresh = append(fresh, l)
		} else if err := belongs(at.Value.Identity); err != nil {
			return identityEntry{}, nil, err
		}
	}
	freshUser := false
	if w.user != "" {
		at, err := s.logins.Find(ctx, w.pool, w.provider, w.user)
		if err != nil {
			return identityEntry{}, nil, fmt.Errorf("identitypool: look up a user of %s: %w", w.provider, err)
		}
		switch {
		case at.Revision == 0:
			freshUser = true
		case owner != "" && owner != at.Value.Identity, w.id != "" && w.id != at.Value.Identity:
			return identityEntry{}, nil, fault(ErrRegistered, "The developer user is already registered with another identity.")
		default:
			owner = at.Value.Identity
		}
	}
	e, err := s.wanted(ctx, w, owner)
	if err != nil {
		return e, nil, err
	}
	changes, err := s.link(&e, w, fresh, freshUser)
	return e, changes, err
}

// wanted returns the identity that a wish is about: the one that it names, or the one to
// which its logins belong, or a new one.
func (s *Service) wanted(ctx context.Context, w *wish, owner string) (identityEntry, error) {
	id := w.id
	if id == "" {
		id = owner
	}
	if id == "" {
		now := s.cfg.Now().UTC()
		return identityEntry{ID: []string{s.newID()}, Value: identityRecord{Pool: w.pool, Created: now, Modified: now}}, nil
	}
	e, err := s.identities.Get(ctx, id)
	switch {
	case errors.Is(err, auth.ErrNotFound) && w.id == "":
		return e, errAgain // it was deleted meanwhile, and its logins are free
	case errors.Is(err, auth.ErrNotFound), err == nil && e.Value.Pool != w.pool:
		return e, notFound(id)
	case err != nil:
		return e, fmt.Errorf("identitypool: read identity %s: %w", id, err)
	case e.Value.Disabled:
		return e, fault(ErrNotAuthorized, "Identity '%s' is disabled.", id)
	case owner == id, w.user != "" && owner == "": // proved, or the host says so
	case owner == "" && !e.Value.Linked: // a guest signs in
	case owner == "":
		return e, fault(ErrNotAuthorized, "Logins don't match. Please include at least one valid login for this identity or identity pool.")
	default:
		return e, fault(ErrConflict, "The login is already linked to another identity.")
	}
	return e, nil
}

// link links logins to an identity, and returns what has to change for it.
func (s *Service) link(e *identityEntry, w *wish, fresh []*login, freshUser bool) ([]auth.Change, error) {
	if len(fresh) == 0 && !freshUser {
		return nil, nil
	}
	id, r := e.ID[0], &e.Value
	r.Logins, r.Users = maps.Clone(r.Logins), slices.Clone(r.Users)
	var changes []auth.Change
	for _, l := range fresh {
		if _, other := r.Logins[l.provider]; other {
			return nil, fault(ErrConflict, "The identity is already linked to another login of %s.", l.provider)
		}
		if r.Logins == nil {
			r.Logins = map[string]string{}
		}
		r.Logins[l.provider] = l.subject
		changes = append(changes, s.logins.Put(loginRecord{id}, 0, w.pool, l.provider, l.subject))
	}
	if freshUser {
		r.Users, r.Provider = append(r.Users, w.user), w.provider
		changes = append(changes, s.logins.Put(loginRecord{id}, 0, w.pool, w.provider, w.user))
	}
	if r.number() > maxLinked {
		return nil, fault(ErrLimit, "An identity can have at most %d logins.", maxLinked)
	}
	r.Linked, r.Modified = true, s.cfg.Now().UTC()
	changes = append(changes, s.identities.Put(*r, e.Revision, id))
	if e.Revision == 0 {
		changes = append(changes, s.members.Put(struct{}{}, 0, w.pool, id))
	}
	return changes, nil
}

// GetID returns the id of the identity that some logins belong to, which it makes if there
// is none; without logins that of a new guest.
//
// Errors: ErrInvalid, ErrNotFound (the pool), ErrNotAuthorized, ErrConflict, ErrLimit,
// ErrTooMany, ErrExternal, ErrConcurrent.
func (s *Service) GetID(ctx context.Context, pool string, logins Logins) (string, error) {
	return audit.Do(ctx, s.room, "GetId", func(ctx context.Context, n *audit.Note) (string, error) {
		id, err := s.getID(ctx, pool, logins)
		n.Principal = id
		return id, err
	})
}

func (s *Service) getID(ctx context.Context, pool string, logins Logins) (string, error) {
	p, err := s.readPool(ctx, pool)
	if err != nil {
		return "", err
	}
	if len(logins) == 0 {
		return s.newGuest(ctx, &p.Value.Pool)
	}
	proved, err := s.prove(ctx, &p.Value.Pool, logins)
	if err != nil {
		return "", err
	}
	id, _, err := s.resolve(ctx, &wish{pool: pool, logins: proved})
	return id, err
}

func noGuests() error {
	return fault(ErrNotAuthorized, "Unauthenticated access is not supported for this identity pool.")
}

func (s *Service) newGuest(ctx context.Context, p *Pool) (string, error) {
	if !p.AllowUnauthenticated {
		return "", noGuests()
	}
	if !s.guests.take() {
		return "", fault(ErrTooMany, "Too many guests at once. Try again.")
	}
	id, now := s.newID(), s.cfg.Now().UTC()
	r := identityRecord{Pool: p.ID, Created: now, Modified: now}
	if err := s.cfg.Directory.Commit(ctx, s.identities.Put(r, 0, id), s.members.Put(struct{}{}, 0, p.ID, id)); err != nil {
		return "", fmt.Errorf("identitypool: make a guest: %w", err)
	}
	return id, nil
}

// A caller is somebody who has proved that an identity is theirs.
type caller struct {
	pool     records.Entry[poolRecord]
	id       string
	identity *identityRecord
	logins   []*login // none: a guest
}

// amr are the ways in which they have signed in.
func (c *caller) amr() []string {
	if len(c.logins) == 0 {
		return []string{Unauthenticated}
	}
	all := []string{Authenticated}
	for _, l := range c.logins {
		all = append(all, l.amr...)
	}
	slices.Sort(all[1:])
	return slices.Compact(all)
}

// admit admits who comes with the id of an identity and logins, of which at least one must
// belong to it, unless it is a guest's.
func (s *Service) admit(ctx context.Context, id string, logins Logins) (*caller, error) {
	e, p, err := s.readIdentity(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &caller{pool: p, id: id, identity: &e.Value}
	if len(logins) == 0 {
		switch {
		case e.Value.Disabled:
			return nil, fault(ErrNotAuthorized, "Identity '%s' is disabled.", id)
		case e.Value.Linked:
			return nil, forbidden(id)
		case !p.Value.Pool.AllowUnauthenticated:
			return nil, noGuests()
		}
	} else {
		if c.logins, err = s.prove(ctx, &p.Value.Pool, logins); err != nil {
			return nil, err
		}
		if _, c.identity, err = s.resolve(ctx, &wish{pool: e.Value.Pool, id: id, logins: c.logins}); err != nil {
			return nil, err
		}
	}
	s.noteIdentity(ctx, id)
	return c, nil
}

package identitypool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// An Identity is what is told of an identity.
type Identity struct {
	ID, Pool string
	// Logins are the names of the providers of its logins, sorted. An identity with none
	// is a guest's, unless it is Inaccessible.
	Logins []string
	// Disabled: it gets nothing and its credentials are not accepted.
	Disabled bool
	// Inaccessible: its last login is gone, nobody can prove that it is theirs.
	Inaccessible      bool
	Created, Modified time.Time
}

func told(id string, r *identityRecord) Identity {
	names := slices.Sorted(maps.Keys(r.Logins))
	if len(r.Users) > 0 {
		names = append(names, r.Provider)
		slices.Sort(names)
	}
	return Identity{
		ID: id, Pool: r.Pool, Logins: names, Disabled: r.Disabled, Inaccessible: r.Linked && r.number() == 0,
		Created: r.Created, Modified: r.Modified,
	}
}

// DescribeIdentity returns an identity. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeIdentity(ctx context.Context, id string) (Identity, error) {
	e, _, err := s.readIdentity(ctx, id)
	if err != nil {
		return Identity{}, err
	}
	return told(id, &e.Value), nil
}

// IdentityOf returns the identity to which a login belongs: the subject that tokens of the
// provider have for somebody, such as the sub of a user pool's user. A host finds with it
// whom to disable when somebody is to be shut out at once.
//
// Errors: ErrInvalid, ErrNotFound (the pool, or nobody has used this login there),
// ErrConcurrent.
func (s *Service) IdentityOf(ctx context.Context, pool, provider, subject string) (Identity, error) {
	if _, err := s.readPool(ctx, pool); err != nil {
		return Identity{}, err
	}
	if err := checkProvider("provider", provider); err != nil {
		return Identity{}, err
	}
	if subject == "" || len(subject) > maxSubject {
		return Identity{}, invalid("subject", shorten(subject), fmt.Sprintf("Member must have 1 to %d bytes", maxSubject))
	}
	e, err := s.linked(ctx, pool, provider, subject)
	if errors.Is(err, auth.ErrNotFound) {
		return Identity{}, fault(ErrNotFound, "No identity of the pool has this login of %s.", provider)
	}
	if err != nil {
		return Identity{}, err
	}
	return told(e.ID[0], &e.Value), nil
}

// linked returns the identity of a login or of a user of the host's backend, auth.ErrNotFound
// if there is none.
func (s *Service) linked(ctx context.Context, pool, provider, subject string) (identityEntry, error) {
	for range tries {
		at, err := s.logins.Get(ctx, pool, provider, subject)
		if errors.Is(err, auth.ErrNotFound) {
			return identityEntry{}, err
		}
		var e identityEntry
		if err == nil {
			e, err = s.identities.Get(ctx, at.Value.Identity)
		}
		switch {
		case err == nil:
			return e, nil
		case errors.Is(err, auth.ErrNotFound): // the login has been moved or freed between the two looks
		default:
			return e, fmt.Errorf("identitypool: look up a login of %s: %w", provider, err)
		}
	}
	return identityEntry{}, fault(ErrConcurrent, "The identities are being changed by others.")
}

// ListIdentities returns identities of a pool in the order of their ids, and the token of
// the next page, which is empty after the last. hideDisabled leaves out those that are
// disabled.
//
// Errors: ErrInvalid, ErrNotFound (the pool).
func (s *Service) ListIdentities(ctx context.Context, pool string, hideDisabled bool, p Page) (all []Identity, next string, err error) {
	if _, err := s.readPool(ctx, pool); err != nil {
		return nil, "", err
	}
	size, after, err := p.check()
	if err != nil {
		return nil, "", err
	}
	if after != nil {
		after = append([]string{pool}, after...)
	}
	all = []Identity{}
	for m, err := range s.members.List(ctx, []string{pool}, after) {
		if err != nil {
			return nil, "", fmt.Errorf("identitypool: identities of the pool %s: %w", pool, err)
		}
		id := m.ID[1]
		e, err := s.identities.Get(ctx, id)
		if errors.Is(err, auth.ErrNotFound) || err == nil && hideDisabled && e.Value.Disabled {
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("identitypool: read identity %s: %w", id, err)
		}
		if len(all) == size {
			return all, marker(all[size-1].ID), nil
		}
		all = append(all, told(id, &e.Value))
	}
	return all, "", nil
}

// An Unprocessed is an identity that was not deleted.
type Unprocessed struct {
	ID string `json:"IdentityId"`
	// Code is AccessDenied or InternalServerError.
	Code string `json:"ErrorCode"`
}

// DeleteIdentities deletes 1 to 60 identities with their logins, which are new to the pool
// afterwards. It returns those that could not be deleted; one that is not there counts as
// deleted.
//
// Errors: ErrInvalid.
func (s *Service) DeleteIdentities(ctx context.Context, ids ...string) ([]Unprocessed, error) {
	if len(ids) < 1 || len(ids) > maxPage {
		return nil, invalid("identityIdsToDelete", strconv.Itoa(len(ids))+" members", "Member must have a length of 1 to "+strconv.Itoa(maxPage))
	}
	for i, id := range ids {
		if err := checkID(fmt.Sprintf("identityIdsToDelete.%d", i+1), id); err != nil {
			return nil, err
		}
	}
	left := []Unprocessed{}
	for _, id := range ids {
		if err := s.deleteIdentity(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
			s.cfg.Logger.Warn("identitypool: an identity was not deleted", "identity", id, "err", err)
			left = append(left, Unprocessed{id, "InternalServerError"})
		}
	}
	return left, nil
}

// change changes an identity, again if others did so meanwhile. What the function returns
// is committed as well; if it reports false nothing is to be done.
func (s *Service) change(ctx context.Context, id string, change func(r *identityRecord) (changes []auth.Change, do bool, err error)) error {
	for range tries {
		e, err := s.identities.Get(ctx, id)
		if errors.Is(err, auth.ErrNotFound) {
			return notFound(id)
		}
		if err != nil {
			return fmt.Errorf("identitypool: read identity %s: %w", id, err)
		}
		r := e.Value
		changes, do, err := change(&r)
		if err != nil || !do {
			return err
		}
		r.Modified = s.cfg.Now().UTC()
		err = s.cfg.Directory.Commit(ctx, append(changes, s.identities.Put(r, e.Revision, id))...)
		if err == nil {
			return nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return fmt.Errorf("identitypool: change identity %s: %w", id, err)
		}
	}
	return fault(ErrConcurrent, "Identity '%s' is being changed by others.", id)
}

// removal is what deletes an identity with all that leads to it.
func (s *Service) removal(e identityEntry) []auth.Change {
	id, r := e.ID[0], &e.Value
	changes := []auth.Change{s.identities.Delete(e.Revision, id), s.members.Delete(auth.Any, r.Pool, id)}
	for provider, subject := range r.Logins {
		changes = append(changes, s.logins.Delete(auth.Any, r.Pool, provider, subject))
	}
	for _, user := range r.Users {
		changes = append(changes, s.logins.Delete(auth.Any, r.Pool, r.Provider, user))
	}
	return changes
}

func (s *Service) deleteIdentity(ctx context.Context, id string) error {
	for range tries {
		e, err := s.identities.Get(ctx, id)
		if errors.Is(err, auth.ErrNotFound) {
			return notFound(id)
		}
		if err != nil {
			return fmt.Errorf("identitypool: read identity %s: %w", id, err)
		}
		err = s.cfg.Directory.Commit(ctx, s.removal(e)...)
		if err == nil {
			s.changed(id)
			return nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return fmt.Errorf("identitypool: delete identity %s: %w", id, err)
		}
	}
	return fault(ErrConcurrent, "Identity '%s' is being changed by others.", id)
}

// SetIdentityDisabled disables or enables an identity. While it is disabled it gets
// nothing, and the credentials and tokens that it has are not accepted: at once here, and
// on other hubs from their next look on. It is no operation of AWS's.
//
// Errors: ErrInvalid, ErrNotFound, ErrConcurrent.
func (s *Service) SetIdentityDisabled(ctx context.Context, id string, disabled bool) error {
	if err := checkID("identityId", id); err != nil {
		return err
	}
	did := false
	err := s.change(ctx, id, func(r *identityRecord) ([]auth.Change, bool, error) {
		did = r.Disabled != disabled
		r.Disabled = disabled
		return nil, did, nil
	})
	if err == nil && did && disabled {
		s.changed(id)
	}
	return err
}

// UnlinkIdentity takes logins off an identity, for who proves that it is theirs with one of
// its logins. A login that was taken off leads to a new identity the next time. An identity
// without logins is nobody's any more.
//
// Errors: ErrInvalid, ErrNotFound, ErrNotAuthorized, ErrConflict, ErrExternal,
// ErrConcurrent.
func (s *Service) UnlinkIdentity(ctx context.Context, id string, logins Logins, remove []string) error {
	if len(remove) == 0 || len(remove) > maxLogins {
		return invalid("loginsToRemove", strconv.Itoa(len(remove))+" members", "Member must have a length of 1 to "+strconv.Itoa(maxLogins))
	}
	if len(logins) == 0 {
		return invalid("logins", "0 members", "Member must have a length of 1 to "+strconv.Itoa(maxLogins))
	}
	e, p, err := s.readIdentity(ctx, id)
	if err != nil {
		return err
	}
	proved, err := s.prove(ctx, &p.Value.Pool, logins)
	if err != nil {
		return err
	}
	return s.change(ctx, id, func(r *identityRecord) (changes []auth.Change, do bool, err error) {
		if r.Disabled {
			return nil, false, fault(ErrNotAuthorized, "Identity '%s' is disabled.", id)
		}
		// All of them, so that a login of somebody else's is of no use here.
		for _, l := range proved {
			if l.identity != id && !r.has(l.provider, l.subject) {
				return nil, false, forbidden(id)
			}
		}
		s.noteIdentity(ctx, id)
		r.Logins = maps.Clone(r.Logins)
		for _, provider := range remove {
			subject, linked := r.Logins[provider]
			if !linked {
				return nil, false, fault(ErrInvalid, "The identity has no login of %s.", shorten(provider))
			}
			delete(r.Logins, provider)
			changes = append(changes, s.logins.Delete(auth.Any, e.Value.Pool, provider, subject))
		}
		return changes, true, nil
	})
}

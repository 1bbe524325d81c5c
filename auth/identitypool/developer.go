package identitypool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/thinghub/thinghub/auth"
)

// developerPool returns a pool that has a provider of the host's own, which must be the one
// that is named unless the name is empty.
func (s *Service) developerPool(ctx context.Context, pool, provider string) (*Pool, error) {
	p, err := s.readPool(ctx, pool)
	if err != nil {
		return nil, err
	}
	have := p.Value.Pool.DeveloperProviderName
	if have == "" || provider != "" && provider != have {
		return nil, invalid("developerProviderName", provider, "Member must be the developer provider of the pool")
	}
	return &p.Value.Pool, nil
}

// userOf returns the identity of a user of the host's backend.
func (s *Service) userOf(ctx context.Context, p *Pool, field, user string) (identityEntry, error) {
	if err := checkUser(field, user); err != nil {
		return identityEntry{}, err
	}
	e, err := s.linked(ctx, p.ID, p.DeveloperProviderName, user)
	if errors.Is(err, auth.ErrNotFound) {
		err = fault(ErrNotFound, "Developer user '%s' not found.", shorten(user))
	}
	return e, err
}

// LookupDeveloperIdentity returns the identity of a user of the host's backend, or the
// users of an identity, sorted, and the token of the next page. If both are given, the user
// must belong to the identity (ErrConflict if not).
//
// Errors: ErrInvalid, ErrNotFound, ErrConflict, ErrConcurrent.
func (s *Service) LookupDeveloperIdentity(ctx context.Context, pool, id, user string, page Page) (identity string, users []string, next string, err error) {
	p, err := s.developerPool(ctx, pool, "")
	if err != nil {
		return "", nil, "", err
	}
	size, after, err := page.check()
	if err != nil {
		return "", nil, "", err
	}
	if id == "" && user == "" {
		return "", nil, "", invalid("identityId", "", "Member must be there, or developerUserIdentifier")
	}
	var e identityEntry
	if user != "" {
		if e, err = s.userOf(ctx, p, "developerUserIdentifier", user); err != nil {
			return "", nil, "", err
		}
		if id != "" && id != e.ID[0] {
			return "", nil, "", fault(ErrConflict, "The developer user does not belong to Identity '%s'.", shorten(id))
		}
		return e.ID[0], []string{user}, "", nil
	}
	if e, _, err = s.readIdentity(ctx, id); err != nil {
		return "", nil, "", err
	}
	if e.Value.Pool != pool {
		return "", nil, "", notFound(id)
	}
	all := slices.Sorted(slices.Values(e.Value.Users))
	if after != nil {
		i, found := slices.BinarySearch(all, after[0])
		if found {
			i++
		}
		all = all[i:]
	}
	if len(all) > size {
		return id, all[:size:size], marker(all[size-1]), nil
	}
	return id, all, "", nil
}

// MergeDeveloperIdentities moves all logins of the identity of a user of the host's backend
// to that of another one, whose id it returns. The first identity is deleted, its
// connections end.
//
// Errors: ErrInvalid, ErrNotFound, ErrNotAuthorized (one of them is disabled), ErrConflict
// (both have a login of one provider), ErrLimit, ErrConcurrent.
func (s *Service) MergeDeveloperIdentities(ctx context.Context, pool, provider, source, destination string) (string, error) {
	if provider == "" {
		return "", invalid("developerProviderName", "", "Member must be there")
	}
	p, err := s.developerPool(ctx, pool, provider)
	if err != nil {
		return "", err
	}
	for range tries {
		from, err := s.userOf(ctx, p, "sourceUserIdentifier", source)
		if err != nil {
			return "", err
		}
		to, err := s.userOf(ctx, p, "destinationUserIdentifier", destination)
		if err != nil {
			return "", err
		}
		id, gone := to.ID[0], from.ID[0]
		if gone == id {
			return id, nil
		}
		changes, err := s.merge(p, &from, &to)
		if err != nil {
			return "", err
		}
		err = s.cfg.Directory.Commit(ctx, changes...)
		if err == nil {
			s.changed(gone)
			return id, nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return "", fmt.Errorf("identitypool: merge identity %s into %s: %w", gone, id, err)
		}
	}
	return "", fault(ErrConcurrent, "The identities are being changed by others.")
}

// merge is what has to change for one identity to become part of another.
func (s *Service) merge(p *Pool, from, to *identityEntry) ([]auth.Change, error) {
	gone, id := from.ID[0], to.ID[0]
	r := to.Value
	r.Logins, r.Users = maps.Clone(r.Logins), slices.Concat(r.Users, from.Value.Users)
	changes := []auth.Change{s.identities.Delete(from.Revision, gone), s.members.Delete(auth.Any, p.ID, gone)}
	for _, e := range []*identityEntry{from, to} {
		if e.Value.Disabled {
			return nil, fault(ErrNotAuthorized, "Identity '%s' is disabled.", e.ID[0])
		}
	}
	for name, subject := range from.Value.Logins {
		if _, both := r.Logins[name]; both {
			return nil, fault(ErrConflict, "Both identities have a login of %s.", name)
		}
		if r.Logins == nil {
			r.Logins = map[string]string{}
		}
		r.Logins[name] = subject
		changes = append(changes, s.logins.Put(loginRecord{id}, auth.Any, p.ID, name, subject))
	}
	for _, user := range from.Value.Users {
		changes = append(changes, s.logins.Put(loginRecord{id}, auth.Any, p.ID, p.DeveloperProviderName, user))
	}
	if r.number() > maxLinked {
		return nil, fault(ErrLimit, "An identity can have at most %d logins.", maxLinked)
	}
	r.Modified = s.cfg.Now().UTC()
	return append(changes, s.identities.Put(r, to.Revision, id)), nil
}

// UnlinkDeveloperIdentity takes a user of the host's backend off an identity. The user has
// a new identity the next time. An identity without logins is nobody's any more.
//
// Errors: ErrInvalid, ErrNotFound, ErrConflict (it is another identity's user),
// ErrConcurrent.
func (s *Service) UnlinkDeveloperIdentity(ctx context.Context, pool, id, provider, user string) error {
	if provider == "" {
		return invalid("developerProviderName", "", "Member must be there")
	}
	if err := checkID("identityId", id); err != nil {
		return err
	}
	p, err := s.developerPool(ctx, pool, provider)
	if err != nil {
		return err
	}
	e, err := s.userOf(ctx, p, "developerUserIdentifier", user)
	if err != nil {
		return err
	}
	other := fault(ErrConflict, "The developer user does not belong to Identity '%s'.", id)
	if e.ID[0] != id {
		return other
	}
	return s.change(ctx, id, func(r *identityRecord) ([]auth.Change, bool, error) {
		i := slices.Index(r.Users, user)
		if i < 0 {
			return nil, false, other
		}
		r.Users = slices.Delete(slices.Clone(r.Users), i, i+1)
		return []auth.Change{s.logins.Delete(auth.Any, p.ID, p.DeveloperProviderName, user)}, true, nil
	})
}

package identitypool

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/thinghub/thinghub/auth"
)

// tries bounds how often a change that others get in the way of is tried again.
const tries = 64

// CreateIdentityPool makes a pool, whose id it returns with it; the id of p is not looked
// at. Nobody gets credentials before the pool has roles.
//
// Errors: ErrInvalid.
func (s *Service) CreateIdentityPool(ctx context.Context, p Pool) (Pool, error) {
	p.ID = s.newID()
	if err := s.check(&p); err != nil {
		return Pool{}, err
	}
	r := poolRecord{Pool: p, Created: s.cfg.Now().UTC()}
	if err := s.cfg.Directory.Commit(ctx, s.pools.Put(r, 0, p.ID)); err != nil {
		return Pool{}, fmt.Errorf("identitypool: create pool: %w", err)
	}
	return p, nil
}

// DescribeIdentityPool returns a pool. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeIdentityPool(ctx context.Context, id string) (Pool, error) {
	e, err := s.readPool(ctx, id)
	if err != nil {
		return Pool{}, err
	}
	return e.Value.Pool, nil
}

// UpdateIdentityPool takes the place of all settings of the pool p.ID but its roles.
// Credentials that are out stay what they are.
//
// Errors: ErrInvalid, ErrNotFound, ErrConcurrent.
func (s *Service) UpdateIdentityPool(ctx context.Context, p Pool) (Pool, error) {
	if err := s.check(&p); err != nil {
		return Pool{}, err
	}
	err := s.changePool(ctx, p.ID, func(r *poolRecord) error {
		if was := r.Pool.DeveloperProviderName; was != "" && was != p.DeveloperProviderName {
			return invalid("developerProviderName", p.DeveloperProviderName, "Member must be '"+was+"': it cannot be changed once it is set")
		}
		r.Pool = p
		return nil
	})
	if err != nil {
		return Pool{}, err
	}
	return p, nil
}

// changePool changes a pool, again if others did so meanwhile.
func (s *Service) changePool(ctx context.Context, id string, change func(r *poolRecord) error) error {
	for range tries {
		e, err := s.readPool(ctx, id)
		if err != nil {
			return err
		}
		if err := change(&e.Value); err != nil {
			return err
		}
		err = s.cfg.Directory.Commit(ctx, s.pools.Put(e.Value, e.Revision, id))
		if err == nil {
			return nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return fmt.Errorf("identitypool: change pool %s: %w", id, err)
		}
	}
	return fault(ErrConcurrent, "IdentityPool '%s' is being changed by others.", id)
}

// DeleteIdentityPool deletes a pool with all its identities, whose credentials are not
// accepted any more. It takes the longer the more of them there are; if it fails the pool
// is gone for everybody, and calling it again deletes the rest.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) DeleteIdentityPool(ctx context.Context, id string) error {
	_, err := s.readPool(ctx, id)
	if gone := errors.Is(err, ErrNotFound); err != nil && !gone {
		return err
	}
	had := err == nil
	if had {
		if err := s.cfg.Directory.Commit(ctx, s.pools.Delete(auth.Any, id)); err != nil {
			return fmt.Errorf("identitypool: delete pool %s: %w", id, err)
		}
	}
	for e, listed := range s.members.List(ctx, []string{id}, nil) {
		if listed != nil {
			return fmt.Errorf("identitypool: identities of the pool %s: %w", id, listed)
		}
		had = true
		if err := s.deleteIdentity(ctx, e.ID[1]); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if !had {
		return err
	}
	return nil
}

// A PoolSummary is what lists tell of a pool.
type PoolSummary struct {
	ID   string `json:"IdentityPoolId"`
	Name string `json:"IdentityPoolName"`
}

// A Page asks for a part of a list.
type Page struct {
	// Size is how many to return, 1 to 60. 0 stands for 60.
	Size int
	// Next is what the call before returned, or empty for the first page. It stays good
	// when entries come and go.
	Next string
}

const maxPage = 60

// check returns the size and the id after which the page begins, nil for the first.
func (p Page) check() (size int, after []string, err error) {
	if p.Size < 0 || p.Size > maxPage {
		return 0, nil, invalid("maxResults", strconv.Itoa(p.Size), "Member must have value between 1 and "+strconv.Itoa(maxPage))
	}
	if p.Size == 0 {
		p.Size = maxPage
	}
	if p.Next == "" {
		return p.Size, nil, nil
	}
	last, err := base64.RawURLEncoding.Strict().DecodeString(p.Next)
	if err != nil || len(last) == 0 || len(last) > maxUserID || marker(string(last)) != p.Next {
		return 0, nil, invalid("nextToken", p.Next, "Member must be a token that this list returned")
	}
	return p.Size, []string{string(last)}, nil
}

func marker(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

// ListIdentityPools returns pools in the order of their ids, and the token of the next
// page, which is empty after the last. Errors: ErrInvalid.
func (s *Service) ListIdentityPools(ctx context.Context, p Page) (all []PoolSummary, next string, err error) {
	size, after, err := p.check()
	if err != nil {
		return nil, "", err
	}
	all = []PoolSummary{}
	for e, err := range s.pools.List(ctx, nil, after) {
		if err != nil {
			return nil, "", fmt.Errorf("identitypool: list pools: %w", err)
		}
		if len(all) == size {
			return all, marker(all[size-1].ID), nil
		}
		all = append(all, PoolSummary{e.Value.Pool.ID, e.Value.Pool.Name})
	}
	return all, "", nil
}

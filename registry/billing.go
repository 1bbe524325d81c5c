package registry

import (
	"context"
	"fmt"
	"strings"
)

// CreateBillingGroupInput says what billing group to create.
type CreateBillingGroupInput struct {
	// Name is of the form that names of things have.
	Name string
	// Description is up to 2028 printable characters.
	Description string
	Tags        map[string]string
}

const billingDescription = "billingGroupProperties.billingGroupDescription"

// CreateBillingGroup creates a billing group. If there is one with the same
// description already, that one is returned, its tags untouched.
//
// Errors: ErrInvalid (form, limits), ErrExists.
func (s *Service) CreateBillingGroup(ctx context.Context, in CreateBillingGroupInput) (result BillingGroup, err error) {
	if err := checkName("billingGroupName", in.Name); err != nil {
		return BillingGroup{}, err
	}
	if err := checkDescription(billingDescription, in.Description); err != nil {
		return BillingGroup{}, err
	}
	if err := s.CheckNewTags(in.Tags); err != nil {
		return BillingGroup{}, err
	}
	g := BillingGroup{Name: in.Name, ID: newID(), Description: in.Description, Created: now(), Version: 1}
	defer s.locks.change()()
	err = again(func() error {
		old, ok, err := lookup(ctx, s.store.BillingGroups(), "billing group", g.Name)
		if err != nil {
			return err
		}
		if ok {
			if old.Description != g.Description {
				return exists(old.ID, s.BillingGroupARN(g.Name), "Billing Group %s already exists in current account with different properties", g.Name)
			}
			result = old
			return nil
		}
		if err := s.checkBillingGroups(ctx); err != nil {
			return err
		}
		if err := s.putNewTags(ctx, s.BillingGroupARN(g.Name), in.Tags); err != nil {
			return err
		}
		result = g
		return put(ctx, s.store.BillingGroups(), "billing group", g.Name, g, 0)
	})
	return result, err
}

// checkBillingGroups checks that there may be one more.
func (s *Service) checkBillingGroups(ctx context.Context) error {
	n := 1
	for _, err := range s.store.BillingGroups().List(ctx, "") {
		if err != nil {
			return fmt.Errorf("registry: count billing groups: %w", err)
		}
		if n++; over(n, s.limits.BillingGroups) {
			return refused("There would be %d billing groups, at most %d are allowed", n, s.limits.BillingGroups)
		}
	}
	return nil
}

// DescribeBillingGroup returns a billing group. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeBillingGroup(ctx context.Context, name string) (BillingGroup, error) {
	if err := checkName("billingGroupName", name); err != nil {
		return BillingGroup{}, err
	}
	return get(ctx, s.store.BillingGroups(), "Billing group", name)
}

// UpdateBillingGroup changes the description, unless it is nil, and returns the new
// version. expectedVersion is the version the group must have; nil for any.
//
// Errors: ErrInvalid, ErrNotFound, ErrVersion.
func (s *Service) UpdateBillingGroup(ctx context.Context, name string, description *string, expectedVersion *int64) (version int64, err error) {
	if err := checkName("billingGroupName", name); err != nil {
		return 0, err
	}
	if description != nil {
		if err := checkDescription(billingDescription, *description); err != nil {
			return 0, err
		}
	}
	defer s.locks.change()()
	err = again(func() error {
		g, err := get(ctx, s.store.BillingGroups(), "Billing group", name)
		if err != nil {
			return err
		}
		if err := checkVersion("billing group", name, expectedVersion, g.Version); err != nil {
			return err
		}
		was := g.Version
		g.Version++
		if description != nil {
			g.Description = *description
		}
		version = g.Version
		return put(ctx, s.store.BillingGroups(), "billing group", name, g, was)
	})
	return version, err
}

// DeleteBillingGroup deletes a billing group; its members leave it. That there is no
// such group is no error. expectedVersion is the version the group must have; nil for
// any.
//
// Errors: ErrInvalid, ErrVersion.
func (s *Service) DeleteBillingGroup(ctx context.Context, name string, expectedVersion *int64) error {
	if err := checkName("billingGroupName", name); err != nil {
		return err
	}
	defer s.announce(ctx)
	defer s.locks.change()()
	return again(func() error {
		g, ok, err := lookup(ctx, s.store.BillingGroups(), "billing group", name)
		if err != nil || !ok {
			return err
		}
		if err := checkVersion("billing group", name, expectedVersion, g.Version); err != nil {
			return err
		}
		links := s.store.Links()
		for l, err := range links.To(ctx, LinkBillingGroup, name, "") {
			if err == nil {
				err = links.Delete(ctx, LinkBillingGroup, l.From, name)
			}
			if err != nil {
				return fmt.Errorf("registry: delete billing group %s: %w", name, err)
			}
			if err := s.reindexBilling(ctx, l.From); err != nil {
				return err
			}
		}
		if err := s.dropTags(ctx, s.BillingGroupARN(name)); err != nil {
			return err
		}
		return drop(ctx, s.store.BillingGroups(), "billing group", name, g.Version)
	})
}

// ListBillingGroups returns billing groups whose names begin with a prefix, in the
// order of their names. Errors: ErrInvalid.
func (s *Service) ListBillingGroups(ctx context.Context, prefix string, p Page) (groups []GroupRef, next string, err error) {
	if err := checkOptionalName("namePrefixFilter", prefix); err != nil {
		return nil, "", err
	}
	list := "billing groups\x00" + prefix
	size, after, err := p.open(list, maxPage)
	if err != nil {
		return nil, "", err
	}
	name := func(g BillingGroup) string { return g.Name }
	all := upTo(s.store.BillingGroups().List(ctx, beforePrefix(after, prefix)), name, prefix)
	groups, next, err = take(all, list, size, name, func(g BillingGroup) (GroupRef, bool) {
		return GroupRef{g.Name, s.BillingGroupARN(g.Name)}, strings.HasPrefix(g.Name, prefix)
	})
	if err != nil {
		return nil, "", fmt.Errorf("registry: list billing groups: %w", err)
	}
	return groups, next, nil
}

// AddThingToBillingGroup puts a thing into a billing group. That it is there already
// is no error.
//
// Errors: ErrInvalid (also: the thing is in another billing group), ErrNotFound.
func (s *Service) AddThingToBillingGroup(ctx context.Context, m Membership) error {
	group, thing, err := s.resolve(m, "billingGroup", kindBillingGroup)
	if err != nil {
		return err
	}
	defer s.announce(ctx)
	defer s.locks.thing(thing)()
	if err := s.mustHave(ctx, group, thing); err != nil {
		return err
	}
	switch old, err := s.billingGroupOf(ctx, thing); {
	case err != nil:
		return err
	case old == group:
		return nil
	case old != "":
		return refused("Thing %s is already in billing group %s", thing, old)
	}
	if err := s.store.Links().Put(ctx, Link{Kind: LinkBillingGroup, From: thing, To: group}); err != nil {
		return fmt.Errorf("registry: add thing %s to billing group %s: %w", thing, group, err)
	}
	return s.reindexBilling(ctx, thing)
}

// RemoveThingFromBillingGroup takes a thing out of a billing group. That it is not
// there is no error.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) RemoveThingFromBillingGroup(ctx context.Context, m Membership) error {
	group, thing, err := s.resolve(m, "billingGroup", kindBillingGroup)
	if err != nil {
		return err
	}
	defer s.announce(ctx)
	defer s.locks.thing(thing)()
	if err := s.mustHave(ctx, group, thing); err != nil {
		return err
	}
	if err := s.store.Links().Delete(ctx, LinkBillingGroup, thing, group); err != nil {
		return fmt.Errorf("registry: remove thing %s from billing group %s: %w", thing, group, err)
	}
	return s.reindexBilling(ctx, thing)
}

// mustHave checks that a billing group and a thing are there.
func (s *Service) mustHave(ctx context.Context, group, thing string) error {
	if _, err := get(ctx, s.store.BillingGroups(), "Billing group", group); err != nil {
		return err
	}
	_, err := s.thing(ctx, thing)
	return err
}

// ListThingsInBillingGroup returns the names of the things in a billing group, sorted.
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) ListThingsInBillingGroup(ctx context.Context, group string, p Page) (things []string, next string, err error) {
	if err := checkName("billingGroupName", group); err != nil {
		return nil, "", err
	}
	list := "billing members\x00" + group
	size, after, err := p.open(list, maxPage)
	if err != nil {
		return nil, "", err
	}
	if _, err := get(ctx, s.store.BillingGroups(), "Billing group", group); err != nil {
		return nil, "", err
	}
	from := func(l Link) string { return l.From }
	things, next, err = take(s.store.Links().To(ctx, LinkBillingGroup, group, after), list, size, from, func(l Link) (string, bool) { return l.From, true })
	if err != nil {
		return nil, "", fmt.Errorf("registry: list things in billing group %s: %w", group, err)
	}
	return things, next, nil
}

// ThingBillingGroup returns the name of a thing's billing group, or "" if it has none.
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) ThingBillingGroup(ctx context.Context, thing string) (string, error) {
	if err := checkName("thingName", thing); err != nil {
		return "", err
	}
	if _, err := s.thing(ctx, thing); err != nil {
		return "", err
	}
	return s.billingGroupOf(ctx, thing)
}

func (s *Service) billingGroupOf(ctx context.Context, thing string) (string, error) {
	for l, err := range s.store.Links().Of(ctx, LinkBillingGroup, thing, "") {
		if err != nil {
			return "", fmt.Errorf("registry: billing group of thing %s: %w", thing, err)
		}
		return l.To, nil
	}
	return "", nil
}

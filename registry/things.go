package registry

import (
	"context"
	"fmt"
	"maps"
)

// CreateThingInput says what thing to create.
type CreateThingInput struct {
	// Name is 1 to 128 letters, digits, ":", "_" and "-". It is case sensitive and
	// never changes.
	Name string
	// Type and BillingGroup are names of what must be there; empty for none.
	Type, BillingGroup string
	// Attributes have names of 1 to 128 and values of up to 800 characters, both
	// from letters, digits and "_.,@/:#-", values from "=[]" too. One with an empty
	// value is left out.
	Attributes map[string]string
}

// CreateThing creates a thing. If there is one with the same type, billing group
// and attributes already, that one is returned.
//
// Errors: ErrInvalid (form, limits, a deprecated type), ErrExists (configured
// otherwise), ErrNotFound (no such type or billing group).
func (s *Service) CreateThing(ctx context.Context, in CreateThingInput) (Thing, error) {
	if err := checkName("thingName", in.Name); err != nil {
		return Thing{}, err
	}
	if err := checkOptionalName("thingTypeName", in.Type); err != nil {
		return Thing{}, err
	}
	if err := checkOptionalName("billingGroupName", in.BillingGroup); err != nil {
		return Thing{}, err
	}
	if err := checkAttributes(in.Attributes); err != nil {
		return Thing{}, err
	}
	t := Thing{Name: in.Name, ID: newID(), Type: in.Type, Attributes: applyAttributes(nil, in.Attributes, false), Version: 1}
	result, isNew, err := s.createOnce(ctx, t, in.BillingGroup)
	if isNew && s.cfg.Shadows != nil && s.fleet.wants((*ThingIndexing).holdsShadows) {
		// It may have had shadows before it was registered.
		if err := s.readShadows(ctx, t.Name); err != nil {
			s.cfg.Logger.Warn("shadows not indexed", "thing", t.Name, "err", err)
		}
	}
	return result, err
}

// createOnce takes the thing's lock and creates it unless it is there.
func (s *Service) createOnce(ctx context.Context, t Thing, billing string) (result Thing, isNew bool, err error) {
	defer s.announce(ctx)
	defer s.locks.thing(t.Name)()
	err = again(func() (err error) {
		result, err = s.createThing(ctx, t, billing)
		return err
	})
	return result, err == nil && result.ID == t.ID, err
}

// createThing does it under the thing's lock.
func (s *Service) createThing(ctx context.Context, t Thing, billing string) (Thing, error) {
	old, ok, err := lookup(ctx, s.store.Things(), "thing", t.Name)
	if err != nil {
		return Thing{}, err
	}
	if ok {
		oldBilling, err := s.billingGroupOf(ctx, t.Name)
		if err != nil {
			return Thing{}, err
		}
		if old.Type != t.Type || !maps.Equal(old.Attributes, t.Attributes) || oldBilling != billing {
			return Thing{}, exists(old.ID, s.ThingARN(t.Name), "Thing %s already exists in account with different attributes", t.Name)
		}
		return old, nil
	}
	if err := s.checkThing(ctx, &t, true); err != nil {
		return Thing{}, err
	}
	if billing != "" {
		g, err := get(ctx, s.store.BillingGroups(), "Billing group", billing)
		if err != nil {
			return Thing{}, err
		}
		billing = g.Name
	}
	// Links come first: should the process die in between, a link without its thing
	// does no harm, while a thing without its link would not be found.
	links := s.store.Links()
	if t.Type != "" {
		if err := links.Put(ctx, Link{Kind: LinkType, From: t.Name, To: t.Type}); err != nil {
			return Thing{}, fmt.Errorf("registry: create thing %s: %w", t.Name, err)
		}
	}
	if billing != "" {
		if err := links.Put(ctx, Link{Kind: LinkBillingGroup, From: t.Name, To: billing}); err != nil {
			return Thing{}, fmt.Errorf("registry: create thing %s: %w", t.Name, err)
		}
	}
	if err := put(ctx, s.store.Things(), "thing", t.Name, t, 0); err != nil {
		return Thing{}, err
	}
	s.emitThing(created, t)
	if t.Type != "" {
		s.emitTypeAssociation(added, t, t.Type)
	}
	return t, s.reindexThing(ctx, t.Name)
}

// checkThing checks a thing that is about to be stored against its type and the
// limits. typeIsNew says that it did not have the type before.
func (s *Service) checkThing(ctx context.Context, t *Thing, typeIsNew bool) error {
	most := s.limits.Attributes
	if t.Type != "" {
		most = s.limits.TypedAttributes
		if typeIsNew {
			typ, err := get(ctx, s.store.Types(), "Thing type", t.Type)
			if err != nil {
				return err
			}
			if !typ.Deprecated.IsZero() {
				return refused("Can not create new thing with deprecated thing type:%s", t.Type)
			}
			t.Type = typ.Name // the type's own copy of the name, shared by all its things
		}
	}
	return checkAttributeLimits("Thing", t.Name, t.Attributes, most, s.limits.AttributeBytes)
}

// DescribeThing returns a thing. Errors: ErrInvalid, ErrNotFound. Its default client
// id is its name; for its billing group see [Service.ThingBillingGroup].
func (s *Service) DescribeThing(ctx context.Context, name string) (Thing, error) {
	if err := checkName("thingName", name); err != nil {
		return Thing{}, err
	}
	return s.thing(ctx, name)
}

func (s *Service) thing(ctx context.Context, name string) (Thing, error) {
	return get(ctx, s.store.Things(), "Thing", name)
}

// UpdateThingInput says what to change of a thing.
type UpdateThingInput struct {
	Name string
	// Type is the name of the new type; empty leaves the old one. RemoveType takes
	// it away. Not both.
	Type       string
	RemoveType bool
	// Attributes replace all attributes, or are merged into them if Merge is set.
	// One with an empty value is removed. Nil leaves them as they are.
	Attributes map[string]string
	Merge      bool
	// ExpectedVersion is the version the thing must have; nil for any.
	ExpectedVersion *int64
}

// UpdateThing changes a thing and returns it with its new version, which is one more
// even if nothing else changed.
//
// Errors: ErrInvalid (form, limits, a deprecated type), ErrNotFound (no such thing or
// type), ErrVersion.
func (s *Service) UpdateThing(ctx context.Context, in UpdateThingInput) (Thing, error) {
	if err := checkName("thingName", in.Name); err != nil {
		return Thing{}, err
	}
	if err := checkOptionalName("thingTypeName", in.Type); err != nil {
		return Thing{}, err
	}
	if err := checkAttributes(in.Attributes); err != nil {
		return Thing{}, err
	}
	if in.RemoveType && in.Type != "" {
		return Thing{}, refused("thingTypeName is %q and removeThingType is true, expected at most one of them", in.Type)
	}
	defer s.announce(ctx)
	defer s.locks.thing(in.Name)()
	var t Thing
	err := again(func() (err error) {
		t, err = s.updateThing(ctx, in)
		return err
	})
	return t, err
}

// updateThing does it under the thing's lock.
func (s *Service) updateThing(ctx context.Context, in UpdateThingInput) (Thing, error) {
	old, err := s.thing(ctx, in.Name)
	if err != nil {
		return Thing{}, err
	}
	if err := checkVersion("thing", in.Name, in.ExpectedVersion, old.Version); err != nil {
		return Thing{}, err
	}
	t := old
	t.Version++
	t.Attributes = applyAttributes(old.Attributes, in.Attributes, in.Merge)
	switch {
	case in.RemoveType:
		t.Type = ""
	case in.Type != "":
		t.Type = in.Type
	}
	if err := s.checkThing(ctx, &t, t.Type != old.Type); err != nil {
		return Thing{}, err
	}
	links := s.store.Links()
	if t.Type != old.Type && t.Type != "" {
		if err := links.Put(ctx, Link{Kind: LinkType, From: t.Name, To: t.Type}); err != nil {
			return Thing{}, fmt.Errorf("registry: update thing %s: %w", t.Name, err)
		}
	}
	if err := put(ctx, s.store.Things(), "thing", t.Name, t, old.Version); err != nil {
		return Thing{}, err
	}
	s.emitThing(updated, t)
	if t.Type != old.Type {
		if old.Type != "" {
			s.emitTypeAssociation(removed, t, old.Type)
			if err := links.Delete(ctx, LinkType, t.Name, old.Type); err != nil {
				return Thing{}, fmt.Errorf("registry: update thing %s: %w", t.Name, err)
			}
		}
		if t.Type != "" {
			s.emitTypeAssociation(added, t, t.Type)
		}
	}
	return t, s.reindexThing(ctx, t.Name)
}

// DeleteThing deletes a thing and takes it out of its groups. Its shadows stay. That
// there is no such thing is no error. expectedVersion is the version the thing must
// have; nil for any.
//
// Errors: ErrInvalid, ErrVersion, ErrDeleteConflict while principals are attached.
func (s *Service) DeleteThing(ctx context.Context, name string, expectedVersion *int64) error {
	if err := checkName("thingName", name); err != nil {
		return err
	}
	defer s.announce(ctx)
	defer s.locks.thing(name)()
	return again(func() error { return s.deleteThing(ctx, name, expectedVersion) })
}

// deleteThing does it under the thing's lock.
func (s *Service) deleteThing(ctx context.Context, name string, expectedVersion *int64) error {
	t, ok, err := lookup(ctx, s.store.Things(), "thing", name)
	if err != nil || !ok {
		return err
	}
	if err := checkVersion("thing", name, expectedVersion, t.Version); err != nil {
		return err
	}
	links := s.store.Links()
	for _, err := range links.Of(ctx, LinkPrincipal, name, "") {
		if err != nil {
			return fmt.Errorf("registry: delete thing %s: %w", name, err)
		}
		return inUse("Cannot delete. Thing %s is still attached to one or more principals", name)
	}
	groups, err := s.staticGroupsOf(ctx, name)
	if err != nil {
		return err
	}
	// Links go first: should the process die in between, the thing is there still
	// and can be deleted again; the other way a new thing would inherit them.
	for _, kind := range [...]LinkKind{LinkGroup, LinkBillingGroup, LinkType} {
		if err := s.unlinkAll(ctx, kind, name); err != nil {
			return err
		}
	}
	if err := s.dropTags(ctx, s.ThingARN(name)); err != nil {
		return err
	}
	if err := drop(ctx, s.store.Things(), "thing", name, t.Version); err != nil {
		return err
	}
	for _, group := range groups {
		s.emitMembership(removed, t, group.Name, group.ID)
	}
	s.unindexThing(t)
	if t.Type != "" {
		s.emitTypeAssociation(removed, t, t.Type)
	}
	s.emitThing(deleted, t)
	s.conns.thingDeleted(name)
	s.changed(name)
	return nil
}

// unlinkAll removes the links of a kind that go out from an end.
func (s *Service) unlinkAll(ctx context.Context, kind LinkKind, from string) error {
	links := s.store.Links()
	for l, err := range links.Of(ctx, kind, from, "") {
		if err == nil {
			err = links.Delete(ctx, kind, l.From, l.To)
		}
		if err != nil {
			return fmt.Errorf("registry: unlink %s: %w", from, err)
		}
	}
	return nil
}

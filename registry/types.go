package registry

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// TypeProperties are what can be said of a thing type. In an update a nil field
// leaves things as they are.
type TypeProperties struct {
	// Description is up to 2028 printable characters.
	Description *string
	// SearchableAttributes are up to 3 names of attributes; their order says nothing.
	SearchableAttributes []string
	// PropagatingAttributes are up to 20 user properties for MQTT 5.
	PropagatingAttributes []PropagatingAttribute
}

// check checks the form of p, and what it says against the limits.
func (p *TypeProperties) check(l *Limits) error {
	if p.Description != nil {
		if err := checkDescription("thingTypeProperties.thingTypeDescription", *p.Description); err != nil {
			return err
		}
	}
	for _, a := range p.SearchableAttributes {
		if err := checkText("thingTypeProperties.searchableAttributes.member", a, 1, maxName, &attrNameChars, attrNamePattern); err != nil {
			return err
		}
	}
	if n := len(normalNames(p.SearchableAttributes)); over(n, l.SearchableAttributes) {
		return invalid("thingTypeProperties.searchableAttributes", strconv.Itoa(n)+" names", "Member must have length less than or equal to "+strconv.Itoa(l.SearchableAttributes))
	}
	const field = "thingTypeProperties.mqtt5Configuration.propagatingAttributes"
	keys := make(map[string]bool)
	for _, a := range p.PropagatingAttributes {
		if err := checkText(field+".userPropertyKey", a.Key, 1, maxName, &userPropChars, userPropPattern); err != nil {
			return err
		}
		if err := checkText(field+".thingAttribute", a.ThingAttribute, 0, maxName, &attrNameChars, attrNamePattern); err != nil {
			return err
		}
		if err := checkText(field+".connectionAttribute", a.ConnectionAttribute, 0, maxName, &connAttrChars, connAttrPattern); err != nil {
			return err
		}
		if (a.ThingAttribute == "") == (a.ConnectionAttribute == "") {
			return invalid(field, a.Key, "Member must have either thingAttribute or connectionAttribute")
		}
		if keys[a.Key] {
			return invalid(field, a.Key, "Member must not name a userPropertyKey twice")
		}
		keys[a.Key] = true
	}
	if n := len(p.PropagatingAttributes); over(n, l.PropagatingAttributes) {
		return invalid(field, strconv.Itoa(n)+" attributes", "Member must have length less than or equal to "+strconv.Itoa(l.PropagatingAttributes))
	}
	return nil
}

// apply changes a type to what p says.
func (p *TypeProperties) apply(t *Type) {
	if p.Description != nil {
		t.Description = *p.Description
	}
	if p.SearchableAttributes != nil {
		t.SearchableAttributes = normalNames(p.SearchableAttributes)
	}
	if p.PropagatingAttributes != nil {
		t.PropagatingAttributes = nil
		if len(p.PropagatingAttributes) > 0 {
			t.PropagatingAttributes = slices.Clone(p.PropagatingAttributes)
		}
	}
}

// normalNames returns names sorted, each once; nil for none.
func normalNames(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// CreateThingType creates a thing type. If there is one with the same properties
// already, that one is returned, its tags untouched.
//
// Errors: ErrInvalid, ErrExists (described otherwise).
func (s *Service) CreateThingType(ctx context.Context, name string, p TypeProperties, tags map[string]string) (Type, error) {
	if err := checkName("thingTypeName", name); err != nil {
		return Type{}, err
	}
	if err := p.check(&s.limits); err != nil {
		return Type{}, err
	}
	if err := s.CheckNewTags(tags); err != nil {
		return Type{}, err
	}
	defer s.announce(ctx)
	defer s.locks.change()()
	t := Type{Name: name, ID: newID(), Created: now(), Version: 1}
	p.apply(&t)
	var result Type
	err := again(func() error {
		old, ok, err := lookup(ctx, s.store.Types(), "thing type", name)
		if err != nil {
			return err
		}
		if ok {
			if old.Description != t.Description || !slices.Equal(old.SearchableAttributes, t.SearchableAttributes) ||
				!samePropagation(old.PropagatingAttributes, t.PropagatingAttributes) {
				return exists(old.ID, s.TypeARN(name), "Thing type %s already exists in account with different properties", name)
			}
			result = old
			return nil
		}
		if err := s.putNewTags(ctx, s.TypeARN(name), tags); err != nil {
			return err
		}
		if err := put(ctx, s.store.Types(), "thing type", name, t, 0); err != nil {
			return err
		}
		s.emitType(created, t)
		result = t
		return nil
	})
	return result, err
}

// samePropagation compares what propagates; the order says nothing.
func samePropagation(a, b []PropagatingAttribute) bool {
	set := make(map[PropagatingAttribute]bool, len(a))
	for _, p := range a {
		set[p] = true
	}
	for _, p := range b {
		if !set[p] {
			return false
		}
	}
	return len(a) == len(b)
}

// DescribeThingType returns a thing type. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeThingType(ctx context.Context, name string) (Type, error) {
	if err := checkName("thingTypeName", name); err != nil {
		return Type{}, err
	}
	return get(ctx, s.store.Types(), "Thing type", name)
}

// UpdateThingType changes the properties that are given. Errors: ErrInvalid,
// ErrNotFound.
func (s *Service) UpdateThingType(ctx context.Context, name string, p TypeProperties) (Type, error) {
	if err := p.check(&s.limits); err != nil {
		return Type{}, err
	}
	return s.changeType(ctx, name, func(t *Type) bool {
		p.apply(t)
		return true
	})
}

// DeprecateThingType deprecates a thing type: things that have it keep it, but no
// other thing can get it. With undo it may be given again. What is so already stays
// so; the date of the first deprecation counts.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) DeprecateThingType(ctx context.Context, name string, undo bool) error {
	_, err := s.changeType(ctx, name, func(t *Type) bool {
		if t.Deprecated.IsZero() == undo {
			return false
		}
		t.Deprecated = time.Time{}
		if !undo {
			t.Deprecated = now()
		}
		return true
	})
	return err
}

// changeType changes the record of a type, unless change says that nothing changed.
func (s *Service) changeType(ctx context.Context, name string, change func(*Type) bool) (result Type, err error) {
	if err := checkName("thingTypeName", name); err != nil {
		return Type{}, err
	}
	defer s.announce(ctx)
	defer s.locks.change()()
	err = again(func() error {
		t, err := get(ctx, s.store.Types(), "Thing type", name)
		if err != nil {
			return err
		}
		result = t
		if !change(&result) {
			return nil
		}
		result.Version++
		if err := put(ctx, s.store.Types(), "thing type", name, result, t.Version); err != nil {
			return err
		}
		s.emitType(updated, result)
		return nil
	})
	return result, err
}

// DeleteThingType deletes a thing type that no thing has and that has been
// deprecated for Limits.TypeDeletionDelay.
//
// Errors: ErrInvalid, ErrNotFound, ErrDeleteConflict while one of this is not so.
func (s *Service) DeleteThingType(ctx context.Context, name string) error {
	if err := checkName("thingTypeName", name); err != nil {
		return err
	}
	defer s.announce(ctx)
	defer s.locks.change()()
	return again(func() error {
		t, err := get(ctx, s.store.Types(), "Thing type", name)
		if err != nil {
			return err
		}
		if t.Deprecated.IsZero() {
			return inUse("Cannot delete thing type %s: it is not deprecated", name)
		}
		if wait := s.limits.TypeDeletionDelay - time.Since(t.Deprecated); s.limits.TypeDeletionDelay > 0 && wait > 0 {
			return inUse("Cannot delete thing type %s: please wait for %v after deprecation and then retry", name, s.limits.TypeDeletionDelay)
		}
		for thing, err := range s.candidates(ctx, ThingFilter{Type: name}, "", 1) {
			if err != nil {
				return fmt.Errorf("registry: delete thing type %s: %w", name, err)
			}
			if thing.Type == name {
				return inUse("Cannot delete thing type %s: it is the type of thing %s", name, thing.Name)
			}
		}
		if err := s.dropTags(ctx, s.TypeARN(name)); err != nil {
			return err
		}
		if err := drop(ctx, s.store.Types(), "thing type", name, t.Version); err != nil {
			return err
		}
		s.emitType(deleted, t)
		return nil
	})
}

// ListThingTypes returns thing types in the order of their names, or only the one of
// that name if name is not empty. Errors: ErrInvalid.
func (s *Service) ListThingTypes(ctx context.Context, name string, p Page) (types []Type, next string, err error) {
	if err := checkOptionalName("thingTypeName", name); err != nil {
		return nil, "", err
	}
	list := "types\x00" + name
	size, after, err := p.open(list, maxPage)
	if err != nil {
		return nil, "", err
	}
	if name != "" {
		t, ok, err := lookup(ctx, s.store.Types(), "thing type", name)
		if err != nil || !ok || name <= after {
			return []Type{}, "", err
		}
		return []Type{t}, "", nil
	}
	types, next, err = take(s.store.Types().List(ctx, after), list, size, func(t Type) string { return t.Name },
		func(t Type) (Type, bool) { return t, true })
	if err != nil {
		return nil, "", fmt.Errorf("registry: list thing types: %w", err)
	}
	return types, next, nil
}

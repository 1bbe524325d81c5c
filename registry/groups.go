package registry

import (
	"context"
	"fmt"
	"maps"
	"strings"
)

// GroupProperties are what can be said of a thing group. In an update a nil field
// leaves things as they are.
type GroupProperties struct {
	// Description is up to 2028 printable characters.
	Description *string
	// Attributes are up to 50, of the form that attributes of things have. They
	// replace all, or are merged into them if Merge is set. One with an empty value
	// is removed.
	Attributes map[string]string
	Merge      bool
}

func (p *GroupProperties) check() error {
	if p.Description != nil {
		if err := checkDescription("thingGroupProperties.thingGroupDescription", *p.Description); err != nil {
			return err
		}
	}
	return checkAttributes(p.Attributes)
}

// apply changes a group to what p says and checks it against the limits.
func (p *GroupProperties) apply(g *Group, l *Limits) error {
	if p.Description != nil {
		g.Description = *p.Description
	}
	g.Attributes = applyAttributes(g.Attributes, p.Attributes, p.Merge)
	return checkAttributeLimits("Thing group", g.Name, g.Attributes, l.GroupAttributes, l.AttributeBytes)
}

// CreateGroupInput says what static group to create.
type CreateGroupInput struct {
	// Name is of the form that names of things have. Static and dynamic groups
	// share their names.
	Name string
	// Parent is the name of a static group, or empty. It never changes.
	Parent string
	GroupProperties
	Tags map[string]string
}

// A GroupRef names a group or billing group.
type GroupRef struct{ Name, ARN string }

// A GroupInfo is a group and what is known of it.
type GroupInfo struct {
	Group
	// RootToParent are the groups above it, root first.
	RootToParent []GroupRef
	// Status is that of a dynamic group: IndexActive, IndexBuilding or
	// IndexRebuilding. Empty for a static one.
	Status string
}

// CreateThingGroup creates a static group. If there is one with the same parent and
// properties already, that one is returned, its tags untouched.
//
// Errors: ErrInvalid (form, limits, no such parent, or it is dynamic), ErrExists.
func (s *Service) CreateThingGroup(ctx context.Context, in CreateGroupInput) (Group, error) {
	if err := checkOptionalName("parentGroupName", in.Parent); err != nil {
		return Group{}, err
	}
	defer s.announce(ctx)
	return s.createGroup(ctx, Group{Name: in.Name, Parent: in.Parent}, in.GroupProperties, in.Tags)
}

// createGroup creates a group of either kind.
func (s *Service) createGroup(ctx context.Context, g Group, p GroupProperties, tags map[string]string) (result Group, err error) {
	if err := checkName("thingGroupName", g.Name); err != nil {
		return Group{}, err
	}
	if err := p.check(); err != nil {
		return Group{}, err
	}
	if err := s.CheckNewTags(tags); err != nil {
		return Group{}, err
	}
	p.Merge = false
	if err := p.apply(&g, &s.limits); err != nil {
		return Group{}, err
	}
	g.ID, g.Created, g.Version = newID(), now(), 1
	defer s.locks.change()()
	err = again(func() error {
		old, ok, err := lookup(ctx, s.store.Groups(), "thing group", g.Name)
		if err != nil {
			return err
		}
		if ok {
			if old.Description != g.Description || !maps.Equal(old.Attributes, g.Attributes) || old.Parent != g.Parent ||
				old.Query != g.Query || old.QueryVersion != g.QueryVersion || old.Index != g.Index {
				return exists(old.ID, s.GroupARN(g.Name), "Thing Group %s already exists in current account with different properties", g.Name)
			}
			result = old
			return nil
		}
		result = g
		return s.addGroup(ctx, g, tags)
	})
	return result, err
}

// addGroup stores a new group and makes it known.
func (s *Service) addGroup(ctx context.Context, g Group, tags map[string]string) error {
	path, err := s.pathToNew(ctx, g)
	if err != nil {
		return err
	}
	if g.Dynamic() {
		if err := s.checkDynamic(ctx, g); err != nil {
			return err
		}
	}
	if err := s.putNewTags(ctx, s.GroupARN(g.Name), tags); err != nil {
		return err
	}
	if g.Parent != "" {
		if err := s.store.Links().Put(ctx, Link{Kind: LinkParent, From: g.Name, To: g.Parent}); err != nil {
			return fmt.Errorf("registry: create thing group %s: %w", g.Name, err)
		}
	}
	if err := put(ctx, s.store.Groups(), "thing group", g.Name, g, 0); err != nil {
		return err
	}
	s.emitGroup(created, g, path)
	if n := len(path); n > 0 {
		s.emitHierarchy(added, path[n-1], g)
	}
	s.reindexGroup(g, path)
	if g.Dynamic() {
		return s.putDynamic(g)
	}
	return nil
}

// DescribeThingGroup returns a group of either kind. Errors: ErrInvalid, ErrNotFound.
func (s *Service) DescribeThingGroup(ctx context.Context, name string) (GroupInfo, error) {
	if err := checkName("thingGroupName", name); err != nil {
		return GroupInfo{}, err
	}
	g, err := s.group(ctx, name)
	if err != nil {
		return GroupInfo{}, err
	}
	path, err := s.pathTo(ctx, g)
	if err != nil {
		return GroupInfo{}, err
	}
	info := GroupInfo{Group: g, RootToParent: []GroupRef{}}
	for _, p := range path {
		info.RootToParent = append(info.RootToParent, s.groupRef(p.Name))
	}
	if g.Dynamic() {
		info.Status = s.dynamicStatus(name)
	}
	return info, nil
}

func (s *Service) group(ctx context.Context, name string) (Group, error) {
	return get(ctx, s.store.Groups(), "Thing group", name)
}

func (s *Service) groupRef(name string) GroupRef { return GroupRef{Name: name, ARN: s.GroupARN(name)} }

// UpdateGroupInput says what to change of a static group.
type UpdateGroupInput struct {
	Name string
	GroupProperties
	// ExpectedVersion is the version the group must have; nil for any.
	ExpectedVersion *int64
}

// UpdateThingGroup changes a static group and returns its new version.
//
// Errors: ErrInvalid (also: the group is dynamic), ErrNotFound, ErrVersion.
func (s *Service) UpdateThingGroup(ctx context.Context, in UpdateGroupInput) (version int64, err error) {
	defer s.announce(ctx)
	return s.updateGroup(ctx, in, func(g *Group) error {
		if g.Dynamic() {
			return refused("Thing group %s is dynamic, expected a static one", g.Name)
		}
		return nil
	})
}

// updateGroup changes a group of either kind; change does what is special.
func (s *Service) updateGroup(ctx context.Context, in UpdateGroupInput, change func(*Group) error) (version int64, err error) {
	if err := checkName("thingGroupName", in.Name); err != nil {
		return 0, err
	}
	if err := in.check(); err != nil {
		return 0, err
	}
	defer s.locks.change()()
	err = again(func() error {
		old, err := s.group(ctx, in.Name)
		if err != nil {
			return err
		}
		if err := checkVersion("thing group", in.Name, in.ExpectedVersion, old.Version); err != nil {
			return err
		}
		g := old
		g.Version++
		if err := in.apply(&g, &s.limits); err != nil {
			return err
		}
		if err := change(&g); err != nil {
			return err
		}
		path, err := s.pathTo(ctx, g)
		if err != nil {
			return err
		}
		if err := put(ctx, s.store.Groups(), "thing group", g.Name, g, old.Version); err != nil {
			return err
		}
		version = g.Version
		s.emitGroup(updated, g, path)
		s.reindexGroup(g, path)
		if g.Query != old.Query || g.Index != old.Index || g.QueryVersion != old.QueryVersion {
			return s.putDynamic(g)
		}
		return nil
	})
	return version, err
}

// DeleteThingGroup deletes a static group that has no child groups; its members leave
// it. That there is no such group is no error. expectedVersion is the version the
// group must have; nil for any.
//
// Errors: ErrInvalid (also: the group is dynamic), ErrVersion, ErrDeleteConflict
// while it has children.
func (s *Service) DeleteThingGroup(ctx context.Context, name string, expectedVersion *int64) error {
	defer s.announce(ctx)
	return s.deleteGroup(ctx, name, expectedVersion, false)
}

func (s *Service) deleteGroup(ctx context.Context, name string, expectedVersion *int64, dynamic bool) error {
	if err := checkName("thingGroupName", name); err != nil {
		return err
	}
	defer s.locks.change()()
	return again(func() error {
		g, ok, err := lookup(ctx, s.store.Groups(), "thing group", name)
		if err != nil || !ok {
			return err
		}
		if g.Dynamic() != dynamic {
			if dynamic {
				return refused("Thing group %s is static, expected a dynamic one", name)
			}
			return refused("Thing group %s is dynamic, expected a static one", name)
		}
		if err := checkVersion("thing group", name, expectedVersion, g.Version); err != nil {
			return err
		}
		children, err := s.children(ctx, name)
		if err != nil {
			return err
		}
		if len(children) > 0 {
			return inUse("Cannot delete thing group %s: it is the parent of thing group %s", name, children[0])
		}
		return s.removeGroup(ctx, g)
	})
}

// removeGroup deletes a group and all that hangs on it.
func (s *Service) removeGroup(ctx context.Context, g Group) error {
	path, err := s.pathTo(ctx, g)
	if err != nil {
		return err
	}
	// The members leave first: should the process die in between, the group is
	// there still and can be deleted again. Members of a dynamic one are not stored.
	if !g.Dynamic() {
		if err := s.removeMembers(ctx, g); err != nil {
			return err
		}
	}
	if err := s.dropTags(ctx, s.GroupARN(g.Name)); err != nil {
		return err
	}
	if err := drop(ctx, s.store.Groups(), "thing group", g.Name, g.Version); err != nil {
		return err
	}
	if err := s.unlinkAll(ctx, LinkParent, g.Name); err != nil {
		return err
	}
	s.unindexGroup(g.Name)
	if g.Dynamic() {
		s.endDynamic(g)
	}
	if n := len(path); n > 0 {
		s.emitHierarchy(removed, path[n-1], g)
	}
	s.emitGroup(deleted, g, path)
	return nil
}

// GroupFilter says which groups to list. The zero value is all.
type GroupFilter struct {
	// Parent is the name of a group: its children are listed, not itself. Empty
	// stands above the groups without a parent.
	Parent string
	// Prefix is what the names begin with.
	Prefix string
	// Recursive says whether the children of children are listed too. Nil is true,
	// as in AWS.
	Recursive *bool
}

// ListThingGroups returns groups, dynamic ones among them, in the order of their
// names. Errors: ErrInvalid, ErrNotFound (the parent).
func (s *Service) ListThingGroups(ctx context.Context, f GroupFilter, p Page) (groups []GroupRef, next string, err error) {
	if err := checkOptionalName("parentGroup", f.Parent); err != nil {
		return nil, "", err
	}
	if err := checkOptionalName("namePrefixFilter", f.Prefix); err != nil {
		return nil, "", err
	}
	recursive := f.Recursive == nil || *f.Recursive
	list := strings.Join([]string{"groups", f.Parent, f.Prefix, fmt.Sprint(recursive)}, "\x00")
	size, after, err := p.open(list, maxPage)
	if err != nil {
		return nil, "", err
	}
	match := func(g Group) (GroupRef, bool) {
		return s.groupRef(g.Name), strings.HasPrefix(g.Name, f.Prefix) && (recursive || g.Parent == f.Parent)
	}
	name := func(g Group) string { return g.Name }
	if f.Parent == "" {
		groups, next, err = take(upTo(s.store.Groups().List(ctx, beforePrefix(after, f.Prefix)), name, f.Prefix), list, size, name, match)
	} else {
		s.locks.structure.RLock()
		defer s.locks.structure.RUnlock()
		if _, err := s.group(ctx, f.Parent); err != nil {
			return nil, "", err
		}
		var below []string
		if recursive {
			below, err = s.descendants(ctx, f.Parent)
		} else {
			below, err = s.children(ctx, f.Parent)
		}
		if err != nil {
			return nil, "", err
		}
		groups, next, err = take(namesAfter(below, after), list, size, func(n string) string { return n }, func(n string) (GroupRef, bool) {
			return s.groupRef(n), strings.HasPrefix(n, f.Prefix)
		})
	}
	if err != nil {
		return nil, "", fmt.Errorf("registry: list thing groups: %w", err)
	}
	return groups, next, nil
}

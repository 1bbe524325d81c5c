package registry

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/thinghub/thinghub/internal/arn"
)

// A Membership names a group and a thing: each by its name, its ARN, or both if they
// agree.
type Membership struct {
	Group, GroupARN string
	Thing, ThingARN string
	// OverrideDynamicGroups lets the thing fall out of the youngest of its dynamic
	// groups if it would be in too many. Ignored for billing groups.
	OverrideDynamicGroups bool
}

// resolve checks m and returns the names. groupField and kind say what sort of group
// is meant: "thingGroup" and kindGroup, or "billingGroup" and kindBillingGroup.
func (s *Service) resolve(m Membership, groupField, kind string) (group, thing string, err error) {
	if group, err = s.nameOf(groupField, kind, m.Group, m.GroupARN); err != nil {
		return "", "", err
	}
	thing, err = s.nameOf("thing", kindThing, m.Thing, m.ThingARN)
	return group, thing, err
}

func (s *Service) nameOf(field, kind, name, resource string) (string, error) {
	if resource != "" {
		n, err := arn.Parse(resource)
		if err != nil {
			return "", invalid(field+"Arn", resource, "Member must be a resource name, arn:partition:iot:region:account:"+kind+"/name")
		}
		k, id := n.Split()
		if k != kind || n.Service != "iot" {
			return "", invalid(field+"Arn", resource, "Member must name a "+kind)
		}
		if n.Scope != s.cfg.Scope {
			return "", notFound("Resource %s cannot be found.", shorten(resource))
		}
		if name != "" && name != id {
			return "", refused("%sName is %q and %sArn is %q, expected the same resource", field, shorten(name), field, shorten(resource))
		}
		name = id
	}
	return name, checkName(field+"Name", name)
}

// AddThingToThingGroup puts a thing into a static group. That it is there already is
// no error.
//
// Errors: ErrInvalid (also: the group is dynamic, the thing is in a group of the same
// hierarchy, or in too many), ErrNotFound.
func (s *Service) AddThingToThingGroup(ctx context.Context, m Membership) error {
	group, thing, err := s.resolve(m, "thingGroup", kindGroup)
	if err != nil {
		return err
	}
	return s.regroup(ctx, thing, []string{group}, nil, m.OverrideDynamicGroups)
}

// RemoveThingFromThingGroup takes a thing out of a static group. That it is not there
// is no error.
//
// Errors: ErrInvalid (also: the group is dynamic), ErrNotFound.
func (s *Service) RemoveThingFromThingGroup(ctx context.Context, m Membership) error {
	group, thing, err := s.resolve(m, "thingGroup", kindGroup)
	if err != nil {
		return err
	}
	return s.regroup(ctx, thing, nil, []string{group}, false)
}

// UpdateThingGroupsForThing takes a thing out of some static groups and puts it into
// others: all of it, or nothing if there is an error. A group in both lists is added.
//
// Errors: those of AddThingToThingGroup.
func (s *Service) UpdateThingGroupsForThing(ctx context.Context, thing string, add, remove []string, overrideDynamicGroups bool) error {
	if err := checkName("thingName", thing); err != nil {
		return err
	}
	for _, g := range add {
		if err := checkName("thingGroupsToAdd.member", g); err != nil {
			return err
		}
	}
	for _, g := range remove {
		if err := checkName("thingGroupsToRemove.member", g); err != nil {
			return err
		}
	}
	return s.regroup(ctx, thing, add, remove, overrideDynamicGroups)
}

// regroup changes the static groups of a thing.
func (s *Service) regroup(ctx context.Context, name string, add, remove []string, override bool) error {
	defer s.announce(ctx)
	defer s.locks.thing(name)()
	t, err := s.thing(ctx, name)
	if err != nil {
		return err
	}
	named := make(map[string]Group, len(add)+len(remove))
	for _, n := range slices.Concat(add, remove) {
		g, err := s.group(ctx, n)
		if err != nil {
			return err
		}
		if g.Dynamic() {
			return refused("Thing group %s is dynamic: its query decides which things are in it", n)
		}
		named[n] = g
	}
	old, err := s.staticGroupsOf(ctx, name)
	if err != nil {
		return err
	}
	was := make(map[string]Group, len(old))
	for _, g := range old {
		was[g.Name] = g
	}
	will := maps.Clone(was)
	for _, n := range remove {
		delete(will, n)
	}
	for _, n := range add {
		will[n] = named[n]
	}
	if grows := slices.ContainsFunc(add, func(n string) bool { _, in := was[n]; return !in }); grows {
		if err := s.checkGroups(ctx, name, will, override); err != nil {
			return err
		}
	}
	links := s.store.Links()
	for _, n := range sortedKeys(was) {
		if _, stays := will[n]; stays {
			continue
		}
		if err := links.Delete(ctx, LinkGroup, name, n); err != nil {
			return fmt.Errorf("registry: remove thing %s from thing group %s: %w", name, n, err)
		}
		s.emitMembership(removed, t, n, was[n].ID)
	}
	for _, n := range sortedKeys(will) {
		if _, there := was[n]; there {
			continue
		}
		if err := links.Put(ctx, Link{Kind: LinkGroup, From: name, To: n}); err != nil {
			return fmt.Errorf("registry: add thing %s to thing group %s: %w", name, n, err)
		}
		s.emitMembership(added, t, n, will[n].ID)
	}
	return s.reindexThing(ctx, name)
}

// checkGroups checks the static groups a thing is to be in: how many, and no two of
// one hierarchy.
func (s *Service) checkGroups(ctx context.Context, name string, groups map[string]Group, override bool) error {
	n := len(groups)
	if !override {
		n += len(s.fleet.dynamicOf(name))
	}
	if over(n, s.limits.GroupsPerThing) {
		return refused("Thing %s would be in %d thing groups, at most %d are allowed", name, n, s.limits.GroupsPerThing)
	}
	roots := make(map[string]string, len(groups))
	for _, g := range sortedKeys(groups) {
		root, err := s.root(ctx, groups[g])
		if err != nil {
			return err
		}
		if other, taken := roots[root.Name]; taken {
			return refused("Thing %s cannot be in thing groups %s and %s: both are in the hierarchy of %s", name, other, g, root.Name)
		}
		roots[root.Name] = g
	}
	return nil
}

// staticGroupsOf returns the static groups a thing is in directly, sorted by name.
func (s *Service) staticGroupsOf(ctx context.Context, thing string) (groups []Group, err error) {
	for l, err := range s.store.Links().Of(ctx, LinkGroup, thing, "") {
		if err != nil {
			return nil, fmt.Errorf("registry: groups of thing %s: %w", thing, err)
		}
		if g, ok, err := lookup(ctx, s.store.Groups(), "thing group", l.To); err != nil {
			return nil, err
		} else if ok {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// removeMembers takes all things out of a group that is going.
func (s *Service) removeMembers(ctx context.Context, g Group) error {
	links := s.store.Links()
	for l, err := range links.To(ctx, LinkGroup, g.Name, "") {
		if err == nil {
			err = links.Delete(ctx, LinkGroup, l.From, g.Name)
		}
		if err != nil {
			return fmt.Errorf("registry: delete thing group %s: %w", g.Name, err)
		}
		t, ok, err := lookup(ctx, s.store.Things(), "thing", l.From)
		if err != nil {
			return err
		}
		if ok {
			s.emitMembership(removed, t, g.Name, g.ID)
			if err := s.reindexThing(ctx, t.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// ListThingsInThingGroup returns the names of the things in a group, sorted; with
// recursive also of those in the groups below it.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) ListThingsInThingGroup(ctx context.Context, group string, recursive bool, p Page) (things []string, next string, err error) {
	if err := checkName("thingGroupName", group); err != nil {
		return nil, "", err
	}
	list := "members\x00" + group + "\x00" + fmt.Sprint(recursive)
	size, after, err := p.open(list, maxPage)
	if err != nil {
		return nil, "", err
	}
	s.locks.structure.RLock()
	defer s.locks.structure.RUnlock()
	g, err := s.group(ctx, group)
	if err != nil {
		return nil, "", err
	}
	from := func(l Link) string { return l.From }
	members := ends(s.store.Links().To(ctx, LinkGroup, group, after), from)
	if g.Dynamic() {
		members = s.fleet.dynamicMembers(ctx, group, after)
	} else if recursive {
		below, err := s.descendants(ctx, group)
		if err != nil {
			return nil, "", err
		}
		all := []iter.Seq2[string, error]{members}
		for _, g := range below {
			all = append(all, ends(s.store.Links().To(ctx, LinkGroup, g, after), from))
		}
		members = merge(all)
	}
	things, next, err = take(members, list, size, func(n string) string { return n }, func(n string) (string, bool) { return n, true })
	if err != nil {
		return nil, "", fmt.Errorf("registry: list things in thing group %s: %w", group, err)
	}
	return things, next, nil
}

// ListThingGroupsForThing returns the groups a thing is in directly, dynamic ones
// among them, in the order of their names.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) ListThingGroupsForThing(ctx context.Context, thing string, p Page) (groups []GroupRef, next string, err error) {
	if err := checkName("thingName", thing); err != nil {
		return nil, "", err
	}
	list := "groups of\x00" + thing
	size, after, err := p.open(list, maxPage)
	if err != nil {
		return nil, "", err
	}
	if _, err := s.thing(ctx, thing); err != nil {
		return nil, "", err
	}
	static, err := s.staticGroupsOf(ctx, thing)
	if err != nil {
		return nil, "", err
	}
	names := s.fleet.dynamicOf(thing)
	for _, g := range static {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return take(namesAfter(names, after), list, size, func(n string) string { return n }, func(n string) (GroupRef, bool) { return s.groupRef(n), true })
}

// merge yields what sorted sequences yield, sorted, and each name once.
func merge(seqs []iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		type head struct {
			name string
			err  error
			next func() (string, error, bool)
		}
		var heads []*head
		for _, seq := range seqs {
			next, stop := iter.Pull2(seq)
			defer stop()
			if name, err, ok := next(); ok {
				heads = append(heads, &head{name, err, next})
			}
		}
		for last := ""; len(heads) > 0; {
			least := 0
			for i, h := range heads {
				if h.err != nil {
					yield("", h.err)
					return
				}
				if h.name < heads[least].name {
					least = i
				}
			}
			h := heads[least]
			if h.name != last && !yield(h.name, nil) {
				return
			}
			last = h.name
			var ok bool
			if h.name, h.err, ok = h.next(); !ok {
				heads = slices.Delete(heads, least, least+1)
			}
		}
	}
}

// StaticGroupsOf returns the names of the static groups a thing is in directly, sorted.
func (s *Service) StaticGroupsOf(ctx context.Context, thing string) ([]string, error) {
	groups, err := s.staticGroupsOf(ctx, thing)
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		names = append(names, g.Name)
	}
	return names, err
}

// GroupsAbove returns the names of all groups a thing is in, dynamic ones and the
// parents of groups among them, sorted; none if there is no such thing.
func (s *Service) GroupsAbove(ctx context.Context, thing string) ([]string, error) {
	static, err := s.staticGroupsOf(ctx, thing)
	if err != nil {
		return nil, err
	}
	names := s.fleet.dynamicOf(thing)
	for _, g := range static {
		names = append(names, g.Name)
		path, err := s.pathTo(ctx, g)
		if err != nil {
			return nil, err
		}
		for _, p := range path {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

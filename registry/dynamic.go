package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/thinghub/thinghub/registry/index"
)

// QueryVersion is the version of the query language, the only one.
const QueryVersion = "2017-09-30"

// CreateDynamicGroupInput says what dynamic group to create.
type CreateDynamicGroupInput struct {
	// Name is of the form that names of things have. Static and dynamic groups
	// share their names.
	Name string
	// Query decides which things are in the group; see [Service.SearchIndex].
	Query string
	// Index is IndexThings, QueryVersion is QueryVersion; empty for that.
	Index, QueryVersion string
	GroupProperties
	Tags map[string]string
}

// CreateDynamicThingGroup creates a group whose members are the things that match a
// query, now and at any time later. If there is one with the same query and properties
// already, that one is returned, its tags untouched.
//
// A thing is in at most Limits.GroupsPerThing groups: static ones come first, then
// the oldest dynamic ones that match. Queries see the static groups of things, not the
// dynamic ones.
//
// Errors: ErrInvalid, ErrInvalidQuery, ErrExists, ErrNotFound (things are not
// indexed), ErrIndexNotReady, ErrLimitExceeded (more than 100 dynamic groups).
func (s *Service) CreateDynamicThingGroup(ctx context.Context, in CreateDynamicGroupInput) (Group, error) {
	g := Group{Name: in.Name, Query: in.Query, Index: in.Index, QueryVersion: in.QueryVersion}
	if g.Index == "" {
		g.Index = IndexThings
	}
	if g.QueryVersion == "" {
		g.QueryVersion = QueryVersion
	}
	if err := checkName("thingGroupName", g.Name); err != nil {
		return Group{}, err
	}
	if err := checkDynamicForm(g); err != nil {
		return Group{}, err
	}
	var result Group
	err := s.changeDynamic(ctx, g.Name, func() (err error) {
		result, err = s.createGroup(ctx, g, in.GroupProperties, in.Tags)
		return err
	})
	return result, err
}

// changeDynamic creates, changes or deletes a dynamic group: one at a time, so that a
// name does not mean two while members come and go.
func (s *Service) changeDynamic(ctx context.Context, group string, change func() error) error {
	defer s.announce(ctx)
	s.fleet.gathering.Lock()
	defer s.fleet.gathering.Unlock()
	if err := change(); err != nil {
		return err
	}
	return s.gather(ctx, group)
}

// checkDynamicForm checks what makes a group dynamic, but for the query's contents.
func checkDynamicForm(g Group) error {
	if err := checkName("indexName", g.Index); err != nil {
		return err
	}
	if g.Index != IndexThings {
		return invalid("indexName", g.Index, "Member must be "+IndexThings)
	}
	return checkQueryForm(g.Query, g.QueryVersion)
}

// checkDynamic checks a dynamic group that is about to be stored, against what is
// indexed, and how many there are. locks.structure is held.
func (s *Service) checkDynamic(ctx context.Context, g Group) error {
	v := s.fleet.current.Load()
	if _, err := s.readQuery(v.things, IndexThings, g.Query); err != nil {
		return err
	}
	if v.group(g.Name) == nil {
		if n := len(v.dynamic) + 1; over(n, s.limits.DynamicGroups) {
			return overLimit("There would be %d dynamic groups, at most %d are allowed", n, s.limits.DynamicGroups)
		}
	}
	return ctx.Err()
}

// UpdateDynamicGroupInput says what to change of a dynamic group.
type UpdateDynamicGroupInput struct {
	Name string
	// Empty leaves things as they are.
	Query, Index, QueryVersion string
	GroupProperties
	// ExpectedVersion is the version the group must have; nil for any.
	ExpectedVersion *int64
}

// UpdateDynamicThingGroup changes a dynamic group, and its members if it has another
// query, and returns its new version.
//
// Errors: ErrInvalid (also: the group is static), ErrInvalidQuery, ErrNotFound (also:
// another query, and things are not indexed), ErrIndexNotReady, ErrVersion.
func (s *Service) UpdateDynamicThingGroup(ctx context.Context, in UpdateDynamicGroupInput) (version int64, err error) {
	change := func(g *Group) error {
		if !g.Dynamic() {
			return refused("Thing group %s is static, expected a dynamic one", g.Name)
		}
		if in.Index != "" {
			g.Index = in.Index
		}
		if in.QueryVersion != "" {
			g.QueryVersion = in.QueryVersion
		}
		if err := checkDynamicForm(*g); err != nil {
			return err
		}
		if in.Query == "" || in.Query == g.Query {
			return nil
		}
		g.Query = in.Query
		if err := checkDynamicForm(*g); err != nil {
			return err
		}
		return s.checkDynamic(ctx, *g)
	}
	err = s.changeDynamic(ctx, in.Name, func() (err error) {
		version, err = s.updateGroup(ctx, UpdateGroupInput{in.Name, in.GroupProperties, in.ExpectedVersion}, change)
		return err
	})
	return version, err
}

// DeleteDynamicThingGroup deletes a dynamic group; its members leave it. That there is
// no such group is no error. expectedVersion is the version the group must have; nil
// for any.
//
// Errors: ErrInvalid (also: the group is static), ErrVersion.
func (s *Service) DeleteDynamicThingGroup(ctx context.Context, name string, expectedVersion *int64) error {
	return s.changeDynamic(ctx, name, func() error { return s.deleteGroup(ctx, name, expectedVersion, true) })
}

// dynamicGroups reads the dynamic groups from the store, for a view, the oldest first.
func (s *Service) dynamicGroups(ctx context.Context, v *view) (groups []*dynamicGroup, err error) {
	for g, err := range s.store.Groups().List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("registry: read the dynamic groups: %w", err)
		}
		if !g.Dynamic() {
			continue
		}
		q, err := index.Parse(g.Query)
		if err != nil {
			return nil, fmt.Errorf("registry: query of thing group %s: %w", g.Name, err)
		}
		groups = append(groups, v.dynamicGroup(g, q))
	}
	slices.SortFunc(groups, older)
	return groups, nil
}

// putDynamic makes a dynamic group known to the views, or its other query. From now on
// things join it when they change; [Service.gather] finds the others. locks.structure
// is held; so it is for the next.
func (s *Service) putDynamic(g Group) error {
	q, err := index.Parse(g.Query)
	if err != nil {
		return indexError(err)
	}
	for v := range s.fleet.all {
		v.replaceDynamic(g.Name, v.dynamicGroup(g, q))
	}
	return nil
}

// endDynamic lets the members of a dynamic group leave when they change;
// [Service.gather] sends the others away.
func (s *Service) endDynamic(g Group) {
	for v := range s.fleet.all {
		v.replaceDynamic(g.Name, &dynamicGroup{Name: g.Name, ID: g.ID, created: g.Created})
	}
}

// replaceDynamic puts d in the place of the dynamic group of a name: nil for none.
func (v *view) replaceDynamic(name string, d *dynamicGroup) {
	groups := slices.DeleteFunc(slices.Clone(v.dynamic), func(g *dynamicGroup) bool { return g.Name == name })
	if d != nil {
		d.gathering.Store(true)
		groups = append(groups, d)
		slices.SortFunc(groups, older)
	}
	v.dynamic = groups
}

// gather lets the things that match a dynamic group join it, and the others leave, if
// it has changed. fleet.gathering is held and no other lock, so that all else goes on.
// Who called may go away: the group is stored and must get its members.
func (s *Service) gather(ctx context.Context, group string) error {
	ctx = context.WithoutCancel(ctx)
	var first error
	views, groups := s.gathering(group)
	for i, v := range views {
		g := groups[i]
		queries := []*index.Query{index.Exact("thingGroupNames", group)}
		if g.query != nil && !g.void {
			queries = append(queries, g.query)
		}
		for _, q := range queries {
			for name, err := range found(ctx, v.things, q, "") {
				if err == nil {
					err = s.regather(ctx, v.things, name)
				}
				if err != nil && first == nil {
					first = fmt.Errorf("registry: members of thing group %s: %w", group, err)
				}
			}
		}
		g.gathering.Store(false)
	}
	defer s.locks.change()()
	for v := range s.fleet.all {
		if g := v.group(group); g != nil && g.query == nil {
			v.replaceDynamic(group, nil)
		}
	}
	return first
}

// gathering returns the views in which a dynamic group has members to find, and the
// group there. A view that comes to be later has them from the start.
func (s *Service) gathering(group string) (views []*view, groups []*dynamicGroup) {
	s.locks.structure.RLock()
	defer s.locks.structure.RUnlock()
	for v := range s.fleet.all {
		if g := v.group(group); g != nil && g.gathering.Load() {
			views, groups = append(views, v), append(groups, g)
		}
	}
	return views, groups
}

// regather finds the dynamic groups of a thing, in the views over an index.
func (s *Service) regather(ctx context.Context, x *index.Index, thing string) error {
	defer s.locks.thing(thing)()
	for v := range s.fleet.withThings {
		if v.things == x && x.Has(thing) {
			return s.rejoin(ctx, v, thing, partRegistry)
		}
	}
	return nil
}

// dynamicStatus returns the status of a dynamic group.
func (s *Service) dynamicStatus(name string) string {
	s.locks.structure.RLock()
	defer s.locks.structure.RUnlock()
	if s.fleet.next.Load() != nil {
		return IndexRebuilding
	}
	v := s.fleet.current.Load()
	if g := v.group(name); v.things == nil || g != nil && g.gathering.Load() {
		return IndexBuilding // without an index of things until there is one
	}
	return IndexActive
}

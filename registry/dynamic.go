package registry

import (
	"context"
	"errors"
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
	return s.createGroup(ctx, g, in.GroupProperties, in.Tags)
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
	return s.updateGroup(ctx, UpdateGroupInput{in.Name, in.GroupProperties, in.ExpectedVersion}, func(g *Group) error {
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
	})
}

// DeleteDynamicThingGroup deletes a dynamic group; its members leave it. That there is
// no such group is no error. expectedVersion is the version the group must have; nil
// for any.
//
// Errors: ErrInvalid (also: the group is static), ErrVersion.
func (s *Service) DeleteDynamicThingGroup(ctx context.Context, name string, expectedVersion *int64) error {
	return s.deleteGroup(ctx, name, expectedVersion, true)
}

// dynamicGroups reads the dynamic groups from the store, the oldest first.
func (s *Service) dynamicGroups(ctx context.Context) (groups []*dynamicGroup, err error) {
	for g, err := range s.store.Groups().List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("registry: read the dynamic groups: %w", err)
		}
		if !g.Dynamic() {
			continue
		}
		d, err := newDynamic(g)
		if err != nil {
			return nil, err
		}
		groups = append(groups, d)
	}
	slices.SortFunc(groups, older)
	return groups, nil
}

func newDynamic(g Group) (*dynamicGroup, error) {
	q, err := index.Parse(g.Query)
	if err != nil {
		return nil, fmt.Errorf("registry: query of thing group %s: %w", g.Name, err)
	}
	return &dynamicGroup{Name: g.Name, ID: g.ID, created: g.Created, query: q}, nil
}

// startDynamic finds the members of a new group. locks.structure is held; so it is
// for the next two.
func (s *Service) startDynamic(ctx context.Context, g Group) error {
	return s.replaceDynamic(ctx, g.Name, &g)
}

// changeDynamic finds the members of a group with another query.
func (s *Service) changeDynamic(ctx context.Context, g Group) error {
	return s.replaceDynamic(ctx, g.Name, &g)
}

// stopDynamic lets the members of a group leave.
func (s *Service) stopDynamic(ctx context.Context, name string) error {
	return s.replaceDynamic(ctx, name, nil)
}

// replaceDynamic puts g in the place of the dynamic group of a name: nil for none.
func (s *Service) replaceDynamic(ctx context.Context, name string, g *Group) error {
	touched := make(map[string]bool)
	for v := range s.fleet.all {
		old := v.group(name)
		groups := slices.DeleteFunc(slices.Clone(v.dynamic), func(d *dynamicGroup) bool { return d == old })
		if g != nil {
			d, err := newDynamic(*g)
			if err != nil {
				return err
			}
			groups = append(groups, d)
			slices.SortFunc(groups, older)
			if v.things != nil {
				names, _, err := v.things.Search(d.query, "", 0)
				if err != nil && !errors.Is(err, index.ErrInvalidQuery) {
					return fmt.Errorf("registry: members of thing group %s: %w", name, err)
				}
				for _, n := range names {
					touched[n] = true
				}
			}
		}
		v.dynamic = groups
		if old != nil {
			s.fleet.mu.RLock()
			for _, n := range old.members.after(nil, "", old.members.size) {
				touched[n] = true
			}
			s.fleet.mu.RUnlock()
		}
	}
	for _, n := range sortedKeys(touched) {
		if err := s.reindexThing(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

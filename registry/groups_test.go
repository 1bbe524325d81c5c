package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

func TestThingGroup(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	createGroups(t, s, "root", "root/mid")
	in := registry.CreateGroupInput{
		Name: "leaf", Parent: "mid",
		GroupProperties: registry.GroupProperties{Description: ptr("the last"), Attributes: map[string]string{"a": "1", "b": ""}},
		Tags:            map[string]string{"k": "v"},
	}
	g, err := s.CreateThingGroup(ctx, in)
	require.NoError(t, err)
	require.Len(t, g.ID, 36)
	require.False(t, g.Dynamic())
	require.Equal(t, map[string]string{"a": "1"}, g.Attributes)

	info, err := s.DescribeThingGroup(ctx, "leaf")
	require.NoError(t, err)
	require.Equal(t, g, info.Group)
	require.Empty(t, info.Status)
	require.Equal(t, []registry.GroupRef{{Name: "root", ARN: arnPrefix + "thinggroup/root"}, {Name: "mid", ARN: arnPrefix + "thinggroup/mid"}}, info.RootToParent)
	tags, _, err := s.ListTagsForResource(ctx, s.GroupARN("leaf"), registry.Page{})
	require.NoError(t, err)
	require.Equal(t, []registry.Tag{{Key: "k", Value: "v"}}, tags)

	again, err := s.CreateThingGroup(ctx, in)
	require.NoError(t, err)
	require.Equal(t, g, again)
	for name, change := range map[string]func(*registry.CreateGroupInput){
		"other parent":      func(in *registry.CreateGroupInput) { in.Parent = "root" },
		"no parent":         func(in *registry.CreateGroupInput) { in.Parent = "" },
		"other description": func(in *registry.CreateGroupInput) { in.Description = nil },
		"other attributes":  func(in *registry.CreateGroupInput) { in.Attributes = nil },
	} {
		other := in
		change(&other)
		_, err := s.CreateThingGroup(ctx, other)
		e := as(t, err, registry.ErrExists, "Thing Group leaf already exists in current account with different properties")
		require.Equal(t, g.ID, e.ResourceID, name)
		require.Equal(t, arnPrefix+"thinggroup/leaf", e.ResourceARN, name)
	}

	version, err := s.UpdateThingGroup(ctx, registry.UpdateGroupInput{Name: "leaf", GroupProperties: registry.GroupProperties{Attributes: map[string]string{"c": "3"}, Merge: true}})
	require.NoError(t, err)
	require.EqualValues(t, 2, version)
	version, err = s.UpdateThingGroup(ctx, registry.UpdateGroupInput{Name: "leaf", GroupProperties: registry.GroupProperties{Description: ptr("")}, ExpectedVersion: ptr(int64(2))})
	require.NoError(t, err)
	require.EqualValues(t, 3, version)
	info, err = s.DescribeThingGroup(ctx, "leaf")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "1", "c": "3"}, info.Attributes)
	require.Empty(t, info.Description)
	require.Equal(t, "mid", info.Parent)
	_, err = s.UpdateThingGroup(ctx, registry.UpdateGroupInput{Name: "leaf", ExpectedVersion: ptr(int64(2))})
	is(t, err, registry.ErrVersion, "thing group leaf")
	_, err = s.UpdateThingGroup(ctx, registry.UpdateGroupInput{Name: "none"})
	is(t, err, registry.ErrNotFound, "Thing group none cannot be found.")
	_, err = s.DescribeThingGroup(ctx, "none")
	is(t, err, registry.ErrNotFound, "Thing group none cannot be found.")

	err = s.DeleteThingGroup(ctx, "mid", nil)
	is(t, err, registry.ErrDeleteConflict, "it is the parent of thing group leaf")
	require.ErrorIs(t, err, registry.ErrInvalid)
	is(t, s.DeleteThingGroup(ctx, "leaf", ptr(int64(1))), registry.ErrVersion, "thing group leaf")
	require.NoError(t, s.DeleteThingGroup(ctx, "leaf", ptr(int64(3))))
	require.NoError(t, s.DeleteThingGroup(ctx, "leaf", nil), "that there is none is no error")
	require.NoError(t, s.DeleteThingGroup(ctx, "mid", nil))
	require.NoError(t, s.DeleteThingGroup(ctx, "root", nil))
	groups, _, err := s.ListThingGroups(ctx, registry.GroupFilter{}, registry.Page{})
	require.NoError(t, err)
	require.Empty(t, groups)
	createGroups(t, s, "leaf")
	tags, _, err = s.ListTagsForResource(ctx, s.GroupARN("leaf"), registry.Page{})
	require.NoError(t, err)
	require.Empty(t, tags)
}

func TestThingGroupForms(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	for name, c := range map[string]struct {
		in    registry.CreateGroupInput
		field string
	}{
		"no name":         {registry.CreateGroupInput{}, "thingGroupName"},
		"bad name":        {registry.CreateGroupInput{Name: "a/b"}, "thingGroupName"},
		"bad parent":      {registry.CreateGroupInput{Name: "a", Parent: "b c"}, "parentGroupName"},
		"bad description": {registry.CreateGroupInput{Name: "a", GroupProperties: registry.GroupProperties{Description: ptr("\t")}}, "thingGroupProperties.thingGroupDescription"},
		"bad attribute":   {registry.CreateGroupInput{Name: "a", GroupProperties: registry.GroupProperties{Attributes: map[string]string{"a b": "c"}}}, "attributePayload.attributes.member.key"},
		"bad tag":         {registry.CreateGroupInput{Name: "a", Tags: map[string]string{"aws:x": "c"}}, "tags.member.key"},
	} {
		_, err := s.CreateThingGroup(ctx, c.in)
		require.Equal(t, c.field, as(t, err, registry.ErrInvalid, "").Field, name)
	}
	_, err := s.CreateThingGroup(ctx, registry.CreateGroupInput{Name: "a", Parent: "none"})
	is(t, err, registry.ErrInvalid, "Parent thing group none cannot be found.")
	_, err = s.CreateThingGroup(ctx, registry.CreateGroupInput{Name: "a", Parent: "a"})
	is(t, err, registry.ErrInvalid, "Parent thing group a cannot be found.")
	_, err = s.CreateThingGroup(ctx, registry.CreateGroupInput{Name: "a", GroupProperties: registry.GroupProperties{Attributes: attributes(51, 1)}})
	is(t, err, registry.ErrInvalid, "Thing group a would have 51 attributes, at most 50")
	_, err = s.CreateThingGroup(ctx, registry.CreateGroupInput{Name: "a", GroupProperties: registry.GroupProperties{Attributes: attributes(50, 1)}})
	require.NoError(t, err)
	_, err = s.UpdateThingGroup(ctx, registry.UpdateGroupInput{Name: "a", GroupProperties: registry.GroupProperties{Attributes: map[string]string{"z": "1"}, Merge: true}})
	is(t, err, registry.ErrInvalid, "at most 50")
}

func TestGroupHierarchyLimits(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	createGroups(t, s, "g1", "g1/g2", "g2/g3", "g3/g4", "g4/g5", "g5/g6", "g6/g7")
	_, err := s.CreateThingGroup(ctx, registry.CreateGroupInput{Name: "g8", Parent: "g7"})
	is(t, err, registry.ErrInvalid, "at depth 8 of its hierarchy, at most 7")
	for i := range 99 {
		createGroups(t, s, fmt.Sprint("g1/c", i))
	}
	_, err = s.CreateThingGroup(ctx, registry.CreateGroupInput{Name: "more", Parent: "g1"})
	is(t, err, registry.ErrInvalid, "would have 101 direct children, at most 100")
	require.NoError(t, s.DeleteThingGroup(ctx, "c0", nil))
	createGroups(t, s, "g1/more")

	deep := newService(t, func(c *registry.Config) { c.Limits = registry.Limits{GroupDepth: -1} })
	createGroups(t, deep, "g0")
	for i := range 30 {
		createGroups(t, deep, fmt.Sprintf("g%d/g%d", i, i+1))
	}
}

func TestListThingGroups(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	createGroups(t, s, "a", "b", "a/x2", "a/x1", "x1/y1", "y1/x0", "b/z", "x1/x3")
	for name, c := range map[string]struct {
		f    registry.GroupFilter
		want string
	}{
		"all":                 {registry.GroupFilter{}, "a b x0 x1 x2 x3 y1 z"},
		"roots":               {registry.GroupFilter{Recursive: ptr(false)}, "a b"},
		"below":               {registry.GroupFilter{Parent: "a"}, "x0 x1 x2 x3 y1"},
		"below, said so":      {registry.GroupFilter{Parent: "a", Recursive: ptr(true)}, "x0 x1 x2 x3 y1"},
		"children":            {registry.GroupFilter{Parent: "a", Recursive: ptr(false)}, "x1 x2"},
		"prefix":              {registry.GroupFilter{Prefix: "x"}, "x0 x1 x2 x3"},
		"whole name":          {registry.GroupFilter{Prefix: "x1"}, "x1"},
		"prefix of roots":     {registry.GroupFilter{Prefix: "x", Recursive: ptr(false)}, ""},
		"prefix below":        {registry.GroupFilter{Parent: "x1", Prefix: "x"}, "x0 x3"},
		"nothing below":       {registry.GroupFilter{Parent: "z"}, ""},
		"prefix that is none": {registry.GroupFilter{Prefix: "zz"}, ""},
	} {
		for _, size := range []int{0, 1, 2} {
			var names []string
			page := registry.Page{Max: size}
			for {
				groups, next, err := s.ListThingGroups(ctx, c.f, page)
				require.NoError(t, err)
				require.NotNil(t, groups)
				for _, g := range groups {
					names = append(names, g.Name)
					require.Equal(t, arnPrefix+"thinggroup/"+g.Name, g.ARN)
				}
				if page.Token = next; next == "" {
					break
				}
			}
			require.Equal(t, c.want, strings.Join(names, " "), "%s in pages of %d", name, size)
		}
	}
	_, _, err := s.ListThingGroups(ctx, registry.GroupFilter{Parent: "none"}, registry.Page{})
	is(t, err, registry.ErrNotFound, "Thing group none")
	_, _, err = s.ListThingGroups(ctx, registry.GroupFilter{Parent: "a b"}, registry.Page{})
	is(t, err, registry.ErrInvalid, "parentGroup")
	_, _, err = s.ListThingGroups(ctx, registry.GroupFilter{Prefix: "*"}, registry.Page{})
	is(t, err, registry.ErrInvalid, "namePrefixFilter")
	_, _, err = s.ListThingGroups(ctx, registry.GroupFilter{}, registry.Page{Max: 251})
	is(t, err, registry.ErrInvalid, "maxResults")
}

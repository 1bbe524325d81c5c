package registry_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// members returns all things in a group, read in pages.
func members(t *testing.T, s *registry.Service, group string, recursive bool, size int) string {
	t.Helper()
	var names []string
	page := registry.Page{Max: size}
	for {
		things, next, err := s.ListThingsInThingGroup(t.Context(), group, recursive, page)
		require.NoError(t, err)
		require.NotNil(t, things)
		names = append(names, things...)
		if page.Token = next; next == "" {
			return strings.Join(names, " ")
		}
	}
}

// groupsOf returns all groups of a thing, read in pages of two.
func groupsOf(t *testing.T, s *registry.Service, thing string) string {
	t.Helper()
	var names []string
	page := registry.Page{Max: 2}
	for {
		groups, next, err := s.ListThingGroupsForThing(t.Context(), thing, page)
		require.NoError(t, err)
		for _, g := range groups {
			names = append(names, g.Name)
			require.Equal(t, s.GroupARN(g.Name), g.ARN)
		}
		if page.Token = next; next == "" {
			return strings.Join(names, " ")
		}
	}
}

func TestGroupMembers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	createGroups(t, s, "root", "root/left", "root/right", "left/deep", "other", "third")
	create(t, s, "a", "b", "c", "d", "e")
	join(t, s, "root", "c")
	join(t, s, "left", "e", "a")
	join(t, s, "deep", "b")
	join(t, s, "right", "d")
	join(t, s, "other", "a", "c")
	join(t, s, "third", "a")
	join(t, s, "third", "a") // twice is fine
	for _, size := range []int{0, 1, 2, 5} {
		require.Equal(t, "c", members(t, s, "root", false, size))
		require.Equal(t, "a b c d e", members(t, s, "root", true, size))
		require.Equal(t, "a b e", members(t, s, "left", true, size))
		require.Equal(t, "a c", members(t, s, "other", true, size))
	}
	require.Equal(t, "left other third", groupsOf(t, s, "a"), "direct groups only")
	require.Equal(t, "deep", groupsOf(t, s, "b"))

	require.NoError(t, s.RemoveThingFromThingGroup(ctx, registry.Membership{Group: "left", Thing: "a"}))
	require.NoError(t, s.RemoveThingFromThingGroup(ctx, registry.Membership{Group: "left", Thing: "a"}), "twice is fine")
	require.Equal(t, "other third", groupsOf(t, s, "a"))
	require.NoError(t, s.DeleteThingGroup(ctx, "other", nil), "members do not matter")
	require.Equal(t, "third", groupsOf(t, s, "a"))
	createGroups(t, s, "other")
	require.Empty(t, members(t, s, "other", true, 0), "a new group inherits no members")
	require.NoError(t, s.DeleteThing(ctx, "b", nil))
	require.Empty(t, members(t, s, "deep", false, 0))

	_, _, err := s.ListThingsInThingGroup(ctx, "none", false, registry.Page{})
	is(t, err, registry.ErrNotFound, "Thing group none cannot be found.")
	_, _, err = s.ListThingGroupsForThing(ctx, "none", registry.Page{})
	is(t, err, registry.ErrNotFound, "Thing none cannot be found.")
	_, _, err = s.ListThingGroupsForThing(ctx, "a b", registry.Page{})
	is(t, err, registry.ErrInvalid, "thingName")
	_, _, err = s.ListThingsInThingGroup(ctx, "a b", false, registry.Page{})
	is(t, err, registry.ErrInvalid, "thingGroupName")
	_, _, err = s.ListThingsInThingGroup(ctx, "root", false, registry.Page{Max: 300})
	is(t, err, registry.ErrInvalid, "maxResults")
}

func TestMembershipNames(t *testing.T) {
	t.Parallel()
	s := newService(t)
	createGroups(t, s, "g")
	create(t, s, "a")
	thing, group := arnPrefix+"thing/a", arnPrefix+"thinggroup/g"
	for name, c := range map[string]struct {
		m    registry.Membership
		kind error
		text string
	}{
		"names":               {registry.Membership{Group: "g", Thing: "a"}, nil, ""},
		"ARNs":                {registry.Membership{GroupARN: group, ThingARN: thing}, nil, ""},
		"both":                {registry.Membership{Group: "g", GroupARN: group, Thing: "a", ThingARN: thing}, nil, ""},
		"no group":            {registry.Membership{Thing: "a"}, registry.ErrInvalid, "thingGroupName"},
		"no thing":            {registry.Membership{Group: "g"}, registry.ErrInvalid, "thingName"},
		"contradiction":       {registry.Membership{Group: "g", Thing: "b", ThingARN: thing}, registry.ErrInvalid, `thingName is "b" and thingArn is "` + thing},
		"not an ARN":          {registry.Membership{Group: "g", ThingARN: "a"}, registry.ErrInvalid, "thingArn"},
		"ARN of another kind": {registry.Membership{GroupARN: thing, Thing: "a"}, registry.ErrInvalid, "Member must name a thinggroup"},
		"another service":     {registry.Membership{GroupARN: "arn:aws:iam:eu-west-1:123456789012:thinggroup/g", Thing: "a"}, registry.ErrInvalid, "Member must name a thinggroup"},
		"another region":      {registry.Membership{GroupARN: "arn:aws:iot:us-east-1:123456789012:thinggroup/g", Thing: "a"}, registry.ErrNotFound, "cannot be found"},
		"another account":     {registry.Membership{Group: "g", ThingARN: "arn:aws:iot:eu-west-1:999999999999:thing/a"}, registry.ErrNotFound, "cannot be found"},
		"another partition":   {registry.Membership{Group: "g", ThingARN: "arn:aws-cn:iot:eu-west-1:123456789012:thing/a"}, registry.ErrNotFound, "cannot be found"},
		"bad name in ARN":     {registry.Membership{Group: "g", ThingARN: arnPrefix + "thing/a b"}, registry.ErrInvalid, "thingName"},
		"no such thing":       {registry.Membership{Group: "g", Thing: "none"}, registry.ErrNotFound, "Thing none"},
		"no such group":       {registry.Membership{Group: "none", Thing: "a"}, registry.ErrNotFound, "Thing group none"},
	} {
		for verb, call := range map[string]func() error{
			"add":    func() error { return s.AddThingToThingGroup(t.Context(), c.m) },
			"remove": func() error { return s.RemoveThingFromThingGroup(t.Context(), c.m) },
		} {
			err := call()
			if c.kind == nil {
				require.NoError(t, err, "%s %s", verb, name)
				continue
			}
			is(t, err, c.kind, c.text)
		}
	}
}

func TestMembershipRules(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	createGroups(t, s, "root", "root/left", "root/right", "left/deep")
	create(t, s, "a")
	join(t, s, "deep", "a")
	for _, other := range []string{"root", "left", "right"} {
		err := s.AddThingToThingGroup(ctx, registry.Membership{Group: other, Thing: "a"})
		is(t, err, registry.ErrInvalid, "both are in the hierarchy of root")
	}
	require.NoError(t, s.UpdateThingGroupsForThing(ctx, "a", []string{"right"}, []string{"deep"}, false), "leaving one makes room for the other")
	require.Equal(t, "right", groupsOf(t, s, "a"))

	for i := range 11 {
		createGroups(t, s, fmt.Sprint("g", i))
	}
	for i := range 9 {
		join(t, s, fmt.Sprint("g", i), "a")
	}
	err := s.AddThingToThingGroup(ctx, registry.Membership{Group: "g9", Thing: "a"})
	is(t, err, registry.ErrInvalid, "Thing a would be in 11 thing groups, at most 10")
	require.NoError(t, s.AddThingToThingGroup(ctx, registry.Membership{Group: "g8", Thing: "a"}), "it is there already")

	before := groupsOf(t, s, "a")
	for name, c := range map[string]struct {
		add, remove []string
		kind        error
	}{
		"one too many":        {[]string{"g9", "g10"}, []string{"g0"}, registry.ErrInvalid},
		"no such group":       {[]string{"g9", "none"}, []string{"g0"}, registry.ErrNotFound},
		"no group to leave":   {nil, []string{"g0", "none"}, registry.ErrNotFound},
		"bad name to add":     {[]string{"a b"}, []string{"g0"}, registry.ErrInvalid},
		"bad name to remove":  {nil, []string{"g0", "a b"}, registry.ErrInvalid},
		"hierarchy":           {[]string{"left"}, []string{"g0"}, registry.ErrInvalid},
		"two of a hierarchy":  {[]string{"left", "deep"}, []string{"g0", "g1", "right"}, registry.ErrInvalid},
		"nothing but no such": {[]string{"none"}, nil, registry.ErrNotFound},
	} {
		is(t, s.UpdateThingGroupsForThing(ctx, "a", c.add, c.remove, false), c.kind, "")
		require.Equal(t, before, groupsOf(t, s, "a"), "%s: all or nothing", name)
	}
	require.NoError(t, s.UpdateThingGroupsForThing(ctx, "a", []string{"g9", "g10", "g8"}, []string{"g0", "g1", "g8", "g0"}, false))
	require.Equal(t, "g10 g2 g3 g4 g5 g6 g7 g8 g9 right", groupsOf(t, s, "a"))
	require.NoError(t, s.UpdateThingGroupsForThing(ctx, "a", nil, nil, false))
	is(t, s.UpdateThingGroupsForThing(ctx, "none", nil, nil, false), registry.ErrNotFound, "Thing none")
	is(t, s.UpdateThingGroupsForThing(ctx, "a b", nil, nil, false), registry.ErrInvalid, "thingName")
}

// However many try at once, the rules hold afterwards.
func TestMembershipConcurrently(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	create(t, s, "a")
	createGroups(t, s, "root")
	for i := range 20 {
		createGroups(t, s, fmt.Sprint("root/child", i), fmt.Sprint("free", i))
	}
	var wg sync.WaitGroup
	for i := range 20 {
		for _, g := range []string{"child", "free"} {
			wg.Go(func() {
				err := s.AddThingToThingGroup(ctx, registry.Membership{Group: fmt.Sprint(g, i), Thing: "a"})
				var e *registry.Error
				if err != nil && !isKind(err, registry.ErrInvalid, &e) && !isKind(err, registry.ErrNotFound, &e) {
					t.Errorf("AddThingToThingGroup: %v", err)
				}
			})
		}
		wg.Go(func() { _ = s.DeleteThingGroup(ctx, fmt.Sprint("free", (i+7)%20), nil) })
	}
	wg.Wait()
	groups := strings.Fields(groupsOf(t, s, "a"))
	require.LessOrEqual(t, len(groups), 10)
	children := 0
	for _, g := range groups {
		if strings.HasPrefix(g, "child") {
			children++
		}
		_, err := s.DescribeThingGroup(ctx, g)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, children, 1)
}

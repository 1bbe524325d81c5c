package registry_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

func createDynamic(t *testing.T, s *registry.Service, name, query string) registry.Group {
	t.Helper()
	g, err := s.CreateDynamicThingGroup(t.Context(), registry.CreateDynamicGroupInput{Name: name, Query: query})
	require.NoError(t, err)
	return g
}

// requireMembers requires the members of a dynamic group, whoever is asked for them.
func requireMembers(t *testing.T, s *registry.Service, group string, want ...string) {
	t.Helper()
	want = append([]string{}, want...)
	got := []string{}
	for p := (registry.Page{Max: 2}); ; {
		names, next, err := s.ListThingsInThingGroup(t.Context(), group, false, p)
		require.NoError(t, err)
		got = append(got, names...)
		if p.Token = next; next == "" {
			break
		}
	}
	require.Equal(t, want, got)
	requireFound(t, s, "thingGroupNames:"+group, want...)
	for _, name := range search(t, s, "", "*") {
		groups, _, err := s.ListThingGroupsForThing(t.Context(), name, registry.Page{})
		require.NoError(t, err)
		require.Equal(t, slices.Contains(want, name), slices.ContainsFunc(groups, func(g registry.GroupRef) bool { return g.Name == group }), name)
	}
}

func TestDynamicThingGroup(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := indexed(t, everything())
	create(t, s, "a", "b", "c", "d")
	createGroups(t, s, "static")
	join(t, s, "static", "a")
	createDynamic(t, s, "warm", "shadow.reported.n>5")
	createDynamic(t, s, "online", "connectivity.connected:true")
	createDynamic(t, s, "tagged", "attributes.tag:*")
	createDynamic(t, s, "named", "thingName:(b c)")
	requireMembers(t, s, "warm")
	requireMembers(t, s, "named")

	s.ShadowChanged("a", "", []byte(reported(6)))
	s.ShadowChanged("b", "", []byte(reported(7)))
	s.ShadowChanged("c", "", []byte(reported(5)))
	requireMembers(t, s, "warm", "a", "b")
	s.ConnectivityChanged("b", registry.Connectivity{Connected: true, Timestamp: time.UnixMilli(1), Version: 1})
	requireMembers(t, s, "online", "b")
	_, err := s.UpdateThing(ctx, registry.UpdateThingInput{Name: "d", Attributes: map[string]string{"tag": "1"}})
	require.NoError(t, err)
	requireMembers(t, s, "tagged", "d")

	// Queries see static groups, not dynamic ones; neither do those who look for
	// things that are in none.
	createDynamic(t, s, "again", "thingGroupNames:warm")
	requireMembers(t, s, "again")
	createDynamic(t, s, "inStatic", "thingGroupNames:static")
	requireMembers(t, s, "inStatic", "a")
	createDynamic(t, s, "alone", "NOT thingGroupNames:*")
	requireMembers(t, s, "alone", "b", "c", "d")

	// Things leave as they came.
	s.ShadowChanged("a", "", nil)
	s.ShadowChanged("b", "", []byte(reported(1)))
	requireMembers(t, s, "warm")
	s.ConnectivityChanged("b", registry.Connectivity{Timestamp: time.UnixMilli(2), Version: 1})
	requireMembers(t, s, "online")
	require.NoError(t, s.DeleteThing(ctx, "d", nil))
	requireMembers(t, s, "tagged")
	require.NoError(t, s.RemoveThingFromThingGroup(ctx, registry.Membership{Group: "static", Thing: "a"}))
	requireMembers(t, s, "inStatic")
	requireMembers(t, s, "alone", "a", "b", "c")

	// Another query, other members.
	version, err := s.UpdateDynamicThingGroup(ctx, registry.UpdateDynamicGroupInput{Name: "alone", Query: "thingName:[b TO c]"})
	require.NoError(t, err)
	require.EqualValues(t, 2, version)
	requireMembers(t, s, "alone", "b", "c")
	info, err := s.DescribeThingGroup(ctx, "alone")
	require.NoError(t, err)
	require.Equal(t, registry.IndexActive, info.Status)
	err = s.AddThingToThingGroup(ctx, registry.Membership{Group: "alone", Thing: "a"})
	is(t, err, registry.ErrInvalid, "is dynamic")

	require.NoError(t, s.DeleteDynamicThingGroup(ctx, "alone", nil))
	requireFound(t, s, "thingGroupNames:alone")
	_, _, err = s.ListThingsInThingGroup(ctx, "alone", false, registry.Page{})
	is(t, err, registry.ErrNotFound, "alone")

	// Without an index of things dynamic groups are empty, and full again with one.
	createDynamic(t, s, "all", "*")
	requireMembers(t, s, "all", "a", "b", "c")
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{}}))
	names, _, err := s.ListThingsInThingGroup(ctx, "all", false, registry.Page{})
	require.NoError(t, err)
	require.Empty(t, names)
	info, err = s.DescribeThingGroup(ctx, "all")
	require.NoError(t, err)
	require.Equal(t, registry.IndexBuilding, info.Status)
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, everything()))
	requireMembers(t, s, "all", "a", "b", "c")
}

// A group whose query is about what is not indexed any more has no members.
func TestDynamicThingGroup_Void(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := indexed(t, everything())
	create(t, s, "a", "b")
	createDynamic(t, s, "calm", "NOT shadow.hasDelta:true")
	createDynamic(t, s, "all", "*")
	requireMembers(t, s, "calm", "a", "b")
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{Mode: registry.IndexRegistry}}))
	create(t, s, "c")
	requireMembers(t, s, "calm")
	requireMembers(t, s, "all", "a", "b", "c")
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, everything()))
	requireMembers(t, s, "calm", "a", "b", "c")
}

// Case matters in the names of groups, other than in searches for them.
func TestDynamicThingGroup_Case(t *testing.T) {
	t.Parallel()
	s := indexed(t, everything())
	create(t, s, "a", "b")
	createDynamic(t, s, "Group", "thingName:a")
	createDynamic(t, s, "group", "thingName:b")
	for group, want := range map[string][]string{"Group": {"a"}, "group": {"b"}} {
		names, _, err := s.ListThingsInThingGroup(t.Context(), group, false, registry.Page{})
		require.NoError(t, err)
		require.Equal(t, want, names)
	}
	requireFound(t, s, "thingGroupNames:group", "a", "b")
}

// A thing is in no more groups than it may be: static ones go first, then the oldest.
func TestDynamicThingGroup_Room(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := indexed(t, everything(), func(c *registry.Config) { c.Limits.GroupsPerThing = 2 })
	create(t, s, "a")
	createGroups(t, s, "s1", "s2", "s3")
	createDynamic(t, s, "d1", "thingName:a")
	createDynamic(t, s, "d2", "thingName:a")
	createDynamic(t, s, "d3", "thingName:a")
	groups := func() string {
		t.Helper()
		list, _, err := s.ListThingGroupsForThing(ctx, "a", registry.Page{})
		require.NoError(t, err)
		var names []string
		for _, g := range list {
			names = append(names, g.Name)
		}
		return strings.Join(names, " ")
	}
	require.Equal(t, "d1 d2", groups())
	err := s.AddThingToThingGroup(ctx, registry.Membership{Group: "s1", Thing: "a"})
	is(t, err, registry.ErrInvalid, "would be in 3 thing groups")
	require.NoError(t, s.AddThingToThingGroup(ctx, registry.Membership{Group: "s1", Thing: "a", OverrideDynamicGroups: true}))
	require.Equal(t, "d1 s1", groups())
	require.NoError(t, s.DeleteDynamicThingGroup(ctx, "d1", nil))
	require.Equal(t, "d2 s1", groups(), "the next takes the place")
	_, err = s.UpdateDynamicThingGroup(ctx, registry.UpdateDynamicGroupInput{Name: "d2", Query: "thingName:b"})
	require.NoError(t, err)
	require.Equal(t, "d3 s1", groups())
	require.NoError(t, s.AddThingToThingGroup(ctx, registry.Membership{Group: "s2", Thing: "a", OverrideDynamicGroups: true}))
	require.Equal(t, "s1 s2", groups())
	require.NoError(t, s.DeleteThingGroup(ctx, "s1", nil))
	require.Equal(t, "d3 s2", groups())
}

// Who listens hears of every membership, dynamic ones too, with the group's id.
func TestDynamicThingGroup_Events(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	heard := &recorder{}
	s := indexed(t, everything(), func(c *registry.Config) { c.Publisher = heard })
	create(t, s, "a", "b")
	require.NoError(t, s.UpdateEventConfigurations(ctx, map[registry.EventType]bool{registry.EventThingGroupMembership: true}))
	event := func(group, thing, what string) string {
		return fmt.Sprintf("$aws/events/thingGroupMembership/thingGroup/%s/thing/%s/%s", group, thing, what)
	}
	createDynamic(t, s, "all", "*")
	require.Equal(t, []string{event("all", "a", "added"), event("all", "b", "added")}, heard.take())
	g := createDynamic(t, s, "on", "shadow.reported.n:1")
	require.Empty(t, heard.take())
	s.ShadowChanged("a", "", []byte(reported(1)))
	require.Equal(t, g.ID, heard.body(t)["groupId"])
	s.ShadowChanged("a", "", []byte(reported(1)))
	require.Empty(t, heard.take(), "nothing changed")
	_, err := s.UpdateDynamicThingGroup(ctx, registry.UpdateDynamicGroupInput{Name: "on", Query: "thingName:b"})
	require.NoError(t, err)
	require.Equal(t, []string{event("on", "a", "removed"), event("on", "b", "added")}, heard.take())
	require.NoError(t, s.DeleteDynamicThingGroup(ctx, "on", nil))
	require.Equal(t, g.ID, heard.body(t)["groupId"], "the group is gone, but it is known which it was")
	create(t, s, "c")
	require.Equal(t, []string{event("all", "c", "added")}, heard.take())
	require.NoError(t, s.DeleteThing(ctx, "c", nil))
	require.Equal(t, []string{event("all", "c", "removed")}, heard.take())
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{}}))
	require.Equal(t, []string{event("all", "a", "removed"), event("all", "b", "removed")}, heard.take())
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, everything()))
	require.Equal(t, []string{event("all", "a", "added"), event("all", "b", "added")}, heard.take())
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{Mode: registry.IndexRegistry}}))
	require.Empty(t, heard.take(), "the same things are in the same groups")
}

// A listener may call the service, even with what made the event.
func TestDynamicThingGroup_ListenerCalls(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	heard := &recorder{}
	s := indexed(t, everything(), func(c *registry.Config) { c.Publisher = heard })
	create(t, s, "a")
	require.NoError(t, s.UpdateEventConfigurations(ctx, map[registry.EventType]bool{registry.EventThingGroupMembership: true}))
	var errs []error
	heard.then = func(topic string) {
		switch {
		case strings.HasSuffix(topic, "/first/thing/a/added"):
			_, err := s.CreateDynamicThingGroup(ctx, registry.CreateDynamicGroupInput{Name: "second", Query: "thingName:a"})
			errs = append(errs, err, s.DeleteDynamicThingGroup(ctx, "first", nil))
		case strings.HasSuffix(topic, "/first/thing/a/removed"):
			errs = append(errs, s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{}}))
		case strings.HasSuffix(topic, "/second/thing/a/removed"):
			errs = append(errs, s.UpdateIndexingConfiguration(ctx, everything()))
		}
	}
	createDynamic(t, s, "first", "*")
	require.Equal(t, []error{nil, nil, nil, nil}, errs)
	requireMembers(t, s, "second", "a")
}

package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// Changed is told of whatever changes a thing, its principals or its groups, when it is
// in effect.
func TestChanged(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var told map[string][]string // the groups that a thing was in when Changed was called
	var s *registry.Service
	s, err := registry.New(registry.Config{Changed: func(thing string) {
		groups, err := s.GroupsAbove(ctx, thing)
		require.NoError(t, err)
		told[thing] = groups
	}})
	require.NoError(t, err)
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{Mode: registry.IndexRegistry}}))
	after := func(what string, f func() error, want map[string][]string) {
		t.Helper()
		told = map[string][]string{}
		require.NoError(t, f(), what)
		require.Equal(t, want, told, what)
	}
	group := func(name, parent string) func() error {
		return func() error {
			_, err := s.CreateThingGroup(ctx, registry.CreateGroupInput{Name: name, Parent: parent})
			return err
		}
	}
	none := map[string][]string{}
	after("a group", group("top", ""), none)
	after("a group below", group("low", "top"), none)
	create := func() error {
		_, err := s.CreateThing(ctx, registry.CreateThingInput{Name: "a"})
		return err
	}
	after("create", create, map[string][]string{"a": nil})
	after("attach", func() error { return s.AttachThingPrincipal(ctx, registry.Attachment{Thing: "a", Principal: "p"}) }, map[string][]string{"a": nil})
	member := registry.Membership{Group: "low", Thing: "a"}
	after("join", func() error { return s.AddThingToThingGroup(ctx, member) }, map[string][]string{"a": {"low", "top"}})
	dynamic := func() error {
		_, err := s.CreateDynamicThingGroup(ctx, registry.CreateDynamicGroupInput{Name: "hot", Query: "attributes.x:1"})
		return err
	}
	after("a dynamic group that it is not in", dynamic, none)
	update := func() error {
		_, err := s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", Attributes: map[string]string{"x": "1"}})
		return err
	}
	after("a dynamic group joined", update, map[string][]string{"a": {"hot", "low", "top"}})
	after("leave", func() error { return s.RemoveThingFromThingGroup(ctx, member) }, map[string][]string{"a": {"hot"}})
	after("detach", func() error { return s.DetachThingPrincipal(ctx, "a", "p") }, map[string][]string{"a": {"hot"}})
	after("delete", func() error { return s.DeleteThing(ctx, "a", nil) }, map[string][]string{"a": nil})
}

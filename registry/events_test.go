package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// newEvents returns a service with all its events on, and what records them.
func newEvents(t *testing.T) (*registry.Service, *recorder) {
	t.Helper()
	r := &recorder{}
	s := newService(t, func(c *registry.Config) { c.Publisher = r })
	on := make(map[registry.EventType]bool)
	c, err := s.DescribeEventConfigurations(t.Context())
	require.NoError(t, err)
	for typ := range c.Enabled {
		on[typ] = true
	}
	require.NoError(t, s.UpdateEventConfigurations(t.Context(), on))
	return s, r
}

func TestEventConfigurations(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := registry.NewMemory()
	r := &recorder{}
	open := func() *registry.Service {
		s, err := registry.New(registry.Config{Store: store, Publisher: r})
		require.NoError(t, err)
		return s
	}
	s := open()
	c, err := s.DescribeEventConfigurations(ctx)
	require.NoError(t, err)
	require.Len(t, c.Enabled, 11)
	for typ, on := range c.Enabled {
		require.False(t, on, typ)
		require.False(t, s.EventEnabled(typ))
	}
	require.Zero(t, c.Created)
	create(t, s, "a")
	require.Empty(t, r.take(), "events are off at first")

	is(t, s.UpdateEventConfigurations(ctx, map[registry.EventType]bool{registry.EventThing: true, "THINGS": true}), registry.ErrInvalid, "THING_GROUP_HIERARCHY")
	require.False(t, s.EventEnabled(registry.EventThing), "what was refused must change nothing")
	require.NoError(t, s.UpdateEventConfigurations(ctx, map[registry.EventType]bool{registry.EventThing: true, registry.EventJob: true}))
	require.NoError(t, s.UpdateEventConfigurations(ctx, map[registry.EventType]bool{registry.EventJob: false}))
	c, err = s.DescribeEventConfigurations(ctx)
	require.NoError(t, err)
	require.True(t, c.Enabled[registry.EventThing])
	require.False(t, c.Enabled[registry.EventJob])
	require.Len(t, c.Enabled, 11)
	require.WithinDuration(t, time.Now(), c.Created, time.Hour)
	require.False(t, c.Modified.Before(c.Created))
	create(t, s, "b")
	require.Equal(t, []string{"$aws/events/thing/b/created"}, r.take())

	s = open()
	require.True(t, s.EventEnabled(registry.EventThing), "the store remembers")
	create(t, s, "c")
	require.Equal(t, []string{"$aws/events/thing/c/created"}, r.take())
}

func TestDamagedEventConfigurations(t *testing.T) {
	t.Parallel()
	store := registry.NewMemory()
	require.NoError(t, store.Settings().Put(t.Context(), "events", registry.Setting{Value: "{", Version: 1}, 0))
	_, err := registry.New(registry.Config{Store: store})
	require.ErrorContains(t, err, "setting events is damaged")
}

func TestThingEvents(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, r := newEvents(t)
	a, err := s.CreateThing(ctx, registry.CreateThingInput{Name: "a", Attributes: map[string]string{"k": "v"}})
	require.NoError(t, err)
	want := map[string]any{
		"eventType": "THING_EVENT", "operation": "CREATED", "accountId": "123456789012", "thingId": a.ID, "thingName": "a",
		"versionNumber": 1.0, "thingTypeName": nil, "attributes": map[string]any{"k": "v"},
	}
	require.Equal(t, want, r.body(t))
	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "a", Attributes: map[string]string{"k": "v"}})
	require.NoError(t, err)
	require.Empty(t, r.take(), "nothing happened")

	_, err = s.CreateThingType(ctx, "pump", registry.TypeProperties{}, nil)
	require.NoError(t, err)
	_, err = s.CreateThingType(ctx, "valve", registry.TypeProperties{}, nil)
	require.NoError(t, err)
	r.take()
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", Type: "pump", Attributes: map[string]string{}})
	require.NoError(t, err)
	require.Equal(t, []string{"$aws/events/thing/a/updated", "$aws/events/thingTypeAssociation/thing/a/thingType/pump/added"}, r.take())
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", Type: "valve"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"$aws/events/thing/a/updated", "$aws/events/thingTypeAssociation/thing/a/thingType/pump/removed",
		"$aws/events/thingTypeAssociation/thing/a/thingType/valve/added",
	}, r.take())
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a"})
	require.NoError(t, err)
	want["operation"], want["versionNumber"], want["thingTypeName"], want["attributes"] = "UPDATED", 4.0, "valve", map[string]any{}
	require.Equal(t, want, r.body(t))
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", ExpectedVersion: ptr(int64(1))})
	require.Error(t, err)
	require.Empty(t, r.take())

	createGroups(t, s, "g")
	join(t, s, "g", "a")
	r.take()
	require.NoError(t, s.DeleteThing(ctx, "a", nil))
	require.Equal(t, []string{
		"$aws/events/thingGroupMembership/thingGroup/g/thing/a/removed",
		"$aws/events/thingTypeAssociation/thing/a/thingType/valve/removed", "$aws/events/thing/a/deleted",
	}, r.take())
	require.NoError(t, s.DeleteThing(ctx, "a", nil))
	require.Empty(t, r.take())
}

func TestTypeEvents(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := &recorder{}
	s := newService(t, func(c *registry.Config) { c.Publisher, c.Limits.TypeDeletionDelay = r, -1 })
	require.NoError(t, s.UpdateEventConfigurations(ctx, map[registry.EventType]bool{registry.EventThingType: true}))
	typ, err := s.CreateThingType(ctx, "pump", registry.TypeProperties{
		Description: ptr("d"), SearchableAttributes: []string{"a"}, PropagatingAttributes: []registry.PropagatingAttribute{{Key: "k", ThingAttribute: "a"}},
	}, nil)
	require.NoError(t, err)
	want := map[string]any{
		"eventType": "THING_TYPE_EVENT", "operation": "CREATED", "accountId": "123456789012", "thingTypeId": typ.ID, "thingTypeName": "pump",
		"isDeprecated": false, "deprecationDate": nil, "searchableAttributes": []any{"a"}, "description": "d",
		"propagatingAttributes": []any{map[string]any{"userPropertyKey": "k", "thingAttribute": "a"}},
	}
	require.Equal(t, want, r.body(t))
	require.NoError(t, s.DeprecateThingType(ctx, "pump", true))
	require.Empty(t, r.take(), "it is not deprecated")
	require.NoError(t, s.DeprecateThingType(ctx, "pump", false))
	typ, err = s.DescribeThingType(ctx, "pump")
	require.NoError(t, err)
	want["operation"], want["isDeprecated"], want["deprecationDate"] = "UPDATED", true, float64(typ.Deprecated.UnixMilli())
	require.Equal(t, want, r.body(t))
	require.NoError(t, s.DeleteThingType(ctx, "pump"))
	require.Equal(t, []string{"$aws/events/thingType/pump/deleted"}, r.take())
}

func TestGroupEvents(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, r := newEvents(t)
	createGroups(t, s, "root", "root/mid")
	require.Equal(t, []string{
		"$aws/events/thingGroup/root/created", "$aws/events/thingGroup/mid/created", "$aws/events/thingGroupHierarchy/thingGroup/root/childThingGroup/mid/added",
	}, r.take())
	_, err := s.UpdateThingGroup(ctx, registry.UpdateGroupInput{Name: "mid", GroupProperties: registry.GroupProperties{Description: ptr("d"), Attributes: map[string]string{"a": "b"}}})
	require.NoError(t, err)
	root, err := s.DescribeThingGroup(ctx, "root")
	require.NoError(t, err)
	mid, err := s.DescribeThingGroup(ctx, "mid")
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"eventType": "THING_GROUP_EVENT", "operation": "UPDATED", "accountId": "123456789012", "thingGroupId": mid.ID, "thingGroupName": "mid",
		"versionNumber": 2.0, "parentGroupName": "root", "parentGroupId": root.ID, "description": "d",
		"rootToParentThingGroups": []any{map[string]any{"groupArn": arnPrefix + "thinggroup/root", "groupId": root.ID}},
		"attributes":              map[string]any{"a": "b"}, "dynamicGroupMappingId": nil,
	}, r.body(t))

	create(t, s, "a")
	r.take()
	join(t, s, "mid", "a")
	a, err := s.DescribeThing(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"eventType": "THING_GROUP_MEMBERSHIP_EVENT", "operation": "ADDED", "accountId": "123456789012", "groupArn": arnPrefix + "thinggroup/mid",
		"groupId": mid.ID, "thingArn": arnPrefix + "thing/a", "thingId": a.ID, "membershipId": a.ID + "-" + mid.ID,
	}, r.body(t))
	join(t, s, "mid", "a")
	require.Empty(t, r.take())
	require.NoError(t, s.DeleteThingGroup(ctx, "mid", nil))
	require.Equal(t, []string{
		"$aws/events/thingGroupMembership/thingGroup/mid/thing/a/removed", "$aws/events/thingGroupHierarchy/thingGroup/root/childThingGroup/mid/removed",
		"$aws/events/thingGroup/mid/deleted",
	}, r.take())
}

// The events of one thing keep their order, however many change it, and a publisher
// may call the service.
func TestEventOrder(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, r := newEvents(t)
	var reads sync.WaitGroup
	r.then = func(string) {
		reads.Add(1)
		defer reads.Done()
		_, err := s.UpdateThing(ctx, registry.UpdateThingInput{Name: "other"})
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("UpdateThing: %v", err)
		}
	}
	create(t, s, "a")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a"}); err != nil {
					t.Errorf("UpdateThing: %v", err)
				}
			}
		})
	}
	wg.Wait()
	reads.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(t, r.bodies, 401)
	for i, body := range r.bodies {
		var e struct{ VersionNumber int }
		require.NoError(t, json.Unmarshal([]byte(body), &e))
		require.Equal(t, i+1, e.VersionNumber)
	}
}

// A publisher that fails is told of and holds nothing up.
func TestEventNotPublished(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := &recorder{err: errors.New("no hub")}
	var log strings.Builder
	s := newService(t, func(c *registry.Config) {
		c.Publisher, c.Logger = r, slog.New(slog.NewTextHandler(&log, nil))
	})
	require.NoError(t, s.UpdateEventConfigurations(ctx, map[registry.EventType]bool{registry.EventThing: true}))
	for i := range 3 {
		create(t, s, fmt.Sprint("t", i))
	}
	require.Len(t, r.take(), 3)
	require.Equal(t, 3, strings.Count(log.String(), "registry event not published"))
	require.Contains(t, log.String(), "no hub")
}

package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

func TestCreateThingType(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	p := registry.TypeProperties{
		Description: ptr("A pump, grün"), SearchableAttributes: []string{"site", "model", "site"},
		PropagatingAttributes: []registry.PropagatingAttribute{{Key: "m", ThingAttribute: "model"}, {Key: "c", ConnectionAttribute: "iot:ClientId"}},
	}
	got, err := s.CreateThingType(ctx, "pump", p, map[string]string{"k": "v"})
	require.NoError(t, err)
	require.Len(t, got.ID, 36)
	require.WithinDuration(t, time.Now(), got.Created, time.Hour)
	require.Equal(t, []string{"model", "site"}, got.SearchableAttributes)
	require.Zero(t, got.Deprecated)
	stored, err := s.DescribeThingType(ctx, "pump")
	require.NoError(t, err)
	require.Equal(t, got, stored)
	require.Equal(t, arnPrefix+"thingtype/pump", s.TypeARN("pump"))

	p.SearchableAttributes = []string{"model", "site"}
	p.PropagatingAttributes[0], p.PropagatingAttributes[1] = p.PropagatingAttributes[1], p.PropagatingAttributes[0]
	again, err := s.CreateThingType(ctx, "pump", p, nil)
	require.NoError(t, err, "the order says nothing")
	require.Equal(t, stored, again)
	tags, _, err := s.ListTagsForResource(ctx, s.TypeARN("pump"), registry.Page{})
	require.NoError(t, err)
	require.Equal(t, []registry.Tag{{Key: "k", Value: "v"}}, tags)

	for name, other := range map[string]registry.TypeProperties{
		"nothing":           {},
		"other description": {Description: ptr("x"), SearchableAttributes: p.SearchableAttributes, PropagatingAttributes: p.PropagatingAttributes},
		"fewer attributes":  {Description: p.Description, SearchableAttributes: []string{"site"}, PropagatingAttributes: p.PropagatingAttributes},
		"no propagation":    {Description: p.Description, SearchableAttributes: p.SearchableAttributes},
	} {
		_, err := s.CreateThingType(ctx, "pump", other, nil)
		e := as(t, err, registry.ErrExists, "Thing type pump already exists")
		require.Equal(t, stored.ID, e.ResourceID, name)
		require.Equal(t, arnPrefix+"thingtype/pump", e.ResourceARN, name)
	}
	_, err = s.CreateThingType(ctx, "bare", registry.TypeProperties{}, nil)
	require.NoError(t, err)
	_, err = s.CreateThingType(ctx, "bare", registry.TypeProperties{Description: ptr(""), SearchableAttributes: []string{}}, nil)
	require.NoError(t, err, "absent and empty are the same")
}

func TestThingTypeForms(t *testing.T) {
	t.Parallel()
	s := newService(t)
	props := "thingTypeProperties."
	for name, c := range map[string]struct {
		typ   string
		p     registry.TypeProperties
		field string
	}{
		"no name":                {"", registry.TypeProperties{}, "thingTypeName"},
		"bad name":               {"a b", registry.TypeProperties{}, "thingTypeName"},
		"long description":       {"a", registry.TypeProperties{Description: ptr(strings.Repeat("ü", 2029))}, props + "thingTypeDescription"},
		"newline":                {"a", registry.TypeProperties{Description: ptr("a\nb")}, props + "thingTypeDescription"},
		"not UTF-8":              {"a", registry.TypeProperties{Description: ptr("a\xff")}, props + "thingTypeDescription"},
		"four searchable":        {"a", registry.TypeProperties{SearchableAttributes: []string{"a", "b", "c", "d"}}, props + "searchableAttributes"},
		"bad searchable":         {"a", registry.TypeProperties{SearchableAttributes: []string{"a b"}}, props + "searchableAttributes.member"},
		"propagating without":    {"a", registry.TypeProperties{PropagatingAttributes: []registry.PropagatingAttribute{{Key: "a"}}}, props + "mqtt5Configuration.propagatingAttributes"},
		"propagating both":       {"a", registry.TypeProperties{PropagatingAttributes: []registry.PropagatingAttribute{{Key: "a", ThingAttribute: "b", ConnectionAttribute: "c"}}}, props + "mqtt5Configuration.propagatingAttributes"},
		"propagating twice":      {"a", registry.TypeProperties{PropagatingAttributes: []registry.PropagatingAttribute{{Key: "a", ThingAttribute: "b"}, {Key: "a", ThingAttribute: "c"}}}, props + "mqtt5Configuration.propagatingAttributes"},
		"propagating bad key":    {"a", registry.TypeProperties{PropagatingAttributes: []registry.PropagatingAttribute{{Key: "a-b", ThingAttribute: "b"}}}, props + "mqtt5Configuration.propagatingAttributes.userPropertyKey"},
		"propagating bad source": {"a", registry.TypeProperties{PropagatingAttributes: []registry.PropagatingAttribute{{Key: "a", ThingAttribute: "b c"}}}, props + "mqtt5Configuration.propagatingAttributes.thingAttribute"},
	} {
		_, err := s.CreateThingType(t.Context(), c.typ, c.p, nil)
		require.Equal(t, c.field, as(t, err, registry.ErrInvalid, "").Field, name)
		_, err = s.UpdateThingType(t.Context(), c.typ, c.p)
		require.Equal(t, c.field, as(t, err, registry.ErrInvalid, "").Field, name)
	}
	_, err := s.CreateThingType(t.Context(), "a", registry.TypeProperties{Description: ptr(strings.Repeat("ü", 2028))}, nil)
	require.NoError(t, err)
}

func TestUpdateThingType(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	_, err := s.UpdateThingType(ctx, "pump", registry.TypeProperties{})
	is(t, err, registry.ErrNotFound, "Thing type pump cannot be found.")
	was, err := s.CreateThingType(ctx, "pump", registry.TypeProperties{Description: ptr("d"), SearchableAttributes: []string{"a"}}, nil)
	require.NoError(t, err)
	got, err := s.UpdateThingType(ctx, "pump", registry.TypeProperties{SearchableAttributes: []string{"c", "b"}})
	require.NoError(t, err)
	require.Equal(t, []string{"b", "c"}, got.SearchableAttributes)
	require.Equal(t, "d", got.Description, "absent leaves things as they are")
	require.Equal(t, was.ID, got.ID)
	got, err = s.UpdateThingType(ctx, "pump", registry.TypeProperties{Description: ptr(""), SearchableAttributes: []string{}})
	require.NoError(t, err)
	require.Empty(t, got.Description)
	require.Empty(t, got.SearchableAttributes)
}

func TestDeprecatedType(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	is(t, s.DeprecateThingType(ctx, "pump", false), registry.ErrNotFound, "Thing type pump")
	_, err := s.CreateThingType(ctx, "pump", registry.TypeProperties{}, nil)
	require.NoError(t, err)
	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "old", Type: "pump"})
	require.NoError(t, err)
	create(t, s, "other")
	require.NoError(t, s.DeprecateThingType(ctx, "pump", false))
	require.NoError(t, s.DeprecateThingType(ctx, "pump", false), "twice is fine")
	typ, err := s.DescribeThingType(ctx, "pump")
	require.NoError(t, err)
	require.NotZero(t, typ.Deprecated)

	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "new", Type: "pump"})
	is(t, err, registry.ErrInvalid, "deprecated thing type")
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "other", Type: "pump"})
	is(t, err, registry.ErrInvalid, "deprecated thing type")
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "old", Type: "pump", Attributes: map[string]string{"a": "b"}})
	require.NoError(t, err, "a thing keeps its type")
	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "old", Type: "pump", Attributes: map[string]string{"a": "b"}})
	require.NoError(t, err, "created again as it is")

	require.NoError(t, s.DeprecateThingType(ctx, "pump", true))
	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "new", Type: "pump"})
	require.NoError(t, err)
	typ, err = s.DescribeThingType(ctx, "pump")
	require.NoError(t, err)
	require.Zero(t, typ.Deprecated)
}

func TestDeleteThingType(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := newService(t)
		is(t, s.DeleteThingType(ctx, "pump"), registry.ErrNotFound, "Thing type pump")
		_, err := s.CreateThingType(ctx, "pump", registry.TypeProperties{}, map[string]string{"k": "v"})
		require.NoError(t, err)
		_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "a", Type: "pump"})
		require.NoError(t, err)
		time.Sleep(time.Hour)
		err = s.DeleteThingType(ctx, "pump")
		is(t, err, registry.ErrDeleteConflict, "it is not deprecated")
		require.ErrorIs(t, err, registry.ErrInvalid)
		require.NoError(t, s.DeprecateThingType(ctx, "pump", false))
		time.Sleep(5*time.Minute - time.Second)
		is(t, s.DeleteThingType(ctx, "pump"), registry.ErrDeleteConflict, "please wait for 5m0s after deprecation")
		require.NoError(t, s.DeprecateThingType(ctx, "pump", false), "deprecating again does not begin anew")
		time.Sleep(time.Second)
		is(t, s.DeleteThingType(ctx, "pump"), registry.ErrDeleteConflict, "it is the type of thing a")
		_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", RemoveType: true})
		require.NoError(t, err)
		require.NoError(t, s.DeleteThingType(ctx, "pump"))
		_, err = s.DescribeThingType(ctx, "pump")
		is(t, err, registry.ErrNotFound, "Thing type pump")

		quick := newService(t, func(c *registry.Config) { c.Limits.TypeDeletionDelay = -1 })
		_, err = quick.CreateThingType(ctx, "pump", registry.TypeProperties{}, nil)
		require.NoError(t, err)
		require.NoError(t, quick.DeprecateThingType(ctx, "pump", false))
		require.NoError(t, quick.DeleteThingType(ctx, "pump"))
	})
}

func TestListThingTypes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	types, next, err := s.ListThingTypes(ctx, "", registry.Page{})
	require.NoError(t, err)
	require.Empty(t, next)
	require.NotNil(t, types)
	for i := range 5 {
		_, err := s.CreateThingType(ctx, fmt.Sprint("t", 4-i), registry.TypeProperties{}, nil)
		require.NoError(t, err)
	}
	var names []string
	page := registry.Page{Max: 2}
	for {
		types, next, err := s.ListThingTypes(ctx, "", page)
		require.NoError(t, err)
		for _, typ := range types {
			names = append(names, typ.Name)
		}
		if page.Token = next; next == "" {
			break
		}
	}
	require.Equal(t, []string{"t0", "t1", "t2", "t3", "t4"}, names)
	types, next, err = s.ListThingTypes(ctx, "t3", registry.Page{Max: 1})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Len(t, types, 1)
	require.Equal(t, "t3", types[0].Name)
	types, _, err = s.ListThingTypes(ctx, "none", registry.Page{})
	require.NoError(t, err)
	require.Empty(t, types)
	_, _, err = s.ListThingTypes(ctx, "a b", registry.Page{})
	is(t, err, registry.ErrInvalid, "thingTypeName")
}

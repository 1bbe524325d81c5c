package registry_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

func TestCreateThing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	in := registry.CreateThingInput{Name: "pump-1", Attributes: map[string]string{"site": "north", "gone": ""}}
	got, err := s.CreateThing(ctx, in)
	require.NoError(t, err)
	require.Len(t, got.ID, 36)
	require.Equal(t, registry.Thing{Name: "pump-1", ID: got.ID, Attributes: map[string]string{"site": "north"}, Version: 1}, got)
	require.Equal(t, arnPrefix+"thing/pump-1", s.ThingARN("pump-1"))

	in.Attributes["site"] = "changed by the caller"
	got.Attributes["site"] = "changed by the caller"
	stored, err := s.DescribeThing(ctx, "pump-1")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"site": "north"}, stored.Attributes)

	t.Run("same again", func(t *testing.T) {
		again, err := s.CreateThing(ctx, registry.CreateThingInput{Name: "pump-1", Attributes: map[string]string{"site": "north"}})
		require.NoError(t, err)
		require.Equal(t, stored, again)
	})
	t.Run("configured otherwise", func(t *testing.T) {
		_, err := s.CreateThing(ctx, registry.CreateThingInput{Name: "pump-1"})
		e := as(t, err, registry.ErrExists, "Thing pump-1 already exists in account with different attributes")
		require.Equal(t, stored.ID, e.ResourceID)
		require.Equal(t, arnPrefix+"thing/pump-1", e.ResourceARN)
	})
	t.Run("names are case sensitive", func(t *testing.T) {
		other, err := s.CreateThing(ctx, registry.CreateThingInput{Name: "Pump-1"})
		require.NoError(t, err)
		require.NotEqual(t, stored.ID, other.ID)
	})
	t.Run("created again it is another", func(t *testing.T) {
		require.NoError(t, s.DeleteThing(ctx, "pump-1", nil))
		again, err := s.CreateThing(ctx, registry.CreateThingInput{Name: "pump-1"})
		require.NoError(t, err)
		require.NotEqual(t, stored.ID, again.ID)
		require.EqualValues(t, 1, again.Version)
	})
}

func TestCreateThingWithTypeAndBillingGroup(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	in := registry.CreateThingInput{Name: "a", Type: "pump", BillingGroup: "north"}
	_, err := s.CreateThing(ctx, in)
	is(t, err, registry.ErrNotFound, "Thing type pump cannot be found.")
	_, err = s.CreateThingType(ctx, "pump", registry.TypeProperties{}, nil)
	require.NoError(t, err)
	_, err = s.CreateThing(ctx, in)
	is(t, err, registry.ErrNotFound, "Billing group north cannot be found.")
	_, err = s.DescribeThing(ctx, "a")
	is(t, err, registry.ErrNotFound, "Thing a cannot be found.")
	_, err = s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "north"})
	require.NoError(t, err)

	a, err := s.CreateThing(ctx, in)
	require.NoError(t, err)
	require.Equal(t, "pump", a.Type)
	group, err := s.ThingBillingGroup(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "north", group)
	again, err := s.CreateThing(ctx, in)
	require.NoError(t, err)
	require.Equal(t, a, again)
	for _, other := range []registry.CreateThingInput{{Name: "a"}, {Name: "a", Type: "pump"}, {Name: "a", BillingGroup: "north"}, {Name: "a", Type: "valve", BillingGroup: "north"}} {
		_, err := s.CreateThing(ctx, other)
		is(t, err, registry.ErrExists, "Thing a already exists")
	}
}

func TestThingForms(t *testing.T) {
	t.Parallel()
	s := newService(t)
	long := strings.Repeat("x", 129)
	for name, c := range map[string]struct {
		in    registry.CreateThingInput
		field string
		want  string
	}{
		"no name":              {registry.CreateThingInput{}, "thingName", "Member must have length greater than or equal to 1"},
		"long name":            {registry.CreateThingInput{Name: long}, "thingName", "Member must have length less than or equal to 128"},
		"blank in name":        {registry.CreateThingInput{Name: "a b"}, "thingName", "Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+"},
		"slash in name":        {registry.CreateThingInput{Name: "a/b"}, "thingName", "regular expression"},
		"plus in name":         {registry.CreateThingInput{Name: "a+"}, "thingName", "regular expression"},
		"NUL in name":          {registry.CreateThingInput{Name: "a\x00"}, "thingName", "regular expression"},
		"umlaut in name":       {registry.CreateThingInput{Name: "ä"}, "thingName", "regular expression"},
		"newline in name":      {registry.CreateThingInput{Name: "a\n"}, "thingName", "regular expression"},
		"bad type":             {registry.CreateThingInput{Name: "a", Type: "b c"}, "thingTypeName", "regular expression"},
		"bad billing group":    {registry.CreateThingInput{Name: "a", BillingGroup: "b/c"}, "billingGroupName", "regular expression"},
		"no attribute name":    {registry.CreateThingInput{Name: "a", Attributes: map[string]string{"": "x"}}, "attributePayload.attributes.member.key", "greater than or equal to 1"},
		"long attribute name":  {registry.CreateThingInput{Name: "a", Attributes: map[string]string{long: "x"}}, "attributePayload.attributes.member.key", "less than or equal to 128"},
		"blank in attribute":   {registry.CreateThingInput{Name: "a", Attributes: map[string]string{"b c": "x"}}, "attributePayload.attributes.member.key", "[a-zA-Z0-9_.,@/:#-]+"},
		"equals in attribute":  {registry.CreateThingInput{Name: "a", Attributes: map[string]string{"b=c": "x"}}, "attributePayload.attributes.member.key", "regular expression"},
		"long attribute value": {registry.CreateThingInput{Name: "a", Attributes: map[string]string{"b": strings.Repeat("x", 801)}}, "attributePayload.attributes.b.member", "less than or equal to 800"},
		"blank in value":       {registry.CreateThingInput{Name: "a", Attributes: map[string]string{"b": "c d"}}, "attributePayload.attributes.b.member", `[a-zA-Z0-9_.,@/:#=\[\]-]*`},
		"umlaut in value":      {registry.CreateThingInput{Name: "a", Attributes: map[string]string{"b": "ü"}}, "attributePayload.attributes.b.member", "regular expression"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.CreateThing(t.Context(), c.in)
			e := as(t, err, registry.ErrInvalid, "1 validation error detected: Value '")
			require.Equal(t, c.field, e.Field)
			require.Contains(t, e.Want, c.want)
			require.Contains(t, e.Message, e.Want)
			require.Less(t, len(e.Message), 500, "what somebody sent must not fill the answer")
		})
	}
	for _, in := range []registry.CreateThingInput{
		{Name: strings.Repeat("x", 128)},
		{Name: "aZ09:_-"},
		{Name: "-"},
		{Name: "values", Attributes: map[string]string{"aZ09_.,@/:#-": "aZ09_.,@/:#=[]-", strings.Repeat("k", 128): strings.Repeat("v", 800)}},
	} {
		_, err := s.CreateThing(t.Context(), in)
		require.NoError(t, err, in.Name)
	}
}

func attributes(n, size int) map[string]string {
	m := make(map[string]string, n)
	for i := range n {
		m[fmt.Sprintf("a%03d", i)] = strings.Repeat("v", size)
	}
	return m
}

func TestThingLimits(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	_, err := s.CreateThingType(ctx, "pump", registry.TypeProperties{}, nil)
	require.NoError(t, err)

	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "a", Attributes: attributes(4, 1)})
	is(t, err, registry.ErrInvalid, "Thing a would have 4 attributes, at most 3 are allowed")
	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "a", Attributes: attributes(3, 1)})
	require.NoError(t, err)
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", Attributes: map[string]string{"more": "x"}, Merge: true})
	is(t, err, registry.ErrInvalid, "at most 3")
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", Attributes: map[string]string{"more": "x", "a000": ""}, Merge: true})
	require.NoError(t, err, "what is removed makes room")

	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "b", Type: "pump", Attributes: attributes(51, 1)})
	is(t, err, registry.ErrInvalid, "at most 50")
	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "b", Type: "pump", Attributes: attributes(50, 1)})
	require.NoError(t, err)
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "b", RemoveType: true})
	is(t, err, registry.ErrInvalid, "at most 3")
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "b", RemoveType: true, Attributes: map[string]string{}})
	require.NoError(t, err)

	small := newService(t, func(c *registry.Config) { c.Limits = registry.Limits{Attributes: -1, AttributeBytes: 100} })
	_, err = small.CreateThing(ctx, registry.CreateThingInput{Name: "a", Attributes: attributes(20, 1)})
	require.NoError(t, err, "20 times 4+1 bytes")
	_, err = small.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", Attributes: map[string]string{"a000": "vv"}, Merge: true})
	is(t, err, registry.ErrInvalid, "The attributes of Thing a would have 101 bytes, at most 100 are allowed")

	wide := newService(t, func(c *registry.Config) { c.Limits.Attributes = 100 })
	_, err = wide.CreateThing(ctx, registry.CreateThingInput{Name: "a", Attributes: attributes(59, 800)})
	require.NoError(t, err)
	_, err = wide.CreateThing(ctx, registry.CreateThingInput{Name: "b", Attributes: attributes(60, 800)})
	is(t, err, registry.ErrInvalid, "48240 bytes, at most 48128")
}

func TestUpdateThing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	for _, name := range []string{"pump", "valve"} {
		_, err := s.CreateThingType(ctx, name, registry.TypeProperties{}, nil)
		require.NoError(t, err)
	}
	_, err := s.CreateThing(ctx, registry.CreateThingInput{Name: "a", Attributes: map[string]string{"x": "1", "y": "2"}})
	require.NoError(t, err)
	version := int64(1)
	for _, step := range []struct {
		name string
		in   registry.UpdateThingInput
		attr map[string]string
		typ  string
	}{
		{"nothing", registry.UpdateThingInput{}, map[string]string{"x": "1", "y": "2"}, ""},
		{"merge", registry.UpdateThingInput{Attributes: map[string]string{"y": "3", "z": "4"}, Merge: true}, map[string]string{"x": "1", "y": "3", "z": "4"}, ""},
		{"an empty value removes", registry.UpdateThingInput{Attributes: map[string]string{"x": "", "none": ""}, Merge: true}, map[string]string{"y": "3", "z": "4"}, ""},
		{"merge nothing", registry.UpdateThingInput{Attributes: map[string]string{}, Merge: true}, map[string]string{"y": "3", "z": "4"}, ""},
		{"replace", registry.UpdateThingInput{Attributes: map[string]string{"q": "5", "r": ""}}, map[string]string{"q": "5"}, ""},
		{"set the type", registry.UpdateThingInput{Type: "pump"}, map[string]string{"q": "5"}, "pump"},
		{"change the type", registry.UpdateThingInput{Type: "valve", ExpectedVersion: ptr(int64(7))}, map[string]string{"q": "5"}, "valve"},
		{"replace by nothing", registry.UpdateThingInput{Attributes: map[string]string{}}, nil, "valve"},
		{"remove the type", registry.UpdateThingInput{RemoveType: true}, nil, ""},
		{"remove no type", registry.UpdateThingInput{RemoveType: true}, nil, ""},
	} {
		step.in.Name = "a"
		got, err := s.UpdateThing(ctx, step.in)
		require.NoError(t, err, step.name)
		version++
		require.Equal(t, version, got.Version, step.name)
		require.Equal(t, step.attr, got.Attributes, step.name)
		require.Equal(t, step.typ, got.Type, step.name)
		stored, err := s.DescribeThing(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, stored, got, step.name)
	}

	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", ExpectedVersion: ptr(int64(3))})
	is(t, err, registry.ErrVersion, "The version for thing a does not match the expected version")
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", Type: "pump", RemoveType: true})
	is(t, err, registry.ErrInvalid, "expected at most one")
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", Type: "none"})
	is(t, err, registry.ErrNotFound, "Thing type none")
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "none"})
	is(t, err, registry.ErrNotFound, "Thing none cannot be found.")
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", Attributes: map[string]string{"k": "ü"}})
	is(t, err, registry.ErrInvalid, "attributePayload")
	got, err := s.DescribeThing(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, version, got.Version, "what was refused must change nothing")
}

func TestDeleteThing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	require.NoError(t, s.DeleteThing(ctx, "none", nil))
	require.NoError(t, s.DeleteThing(ctx, "none", ptr(int64(3))))
	is(t, s.DeleteThing(ctx, "a b", nil), registry.ErrInvalid, "thingName")

	create(t, s, "a")
	is(t, s.DeleteThing(ctx, "a", ptr(int64(2))), registry.ErrVersion, "expected 2, it is 1")
	require.NoError(t, s.AttachThingPrincipal(ctx, registry.Attachment{Thing: "a", Principal: "p"}))
	err := s.DeleteThing(ctx, "a", nil)
	is(t, err, registry.ErrDeleteConflict, "Cannot delete. Thing a is still attached to one or more principals")
	require.ErrorIs(t, err, registry.ErrInvalid, "AWS has no other code for it")
	require.NoError(t, s.DetachThingPrincipal(ctx, "a", "p"))

	createGroups(t, s, "g")
	join(t, s, "g", "a")
	_, err = s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "b"})
	require.NoError(t, err)
	require.NoError(t, s.AddThingToBillingGroup(ctx, registry.Membership{Group: "b", Thing: "a"}))
	require.NoError(t, s.TagResource(ctx, s.ThingARN("a"), map[string]string{"k": "v"}))
	require.NoError(t, s.DeleteThing(ctx, "a", ptr(int64(1))))

	create(t, s, "a")
	groups, _, err := s.ListThingGroupsForThing(ctx, "a", registry.Page{})
	require.NoError(t, err)
	require.Empty(t, groups, "a new thing inherits nothing")
	billing, err := s.ThingBillingGroup(ctx, "a")
	require.NoError(t, err)
	require.Empty(t, billing)
	tags, _, err := s.ListTagsForResource(ctx, s.ThingARN("a"), registry.Page{})
	require.NoError(t, err)
	require.Empty(t, tags)
}

func TestListThings(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	for _, typ := range []string{"even", "odd", "unused"} {
		_, err := s.CreateThingType(ctx, typ, registry.TypeProperties{}, nil)
		require.NoError(t, err)
	}
	for i := range 20 {
		_, err := s.CreateThing(ctx, registry.CreateThingInput{
			Name: fmt.Sprintf("t%02d", i), Type: []string{"even", "odd"}[i%2],
			Attributes: map[string]string{"mod3": fmt.Sprint(i % 3), "name": fmt.Sprintf("x%02d", i)},
		})
		require.NoError(t, err)
	}
	create(t, s, "untyped")
	for name, c := range map[string]struct {
		f    registry.ThingFilter
		want string
	}{
		"all":                       {registry.ThingFilter{}, "t00 t01 t02 t03 t04 t05 t06 t07 t08 t09 t10 t11 t12 t13 t14 t15 t16 t17 t18 t19 untyped"},
		"type":                      {registry.ThingFilter{Type: "odd"}, "t01 t03 t05 t07 t09 t11 t13 t15 t17 t19"},
		"type without things":       {registry.ThingFilter{Type: "unused"}, ""},
		"no such type":              {registry.ThingFilter{Type: "none"}, ""},
		"attribute":                 {registry.ThingFilter{AttributeName: "mod3", AttributeValue: "1"}, "t01 t04 t07 t10 t13 t16 t19"},
		"attribute and type":        {registry.ThingFilter{AttributeName: "mod3", AttributeValue: "1", Type: "odd"}, "t01 t07 t13 t19"},
		"attribute with any value":  {registry.ThingFilter{AttributeName: "name", Type: "even"}, "t00 t02 t04 t06 t08 t10 t12 t14 t16 t18"},
		"prefix":                    {registry.ThingFilter{AttributeName: "name", AttributeValue: "x1", PrefixValue: true, Type: "even"}, "t10 t12 t14 t16 t18"},
		"a prefix is not the value": {registry.ThingFilter{AttributeName: "name", AttributeValue: "x1"}, ""},
		"values are case sensitive": {registry.ThingFilter{AttributeName: "name", AttributeValue: "X01"}, ""},
		"no such attribute":         {registry.ThingFilter{AttributeName: "none", AttributeValue: "1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{0, 1, 3, 7, 250} {
				var names []string
				page := registry.Page{Max: size}
				for {
					things, next, err := s.ListThings(ctx, c.f, page)
					require.NoError(t, err)
					require.NotNil(t, things)
					if next != "" {
						require.Len(t, things, size, "only the last page may be short")
					}
					for _, thing := range things {
						names = append(names, thing.Name)
						require.NotEmpty(t, thing.ID)
					}
					if next == "" {
						break
					}
					page.Token = next
				}
				require.Equal(t, c.want, strings.Join(names, " "), "pages of %d", size)
			}
		})
	}
}

func TestListThingsPaging(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	create(t, s, "a", "b", "c", "d")
	things, next, err := s.ListThings(ctx, registry.ThingFilter{}, registry.Page{Max: 2})
	require.NoError(t, err)
	require.Len(t, things, 2)

	for name, c := range map[string]struct {
		f     registry.ThingFilter
		p     registry.Page
		field string
	}{
		"negative":             {registry.ThingFilter{}, registry.Page{Max: -1}, "maxResults"},
		"too many":             {registry.ThingFilter{}, registry.Page{Max: 251}, "maxResults"},
		"not a token":          {registry.ThingFilter{}, registry.Page{Token: "b"}, "nextToken"},
		"not base64":           {registry.ThingFilter{}, registry.Page{Token: "!!"}, "nextToken"},
		"changed token":        {registry.ThingFilter{}, registry.Page{Token: next + "AAAA"}, "nextToken"},
		"another filter":       {registry.ThingFilter{Type: "x"}, registry.Page{Token: next}, "nextToken"},
		"value without name":   {registry.ThingFilter{AttributeValue: "x"}, registry.Page{}, "attributeName"},
		"bad type":             {registry.ThingFilter{Type: "x y"}, registry.Page{}, "thingTypeName"},
		"bad attribute":        {registry.ThingFilter{AttributeName: "x y"}, registry.Page{}, "attributeName"},
		"bad value":            {registry.ThingFilter{AttributeName: "x", AttributeValue: "ü"}, registry.Page{}, "attributeValue"},
		"token of other lists": {registry.ThingFilter{AttributeName: "x"}, registry.Page{Token: next}, "nextToken"},
	} {
		_, _, err := s.ListThings(ctx, c.f, c.p)
		require.Equal(t, c.field, as(t, err, registry.ErrInvalid, "").Field, name)
	}

	require.NoError(t, s.DeleteThing(ctx, "a", nil))
	require.NoError(t, s.DeleteThing(ctx, "b", nil))
	create(t, s, "bb")
	things, next, err = s.ListThings(ctx, registry.ThingFilter{}, registry.Page{Max: 2, Token: next})
	require.NoError(t, err)
	require.Equal(t, []string{"bb", "c"}, []string{things[0].Name, things[1].Name}, "a token outlives the thing it was made of")
	require.NotEmpty(t, next)
}

// Of many that create one thing differently exactly one wins, and all others see it.
func TestCreateThingConcurrently(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	const writers = 64
	for round := range 20 {
		name := fmt.Sprint("t", round)
		var won atomic.Int32
		var ids sync.Map
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				thing, err := s.CreateThing(ctx, registry.CreateThingInput{Name: name, Attributes: map[string]string{"i": fmt.Sprint(i)}})
				if err == nil {
					won.Add(1)
					ids.Store(thing.ID, true)
					return
				}
				var e *registry.Error
				if !isKind(err, registry.ErrExists, &e) {
					t.Errorf("CreateThing: %v", err)
					return
				}
				ids.Store(e.ResourceID, true)
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		require.Equal(t, 1, n, "all saw the same thing")
	}
}

// Versions are gapless, and one of those that expect the same version wins.
func TestUpdateThingConcurrently(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	create(t, s, "a")
	const writers, each = 16, 50
	var seen [writers*each + 2]atomic.Int32
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				thing, err := s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a"})
				if err != nil {
					t.Errorf("UpdateThing: %v", err)
					return
				}
				seen[thing.Version].Add(1)
			}
		})
	}
	wg.Wait()
	for v := 2; v < len(seen); v++ {
		require.EqualValues(t, 1, seen[v].Load(), "version %d", v)
	}
	var won atomic.Int32
	for range writers {
		wg.Go(func() {
			_, err := s.UpdateThing(ctx, registry.UpdateThingInput{Name: "a", ExpectedVersion: ptr(int64(writers*each + 1))})
			var e *registry.Error
			if err == nil {
				won.Add(1)
			} else if !isKind(err, registry.ErrVersion, &e) {
				t.Errorf("UpdateThing: %v", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
}

package registry_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// everything indexes all there is.
func everything() registry.IndexingConfiguration {
	return registry.IndexingConfiguration{
		Things: &registry.ThingIndexing{
			Mode: registry.IndexRegistryAndShadow, Connectivity: registry.IndexStatus,
			NamedShadows: registry.IndexOn, NamedShadowNames: []string{"config"},
		},
		Groups: &registry.GroupIndexing{Mode: registry.IndexOn},
	}
}

// indexed returns a service with an index.
func indexed(t *testing.T, c registry.IndexingConfiguration, change ...func(*registry.Config)) *registry.Service {
	t.Helper()
	s := newService(t, change...)
	require.NoError(t, s.UpdateIndexingConfiguration(t.Context(), c))
	return s
}

// search returns the names of what a query finds, and requires Count to agree.
func search(t *testing.T, s *registry.Service, index, query string) []string {
	t.Helper()
	names := []string{}
	p := registry.Page{Max: 2}
	for {
		r, next, err := s.SearchIndex(t.Context(), registry.Search{Index: index, Query: query}, p)
		require.NoError(t, err, query)
		for _, f := range r.Things {
			names = append(names, f.Name)
		}
		for _, f := range r.Groups {
			names = append(names, f.Name)
		}
		if p.Token = next; next == "" {
			break
		}
	}
	st, err := s.GetStatistics(t.Context(), registry.Search{Index: index, Query: query}, "")
	require.NoError(t, err)
	require.Equal(t, len(names), st.Count, query)
	return names
}

func requireFound(t *testing.T, s *registry.Service, query string, want ...string) {
	t.Helper()
	require.Equal(t, append([]string{}, want...), search(t, s, "", query), query)
}

func TestSearchIndex(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := indexed(t, everything())
	_, err := s.CreateThingType(ctx, "Pump", registry.TypeProperties{}, nil)
	require.NoError(t, err)
	createGroups(t, s, "all", "all/north", "Team")
	for _, in := range []registry.CreateThingInput{
		{Name: "pump-1", Type: "Pump", Attributes: map[string]string{"site": "North", "power": "75", "serial": "abcd"}},
		{Name: "pump-2", Type: "Pump", Attributes: map[string]string{"site": "south", "power": "80", "serial": "abce"}},
		{Name: "pump-3", Type: "Pump", Attributes: map[string]string{"site": "north", "power": "9", "serial": "007"}},
		{Name: "fan", Attributes: map[string]string{"model": "legacy"}},
	} {
		_, err := s.CreateThing(ctx, in)
		require.NoError(t, err)
	}
	join(t, s, "north", "pump-1", "pump-3")
	join(t, s, "Team", "pump-1")
	s.ShadowChanged("pump-1", "", []byte(`{"desired":{"on":true},"reported":{"on":false,"temp":21.5,"list":[1,2],"net":{"ip":"10.0.0.1"}},"delta":{"on":true},"metadata":{"reported":{"on":{"timestamp":1700000000}}},"version":7}`))
	s.ShadowChanged("pump-2", "", []byte(`{"reported":{"temp":80,"list":[{"a":1}],"none":null},"version":1}`))
	s.ShadowChanged("pump-2", "config", []byte(`{"desired":{"mode":"eco mode"},"version":3}`))
	s.ShadowChanged("pump-2", "other", []byte(`{"desired":{"mode":"eco"},"version":3}`))
	s.ConnectivityChanged("pump-1", registry.Connectivity{Connected: true, Timestamp: time.UnixMilli(1_557_651_600_001), Version: 1})
	s.ConnectivityChanged("fan", registry.Connectivity{Connected: true, Timestamp: time.UnixMilli(1_557_651_600_000), Version: 2})
	s.ConnectivityChanged("fan", registry.Connectivity{Timestamp: time.UnixMilli(1_557_651_600_002), Version: 3, DisconnectReason: "CONNECTION_LOST"})
	for query, want := range map[string][]string{
		"*":                                                 {"fan", "pump-1", "pump-2", "pump-3"},
		"thingName:PUMP*":                                   {"pump-1", "pump-2", "pump-3"},
		"thingTypeName:pump":                                {"pump-1", "pump-2", "pump-3"},
		"registry.thingTypeName:pump":                       {"pump-1", "pump-2", "pump-3"},
		"NOT thingTypeName:*":                               {"fan"},
		"thingGroupNames:north":                             {"pump-1", "pump-3"},
		"thingGroupNames:(north AND -team)":                 {"pump-3"},
		"thingGroupNames:all":                               {},
		"attributes.site:north":                             {"pump-1", "pump-3"},
		"north":                                             {"pump-1", "pump-3"},
		"attributes.power:[75 TO 80]":                       {"pump-1", "pump-2"},
		"attributes.power:{75 TO 80]":                       {"pump-2"},
		"attributes.power < 10":                             {"pump-3"},
		"attributes.power:75":                               {"pump-1"},
		`attributes.serial:["abcd" TO "abce"]`:              {"pump-1", "pump-2"},
		"attributes.serial:007":                             {"pump-3"},
		"attributes.serial:7":                               {},
		"attributes.serial:a*e":                             {"pump-2"},
		"NOT attributes.model:legacy":                       {"pump-1", "pump-2", "pump-3"},
		"shadow.hasDelta:true":                              {"pump-1"},
		"shadow.hasDelta:false":                             {"pump-2"},
		"shadow.reported.temp>20":                           {"pump-1", "pump-2"},
		"shadow.reported.list:2":                            {"pump-1"},
		"shadow.reported.list.a:1":                          {},
		"shadow.reported.none:*":                            {},
		"shadow.reported.net.ip:10.0.0.1":                   {"pump-1"},
		"shadow.delta.on:true":                              {"pump-1"},
		"shadow.metadata.reported.on.timestamp<=1700000000": {"pump-1"},
		"shadow.name.config.desired.mode:eco":               {"pump-2"},
		`shadow.name.config.desired.mode:"eco mode"`:        {"pump-2"},
		"shadow.name.config.hasDelta:false":                 {"pump-2"},
		"eco":                                               {"pump-2"},
		"connectivity.connected:true":                       {"pump-1"},
		"connectivity.connected:false":                      {"fan", "pump-2", "pump-3"},
		"connectivity.connected:*":                          {"fan", "pump-1", "pump-2", "pump-3"},
		"connectivity.connected:true AND connectivity.timestamp : [1557651600000 TO 1557867600000]": {"pump-1"},
		"connectivity.timestamp > 1557651600001":                                                    {"fan"},
		"connectivity.disconnectReason:connection_lost":                                             {"fan"},
		"connection_lost": {},
		"shadow.reported.temp:{70 TO 100} AND (south OR north) NOT attributes.model:legacy": {"pump-2"},
	} {
		require.Equal(t, want, search(t, s, registry.IndexThings, query), query)
	}
	for query, want := range map[string][]string{
		"*":                      {"Team", "all", "north"},
		"parentGroupNames:all":   {"north"},
		"thingGroupName:(t* n*)": {},
		"team OR all":            {"Team", "all", "north"},
	} {
		require.Equal(t, want, search(t, s, registry.IndexGroups, query), query)
	}

	r, _, err := s.SearchIndex(ctx, registry.Search{Query: "thingName:pump-*"}, registry.Page{})
	require.NoError(t, err)
	require.Equal(t, []string{"Team", "north"}, r.Things[0].Groups)
	require.Equal(t, map[string]string{"site": "North", "power": "75", "serial": "abcd"}, r.Things[0].Attributes)
	require.True(t, r.Things[0].Connectivity.Connected)
	require.JSONEq(t, `{"desired":{"on":true},"reported":{"on":false,"temp":21.5,"list":[1,2],"net":{"ip":"10.0.0.1"}},"delta":{"on":true},"metadata":{"reported":{"on":{"timestamp":1700000000}}},"version":7,"hasDelta":true}`, r.Things[0].Shadow)
	require.JSONEq(t, `{"reported":{"temp":80,"list":[{"a":1}],"none":null},"version":1,"hasDelta":false,"name":{"config":{"desired":{"mode":"eco mode"},"version":3,"hasDelta":false}}}`, r.Things[1].Shadow)
	require.Empty(t, r.Things[2].Shadow)
	require.False(t, r.Things[2].Connectivity.Connected)

	// A billing group is found like the others.
	_, err = s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "bill"})
	require.NoError(t, err)
	requireFound(t, s, "thingGroupNames:bill")
	require.NoError(t, s.AddThingToBillingGroup(ctx, registry.Membership{Group: "bill", Thing: "fan"}))
	_, err = s.CreateThing(ctx, registry.CreateThingInput{Name: "toy", BillingGroup: "bill"})
	require.NoError(t, err)
	requireFound(t, s, "thingGroupNames:bill", "fan", "toy")
	r, _, err = s.SearchIndex(ctx, registry.Search{Query: "thingName:toy"}, registry.Page{})
	require.NoError(t, err)
	require.Equal(t, []string{"bill"}, r.Things[0].Groups)
	_, err = s.CreateDynamicThingGroup(ctx, registry.CreateDynamicGroupInput{Name: "unpaid", Query: "NOT thingGroupNames:bill"})
	require.NoError(t, err)
	requireMembers(t, s, "unpaid", "pump-1", "pump-2", "pump-3")
	require.NoError(t, s.RemoveThingFromBillingGroup(ctx, registry.Membership{Group: "bill", Thing: "fan"}))
	requireFound(t, s, "thingGroupNames:bill", "toy")
	requireMembers(t, s, "unpaid", "fan", "pump-1", "pump-2", "pump-3")
	require.NoError(t, s.DeleteBillingGroup(ctx, "bill", nil))
	requireFound(t, s, "thingGroupNames:bill")
	requireMembers(t, s, "unpaid", "fan", "pump-1", "pump-2", "pump-3", "toy")
	require.NoError(t, s.DeleteDynamicThingGroup(ctx, "unpaid", nil))
	require.NoError(t, s.DeleteThing(ctx, "toy", nil))

	// What changes is found changed, and at once.
	_, err = s.UpdateThing(ctx, registry.UpdateThingInput{Name: "pump-1", Attributes: map[string]string{"site": "east"}})
	require.NoError(t, err)
	requireFound(t, s, "attributes.site:north", "pump-3")
	requireFound(t, s, "attributes.power:*", "pump-2", "pump-3")
	requireFound(t, s, "shadow.hasDelta:true AND attributes.site:east", "pump-1")
	s.ShadowChanged("pump-1", "", nil)
	requireFound(t, s, "shadow.hasDelta:*", "pump-2")
	s.ConnectivityChanged("pump-1", registry.Connectivity{Timestamp: time.UnixMilli(1), Version: 2, DisconnectReason: "DUPLICATE_CLIENTID"})
	s.ConnectivityChanged("pump-1", registry.Connectivity{Connected: true, Timestamp: time.UnixMilli(1), Version: 1})
	requireFound(t, s, "connectivity.connected:true")
	require.NoError(t, s.RemoveThingFromThingGroup(ctx, registry.Membership{Group: "north", Thing: "pump-3"}))
	requireFound(t, s, "thingGroupNames:north", "pump-1")
	require.NoError(t, s.DeleteThingGroup(ctx, "north", nil))
	requireFound(t, s, "thingGroupNames:north")
	require.Equal(t, []string{"Team", "all"}, search(t, s, registry.IndexGroups, "*"))
	require.NoError(t, s.DeleteThing(ctx, "pump-2", nil))
	requireFound(t, s, "*", "fan", "pump-1", "pump-3")
	requireFound(t, s, "shadow.hasDelta:*")
}

func TestSearchIndex_Mistakes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	_, _, err := s.SearchIndex(ctx, registry.Search{Query: "*"}, registry.Page{})
	is(t, err, registry.ErrNotFound, "Index AWS_Things does not exist")
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{Mode: registry.IndexRegistry}}))
	for query, want := range map[string]string{
		"thingName:a AND":                 "at offset 15: found the end of the query, expected a term",
		"(thingName:a AND)":               `at offset 16: found ")", expected a term`,
		"shadow.foo:1":                    `field "shadow.foo": expected desired`,
		"shadow.reported.a:1":             "shadows are not indexed",
		"shadow.hasDelta:true":            "shadows are not indexed",
		"shadow.name.config.reported.a:1": `the named shadow "config" is not indexed`,
		"connectivity.connected:true":     "connectivity is not indexed",
		"deviceDefender.violationCount>0": "violations are not indexed",
		"registry.version>1":              "it can be aggregated, but not searched for",
		"serial:1":                        "there is no such field",
		"thingName:*a":                    "does not begin with a wildcard",
	} {
		_, _, err := s.SearchIndex(ctx, registry.Search{Query: query}, registry.Page{})
		is(t, err, registry.ErrInvalidQuery, want)
		_, err = s.CreateDynamicThingGroup(ctx, registry.CreateDynamicGroupInput{Name: "g", Query: query})
		is(t, err, registry.ErrInvalidQuery, want)
		_, err = s.GetCardinality(ctx, registry.Search{Query: query}, "thingName")
		is(t, err, registry.ErrInvalidQuery, want)
	}
	for _, c := range []struct {
		search registry.Search
		page   registry.Page
		kind   error
		want   string
	}{
		{registry.Search{}, registry.Page{}, registry.ErrInvalid, "queryString"},
		{registry.Search{Query: "*", Version: "2016"}, registry.Page{}, registry.ErrInvalid, "queryVersion"},
		{registry.Search{Query: "*", Index: "AWS_ThingGroups"}, registry.Page{}, registry.ErrNotFound, "AWS_ThingGroups"},
		{registry.Search{Query: "*", Index: "a b"}, registry.Page{}, registry.ErrInvalid, "indexName"},
		{registry.Search{Query: "\xff"}, registry.Page{}, registry.ErrInvalid, "queryString"},
		{registry.Search{Query: "*"}, registry.Page{Token: "x"}, registry.ErrInvalid, "nextToken"},
		{registry.Search{Query: "*"}, registry.Page{Max: -1}, registry.ErrInvalid, "maxResults"},
	} {
		_, _, err := s.SearchIndex(ctx, c.search, c.page)
		is(t, err, c.kind, c.want)
	}
	_, err = s.GetStatistics(ctx, registry.Search{Query: "*"}, "shadow.version")
	is(t, err, registry.ErrInvalidAggregation, "shadow.version")
	_, err = s.GetPercentiles(ctx, registry.Search{Query: "*"}, "thingName", nil)
	is(t, err, registry.ErrInvalidAggregation, "expected Number")
	create(t, s, "a")
	r, next, err := s.SearchIndex(ctx, registry.Search{Query: "*"}, registry.Page{Max: 1000})
	require.NoError(t, err)
	require.Len(t, r.Things, 1)
	require.Empty(t, next)
}

func TestAggregations(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := everything()
	c.Things.CustomFields = []registry.Field{{Name: "attributes.num", Type: "Number"}, {Name: "attributes.flag", Type: "Boolean"}, {Name: "shadow.reported.temp", Type: "Number"}}
	s := indexed(t, c)
	createGroups(t, s, "g")
	for i, num := range []string{"1", "2", "3", "x", ""} {
		in := registry.CreateThingInput{Name: fmt.Sprint("t", i), Attributes: map[string]string{"flag": fmt.Sprint(i%2 == 0), "str": "S" + num}}
		if num != "" {
			in.Attributes["num"] = num
		}
		_, err := s.CreateThing(ctx, in)
		require.NoError(t, err)
	}
	join(t, s, "g", "t0", "t1")
	s.ConnectivityChanged("t0", registry.Connectivity{Connected: true, Timestamp: time.UnixMilli(1_700_000_000_000), Version: 1})
	s.ConnectivityChanged("t1", registry.Connectivity{Timestamp: time.UnixMilli(1_700_000_000_002), Version: 1})
	all := registry.Search{Query: "*"}
	for field, want := range map[string]registry.Statistics{
		"":                         {Count: 5, Numeric: true, Average: 1, Sum: 5, Minimum: 1, Maximum: 1, SumOfSquares: 5},
		"attributes.num":           {Count: 3, Numeric: true, Average: 2, Sum: 6, Minimum: 1, Maximum: 3, SumOfSquares: 14, Variance: 2.0 / 3, StdDeviation: 0.816496580927726},
		"attributes.flag":          {Count: 5, Numeric: true, Average: 0.6, Sum: 3, Minimum: 0, Maximum: 1, SumOfSquares: 3, Variance: 0.24, StdDeviation: 0.4898979485566356},
		"attributes.str":           {Count: 5},
		"thingName":                {Count: 5},
		"registry.thingGroupNames": {Count: 2},
		"connectivity.connected":   {Count: 5, Numeric: true, Average: 0.2, Sum: 1, Minimum: 0, Maximum: 1, SumOfSquares: 1, Variance: 0.16, StdDeviation: 0.4},
		"shadow.reported.temp":     {},
	} {
		got, err := s.GetStatistics(ctx, all, field)
		require.NoError(t, err, field)
		require.InDelta(t, want.Variance, got.Variance, 1e-12, field)
		require.InDelta(t, want.StdDeviation, got.StdDeviation, 1e-12, field)
		got.Variance, got.StdDeviation, want.Variance, want.StdDeviation = 0, 0, 0, 0
		require.Equal(t, want, got, field)
	}
	// Large numbers that are near each other keep their distance.
	got, err := s.GetStatistics(ctx, all, "connectivity.timestamp")
	require.NoError(t, err)
	require.InDelta(t, 1, got.StdDeviation, 1e-6)

	p, err := s.GetPercentiles(ctx, all, "attributes.num", []float64{0, 50, 75, 100})
	require.NoError(t, err)
	require.Equal(t, []registry.Percentile{{Percent: 0, Value: 1}, {Percent: 50, Value: 2}, {Percent: 75, Value: 2.5}, {Percent: 100, Value: 3}}, p)
	p, err = s.GetPercentiles(ctx, registry.Search{Query: "thingName:none*"}, "attributes.num", nil)
	require.NoError(t, err)
	require.Equal(t, []registry.Percentile{}, p)
	n, err := s.GetCardinality(ctx, all, "registry.thingGroupNames")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	b, err := s.GetBucketsAggregation(ctx, all, "connectivity.connected", 0)
	require.NoError(t, err)
	require.Equal(t, registry.Buckets{Total: 5, Buckets: []registry.Bucket{{Key: "false", Count: 4}, {Key: "true", Count: 1}}}, b)

	// Sums too large for a number are none.
	for _, doc := range []string{`{"reported":{"temp":1e300}}`, `{"reported":{"temp":-1e300}}`} {
		s.ShadowChanged("t0", "", []byte(doc))
		got, err := s.GetStatistics(ctx, all, "shadow.reported.temp")
		require.NoError(t, err)
		require.Equal(t, registry.Statistics{Count: 1}, got)
	}
}

// ListThings finds by attribute and type, whatever finds them for it.
func TestListThings_ByAttribute(t *testing.T) {
	t.Parallel()
	// plain hides that a table finds by attribute.
	type plain struct{ registry.Table[registry.Thing] }
	for name, open := range map[string]func(t *testing.T) *registry.Service{
		"memory": func(t *testing.T) *registry.Service { return newService(t) },
		"a plain store": func(t *testing.T) *registry.Service {
			return newService(t, func(c *registry.Config) {
				m := registry.NewMemory()
				c.Store = otherThings{m, plain{m.Things()}}
			})
		},
		"a plain store and the fleet index": func(t *testing.T) *registry.Service {
			return indexed(t, everything(), func(c *registry.Config) {
				m := registry.NewMemory()
				c.Store = otherThings{m, plain{m.Things()}}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			s := open(t)
			for _, name := range []string{"pump", "fan"} {
				_, err := s.CreateThingType(ctx, name, registry.TypeProperties{}, nil)
				require.NoError(t, err)
			}
			all := make(map[string]registry.Thing)
			for i := range 700 {
				in := registry.CreateThingInput{Name: fmt.Sprintf("t%03d", i*11%700), Attributes: map[string]string{"serial": fmt.Sprint("SN", i%350)}}
				switch i % 10 {
				case 0:
					in.Type = "fan"
				case 1, 2, 3:
					in.Type = "pump"
				}
				if i%3 == 0 {
					in.Attributes["site"] = []string{"North", "north", "Northwest"}[i%9/3]
				}
				_, err := s.CreateThing(ctx, in)
				require.NoError(t, err)
			}
			// Some change or go.
			for i := range 100 {
				name := fmt.Sprintf("t%03d", i*5)
				_, err := s.UpdateThing(ctx, registry.UpdateThingInput{Name: name, Attributes: map[string]string{"site": "North"}, Merge: i%2 == 0})
				require.NoError(t, err)
				require.NoError(t, s.DeleteThing(ctx, fmt.Sprintf("t%03d", i*5+1), nil))
			}
			things, err := listAll(t, s, registry.ThingFilter{}, 250)
			require.NoError(t, err)
			require.Len(t, things, 600)
			for _, thing := range things {
				all[thing.Name] = thing
			}
			for _, f := range []registry.ThingFilter{
				{AttributeName: "site"},
				{AttributeName: "site", AttributeValue: "North"},
				{AttributeName: "site", AttributeValue: "North", PrefixValue: true},
				{AttributeName: "site", AttributeValue: "n", PrefixValue: true},
				{AttributeName: "site", PrefixValue: true},
				{AttributeName: "serial", AttributeValue: "SN1", PrefixValue: true},
				{AttributeName: "serial", AttributeValue: "SN34"},
				{AttributeName: "none"},
				{AttributeName: "none", AttributeValue: "a"},
				{AttributeName: "serial", AttributeValue: "SN", PrefixValue: true},
				{AttributeName: "serial", AttributeValue: "T", PrefixValue: true},
				{Type: "pump"},
				{Type: "none"},
				{Type: "fan", AttributeName: "site", AttributeValue: "North"},
				{Type: "pump", AttributeName: "serial", AttributeValue: "SN2", PrefixValue: true},
				{Type: "none", AttributeName: "serial"},
			} {
				var want []string
				for name, thing := range all {
					v, has := thing.Attributes[f.AttributeName]
					fits := f.AttributeName == "" || has && (v == f.AttributeValue || f.AttributeValue == "" || f.PrefixValue && len(v) >= len(f.AttributeValue) && v[:len(f.AttributeValue)] == f.AttributeValue)
					if fits && (f.Type == "" || f.Type == thing.Type) {
						want = append(want, name)
					}
				}
				for _, size := range []int{7, 250} {
					got, err := listAll(t, s, f, size)
					require.NoError(t, err)
					var names []string
					for _, thing := range got {
						names = append(names, thing.Name)
						require.Equal(t, all[thing.Name], thing)
					}
					require.IsIncreasing(t, append([]string{"", "0"}, names...), "%+v", f)
					require.ElementsMatch(t, want, names, "%+v", f)
				}
			}
		})
	}
}

// otherThings is a store with another table of things.
type otherThings struct {
	registry.Registry
	things registry.Table[registry.Thing]
}

func (o otherThings) Things() registry.Table[registry.Thing] { return o.things }

// listAll lists all pages.
func listAll(t *testing.T, s *registry.Service, f registry.ThingFilter, size int) (all []registry.Thing, err error) {
	t.Helper()
	for p := (registry.Page{Max: size}); ; {
		things, next, err := s.ListThings(t.Context(), f, p)
		if err != nil {
			return nil, err
		}
		all = append(all, things...)
		if p.Token = next; next == "" {
			return all, nil
		}
	}
}

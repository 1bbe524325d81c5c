package registry_test

import (
	"context"
	"fmt"

	"github.com/thinghub/thinghub/registry"
)

// Things are found by what the registry, their shadows and their connections say, as
// soon as the call that changed it has returned.
func ExampleService_SearchIndex() {
	ctx := context.Background()
	s, err := registry.New(registry.Config{})
	if err != nil {
		panic(err)
	}
	err = s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{
		Things: &registry.ThingIndexing{Mode: registry.IndexRegistryAndShadow, Connectivity: registry.IndexStatus},
	})
	if err != nil {
		panic(err)
	}
	for name, site := range map[string]string{"pump-1": "north", "pump-2": "north", "pump-3": "south"} {
		_, err := s.CreateThing(ctx, registry.CreateThingInput{Name: name, Attributes: map[string]string{"site": site}})
		if err != nil {
			panic(err)
		}
	}
	// A hub tells of shadows and connections by itself.
	s.ShadowChanged("pump-1", "", []byte(`{"reported":{"temp":81}}`))
	s.ShadowChanged("pump-2", "", []byte(`{"reported":{"temp":35}}`))
	s.ConnectivityChanged("pump-3", registry.Connectivity{Connected: true})

	for _, query := range []string{
		"attributes.site:north AND shadow.reported.temp > 80",
		"shadow.reported.temp:[30 TO 40] OR connectivity.connected:true",
		"thingName:pump* NOT attributes.site:south",
	} {
		r, _, err := s.SearchIndex(ctx, registry.Search{Query: query}, registry.Page{})
		if err != nil {
			panic(err)
		}
		for _, t := range r.Things {
			fmt.Print(t.Name, " ")
		}
		fmt.Println("<-", query)
	}
	// Output:
	// pump-1 <- attributes.site:north AND shadow.reported.temp > 80
	// pump-2 pump-3 <- shadow.reported.temp:[30 TO 40] OR connectivity.connected:true
	// pump-1 pump-2 <- thingName:pump* NOT attributes.site:south
}

// A dynamic group has the things that match its query, at any time.
func ExampleService_CreateDynamicThingGroup() {
	ctx := context.Background()
	s, err := registry.New(registry.Config{})
	if err != nil {
		panic(err)
	}
	err = s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{Mode: registry.IndexRegistry}})
	if err != nil {
		panic(err)
	}
	_, err = s.CreateDynamicThingGroup(ctx, registry.CreateDynamicGroupInput{Name: "old", Query: "attributes.firmware < 2"})
	if err != nil {
		panic(err)
	}
	for name, firmware := range map[string]string{"pump-1": "1.9", "pump-2": "2.0", "pump-3": "10"} {
		_, err := s.CreateThing(ctx, registry.CreateThingInput{Name: name, Attributes: map[string]string{"firmware": firmware}})
		if err != nil {
			panic(err)
		}
	}
	members, _, err := s.ListThingsInThingGroup(ctx, "old", false, registry.Page{})
	if err != nil {
		panic(err)
	}
	fmt.Println(members)
	// Output: [pump-1]
}

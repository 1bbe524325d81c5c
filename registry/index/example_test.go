package index_test

import (
	"fmt"

	"github.com/thinghub/thinghub/registry/index"
)

func Example() {
	x, err := index.New(index.Schema{Connectivity: true})
	if err != nil {
		panic(err)
	}
	for i, site := range []string{"North Wing", "north", "south"} {
		name := fmt.Sprint("pump-", i+1)
		var registry, connectivity index.Document
		registry.AddString("thingName", name)
		registry.AddString("attributes.site", site)
		connectivity.AddBool("connectivity.connected", i > 0)
		x.Put(name, index.Part{Name: "registry", Document: &registry}, index.Part{Name: "connectivity", Document: &connectivity})
	}
	q, err := index.Parse("attributes.site:north AND connectivity.connected:false")
	if err != nil {
		panic(err)
	}
	names, _, err := x.Search(q, "", 100)
	fmt.Println(names, err)

	// One part changes; the other stays.
	var connectivity index.Document
	connectivity.AddBool("connectivity.connected", false)
	x.Put("pump-2", index.Part{Name: "connectivity", Document: &connectivity})
	names, _, err = x.Search(q, "", 100)
	fmt.Println(names, err)

	_, err = index.Parse("attributes.site:north AND")
	fmt.Println(err)
	// Output:
	// [pump-1] <nil>
	// [pump-1 pump-2] <nil>
	// invalid query: at offset 25: found the end of the query, expected a term
}

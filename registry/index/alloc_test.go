package index_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry/index"
)

// A document that is put again costs no allocation, neither to make nor to put, but for
// what it takes to read JSON.
func TestAllocsPut(t *testing.T) {
	x, err := index.New(index.Schema{Shadow: true, Connectivity: true})
	require.NoError(t, err)
	var d index.Document
	for what, fill := range map[string]func(){
		"registry": func() {
			d.AddString("thingName", "pump-1")
			d.AddString("thingGroupNames", "North Wing")
			d.AddNumber("registry.version", 3)
			d.AddString("attributes.a long name of an attribute of a thing", "a value in several words")
		},
		"connectivity": func() {
			d.AddBool("connectivity.connected", true)
			d.AddNumber("connectivity.timestamp", 1_700_000_000_000)
		},
		"shadow": func() {
			d.AddJSON("shadow.reported", `{"temp":21.5,"net":{"ip":"10.0.0.1","up":true},"list":["a","b c",3],"none":null}`)
		},
	} {
		put := func() {
			d.Reset()
			fill()
			x.Put("pump-1", index.Part{Name: what, Document: &d})
		}
		put()
		require.Zero(t, testing.AllocsPerRun(100, put), what)
	}
}

package thinghub_test

import (
	"testing"
	"testing/synctest"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/registry"
)

// What devices report is found as soon as they have their answer; so is what they had
// reported before there was an index.
func TestSearchIndex_Shadows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := hubtest.New(t)
		r := hub.Registry()
		for _, name := range []string{"pump-1", "pump-2"} {
			_, err := r.CreateThing(t.Context(), registry.CreateThingInput{Name: name})
			require.NoError(t, err)
		}
		c := hub.Client(t, "pump-1")
		send := func(topic, body string) {
			t.Helper()
			_, err := c.Publish(t.Context(), &paho.Publish{Topic: "$aws/things/" + topic, QoS: 1, Payload: []byte(body)})
			require.NoError(t, err)
		}
		search := func(query string) (found []registry.FoundThing) {
			t.Helper()
			page, _, err := r.SearchIndex(t.Context(), registry.Search{Query: query}, registry.Page{})
			require.NoError(t, err)
			return page.Things
		}
		send("pump-1/shadow/update", `{"state":{"reported":{"temp":21},"desired":{"temp":22}}}`)
		send("pump-2/shadow/name/config/update", `{"state":{"reported":{"mode":"eco"}}}`)
		require.NoError(t, r.UpdateIndexingConfiguration(t.Context(), registry.IndexingConfiguration{Things: &registry.ThingIndexing{
			Mode: registry.IndexRegistryAndShadow, NamedShadows: registry.IndexOn, NamedShadowNames: []string{"config"},
		}}))
		found := search("shadow.reported.temp:21 AND shadow.hasDelta:true")
		require.Len(t, found, 1)
		require.Contains(t, found[0].Shadow, `"delta":{"temp":22}`)
		require.Len(t, search("shadow.name.config.reported.mode:ECO"), 1)

		send("pump-1/shadow/update", `{"state":{"reported":{"temp":22}}}`)
		require.Empty(t, search("shadow.hasDelta:true"))
		found = search("shadow.reported.temp>=22")
		require.Len(t, found, 1)
		require.Contains(t, found[0].Shadow, `"version":2`)
		send("pump-2/shadow/name/config/delete", ``)
		require.Empty(t, search("shadow.name.config.hasDelta:*"))
	})
}

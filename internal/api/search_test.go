package api_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/registry"
)

const (
	badQuery       = "InvalidQuery"
	badAggregation = "InvalidAggregation"
)

func TestIndexing(t *testing.T) {
	t.Parallel()
	talk(t, []step{
		{"GET /indexing/config", "", "", `{"thingIndexingConfiguration":{"thingIndexingMode":"OFF","thingConnectivityIndexingMode":"OFF","deviceDefenderIndexingMode":"OFF","namedShadowIndexingMode":"OFF"},"thingGroupIndexingConfiguration":{"thingGroupIndexingMode":"OFF"}}`},
		{"GET /indices", "", "", `{"indexNames":[],"nextToken":"absent"}`},
		{"GET /indices/AWS_Things", "", missingOne, ""},
		{"POST /indices/search", `{"queryString":"*"}`, missingOne, ""}, // and not an empty list
		{"POST /indices/statistics", `{"queryString":"*"}`, missingOne, ""},
		{"POST /indices/cardinality", `{"queryString":"*"}`, missingOne, ""},
		{"POST /indices/percentiles", `{"queryString":"*"}`, missingOne, ""},
		{"POST /indices/buckets", `{"queryString":"*","aggregationField":"thingName","bucketsAggregationType":{}}`, missingOne, ""},
		{"POST /dynamic-thing-groups/d", `{"queryString":"attributes.a:1"}`, missingOne, ""},
		{"POST /indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"SOME"}}`, wrong, ""},
		{"POST /indexing/config", `{"thingIndexingConfiguration":{}}`, wrong, ""},
		{"POST /indexing/config", `{"thingGroupIndexingConfiguration":{}}`, wrong, ""},
		{"POST /indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"OFF","thingConnectivityIndexingMode":"STATUS"}}`, wrong, ""},
		{"POST /indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY_AND_SHADOW","thingConnectivityIndexingMode":"STATUS","namedShadowIndexingMode":"ON",
			"filter":{"namedShadowNames":["cfg","$package"],"geoLocations":[{"name":"shadow.reported.at","order":"LonLat"}]},"customFields":[{"name":"shadow.reported.temp","type":"Number"}]}}`, "", ""},
		{"GET /indexing/config", "", "", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY_AND_SHADOW","thingConnectivityIndexingMode":"STATUS","namedShadowIndexingMode":"ON",
			"filter":{"namedShadowNames":["cfg","$package"],"geoLocations":[{"name":"shadow.reported.at","order":"LonLat"}]},"customFields":[{"name":"shadow.reported.temp","type":"Number"}]},"thingGroupIndexingConfiguration":{"thingGroupIndexingMode":"OFF"}}`},
		{"POST /indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY","filter":{"geoLocations":[{"name":"shadow.reported.at","order":"Up"}]}}}`, wrong, ""},
		{"POST /indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY","filter":{"geoLocations":[{"order":"LatLon"}]}}}`, wrong, ""},
		{"POST /indexing/config", `{"thingGroupIndexingConfiguration":{"thingGroupIndexingMode":"ON"}}`, "", ""},
		{"GET /indices", "", "", `{"indexNames":["AWS_ThingGroups","AWS_Things"]}`},
		{"GET /indices/AWS_Things", "", "", `{"indexName":"AWS_Things","indexStatus":"ACTIVE","schema":"MULTI_INDEXING_MODE"}`},
		{"GET /indices/AWS_ThingGroups", "", "", `{"indexName":"AWS_ThingGroups","indexStatus":"ACTIVE"}`},
		{"GET /indices/None", "", missingOne, ""},
		{"GET /indices?maxResults=501", "", wrong, ""},
		{"GET /indices?nextToken=x", "", wrong, ""},
	})
}

func TestSearch(t *testing.T) {
	t.Parallel()
	const all = `{"queryString":"*",`
	steps := []step{
		{"POST /indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY","thingConnectivityIndexingMode":"STATUS"},"thingGroupIndexingConfiguration":{"thingGroupIndexingMode":"ON"}}`, "", ""},
		{"POST /thing-groups/g", `{"thingGroupProperties":{"thingGroupDescription":"d","attributePayload":{"attributes":{"a":"1"}}}}`, "", ""},
		{"POST /thing-groups/h", `{"parentGroupName":"g"}`, "", ""},
	}
	for i := range 4 {
		steps = append(steps, step{fmt.Sprint("POST /things/t", i), fmt.Sprintf(`{"attributePayload":{"attributes":{"a":"%d"}}}`, i%2), "", ""})
	}
	talk(t, append(steps, []step{
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"h","thingName":"t1"}`, "", ""},
		{"POST /indices/search", `{"queryString":"thingName:t1"}`, "", `{"things":[{"thingName":"t1","thingTypeName":"absent","thingGroupNames":["h"],"attributes":{"a":"1"},"shadow":"absent","connectivity":{"connected":false}}],"nextToken":"absent"}`},
		{"POST /indices/search", `{"queryString":"attributes.a:1","maxResults":500}`, "", `{"things":[{"thingName":"t1"},{"thingName":"t3"}]}`},
		{"POST /indices/search", `{"queryString":"connectivity.connected:true"}`, "", `{"things":[]}`},
		{"POST /indices/search", `{"queryString":"attributes.none:1"}`, "", `{"things":[]}`},
		{"POST /indices/search", all + `"indexName":"AWS_ThingGroups"}`, "", `{"thingGroups":[{"thingGroupName":"g","thingGroupDescription":"d","attributes":{"a":"1"}},{"thingGroupName":"h","parentGroupNames":["g"]}],"things":"absent"}`},
		{"POST /indices/search", `{"queryString":"attributes.a:1 AND"}`, badQuery, ""},
		{"POST /indices/search", `{"queryString":"shadow.reported.x:1"}`, badQuery, ""}, // shadows are not indexed
		{"POST /indices/search", `{"queryString":"shadow.foo:1"}`, badQuery, ""},
		{"POST /indices/search", `{"queryString":"thingName:*1"}`, badQuery, ""},
		{"POST /indices/search", "", wrong, ""},
		{"POST /indices/search", `{"queryString":""}`, wrong, ""},
		{"POST /indices/search", all + `"maxResults":0}`, wrong, ""},
		{"POST /indices/search", all + `"maxResults":501}`, wrong, ""},
		{"POST /indices/search", all + `"nextToken":"x"}`, wrong, ""},
		{"POST /indices/search", all + `"queryVersion":"2000-01-01"}`, wrong, ""},
		{"POST /indices/search", all + `"indexName":"None"}`, missingOne, ""},
		{"POST /indices/statistics", all[:len(all)-1] + `}`, "", `{"statistics":{"count":4,"sum":4,"average":1,"minimum":1,"maximum":1,"sumOfSquares":4,"variance":0,"stdDeviation":0}}`},
		{"POST /indices/statistics", all + `"aggregationField":"thingName"}`, "", `{"statistics":{"count":4,"sum":"absent"}}`},
		{"POST /indices/statistics", all + `"aggregationField":"none"}`, badAggregation, ""},
		{"POST /indices/statistics", "", wrong, ""},
		{"POST /indices/percentiles", all + `"percents":[0,50]}`, "", `{"percentiles":[{"percent":0,"value":1},{"percent":50,"value":1}]}`},
		{"POST /indices/percentiles", all + `"aggregationField":"thingName"}`, badAggregation, ""},
		{"POST /indices/percentiles", all + `"percents":[101]}`, wrong, ""},
		{"POST /indices/percentiles", `{"queryString":"thingName:none"}`, "", `{"percentiles":[]}`},
		{"POST /indices/cardinality", all + `"aggregationField":"attributes.a"}`, "", `{"cardinality":2}`},
		{"POST /indices/cardinality", `{"queryString":"NOT"}`, badQuery, ""},
		{"POST /indices/buckets", all + `"aggregationField":"attributes.a","bucketsAggregationType":{"termsAggregation":{"maxBuckets":1}}}`, "", `{"totalCount":4,"buckets":[{"keyValue":"0","count":2}]}`},
		{"POST /indices/buckets", all + `"aggregationField":"thingTypeName","bucketsAggregationType":{}}`, "", `{"totalCount":4,"buckets":[]}`},
		{"POST /indices/buckets", all + `"aggregationField":"attributes.a"}`, wrong, ""},
		{"POST /indices/buckets", all + `"bucketsAggregationType":{}}`, wrong, ""},
		{"POST /indices/buckets", all + `"aggregationField":"attributes.a","bucketsAggregationType":{"termsAggregation":{"maxBuckets":10001}}}`, wrong, ""},
		{"POST /things/t0/connectivity-data", "", "", `{"thingName":"t0","connected":false,"timestamp":"absent","disconnectReason":"absent"}`},
		{"POST /things/none/connectivity-data", "", missingOne, ""},
	}...))
}

func TestDynamicGroups(t *testing.T) {
	t.Parallel()
	s := talk(t, []step{
		{"POST /indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY"}}`, "", ""},
		{"POST /things/a", `{"attributePayload":{"attributes":{"n":"1"}}}`, "", ""},
		{"POST /things/b", `{"attributePayload":{"attributes":{"n":"2"}}}`, "", ""},
		{"POST /dynamic-thing-groups/d", `{"queryString":"attributes.n:1"}`, "", `{"thingGroupName":"d","thingGroupArn":"` + groups + `d","indexName":"AWS_Things","queryString":"attributes.n:1","queryVersion":"2017-09-30"}`},
		{"POST /dynamic-thing-groups/d", `{"queryString":"attributes.n:1"}`, "", ""},
		{"POST /dynamic-thing-groups/d", `{"queryString":"attributes.n:2"}`, taken, `{"resourceArn":"` + groups + `d"}`},
		{"POST /dynamic-thing-groups/e", `{"queryString":"AND"}`, badQuery, ""},
		{"POST /dynamic-thing-groups/e", "", wrong, ""},
		{"GET /thing-groups/d", "", "", `{"version":1,"indexName":"AWS_Things","queryString":"attributes.n:1","queryVersion":"2017-09-30","status":"ACTIVE"}`},
		{"GET /thing-groups/d/things", "", "", `{"things":["a"]}`},
		{"PATCH /dynamic-thing-groups/d", `{"thingGroupProperties":{},"queryString":"attributes.n:2","expectedVersion":2}`, outdated, ""},
		{"PATCH /dynamic-thing-groups/d", `{"thingGroupProperties":{},"queryString":"attributes.n:2","expectedVersion":1}`, "", `{"version":2}`},
		{"PATCH /dynamic-thing-groups/d", `{"queryString":"attributes.n:2"}`, wrong, ""},
		{"PATCH /dynamic-thing-groups/d", `{"thingGroupProperties":{},"queryString":"("}`, badQuery, ""},
		{"PATCH /dynamic-thing-groups/none", `{"thingGroupProperties":{}}`, missingOne, ""},
		{"GET /things/b/thing-groups", "", "", `{"thingGroups":[{"groupName":"d"}]}`},
		{"PATCH /thing-groups/d", `{"thingGroupProperties":{}}`, wrong, ""},
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"d","thingName":"a"}`, wrong, ""},
		{"POST /thing-groups/child", `{"parentGroupName":"d"}`, wrong, ""},
		{"DELETE /thing-groups/d", "", wrong, ""},
		{"DELETE /dynamic-thing-groups/d?expectedVersion=1", "", outdated, ""},
		{"DELETE /dynamic-thing-groups/d", "", "", ""},
		{"DELETE /dynamic-thing-groups/d", "", "", ""},
		{"POST /thing-groups/d", "", "", ""},
		{"DELETE /dynamic-thing-groups/d", "", wrong, ""},
		{"PATCH /dynamic-thing-groups/d", `{"thingGroupProperties":{}}`, wrong, ""},
	})
	for i := range 101 {
		st := step{fmt.Sprint("POST /dynamic-thing-groups/d", i), `{"queryString":"attributes.n:1"}`, "", ""}
		if i == 100 {
			st.kind = tooMany
		}
		s.step(t, st)
	}
	s.step(t, step{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"d","thingName":"a"}`, wrong, ""}) // it is in ten
	s.step(t, step{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"d","thingName":"a","overrideDynamicGroups":true}`, "", ""})
	require.Len(t, ask(t, s.Handler(), "GET", "/things/a/thing-groups", "").body["thingGroups"], 10)
}

// slowShadows keeps an index from being built until its gate opens.
type slowShadows struct {
	asked, gate chan struct{}
	once        *sync.Once
}

func (s slowShadows) Shadows(context.Context, string) iter.Seq2[registry.Shadow, error] {
	return func(func(registry.Shadow, error) bool) {
		s.once.Do(func() { close(s.asked) })
		<-s.gate
	}
}

// What needs an index that is being built says so where the model lets it.
func TestIndexNotReady(t *testing.T) {
	t.Parallel()
	slow := slowShadows{make(chan struct{}), make(chan struct{}), &sync.Once{}}
	own, err := registry.New(registry.Config{Shadows: slow})
	require.NoError(t, err)
	s := newStage(t, func(c *api.Config) { c.Registry = own })
	s.step(t, step{do: "POST /things/a"})
	built := make(chan struct{})
	go func() {
		defer close(built)
		_ = own.UpdateIndexingConfiguration(context.Background(), registry.IndexingConfiguration{Things: &registry.ThingIndexing{Mode: registry.IndexRegistryAndShadow}})
	}()
	<-slow.asked
	const notReady, message = "IndexNotReady", `{"message":"Index AWS_Things is being built."}`
	metric := `{"queryString":"*","aggregationType":{"name":"Cardinality"},"period":60,"aggregationField":"thingName"}`
	for _, st := range []step{
		{"GET /indices/AWS_Things", "", "", `{"indexStatus":"BUILDING","schema":"REGISTRY_AND_SHADOW"}`},
		{"POST /indices/search", `{"queryString":"*"}`, notReady, message},
		{"POST /indices/statistics", `{"queryString":"*"}`, notReady, message},
		{"PUT /fleet-metric/m", metric, notReady, message},
		{"POST /dynamic-thing-groups/d", `{"queryString":"*"}`, wrong, message}, // whose model does not have it
	} {
		s.step(t, st)
	}
	close(slow.gate)
	<-built
	s.step(t, step{do: "POST /indices/search", body: `{"queryString":"*"}`, want: `{"things":[{"thingName":"a"}]}`})
}

func TestFleetMetrics(t *testing.T) {
	t.Parallel()
	const metric = `{"queryString":"*","aggregationType":{"name":"Statistics","values":["sum","count"]},"period":300,"aggregationField":"registry.version"`
	const arn = "arn:aws:iot:local:000000000000:fleetmetric/m.1"
	talk(t, []step{
		{"PUT /fleet-metric/m.1", metric + `}`, missingOne, ""}, // indexing is off
		{"POST /indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY"}}`, "", ""},
		{"PUT /fleet-metric/m.1", metric + `,"description":"d","unit":"Count","tags":[{"Key":"k","Value":"v"}]}`, "", `{"metricName":"m.1","metricArn":"` + arn + `"}`},
		{"PUT /fleet-metric/m.1", metric + `,"description":"d","unit":"Count"}`, "", ""},
		{"PUT /fleet-metric/m.1", metric + `}`, taken, `{"resourceArn":"` + arn + `"}`},
		{"GET /tags?resourceArn=" + arn, "", "", `{"tags":[{"Key":"k","Value":"v"}]}`},
		{"GET /fleet-metric/m.1", "", "", `{"metricName":"m.1","metricArn":"` + arn + `","queryString":"*","aggregationType":{"name":"Statistics","values":["sum","count"]},"period":300,
			"aggregationField":"registry.version","description":"d","queryVersion":"2017-09-30","indexName":"AWS_Things","unit":"Count","version":1}`},
		{"GET /fleet-metric/none", "", missingOne, ""},
		{"PATCH /fleet-metric/m.1", `{"period":60}`, wrong, ""}, // indexName is required
		{"PATCH /fleet-metric/m.1", `{"indexName":"AWS_Things","expectedVersion":2}`, outdated, ""},
		{"PATCH /fleet-metric/m.1", `{"indexName":"AWS_Things","expectedVersion":1,"period":60,"description":"","aggregationType":{"name":"Percentiles","values":["50"]}}`, "", ""},
		{"PATCH /fleet-metric/m.1", `{"indexName":"AWS_Things","aggregationType":{"values":["50"]}}`, wrong, ""},
		{"PATCH /fleet-metric/m.1", `{"indexName":"AWS_Things","queryString":"AND"}`, badQuery, ""},
		{"PATCH /fleet-metric/m.1", `{"indexName":"AWS_Things","aggregationField":"none"}`, badAggregation, ""},
		{"PATCH /fleet-metric/m.1", `{"indexName":"AWS_ThingGroups"}`, missingOne, ""},
		{"PATCH /fleet-metric/none", `{"indexName":"AWS_Things"}`, missingOne, ""},
		{"GET /fleet-metric/m.1", "", "", `{"version":2,"period":60,"description":"absent","aggregationType":{"name":"Percentiles","values":["50"]},"unit":"Count"}`},
		{"GET /fleet-metrics", "", "", `{"fleetMetrics":[{"metricName":"m.1","metricArn":"` + arn + `"}],"nextToken":"absent"}`},
		{"GET /fleet-metrics?maxResults=251", "", wrong, ""},
		{"PUT /fleet-metric/a%20b", metric + `}`, wrong, ""},
		{"PUT /fleet-metric/n", metric[:len(metric)-len(`,"aggregationField":"registry.version"`)] + `}`, wrong, ""},
		{"PUT /fleet-metric/n", `{"aggregationType":{"name":"Cardinality"},"period":60,"aggregationField":"thingName"}`, wrong, ""},
		{"PUT /fleet-metric/n", `{"queryString":"*","period":60,"aggregationField":"thingName"}`, wrong, ""},
		{"PUT /fleet-metric/n", `{"queryString":"*","aggregationType":{"name":"Cardinality"},"aggregationField":"thingName"}`, wrong, ""},
		{"PUT /fleet-metric/n", `{"queryString":"*","aggregationType":{"name":"Median"},"period":60,"aggregationField":"thingName"}`, wrong, ""},
		{"PUT /fleet-metric/n", `{"queryString":"*","aggregationType":{"name":"Cardinality"},"period":61,"aggregationField":"thingName"}`, wrong, ""},
		{"PUT /fleet-metric/n", `{"queryString":"*","aggregationType":{"name":"Cardinality"},"period":9223372036854775807,"aggregationField":"thingName"}`, wrong, ""},
		{"PUT /fleet-metric/n", `{"queryString":"*","aggregationType":{"name":"Cardinality"},"period":60,"aggregationField":"none"}`, badAggregation, ""},
		{"DELETE /fleet-metric/m.1?expectedVersion=1", "", outdated, ""},
		{"DELETE /fleet-metric/m.1?expectedVersion=2", "", "", ""},
		{"DELETE /fleet-metric/m.1", "", "", ""},
		{"GET /fleet-metrics", "", "", `{"fleetMetrics":[]}`},
	})
}

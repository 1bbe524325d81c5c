package api

import (
	"cmp"
	"net/http"
	"time"

	"github.com/thinghub/thinghub/registry"
)

var searchOperations = []operation{
	{name: "GetIndexingConfiguration", method: http.MethodGet, path: "/indexing/config", errors: usual(), handle: getIndexing},
	{name: "UpdateIndexingConfiguration", method: http.MethodPost, path: "/indexing/config", errors: usual(), handle: updateIndexing},
	{name: "DescribeIndex", method: http.MethodGet, path: "/indices/{indexName}", errors: usual("ResourceNotFound"), handle: describeIndex},
	{name: "ListIndices", method: http.MethodGet, path: "/indices", errors: usual(), handle: listIndices},
	{name: "SearchIndex", method: http.MethodPost, path: "/indices/search", errors: usual("IndexNotReady", "InvalidQuery", "ResourceNotFound"), handle: searchIndex, on: ofBody[indexBody]},
	{name: "GetStatistics", method: http.MethodPost, path: "/indices/statistics", errors: usual("IndexNotReady", "InvalidAggregation", "InvalidQuery", "ResourceNotFound"), handle: getStatistics, on: ofBody[indexBody]},
	{name: "GetPercentiles", method: http.MethodPost, path: "/indices/percentiles", errors: usual("IndexNotReady", "InvalidAggregation", "InvalidQuery", "ResourceNotFound"), handle: getPercentiles, on: ofBody[indexBody]},
	{name: "GetCardinality", method: http.MethodPost, path: "/indices/cardinality", errors: usual("IndexNotReady", "InvalidAggregation", "InvalidQuery", "ResourceNotFound"), handle: getCardinality, on: ofBody[indexBody]},
	{name: "GetBucketsAggregation", method: http.MethodPost, path: "/indices/buckets", errors: usual("IndexNotReady", "InvalidAggregation", "InvalidQuery", "ResourceNotFound"), handle: getBuckets, on: ofBody[indexBody]},
}

// An indexBody names an index, that of the things if it names none.
type indexBody struct {
	Name string `json:"indexName"`
}

func (b indexBody) resources() []string {
	return []string{"index/" + cmp.Or(b.Name, registry.IndexThings)}
}

type thingIndexing struct {
	Mode         string           `json:"thingIndexingMode"`
	Connectivity string           `json:"thingConnectivityIndexingMode,omitempty"`
	Defender     string           `json:"deviceDefenderIndexingMode,omitempty"`
	NamedShadows string           `json:"namedShadowIndexingMode,omitempty"`
	Managed      []registry.Field `json:"managedFields,omitempty"`
	Custom       []registry.Field `json:"customFields,omitempty"`
	Filter       *indexingFilter  `json:"filter,omitempty"`
}

type indexingFilter struct {
	NamedShadowNames []string               `json:"namedShadowNames,omitempty"`
	GeoLocations     []registry.GeoLocation `json:"geoLocations,omitempty"`
}

type groupIndexing struct {
	Mode    string           `json:"thingGroupIndexingMode"`
	Managed []registry.Field `json:"managedFields,omitempty"`
	Custom  []registry.Field `json:"customFields,omitempty"`
}

type indexing struct {
	Things *thingIndexing `json:"thingIndexingConfiguration,omitempty"`
	Groups *groupIndexing `json:"thingGroupIndexingConfiguration,omitempty"`
}

func getIndexing(c *call) error {
	cfg, err := c.cfg.Registry.GetIndexingConfiguration(c.r.Context())
	if err != nil {
		return err
	}
	var out indexing
	if t := cfg.Things; t != nil {
		out.Things = &thingIndexing{off(t.Mode), off(t.Connectivity), off(t.DeviceDefender), off(t.NamedShadows), t.ManagedFields, t.CustomFields, nil}
		if len(t.NamedShadowNames)+len(t.GeoLocations) > 0 {
			out.Things.Filter = &indexingFilter{t.NamedShadowNames, t.GeoLocations}
		}
	}
	if g := cfg.Groups; g != nil {
		out.Groups = &groupIndexing{off(g.Mode), g.ManagedFields, g.CustomFields}
	}
	return c.answer.json(out)
}

// off is a mode that may be empty.
func off(mode string) string {
	if mode == "" {
		return registry.IndexOff
	}
	return mode
}

func updateIndexing(c *call) error {
	in, err := input[indexing](c)
	if err != nil {
		return err
	}
	var cfg registry.IndexingConfiguration
	if t := in.Things; t != nil {
		if err := required("thingIndexingConfiguration.thingIndexingMode", t.Mode); err != nil {
			return err
		}
		cfg.Things = &registry.ThingIndexing{Mode: t.Mode, Connectivity: t.Connectivity, DeviceDefender: t.Defender, NamedShadows: t.NamedShadows, CustomFields: t.Custom}
		if t.Filter != nil {
			cfg.Things.NamedShadowNames, cfg.Things.GeoLocations = t.Filter.NamedShadowNames, t.Filter.GeoLocations
		}
	}
	if g := in.Groups; g != nil {
		if err := required("thingGroupIndexingConfiguration.thingGroupIndexingMode", g.Mode); err != nil {
			return err
		}
		cfg.Groups = &registry.GroupIndexing{Mode: g.Mode, CustomFields: g.Custom}
	}
	if err := c.cfg.Registry.UpdateIndexingConfiguration(c.r.Context(), cfg); err != nil {
		return err
	}
	return c.empty()
}

func describeIndex(c *call) error {
	i, err := c.cfg.Registry.DescribeIndex(c.r.Context(), c.path("indexName"))
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Name   string `json:"indexName"`
		Status string `json:"indexStatus"`
		Schema string `json:"schema"`
	}{i.Name, i.Status, i.Schema})
}

func listIndices(c *call) error {
	p, err := c.page(500)
	if err != nil {
		return err
	}
	names, next, err := c.cfg.Registry.ListIndices(c.r.Context(), p)
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Names []string `json:"indexNames"`
		Next  string   `json:"nextToken,omitempty"`
	}{some(names), next})
}

type searchBody struct {
	Index    string    `json:"indexName"`
	Query    string    `json:"queryString"`
	Version  string    `json:"queryVersion"`
	Token    string    `json:"nextToken"`
	Max      *int      `json:"maxResults"`
	Field    string    `json:"aggregationField"`
	Percents []float64 `json:"percents"`
	Buckets  *struct {
		Terms *struct {
			Max int `json:"maxBuckets"`
		} `json:"termsAggregation"`
	} `json:"bucketsAggregationType"`
}

// search reads a request with a query.
func (c *call) search() (searchBody, registry.Search, error) {
	in, err := input[searchBody](c)
	if err == nil {
		err = required("queryString", in.Query)
	}
	return in, registry.Search{Index: in.Index, Query: in.Query, Version: in.Version}, err
}

type connectivityOut struct {
	Connected bool   `json:"connected"`
	Timestamp int64  `json:"timestamp,omitempty"` // milliseconds
	Reason    string `json:"disconnectReason,omitempty"`
	KeepAlive int64  `json:"keepAliveDuration,omitempty"`
	Clean     bool   `json:"cleanSession,omitempty"`
	Expiry    int64  `json:"sessionExpiry,omitempty"`
	ClientID  string `json:"clientId,omitempty"`
}

func connectivityOf(is *registry.Connectivity) *connectivityOut {
	if is == nil {
		return nil
	}
	out := &connectivityOut{Connected: is.Connected, Reason: is.DisconnectReason, ClientID: is.ClientID, Clean: is.CleanSession}
	if !is.Timestamp.IsZero() {
		out.Timestamp = is.Timestamp.UnixMilli()
	}
	out.KeepAlive, out.Expiry = int64(is.KeepAlive/time.Second), max(0, int64(is.SessionExpiry/time.Second))
	return out
}

type foundThing struct {
	Name         string            `json:"thingName"`
	ID           string            `json:"thingId"`
	Type         string            `json:"thingTypeName,omitempty"`
	Groups       []string          `json:"thingGroupNames,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"`
	Shadow       string            `json:"shadow,omitempty"`
	Connectivity *connectivityOut  `json:"connectivity,omitempty"`
}

type foundGroup struct {
	Name        string            `json:"thingGroupName"`
	ID          string            `json:"thingGroupId"`
	Description string            `json:"thingGroupDescription,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Parents     []string          `json:"parentGroupNames,omitempty"`
}

func searchIndex(c *call) error {
	in, q, err := c.search()
	if err != nil {
		return err
	}
	p := registry.Page{Token: in.Token}
	if in.Max != nil {
		if p.Max = *in.Max; p.Max < 1 || p.Max > 500 {
			return failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: "maxResults is out of range, expected 1 to 500"}
		}
	}
	found, next, err := c.cfg.Registry.SearchIndex(c.r.Context(), q, p)
	if err != nil {
		return err
	}
	out := map[string]any{}
	if next != "" {
		out["nextToken"] = next
	}
	if q.Index == registry.IndexGroups {
		groups := make([]foundGroup, len(found.Groups))
		for i, g := range found.Groups {
			groups[i] = foundGroup{g.Name, g.ID, g.Description, g.Attributes, g.Parents}
		}
		out["thingGroups"] = groups
		return c.answer.json(out)
	}
	things := make([]foundThing, len(found.Things))
	for i, t := range found.Things {
		things[i] = foundThing{t.Name, t.ID, t.Type, t.Groups, t.Attributes, t.Shadow, connectivityOf(t.Connectivity)}
	}
	out["things"] = things
	return c.answer.json(out)
}

func getStatistics(c *call) error {
	in, q, err := c.search()
	if err != nil {
		return err
	}
	s, err := c.cfg.Registry.GetStatistics(c.r.Context(), q, in.Field)
	if err != nil {
		return err
	}
	out := map[string]any{"count": s.Count}
	if s.Numeric {
		out["average"], out["sum"], out["minimum"], out["maximum"] = s.Average, s.Sum, s.Minimum, s.Maximum
		out["sumOfSquares"], out["variance"], out["stdDeviation"] = s.SumOfSquares, s.Variance, s.StdDeviation
	}
	return c.answer.json(map[string]any{"statistics": out})
}

func getPercentiles(c *call) error {
	in, q, err := c.search()
	if err != nil {
		return err
	}
	list, err := c.cfg.Registry.GetPercentiles(c.r.Context(), q, in.Field, in.Percents)
	if err != nil {
		return err
	}
	type pair struct {
		Percent float64 `json:"percent"`
		Value   float64 `json:"value"`
	}
	out := make([]pair, len(list))
	for i, p := range list {
		out[i] = pair(p)
	}
	return c.answer.json(map[string]any{"percentiles": out})
}

func getCardinality(c *call) error {
	in, q, err := c.search()
	if err != nil {
		return err
	}
	n, err := c.cfg.Registry.GetCardinality(c.r.Context(), q, in.Field)
	if err != nil {
		return err
	}
	return c.answer.json(map[string]any{"cardinality": n})
}

func getBuckets(c *call) error {
	in, q, err := c.search()
	if err == nil {
		err = required("aggregationField", in.Field)
	}
	if err == nil && in.Buckets == nil {
		err = required("bucketsAggregationType", "")
	}
	if err != nil {
		return err
	}
	most := 0
	if in.Buckets.Terms != nil {
		most = in.Buckets.Terms.Max
	}
	b, err := c.cfg.Registry.GetBucketsAggregation(c.r.Context(), q, in.Field, most)
	if err != nil {
		return err
	}
	type bucket struct {
		Key   string `json:"keyValue"`
		Count int    `json:"count"`
	}
	out := make([]bucket, len(b.Buckets))
	for i, x := range b.Buckets {
		out[i] = bucket(x)
	}
	return c.answer.json(map[string]any{"totalCount": b.Total, "buckets": out})
}

package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/thinghub/thinghub/registry"
)

var metricOperations = []operation{
	{name: "CreateFleetMetric", method: http.MethodPut, path: "/fleet-metric/{metricName}", errors: usual("IndexNotReady", "InvalidAggregation", "InvalidQuery", "LimitExceeded", "ResourceAlreadyExists", "ResourceNotFound"), handle: createMetric, on: withBody[indexBody]},
	{name: "DescribeFleetMetric", method: http.MethodGet, path: "/fleet-metric/{metricName}", errors: usual("ResourceNotFound"), handle: describeMetric},
	{name: "UpdateFleetMetric", method: http.MethodPatch, path: "/fleet-metric/{metricName}", errors: usual("IndexNotReady", "InvalidAggregation", "InvalidQuery", "ResourceNotFound", "VersionConflict"), handle: updateMetric, on: withBody[indexBody]},
	{name: "DeleteFleetMetric", method: http.MethodDelete, path: "/fleet-metric/{metricName}", errors: usual("VersionConflict"), handle: deleteMetric},
	{name: "ListFleetMetrics", method: http.MethodGet, path: "/fleet-metrics", errors: usual(), handle: listMetrics},
}

type aggregationType struct {
	Name   string   `json:"name"`
	Values []string `json:"values,omitempty"`
}

type metricBody struct {
	Query        string           `json:"queryString"`
	Aggregation  *aggregationType `json:"aggregationType"`
	Period       *int             `json:"period"` // seconds
	Field        string           `json:"aggregationField"`
	Description  *string          `json:"description"`
	QueryVersion string           `json:"queryVersion"`
	Index        string           `json:"indexName"`
	Unit         string           `json:"unit"`
	Tags         []tag            `json:"tags"`
	Version      *int64           `json:"expectedVersion"`
}

// period is 0 for one that is absent.
func (b *metricBody) period() (time.Duration, error) {
	if b.Period == nil {
		return 0, nil
	}
	if s := *b.Period; s < 60 || s > 86400 { // before it is multiplied
		return 0, badBody("period is %d, expected a multiple of 60 from 60 to 86400", s)
	}
	return time.Duration(*b.Period) * time.Second, nil
}

func createMetric(c *call) error {
	in, err := input[metricBody](c)
	if err == nil {
		err = required("queryString", in.Query)
	}
	if err == nil && in.Aggregation == nil {
		err = required("aggregationType", "")
	}
	if err == nil && in.Period == nil {
		err = required("period", "")
	}
	if err == nil {
		err = required("aggregationField", in.Field)
	}
	if err != nil {
		return err
	}
	period, err := in.period()
	if err != nil {
		return err
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return err
	}
	m := registry.FleetMetric{
		Name: c.path("metricName"), Index: in.Index, Query: in.Query, QueryVersion: in.QueryVersion, Field: in.Field,
		Aggregation: in.Aggregation.Name, Values: in.Aggregation.Values, Period: period, Unit: in.Unit,
	}
	if in.Description != nil {
		m.Description = *in.Description
	}
	if m, err = c.cfg.Registry.CreateFleetMetric(c.r.Context(), m, tags); err != nil {
		return err
	}
	return c.answer.json(c.metricRef(m.Name))
}

type metricRef struct {
	Name string `json:"metricName"`
	ARN  string `json:"metricArn"`
}

func (c *call) metricRef(name string) metricRef {
	return metricRef{name, c.cfg.Registry.FleetMetricARN(name)}
}

func describeMetric(c *call) error {
	m, err := c.cfg.Registry.DescribeFleetMetric(c.r.Context(), c.path("metricName"))
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		metricRef
		Query        string          `json:"queryString"`
		Aggregation  aggregationType `json:"aggregationType"`
		Period       int             `json:"period"`
		Field        string          `json:"aggregationField"`
		Description  string          `json:"description,omitempty"`
		QueryVersion string          `json:"queryVersion"`
		Index        string          `json:"indexName"`
		Created      *json.Number    `json:"creationDate"`
		Modified     *json.Number    `json:"lastModifiedDate"`
		Unit         string          `json:"unit,omitempty"`
		Version      int64           `json:"version"`
	}{
		c.metricRef(m.Name), m.Query,
		aggregationType{m.Aggregation, m.Values},
		int(m.Period / time.Second), m.Field, m.Description,
		m.QueryVersion, m.Index, seconds(m.Created), seconds(m.Modified), m.Unit, m.Version,
	})
}

func updateMetric(c *call) error {
	in, err := input[metricBody](c)
	if err == nil {
		err = required("indexName", in.Index)
	}
	if err != nil {
		return err
	}
	period, err := in.period()
	if err != nil {
		return err
	}
	u := registry.UpdateFleetMetricInput{
		Name: c.path("metricName"), Description: in.Description, Index: in.Index, Query: in.Query, QueryVersion: in.QueryVersion,
		Field: in.Field, Period: period, Unit: in.Unit, ExpectedVersion: in.Version,
	}
	if a := in.Aggregation; a != nil {
		if err := required("aggregationType.name", a.Name); err != nil {
			return err
		}
		u.Aggregation, u.Values = a.Name, a.Values
	}
	if _, err := c.cfg.Registry.UpdateFleetMetric(c.r.Context(), u); err != nil {
		return err
	}
	return c.empty()
}

func deleteMetric(c *call) error {
	version, err := c.queryVersion()
	if err != nil {
		return err
	}
	if err := c.cfg.Registry.DeleteFleetMetric(c.r.Context(), c.path("metricName"), version); err != nil {
		return err
	}
	return c.empty()
}

func listMetrics(c *call) error {
	p, err := c.page(250)
	if err != nil {
		return err
	}
	names, next, err := c.cfg.Registry.ListFleetMetrics(c.r.Context(), p)
	if err != nil {
		return err
	}
	out := struct {
		Metrics []metricRef `json:"fleetMetrics"`
		Next    string      `json:"nextToken,omitempty"`
	}{make([]metricRef, len(names)), next}
	for i, name := range names {
		out.Metrics[i] = c.metricRef(name)
	}
	return c.answer.json(out)
}

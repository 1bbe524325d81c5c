package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/registry"
)

var accountOperations = []operation{
	{name: "DescribeEndpoint", method: http.MethodGet, path: "/endpoint", errors: few("Unauthorized"), handle: describeEndpoint},
	{name: "TagResource", method: http.MethodPost, path: "/tags", errors: few("LimitExceeded", "ResourceNotFound"), handle: tagResource, on: ofBody[tagsBody]},
	{name: "UntagResource", method: http.MethodPost, path: "/untag", errors: few("ResourceNotFound"), handle: untagResource, on: ofBody[tagsBody]},
	{name: "ListTagsForResource", method: http.MethodGet, path: "/tags", errors: few("ResourceNotFound"), handle: listTags, on: func(c *call) []string {
		return []string{whole(c.query.Get("resourceArn"))}
	}},
	{name: "DescribeEventConfigurations", method: http.MethodGet, path: "/event-configurations", errors: few(), handle: describeEvents},
	{name: "UpdateEventConfigurations", method: http.MethodPatch, path: "/event-configurations", errors: few(), handle: updateEvents},
}

// endpointTypes are those that SDKs ask for.
var endpointTypes = []string{"", "iot:Data", "iot:Data-ATS", "iot:Data-Beta", "iot:CredentialProvider", "iot:Jobs"}

func describeEndpoint(c *call) error {
	kind := c.query.Get("endpointType")
	if !slices.Contains(endpointTypes, kind) {
		return invalid("endpointType", kind, "one of "+strings.Join(endpointTypes[1:], ", "))
	}
	host := c.r.Host
	if c.cfg.Endpoint != nil {
		host = c.cfg.Endpoint(c.r, kind)
	}
	return c.answer.json(map[string]string{"endpointAddress": host})
}

type tagsBody struct {
	ARN  string   `json:"resourceArn"`
	Tags []tag    `json:"tags"`
	Keys []string `json:"tagKeys"`
}

func (b tagsBody) resources() []string { return arns(b.ARN) }

func tagResource(c *call) error {
	in, err := input[tagsBody](c)
	if err == nil {
		err = required("resourceArn", in.ARN)
	}
	if err == nil && in.Tags == nil {
		err = required("tags", "")
	}
	if err != nil {
		return err
	}
	tags, err := tagMap(in.Tags)
	if err == nil {
		err = c.cfg.Registry.TagResource(c.r.Context(), in.ARN, tags)
	}
	if err != nil {
		return err
	}
	return c.empty()
}

func untagResource(c *call) error {
	in, err := input[tagsBody](c)
	if err == nil {
		err = required("resourceArn", in.ARN)
	}
	if err == nil && in.Keys == nil {
		err = required("tagKeys", "")
	}
	if err == nil {
		err = c.cfg.Registry.UntagResource(c.r.Context(), in.ARN, in.Keys)
	}
	if err != nil {
		return err
	}
	return c.empty()
}

func listTags(c *call) error {
	q := c.query
	if err := required("resourceArn", q.Get("resourceArn")); err != nil {
		return err
	}
	tags, next, err := c.cfg.Registry.ListTagsForResource(c.r.Context(), q.Get("resourceArn"), registry.Page{Token: q.Get("nextToken")})
	if err != nil {
		return err
	}
	out := struct {
		Tags []tag  `json:"tags"`
		Next string `json:"nextToken,omitempty"`
	}{make([]tag, len(tags)), next}
	for i, t := range tags {
		out.Tags[i] = tag(t)
	}
	return c.answer.json(out)
}

type eventConfiguration struct {
	Enabled bool // with a capital E
}

func describeEvents(c *call) error {
	e, err := c.cfg.Registry.DescribeEventConfigurations(c.r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Events   map[registry.EventType]eventConfiguration `json:"eventConfigurations"`
		Created  *json.Number                              `json:"creationDate,omitempty"`
		Modified *json.Number                              `json:"lastModifiedDate,omitempty"`
	}{map[registry.EventType]eventConfiguration{}, seconds(e.Created), seconds(e.Modified)}
	for t, on := range e.Enabled {
		out.Events[t] = eventConfiguration{on}
	}
	return c.answer.json(out)
}

func updateEvents(c *call) error {
	in, err := input[struct {
		Events map[registry.EventType]eventConfiguration `json:"eventConfigurations"`
	}](c)
	if err != nil {
		return err
	}
	enable := map[registry.EventType]bool{}
	for t, e := range in.Events {
		enable[t] = e.Enabled
	}
	if err := c.cfg.Registry.UpdateEventConfigurations(c.r.Context(), enable); err != nil {
		return err
	}
	return c.empty()
}

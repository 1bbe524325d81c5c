package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/arn"
	"github.com/thinghub/thinghub/registry"
)

var accountOperations = []operation{
	{name: "DescribeEndpoint", method: http.MethodGet, path: "/endpoint", handle: describeEndpoint},
	{name: "TagResource", method: http.MethodPost, path: "/tags", handle: tagResource},
	{name: "UntagResource", method: http.MethodPost, path: "/untag", handle: untagResource},
	{name: "ListTagsForResource", method: http.MethodGet, path: "/tags", handle: listTags, allowed: func(c *call) (auth.Action, string) {
		return "iot:ListTagsForResource", resourceOf(c.r.URL.Query().Get("resourceArn"))
	}},
	{name: "DescribeEventConfigurations", method: http.MethodGet, path: "/event-configurations", handle: describeEvents},
	{name: "UpdateEventConfigurations", method: http.MethodPatch, path: "/event-configurations", handle: updateEvents},
}

// resourceOf is the resource's part of an ARN.
func resourceOf(name string) string {
	n, err := arn.Parse(name)
	if err != nil {
		return "*"
	}
	return n.Resource
}

// endpointTypes are those that SDKs ask for.
var endpointTypes = []string{"", "iot:Data", "iot:Data-ATS", "iot:Data-Beta", "iot:CredentialProvider", "iot:Jobs"}

func describeEndpoint(c *call) error {
	kind := c.r.URL.Query().Get("endpointType")
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
	q := c.r.URL.Query()
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

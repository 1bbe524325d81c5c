package api

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/thinghub/thinghub/registry"
)

var groupOperations = []operation{
	{name: "CreateThingGroup", method: http.MethodPost, path: "/thing-groups/{thingGroupName}", errors: few("ResourceAlreadyExists"), handle: createGroup, on: withBody[groupBody]},
	{name: "DescribeThingGroup", method: http.MethodGet, path: "/thing-groups/{thingGroupName}", errors: few("ResourceNotFound"), handle: describeGroup},
	{name: "UpdateThingGroup", method: http.MethodPatch, path: "/thing-groups/{thingGroupName}", errors: few("ResourceNotFound", "VersionConflict"), handle: updateGroup},
	{name: "DeleteThingGroup", method: http.MethodDelete, path: "/thing-groups/{thingGroupName}", errors: few("VersionConflict"), handle: deleteGroup},
	{name: "ListThingGroups", method: http.MethodGet, path: "/thing-groups", errors: few("ResourceNotFound"), handle: listGroups},
	{name: "AddThingToThingGroup", method: http.MethodPut, path: "/thing-groups/addThingToThingGroup", errors: few("ResourceNotFound"), handle: addToGroup, on: ofBody[membershipBody]},
	{name: "RemoveThingFromThingGroup", method: http.MethodPut, path: "/thing-groups/removeThingFromThingGroup", errors: few("ResourceNotFound"), handle: removeFromGroup, on: ofBody[membershipBody]},
	{name: "UpdateThingGroupsForThing", method: http.MethodPut, path: "/thing-groups/updateThingGroupsForThing", errors: few("ResourceNotFound"), handle: updateGroupsOfThing, on: ofBody[membershipsBody]},
	{name: "ListThingsInThingGroup", method: http.MethodGet, path: "/thing-groups/{thingGroupName}/things", errors: few("ResourceNotFound"), handle: listThingsInGroup},
	{name: "ListThingGroupsForThing", method: http.MethodGet, path: "/things/{thingName}/thing-groups", errors: few("ResourceNotFound"), handle: listGroupsOfThing},
	{name: "CreateDynamicThingGroup", method: http.MethodPost, path: "/dynamic-thing-groups/{thingGroupName}", errors: few("InvalidQuery", "LimitExceeded", "ResourceAlreadyExists", "ResourceNotFound"), handle: createDynamicGroup},
	{name: "UpdateDynamicThingGroup", method: http.MethodPatch, path: "/dynamic-thing-groups/{thingGroupName}", errors: few("InvalidQuery", "ResourceNotFound", "VersionConflict"), handle: updateDynamicGroup},
	{name: "DeleteDynamicThingGroup", method: http.MethodDelete, path: "/dynamic-thing-groups/{thingGroupName}", errors: few("VersionConflict"), handle: deleteDynamicGroup},
}

type groupProperties struct {
	Description *string           `json:"thingGroupDescription,omitempty"`
	Attributes  *attributePayload `json:"attributePayload,omitempty"`
}

func (p *groupProperties) registry() (out registry.GroupProperties) {
	if p == nil {
		return out
	}
	out.Description = p.Description
	if a := p.Attributes; a != nil {
		out.Attributes, out.Merge = a.Attributes, a.Merge
		if out.Attributes == nil && !a.Merge {
			out.Attributes = map[string]string{}
		}
	}
	return out
}

type groupBody struct {
	Parent       string           `json:"parentGroupName"`
	Properties   *groupProperties `json:"thingGroupProperties"`
	Tags         []tag            `json:"tags"`
	Version      *int64           `json:"expectedVersion"`
	Index        string           `json:"indexName"`
	Query        string           `json:"queryString"`
	QueryVersion string           `json:"queryVersion"`
}

// resources has the parent, whose policies the group's things get.
func (b groupBody) resources() []string { return named("thinggroup/", b.Parent) }

type groupCreated struct {
	Name         string `json:"thingGroupName"`
	ARN          string `json:"thingGroupArn"`
	ID           string `json:"thingGroupId"`
	Index        string `json:"indexName,omitempty"`
	Query        string `json:"queryString,omitempty"`
	QueryVersion string `json:"queryVersion,omitempty"`
}

func (c *call) groupCreated(g registry.Group) error {
	return c.answer.json(groupCreated{g.Name, c.cfg.Registry.GroupARN(g.Name), g.ID, g.Index, g.Query, g.QueryVersion})
}

func createGroup(c *call) error {
	in, err := input[groupBody](c)
	if err != nil {
		return err
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return err
	}
	g, err := c.cfg.Registry.CreateThingGroup(c.r.Context(), registry.CreateGroupInput{
		Name: c.path("thingGroupName"), Parent: in.Parent, GroupProperties: in.Properties.registry(), Tags: tags,
	})
	if err != nil {
		return err
	}
	return c.groupCreated(g)
}

func createDynamicGroup(c *call) error {
	in, err := input[groupBody](c)
	if err == nil {
		err = required("queryString", in.Query)
	}
	if err != nil {
		return err
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return err
	}
	g, err := c.cfg.Registry.CreateDynamicThingGroup(c.r.Context(), registry.CreateDynamicGroupInput{
		Name: c.path("thingGroupName"), Index: in.Index, Query: in.Query, QueryVersion: in.QueryVersion,
		GroupProperties: in.Properties.registry(), Tags: tags,
	})
	if err != nil {
		return err
	}
	return c.groupCreated(g)
}

type groupMetadata struct {
	Parent  string       `json:"parentGroupName,omitempty"`
	Path    []groupRef   `json:"rootToParentThingGroups,omitempty"`
	Created *json.Number `json:"creationDate"`
}

func describeGroup(c *call) error {
	g, err := c.cfg.Registry.DescribeThingGroup(c.r.Context(), c.path("thingGroupName"))
	if err != nil {
		return err
	}
	properties := groupProperties{}
	if g.Description != "" {
		properties.Description = &g.Description
	}
	if len(g.Attributes) > 0 {
		properties.Attributes = &attributePayload{Attributes: g.Attributes}
	}
	return c.answer.json(struct {
		Name         string          `json:"thingGroupName"`
		ID           string          `json:"thingGroupId"`
		ARN          string          `json:"thingGroupArn"`
		Version      int64           `json:"version"`
		Properties   groupProperties `json:"thingGroupProperties"`
		Metadata     groupMetadata   `json:"thingGroupMetadata"`
		Index        string          `json:"indexName,omitempty"`
		Query        string          `json:"queryString,omitempty"`
		QueryVersion string          `json:"queryVersion,omitempty"`
		Status       string          `json:"status,omitempty"`
	}{
		g.Name, g.ID, c.cfg.Registry.GroupARN(g.Name), g.Version, properties,
		groupMetadata{g.Parent, groupRefs(g.RootToParent), seconds(g.Created)},
		g.Index, g.Query, g.QueryVersion, g.Status,
	})
}

type versionOut struct {
	Version int64 `json:"version"`
}

// propertiesOf refuses an update without the properties that it is about.
func propertiesOf(in groupBody) error {
	if in.Properties == nil {
		return required("thingGroupProperties", "")
	}
	return nil
}

func updateGroup(c *call) error {
	in, err := input[groupBody](c)
	if err == nil {
		err = propertiesOf(in)
	}
	if err != nil {
		return err
	}
	v, err := c.cfg.Registry.UpdateThingGroup(c.r.Context(), registry.UpdateGroupInput{
		Name: c.path("thingGroupName"), GroupProperties: in.Properties.registry(), ExpectedVersion: in.Version,
	})
	if err != nil {
		return err
	}
	return c.answer.json(versionOut{v})
}

func updateDynamicGroup(c *call) error {
	in, err := input[groupBody](c)
	if err == nil {
		err = propertiesOf(in)
	}
	if err != nil {
		return err
	}
	v, err := c.cfg.Registry.UpdateDynamicThingGroup(c.r.Context(), registry.UpdateDynamicGroupInput{
		Name: c.path("thingGroupName"), Index: in.Index, Query: in.Query, QueryVersion: in.QueryVersion,
		GroupProperties: in.Properties.registry(), ExpectedVersion: in.Version,
	})
	if err != nil {
		return err
	}
	return c.answer.json(versionOut{v})
}

func deleteGroup(c *call) error {
	version, err := c.queryVersion()
	if err != nil {
		return err
	}
	if err := c.cfg.Registry.DeleteThingGroup(c.r.Context(), c.path("thingGroupName"), version); err != nil {
		return err
	}
	return c.empty()
}

func deleteDynamicGroup(c *call) error {
	version, err := c.queryVersion()
	if err != nil {
		return err
	}
	if err := c.cfg.Registry.DeleteDynamicThingGroup(c.r.Context(), c.path("thingGroupName"), version); err != nil {
		return err
	}
	return c.empty()
}

type groupsOut struct {
	Groups []groupRef `json:"thingGroups"`
	Next   string     `json:"nextToken,omitempty"`
}

func listGroups(c *call) error {
	p, err := c.page(250)
	if err != nil {
		return err
	}
	q := c.query
	f := registry.GroupFilter{Parent: q.Get("parentGroup"), Prefix: q.Get("namePrefixFilter")}
	if q.Has("recursive") {
		recursive, err := c.queryBool("recursive")
		if err != nil {
			return err
		}
		f.Recursive = &recursive
	}
	groups, next, err := c.cfg.Registry.ListThingGroups(c.r.Context(), f, p)
	if err != nil {
		return err
	}
	return c.answer.json(groupsOut{groupRefs(groups), next})
}

type membershipBody struct {
	Group      string `json:"thingGroupName"`
	GroupARN   string `json:"thingGroupArn"`
	Billing    string `json:"billingGroupName"`
	BillingARN string `json:"billingGroupArn"`
	Thing      string `json:"thingName"`
	ThingARN   string `json:"thingArn"`
	Override   bool   `json:"overrideDynamicGroups"`
}

func (b membershipBody) resources() []string {
	return slices.Concat(
		named("thing/", b.Thing), arns(b.ThingARN), named("thinggroup/", b.Group), arns(b.GroupARN), named("billinggroup/", b.Billing), arns(b.BillingARN),
	)
}

func (b membershipBody) group() registry.Membership {
	return registry.Membership{Group: b.Group, GroupARN: b.GroupARN, Thing: b.Thing, ThingARN: b.ThingARN, OverrideDynamicGroups: b.Override}
}

func (b membershipBody) billing() registry.Membership {
	return registry.Membership{Group: b.Billing, GroupARN: b.BillingARN, Thing: b.Thing, ThingARN: b.ThingARN}
}

func addToGroup(c *call) error {
	in, err := input[membershipBody](c)
	if err == nil {
		err = c.cfg.Registry.AddThingToThingGroup(c.r.Context(), in.group())
	}
	if err != nil {
		return err
	}
	return c.empty()
}

func removeFromGroup(c *call) error {
	in, err := input[membershipBody](c)
	if err == nil {
		err = c.cfg.Registry.RemoveThingFromThingGroup(c.r.Context(), in.group())
	}
	if err != nil {
		return err
	}
	return c.empty()
}

type membershipsBody struct {
	Thing    string   `json:"thingName"`
	Add      []string `json:"thingGroupsToAdd"`
	Remove   []string `json:"thingGroupsToRemove"`
	Override bool     `json:"overrideDynamicGroups"`
}

func (b membershipsBody) resources() []string {
	return slices.Concat(named("thing/", b.Thing), named("thinggroup/", b.Add...), named("thinggroup/", b.Remove...))
}

func updateGroupsOfThing(c *call) error {
	in, err := input[membershipsBody](c)
	if err == nil {
		err = c.cfg.Registry.UpdateThingGroupsForThing(c.r.Context(), in.Thing, in.Add, in.Remove, in.Override)
	}
	if err != nil {
		return err
	}
	return c.empty()
}

type namesOut struct {
	Things []string `json:"things"`
	Next   string   `json:"nextToken,omitempty"`
}

func listThingsInGroup(c *call) error {
	p, err := c.page(250)
	if err != nil {
		return err
	}
	recursive, err := c.queryBool("recursive")
	if err != nil {
		return err
	}
	things, next, err := c.cfg.Registry.ListThingsInThingGroup(c.r.Context(), c.path("thingGroupName"), recursive, p)
	if err != nil {
		return err
	}
	return c.answer.json(namesOut{some(things), next})
}

func listGroupsOfThing(c *call) error {
	p, err := c.page(250)
	if err != nil {
		return err
	}
	groups, next, err := c.cfg.Registry.ListThingGroupsForThing(c.r.Context(), c.path("thingName"), p)
	if err != nil {
		return err
	}
	return c.answer.json(groupsOut{groupRefs(groups), next})
}

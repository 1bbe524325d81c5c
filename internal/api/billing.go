package api

import (
	"encoding/json"
	"net/http"

	"github.com/thinghub/thinghub/registry"
)

var billingOperations = []operation{
	{name: "CreateBillingGroup", method: http.MethodPost, path: "/billing-groups/{billingGroupName}", errors: few("ResourceAlreadyExists"), handle: createBilling},
	{name: "DescribeBillingGroup", method: http.MethodGet, path: "/billing-groups/{billingGroupName}", errors: few("ResourceNotFound"), handle: describeBilling},
	{name: "UpdateBillingGroup", method: http.MethodPatch, path: "/billing-groups/{billingGroupName}", errors: few("ResourceNotFound", "VersionConflict"), handle: updateBilling},
	{name: "DeleteBillingGroup", method: http.MethodDelete, path: "/billing-groups/{billingGroupName}", errors: few("VersionConflict"), handle: deleteBilling},
	{name: "ListBillingGroups", method: http.MethodGet, path: "/billing-groups", errors: few("ResourceNotFound"), handle: listBilling},
	{name: "AddThingToBillingGroup", method: http.MethodPut, path: "/billing-groups/addThingToBillingGroup", errors: few("ResourceNotFound"), handle: addToBilling, on: ofBody[membershipBody]},
	{name: "RemoveThingFromBillingGroup", method: http.MethodPut, path: "/billing-groups/removeThingFromBillingGroup", errors: few("ResourceNotFound"), handle: removeFromBilling, on: ofBody[membershipBody]},
	{name: "ListThingsInBillingGroup", method: http.MethodGet, path: "/billing-groups/{billingGroupName}/things", errors: few("ResourceNotFound"), handle: listThingsInBilling},
}

type billingProperties struct {
	Description *string `json:"billingGroupDescription,omitempty"`
}

type billingBody struct {
	Properties *billingProperties `json:"billingGroupProperties"`
	Tags       []tag              `json:"tags"`
	Version    *int64             `json:"expectedVersion"`
}

func createBilling(c *call) error {
	in, err := input[billingBody](c)
	if err != nil {
		return err
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return err
	}
	create := registry.CreateBillingGroupInput{Name: c.path("billingGroupName"), Tags: tags}
	if in.Properties != nil && in.Properties.Description != nil {
		create.Description = *in.Properties.Description
	}
	g, err := c.cfg.Registry.CreateBillingGroup(c.r.Context(), create)
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Name string `json:"billingGroupName"`
		ARN  string `json:"billingGroupArn"`
		ID   string `json:"billingGroupId"`
	}{g.Name, c.cfg.Registry.BillingGroupARN(g.Name), g.ID})
}

func describeBilling(c *call) error {
	g, err := c.cfg.Registry.DescribeBillingGroup(c.r.Context(), c.path("billingGroupName"))
	if err != nil {
		return err
	}
	properties := billingProperties{}
	if g.Description != "" {
		properties.Description = &g.Description
	}
	return c.answer.json(struct {
		Name       string                  `json:"billingGroupName"`
		ID         string                  `json:"billingGroupId"`
		ARN        string                  `json:"billingGroupArn"`
		Version    int64                   `json:"version"`
		Properties billingProperties       `json:"billingGroupProperties"`
		Metadata   map[string]*json.Number `json:"billingGroupMetadata"`
	}{g.Name, g.ID, c.cfg.Registry.BillingGroupARN(g.Name), g.Version, properties, map[string]*json.Number{"creationDate": seconds(g.Created)}})
}

func updateBilling(c *call) error {
	in, err := input[billingBody](c)
	if err == nil && in.Properties == nil {
		err = required("billingGroupProperties", "")
	}
	if err != nil {
		return err
	}
	v, err := c.cfg.Registry.UpdateBillingGroup(c.r.Context(), c.path("billingGroupName"), in.Properties.Description, in.Version)
	if err != nil {
		return err
	}
	return c.answer.json(versionOut{v})
}

func deleteBilling(c *call) error {
	version, err := c.queryVersion()
	if err != nil {
		return err
	}
	if err := c.cfg.Registry.DeleteBillingGroup(c.r.Context(), c.path("billingGroupName"), version); err != nil {
		return err
	}
	return c.empty()
}

func listBilling(c *call) error {
	p, err := c.page(250)
	if err != nil {
		return err
	}
	groups, next, err := c.cfg.Registry.ListBillingGroups(c.r.Context(), c.query.Get("namePrefixFilter"), p)
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Groups []groupRef `json:"billingGroups"`
		Next   string     `json:"nextToken,omitempty"`
	}{groupRefs(groups), next})
}

func addToBilling(c *call) error {
	in, err := input[membershipBody](c)
	if err == nil {
		err = c.cfg.Registry.AddThingToBillingGroup(c.r.Context(), in.billing())
	}
	if err != nil {
		return err
	}
	return c.empty()
}

func removeFromBilling(c *call) error {
	in, err := input[membershipBody](c)
	if err == nil {
		err = c.cfg.Registry.RemoveThingFromBillingGroup(c.r.Context(), in.billing())
	}
	if err != nil {
		return err
	}
	return c.empty()
}

func listThingsInBilling(c *call) error {
	p, err := c.page(250)
	if err != nil {
		return err
	}
	things, next, err := c.cfg.Registry.ListThingsInBillingGroup(c.r.Context(), c.path("billingGroupName"), p)
	if err != nil {
		return err
	}
	return c.answer.json(namesOut{some(things), next})
}

package api

import (
	"encoding/json"
	"net/http"

	"github.com/thinghub/thinghub/registry"
)

var typeOperations = []operation{
	{name: "CreateThingType", method: http.MethodPost, path: "/thing-types/{thingTypeName}", errors: usual("ResourceAlreadyExists"), handle: createType},
	{name: "DescribeThingType", method: http.MethodGet, path: "/thing-types/{thingTypeName}", errors: usual("ResourceNotFound"), handle: describeType},
	{name: "UpdateThingType", method: http.MethodPatch, path: "/thing-types/{thingTypeName}", errors: usual("ResourceNotFound"), handle: updateType},
	{name: "DeprecateThingType", method: http.MethodPost, path: "/thing-types/{thingTypeName}/deprecate", errors: usual("ResourceNotFound"), handle: deprecateType},
	{name: "DeleteThingType", method: http.MethodDelete, path: "/thing-types/{thingTypeName}", errors: usual("ResourceNotFound"), handle: deleteType},
	{name: "ListThingTypes", method: http.MethodGet, path: "/thing-types", errors: usual(), handle: listTypes},
}

type propagating struct {
	Key        string `json:"userPropertyKey"`
	Thing      string `json:"thingAttribute,omitempty"`
	Connection string `json:"connectionAttribute,omitempty"`
}

type mqtt5Configuration struct {
	Propagating []propagating `json:"propagatingAttributes,omitempty"`
}

type typeProperties struct {
	Description *string             `json:"thingTypeDescription,omitempty"`
	Searchable  []string            `json:"searchableAttributes,omitempty"`
	MQTT5       *mqtt5Configuration `json:"mqtt5Configuration,omitempty"`
}

func (p typeProperties) registry() registry.TypeProperties {
	out := registry.TypeProperties{Description: p.Description, SearchableAttributes: p.Searchable}
	if p.MQTT5 != nil && p.MQTT5.Propagating != nil {
		out.PropagatingAttributes = []registry.PropagatingAttribute{}
		for _, a := range p.MQTT5.Propagating {
			out.PropagatingAttributes = append(out.PropagatingAttributes, registry.PropagatingAttribute{Key: a.Key, ThingAttribute: a.Thing, ConnectionAttribute: a.Connection})
		}
	}
	return out
}

type typeBody struct {
	Properties typeProperties `json:"thingTypeProperties"`
	Tags       []tag          `json:"tags"`
	Undo       bool           `json:"undoDeprecate"`
}

func createType(c *call) error {
	in, err := input[typeBody](c)
	if err != nil {
		return err
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return err
	}
	t, err := c.cfg.Registry.CreateThingType(c.r.Context(), c.path("thingTypeName"), in.Properties.registry(), tags)
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Name string `json:"thingTypeName"`
		ARN  string `json:"thingTypeArn"`
		ID   string `json:"thingTypeId"`
	}{t.Name, c.cfg.Registry.TypeARN(t.Name), t.ID})
}

type typeMetadata struct {
	Deprecated   bool         `json:"deprecated"`
	DeprecatedAt *json.Number `json:"deprecationDate,omitempty"`
	Created      *json.Number `json:"creationDate"`
}

type typeOut struct {
	Name       string         `json:"thingTypeName"`
	ID         string         `json:"thingTypeId,omitempty"`
	ARN        string         `json:"thingTypeArn"`
	Properties typeProperties `json:"thingTypeProperties"`
	Metadata   typeMetadata   `json:"thingTypeMetadata"`
}

func (c *call) typeOut(t registry.Type) typeOut {
	out := typeOut{
		Name: t.Name, ID: t.ID, ARN: c.cfg.Registry.TypeARN(t.Name),
		Properties: typeProperties{Searchable: t.SearchableAttributes},
		Metadata:   typeMetadata{!t.Deprecated.IsZero(), seconds(t.Deprecated), seconds(t.Created)},
	}
	if t.Description != "" {
		out.Properties.Description = &t.Description
	}
	if len(t.PropagatingAttributes) > 0 {
		out.Properties.MQTT5 = &mqtt5Configuration{}
		for _, a := range t.PropagatingAttributes {
			out.Properties.MQTT5.Propagating = append(out.Properties.MQTT5.Propagating, propagating{a.Key, a.ThingAttribute, a.ConnectionAttribute})
		}
	}
	return out
}

func describeType(c *call) error {
	t, err := c.cfg.Registry.DescribeThingType(c.r.Context(), c.path("thingTypeName"))
	if err != nil {
		return err
	}
	return c.answer.json(c.typeOut(t))
}

func updateType(c *call) error {
	in, err := input[typeBody](c)
	if err != nil {
		return err
	}
	if _, err := c.cfg.Registry.UpdateThingType(c.r.Context(), c.path("thingTypeName"), in.Properties.registry()); err != nil {
		return err
	}
	return c.empty()
}

func deprecateType(c *call) error {
	in, err := input[typeBody](c)
	if err != nil {
		return err
	}
	if err := c.cfg.Registry.DeprecateThingType(c.r.Context(), c.path("thingTypeName"), in.Undo); err != nil {
		return err
	}
	return c.empty()
}

func deleteType(c *call) error {
	if err := c.cfg.Registry.DeleteThingType(c.r.Context(), c.path("thingTypeName")); err != nil {
		return err
	}
	return c.empty()
}

func listTypes(c *call) error {
	p, err := c.page(250)
	if err != nil {
		return err
	}
	types, next, err := c.cfg.Registry.ListThingTypes(c.r.Context(), c.query.Get("thingTypeName"), p)
	if err != nil {
		return err
	}
	out := struct {
		Types []typeOut `json:"thingTypes"`
		Next  string    `json:"nextToken,omitempty"`
	}{make([]typeOut, len(types)), next}
	for i, t := range types {
		out.Types[i] = c.typeOut(t)
		out.Types[i].ID = "" // which lists do not have
	}
	return c.answer.json(out)
}

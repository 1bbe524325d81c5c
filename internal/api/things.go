package api

import (
	"net/http"
	"time"

	"github.com/thinghub/thinghub/registry"
)

var thingOperations = []operation{
	{name: "CreateThing", method: http.MethodPost, path: "/things/{thingName}", errors: usual("ResourceAlreadyExists", "ResourceNotFound"), handle: createThing, on: withBody[newThing]},
	{name: "DescribeThing", method: http.MethodGet, path: "/things/{thingName}", errors: usual("ResourceNotFound"), handle: describeThing},
	{name: "UpdateThing", method: http.MethodPatch, path: "/things/{thingName}", errors: usual("ResourceNotFound", "VersionConflict"), handle: updateThing},
	{name: "DeleteThing", method: http.MethodDelete, path: "/things/{thingName}", errors: usual("ResourceNotFound", "VersionConflict"), handle: deleteThing},
	{name: "ListThings", method: http.MethodGet, path: "/things", errors: usual(), handle: listThings},
	{name: "GetThingConnectivityData", method: http.MethodPost, path: "/things/{thingName}/connectivity-data", errors: usual("IndexNotReady", "ResourceNotFound"), handle: getConnectivity},
}

type newThing struct {
	Type       string           `json:"thingTypeName"`
	Attributes attributePayload `json:"attributePayload"`
	Billing    string           `json:"billingGroupName"`
}

func (b newThing) resources() []string { return named("billinggroup/", b.Billing) }

func createThing(c *call) error {
	in, err := input[newThing](c)
	if err != nil {
		return err
	}
	t, err := c.cfg.Registry.CreateThing(c.r.Context(), registry.CreateThingInput{
		Name: c.path("thingName"), Type: in.Type, BillingGroup: in.Billing, Attributes: in.Attributes.Attributes,
	})
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		Name string `json:"thingName"`
		ARN  string `json:"thingArn"`
		ID   string `json:"thingId"`
	}{t.Name, c.cfg.Registry.ThingARN(t.Name), t.ID})
}

func describeThing(c *call) error {
	t, err := c.cfg.Registry.DescribeThing(c.r.Context(), c.path("thingName"))
	if err != nil {
		return err
	}
	billing, err := c.cfg.Registry.ThingBillingGroup(c.r.Context(), t.Name)
	if err != nil {
		return err
	}
	return c.answer.json(struct {
		ClientID   string            `json:"defaultClientId"`
		Name       string            `json:"thingName"`
		ID         string            `json:"thingId"`
		ARN        string            `json:"thingArn"`
		Type       string            `json:"thingTypeName,omitempty"`
		Attributes map[string]string `json:"attributes"`
		Version    int64             `json:"version"`
		Billing    string            `json:"billingGroupName,omitempty"`
	}{t.Name, t.Name, t.ID, c.cfg.Registry.ThingARN(t.Name), t.Type, attributes(t.Attributes), t.Version, billing})
}

// attributes is {} where there are none.
func attributes(a map[string]string) map[string]string {
	if a == nil {
		return map[string]string{}
	}
	return a
}

func updateThing(c *call) error {
	in, err := input[struct {
		Type       string            `json:"thingTypeName"`
		Attributes *attributePayload `json:"attributePayload"`
		Version    *int64            `json:"expectedVersion"`
		RemoveType bool              `json:"removeThingType"`
	}](c)
	if err != nil {
		return err
	}
	u := registry.UpdateThingInput{Name: c.path("thingName"), Type: in.Type, RemoveType: in.RemoveType, ExpectedVersion: in.Version}
	if a := in.Attributes; a != nil {
		u.Merge, u.Attributes = a.Merge, a.Attributes
		if u.Attributes == nil && !a.Merge {
			u.Attributes = map[string]string{} // replaces them all
		}
	}
	if _, err := c.cfg.Registry.UpdateThing(c.r.Context(), u); err != nil {
		return err
	}
	return c.empty()
}

func deleteThing(c *call) error {
	version, err := c.queryVersion()
	if err != nil {
		return err
	}
	if err := c.cfg.Registry.DeleteThing(c.r.Context(), c.path("thingName"), version); err != nil {
		return err
	}
	return c.empty()
}

func listThings(c *call) error {
	p, err := c.page(250)
	if err != nil {
		return err
	}
	prefix, err := c.queryBool("usePrefixAttributeValue")
	if err != nil {
		return err
	}
	q := c.query
	things, next, err := c.cfg.Registry.ListThings(c.r.Context(), registry.ThingFilter{
		Type: q.Get("thingTypeName"), AttributeName: q.Get("attributeName"), AttributeValue: q.Get("attributeValue"), PrefixValue: prefix,
	}, p)
	if err != nil {
		return err
	}
	type item struct {
		Name       string            `json:"thingName"`
		Type       string            `json:"thingTypeName,omitempty"`
		ARN        string            `json:"thingArn"`
		Attributes map[string]string `json:"attributes"`
		Version    int64             `json:"version"`
	}
	out := struct {
		Things []item `json:"things"`
		Next   string `json:"nextToken,omitempty"`
	}{make([]item, len(things)), next}
	for i, t := range things {
		out.Things[i] = item{t.Name, t.Type, c.cfg.Registry.ThingARN(t.Name), attributes(t.Attributes), t.Version}
	}
	return c.answer.json(out)
}

func getConnectivity(c *call) error {
	in, err := input[struct {
		Socket bool `json:"includeSocketInformation"`
	}](c)
	if err != nil {
		return err
	}
	is, err := c.cfg.Registry.GetThingConnectivityData(c.r.Context(), c.path("thingName"))
	if err != nil {
		return err
	}
	out := map[string]any{"thingName": c.path("thingName"), "connected": is.Connected}
	if t := seconds(is.Timestamp); t != nil {
		out["timestamp"] = t
	}
	if is.DisconnectReason != "" {
		out["disconnectReason"] = is.DisconnectReason
	}
	if is.ClientID != "" {
		out["clientId"] = is.ClientID
		out["keepAliveDuration"] = int(is.KeepAlive / time.Second)
		out["cleanSession"] = is.CleanSession
		out["sessionExpiry"] = max(0, int64(is.SessionExpiry/time.Second))
	}
	if in.Socket && is.SourceIP != "" {
		out["sourceIp"], out["sourcePort"] = is.SourceIP, is.SourcePort
		if is.TargetIP != "" {
			out["targetIp"], out["targetPort"] = is.TargetIP, is.TargetPort
		}
	}
	return c.answer.json(out)
}

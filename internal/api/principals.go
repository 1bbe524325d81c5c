package api

import (
	"net/http"

	"github.com/thinghub/thinghub/registry"
)

var principalOperations = []operation{
	{name: "AttachThingPrincipal", method: http.MethodPut, path: "/things/{thingName}/principals", errors: usual("ResourceNotFound"), handle: attachPrincipal, on: thingAndPrincipal},
	{name: "DetachThingPrincipal", method: http.MethodDelete, path: "/things/{thingName}/principals", errors: usual("ResourceNotFound"), handle: detachPrincipal, on: thingAndPrincipal},
	{name: "ListThingPrincipals", method: http.MethodGet, path: "/things/{thingName}/principals", errors: usual("ResourceNotFound"), handle: listThingPrincipals},
	{name: "ListThingPrincipalsV2", method: http.MethodGet, path: "/things/{thingName}/principals-v2", errors: usual("ResourceNotFound"), handle: listThingPrincipalsV2},
	{name: "ListPrincipalThings", method: http.MethodGet, path: "/principals/things", errors: usual("ResourceNotFound"), handle: listPrincipalThings, on: ofPrincipal},
	{name: "ListPrincipalThingsV2", method: http.MethodGet, path: "/principals/things-v2", errors: usual("ResourceNotFound"), handle: listPrincipalThingsV2, on: ofPrincipal},
}

func ofPrincipal(c *call) []string { return []string{whole(c.r.Header.Get("X-Amzn-Principal"))} }

// thingAndPrincipal is what AWS documents, the certificate, and the thing too: who may do
// it for one thing may not do it for all.
func thingAndPrincipal(c *call) []string {
	return append([]string{c.resource()}, arns(c.r.Header.Get("X-Amzn-Principal"))...)
}

// principal is whom the request is about.
func (c *call) principal() (string, error) {
	p := c.r.Header.Get("X-Amzn-Principal")
	return p, required("principal", p)
}

// principalType reads thingPrincipalType from the query.
func (c *call) principalType() (registry.PrincipalType, error) {
	t := registry.PrincipalType(c.query.Get("thingPrincipalType"))
	switch t {
	case "", registry.Exclusive, registry.NonExclusive:
		return t, nil
	}
	return "", invalid("thingPrincipalType", string(t), "EXCLUSIVE_THING or NON_EXCLUSIVE_THING")
}

func attachPrincipal(c *call) error {
	principal, err := c.principal()
	if err != nil {
		return err
	}
	t, err := c.principalType()
	if err != nil {
		return err
	}
	if err := c.cfg.Registry.AttachThingPrincipal(c.r.Context(), registry.Attachment{Thing: c.path("thingName"), Principal: principal, Type: t}); err != nil {
		return err
	}
	return c.empty()
}

func detachPrincipal(c *call) error {
	principal, err := c.principal()
	if err != nil {
		return err
	}
	if err := c.cfg.Registry.DetachThingPrincipal(c.r.Context(), c.path("thingName"), principal); err != nil {
		return err
	}
	return c.empty()
}

func (c *call) principalsOfThing() ([]registry.Attachment, string, error) {
	p, err := c.page(250)
	if err != nil {
		return nil, "", err
	}
	t, err := c.principalType()
	if err != nil {
		return nil, "", err
	}
	return c.cfg.Registry.ListThingPrincipals(c.r.Context(), c.path("thingName"), t, p)
}

func (c *call) thingsOfPrincipal() ([]registry.Attachment, string, error) {
	principal, err := c.principal()
	if err != nil {
		return nil, "", err
	}
	p, err := c.page(250)
	if err != nil {
		return nil, "", err
	}
	t, err := c.principalType()
	if err != nil {
		return nil, "", err
	}
	return c.cfg.Registry.ListPrincipalThings(c.r.Context(), principal, t, p)
}

func listThingPrincipals(c *call) error {
	list, next, err := c.principalsOfThing()
	if err != nil {
		return err
	}
	out := struct {
		Principals []string `json:"principals"`
		Next       string   `json:"nextToken,omitempty"`
	}{make([]string, len(list)), next}
	for i, a := range list {
		out.Principals[i] = a.Principal
	}
	return c.answer.json(out)
}

type attachmentOut struct {
	Principal string                 `json:"principal,omitempty"`
	Thing     string                 `json:"thingName,omitempty"`
	Type      registry.PrincipalType `json:"thingPrincipalType"`
}

func listThingPrincipalsV2(c *call) error {
	list, next, err := c.principalsOfThing()
	if err != nil {
		return err
	}
	out := struct {
		List []attachmentOut `json:"thingPrincipalObjects"`
		Next string          `json:"nextToken,omitempty"`
	}{make([]attachmentOut, len(list)), next}
	for i, a := range list {
		out.List[i] = attachmentOut{Principal: a.Principal, Type: a.Type}
	}
	return c.answer.json(out)
}

func listPrincipalThings(c *call) error {
	list, next, err := c.thingsOfPrincipal()
	if err != nil {
		return err
	}
	out := namesOut{make([]string, len(list)), next}
	for i, a := range list {
		out.Things[i] = a.Thing
	}
	return c.answer.json(out)
}

func listPrincipalThingsV2(c *call) error {
	list, next, err := c.thingsOfPrincipal()
	if err != nil {
		return err
	}
	out := struct {
		List []attachmentOut `json:"principalThingObjects"`
		Next string          `json:"nextToken,omitempty"`
	}{make([]attachmentOut, len(list)), next}
	for i, a := range list {
		out.List[i] = attachmentOut{Thing: a.Thing, Type: a.Type}
	}
	return c.answer.json(out)
}

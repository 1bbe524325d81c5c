package api

import (
	"errors"
	"io"
	"net/http"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/shadow"
)

// dataOperations are the data plane.
var dataOperations = []operation{
	{name: "GetThingShadow", method: http.MethodGet, path: "/things/{thingName}/shadow", handle: getThingShadow, allowed: shadowAllowed(auth.GetThingShadow)},
	{name: "UpdateThingShadow", method: http.MethodPost, path: "/things/{thingName}/shadow", handle: updateThingShadow, allowed: shadowAllowed(auth.UpdateThingShadow)},
	{name: "DeleteThingShadow", method: http.MethodDelete, path: "/things/{thingName}/shadow", handle: deleteThingShadow, allowed: shadowAllowed(auth.DeleteThingShadow)},
	{name: "ListNamedShadowsForThing", method: http.MethodGet, path: "/api/things/shadow/ListNamedShadowsForThing/{thingName}", handle: listNamedShadows},
	{name: "Publish", method: http.MethodPost, handle: publish, allowed: publishAllowed},
	{name: "GetRetainedMessage", method: http.MethodGet, handle: getRetained, allowed: func(c *call) (auth.Action, string) { return auth.GetRetainedMessage, c.topic }},
	{name: "ListRetainedMessages", method: http.MethodGet, handle: listRetained},
	{name: "DeleteConnection", method: http.MethodDelete, path: "/connections/{clientId}", handle: deleteConnection, allowed: func(c *call) (auth.Action, string) {
		return auth.DeleteConnection, c.path("clientId")
	}},
}

// shadowAllowed asks about the shadow that path and query name.
func shadowAllowed(a auth.Action) func(*call) (auth.Action, string) {
	return func(c *call) (auth.Action, string) {
		resource := "thing/" + c.path("thingName")
		if name := c.r.URL.Query().Get("name"); name != "" {
			resource += "/" + name
		}
		return a, resource
	}
}

// key is the shadow that path and query name. An empty name is not the classic one.
func (c *call) key() (shadow.Key, error) {
	k := shadow.Key{Thing: c.path("thingName")}
	q := c.r.URL.Query()
	if q.Has("name") {
		if k.Name = q.Get("name"); k.Name == "" {
			return k, invalid("name", "", "the name of a shadow")
		}
	}
	return k, nil
}

func (c *call) requester() shadow.Requester {
	return shadow.Requester{Source: shadow.FromHTTP, Principal: c.id.Principal}
}

func getThingShadow(c *call) error {
	k, err := c.key()
	if err != nil {
		return err
	}
	v, err := c.cfg.Shadows.Get(c.r.Context(), k, c.requester())
	if err != nil {
		return err
	}
	c.answer.body(http.StatusOK, v.AppendJSON(nil))
	return nil
}

func updateThingShadow(c *call) error {
	k, err := c.key()
	if err != nil {
		return err
	}
	// The service has the exact limit; this one protects it.
	body, err := c.read(c.cfg.MaxBody)
	if err != nil {
		return err
	}
	a, err := c.cfg.Shadows.Update(c.r.Context(), k, body, c.requester())
	if err != nil {
		return err
	}
	c.answer.body(http.StatusOK, a.AppendJSON(nil))
	return nil
}

func deleteThingShadow(c *call) error {
	k, err := c.key()
	if err != nil {
		return err
	}
	d, err := c.cfg.Shadows.Delete(c.r.Context(), k, c.requester())
	if err != nil {
		return err
	}
	c.answer.body(http.StatusOK, d.AppendJSON(nil))
	return nil
}

func listNamedShadows(c *call) error {
	size, err := c.queryInt("pageSize", 0, 1, 100)
	if err != nil {
		return err
	}
	p, err := c.cfg.Shadows.List(c.r.Context(), c.path("thingName"), size, c.r.URL.Query().Get("nextToken"), c.requester())
	if err != nil {
		return err
	}
	c.answer.body(http.StatusOK, p.AppendJSON(nil))
	return nil
}

// read reads the whole body, up to limit bytes if that is not negative.
func (c *call) read(limit int64) ([]byte, error) {
	r := c.r.Body
	if limit >= 0 {
		r = http.MaxBytesReader(c.answer.ResponseWriter, r, limit)
	}
	body, err := io.ReadAll(r)
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, failure{status: http.StatusRequestEntityTooLarge, kind: "RequestEntityTooLargeException", message: "The payload exceeds the maximum size allowed"}
	}
	if err != nil {
		return nil, failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: "the body ended early"}
	}
	return body, nil
}

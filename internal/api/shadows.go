package api

import (
	"net/http"

	"github.com/thinghub/thinghub/shadow"
)

// shadowAllowed asks about the shadow that path and query name.
// shadowOf is the thing, or its named shadow.
func shadowOf(c *call) []string {
	resource := "thing/" + c.path("thingName")
	if name := c.query.Get("name"); name != "" {
		resource += "/" + name
	}
	return []string{resource}
}

// key is the shadow that path and query name. An empty name is not the classic one.
func (c *call) key() (shadow.Key, error) {
	k := shadow.Key{Thing: c.path("thingName")}
	if c.query.Has("name") {
		if k.Name = c.query.Get("name"); k.Name == "" {
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
	body, err := c.read()
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
	p, err := c.cfg.Shadows.List(c.r.Context(), c.path("thingName"), size, c.query.Get("nextToken"), c.requester())
	if err != nil {
		return err
	}
	c.answer.body(http.StatusOK, p.AppendJSON(nil))
	return nil
}

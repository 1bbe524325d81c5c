package api

import "strings"

func deleteConnection(c *call) error {
	id := c.path("clientId")
	if strings.HasPrefix(id, "$") {
		return invalid("clientId", id, "one that does not begin with $")
	}
	clean, err := c.queryBool("cleanSession")
	if err != nil {
		return err
	}
	noWill, err := c.queryBool("preventWillMessage")
	if err != nil {
		return err
	}
	if err := c.cfg.Gateway.Disconnect(c.r.Context(), id, clean, noWill); err != nil {
		return err
	}
	return c.answer.json(struct{}{})
}

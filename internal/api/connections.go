package api

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// longestClientID is the longest client id that DeleteConnection has in the model. The
// gateway may allow longer ones, which can be disconnected too.
const longestClientID = 128

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
	err = c.cfg.Gateway.Disconnect(c.r.Context(), id, clean, noWill)
	if errors.Is(err, ErrNotConnected) && utf8.RuneCountInString(id) > longestClientID {
		return invalid("clientId", id, "at most "+strconv.Itoa(longestClientID)+" characters")
	}
	if err != nil {
		return err
	}
	return c.empty()
}

package actions

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// SinkNamed returns the client whose sink has a name: what an action in JSON has as "sink".
// The name may be empty if there is one client. It helps the [Decoder] of packages that
// have clients; the error is for whoever writes the rule.
func SinkNamed[C interface{ Sink() *Sink }](clients []C, name string) (C, error) {
	var found, none C
	n := 0
	names := make([]string, 0, len(clients))
	for _, c := range clients {
		is := c.Sink().Name()
		if name == "" || name == is {
			found = c
			n++
		}
		names = append(names, strconv.Quote(is))
	}
	if n == 1 {
		return found, nil
	}
	if len(names) == 0 {
		return none, errors.New("the host has no client for this action")
	}
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			return none, fmt.Errorf("two clients are called %s, expected names of their own (SinkConfig.Name)", names[i])
		}
	}
	return none, WrongField("sink", name, oneOf(names))
}

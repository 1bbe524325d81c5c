package influx

import "github.com/thinghub/thinghub/actions"

// Whole is whole.
var Whole = whole

// Lines returns what an action writes for an event.
func Lines(a *Action, ev actions.Event) (string, error) {
	p := pointer{a: a, seen: map[string]struct{}{}}
	line, err := p.points(nil, &ev)
	return string(line), err
}

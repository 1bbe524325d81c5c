package clickhouse

import "github.com/thinghub/thinghub/actions"

// Rows returns what an action sends for an event.
func Rows(a *Action, ev actions.Event) (string, error) {
	rows, err := a.rows(nil, &ev)
	return string(rows), err
}

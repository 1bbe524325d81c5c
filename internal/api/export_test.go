package api

import "net/http"

// An Operation is a row of the API's tables.
type Operation struct{ Name, Method, Path string }

// Operations returns the rows of both planes, with their types of errors.
func Operations() map[Operation][]string {
	rows := map[Operation][]string{}
	tables := [][]operation{dataOperations}
	for _, r := range rooms {
		tables = append(tables, r.operations)
	}
	for _, table := range tables {
		for _, op := range table {
			if op.path == "" {
				for _, c := range cutOff {
					switch op.name {
					case c.one:
						op.path = c.prefix + "/{topic}"
					case c.none:
						op.path = c.prefix
					}
				}
			}
			rows[Operation{op.name, op.method, op.path}] = op.errors
		}
	}
	return rows
}

// FailureOf returns what becomes of an error: its status, type and text.
func FailureOf(err error) (status int, kind, message string) {
	f := failureOf(err)
	return f.status, f.kind, f.message
}

// Shared returns both planes of a, each with an operation at a path that the other one
// has too. It answers with its plane.
func Shared(a *API, method, path string) http.Handler {
	tables := make([]*table, 0, len(a.both.tables))
	for _, t := range a.both.tables {
		name := "control"
		if t.device {
			name = "data"
		}
		tables = append(tables, newTable(a, t.device, t.names, []operation{{name: "Shared", method: method, path: path, handle: func(c *call) error {
			return c.answer.json(map[string]string{"plane": name})
		}}}))
	}
	return &plane{api: a, tables: tables}
}

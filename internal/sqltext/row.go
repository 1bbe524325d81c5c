package sqltext

import (
	"fmt"
	"maps"
	"slices"
)

// A Row says what is written into a table.
type Row struct {
	// Columns have templates by the names of columns.
	Columns map[string]string
	// Members are members of the outgoing payload, which have columns of their names.
	Members []string
	// Payload is the column for the outgoing payload; empty for none.
	Payload string
}

// MostColumns is how many columns a row may have; PostgreSQL takes no more.
const MostColumns = 1600

// DefaultPayload is the column for the outgoing payload if nothing is said about columns.
const DefaultPayload = "payload"

// A RowError says which part of a row is wrong.
type RowError struct{ Field, Value, Want string }

// Error is one sentence for people.
func (e *RowError) Error() string { return e.Field + " is " + e.Value + ", expected " + e.Want }

// Names returns the columns in the order in which they are written: the templates by their
// names, the members, the payload; and how many templates there are. An error is a
// [*RowError].
func (r Row) Names() (names []string, templates int, err error) {
	names = slices.Sorted(maps.Keys(r.Columns))
	templates = len(names)
	names = append(names, r.Members...)
	if r.Payload != "" {
		names = append(names, r.Payload)
	}
	if len(names) == 0 {
		names = append(names, DefaultPayload)
	}
	if len(names) > MostColumns {
		return nil, 0, &RowError{"columns", fmt.Sprintf("%d columns", len(names)), fmt.Sprintf("at most %d", MostColumns)}
	}
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		field := "payload"
		switch {
		case i < templates:
			field = "columns"
		case i < templates+len(r.Members):
			field = fmt.Sprintf("members[%d]", i-templates)
		}
		if err := CheckName(name); err != nil {
			return nil, 0, &RowError{field, err.Error(), "the name of a column"}
		}
		if seen[name] {
			return nil, 0, &RowError{field, fmt.Sprintf("%q", clip(name)), "a column that is not there already"}
		}
		seen[name] = true
	}
	return names, templates, nil
}

// HasPayload reports whether the last of [Row.Names] is the outgoing payload.
func (r Row) HasPayload() bool { return r.Payload != "" || len(r.Columns)+len(r.Members) == 0 }

package sqltext

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Payload stands for the outgoing payload; with a point and a name behind it, for that
// member of it.
const Payload = "$payload"

// A Source is where a value comes from.
type Source struct {
	// Template is a text with templates; empty if it is the payload.
	Template string
	// Member is a member of the outgoing payload; empty if it is all of it.
	Member string
}

// SourceOf reads the text of a source: a text with templates, $payload or $payload.member.
func SourceOf(text string) Source {
	rest, ok := strings.CutPrefix(text, Payload)
	switch {
	case ok && rest == "":
		return Source{}
	case ok && len(rest) > 1 && rest[0] == '.':
		return Source{Member: rest[1:]}
	}
	return Source{Template: text}
}

// checkColumn returns what was expected instead of the text of a column, "" if it can be
// read.
func checkColumn(text string) (want string) {
	const forms = Payload + ", " + Payload + ".member or a text with templates such as ${temp}"
	member, isMember := strings.CutPrefix(text, Payload+".")
	switch {
	case text == "":
		return "a text such as ${temp} or " + Payload
	case text[0] != '$' || strings.HasPrefix(text, "${") || text == Payload:
		return ""
	case !isMember || member == "" || strings.Contains(member, "${"):
		return forms
	case strings.ContainsAny(member, ".["):
		return nested
	}
	return ""
}

// nested says how what is in a member is written.
const nested = "the name of a member; what is nested in one is ${a.b}, a template, which sees the original message"

// Sources are the values of a row or a statement, in their order.
type Sources []Source

// Append appends the values for an event: its rendered templates, as JSON, in the order of
// those of the sources, and its outgoing payload. Members that it has not are null; of one
// that it has twice it is the last.
func (s Sources) Append(dst []Value, params []string, payload []byte) ([]Value, error) {
	var members map[string]json.RawMessage
	for _, of := range s {
		text := "null"
		switch {
		case of.Template != "":
			text, params = params[0], params[1:]
		case of.Member == "":
			dst = append(dst, Value{Raw, string(payload)})
			continue
		default:
			if members == nil {
				if err := json.Unmarshal(payload, &members); err != nil || members == nil {
					return nil, errors.New("the payload is not a JSON object")
				}
			}
			if v, ok := members[of.Member]; ok {
				text = string(v)
			}
		}
		v, err := Read(text)
		if err != nil {
			return nil, err
		}
		dst = append(dst, v)
	}
	return dst, nil
}

// MostColumns is how many columns a row may have; PostgreSQL takes no more.
const MostColumns = 1600

// A RowError says which part of a row is wrong.
type RowError struct{ Field, Value, Want string }

// Error is one sentence for people.
func (e *RowError) Error() string { return e.Field + " is " + e.Value + ", expected " + e.Want }

// Row returns what a row is made of: columns has sources by columns, members are members
// of the outgoing payload that have columns of their names. If there are neither, the
// outgoing payload is in a column "payload". An error is a [*RowError].
func Row(columns map[string]string, members []string) (names []string, from Sources, err error) {
	if n := len(columns) + len(members); n > MostColumns {
		return nil, nil, &RowError{"columns", fmt.Sprintf("%d columns", n), fmt.Sprintf("at most %d", MostColumns)}
	}
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		if want := checkColumn(columns[name]); want != "" {
			value := "empty"
			if columns[name] != "" {
				value = fmt.Sprintf("%q", clip(columns[name]))
			}
			return nil, nil, &RowError{"columns." + clip(name), value, want}
		}
		names, from = append(names, name), append(from, SourceOf(columns[name]))
	}
	for _, name := range members {
		names, from = append(names, name), append(from, Source{Member: name})
	}
	if len(names) == 0 {
		names, from = append(names, Payload[1:]), append(from, Source{})
	}
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		field := "columns"
		if i >= len(columns) {
			field = fmt.Sprintf("members[%d]", i-len(columns))
		}
		if HasTemplate(name) {
			return nil, nil, &RowError{field, fmt.Sprintf("%q", clip(name)), FixedName}
		}
		if err := CheckName(name); err != nil {
			return nil, nil, &RowError{field, err.Error(), "the name of a column"}
		}
		if seen[name] {
			return nil, nil, &RowError{field, fmt.Sprintf("%q", clip(name)), "a column that is not there already"}
		}
		seen[name] = true
	}
	return names, from, nil
}

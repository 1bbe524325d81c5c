package index

import (
	"fmt"
	"slices"
	"strings"
)

// Kind tells the two indices apart.
type Kind uint8

// The kinds.
const (
	Things      Kind = iota // AWS_Things
	ThingGroups             // AWS_ThingGroups
)

// Type is the type of a field that can be aggregated.
type Type string

// The types.
const (
	String  Type = "String"
	Number  Type = "Number"
	Boolean Type = "Boolean"
)

// Field is a field with a type.
type Field struct {
	Name string
	Type Type
}

// Schema says what an index holds. The zero value is AWS_Things with registry data only.
type Schema struct {
	Kind           Kind
	Shadow         bool     // the classic shadow: shadow.desired.*, shadow.hasDelta, ...
	NamedShadows   []string // shadow.name.N.* for these N
	Connectivity   bool     // connectivity.*
	DeviceDefender bool     // deviceDefender.*
	CustomFields   []Field  // what can be aggregated beyond the managed fields
}

// Validate checks the custom fields: known types, names that the schema has, none twice.
// Errors wrap [ErrInvalidSchema].
func (s Schema) Validate() error {
	for i, f := range s.CustomFields {
		if f.Type != String && f.Type != Number && f.Type != Boolean {
			return &FieldError{f.Name, fmt.Sprintf("the type is %q, expected Number, String or Boolean", f.Type), ErrInvalidSchema}
		}
		if why := s.refusal(f.Name); why != "" {
			return &FieldError{f.Name, why, ErrInvalidSchema}
		}
		if slices.ContainsFunc(s.CustomFields[:i], func(g Field) bool { return g.Name == f.Name }) {
			return &FieldError{f.Name, "it is there twice", ErrInvalidSchema}
		}
	}
	return nil
}

// Check checks the fields that q names. Errors are *[FieldError] wrapping [ErrInvalidQuery].
func (s Schema) Check(q *Query) error {
	for _, f := range q.Fields() {
		if why := s.refusal(f); why != "" {
			return &FieldError{f, why, ErrInvalidQuery}
		}
	}
	return nil
}

// refusal says why a field cannot be searched for, "" if it can.
func (s Schema) refusal(field string) string {
	first, rest, nested := strings.Cut(field, ".")
	const unknown = "there is no such field"
	if s.Kind == ThingGroups {
		switch {
		case first == "attributes" && nested && rest != "":
			return ""
		case !nested && slices.Contains([]string{"thingGroupName", "description", "parentGroupNames", "thingGroupId"}, first):
			return ""
		}
		return unknown
	}
	switch first {
	case "thingName", "thingId", "thingTypeName", "thingGroupNames":
		if nested {
			return unknown
		}
	case "attributes":
		if rest == "" {
			return "expected attributes.NAME"
		}
	case "connectivity":
		if !slices.Contains([]string{"connected", "timestamp", "disconnectReason", "version", "clientId"}, rest) {
			return unknown
		}
		if !s.Connectivity {
			return "connectivity is not indexed"
		}
	case "shadow":
		return s.shadowRefusal(rest)
	case "deviceDefender":
		if rest == "" {
			return unknown
		}
		if !s.DeviceDefender {
			return "violations are not indexed"
		}
	default:
		return unknown
	}
	return ""
}

func (s Schema) shadowRefusal(rest string) string {
	if named, ok := strings.CutPrefix(rest, "name."); ok {
		name, section, _ := strings.Cut(named, ".")
		if !slices.Contains(s.NamedShadows, name) {
			return "the named shadow " + shown(name) + " is not indexed"
		}
		return sectionRefusal(section)
	}
	if why := sectionRefusal(rest); why != "" {
		return why
	}
	if !s.Shadow {
		return "shadows are not indexed"
	}
	return ""
}

func sectionRefusal(section string) string {
	if section == "hasDelta" {
		return ""
	}
	part, rest, _ := strings.Cut(section, ".")
	if rest != "" && slices.Contains([]string{"desired", "reported", "delta", "metadata"}, part) {
		return ""
	}
	return "expected desired, reported, delta or metadata with a name behind it, or hasDelta"
}

// ManagedFields returns the fields that can always be aggregated, as
// GetIndexingConfiguration lists them.
func (s Schema) ManagedFields() []Field {
	if s.Kind == ThingGroups {
		return []Field{{"thingGroupName", String}, {"thingGroupId", String}, {"parentGroupNames", String}, {"description", String}, {"version", Number}}
	}
	out := []Field{{"thingId", String}, {"thingName", String}, {"thingTypeName", String}, {"thingGroupNames", String}, {"registry.version", Number}, {"registry.thingTypeName", String}, {"registry.thingGroupNames", String}}
	if s.Shadow {
		out = append(out, Field{"shadow.version", Number}, Field{"shadow.hasDelta", Boolean})
	}
	for _, n := range s.NamedShadows {
		out = append(out, Field{"shadow.name." + n + ".version", Number}, Field{"shadow.name." + n + ".hasDelta", Boolean})
	}
	if s.Connectivity {
		out = append(out, Field{"connectivity.connected", Boolean}, Field{"connectivity.timestamp", Number}, Field{"connectivity.disconnectReason", String}, Field{"connectivity.version", Number})
	}
	return out
}

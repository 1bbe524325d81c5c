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

// Field is a field with a type. In the name of a managed field "*" stands for any
// name.
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

// Validate checks the custom fields: known types, names that the schema has and that
// are not managed, none twice. Errors wrap [ErrInvalidSchema].
func (s Schema) Validate() error {
	for i, f := range s.CustomFields {
		if f.Type != String && f.Type != Number && f.Type != Boolean {
			return &FieldError{f.Name, fmt.Sprintf("the type is %q, expected Number, String or Boolean", f.Type), ErrInvalidSchema}
		}
		if s.managed(f.Name) != "" {
			return &FieldError{f.Name, "it is a managed field, expected one that is not", ErrInvalidSchema}
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

// canonical returns the name under which documents have a field: two managed fields of
// things have a second name.
func (s Schema) canonical(field string) string {
	if s.Kind == Things && (field == "registry.thingTypeName" || field == "registry.thingGroupNames") {
		return strings.TrimPrefix(field, "registry.")
	}
	return field
}

// bare reports whether a word of a query that names no field is looked for in a field:
// in all that can be searched, but for connectivity.
func (s Schema) bare(field string) bool {
	return s.refusal(field) == "" && !strings.HasPrefix(field, "connectivity.")
}

// refusal says why a field cannot be searched for, "" if it can.
func (s Schema) refusal(field string) string {
	const (
		unknown    = "there is no such field"
		unsearched = "it can be aggregated, but not searched for"
	)
	field = s.canonical(field)
	first, rest, nested := strings.Cut(field, ".")
	if s.Kind == ThingGroups {
		switch {
		case first == "attributes":
			return attributeRefusal(rest)
		case field == "version":
			return unsearched
		case nested || !slices.Contains([]string{"thingGroupName", "description", "parentGroupNames", "thingGroupId"}, first):
			return unknown
		}
		return ""
	}
	switch first {
	case "thingName", "thingId", "thingTypeName", "thingGroupNames":
		if nested {
			return unknown
		}
	case "registry":
		if rest == "version" {
			return unsearched
		}
		return unknown
	case "attributes":
		return attributeRefusal(rest)
	case "connectivity":
		if !slices.Contains([]string{"connected", "timestamp", "disconnectReason", "version"}, rest) {
			return "expected connectivity.connected, .timestamp, .disconnectReason or .version"
		}
		if !s.Connectivity {
			return "connectivity is not indexed"
		}
	case "shadow":
		return s.shadowRefusal(rest)
	case "deviceDefender":
		return s.defenderRefusal(rest)
	default:
		return unknown
	}
	return ""
}

func attributeRefusal(rest string) string {
	if rest == "" {
		return "expected attributes.NAME"
	}
	return ""
}

func (s Schema) shadowRefusal(rest string) string {
	section := rest
	named, isNamed := strings.CutPrefix(rest, "name.")
	if isNamed {
		_, section, _ = strings.Cut(named, ".")
	}
	part, of, _ := strings.Cut(section, ".")
	switch {
	case section == "version":
		return "it can be aggregated, but not searched for"
	case section != "hasDelta" && (of == "" || !slices.Contains([]string{"desired", "reported", "delta", "metadata"}, part)):
		return "expected desired, reported, delta or metadata with a name behind it, or hasDelta"
	case isNamed:
		if name, _, _ := strings.Cut(named, "."); !slices.Contains(s.NamedShadows, name) {
			return "the named shadow " + shown(name) + " is not indexed"
		}
	case !s.Shadow:
		return "shadows are not indexed"
	}
	return ""
}

// violation is what there is to know of a violation; a value may have a kind behind it.
var violation = []string{"inViolation", "lastViolationTime", "lastViolationValue", "metricName"}

func (s Schema) defenderRefusal(rest string) string {
	parts := strings.SplitN(rest, ".", 4)
	known := rest == "violationCount" || len(parts) > 2 && slices.Contains(violation, parts[2]) &&
		(len(parts) == 3 || parts[2] == "lastViolationValue")
	switch {
	case rest == "version":
		return "it can be aggregated, but not searched for"
	case !known || slices.Contains(parts, ""):
		return "expected deviceDefender.violationCount, or deviceDefender.PROFILE.BEHAVIOR with inViolation, lastViolationTime, lastViolationValue or metricName behind it"
	case !s.DeviceDefender:
		return "violations are not indexed"
	}
	return ""
}

// ManagedFields returns the fields that can always be aggregated, as
// GetIndexingConfiguration lists them.
func (s Schema) ManagedFields() []Field {
	if s.Kind == ThingGroups {
		return []Field{{"thingGroupName", String}, {"thingGroupId", String}, {"parentGroupNames", String}, {"description", String}, {"version", Number}}
	}
	out := []Field{{"thingId", String}, {"thingName", String}, {"registry.version", Number}, {"registry.thingTypeName", String}, {"registry.thingGroupNames", String}}
	if s.Shadow {
		out = append(out, Field{"shadow.version", Number}, Field{"shadow.hasDelta", Boolean})
	}
	if len(s.NamedShadows) > 0 {
		out = append(out, Field{"shadow.name.*.version", Number}, Field{"shadow.name.*.hasDelta", Boolean})
	}
	if s.Connectivity {
		out = append(out, Field{"connectivity.connected", Boolean}, Field{"connectivity.timestamp", Number}, Field{"connectivity.disconnectReason", String}, Field{"connectivity.version", Number})
	}
	if s.DeviceDefender {
		out = append(out, Field{"deviceDefender.violationCount", Number}, Field{"deviceDefender.*.*.inViolation", Boolean}, Field{"deviceDefender.*.*.lastViolationTime", Number}, Field{"deviceDefender.*.*.lastViolationValue", String}, Field{"deviceDefender.*.*.metricName", String})
	}
	return out
}

// managed returns the type of a managed field, or "".
func (s Schema) managed(field string) Type {
	if rest, ok := strings.CutPrefix(field, "shadow.name."); ok {
		if name, _, _ := strings.Cut(rest, "."); !slices.Contains(s.NamedShadows, name) {
			return ""
		}
	}
	for _, f := range s.ManagedFields() {
		if f.Name == field || s.canonical(f.Name) == field || strings.Contains(f.Name, "*") && segmentsMatch(f.Name, field) {
			return f.Type
		}
	}
	return ""
}

// segmentsMatch reports whether the names between the dots are equal but where pattern
// has "*".
func segmentsMatch(pattern, field string) bool {
	p, f := strings.Split(pattern, "."), strings.Split(field, ".")
	return slices.EqualFunc(p, f, func(p, f string) bool { return p == "*" && f != "" || p == f })
}

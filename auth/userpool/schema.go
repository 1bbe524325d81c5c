package userpool

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A SchemaAttribute describes an attribute that users may have.
type SchemaAttribute struct {
	// Name of a custom attribute is 1 to 20 characters, with or without "custom:" in
	// front of it; all lists have it with.
	Name string
	// AttributeDataType is "String" (the default), "Number", "DateTime" or "Boolean".
	AttributeDataType string
	// Mutable attributes can be changed. Standard ones are by default.
	Mutable *bool `json:",omitempty"`
	// Required must be there at sign-up; standard attributes only.
	Required                   bool
	StringAttributeConstraints *StringConstraints `json:",omitempty"`
	NumberAttributeConstraints *NumberConstraints `json:",omitempty"`
}

// StringConstraints bound the length of a text, in characters: numbers as text.
type StringConstraints struct{ MinLength, MaxLength string }

// NumberConstraints bound a number: numbers as text.
type NumberConstraints struct{ MinValue, MaxValue string }

// standard are the attributes that every pool has, with their longest values.
var standard = map[string]int{
	"name": 2048, "given_name": 2048, "family_name": 2048, "middle_name": 2048, "nickname": 2048, "preferred_username": 2048,
	"profile": 2048, "picture": 2048, "website": 2048, "email": 2048, "email_verified": 5, "gender": 2048, "birthdate": 10,
	"zoneinfo": 2048, "locale": 2048, "phone_number": 2048, "phone_number_verified": 5, "address": 2048, "updated_at": 32,
}

const (
	mostSchema    = 50
	mostAttribute = 2048 // bytes of a value
	customPrefix  = "custom:"
)

var customName = regexp.MustCompile(`^[\p{L}\p{M}\p{S}\p{N}\p{P}]{1,20}$`)

// completeSchema checks a schema; the result has full names.
func completeSchema(list []SchemaAttribute) ([]SchemaAttribute, error) {
	if len(list) > mostSchema {
		return nil, fault(ErrInvalid, "Schema has %d attributes, expected at most %d", len(list), mostSchema)
	}
	out := make([]SchemaAttribute, 0, len(list))
	for _, a := range list {
		if a.AttributeDataType == "" {
			a.AttributeDataType = "String"
		}
		if err := oneOf("Schema.AttributeDataType", &a.AttributeDataType, "String", "Number", "DateTime", "Boolean"); err != nil {
			return nil, err
		}
		_, known := standard[a.Name]
		if !known && a.Name != "sub" {
			name := strings.TrimPrefix(a.Name, customPrefix)
			if !customName.MatchString(name) || strings.HasPrefix(a.Name, "dev:") {
				return nil, invalid("Schema.Name", a.Name, "the name of a standard attribute, or of a custom one: 1 to 20 letters, digits and signs without spaces")
			}
			if a.Required {
				return nil, invalid("Schema.Required", "true", "false for the custom attribute "+name)
			}
			a.Name = customPrefix + name
		}
		if a.Name == "sub" {
			continue // every pool has it as it is
		}
		if slices.ContainsFunc(out, func(b SchemaAttribute) bool { return a.Name == b.Name }) {
			return nil, invalid("Schema.Name", a.Name, "each attribute once")
		}
		if c := a.StringAttributeConstraints; c != nil {
			if err := bounds("Schema.StringAttributeConstraints", c.MinLength, c.MaxLength, 0, mostAttribute); err != nil {
				return nil, err
			}
		}
		if c := a.NumberAttributeConstraints; c != nil {
			if err := bounds("Schema.NumberAttributeConstraints", c.MinValue, c.MaxValue, math.Inf(-1), math.Inf(1)); err != nil {
				return nil, err
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func bounds(field, low, high string, least, most float64) error {
	l, lok := number(low, least)
	h, hok := number(high, most)
	if !lok || !hok || l > h || l < least || h > most {
		return invalid(field, low+" to "+high, "two numbers in order")
	}
	return nil
}

func number(text string, byDefault float64) (float64, bool) {
	if text == "" {
		return byDefault, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsNaN(f)
}

// allSchema is the schema with the standard attributes that it does not mention.
func allSchema(custom []SchemaAttribute) []SchemaAttribute {
	yes, no := true, false
	all := []SchemaAttribute{{Name: "sub", AttributeDataType: "String", Mutable: &no, Required: true}}
	for name := range standard {
		if !slices.ContainsFunc(custom, func(a SchemaAttribute) bool { return a.Name == name }) {
			kind := "String"
			if strings.HasSuffix(name, "_verified") {
				kind = "Boolean"
			}
			all = append(all, SchemaAttribute{Name: name, AttributeDataType: kind, Mutable: &yes})
		}
	}
	slices.SortFunc(all[1:], func(a, b SchemaAttribute) int { return strings.Compare(a.Name, b.Name) })
	return append(all, custom...)
}

// described finds an attribute in a pool's schema.
func (p *poolRecord) attribute(name string) (SchemaAttribute, bool) {
	for _, a := range p.Schema {
		if a.Name == name {
			return a, true
		}
	}
	_, ok := standard[name]
	yes := true
	return SchemaAttribute{Name: name, AttributeDataType: "String", Mutable: &yes}, ok
}

func (a SchemaAttribute) mutable() bool {
	return a.Mutable != nil && *a.Mutable || a.Mutable == nil && !strings.HasPrefix(a.Name, customPrefix)
}

var (
	email = regexp.MustCompile(`^[^\s@<>"',;:\\()\[\]\x00-\x1f\x7f]{1,64}@[^\s@<>"',;:\\()\[\]\x00-\x1f\x7f.]+(\.[^\s@<>"',;:\\()\[\]\x00-\x1f\x7f.]+)*$`)
	phone = regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`)
)

// checkValue says whether an attribute may have a value.
func (p *poolRecord) checkValue(name, value string) error {
	a, ok := p.attribute(name)
	if !ok {
		return invalid("UserAttributes", name, "an attribute of the user pool's schema")
	}
	if len(value) > mostAttribute || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return secretField("UserAttributes."+name, "text of at most 2048 bytes")
	}
	if most, ok := standard[name]; ok && len(value) > most {
		return secretField("UserAttributes."+name, "at most "+strconv.Itoa(most)+" bytes")
	}
	if value == "" {
		return nil
	}
	switch {
	case name == "email" && (!email.MatchString(value) || len(value) > 254):
		return fault(ErrInvalid, "Invalid email address format.")
	case name == "phone_number" && !phone.MatchString(value):
		return fault(ErrInvalid, "Invalid phone number format.")
	case strings.HasSuffix(name, "_verified") && value != "true" && value != "false":
		return secretField("UserAttributes."+name, "true or false")
	case name == "birthdate" && len(value) != 10:
		return secretField("UserAttributes.birthdate", "the form YYYY-MM-DD")
	case name == "preferred_username" && p.aliased(name):
		if err := p.checkForm(name, value); err != nil {
			return err
		}
	}
	return a.checkType(value)
}

func (a SchemaAttribute) checkType(value string) error {
	field := "UserAttributes." + a.Name
	switch a.AttributeDataType {
	case "Number":
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return secretField(field, "a number")
		}
		if c := a.NumberAttributeConstraints; c != nil {
			low, _ := number(c.MinValue, math.Inf(-1))
			high, _ := number(c.MaxValue, math.Inf(1))
			if f < low || f > high {
				return secretField(field, "a number from "+c.MinValue+" to "+c.MaxValue)
			}
		}
	case "Boolean":
		if value != "true" && value != "false" {
			return secretField(field, "true or false")
		}
	case "DateTime":
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			return secretField(field, "a time as 2006-01-02T15:04:05Z")
		}
	default:
		if c := a.StringAttributeConstraints; c != nil {
			low, _ := number(c.MinLength, 0)
			high, _ := number(c.MaxLength, mostAttribute)
			if n := float64(utf8.RuneCountInString(value)); n < low || n > high {
				return secretField(field, c.MinLength+" to "+c.MaxLength+" characters")
			}
		}
	}
	return nil
}

// AddCustomAttributesInput adds attributes to a pool.
type AddCustomAttributesInput struct {
	UserPoolID       string `json:"UserPoolId"`
	CustomAttributes []SchemaAttribute
}

// AddCustomAttributes adds custom attributes to the schema of a pool; they cannot be
// changed or removed. Errors: ErrInvalid, ErrNotFound.
func (s *Service) AddCustomAttributes(ctx context.Context, in AddCustomAttributesInput) (Empty, error) {
	if len(in.CustomAttributes) == 0 {
		return Empty{}, invalid("CustomAttributes", "", "at least one")
	}
	for i, a := range in.CustomAttributes {
		if !strings.HasPrefix(a.Name, customPrefix) {
			in.CustomAttributes[i].Name = customPrefix + a.Name
		}
	}
	return Empty{}, s.changePool(ctx, in.UserPoolID, func(p *poolRecord) (err error) {
		p.Schema, err = completeSchema(append(slices.Clip(p.Schema), in.CustomAttributes...))
		return err
	})
}

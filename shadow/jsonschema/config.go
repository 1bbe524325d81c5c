package jsonschema

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/shadow"
)

// Config says what a [Validator] checks. The zero value checks nothing.
type Config struct {
	// Definitions are schemas by name that check nothing by themselves: others refer to
	// them, {"$ref": "address"}. Names are as those of a Schema.
	Definitions map[string][]byte
	// Formats makes the keyword "format" a check in all drafts. Default: in draft 7 and
	// older; newer ones take it for a remark.
	Formats bool
	// MaxText bounds the text of a refusal, in bytes. Devices have small buffers. Default
	// 256, at least 128; negative: none but that of each value shown.
	MaxText int
	// Schemas are what documents must satisfy, each one that is for them.
	Schemas []Schema
	// TypeOf returns the thing type of a thing, "" if it has none or is not known. It
	// must be set if a Schema has Types, is called once for an update of a shadow that
	// such a schema may be for, and by several goroutines. A registry.Service tells it
	// by DescribeThing, see the package's example.
	//
	// Its error refuses the update: one of package shadow as it is, any other as a
	// failure, code 500.
	TypeOf func(ctx context.Context, thing string) (string, error)
}

// A Schema is a JSON Schema and what it is for: the shadows whose thing, type of thing
// and own name are all among those it lists. Lists hold names, in which "*" stands for
// any characters and "?" for any one; nil is everything.
type Schema struct {
	// Name is what errors call it: 1 to 64 letters, digits, ".", "_" and "-", once in
	// Schemas and Definitions together.
	Name string
	// JSON is the schema. It is not kept.
	JSON []byte
	// Part is what of a document it describes. Default: all of it.
	Part Part
	// Things are the things whose shadows are checked.
	Things []string
	// Types are the types of those things; "" is that of things which have none.
	Types []string
	// Shadows are the names of the shadows; "" is the classic one.
	Shadows []string
}

// A Part of a document.
type Part uint8

// The parts.
const (
	// Document is {"desired":…,"reported":…}, without the sides that are absent.
	Document Part = iota
	// Desired is the object that is wanted. Without one the schema is not asked.
	Desired
	// Reported is the object that the device reports, likewise.
	Reported
)

// String returns the part as it is called in JSON.
func (p Part) String() string {
	switch p {
	case Document:
		return "document"
	case Desired:
		return shadow.Desired.String()
	case Reported:
		return shadow.Reported.String()
	}
	return fmt.Sprintf("Part(%d)", uint8(p))
}

// Bounds of a text.
const (
	defaultText  = 256
	shortestText = 128
	longestName  = 64
)

// withDefaults checks all but the schemas themselves.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.MaxText == 0:
		c.MaxText = defaultText
	case c.MaxText > 0 && c.MaxText < shortestText:
		return c, fmt.Errorf("jsonschema: Config.MaxText is %d, expected at least %d", c.MaxText, shortestText)
	}
	for name := range c.Definitions {
		if !isName(name) {
			return c, fmt.Errorf("jsonschema: Config.Definitions has the name %q, expected 1 to %d letters, digits, '.', '_' and '-'", name, longestName)
		}
	}
	seen := map[string]bool{}
	for i, s := range c.Schemas {
		if !isName(s.Name) {
			return c, fmt.Errorf("jsonschema: Config.Schemas[%d].Name is %q, expected 1 to %d letters, digits, '.', '_' and '-'", i, s.Name, longestName)
		}
		if _, ok := c.Definitions[s.Name]; ok || seen[s.Name] {
			return c, fmt.Errorf("jsonschema: Config.Schemas[%d].Name is %q, expected one that is not taken", i, s.Name)
		}
		seen[s.Name] = true
		if err := s.check(); err != nil {
			return c, fmt.Errorf("jsonschema: schema %q: %w", s.Name, err)
		}
		if s.Types != nil && c.TypeOf == nil {
			return c, fmt.Errorf("jsonschema: schema %q has Types, expected Config.TypeOf with them", s.Name)
		}
	}
	return c, nil
}

func (s *Schema) check() error {
	if s.Part > Reported {
		return fmt.Errorf("Part is %s, expected Document, Desired or Reported", s.Part)
	}
	for _, list := range []struct {
		field    string
		patterns []string
		none     bool // whether "" is something
	}{{"Things", s.Things, false}, {"Types", s.Types, true}, {"Shadows", s.Shadows, true}} {
		if list.patterns != nil && len(list.patterns) == 0 {
			return errors.New(list.field + " is empty, expected nil for all")
		}
		for i, p := range list.patterns {
			if !isPattern(p) || p == "" && !list.none {
				return fmt.Errorf("%s[%d] is %q, expected a name of letters, digits, ':', '_' and '-', with the wildcards '*' and '?'", list.field, i, p)
			}
		}
	}
	return nil
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func isName(s string) bool {
	return s != "" && len(s) <= longestName && strings.Trim(s, alphanumeric+"._-") == "" && strings.Trim(s, ".") != ""
}

// isPattern reports whether all characters may stand in names of things, types and
// shadows, or for them.
func isPattern(s string) bool { return strings.Trim(s, alphanumeric+":_-*?") == "" }

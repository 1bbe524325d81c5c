package jsonschema

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	js "github.com/santhosh-tekuri/jsonschema/v6"
)

// base is what the names of schemas are resolved against. Nothing is ever fetched from
// there.
const base = "thinghub://schemas/"

// A rule is a compiled schema.
type rule struct {
	*js.Schema
	name                   string
	part                   Part
	things, types, shadows []string
}

// compile makes rules of the schemas.
func compile(c Config) ([]rule, error) {
	local := library{}
	texts := maps.Clone(c.Definitions)
	if texts == nil {
		texts = map[string][]byte{}
	}
	for _, s := range c.Schemas {
		texts[s.Name] = s.JSON
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if err := local.add(name, texts[name]); err != nil {
			return nil, fmt.Errorf("jsonschema: schema %q: %w", name, err)
		}
	}
	compiler := js.NewCompiler()
	compiler.DefaultDraft(js.Draft2020)
	compiler.UseLoader(local)
	if c.Formats {
		compiler.AssertFormat()
	}
	// Definitions are compiled too: one that is wrong should not go unnoticed until
	// somebody refers to it.
	compiled := map[string]*js.Schema{}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		s, err := compileOne(compiler, local, name)
		if err != nil {
			return nil, fmt.Errorf("jsonschema: schema %q: %w", name, err)
		}
		compiled[name] = s
	}
	rules := make([]rule, len(c.Schemas))
	for i, s := range c.Schemas {
		rules[i] = rule{compiled[s.Name], s.Name, s.Part, slices.Clone(s.Things), slices.Clone(s.Types), slices.Clone(s.Shadows)}
	}
	return rules, nil
}

// compileOne compiles a schema. What the library makes of nonsense is an error too if it
// panics.
func compileOne(c *js.Compiler, l library, name string) (s *js.Schema, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("not understood: %v", r)
		}
	}()
	s, err = c.Compile(base + name)
	if err != nil {
		return nil, l.explain(name, err)
	}
	return s, nil
}

// A library is the schemas of a set, decoded, by the addresses they may be referred to.
type library map[string]any

func (l library) add(name string, text []byte) error {
	doc, err := js.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	switch doc := doc.(type) {
	case bool:
	case map[string]any:
		if id, ok := doc["$id"].(string); ok {
			if err := l.addID(name, id, doc); err != nil {
				return err
			}
		}
	default:
		return errors.New("it is neither an object nor true or false")
	}
	l[base+name] = doc
	return nil
}

// addID adds a schema under the address that it gives itself.
func (l library) addID(name, id string, doc any) error {
	own, err := url.Parse(base + name)
	if err != nil {
		return err
	}
	u, err := own.Parse(id)
	if err != nil {
		return fmt.Errorf("its $id is %q, expected an address", id)
	}
	u.Fragment, u.RawFragment = "", ""
	at := u.String()
	if _, taken := l[at]; taken || strings.HasPrefix(at, base) && at != base+name {
		return fmt.Errorf("its $id is %q, expected one that is not that of another schema", id)
	}
	l[at] = doc
	return nil
}

// Load finds what a schema refers to. It is the library's seam for files and networks.
func (l library) Load(address string) (any, error) {
	if doc, ok := l[address]; ok {
		return doc, nil
	}
	return nil, errors.New("it is neither the name nor the $id of a schema here, and nothing is loaded from elsewhere")
}

// explain is an error of the compiler in one line, without our addresses. Where a schema
// is not one, it says why.
func (l library) explain(name string, err error) error {
	e, ok := errors.AsType[*js.SchemaValidationError](err)
	if !ok {
		return errors.New(strings.ReplaceAll(strings.Join(strings.Fields(err.Error()), " "), base, ""))
	}
	inner, ok := errors.AsType[*js.ValidationError](e.Err)
	if !ok {
		return e.Err
	}
	address, place, _ := strings.Cut(e.URL, "#")
	root := l[address]
	if place != "" {
		root = nil // a part of it
	}
	text := explain(inner, root, place, defaultText)
	if address != base+name {
		text = "in " + strings.TrimPrefix(address, base) + ": " + text
	}
	return errors.New(text)
}

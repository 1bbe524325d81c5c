package jsonschema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	js "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/thinghub/thinghub/shadow"
)

// A Validator checks shadows against schemas. Make it with [New]; it may be used by many
// goroutines, and by several services.
type Validator struct{ set atomic.Pointer[set] }

var _ shadow.Validator = (*Validator)(nil)

// A set is what is in force.
type set struct {
	rules   []rule
	typeOf  func(ctx context.Context, thing string) (string, error)
	maxText int
}

// New compiles the schemas of cfg. An error names the schema, or the field of cfg, that
// is wrong.
func New(cfg Config) (*Validator, error) {
	v := &Validator{}
	if err := v.Replace(cfg); err != nil {
		return nil, err
	}
	return v, nil
}

// Replace puts another configuration in force, all of it or, with an error as of [New],
// none. Updates that begin afterwards are checked with it; what is stored stays as it is.
func (v *Validator) Replace(cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	rules, err := compile(cfg)
	if err != nil {
		return err
	}
	v.set.Store(&set{rules, cfg.TypeOf, cfg.MaxText})
	return nil
}

// Validate checks a document, {"desired":…,"reported":…}, of a shadow. An error is a
// [shadow.Error] with code 400 that says what the first schema has against it, or one of
// Config.TypeOf.
func (v *Validator) Validate(ctx context.Context, k shadow.Key, current []byte) error {
	s := v.set.Load()
	c := check{set: s, text: current}
	for i := range s.rules {
		r := &s.rules[i]
		if !matchesAny(r.shadows, k.Name) || !matchesAny(r.things, k.Thing) {
			continue
		}
		if r.types != nil {
			kind, err := c.typeOf(ctx, k.Thing)
			if err != nil {
				return err
			}
			if !matchesAny(r.types, kind) {
				continue
			}
		}
		if err := c.check(r); err != nil {
			return err
		}
	}
	return nil
}

// A check is one document on its way past the rules. It finds out what it needs when a
// rule needs it.
type check struct {
	*set
	text  []byte
	doc   map[string]any // decoded
	typed bool           // kind is known
	kind  string
}

// typeOf is the type of the thing.
func (c *check) typeOf(ctx context.Context, thing string) (string, error) {
	if !c.typed {
		kind, err := c.set.typeOf(ctx, thing)
		if err != nil {
			// Inside stays what it is to package shadow: only a stranger is a failure.
			return "", fmt.Errorf("jsonschema: type of %s: %w", thing, blame(err))
		}
		c.kind, c.typed = kind, true
	}
	return c.kind, nil
}

// blame makes a failure of an error that would otherwise be the requester's.
func blame(err error) error {
	if _, ok := errors.AsType[*shadow.Error](err); ok || shadow.CodeOf(err) != http.StatusInternalServerError {
		return err
	}
	return fmt.Errorf("%w: %w", shadow.ErrInternal, err)
}

// check holds the document against one rule.
func (c *check) check(r *rule) error {
	if c.doc == nil {
		doc, err := js.UnmarshalJSON(bytes.NewReader(c.text))
		object, ok := doc.(map[string]any)
		if err != nil || !ok {
			return shadow.Refuse(http.StatusBadRequest, "The document is not a JSON object")
		}
		if where, n, ok := hugeNumber(object, ""); ok {
			return shadow.Refuse(http.StatusBadRequest, where+" is "+shorten(n.String(), longestValue)+fmt.Sprintf(", expected an exponent from -%d to %d", maxExponent, maxExponent))
		}
		c.doc = object
	}
	var v any = c.doc
	where := ""
	if r.part != Document {
		side, ok := c.doc[r.part.String()]
		if !ok {
			return nil
		}
		v, where = side, "/"+r.part.String()
	}
	err := r.Validate(v)
	if err == nil {
		return nil
	}
	suffix := fmt.Sprintf(" (schema %q)", r.name)
	room := c.maxText
	if room > 0 {
		room -= len(suffix)
	}
	verr, ok := errors.AsType[*js.ValidationError](err)
	if !ok {
		return fmt.Errorf("%w: jsonschema: schema %q: %w", shadow.ErrInternal, r.name, err)
	}
	return shadow.Refuse(http.StatusBadRequest, explain(verr, v, where, room)+suffix)
}

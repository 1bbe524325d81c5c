package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// ThingFilter says which things to list. The zero value is all; of several
// conditions all must hold.
type ThingFilter struct {
	// Type is the name of the things' type.
	Type string
	// AttributeName is an attribute the things have, with AttributeValue, unless
	// that is empty; with PrefixValue a value that begins so.
	AttributeName, AttributeValue string
	PrefixValue                   bool
}

// ListThings returns things in the order of their names. Things of a type are found
// without looking at others; so are things with an attribute while the fleet index
// is on, otherwise all things (of the type) are looked at.
//
// Errors: ErrInvalid.
func (s *Service) ListThings(ctx context.Context, f ThingFilter, p Page) (things []Thing, next string, err error) {
	if err := checkOptionalName("thingTypeName", f.Type); err != nil {
		return nil, "", err
	}
	if err := checkText("attributeName", f.AttributeName, 0, maxName, &attrNameChars, attrNamePattern); err != nil {
		return nil, "", err
	}
	if err := checkText("attributeValue", f.AttributeValue, 0, maxAttrValue, &attrValueChars, attrValuePattern); err != nil {
		return nil, "", err
	}
	if f.AttributeName == "" && f.AttributeValue != "" {
		return nil, "", invalid("attributeName", "", "Member must be present if attributeValue is")
	}
	list := strings.Join([]string{"things", f.Type, f.AttributeName, f.AttributeValue, strconv.FormatBool(f.PrefixValue)}, "\x00")
	size, after, err := p.open(list, maxPage)
	if err != nil {
		return nil, "", err
	}
	things, next, err = take(s.candidates(ctx, f, after), list, size, func(t Thing) string { return t.Name }, func(t Thing) (Thing, bool) {
		return t, f.match(t)
	})
	if err != nil {
		return nil, "", fmt.Errorf("registry: list things: %w", err)
	}
	return things, next, nil
}

func (f ThingFilter) match(t Thing) bool {
	if f.Type != "" && t.Type != f.Type {
		return false
	}
	if f.AttributeName == "" {
		return true
	}
	v, ok := t.Attributes[f.AttributeName]
	switch {
	case !ok:
		return false
	case f.PrefixValue:
		return strings.HasPrefix(v, f.AttributeValue)
	default:
		return f.AttributeValue == "" || v == f.AttributeValue
	}
}

// candidates yields at least the things that match, in order.
func (s *Service) candidates(ctx context.Context, f ThingFilter, after string) iter.Seq2[Thing, error] {
	if f.AttributeName != "" && f.AttributeValue != "" {
		if names := s.fleet.withAttribute(ctx, f, after); names != nil {
			return s.thingsNamed(ctx, names)
		}
	}
	if f.Type != "" {
		return s.thingsNamed(ctx, ends(s.store.Links().To(ctx, LinkType, f.Type, after), func(l Link) string { return l.From }))
	}
	return s.store.Things().List(ctx, after)
}

// thingsNamed yields the things of those names that are there.
func (s *Service) thingsNamed(ctx context.Context, names iter.Seq2[string, error]) iter.Seq2[Thing, error] {
	return func(yield func(Thing, error) bool) {
		for name, err := range names {
			var t Thing
			if err == nil {
				t, err = s.store.Things().Get(ctx, name)
			}
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// ends yields one end of links.
func ends(links iter.Seq2[Link, error], end func(Link) string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for l, err := range links {
			if !yield(end(l), err) {
				return
			}
		}
	}
}

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
// without looking at others; so are things with an attribute if the store is a
// [ThingFinder], as [Memory] is, or while the fleet index is on. Otherwise all things
// (of the type) are looked at.
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
	things, next, err = take(s.candidates(ctx, f, after, size), list, size, func(t Thing) string { return t.Name }, func(t Thing) (Thing, bool) {
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

// candidates yields at least the things that match, in order, up to one more than
// there are on a page.
func (s *Service) candidates(ctx context.Context, f ThingFilter, after string, size int) iter.Seq2[Thing, error] {
	var ofType, withAttribute iter.Seq2[Thing, error]
	if f.Type != "" {
		ofType = s.thingsNamed(ctx, ends(s.store.Links().To(ctx, LinkType, f.Type, after), func(l Link) string { return l.From }))
	}
	if f.AttributeName != "" {
		if finder, ok := s.store.Things().(ThingFinder); ok {
			withAttribute = finder.WithAttribute(ctx, f.AttributeName, f.AttributeValue, f.PrefixValue || f.AttributeValue == "", after)
		} else if names := s.fleet.withAttribute(ctx, f, after); names != nil {
			withAttribute = s.thingsNamed(ctx, names)
		}
	}
	switch {
	case ofType != nil && withAttribute != nil:
		return race(ofType, withAttribute, f.match, size+1)
	case withAttribute != nil:
		return withAttribute
	case ofType != nil:
		return ofType
	default:
		return s.store.Things().List(ctx, after)
	}
}

// race yields the first n things that match, of two sequences that both have all of
// them: either may have a million others in between, so it goes on in both until one
// has them.
func race(a, b iter.Seq2[Thing, error], match func(Thing) bool, n int) iter.Seq2[Thing, error] {
	const turn = 32
	return func(yield func(Thing, error) bool) {
		var found [2][]Thing
		var pull [2]func() (Thing, error, bool)
		for i, seq := range [2]iter.Seq2[Thing, error]{a, b} {
			next, stop := iter.Pull2(seq)
			defer stop()
			pull[i] = next
		}
		for i := 0; ; i = 1 - i {
			done := false
			for k := 0; k < turn && !done; k++ {
				t, err, ok := pull[i]()
				switch {
				case err != nil:
					yield(Thing{}, err)
					return
				case !ok:
					done = true
				case match(t):
					found[i] = append(found[i], t)
					done = len(found[i]) == n
				}
			}
			if !done {
				continue
			}
			for _, t := range found[i] {
				if !yield(t, nil) {
					return
				}
			}
			return
		}
	}
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

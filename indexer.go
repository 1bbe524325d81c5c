package thinghub

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/shadow"
)

// indexer shows device shadows to the registry, whose index may hold them: each
// change as it happens, and all of a thing's when an index is built.
type indexer struct{ hub *Hub }

// Changed is a hook of the shadows.
func (x indexer) Changed(_ context.Context, c *shadow.Change) {
	if !x.hub.registry.WantsShadow(c.Key.Name) {
		return
	}
	var document []byte
	if c.Kind == shadow.Updated {
		var err error
		if document, err = c.Current.AppendJSON(nil, c.Delta); err != nil {
			x.hub.log.Warn("thinghub: shadow not indexed", "thing", c.Key.Thing, "shadow", c.Key.Name, "err", err)
			return
		}
	}
	x.hub.registry.ShadowChanged(c.Key.Thing, c.Key.Name, document)
}

// Shadows yields the shadows of a thing.
func (x indexer) Shadows(ctx context.Context, thing string) iter.Seq2[registry.Shadow, error] {
	return func(yield func(registry.Shadow, error) bool) {
		one := func(name string) bool {
			v, err := x.hub.shadows.Get(ctx, shadow.Key{Thing: thing, Name: name}, shadow.Requester{})
			switch {
			case errors.Is(err, shadow.ErrNotFound):
				return true
			case err != nil:
				yield(registry.Shadow{}, err)
				return false
			}
			document, err := v.Document.AppendJSON(nil, v.Delta)
			if err != nil {
				yield(registry.Shadow{}, err)
				return false
			}
			return yield(registry.Shadow{Name: name, Document: document}, nil)
		}
		if !one("") {
			return
		}
		for name, err := range x.hub.shadows.Names(ctx, thing) {
			if err != nil {
				yield(registry.Shadow{}, err)
				return
			}
			if !one(name) {
				return
			}
		}
	}
}

// requireThing refuses things that are not in the registry, and those that also
// refuses, if it is not nil.
func (h *Hub) requireThing(also func(ctx context.Context, thing string) error) func(ctx context.Context, thing string) error {
	h.requiresThings = true
	return func(ctx context.Context, thing string) error {
		_, err := h.registry.DescribeThing(ctx, thing)
		switch {
		case errors.Is(err, registry.ErrNotFound):
			return fmt.Errorf("%w: %w", shadow.ErrNotFound, err)
		case err == nil && also != nil:
			return also(ctx, thing)
		}
		return err
	}
}

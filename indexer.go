package thinghub

import (
	"context"
	"errors"
	"iter"

	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/shadow"
)

// indexer shows device shadows to the registry, whose index may hold them: each
// change as it happens, and all of a thing's when an index is built.
type indexer struct{ hub *Hub }

// Changed is a hook of the shadows.
func (x indexer) Changed(_ context.Context, c *shadow.Change) {
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

package broker

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/thinghub/thinghub/internal/topic"
)

// Retained yields the retained messages whose topics match filter, in no order. They
// must not be modified. An error is that of the filter or of the store, and ends it.
func (s *Server) Retained(ctx context.Context, filter string) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		if err := topic.CheckFilter(filter); err != nil {
			yield(nil, fmt.Errorf("broker: %w", err))
			return
		}
		now := time.Now()
		for m, err := range s.cfg.Retained.Match(ctx, filter) {
			switch {
			case err != nil:
				yield(nil, fmt.Errorf("broker: retained messages: %w", err))
				return
			case m == nil || m.expired(now):
			case !yield(m, nil):
				return
			}
		}
	}
}

// RetainedAfter yields the retained messages whose topics come after the given one, in
// ascending order of their bytes; "" comes before all. Topics that begin with "$" are
// left out, as by the filter "#". So a list can be read in pages, each from where the
// one before ended, while messages come and go. They must not be modified.
//
// With a store that is [SortedRetained], as the default is, a page costs what is in it.
func (s *Server) RetainedAfter(ctx context.Context, name string) iter.Seq2[*Message, error] {
	after := func(name string) iter.Seq2[*Message, error] { return s.selectAfter(ctx, name) }
	if sorted, ok := s.cfg.Retained.(SortedRetained); ok {
		after = func(name string) iter.Seq2[*Message, error] { return sorted.After(ctx, name) }
	}
	const lastOwn = "$\xff" // comes after all names that begin with "$"
	return func(yield func(*Message, error) bool) {
		now := time.Now()
		next := name
		for again := true; again; {
			again = false
			for m, err := range after(next) {
				switch {
				case err != nil:
					yield(nil, fmt.Errorf("broker: retained messages: %w", err))
					return
				case m == nil || m.expired(now):
					continue
				case m.Topic[0] != '$':
					if !yield(m, nil) {
						return
					}
					continue
				}
				next, again = lastOwn, true
				break
			}
		}
	}
}

// selectBatch is how many messages selectAfter finds in one look at all of them.
const selectBatch = 256

// selectAfter is After for a store that has no order: it looks for the first ones
// among all, then for those behind them.
func (s *Server) selectAfter(ctx context.Context, name string) iter.Seq2[*Message, error] {
	byTopic := func(a, b *Message) int { return cmp.Compare(a.Topic, b.Topic) }
	return func(yield func(*Message, error) bool) {
		for next := name; ; {
			first := make([]*Message, 0, 2*selectBatch)
			more := false
			for m, err := range s.cfg.Retained.Match(ctx, "#") {
				if err != nil {
					yield(nil, err)
					return
				}
				if m == nil || m.Topic <= next {
					continue
				}
				if len(first) == cap(first) {
					slices.SortFunc(first, byTopic)
					first, more = first[:selectBatch], true
				}
				first = append(first, m)
			}
			slices.SortFunc(first, byTopic)
			if more {
				first = first[:selectBatch]
			}
			for _, m := range first {
				if !yield(m, nil) {
					return
				}
			}
			if !more {
				return
			}
			next = first[len(first)-1].Topic
		}
	}
}

package shadow

import (
	"context"
	"iter"
)

// A ChangeOf is a [Change] of a shadow whose sides are a T.
type ChangeOf[T any] struct {
	*Change
	// Was and Is are the shadow before and after: the zero State where there is none,
	// and Was for a Snapshot.
	Was, Is State[T]
}

// Watch is [Service.Watch] of this shadow. Filter.Thing and Names must not be set.
//
// An error that is [ErrMisfit] comes with the change, in which there is what fits, and
// the watch goes on unless the loop is left. Any other error ends it.
func (t Typed[T]) Watch(ctx context.Context, f Filter) iter.Seq2[ChangeOf[T], error] {
	return func(yield func(ChangeOf[T], error) bool) {
		if f.Thing != "" || f.Names != nil {
			yield(ChangeOf[T]{}, invalid("Invalid filter: Thing or Names is set, expected neither: the shadow is "+t.key.String()))
			return
		}
		f := f
		f.Thing, f.Names = t.key.Thing, []string{t.key.Name}
		if err := t.key.Validate(); err != nil {
			yield(ChangeOf[T]{}, err)
			return
		}
		for c, err := range t.svc.Watch(ctx, f) {
			if err != nil {
				yield(ChangeOf[T]{}, err)
				return
			}
			if !yield(t.change(c)) {
				return
			}
		}
	}
}

func (t Typed[T]) change(c *Change) (ChangeOf[T], error) {
	was, err := t.state(c.Previous, c.Previous.AppendDelta(nil))
	is, isErr := t.state(c.Current, c.Delta)
	if isErr != nil {
		err = isErr
	}
	return ChangeOf[T]{Change: c, Was: was, Is: is}, err
}

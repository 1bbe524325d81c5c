package shadow

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// Typed is one shadow as a Go program sees it: both sides are a T, which encoding/json
// reads and writes. Make it with [Of]. It may be used concurrently.
//
// T must be a JSON object: a struct, a map, or what marshals itself into one. Members of
// the document that T does not have stay as they are. Names of members are case
// sensitive, other than in encoding/json: a field named target does not take a member
// Target. A member that T writes as null is an absent one; null and an empty object are
// the same T.
//
// What T makes of a value must be what it wrote: a field of type any holds numbers as
// float64, which changes nothing in the document unless the program changes the value.
// Numbers keep their text in fields of type json.Number or json.RawMessage.
type Typed[T any] struct {
	svc *Service
	key Key
}

// Of returns the shadow k of svc as a T. What it does is the host's doing: no rate
// bounds it.
//
//	type Thermostat struct {
//		Target float64 `json:"target,omitempty"`
//	}
//	hall := shadow.Of[Thermostat](hub.Shadows(), shadow.Key{Thing: "hall"})
//	_, err := hall.Change(ctx, shadow.Desired, func(t *Thermostat) error { t.Target = 21; return nil })
func Of[T any](svc *Service, k Key) Typed[T] { return Typed[T]{svc, k} }

// A State is a shadow as it was read.
type State[T any] struct {
	// Desired and Reported are the two sides, the zero T where a side has no keys.
	Desired, Reported T
	// Delta has those members of desired that reported lacks or has otherwise.
	// HasDelta says whether there are any.
	Delta    T
	HasDelta bool
	Version  int64 // 0: there is no such shadow
}

// ErrMisfit says that a part of a shadow is no T, as when a device reports text where
// there should be a number. What fits is there all the same.
var ErrMisfit = errors.New("shadow: not of the type")

// A misfit says which part that is, and why.
type misfit struct {
	part  string
	key   Key
	cause error
}

func (m *misfit) Error() string { return fmt.Sprintf("shadow: %s of %s: %v", m.part, m.key, m.cause) }

func (m *misfit) Is(target error) bool { return target == ErrMisfit }

func (m *misfit) Unwrap() error { return m.cause }

// Get returns the shadow, the zero State if there is none.
//
// Errors are [ErrMisfit], with as much of the State as fits, or an [Error] as of
// [Service.Get], except ErrNotFound.
func (t Typed[T]) Get(ctx context.Context) (State[T], error) {
	v, err := t.get(ctx)
	if err != nil {
		return State[T]{}, err
	}
	return t.state(v.Document, v.Delta)
}

// get returns the shadow, nothing if there is none.
func (t Typed[T]) get(ctx context.Context) (View, error) {
	v, err := t.svc.Get(ctx, t.key, Requester{})
	if errors.Is(err, ErrNotFound) {
		return View{}, nil
	}
	return v, err
}

// state reads as much as fits. The error tells of the first part that does not.
func (t Typed[T]) state(d Document, delta []byte) (s State[T], err error) {
	if !d.Live() {
		return s, nil
	}
	s.Version, s.HasDelta = d.Version, len(delta) > 0
	for _, part := range []struct {
		name string
		text []byte
		to   *T
	}{{"desired", d.Desired, &s.Desired}, {"reported", d.Reported, &s.Reported}, {"delta", delta, &s.Delta}} {
		if partErr := t.read(part.name, part.text, part.to); err == nil {
			err = partErr
		}
	}
	return s, err
}

func (t Typed[T]) read(part string, text []byte, to *T) error {
	if len(text) == 0 {
		return nil
	}
	if err := decode(text, to); err != nil {
		return &misfit{part, t.key, err}
	}
	return nil
}

// Change lets f change one side, starting from what it is, and stores the difference.
// When somebody else has changed the shadow meanwhile, f is called again with the new
// state; it must do nothing but change its argument, in which a map or pointer is never
// nil. An error of f is returned as it is, and nothing is stored. Nor is it if f changes
// nothing.
//
// Change returns the shadow as it has made it. Errors are [ErrMisfit] if the side is no T,
// or f makes none, and nothing is stored; [ErrMisfit] if another part of the shadow is no
// T, and then it is stored, as State.Version tells; an [Error] as of [Service.Update],
// ErrVersion only if a hook refuses with it or if somebody else was faster a hundred
// times.
func (t Typed[T]) Change(ctx context.Context, side Side, f func(*T) error) (State[T], error) {
	var none State[T]
	var conflict error
	for try, last := 0, int64(-1); ; try++ {
		v, err := t.get(ctx)
		switch {
		case err != nil:
			return none, err
		case conflict != nil && (v.Version == last || try > tries):
			return none, conflict
		}
		last = v.Version
		value, before, err := t.side(v.Document, side)
		if err != nil {
			return none, err
		}
		if err := f(value); err != nil {
			return none, err
		}
		after, err := encode(value)
		if err != nil {
			return none, &misfit{side.String(), t.key, err}
		}
		request := t.request(side, before, after)
		if request == nil {
			return t.state(v.Document, v.Delta)
		}
		request = append(appendInt(request[:len(request)-1], `,"version":`, v.Version), '}')
		a, err := t.svc.Update(ctx, t.key, request, Requester{})
		if err == nil {
			return t.state(a.Current, a.Current.AppendDelta(nil))
		}
		if conflict = err; !errors.Is(err, ErrVersion) || ctx.Err() != nil {
			return none, err
		}
	}
}

// side reads one side, ready to be changed, and what T makes of it.
func (t Typed[T]) side(d Document, side Side) (value *T, members map[string]any, err error) {
	value = new(T)
	switch v := reflect.ValueOf(value).Elem(); v.Kind() {
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	default:
	}
	if err := t.read(side.String(), d.Side(side), value); err != nil {
		return nil, nil, err
	}
	if members, err = encode(value); err != nil {
		return nil, nil, &misfit{side.String(), t.key, err}
	}
	return value, members, nil
}

// Update stores the difference between two values of a side: what after has otherwise
// is set, what it lacks is removed, and all the rest stays, whoever else has changed
// it since before was read. No difference is no update.
//
// Errors are [ErrMisfit] if one of the two is no JSON object, or an [Error] as of
// [Service.Update].
func (t Typed[T]) Update(ctx context.Context, side Side, before, after T) error {
	a, err := encode(&before)
	if err != nil {
		return &misfit{side.String(), t.key, err}
	}
	b, err := encode(&after)
	if err != nil {
		return &misfit{side.String(), t.key, err}
	}
	if request := t.request(side, a, b); request != nil {
		_, err = t.svc.Update(ctx, t.key, request, Requester{})
	}
	return err
}

// request is the update that makes after of before, nil if they are equal.
func (t Typed[T]) request(side Side, before, after map[string]any) []byte {
	patch := patchOf(before, after)
	if patch == nil {
		return nil
	}
	request := append(append([]byte(`{"state":{"`), side.String()...), `":`...)
	return append(appendValue(request, patch), '}', '}')
}

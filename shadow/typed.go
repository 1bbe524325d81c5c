package shadow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Typed is one shadow as a Go program sees it: both sides are a T, which encoding/json
// reads and writes. Members of the document that T does not have stay as they are.
// Make it with [Of]. It may be used concurrently.
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

// Get returns the shadow, the zero State if there is none.
//
// Errors are an [Error] as of [Service.Get], except ErrNotFound, or say which side is
// no T.
func (t Typed[T]) Get(ctx context.Context) (State[T], error) {
	v, err := t.svc.Get(ctx, t.key, Requester{})
	if errors.Is(err, ErrNotFound) {
		return State[T]{}, nil
	}
	if err != nil {
		return State[T]{}, err
	}
	return t.state(v)
}

func (t Typed[T]) state(v View) (s State[T], err error) {
	s.Version, s.HasDelta = v.Version, len(v.Delta) > 0
	for _, part := range []struct {
		name string
		text []byte
		to   *T
	}{{"desired", v.Desired, &s.Desired}, {"reported", v.Reported, &s.Reported}, {"delta", v.Delta, &s.Delta}} {
		if len(part.text) == 0 {
			continue
		}
		if err := json.Unmarshal(part.text, part.to); err != nil {
			return s, fmt.Errorf("shadow: %s of %s: %w", part.name, t.key, err)
		}
	}
	return s, nil
}

// Change lets f change one side, starting from what it is, and stores the difference.
// When somebody else has changed the shadow meanwhile, f is called again with the new
// state; it must do nothing but change its argument. An error of f is returned as it
// is, and nothing is stored. Nor is it if f changes nothing.
//
// Change returns the shadow as it is afterwards. Errors are an [Error] as of
// [Service.Update], except ErrVersion, or say what is no T.
func (t Typed[T]) Change(ctx context.Context, side Side, f func(*T) error) (State[T], error) {
	for {
		is, err := t.Get(ctx)
		if err != nil {
			return is, err
		}
		before, err := encode(is.side(side))
		if err != nil {
			return is, err
		}
		if err := f(is.side(side)); err != nil {
			return is, err
		}
		after, err := encode(is.side(side))
		if err != nil {
			return is, err
		}
		switch err := t.update(ctx, side, before, after, &is.Version); {
		case errors.Is(err, ErrVersion) && ctx.Err() == nil:
			continue
		case err != nil:
			return is, err
		}
		return t.Get(ctx)
	}
}

// Update stores the difference between two values of a side: what after has otherwise
// is set, what it lacks is removed, and all the rest stays, whoever else has changed
// it since before was read. No difference is no update.
func (t Typed[T]) Update(ctx context.Context, side Side, before, after T) error {
	a, err := encode(&before)
	if err != nil {
		return err
	}
	b, err := encode(&after)
	if err != nil {
		return err
	}
	return t.update(ctx, side, a, b, nil)
}

// update stores a difference, of a certain version if that is not nil. Version 0 is
// that of a shadow that does not exist.
func (t Typed[T]) update(ctx context.Context, side Side, before, after []byte, version *int64) error {
	patch, err := difference(before, after)
	if err != nil {
		return fmt.Errorf("shadow: %s of %s: %w", side, t.key, err)
	}
	if patch == nil {
		return nil
	}
	request := append(append(append([]byte(`{"state":{"`), side.String()...), `":`...), patch...)
	request = append(request, '}')
	if version != nil {
		request = appendInt(request, `,"version":`, *version)
	}
	_, err = t.svc.Update(ctx, t.key, append(request, '}'), Requester{})
	return err
}

func (s *State[T]) side(side Side) *T {
	if side == Desired {
		return &s.Desired
	}
	return &s.Reported
}

// encode is json.Marshal without escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("shadow: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// difference returns the merge patch that makes after of before, nil if they are
// equal. Both must be JSON objects. A member that is null counts as absent.
func difference(before, after []byte) ([]byte, error) {
	a, err := members(before)
	if err != nil {
		return nil, err
	}
	b, err := members(after)
	if err != nil {
		return nil, err
	}
	patch := map[string]json.RawMessage{}
	for k, v := range b {
		was, ok := a[k]
		switch {
		case !ok:
			patch[k] = v
		case bytes.Equal(was, v):
		case isObject(was) && isObject(v):
			inner, err := difference(was, v)
			if err != nil {
				return nil, err
			}
			if inner != nil {
				patch[k] = inner
			}
		default:
			patch[k] = v
		}
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			patch[k] = json.RawMessage("null")
		}
	}
	if len(patch) == 0 {
		return nil, nil
	}
	return encode(patch)
}

func isObject(v []byte) bool { return len(v) > 0 && v[0] == '{' }

// members takes a JSON object apart and leaves out what is null.
func members(text []byte) (map[string]json.RawMessage, error) {
	if !isObject(text) {
		return nil, fmt.Errorf("it is %.40s as JSON, expected an object", text)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	for k, v := range m {
		if string(v) == "null" {
			delete(m, k)
		}
	}
	return m, nil
}

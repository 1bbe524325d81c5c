package actions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// A Decoder makes an action of its parameters as JSON, the way they stand in a rule:
// {"republish": parameters}. It is strict; [Object] helps with that. What it returns
// must be [Named] and have a MarshalJSON, or fields with json tags, that gives the
// parameters back.
type Decoder func(parameters []byte) (Action, error)

// Builtin returns the decoders of the actions of this package by their kinds.
func Builtin() map[string]Decoder {
	return map[string]Decoder{
		"file":      decodeFile,
		"http":      decodeHTTP,
		"log":       decodeLog,
		"republish": decodeRepublish,
		"shadow":    decodeShadow,
	}
}

// Decode makes an action of {"kind": parameters}, with the decoder for the kind. The
// error names the member that is wrong by its path.
func Decode(data []byte, kinds map[string]Decoder) (Action, error) {
	o := ReadObject(data)
	if o.err != nil {
		return nil, o.err
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(o.members)), func(name string) bool { return !o.Has(name) })
	known := slices.Sorted(maps.Keys(kinds))
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("an action has no key, expected %s", oneOf(known))
	case len(names) > 1:
		return nil, fmt.Errorf("an action has the keys %s and %s, expected one", clip(names[0]), clip(names[1]))
	}
	kind := names[0]
	decode := kinds[kind]
	if decode == nil {
		return nil, fmt.Errorf("this hub has no action %s, expected %s", clip(kind), oneOf(known))
	}
	a, err := decode(o.members[kind])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return a, nil
}

// Encode is the opposite of [Decode]. ok is false for an action that has no form in
// JSON: one that is not [Named], or whose kind is not among kinds, such as a function.
func Encode(a Action, kinds map[string]Decoder) (data []byte, ok bool, err error) {
	n, named := a.(Named)
	if !named || kinds[n.Kind()] == nil {
		return nil, false, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{n.Kind(): a}); err != nil {
		return nil, false, fmt.Errorf("actions: encode %s: %w", n.Kind(), err)
	}
	return bytes.TrimSpace(b.Bytes()), true, nil
}

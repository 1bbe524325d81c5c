package shadow_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// The rules of shadows once more, written as plainly as possible over decoded
// values: the oracle of the fuzz tests.

// A modelDoc is a document: state and metadata by side, nil for none.
type modelDoc struct {
	state, meta map[string]any
	version     int64
}

type object = map[string]any

// modelRequest decodes a request, or returns the code of its rejection.
func modelRequest(payload []byte, maxDepth int) (req object, code int) {
	if !utf8.Valid(payload) {
		return nil, 415
	}
	v, err := modelDecode(payload)
	if err != nil {
		return nil, 400
	}
	req, ok := v.(object)
	if !ok {
		return nil, 400
	}
	state, ok := req["state"]
	if !ok {
		return nil, 400
	}
	if sides, isObject := state.(object); isObject {
		for k, v := range sides {
			switch k {
			case "delta":
				continue
			case "desired", "reported":
			default:
				return nil, 400
			}
			if _, isObject := v.(object); v != nil && !isObject || modelArrayNull(v) || modelDepth(v) > maxDepth {
				return nil, 400
			}
		}
	} else if state != nil {
		return nil, 400
	}
	if token, given := req["clientToken"]; given {
		if token, ok := token.(string); !ok || len(token) > 64 {
			return nil, 400
		}
	}
	if version, given := req["version"]; given {
		n, ok := version.(json.Number)
		if !ok || strings.ContainsAny(string(n), "-.eE") {
			return nil, 400
		}
		if _, err := n.Int64(); err != nil {
			return nil, 400
		}
	}
	return req, 0
}

// modelDepth counts levels: those of keys, and of arrays that hold containers.
func modelDepth(v any) (deepest int) {
	switch v := v.(type) {
	case object:
		for _, e := range v {
			deepest = max(deepest, 1+modelDepth(e))
		}
	case []any:
		for _, e := range v {
			switch e.(type) {
			case object, []any:
				deepest = max(deepest, 1+modelDepth(e))
			}
		}
	}
	return deepest
}

// modelArrayNull reports whether a null is anywhere in an array.
func modelArrayNull(v any) bool {
	switch v := v.(type) {
	case object:
		for _, e := range v {
			if modelArrayNull(e) {
				return true
			}
		}
	case []any:
		return modelNull(v)
	}
	return false
}

func modelNull(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case object:
		for _, e := range v {
			if modelNull(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, modelNull)
	}
	return false
}

// modelUpdate merges a valid request.
func modelUpdate(d modelDoc, req object, now int64) modelDoc {
	out := modelDoc{state: object{}, meta: object{}, version: d.version + 1}
	if req["state"] == nil {
		return out
	}
	state := req["state"].(object)
	for _, side := range []string{"desired", "reported"} {
		old, oldMeta := d.state[side], d.meta[side]
		patch, mentioned := state[side]
		switch {
		case mentioned && patch == nil:
			continue
		case mentioned:
			old, oldMeta = modelMerge(old, oldMeta, patch, now)
		}
		if old, ok := old.(object); ok && len(old) > 0 {
			out.state[side], out.meta[side] = old, oldMeta
		}
	}
	return out
}

// modelMerge returns the value and metadata that a non-null patch makes of old ones.
func modelMerge(old, oldMeta, patch any, now int64) (value, meta any) {
	fields, ok := patch.(object)
	if !ok {
		return patch, modelStamp(patch, now)
	}
	v, m := object{}, object{}
	if old, ok := old.(object); ok {
		for k := range old {
			v[k], m[k] = old[k], oldMeta.(object)[k]
		}
	}
	for k, p := range fields {
		if p == nil {
			delete(v, k)
			delete(m, k)
			continue
		}
		v[k], m[k] = modelMerge(v[k], m[k], p, now)
	}
	return v, m
}

// modelStamp is the metadata of a value that is set now.
func modelStamp(v any, now int64) any {
	switch v := v.(type) {
	case object:
		m := object{}
		for k := range v {
			m[k] = modelStamp(v[k], now)
		}
		return m
	case []any:
		m := []any{}
		for i := range v {
			m = append(m, modelStamp(v[i], now))
		}
		return m
	}
	return object{"timestamp": json.Number(big.NewInt(now).String())}
}

// modelDelta returns what desired has and reported lacks or has otherwise.
func modelDelta(desired, meta, reported any) (delta, deltaMeta object) {
	d, ok := desired.(object)
	if !ok {
		return nil, nil
	}
	r, _ := reported.(object)
	delta, deltaMeta = object{}, object{}
	for k, v := range d {
		m := meta.(object)[k]
		other, found := r[k]
		_, both := other.(object)
		if _, ok := v.(object); ok && found && both {
			if sub, subMeta := modelDelta(v, m, other); sub != nil {
				delta[k], deltaMeta[k] = sub, subMeta
			}
			continue
		}
		if !found || !modelEqual(v, other) {
			delta[k], deltaMeta[k] = v, m
		}
	}
	if len(delta) == 0 {
		return nil, nil
	}
	return delta, deltaMeta
}

// modelEqual compares decoded values, numbers by value.
func modelEqual(a, b any) bool {
	switch a := a.(type) {
	case object:
		b, ok := b.(object)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if v, found := b[k]; !found || !modelEqual(a[k], v) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !modelEqual(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && modelSame(string(a), string(b))
	}
	return reflect.DeepEqual(a, b)
}

// modelSame compares numbers as an integer without trailing zeros times a power of
// ten. Exponents of more than 18 digits are beyond it, as they are for the engine.
func modelSame(a, b string) bool {
	if a == b {
		return true
	}
	parse := func(s string) (digits string, exponent *big.Int, ok bool) {
		mantissa, e, _ := strings.Cut(strings.ToLower(s), "e")
		exponent = new(big.Int)
		if e != "" {
			exponent.SetString(strings.TrimPrefix(e, "+"), 10)
			if len(new(big.Int).Abs(exponent).String()) > 18 {
				ok = true
			}
		}
		negative := strings.HasPrefix(mantissa, "-")
		whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
		exponent.Sub(exponent, big.NewInt(int64(len(fraction))))
		digits = strings.TrimLeft(whole+fraction, "0")
		for strings.HasSuffix(digits, "0") {
			digits = digits[:len(digits)-1]
			exponent.Add(exponent, big.NewInt(1))
		}
		if digits == "" {
			return "", new(big.Int), false
		}
		if negative {
			digits = "-" + digits
		}
		return digits, exponent, ok
	}
	da, ea, vastA := parse(a)
	db, eb, vastB := parse(b)
	return !vastA && !vastB && da == db && ea.Cmp(eb) == 0
}

var errDuplicate = errors.New("duplicate key")

// modelDecode decodes one JSON value and refuses objects with a key twice.
func modelDecode(text []byte) (any, error) {
	if !json.Valid(text) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := modelToken(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func modelToken(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := modelToken(d)
			if err != nil {
				return nil, err
			}
			if _, twice := o[k.(string)]; twice {
				return nil, errDuplicate
			}
			o[k.(string)] = v
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		a := []any{}
		for d.More() {
			v, err := modelToken(d)
			if err != nil {
				return nil, err
			}
			a = append(a, v)
		}
		_, err := d.Token()
		return a, err
	}
	return t, nil
}

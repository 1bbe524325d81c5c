package shadow

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// encode returns the members of v as JSON, without those that are null at any depth.
// Numbers are json.Number, so that they keep their text.
func encode(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var members any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		return nil, err
	}
	dropNulls(members)
	switch members := members.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return members, nil
	}
	return nil, fmt.Errorf("it is %.40s as JSON, expected an object", text)
}

// dropNulls removes the members of objects that are null.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
			}
			dropNulls(e)
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}

// patchOf returns the merge patch that makes after of before, nil if they are equal.
func patchOf(before, after map[string]any) map[string]any {
	patch := map[string]any{}
	for k, v := range after {
		was, ok := before[k]
		a, wasObject := was.(map[string]any)
		b, isObject := v.(map[string]any)
		switch {
		case wasObject && isObject:
			if inner := patchOf(a, b); inner != nil {
				patch[k] = inner
			}
		case !ok || !reflect.DeepEqual(was, v):
			patch[k] = v
		}
	}
	for k := range before {
		if _, ok := after[k]; !ok {
			patch[k] = nil
		}
	}
	if len(patch) == 0 {
		return nil
	}
	return patch
}

// appendValue appends what encode has made as JSON.
func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		if v {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case json.Number:
		return append(dst, v...)
	case string:
		return appendString(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, e)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(append(appendString(dst, k), ':'), v[k])
		}
		return append(dst, '}')
	}
	return dst
}

// decode is json.Unmarshal, except that the names of members are case sensitive.
func decode(text []byte, to any) error {
	w := newWork()
	defer w.free()
	s := &w.sections[0]
	if err := w.scanner.section(s, text); err == nil {
		e := exactor{tree: &s.tree}
		e.value(0, reflect.TypeOf(to).Elem())
		if len(e.out) > 0 {
			text = append(e.out, s.tree.text[e.done:]...)
		}
	}
	return json.Unmarshal(text, to)
}

// An exactor copies JSON without those members that encoding/json would take for a field
// with another name. Mostly there are none, and nothing is copied.
type exactor struct {
	tree *tree
	out  []byte
	done int // how much of the text is in out
}

// value goes through a value that becomes a t. It recurses as deep as a document.
func (e *exactor) value(i uint32, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		if readsItself(t) {
			return
		}
		t = t.Elem()
	}
	if readsItself(t) {
		return
	}
	n := &e.tree.nodes[i]
	switch {
	case n.kind == kindArray && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array),
		n.kind == kindObject && t.Kind() == reflect.Map:
		for c := i + 1; c < n.next; c = e.tree.nodes[c].next {
			e.value(c, t.Elem())
		}
	case n.kind == kindObject && t.Kind() == reflect.Struct:
		fields := fieldsOf(t)
		for c := i + 1; c < n.next; c = e.tree.nodes[c].next {
			name := unquote(e.tree.key(c))
			if field, ok := fields[name]; ok {
				e.value(c, field)
			} else if folds(fields, name) {
				e.rename(c)
			}
		}
	}
}

// rename gives a member a name that no field has.
func (e *exactor) rename(c uint32) {
	start := int(e.tree.nodes[c].key)
	e.out = append(e.out, e.tree.text[e.done:start]...)
	e.out = append(e.out, '\x7f')
	e.done = start
}

// folds reports whether a name is that of a field but for the case of letters.
func folds(fields map[string]reflect.Type, name string) bool {
	for field := range fields {
		if strings.EqualFold(field, name) {
			return true
		}
	}
	return false
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// readsItself reports whether values of a type have their own way of reading JSON.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(unmarshaler) || p.Implements(textUnmarshaler)
}

var fieldCache sync.Map // of map[string]reflect.Type by reflect.Type

// fieldsOf are the names that encoding/json has for the fields of a struct, those of
// embedded structs included, with their types.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if fields, ok := fieldCache.Load(t); ok {
		return fields.(map[string]reflect.Type)
	}
	fields := map[string]reflect.Type{}
	level, seen := []reflect.Type{t}, map[reflect.Type]bool{t: true}
	for len(level) > 0 { // what is nearer the surface wins
		var embedded []reflect.Type
		found := map[string]reflect.Type{}
		for _, s := range level {
			for i := range s.NumField() {
				f := s.Field(i)
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				inner := f.Type
				if inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				switch {
				case f.Tag.Get("json") == "-":
				case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
					if !seen[inner] {
						seen[inner] = true
						embedded = append(embedded, inner)
					}
				case !f.IsExported():
				case name == "":
					found[f.Name] = f.Type
				default:
					found[name] = f.Type
				}
			}
		}
		for name, typ := range found {
			if _, ok := fields[name]; !ok {
				fields[name] = typ
			}
		}
		level = embedded
	}
	fieldCache.Store(t, fields)
	return fields
}

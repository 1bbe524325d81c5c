package sql

import (
	"encoding/base64"
	"slices"

	"github.com/tidwall/sjson"
)

// A fields is the object that a SELECT makes: its keys in order.
type fields struct {
	list    []field
	numbers map[string]int // in list, by key
	star    int            // how many of list come before *; -1 without one
}

// A field is a value, or an object made of aliases with dots.
type field struct {
	key    string
	quoted string // the key as JSON, with a comma before and a colon behind it
	value  expr   // nil for an object
	nested *fields
}

// put makes a value the member of a path. Of equal paths the last one counts.
func (f *fields) put(path []string, e expr) {
	i, there := f.numbers[path[0]]
	if !there {
		if f.numbers == nil {
			f.numbers = map[string]int{}
		}
		i = len(f.list)
		f.numbers[path[0]] = i
		f.list = append(f.list, field{key: path[0], quoted: string(appendQuoted([]byte{','}, path[0])) + ":"})
	}
	at := &f.list[i]
	if len(path) == 1 {
		at.value, at.nested = e, nil
		return
	}
	if at.nested == nil {
		at.nested, at.value = &fields{star: -1}, nil
	}
	at.nested.put(path[1:], e)
}

// append appends the members, each but the first of the object with a comma before it,
// which begins at from in dst.
func (f *fields) append(r *Run, dst []byte, from int) []byte {
	for i := range f.list {
		x := &f.list[i]
		mark := len(dst)
		key := x.quoted
		if mark == from {
			key = key[1:]
		}
		if x.nested != nil {
			dst = append(append(dst, key...), '{')
			inner := len(dst)
			dst = x.nested.append(r, dst, inner)
			if len(dst) == inner {
				dst = dst[:mark] // nothing of it is defined
				continue
			}
			dst = append(dst, '}')
			continue
		}
		v := x.value(r)
		switch v.kind {
		case Undefined:
			continue
		case String:
			dst = appendQuoted(append(dst, key...), v.s)
		case Null, Boolean, Int, Decimal, Array, Object:
			dst = v.appendJSON(append(dst, key...))
		}
		if r.enough(dst[from:]) {
			break
		}
	}
	return dst
}

// flat reports that no alias has dots.
func (f *fields) flat() bool {
	return !slices.ContainsFunc(f.list, func(x field) bool { return x.nested != nil })
}

// fields compiles the items of a SELECT.
func (c *compiler) fields(s *selection) *fields {
	f := &fields{star: -1}
	for _, it := range s.items {
		e := c.expr(it.of)
		if it.star {
			if f.star >= 0 {
				c.fail(it.of.at(), "found a second *, one is enough")
			}
			f.star = len(f.list)
			continue
		}
		f.put(it.alias, e)
	}
	return f
}

// topSelection compiles the SELECT of a statement.
func (c *compiler) topSelection(s *selection) func(r *Run) Result {
	if s.value {
		if _, isStar := s.items[0].of.(star); isStar {
			return func(r *Run) Result { return Result{Matched: true, Output: r.m.Payload} }
		}
		e, old := c.expr(s.items[0].of), c.version == V2015
		return func(r *Run) Result {
			v := e(r)
			if v.kind == Undefined || old && v.kind == Array {
				return Result{Matched: true, Undefined: true}
			}
			return r.result(&v)
		}
	}
	if len(s.items) == 1 && s.items[0].star {
		return func(r *Run) Result { return Result{Matched: true, Output: r.m.Payload} }
	}
	f := c.fields(s)
	if f.star < 0 {
		return func(r *Run) Result {
			from := r.out.mark()
			b := append(r.out.bytes, '{')
			r.out.bytes = append(f.append(r, b, len(b)), '}')
			return Result{Matched: true, Output: r.out.bytes[from:len(r.out.bytes):len(r.out.bytes)]}
		}
	}
	return func(r *Run) Result {
		message := "{}"
		switch r.read() {
		case payloadJSON:
			message = view(r.m.Payload)
		case payloadOther:
			message = `{"payload":"` + base64.StdEncoding.EncodeToString(r.m.Payload) + `"}`
		case payloadUnread, payloadEmpty:
		}
		out := r.extend(message, f)
		from := r.out.mark()
		r.out.bytes = append(r.out.bytes, out...)
		return Result{Matched: true, Output: r.out.bytes[from:len(r.out.bytes):len(r.out.bytes)]}
	}
}

// result makes an outgoing payload of a value.
func (r *Run) result(v *Value) Result {
	from := r.out.mark()
	r.out.bytes = v.appendJSON(r.out.bytes)
	return Result{Matched: true, Output: r.out.bytes[from:len(r.out.bytes):len(r.out.bytes)]}
}

// extend returns the keys of an object and those of f, which count where both have a
// key. What is no object has no keys.
func (r *Run) extend(message string, f *fields) string {
	message = message[space(message, 0):]
	if message == "" || message[0] != '{' {
		message = "{}"
	}
	if !f.flat() {
		return r.extendDeep(message, f)
	}
	values := r.takeArgs(len(f.list))
	for i := range f.list {
		v := f.list[i].value(r)
		values[i] = v
	}
	b := append(r.borrow(), '{')
	for k, v := range members(message) {
		if i, there := f.numbers[plainKey(k)]; there && values[i].kind != Undefined {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, k...), ':'), v...)
	}
	for i := range f.list {
		if values[i].kind == Undefined {
			continue
		}
		key := f.list[i].quoted
		if len(b) == 1 {
			key = key[1:]
		}
		if b = values[i].appendJSON(append(b, key...)); r.enough(b) {
			break
		}
	}
	r.giveArgs(len(f.list))
	return r.keep(append(b, '}'))
}

// extendDeep is extend for aliases with dots, which go into the objects of the message.
func (r *Run) extendDeep(message string, f *fields) string {
	b := []byte(message)
	f.each(nil, func(path []string, e expr) {
		v := e(r)
		if v.kind == Undefined {
			return
		}
		if out, err := sjson.SetRawBytes(b, sjsonPath(path), v.appendJSON(nil)); err == nil {
			b = out
		}
	})
	return view(b)
}

// each calls yield for every value with its path.
func (f *fields) each(path []string, yield func(path []string, e expr)) {
	for i := range f.list {
		x := &f.list[i]
		at := append(path[:len(path):len(path)], x.key)
		if x.nested != nil {
			x.nested.each(at, yield)
			continue
		}
		yield(at, x.value)
	}
}

// sjsonPath writes a path as sjson reads it: names of this language need no escapes,
// but digits alone would be an index, so that a colon goes before each key.
func sjsonPath(path []string) string {
	var b []byte
	for i, key := range path {
		if i > 0 {
			b = append(b, '.')
		}
		b = append(b, ':')
		for j := range len(key) {
			if c := key[j]; !isLetter(c) && !isDigit(c) && c < 0x80 {
				b = append(b, '\\')
			}
			b = append(b, key[j])
		}
	}
	return string(b)
}

// takeArgs returns room for n values; giveArgs gives it back.
func (r *Run) takeArgs(n int) []Value {
	from := len(r.args)
	if from+n > cap(r.args) {
		grown := make([]Value, from, 2*(from+n)+8)
		copy(grown, r.args)
		r.args = grown
	}
	r.args = r.args[:from+n]
	return r.args[from : from+n : from+n]
}

func (r *Run) giveArgs(n int) { r.args = r.args[:len(r.args)-n] }

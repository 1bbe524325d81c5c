package sql

import (
	"context"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// The functions that take texts apart and put them together.
var _ = register(map[string]*builtin{
	"encode":    {min: 2, max: 2, since2016: true, star: true, build: encode},
	"decode":    {min: 2, max: 6, since2016: true, star: true, build: decode},
	"transform": {min: 3, max: 3, since2016: true, build: transform},
})

const (
	schemeBase64 = "base64"
	schemeProto  = "proto"
)

// bytesOf compiles an argument whose bytes are wanted: of * the message as it came, of
// anything else its text.
func (c *compiler) bytesOf(n node) func(r *Run) (string, bool) {
	if _, isStar := n.(star); isStar && c.scope.top {
		return func(r *Run) (string, bool) { return view(r.m.Payload), true }
	}
	of := c.expr(n)
	return func(r *Run) (string, bool) { return r.toText(of(r)) }
}

// encode is encode(value, 'base64').
func encode(c *compiler, n *call) expr {
	if scheme := c.constant(n, 1, "'base64'"); scheme != schemeBase64 {
		c.warn(n.args[1].at(), "encode is Undefined: the scheme is %q, expected base64", clip(scheme))
		return c.always(undefined, n.args[:1])
	}
	of := c.bytesOf(n.args[0])
	return func(r *Run) Value {
		s, ok := of(r)
		if !ok {
			return undefined
		}
		return text(r.base64(viewBytes(s)))
	}
}

// decode is decode(text, 'base64') and decode(text, 'proto', bucket, key, file, name).
func decode(c *compiler, n *call) expr {
	scheme := c.constant(n, 1, "'base64' or 'proto'")
	switch scheme {
	case schemeBase64:
		c.count(n, 2, 2)
		of := c.encoded(n.args[0])
		return func(r *Run) Value {
			v := of(r)
			if v.kind != String {
				return undefined
			}
			b, ok := r.unbase64(v.s)
			if !ok {
				return null
			}
			return r.ofBytes(b)
		}
	case schemeProto:
		c.count(n, 6, 6)
		return c.decodeProto(n)
	}
	c.warn(n.args[1].at(), "decode is Undefined: the scheme is %q, expected base64 or proto", clip(scheme))
	return c.always(undefined, n.args[:1])
}

// encoded compiles the first argument of decode: of * the message is the text.
func (c *compiler) encoded(n node) expr {
	if _, isStar := n.(star); isStar && c.scope.top {
		return func(r *Run) Value { return text(view(r.m.Payload)) }
	}
	return c.expr(n)
}

// unbase64 decodes as Java's basic decoder does: padding may be left out as a whole,
// and nothing else may be in the text. The result lives in the run's memory.
func (r *Run) unbase64(s string) (string, bool) {
	encoding := base64.StdEncoding
	if len(s)%4 != 0 {
		encoding = base64.RawStdEncoding
	}
	if strings.ContainsAny(s, "\r\n") { // which the library passes over
		return "", false
	}
	from := r.arena.mark()
	b, err := encoding.AppendDecode(r.arena.bytes, viewBytes(s))
	if err != nil {
		return "", false
	}
	r.arena.bytes = b
	return r.arena.since(from), true
}

// ofBytes makes a value of decoded bytes: of JSON what it says, else the text, and Null
// if it is none.
func (r *Run) ofBytes(s string) Value {
	if r.validJSON(s) {
		from := r.arena.mark()
		r.arena.bytes = appendCompact(r.arena.bytes, s)
		return r.ofJSON(r.arena.since(from), r.whole)
	}
	if !utf8.ValidString(s) {
		return null
	}
	return text(s)
}

// validJSON reports whether s is one JSON value in UTF-8. Depth costs no stack.
func (r *Run) validJSON(s string) bool {
	k := &r.scanner.skipper
	k.high = false
	i := k.value(s, space(s, 0))
	return i >= 0 && space(s, i) == len(s) && (!k.high || validUTF8(s))
}

// decodeProto compiles a decode with Protocol Buffers. The message is base64 text; * is
// the message itself.
func (c *compiler) decodeProto(n *call) expr {
	c.external(n, callProto)
	_, whole := n.args[0].(star)
	whole = whole && c.scope.top
	of, args := c.encoded(n.args[0]), c.exprs(n.args[2:])
	return func(r *Run) Value {
		v := of(r)
		if v.kind != String {
			return undefined
		}
		var names [4]string
		for i, e := range args {
			a := e(r)
			if a.kind != String {
				return undefined
			}
			names[i] = a.s
		}
		message := v.s
		if !whole {
			b, ok := r.unbase64(v.s)
			if !ok {
				return null
			}
			message = b
		}
		return r.outside(n.name, func(ctx context.Context) ([]byte, error) {
			return r.stmt.limits.Proto.DecodeProto(ctx, []byte(message), names[0], names[1], names[2], names[3])
		})
	}
}

// mostTransformed bounds what transform makes, in bytes.
const mostTransformed = 128 << 10

const modeEnrich = "enrichArray"

// transform is transform('enrichArray', attributes, objects): the objects, each with the
// attributes, which take the place of what it has under the same key.
func transform(c *compiler, n *call) expr {
	if mode := c.constant(n, 0, "'"+modeEnrich+"'"); mode != modeEnrich {
		c.warn(n.args[0].at(), "transform is Undefined: the mode is %q, expected %s", clip(mode), modeEnrich)
		return c.always(undefined, n.args[1:])
	}
	attributes, objects := c.expr(n.args[1]), c.expr(n.args[2])
	return func(r *Run) Value {
		a, o := attributes(r), objects(r)
		if a.kind != Object || o.kind != Array || len(a.s) > mostTransformed {
			return undefined
		}
		return r.enrich(a.s, o.s)
	}
}

// enrich returns the objects of an array with attributes; Undefined if one of them is no
// object or the result is too large.
func (r *Run) enrich(attributes, array string) Value {
	replaced := map[string]bool{}
	for k := range members(attributes) {
		replaced[plainKey(k)] = true
	}
	b := append(r.borrow(), '[')
	for object := range elements(array) {
		if object[0] != '{' {
			r.forget(b)
			return undefined
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, '{')
		from := len(b)
		b = appendMembers(b, from, object, replaced)
		b = appendMembers(b, from, attributes, nil)
		b = append(b, '}')
		if len(b) >= mostTransformed {
			r.forget(b)
			return undefined
		}
	}
	return Value{kind: Array, s: r.keep(append(b, ']'))}
}

// appendMembers appends the members of an object except some, to the object that begins
// at from in dst. It stops where the result is too large.
func appendMembers(dst []byte, from int, object string, except map[string]bool) []byte {
	for k, v := range members(object) {
		if len(except) > 0 && except[plainKey(k)] {
			continue
		}
		if len(dst) > from {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, k...), ':'), v...)
		if len(dst) > mostTransformed {
			break
		}
	}
	return dst
}

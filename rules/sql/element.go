package sql

import (
	"unicode/utf8"
)

var _ = register(map[string]*builtin{
	"get": {min: 2, max: 2, star: true, f2: (*Run).element},
})

// element is get(of, key) and of[key]: an element of an Array, a character of a String,
// both counted from 0, or a member of an Object.
func (r *Run) element(of, key Value) Value {
	switch of.kind {
	case Object:
		if key.kind != String {
			return undefined
		}
		return r.member(of, key.s)
	case Array:
		i, ok := key.asInt()
		if !ok || i < 0 {
			return undefined
		}
		for e := range elements(of.s) {
			if i == 0 {
				return r.ofJSON(e, r.whole)
			}
			i--
		}
	case String:
		i, ok := key.asInt()
		if !ok || i < 0 {
			return undefined
		}
		for j := range of.s {
			if i == 0 {
				_, n := utf8.DecodeRuneInString(of.s[j:])
				return text(of.s[j : j+n])
			}
			i--
		}
	case Undefined, Null, Boolean, Int, Decimal:
	}
	return undefined
}

package sql

import (
	"iter"
	"unicode/utf8"
)

func validUTF8(s string) bool { return utf8.ValidString(s) }

// The functions of this file read JSON that is known to be valid.

// after returns the index behind the valid value at s[i].
func after(s string, i int) int {
	switch s[i] {
	case '"':
		return afterString(s, i)
	case '{', '[':
		depth := 0
		for ; ; i++ {
			switch s[i] {
			case '"':
				i = afterString(s, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(s) && s[i] != ',' && s[i] != '}' && s[i] != ']' && !isSpace(s[i]) {
		i++
	}
	return i
}

func afterString(s string, i int) int {
	for i++; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// elements yields the elements of an array as JSON.
func elements(array string) iter.Seq[string] {
	return func(yield func(string) bool) {
		i := space(array, 1)
		for array[i] != ']' {
			end := after(array, i)
			if !yield(array[i:end]) {
				return
			}
			i = nextItem(array, end)
		}
	}
}

// members yields the members of an object: the keys as JSON with their quotes, the
// values as JSON.
func members(object string) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		i := space(object, 1)
		for object[i] != '}' {
			end := afterString(object, i)
			key := object[i:end]
			i = space(object, space(object, end)+1)
			end = after(object, i)
			if !yield(key, object[i:end]) {
				return
			}
			i = nextItem(object, end)
		}
	}
}

// keyIs reports whether a key, as JSON, is a text.
func keyIs(quoted, text string) bool { return plainKey(quoted) == text }

func hasEscape(s string) bool {
	for i := range len(s) {
		if s[i] == '\\' {
			return true
		}
	}
	return false
}

// member returns the value of a key of an object. Of equal keys the last one counts.
func member(object, key string) (value string, ok bool) {
	for k, v := range members(object) {
		if keyIs(k, key) {
			value, ok = v, true
		}
	}
	return value, ok
}

// appendCompact appends JSON without white space between the tokens.
func appendCompact(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			end := afterString(s, i)
			dst = append(dst, s[i:end]...)
			i = end
		case isSpace(c):
			i++
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// ofJSON makes a value of valid JSON.
func (r *Run) ofJSON(s string, whole bool) Value {
	switch c := s[0]; c {
	case '"':
		return text(r.unquoted(s[1 : len(s)-1]))
	case '{':
		return Value{kind: Object, s: s}
	case '[':
		return Value{kind: Array, s: s}
	case 't':
		return vTrue
	case 'f':
		return vFalse
	case 'n':
		return null
	}
	return readNumber(s, whole)
}

// unquoted returns the text of a JSON string without its quotes.
func (r *Run) unquoted(s string) string {
	if !hasEscape(s) {
		return s
	}
	from := r.arena.mark()
	r.arena.bytes = appendUnquoted(r.arena.bytes, s)
	return r.arena.since(from)
}

// comparedDepth bounds how deep values are compared: each level is read once more.
const comparedDepth = 128

// sameJSON reports whether two valid JSON values are equal: arrays by their items in
// order, objects by their members in any order, numbers by value. What is nested more
// than 128 levels deep is equal only if it is written alike.
func sameJSON(a, b string) bool { return sameTo(comparedDepth, a, b) }

func sameTo(depth int, a, b string) bool {
	if a == b {
		return true
	}
	switch {
	case a[0] == '{' && b[0] == '{':
		return depth > 0 && sameObject(depth-1, a, b)
	case a[0] == '[' && b[0] == '[':
		return depth > 0 && sameArray(depth-1, a, b)
	case a[0] == '"' && b[0] == '"':
		return plainKey(a) == plainKey(b)
	case isNumberStart(a[0]) && isNumberStart(b[0]):
		x, y := readNumber(a, true), readNumber(b, true)
		return x.isNumber() && y.isNumber() && compareNumbers(&x, &y) == 0
	}
	return false
}

func isNumberStart(c byte) bool { return c == '-' || c-'0' <= 9 }

func sameArray(depth int, a, b string) bool {
	i, j := space(a, 1), space(b, 1)
	for a[i] != ']' && b[j] != ']' {
		m, n := after(a, i), after(b, j)
		if !sameTo(depth, a[i:m], b[j:n]) {
			return false
		}
		i, j = nextItem(a, m), nextItem(b, n)
	}
	return a[i] == b[j]
}

// nextItem returns where the next item or the bracket is, behind the item that ends at
// i.
func nextItem(s string, i int) int {
	if i = space(s, i); s[i] == ',' {
		i = space(s, i+1)
	}
	return i
}

func sameObject(depth int, a, b string) bool {
	left, right := memberMap(a), memberMap(b)
	if len(left) != len(right) {
		return false
	}
	for k, v := range left {
		w, ok := right[k]
		if !ok || !sameTo(depth, v, w) {
			return false
		}
	}
	return true
}

func memberMap(object string) map[string]string {
	m := map[string]string{}
	for k, v := range members(object) {
		m[plainKey(k)] = v
	}
	return m
}

// plainKey returns the text of a JSON string.
func plainKey(quoted string) string {
	s := quoted[1 : len(quoted)-1]
	if !hasEscape(s) {
		return s
	}
	return string(appendUnquoted(nil, s))
}

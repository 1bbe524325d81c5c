package policy

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string, the reader standing at its opening quote.
func (r *reader) str() (string, error) {
	r.pos++
	start := r.pos
	var b strings.Builder
	for r.pos < len(r.text) {
		switch c := r.text[r.pos]; {
		case c == '"':
			if b.Len() == 0 {
				s := r.text[start:r.pos] // nothing was escaped
				r.pos++
				return s, nil
			}
			b.WriteString(r.text[start:r.pos])
			r.pos++
			return b.String(), nil
		case c < 0x20:
			return "", r.fail("no control character in a string")
		case c == '\\':
			b.WriteString(r.text[start:r.pos])
			c, err := r.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(c)
			start = r.pos
		default:
			r.pos++
		}
	}
	return "", r.fail("a closing quote")
}

// escape reads what follows a backslash.
func (r *reader) escape() (rune, error) {
	r.pos++
	if r.pos == len(r.text) {
		return 0, r.fail("an escape")
	}
	c := r.text[r.pos]
	if c != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return 0, r.fail("an escape of JSON")
		}
		r.pos++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	first, err := r.hex()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	if !strings.HasPrefix(r.text[r.pos:], `\u`) {
		return 0, r.fail("the other half of a surrogate pair")
	}
	r.pos++
	second, err := r.hex()
	if err != nil {
		return 0, err
	}
	both := utf16.DecodeRune(first, second)
	if both == utf8.RuneError {
		return 0, r.fail("two halves of a surrogate pair before this place")
	}
	return both, nil
}

// hex reads four hexadecimal digits, the reader standing at the u.
func (r *reader) hex() (rune, error) {
	r.pos++
	if r.pos+4 > len(r.text) {
		r.pos = len(r.text)
		return 0, r.fail("four hexadecimal digits")
	}
	n, err := strconv.ParseUint(r.text[r.pos:r.pos+4], 16, 32)
	if err != nil {
		return 0, r.fail("four hexadecimal digits")
	}
	r.pos += 4
	return rune(n), nil
}

package shadow

import (
	"unicode/utf16"
	"unicode/utf8"
)

// The one form of JSON that trees need has no white space, and in strings no escape
// that can be avoided. Those that cannot are the short ones, \u00xx for other control
// characters, and \udxxx for half a surrogate pair, which no UTF-8 stands for. A
// scanner makes it of what is not in it.

// appendText appends in that form the string whose text starts at i, and returns where
// what is after its quote starts. The string is valid.
func appendText(dst, src []byte, i int) ([]byte, int) {
	for {
		from := i
		for i < len(src) && plain[src[i]] {
			i++
		}
		dst = append(dst, src[from:i]...)
		if i+1 >= len(src) || src[i] == '"' {
			return dst, i + 1
		}
		i++ // the backslash
		switch c := src[i]; c {
		case 'u':
			r := hexValue(src[i+1 : i+5])
			i += 5
			if utf16.IsSurrogate(r) && i+6 <= len(src) && src[i] == '\\' && src[i+1] == 'u' {
				if both := utf16.DecodeRune(r, hexValue(src[i+2:i+6])); both != utf8.RuneError {
					r = both
					i += 6
				}
			}
			dst = appendRune(dst, r)
		case '/':
			dst = append(dst, '/')
			i++
		default:
			dst = append(dst, '\\', c)
			i++
		}
	}
}

// appendRune appends a character as it stands in a string.
func appendRune(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r == '\b':
		return append(dst, `\b`...)
	case r == '\f':
		return append(dst, `\f`...)
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r == '\t':
		return append(dst, `\t`...)
	case r < ' ', utf16.IsSurrogate(r):
		return append(dst, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// appendString appends s as a JSON string; what is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		dst = appendRune(dst, r)
	}
	return append(dst, '"')
}

// hexValue returns the value of four hexadecimal digits, or -1.
func hexValue(b []byte) rune {
	var v rune
	for _, c := range b {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		v = v<<4 | rune(c)
	}
	return v
}

// textLen is the length in bytes of the text between the quotes of a canonical
// string, once its escapes are resolved.
func textLen(s []byte) int {
	n := 0
	for i := 0; i < len(s); n++ {
		switch {
		case s[i] != '\\':
			i++
		case s[i+1] == 'u':
			if s[i+2] == 'd' {
				n += 2 // half a pair, as three bytes
			}
			i += 6
		default:
			i += 2
		}
	}
	return n
}

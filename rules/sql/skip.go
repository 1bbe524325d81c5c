package sql

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// A skipper validates JSON that nobody looks into. It keeps the kinds of the open
// brackets in bits, so that depth costs no stack.
type skipper struct {
	open []uint64
	// high is set when a string has a byte beyond ASCII: the text is to be checked
	// for UTF-8 as a whole.
	high bool
}

func isSpace(c byte) bool { return c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r') }

// space returns the index of the first byte at or after i that is no white space, or
// len(s).
func space(s string, i int) int {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	return i
}

// value validates the value at s[i], which must be no white space, and returns the
// index behind it, or -1.
func (k *skipper) value(s string, i int) int {
	if i >= len(s) {
		return -1
	}
	switch c := s[i]; {
	case c == '"':
		end, _ := k.quoted(s, i)
		return end
	case c == '{' || c == '[':
		return k.nested(s, i)
	case c == '-' || c-'0' <= 9:
		return skipNumber(s, i)
	}
	return skipWord(s, i)
}

// skipWord validates true, false or null.
func skipWord(s string, i int) int {
	for _, word := range [...]string{"true", "false", "null"} {
		if len(s)-i >= len(word) && s[i:i+len(word)] == word {
			return i + len(word)
		}
	}
	return -1
}

// nested validates an object or array without recursion.
func (k *skipper) nested(s string, i int) int {
	depth := 0
	k.open = k.open[:0]
	push := func(object bool) {
		if depth&63 == 0 {
			k.open = append(k.open, 0)
		}
		if object {
			k.open[depth>>6] |= 1 << (depth & 63)
		} else {
			k.open[depth>>6] &^= 1 << (depth & 63)
		}
		depth++
	}
	for {
		// A value begins at i.
		if i >= len(s) {
			return -1
		}
		switch c := s[i]; {
		case c == '"':
			i, _ = k.quoted(s, i)
		case c == '-' || c-'0' <= 9:
			i = skipNumber(s, i)
		case c == '{':
			push(true)
			i = space(s, i+1)
			if i < len(s) && s[i] == '}' {
				break
			}
			if i = k.key(s, i); i < 0 {
				return -1
			}
			continue
		case c == '[':
			push(false)
			i = space(s, i+1)
			if i < len(s) && s[i] == ']' {
				break
			}
			continue
		default:
			i = skipWord(s, i)
		}
		if i < 0 {
			return -1
		}
		// A value ends before i, or a bracket is closed at i.
		for {
			if i = space(s, i); i >= len(s) {
				return -1
			}
			object := k.open[(depth-1)>>6]>>((depth-1)&63)&1 != 0
			c := s[i]
			i++
			if c == ',' {
				i = space(s, i)
				if object {
					if i = k.key(s, i); i < 0 {
						return -1
					}
				}
				break
			}
			if c != '}' && object || c != ']' && !object {
				return -1
			}
			depth--
			if depth&63 == 0 {
				k.open = k.open[:len(k.open)-1]
			}
			if depth == 0 {
				return i
			}
		}
	}
}

// key validates a key and the colon behind it, and returns where the value begins.
func (k *skipper) key(s string, i int) int {
	if i >= len(s) || s[i] != '"' {
		return -1
	}
	if i, _ = k.quoted(s, i); i < 0 {
		return -1
	}
	if i = space(s, i); i >= len(s) || s[i] != ':' {
		return -1
	}
	return space(s, i+1)
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// quoted validates the string at s[i] and returns the index behind it, or -1, and
// whether it has escapes.
func (k *skipper) quoted(s string, i int) (end int, escaped bool) {
	i++
	for {
		// Eight bytes at a time, as long as none of them is special.
		for i+8 <= len(s) {
			w := load(s, i)
			special := w&highBits | below(w, ' ') | equals(w, '"') | equals(w, '\\')
			if special != 0 {
				i += bits.TrailingZeros64(special) / 8
				break
			}
			i += 8
		}
		if i >= len(s) {
			return -1, false
		}
		switch c := s[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			if i = skipEscape(s, i+1); i < 0 {
				return -1, false
			}
		case c < ' ':
			return -1, false
		default:
			k.high = k.high || c >= 0x80
			i++
		}
	}
}

// load reads the eight bytes at s[i], which must be there.
func load(s string, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(s)), i))[:])
}

// below marks the bytes of w less than c, at most 0x80. The first mark is exact.
func below(w uint64, c byte) uint64 { return (w - lowBits*uint64(c)) & ^w & highBits }

// equals marks the bytes of w equal to c. The first mark is exact.
func equals(w uint64, c byte) uint64 { return below(w^lowBits*uint64(c), 1) }

func skipEscape(s string, i int) int {
	if i >= len(s) {
		return -1
	}
	switch s[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 > len(s) {
			return -1
		}
		for _, c := range []byte(s[i+1 : i+5]) {
			if c-'0' > 9 && c|0x20-'a' > 5 {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

// skipNumber validates the number at s[i] and returns the index behind it, or -1.
func skipNumber(s string, i int) int {
	if s[i] == '-' {
		i++
	}
	from := i
	n := countDigits(s[i:])
	if n == 0 || n > 1 && s[from] == '0' {
		return -1
	}
	i += n
	if i < len(s) && s[i] == '.' {
		if n = countDigits(s[i+1:]); n == 0 {
			return -1
		}
		i += 1 + n
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if n = countDigits(s[i:]); n == 0 {
			return -1
		}
		i += n
	}
	return i
}

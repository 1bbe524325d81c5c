package shadow

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// space returns where the white space at i ends.
func (s *scanner) space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		s.ragged = true
		i++
	}
	return i
}

// Each byte of a word.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has the high bit of each byte of w set that does not stand for itself in
// a string. Above the lowest such byte other bits may be set too.
func special(w uint64) uint64 {
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
}

// plain holds the characters that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// text returns where the string that starts at i ends, or -1.
func (s *scanner) text(text []byte, i int) int {
	i++
	for {
		for i+8 <= len(text) {
			m := special(binary.LittleEndian.Uint64(text[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		for i < len(text) && plain[text[i]] {
			i++
		}
		if i >= len(text) {
			return -1
		}
		if text[i] == '"' {
			return i + 1
		}
		if text[i] != '\\' {
			return -1
		}
		if i = s.escape(text, i+1); i < 0 {
			return -1
		}
	}
}

// escape returns where the escape whose letter is at i ends, or -1.
func (s *scanner) escape(text []byte, i int) int {
	if i >= len(text) {
		return -1
	}
	switch text[i] {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case '/':
		s.ragged = true
		return i + 1
	case 'u':
		if i+5 > len(text) {
			return -1
		}
		r := hexValue(text[i+1 : i+5])
		if r < 0 {
			return -1
		}
		s.ragged = s.ragged || !isShortest(r, text[i+1:i+5])
		return i + 5
	}
	return -1
}

// isShortest reports whether a character has no shorter escape, nor needs none, and
// this one is in lower case. Surrogates are for appendCanonical to look at.
func isShortest(r rune, digits []byte) bool {
	return r < ' ' && !strings.ContainsRune("\b\f\n\r\t", r) && (digits[3] < 'A' || digits[3] > 'F')
}

// literal returns where want ends if it is at i, or -1.
func literal(text []byte, i int, want string) int {
	if len(text)-i < len(want) || string(text[i:i+len(want)]) != want {
		return -1
	}
	return i + len(want)
}

// number returns where the number at i ends, or -1.
func number(text []byte, i int) int {
	if i < len(text) && text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if i = digits(text, i); i < 0 {
		return -1
	}
	if i < len(text) && text[i] == '.' {
		if i = digits(text, i+1); i < 0 {
			return -1
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		return digits(text, i)
	}
	return i
}

// digits returns where the digits at i end, or -1 if there are none.
func digits(text []byte, i int) int {
	from := i
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

package shadow

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// space returns where the white space at i ends.
func (s *scanner) space(text []byte, i int) int {
	from := i
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	if i > from {
		s.leaveOut(text, from, i)
	}
	return i
}

// word returns eight bytes of text, the first one lowest. To leave no capacity spares
// the code that keeps an empty slice from pointing past the end.
func word(text []byte, i int) uint64 {
	return binary.LittleEndian.Uint64(text[i : i+8 : i+8])
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
	start, ragged := i, false
	i++
	for {
		for len(text)-i >= 8 {
			m := special(word(text, i))
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
			break
		}
		if text[i] != '\\' {
			return -1
		}
		next := escape(text, i+1)
		if next < 0 {
			return -1
		}
		ragged = ragged || !isNeeded(text[i+1:next])
		i = next
	}
	i++
	if ragged {
		s.leaveOut(text, start+1, i)
		size := len(s.own)
		s.own, _ = appendText(s.own, text, start+1)
		s.own = append(s.own, '"')
		s.shift -= len(s.own) - size
	}
	return i
}

// key is text for a key, of which it also returns the head and the hash.
func (s *scanner) key(text []byte, i int) (end int, head, hash uint64) {
	start := i + 1 - s.shift
	if end = s.text(text, i); end < 0 {
		return -1, 0, 0
	}
	key := text[i+1 : end-1]
	if s.copied == end { // it was written anew
		key = s.own[start : len(s.own)-1]
	}
	return end, headOf(key), s.tables.hash(key)
}

// headOf returns the head of a key.
func headOf(key []byte) uint64 {
	if len(key) >= 8 {
		return word(key, 0)
	}
	var head uint64
	for i, c := range key {
		head |= uint64(c) << (8 * i)
	}
	return head
}

// escape returns where the escape whose letter is at i ends, or -1.
func escape(text []byte, i int) int {
	if i >= len(text) {
		return -1
	}
	switch text[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 <= len(text) && hexValue(text[i+1:i+5]) >= 0 {
			return i + 5
		}
	}
	return -1
}

// isNeeded reports whether an escape, given without the backslash, is the one form of
// its character. Surrogates are for appendText to look at.
func isNeeded(escape []byte) bool {
	if escape[0] != 'u' {
		return escape[0] != '/'
	}
	r := hexValue(escape[1:5])
	return r < ' ' && !strings.ContainsRune("\b\f\n\r\t", r) && (escape[4] < 'A' || escape[4] > 'F')
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

// nonDigits has the high bit of each byte of w set that is no digit.
func nonDigits(w uint64) uint64 {
	w ^= ones * '0'
	return (w&^highs + ones*(0x80-10) | w) & highs
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

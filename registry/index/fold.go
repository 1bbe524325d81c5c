package index

import (
	"cmp"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold makes texts equal that differ in case only. It works rune by rune, so that
// parts of a text can be folded one by one.
func fold(s string) string { return strings.ToLower(s) }

// appendFold appends fold(s) to dst.
func appendFold(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			for _, r := range s[i:] {
				dst = utf8.AppendRune(dst, unicode.ToLower(r))
			}
			return dst
		}
		dst = append(dst, lowerByte(c))
	}
	return dst
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// compareFold compares fold(a) with fold(b), without making them.
func compareFold(a, b string) int { return compareFolded(a, b, false) }

// comparePrefix compares the beginning of fold(s) with fold(prefix): it is 0 if s
// begins so.
func comparePrefix(s, prefix string) int { return compareFolded(s, prefix, true) }

func compareFolded(a, b string, prefix bool) int {
	n := min(len(a), len(b))
	i := 0
	for ; i < n; i++ {
		x, y := a[i], b[i]
		if x|y >= utf8.RuneSelf {
			break
		}
		if x != y {
			if x, y = lowerByte(x), lowerByte(y); x != y {
				return cmp.Compare(x, y)
			}
		}
	}
	a, b = a[i:], b[i:]
	for a != "" && b != "" {
		x, n := utf8.DecodeRuneInString(a)
		y, m := utf8.DecodeRuneInString(b)
		if x, y = unicode.ToLower(x), unicode.ToLower(y); x != y {
			return cmp.Compare(x, y) // UTF-8 sorts as its runes do
		}
		a, b = a[n:], b[m:]
	}
	if prefix && b == "" {
		return 0
	}
	return cmp.Compare(len(a), len(b))
}

// isBlank reports whether a rune separates words, as Java's Character.isWhitespace
// does: not so the blanks that keep words together.
func isBlank(r rune) bool {
	switch {
	case r >= '\t' && r <= '\r', r >= 0x1c && r <= 0x1f:
		return true
	case r == 0xa0, r == 0x2007, r == 0x202f:
		return false
	}
	return unicode.Is(unicode.Z, r)
}

// asNumber reads a text as a number in decimal notation: no "inf", no "0x1", nothing
// that is too large.
func asNumber(s string) (float64, bool) {
	i, digits := 0, 0
	run := func() {
		for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
			digits++
		}
	}
	sign := func() {
		if i < len(s) && (s[i] == '-' || s[i] == '+') {
			i++
		}
	}
	sign()
	run()
	if i < len(s) && s[i] == '.' {
		i++
		run()
	}
	if digits == 0 {
		return 0, false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		sign()
		digits = 0
		if run(); digits == 0 {
			return 0, false
		}
	}
	if i < len(s) {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f + 0, err == nil // + 0: of minus zero
}

func hasBlank(s string) bool { return strings.IndexFunc(s, isBlank) >= 0 }

// wordsOf yields the words of a text.
func wordsOf(s string) iter.Seq[string] { return strings.FieldsFuncSeq(s, isBlank) }

package sql

import (
	"strings"
	"unicode/utf8"
)

// like compiles LIKE: % stands for any text, _ for one character.
func (c *compiler) like(n *like) expr {
	of, pattern, not := c.expr(n.of), c.expr(n.pattern), n.not
	return func(r *Run) Value {
		v, p := of(r), pattern(r)
		if v.kind != String || p.kind != String {
			return undefined
		}
		return boolean(matchesLike(v.s, p.s) != not)
	}
}

// matchesLike reports whether all of s fits a pattern. Each part of the pattern between
// two % is looked for once, where it is first; that is linear unless it has a _.
func matchesLike(s, pattern string) bool {
	part, rest, more := strings.Cut(pattern, "%")
	n := beginsLike(s, part)
	if n < 0 {
		return false
	}
	s = s[n:]
	if !more {
		return s == ""
	}
	for {
		part, rest, more = strings.Cut(rest, "%")
		if !more {
			return endsLike(s, part)
		}
		if n = findLike(s, part); n < 0 {
			return false
		}
		s = s[n:]
	}
}

// beginsLike returns how many bytes of s a pattern without % takes, or -1.
func beginsLike(s, part string) int {
	i := 0
	for j := range len(part) {
		switch {
		case i == len(s):
			return -1
		case part[j] == '_':
			_, n := utf8.DecodeRuneInString(s[i:])
			i += n
		case part[j] != s[i]:
			return -1
		default:
			i++
		}
	}
	return i
}

// findLike returns where the first place ends that fits a pattern without %, or -1.
func findLike(s, part string) int {
	if !strings.Contains(part, "_") {
		if i := strings.Index(s, part); i >= 0 {
			return i + len(part)
		}
		return -1
	}
	for i := range s {
		if n := beginsLike(s[i:], part); n >= 0 {
			return i + n
		}
	}
	return -1
}

// endsLike reports whether the end of s fits a pattern without %.
func endsLike(s, part string) bool {
	from := len(s)
	for range utf8.RuneCountInString(part) {
		_, n := utf8.DecodeLastRuneInString(s[:from])
		from -= n
	}
	return beginsLike(s[from:], part) == len(s)-from
}

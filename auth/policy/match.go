package policy

import (
	"strings"
	"unicode/utf8"
)

// In a pattern that is ready to match, wildcards are bytes that UTF-8 does not have.
// So * and ? in text are never taken for wildcards, whoever put them there; what gets
// into a pattern is checked to be UTF-8 (parse.go for documents, value.text for the
// facts of a connection).
const (
	anyRun = '\xff' // *: any run of characters, also none
	anyOne = '\xfe' // ?: one character

	anyRunText = "\xff"
	anyOneText = "\xfe"
)

// encode makes a pattern of a text in which * and ? are wildcards.
func encode(s string) string {
	if !strings.ContainsAny(s, "*?") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '*':
			b = append(b, anyRun)
		case '?':
			b = append(b, anyOne)
		default:
			b = append(b, s[i])
		}
	}
	return tidy(string(b))
}

// tidy makes one star of several, and moves question marks in front of the star they
// stand behind: "*?" and "?*" mean the same, and a segment that starts with text is
// found faster.
func tidy(p string) string {
	if strings.IndexByte(p, anyRun) < 0 {
		return p
	}
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); {
		if !isWild(p[i]) {
			b = append(b, p[i])
			i++
			continue
		}
		star := false
		for ; i < len(p) && isWild(p[i]); i++ {
			if p[i] == anyRun {
				star = true
			} else {
				b = append(b, anyOne)
			}
		}
		if star {
			b = append(b, anyRun)
		}
	}
	return string(b)
}

func isWild(c byte) bool { return c == anyRun || c == anyOne }

// wildAt is the place of the first wildcard, len(p) without one.
func wildAt(p string) int {
	for i := range len(p) {
		if isWild(p[i]) {
			return i
		}
	}
	return len(p)
}

// match reports whether all of s fits the pattern p. Between two stars the leftmost
// place is as good as any, so nothing is ever tried twice across a star: the work is
// linear in s, but for segments with a ? of more than 64 bytes; see findWide.
func match(p, s string) bool {
	i := strings.IndexByte(p, anyRun)
	if i < 0 {
		n := prefix(p, s)
		return n == len(s)
	}
	n := prefix(p[:i], s)
	if n < 0 {
		return false
	}
	s, p = s[n:], p[i+1:]
	// The end first: it fails fastest.
	i = strings.LastIndexByte(p, anyRun)
	n = suffix(p[i+1:], s)
	if n < 0 {
		return false
	}
	if i < 0 {
		return true
	}
	s, p = s[:len(s)-n], p[:i]
	for p != "" {
		segment := p
		if i = strings.IndexByte(p, anyRun); i >= 0 {
			segment, p = p[:i], p[i+1:]
		} else {
			p = ""
		}
		end := find(segment, s)
		if end < 0 {
			return false
		}
		s = s[end:]
	}
	return true
}

// prefix is how much of s a pattern without stars takes, -1 if s does not start so.
func prefix(p, s string) int {
	at := 0
	for i := 0; i < len(p); i++ {
		if at >= len(s) {
			return -1
		}
		switch {
		case p[i] == anyOne:
			_, n := utf8.DecodeRuneInString(s[at:])
			at += n
		case p[i] != s[at]:
			return -1
		default:
			at++
		}
	}
	return at
}

// suffix is how much of the end of s a pattern without stars takes, -1 if s does not
// end so.
func suffix(p, s string) int {
	end := len(s)
	for i := len(p) - 1; i >= 0; i-- {
		if end == 0 {
			return -1
		}
		switch {
		case p[i] == anyOne:
			_, n := utf8.DecodeLastRuneInString(s[:end])
			end -= n
		case p[i] != s[end-1]:
			return -1
		default:
			end--
		}
	}
	return len(s) - end
}

// find is the end of the leftmost place in s that fits a pattern without stars, -1 if
// there is none.
func find(p, s string) int {
	head := wildAt(p)
	if head == len(p) {
		i := strings.Index(s, p)
		if i < 0 {
			return -1
		}
		return i + len(p)
	}
	for at, wasted := 0, 0; at <= len(s); {
		// A segment after a star starts with text, see tidy; a variable without text
		// may have left it bare.
		i := strings.Index(s[at:], p[:head])
		if i < 0 {
			return -1
		}
		at += i
		n, steps := begins(p[head:], s[at+head:])
		if n >= 0 {
			return at + head + n
		}
		if at == len(s) {
			return -1
		}
		_, n = utf8.DecodeRuneInString(s[at:])
		at += n
		if wasted += head + steps; wasted > 64+4*at {
			if n = findWide(p, s[at:]); n >= 0 {
				n += at
			}
			return n
		}
	}
	return -1
}

// begins is what prefix is, and how many bytes of the pattern it looked at.
func begins(p, s string) (n, steps int) {
	for i := 0; i < len(p); i++ {
		if n >= len(s) {
			return -1, i
		}
		switch {
		case p[i] == anyOne:
			_, size := utf8.DecodeRuneInString(s[n:])
			n += size
		case p[i] != s[n]:
			return -1, i
		default:
			n++
		}
	}
	return n, len(p)
}

// findWide does what find does, for patterns and names that are made to have many places
// nearly fit. It looks at each byte of s once for each 64 bytes of the pattern, whatever
// they are: a word has a bit for each byte of the pattern that what was read last may end
// in. It allocates for s of more than 8 KiB.
func findWide(p, s string) int {
	var few [128]uint64
	ends := few[:] // bit i: the pattern as far as it was looked for may end in byte i of s
	if words := (len(s) + 63) / 64; words > len(few) {
		ends = make([]uint64, words)
	}
	first := uint64(1) // the pattern may begin anywhere; the rest of it where it is to go on
	for ; p != ""; first = 0 {
		chunk := p[:min(len(p), 64)]
		p = p[len(chunk):]
		var fits [256]uint64
		var wild uint64
		for i := range len(chunk) {
			if chunk[i] == anyOne {
				wild |= 1 << i
			} else {
				fits[chunk[i]] |= 1 << i
			}
		}
		last := len(chunk) - 1
		var state, in, out, any uint64
		before := first
		for at := 0; at < len(s); {
			size := 1
			if s[at] >= utf8.RuneSelf {
				_, size = utf8.DecodeRuneInString(s[at:])
			}
			for i := at; i < at+size; i++ {
				if i%64 == 0 {
					in, out = ends[i/64], 0
				}
				next := state<<1 | before
				if i == at {
					state = next & (fits[s[i]] | wild)
				} else { // a ? takes the rest of its character, too
					state = next&fits[s[i]] | state&wild
				}
				before = first | in>>(i%64)&1
				out |= state >> last & 1 << (i % 64)
				if i%64 == 63 || i == len(s)-1 {
					ends[i/64] = out
					any |= out
				}
			}
			at += size
			if p == "" && state>>last&1 == 1 {
				return at
			}
		}
		if any == 0 {
			return -1
		}
	}
	return -1
}

// fold is s with the letters of ASCII in lower case. Actions and the names of keys
// compare so: other scripts have letters that fold into those of ASCII, and a name
// with one of these is another name.
func fold(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// sameFold reports whether a and b are equal but for the case of ASCII letters.
func sameFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}

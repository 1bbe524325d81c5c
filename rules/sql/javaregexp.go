package sql

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// A javaRegexp is a regular expression of java.util.regex on Go's engine, whose time is
// linear in the text. It is used by many goroutines.
//
// What is different, because RE2 cannot do it: (?m) knows no line ends but the line
// feed, \b no letters but those of ASCII, a group that is repeated with an empty match
// in the end keeps the one before, and nothing behind $ can match the last line end.
type javaRegexp struct {
	re     *regexp.Regexp
	source string // as RE2 reads it
	groups []int  // of each of Java's groups: the number of RE2's
	names  map[string]int
	ends   []int // RE2's groups that hold the last line end behind $
	looks  bool  // whether it looks at what is before a place

	once   sync.Once
	behind *regexp.Regexp // finds a match behind the first character of a text
}

// matches reports whether a part of a text matches.
func (x *javaRegexp) matches(s string) bool { return x.re.MatchString(s) }

// find returns the first match at or behind from, as FindStringSubmatchIndex does; nil
// if there is none.
func (x *javaRegexp) find(s string, from int) []int {
	var at []int
	start := 0
	switch {
	case from == 0:
		at = x.re.FindStringSubmatchIndex(s)
	case !x.looks:
		start = from
		at = x.re.FindStringSubmatchIndex(s[from:])
	default:
		// One character before tells all that ^ and \b want to know.
		x.once.Do(func() { x.behind = regexp.MustCompile(`\A(?s:.)(?s:.*?)(` + x.source + `)`) })
		_, n := utf8.DecodeLastRuneInString(s[:from])
		start = from - n
		if at = x.behind.FindStringSubmatchIndex(s[start:]); at != nil {
			at = at[2:]
		}
	}
	for i := range at {
		if at[i] >= 0 {
			at[i] += start
		}
	}
	x.clip(at)
	return at
}

// clip takes the last line end, which $ has read, away from a match.
func (x *javaRegexp) clip(at []int) {
	if at == nil {
		return
	}
	for _, g := range x.ends {
		end := at[2*g]
		if end < 0 {
			continue
		}
		for i := range at {
			at[i] = min(at[i], end)
		}
		return
	}
}

// substring returns the first match; false if there is none.
func (x *javaRegexp) substring(s string) (string, bool) {
	at := x.find(s, 0)
	if at == nil {
		return "", false
	}
	return s[at[0]:at[1]], true
}

// replace appends s with all matches replaced, as Java's replaceAll does it: behind a
// match there may be an empty one. It reports false if the result has more than most
// bytes.
func (x *javaRegexp) replace(dst []byte, s string, by replacement, most int) ([]byte, bool) {
	limit := len(dst) + most
	copied := 0
	for from := 0; from <= len(s); {
		at := x.find(s, from)
		if at == nil {
			break
		}
		dst = append(dst, s[copied:at[0]]...)
		dst = by.append(dst, x, s, at)
		if len(dst) > limit {
			return dst, false
		}
		copied = at[1]
		from = at[1]
		if at[0] == at[1] {
			if from == len(s) {
				break
			}
			_, n := utf8.DecodeRuneInString(s[from:])
			from += n
		}
	}
	dst = append(dst, s[copied:]...)
	return dst, len(dst) <= limit
}

// A replacement is what takes the place of matches.
type replacement []replacementPart

// A replacementPart is text, or a group if there is none.
type replacementPart struct {
	text  string
	group int // Java's
}

// replacement reads a text with $1, ${name} and \ before characters that mean
// themselves.
func (x *javaRegexp) replacement(s string) (replacement, error) {
	var list replacement
	var b []byte
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '\\':
			if i+1 == len(s) {
				return nil, &regexpError{at: i, what: "there is nothing behind the backslash"}
			}
			b = append(b, s[i+1])
			i += 2
		case '$':
			group, end, err := x.reference(s, i+1)
			if err != nil {
				return nil, err
			}
			if len(b) > 0 {
				list = append(list, replacementPart{text: string(b)})
				b = b[:0]
			}
			list = append(list, replacementPart{group: group})
			i = end
		default:
			b = append(b, c)
			i++
		}
	}
	if len(b) > 0 {
		list = append(list, replacementPart{text: string(b)})
	}
	return list, nil
}

// reference reads the group behind a $. Of a number it takes as many digits as there are
// groups.
func (x *javaRegexp) reference(s string, i int) (group, end int, err error) {
	if rest, ok := strings.CutPrefix(s[i:], "{"); ok {
		name, _, closed := strings.Cut(rest, "}")
		group, ok := x.names[name]
		if !closed || !ok {
			return 0, 0, &regexpError{at: i, what: fmt.Sprintf("there is no group called %q", clip(name))}
		}
		return group, i + len(name) + 2, nil
	}
	if i == len(s) || !isDigit(s[i]) {
		return 0, 0, &regexpError{at: i, what: "$ needs the number or {name} of a group behind it"}
	}
	group = int(s[i] - '0')
	if group >= len(x.groups) {
		return 0, 0, &regexpError{at: i, what: fmt.Sprintf("there is no group %d", group)}
	}
	for i++; i < len(s) && isDigit(s[i]); i++ {
		longer := group*10 + int(s[i]-'0')
		if longer >= len(x.groups) {
			break
		}
		group = longer
	}
	return group, i, nil
}

func (r replacement) append(dst []byte, x *javaRegexp, s string, at []int) []byte {
	for i := range r {
		part := &r[i]
		if part.text != "" {
			dst = append(dst, part.text...)
			continue
		}
		g := x.groups[part.group]
		if at[2*g] >= 0 {
			dst = append(dst, s[at[2*g]:at[2*g+1]]...)
		}
	}
	return dst
}

package index

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A node is a part of a query.
type node interface {
	match(d *Document) bool
	append(dst []byte, top bool) []byte
	fields(yield func(string))
}

type (
	everything struct{}
	and        []node
	or         []node
	not        struct{ of node }
	// A term is field:pattern, or the pattern in any field.
	term struct {
		field   string // "": any
		pattern pattern
	}
	// A span is a range. A bound is a number or a text; nil is none.
	span struct {
		field         string
		low, high     *string
		lowIn, highIn bool
	}
)

func all(list []node) node {
	if len(list) == 1 {
		return list[0]
	}
	return and(list)
}

func either(list []node) node {
	if len(list) == 1 {
		return list[0]
	}
	return or(list)
}

// A pattern is a text with wildcards, in lower case.
type pattern []piece

type piece struct {
	text     string
	any, one bool // "*", "?"
}

func literal(s string) pattern { return pattern{{text: fold(s)}} }

// plain returns the text of a pattern without wildcards.
func plain(p pattern) (string, bool) {
	if len(p) == 0 {
		return "", true
	}
	return p[0].text, len(p) == 1 && !p[0].any && !p[0].one
}

// fold makes texts equal that differ in case only.
func fold(s string) string { return strings.ToLower(s) }

// matches reports whether all of s fits, in linear time for each "*".
func (p pattern) matches(s string) bool {
	i, at := 0, 0       // in p, in s
	star, back := -1, 0 // where to go back to
	for {
		switch {
		case i < len(p) && p[i].any:
			star, back = i, at
			i++
			continue
		case i < len(p) && p[i].one && at < len(s):
			_, n := utf8.DecodeRuneInString(s[at:])
			at += n
			i++
			continue
		case i < len(p) && !p[i].one && strings.HasPrefix(s[at:], p[i].text):
			at += len(p[i].text)
			i++
			continue
		case i == len(p) && at == len(s):
			return true
		}
		if star < 0 || back >= len(s) {
			return false
		}
		_, n := utf8.DecodeRuneInString(s[back:])
		back += n
		i, at = star+1, back
	}
}

func (everything) match(*Document) bool { return true }

func (n and) match(d *Document) bool {
	return !slices.ContainsFunc(n, func(x node) bool { return !x.match(d) })
}

func (n or) match(d *Document) bool {
	return slices.ContainsFunc(n, func(x node) bool { return x.match(d) })
}

func (n *not) match(d *Document) bool { return !n.of.match(d) }

func (n *term) match(d *Document) bool {
	for i := range d.values {
		v := &d.values[i]
		if (n.field == "" || v.field == n.field) && n.fits(v) {
			return true
		}
	}
	return false
}

// fits reports whether a value, or words of it, is what the term wants.
func (n *term) fits(v *value) bool {
	if n.pattern.matches(v.text) {
		return true
	}
	want, isPlain := plain(n.pattern)
	if v.kind == number {
		f, err := strconv.ParseFloat(want, 64)
		return isPlain && err == nil && f == v.number
	}
	if v.kind != text || !strings.ContainsFunc(v.text, unicode.IsSpace) {
		return false
	}
	words := strings.Fields(v.text)
	if !isPlain {
		return slices.ContainsFunc(words, n.pattern.matches)
	}
	phrase := strings.Fields(want)
	if len(phrase) == 0 {
		return false
	}
	for i := 0; i+len(phrase) <= len(words); i++ {
		if slices.Equal(words[i:i+len(phrase)], phrase) {
			return true
		}
	}
	return false
}

func (n *span) match(d *Document) bool {
	for i := range d.values {
		v := &d.values[i]
		if (n.field == "" || v.field == n.field) && n.holds(v) {
			return true
		}
	}
	return false
}

// holds compares numbers with numbers and texts with texts.
func (n *span) holds(v *value) bool {
	compare := func(bound string) (int, bool) {
		f, err := strconv.ParseFloat(bound, 64)
		switch v.kind {
		case number:
			return cmp.Compare(v.number, f), err == nil
		case text:
			return cmp.Compare(v.text, bound), err != nil
		default:
			return 0, false
		}
	}
	if n.low == nil && n.high == nil {
		return v.kind != boolean
	}
	if n.low != nil {
		if c, ok := compare(*n.low); !ok || c < 0 || c == 0 && !n.lowIn {
			return false
		}
	}
	if n.high != nil {
		if c, ok := compare(*n.high); !ok || c > 0 || c == 0 && !n.highIn {
			return false
		}
	}
	return true
}

func (everything) fields(func(string)) {}
func (n and) fields(yield func(string)) {
	for _, x := range n {
		x.fields(yield)
	}
}

func (n or) fields(yield func(string)) {
	for _, x := range n {
		x.fields(yield)
	}
}
func (n *not) fields(yield func(string))  { n.of.fields(yield) }
func (n *term) fields(yield func(string)) { yield(n.field) }
func (n *span) fields(yield func(string)) { yield(n.field) }

func (everything) append(dst []byte, _ bool) []byte { return append(dst, '*') }

func appendList(dst []byte, list []node, word string, top bool) []byte {
	if !top {
		dst = append(dst, '(')
	}
	for i, n := range list {
		if i > 0 {
			dst = append(dst, word...)
		}
		dst = n.append(dst, false)
	}
	if !top {
		dst = append(dst, ')')
	}
	return dst
}

func (n and) append(dst []byte, top bool) []byte { return appendList(dst, n, " AND ", top) }
func (n or) append(dst []byte, top bool) []byte  { return appendList(dst, n, " OR ", top) }

func (n *not) append(dst []byte, _ bool) []byte {
	return n.of.append(append(dst, "NOT "...), false)
}

func appendField(dst []byte, field string) []byte {
	if field == "" {
		return dst
	}
	for i := range len(field) {
		if strings.IndexByte(" \t\n\r()[]{}\"<>:*?\\-", field[i]) >= 0 {
			dst = append(dst, '\\')
		}
		dst = append(dst, field[i])
	}
	return append(dst, ':')
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

func (n *term) append(dst []byte, _ bool) []byte {
	dst = appendField(dst, n.field)
	if s, ok := plain(n.pattern); ok {
		return appendQuoted(dst, s)
	}
	for _, p := range n.pattern {
		switch {
		case p.any:
			dst = append(dst, '*')
		case p.one:
			dst = append(dst, '?')
		default:
			for i := range len(p.text) {
				if c := p.text[i]; c < utf8.RuneSelf && !isWordByte(c) {
					dst = append(dst, '\\')
				}
				dst = append(dst, p.text[i])
			}
		}
	}
	return dst
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '.'
}

func (n *span) append(dst []byte, _ bool) []byte {
	dst = appendField(dst, n.field)
	brackets := func(in bool, closed, open byte) byte {
		if in {
			return closed
		}
		return open
	}
	bound := func(b *string) {
		if b == nil {
			dst = append(dst, '*')
			return
		}
		dst = appendQuoted(dst, *b)
	}
	dst = append(dst, brackets(n.lowIn, '[', '{'))
	bound(n.low)
	dst = append(dst, " TO "...)
	bound(n.high)
	return append(dst, brackets(n.highIn, ']', '}'))
}

// String returns a query that parses to the same query.
func (q *Query) String() string { return string(q.root.append(nil, true)) }

// Fields returns the fields that q names, sorted, each once.
func (q *Query) Fields() []string {
	var out []string
	q.root.fields(func(f string) {
		if f != "" {
			out = append(out, f)
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// Match reports whether d matches q. It does not check the fields: see [Schema.Check].
func (q *Query) Match(d *Document) bool { return q.root.match(d) }

package index

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// A leaf is a part of a query about one value.
type leaf interface {
	node
	on() string // the field; "" for any
	// fits reports whether a value is what the leaf wants.
	fits(e *entry) bool
	// in finds the documents by the values of a field.
	in(x *Index, f *field) plan
}

type (
	// A term is field:value.
	term struct {
		field    string
		want     string   // in lower case, one blank between words
		phrase   []string // those, if there are several
		number   float64
		isNumber bool // want is number
	}
	// A wildcard is field:value with * or ? in it.
	wildcard struct {
		field   string
		pattern pattern // begins with a text and has a wildcard
	}
	// present is field:*.
	present struct{ field string }
	// exact is a very text.
	exact struct{ field, value string }
	// A span is a range of numbers or of texts, with at least one bound.
	span struct {
		field     string
		low, high bound
		numbers   bool
	}
	bound struct {
		given, in bool // in: the bound belongs to the range
		text      string
		number    float64
	}
)

func newTerm(field, value string) *term {
	t := &term{field: field, want: fold(value)}
	if hasBlank(t.want) {
		for w := range wordsOf(t.want) {
			t.phrase = append(t.phrase, w)
		}
		if len(t.phrase) > 0 {
			t.want = strings.Join(t.phrase, " ")
		}
		if len(t.phrase) == 1 {
			t.phrase = nil
		}
	}
	t.number, t.isNumber = asNumber(t.want)
	return t
}

func newWildcard(field string, p pattern) node {
	p = p.short()
	if len(p) == 1 && p[0].any {
		if field == "" {
			return everything{}
		}
		return &present{field}
	}
	return &wildcard{field, p}
}

func (n *term) on() string     { return n.field }
func (n *wildcard) on() string { return n.field }
func (n *present) on() string  { return n.field }
func (n *exact) on() string    { return n.field }
func (n *span) on() string     { return n.field }

func (n *term) holds(test func(leaf) bool) bool     { return test(n) }
func (n *wildcard) holds(test func(leaf) bool) bool { return test(n) }
func (n *present) holds(test func(leaf) bool) bool  { return test(n) }
func (n *exact) holds(test func(leaf) bool) bool    { return test(n) }
func (n *span) holds(test func(leaf) bool) bool     { return test(n) }

func (n *term) leaves(yield func(leaf))     { yield(n) }
func (n *wildcard) leaves(yield func(leaf)) { yield(n) }
func (n *present) leaves(yield func(leaf))  { yield(n) }
func (n *exact) leaves(yield func(leaf))    { yield(n) }
func (n *span) leaves(yield func(leaf))     { yield(n) }

// fits: numbers by their value, texts as a whole or one of their words, or some of
// them in a row.
func (n *term) fits(e *entry) bool {
	switch {
	case e.kind() == number:
		return n.isNumber && keyNumber(e.key) == n.number
	case n.phrase == nil:
		return compareFold(e.text, n.want) == 0
	default:
		return e.kind() == text && hasPhrase(e.text, n.phrase)
	}
}

// hasPhrase reports whether the words of a text have some in a row.
func hasPhrase(s string, phrase []string) bool {
	var room [16]string
	words := room[:0]
	for w := range wordsOf(s) {
		words = append(words, w)
	}
next:
	for i := 0; i+len(phrase) <= len(words); i++ {
		for j, p := range phrase {
			if compareFold(words[i+j], p) != 0 {
				continue next
			}
		}
		return true
	}
	return false
}

func (n *wildcard) fits(e *entry) bool {
	if e.kind() == number || comparePrefix(e.text, n.pattern[0].text) != 0 {
		return false
	}
	var room [128]byte
	return n.pattern.prefix() || n.pattern.matches(appendFold(room[:0], e.text))
}

func (n *present) fits(*entry) bool { return true }

func (n *exact) fits(e *entry) bool { return e.kind() == text && e.text == n.value }

func (n *span) fits(e *entry) bool {
	if n.numbers {
		f, ok := e.asNumber()
		return ok && n.holdsNumber(f)
	}
	if e.kind() != text {
		return false
	}
	low, high := 1, -1
	if n.low.given {
		low = compareFold(e.text, n.low.text)
	}
	if n.high.given {
		high = compareFold(e.text, n.high.text)
	}
	return n.between(low, high)
}

func (n *span) holdsNumber(f float64) bool {
	low, high := 1, -1
	if n.low.given {
		low = cmp.Compare(f, n.low.number)
	}
	if n.high.given {
		high = cmp.Compare(f, n.high.number)
	}
	return n.between(low, high)
}

// between takes how something compares with the bounds.
func (n *span) between(low, high int) bool {
	return (low > 0 || low == 0 && n.low.in) && (high < 0 || high == 0 && n.high.in)
}

func (n *term) append(dst []byte, _ bool) []byte {
	return appendQuoted(appendField(dst, n.field), n.want)
}

func (n *exact) append(dst []byte, _ bool) []byte {
	return appendQuoted(appendField(dst, n.field), n.value)
}

func (n *present) append(dst []byte, _ bool) []byte {
	return append(appendField(dst, n.field), '*')
}

func (n *wildcard) append(dst []byte, _ bool) []byte {
	dst = appendField(dst, n.field)
	for _, p := range n.pattern {
		switch {
		case p.any:
			dst = append(dst, '*')
		case p.one:
			dst = append(dst, '?')
		default:
			dst = appendEscaped(dst, p.text, func(r rune) bool {
				return r < utf8.RuneSelf && !isWordByte(byte(r)) || isBlank(r)
			})
		}
	}
	return dst
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '.'
}

func (n *span) append(dst []byte, _ bool) []byte {
	bound := func(b *bound) {
		switch {
		case !b.given:
			dst = append(dst, '*')
		case n.numbers:
			dst = append(dst, b.text...)
		default:
			dst = appendQuoted(dst, b.text)
		}
	}
	dst = append(appendField(dst, n.field), "{["[index(n.low.in)])
	bound(&n.low)
	dst = append(dst, " TO "...)
	bound(&n.high)
	return append(dst, "}]"[index(n.high.in)])
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A pattern is a text with wildcards, in lower case.
type pattern []piece

type piece struct {
	text     string
	any, one bool // "*", "?"
}

// short leaves only one of several "*" in a row.
func (p pattern) short() pattern {
	out := p[:0:0]
	for i, x := range p {
		if i == 0 || !x.any || !p[i-1].any {
			out = append(out, x)
		}
	}
	return out
}

// prefix reports whether p is a text and "*".
func (p pattern) prefix() bool { return len(p) == 2 && p[1].any }

// matches reports whether all of s, which is in lower case, fits: in linear time for
// each "*".
func (p pattern) matches(s []byte) bool {
	i, at := 0, 0       // in p, in s
	star, back := -1, 0 // where to go back to
	for {
		switch {
		case i < len(p) && p[i].any:
			star, back = i, at
			i++
			continue
		case i < len(p) && p[i].one && at < len(s):
			_, n := utf8.DecodeRune(s[at:])
			at += n
			i++
			continue
		case i < len(p) && !p[i].one && len(s)-at >= len(p[i].text) && string(s[at:at+len(p[i].text)]) == p[i].text:
			at += len(p[i].text)
			i++
			continue
		case i == len(p) && at == len(s):
			return true
		}
		if star < 0 || back >= len(s) {
			return false
		}
		_, n := utf8.DecodeRune(s[back:])
		back += n
		i, at = star+1, back
	}
}

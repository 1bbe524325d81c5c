package index

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of a query, those of AWS IoT.
const (
	MaxTerms  = 12   // terms of a query
	MaxLength = 1000 // characters of a query
)

// maxNesting bounds parentheses, so that a query is read without deep recursion.
const maxNesting = 64

// Parse reads a query:
//
//	or     = and { "OR" and }
//	and    = not { [ "AND" ] not }
//	not    = { "NOT" | "-" } clause
//	clause = "(" or ")" | value | field ":" value | field compare bound
//	value  = "(" or ")" | open bound "TO" bound close | word | phrase
//
// compare is ">", ">=", "<" or "<=", open is "[" or "{", close is "]" or "}", where
// braces leave the bound out, and a bound is a word or a phrase, of a range also "*" for
// none. A phrase is in quotes. In a word "*" stands for any characters and "?" for one;
// it must not begin with them, but "*" alone is any value. A character after a
// backslash is itself. The words AND, OR and NOT in capitals are operators; "-" is one
// where a clause begins, so that a bare -5 excludes 5. In the parentheses behind
// "field:" all values are of that field.
//
// Bounds compare numbers if all of them are numbers without quotes, otherwise texts.
//
// Errors are *[SyntaxError], which wraps [ErrInvalidQuery].
func Parse(query string) (*Query, error) {
	p := &parser{text: query}
	if !utf8.ValidString(query) {
		return nil, &SyntaxError{Found: query, Expected: "UTF-8"}
	}
	if n := utf8.RuneCountInString(query); n > MaxLength {
		return nil, &SyntaxError{Found: strconv.Itoa(n) + " characters", Expected: "at most " + strconv.Itoa(MaxLength)}
	}
	n, err := p.or("", 0)
	if err != nil {
		return nil, err
	}
	if p.blanks(); p.at < len(p.text) {
		return nil, p.fail("AND, OR or the end")
	}
	return &Query{root: n}, nil
}

type parser struct {
	text  string
	at    int
	terms int
}

// fail says that something else was expected here.
func (p *parser) fail(expected string) error {
	rest := p.text[p.at:]
	found := rest
	if i := strings.IndexFunc(rest, isBlank); i > 0 {
		found = rest[:i]
	}
	return &SyntaxError{Offset: p.at, Found: found, Expected: expected}
}

func (p *parser) blanks() {
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		if !isBlank(r) {
			return
		}
		p.at += n
	}
}

// isSpecial reports whether a rune ends a word.
func isSpecial(r rune) bool { return isBlank(r) || strings.ContainsRune(`()[]{}"\`, r) }

// sees reports whether an operator is next: a word in capitals that stands alone.
func (p *parser) sees(word string) bool {
	p.blanks()
	rest, ok := strings.CutPrefix(p.text[p.at:], word)
	if !ok || rest == "" {
		return ok
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return isSpecial(r) && r != '\\'
}

// takes reads an operator if it is next.
func (p *parser) takes(word string) bool {
	if !p.sees(word) {
		return false
	}
	p.at += len(word)
	return true
}

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) or(field string, depth int) (node, error) {
	var list []node
	for {
		n, err := p.and(field, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if !p.takes("OR") {
			return either(list), nil
		}
	}
}

func (p *parser) and(field string, depth int) (node, error) {
	var list []node
	for {
		n, err := p.not(field, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if p.takes("AND") {
			continue
		}
		if p.blanks(); p.at == len(p.text) || p.peek() == ')' || p.sees("OR") {
			return all(list), nil
		}
	}
}

func (p *parser) not(field string, depth int) (node, error) {
	inverted := false
	for {
		if p.takes("NOT") {
			inverted = !inverted
		} else if p.blanks(); p.peek() == '-' {
			p.at++
			inverted = !inverted
		} else {
			break
		}
	}
	n, err := p.clause(field, depth)
	if err == nil && inverted {
		n = &not{n}
	}
	return n, err
}

// clause reads one clause; blanks are behind it. field is that of the parentheses
// around it.
func (p *parser) clause(field string, depth int) (node, error) {
	if p.sees("AND") || p.sees("OR") || strings.IndexByte(")]}", p.peek()) >= 0 || p.at == len(p.text) {
		return nil, p.fail("a term")
	}
	name, op := p.name()
	switch {
	case op && name == "":
		return nil, p.fail("the name of a field")
	case op && field != "":
		return nil, p.fail(`\ before it: this is in the parentheses of field ` + shown(field))
	case op && p.peek() == ':':
		p.at++
		return p.value(name, depth)
	case op:
		return p.comparison(name)
	}
	return p.value(field, depth)
}

// name reads the name of a field if an operator follows it, and stops there.
func (p *parser) name() (name string, ok bool) {
	start := p.at
	var b strings.Builder
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		if r == '\\' && p.at+1 < len(p.text) {
			p.at++
			r, n = utf8.DecodeRuneInString(p.text[p.at:])
		} else if isSpecial(r) || strings.ContainsRune("*?:<>", r) {
			break
		}
		b.WriteRune(r)
		p.at += n
	}
	p.blanks()
	if c := p.peek(); c == ':' || c == '<' || c == '>' {
		return b.String(), true
	}
	p.at = start
	return "", false
}

func (p *parser) count() error {
	if p.terms++; p.terms > MaxTerms {
		return p.fail("at most " + strconv.Itoa(MaxTerms) + " terms")
	}
	return nil
}

func (p *parser) group(field string, depth int) (node, error) {
	if depth >= maxNesting {
		return nil, p.fail("at most " + strconv.Itoa(maxNesting) + " parentheses in each other")
	}
	p.at++
	n, err := p.or(field, depth+1)
	if err != nil {
		return nil, err
	}
	if p.blanks(); p.peek() != ')' {
		return nil, p.fail(`")"`)
	}
	p.at++
	return n, nil
}

func (p *parser) value(field string, depth int) (node, error) {
	p.blanks()
	if p.peek() == '(' {
		return p.group(field, depth)
	}
	if err := p.count(); err != nil {
		return nil, err
	}
	if c := p.peek(); c == '[' || c == '{' {
		return p.span(field)
	}
	start := p.at
	if p.sees("AND") || p.sees("OR") || p.sees("NOT") || strings.IndexByte(":<>", p.peek()) >= 0 && p.at < len(p.text) {
		return nil, p.fail("a value")
	}
	w, err := p.word("a value")
	switch {
	case err != nil:
		return nil, err
	case w.quoted || len(w.pattern) == 1 && !w.pattern[0].any && !w.pattern[0].one:
		return newTerm(field, w.text), nil
	}
	if w.pattern = w.pattern.short(); w.pattern[0].one || w.pattern[0].any && len(w.pattern) > 1 {
		p.at = start
		return nil, p.fail("a value that does not begin with a wildcard")
	}
	return newWildcard(field, w.pattern), nil
}

func (p *parser) comparison(field string) (node, error) {
	s := &span{field: field}
	b := &s.low
	if p.peek() == '<' {
		b = &s.high
	}
	p.at++
	if p.peek() == '=' {
		b.in = true
		p.at++
	}
	if err := p.count(); err != nil {
		return nil, err
	}
	w, err := p.bound(b)
	if err != nil {
		return nil, err
	}
	if !b.given {
		p.at -= len("*")
		return nil, p.fail("a number or a text to compare with")
	}
	s.numbers = !w.quoted && w.isNumber
	return s, nil
}

func (p *parser) span(field string) (node, error) {
	s := &span{field: field, numbers: true}
	s.low.in = p.peek() == '['
	p.at++
	for _, b := range []*bound{&s.low, &s.high} {
		w, err := p.bound(b)
		if err != nil {
			return nil, err
		}
		if b.given && (w.quoted || !w.isNumber) {
			s.numbers = false
		}
		if b == &s.low && !p.takes("TO") {
			return nil, p.fail("TO")
		}
	}
	p.blanks()
	c := p.peek()
	if c != ']' && c != '}' {
		return nil, p.fail(`"]" or "}"`)
	}
	p.at++
	s.high.in = c == ']'
	if !s.low.given && !s.high.given {
		return newWildcard(field, pattern{{any: true}}), nil
	}
	return s, nil
}

// bound reads the end of a range.
func (p *parser) bound(b *bound) (w token, err error) {
	const expected = "a number or a text"
	p.blanks()
	start := p.at
	if p.sees("TO") {
		return w, p.fail(expected)
	}
	if w, err = p.word(expected); err != nil {
		return w, err
	}
	if !w.quoted && len(w.pattern) == 1 && w.pattern[0].any {
		return w, nil
	}
	if !w.quoted && (len(w.pattern) != 1 || w.pattern[0].one) {
		p.at = start
		return w, p.fail(expected + " without wildcards")
	}
	b.given, b.text = true, fold(w.text)
	b.number, w.isNumber = asNumber(b.text)
	return w, nil
}

// A token is a word or a phrase.
type token struct {
	quoted, isNumber bool
	text             string
	pattern          pattern // of a word
}

// word reads a word with its wildcards, or a phrase.
func (p *parser) word(expected string) (w token, err error) {
	if p.peek() == '"' {
		return p.phrase()
	}
	start := p.at
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			w.pattern = append(w.pattern, piece{text: fold(b.String())})
			w.text = b.String()
			b.Reset()
		}
	}
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		if r == '\\' {
			if p.at += n; p.at == len(p.text) {
				return w, p.fail("a character behind the backslash")
			}
			r, n = utf8.DecodeRuneInString(p.text[p.at:])
			b.WriteRune(r)
			p.at += n
			continue
		}
		if isSpecial(r) {
			break
		}
		p.at += n
		switch r {
		case '*':
			flush()
			w.pattern = append(w.pattern, piece{any: true})
		case '?':
			flush()
			w.pattern = append(w.pattern, piece{one: true})
		default:
			b.WriteRune(r)
		}
	}
	flush()
	if p.at == start {
		return w, p.fail(expected)
	}
	return w, nil
}

func (p *parser) phrase() (w token, err error) {
	start := p.at
	p.at++
	var b strings.Builder
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		p.at += n
		switch {
		case r == '"':
			return token{quoted: true, text: b.String()}, nil
		case r == '\\' && p.at < len(p.text):
			r, n = utf8.DecodeRuneInString(p.text[p.at:])
			p.at += n
		}
		b.WriteRune(r)
	}
	return w, p.fail("the closing quote of " + shown(p.text[start:]))
}

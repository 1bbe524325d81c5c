package index

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of a query, those of AWS IoT.
const (
	MaxTerms  = 12   // terms of a query
	MaxLength = 1000 // characters of a query
)

// maxNesting bounds parentheses, so that a query is read without deep recursion.
const maxNesting = 64

// Query is a parsed query. It does not change and may be used by many goroutines.
type Query struct{ root node }

// Parse reads a query. Errors are *[SyntaxError], which wraps [ErrInvalidQuery].
func Parse(query string) (*Query, error) {
	p := &parser{text: query}
	if !utf8.ValidString(query) {
		return nil, &SyntaxError{Found: query, Expected: "UTF-8"}
	}
	if n := utf8.RuneCountInString(query); n > MaxLength {
		return nil, &SyntaxError{Offset: 0, Found: strconv.Itoa(n) + " characters", Expected: "at most " + strconv.Itoa(MaxLength)}
	}
	n, err := p.or("", 0)
	if err != nil {
		return nil, err
	}
	if p.blanks(); p.at < len(p.text) {
		return nil, p.fail("AND, OR or the end")
	}
	return &Query{n}, nil
}

// Term is the query field:value, for any field and any text; value is matched
// without regard to case, as a phrase if it has several words.
func Term(field, value string) *Query {
	return &Query{&term{field: field, pattern: literal(value)}}
}

// Prefix is the query field:value*, for any field and any text.
func Prefix(field, value string) *Query {
	return &Query{&term{field: field, pattern: append(literal(value), piece{any: true})}}
}

// parser reads
//
//	or     = and { "OR" and }
//	and    = not { [ "AND" ] not }
//	not    = { "NOT" | "-" } atom
//	atom   = "(" or ")" | [ field ":" ] value | field ( ">" | ">=" | "<" | "<=" ) value
//	value  = "(" or ")" | "[" value "TO" value "]" | word | phrase
//
// where brackets may be braces, which leave their end out.
type parser struct {
	text  string
	at    int
	terms int
}

func (p *parser) fail(expected string) error {
	rest := p.text[p.at:]
	found := rest
	if i := strings.IndexFunc(rest, unicode.IsSpace); i > 0 {
		found = rest[:i]
	}
	return &SyntaxError{Offset: p.at, Found: found, Expected: expected}
}

func (p *parser) blanks() {
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		if !unicode.IsSpace(r) {
			return
		}
		p.at += n
	}
}

// keyword reads a word in capitals that stands alone.
func (p *parser) keyword(word string) bool {
	p.blanks()
	rest := p.text[p.at:]
	if !strings.HasPrefix(rest, word) {
		return false
	}
	if rest = rest[len(word):]; rest != "" {
		if r, _ := utf8.DecodeRuneInString(rest); !unicode.IsSpace(r) && r != '(' {
			return false
		}
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
		if !p.keyword("OR") {
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
		if p.keyword("AND") {
			continue
		}
		start := p.at
		p.blanks()
		if c := p.peek(); c == 0 || c == ')' || p.keyword("OR") {
			p.at = start
			return all(list), nil
		}
	}
}

func (p *parser) not(field string, depth int) (node, error) {
	inverted := false
	for {
		if p.keyword("NOT") {
			inverted = !inverted
			continue
		}
		if p.blanks(); p.peek() == '-' && p.at+1 < len(p.text) && !unicode.IsDigit(rune(p.text[p.at+1])) {
			p.at++
			inverted = !inverted
			continue
		}
		break
	}
	n, err := p.atom(field, depth)
	if err == nil && inverted {
		n = &not{n}
	}
	return n, err
}

func (p *parser) atom(field string, depth int) (node, error) {
	p.blanks()
	if p.peek() == '(' {
		return p.group(field, depth)
	}
	for _, word := range []string{"AND", "OR", "TO"} {
		if at := p.at; p.keyword(word) {
			p.at = at
			return nil, p.fail("a term")
		}
	}
	if field == "" {
		if name, ok := p.name(); ok {
			switch p.peek() {
			case ':':
				p.at++
				return p.value(name, depth)
			case '<', '>':
				return p.comparison(name)
			}
		}
	}
	return p.value(field, depth)
}

func (p *parser) group(field string, depth int) (node, error) {
	if depth >= maxNesting {
		return nil, p.fail("fewer parentheses")
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

// name reads the name of a field if an operator follows it.
func (p *parser) name() (string, bool) {
	start := p.at
	var b strings.Builder
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			_, n := utf8.DecodeRuneInString(p.text[p.at:])
			b.WriteString(p.text[p.at : p.at+n])
			p.at += n
		case (c == ':' || c == '<' || c == '>') && b.Len() > 0:
			return b.String(), true
		case strings.IndexByte(" \t\n\r()[]{}\"<>:*?", c) >= 0:
			p.at = start
			return "", false
		default:
			b.WriteByte(c)
			p.at++
		}
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

func (p *parser) comparison(field string) (node, error) {
	r := &span{field: field}
	op := p.peek()
	p.at++
	closed := p.peek() == '='
	if closed {
		p.at++
	}
	if err := p.count(); err != nil {
		return nil, err
	}
	bound, err := p.bound()
	if err != nil {
		return nil, err
	}
	if op == '>' {
		r.low, r.lowIn = bound, closed
	} else {
		r.high, r.highIn = bound, closed
	}
	return r, nil
}

// bound reads the end of a range.
func (p *parser) bound() (*string, error) {
	p.blanks()
	pieces, quoted, err := p.text1("a number or a text")
	if err != nil {
		return nil, err
	}
	s, ok := plain(pieces)
	switch {
	case !ok && !quoted && len(pieces) == 1 && pieces[0].any:
		return nil, nil // "*": no bound
	case !ok:
		return nil, p.fail("a number or a text without wildcards")
	}
	return &s, nil
}

func (p *parser) value(field string, depth int) (node, error) {
	p.blanks()
	switch p.peek() {
	case '(':
		return p.group(field, depth)
	case '[', '{':
		r := &span{field: field, lowIn: p.peek() == '['}
		if err := p.count(); err != nil {
			return nil, err
		}
		p.at++
		var err error
		if r.low, err = p.bound(); err != nil {
			return nil, err
		}
		if !p.keyword("TO") {
			return nil, p.fail("TO")
		}
		if r.high, err = p.bound(); err != nil {
			return nil, err
		}
		p.blanks()
		if c := p.peek(); c != ']' && c != '}' {
			return nil, p.fail(`"]" or "}"`)
		}
		r.highIn = p.peek() == ']'
		p.at++
		return r, nil
	}
	if err := p.count(); err != nil {
		return nil, err
	}
	pieces, quoted, err := p.text1("a value")
	if err != nil {
		return nil, err
	}
	if !quoted && len(pieces) > 0 && (pieces[0].any || pieces[0].one) && len(pieces) > 1 {
		return nil, p.fail("a value that does not begin with a wildcard")
	}
	if !quoted && field == "" && len(pieces) == 1 && pieces[0].any {
		return everything{}, nil
	}
	return &term{field: field, pattern: pieces}, nil
}

// text1 reads a word with its wildcards, or a phrase in quotes.
func (p *parser) text1(expected string) (out pattern, quoted bool, err error) {
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, piece{text: fold(b.String())})
			b.Reset()
		}
	}
	start := p.at
	if p.peek() == '"' {
		p.at++
		for {
			if p.at >= len(p.text) {
				return nil, false, p.fail(`the closing quote of ` + shown(p.text[start:]))
			}
			c := p.text[p.at]
			p.at++
			if c == '"' {
				break
			}
			if c == '\\' && p.at < len(p.text) {
				c = p.text[p.at]
				p.at++
			}
			b.WriteByte(c)
		}
		flush()
		return out, true, nil
	}
	for p.at < len(p.text) {
		c := p.text[p.at]
		if strings.IndexByte(" \t\n\r()[]{}\"", c) >= 0 {
			break
		}
		p.at++
		switch {
		case c == '\\' && p.at < len(p.text):
			b.WriteByte(p.text[p.at])
			p.at++
		case c == '*':
			flush()
			out = append(out, piece{any: true})
		case c == '?':
			flush()
			out = append(out, piece{one: true})
		default:
			b.WriteByte(c)
		}
	}
	flush()
	if p.at == start {
		return nil, false, p.fail(expected)
	}
	return out, false, nil
}

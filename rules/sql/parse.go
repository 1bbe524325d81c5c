package sql

import (
	"strings"

	"github.com/thinghub/thinghub/internal/topic"
)

const (
	// MaxBytes is how long a statement may be.
	MaxBytes = 256 << 10
	// maxNesting bounds how deep expressions are nested.
	maxNesting = 200
	// maxVariable is how long the name of a variable may be.
	maxVariable = 64
)

// A parser reads a statement or an expression. Its methods panic with an *Error, which
// parse catches.
type parser struct {
	lexer
	token token // the one to look at
	depth int
}

// reserved are the words that are never fields.
var reserved = map[string]bool{
	"select": true, "from": true, "where": true, "and": true, "or": true, "not": true, "case": true, "when": true,
	"then": true, "else": true, "end": true, "as": true, "true": true, "false": true, "null": true,
}

// catch makes the error of a panic with one.
func catch(err *error) {
	switch e := recover().(type) {
	case nil:
	case *Error:
		*err = e
	default:
		panic(e)
	}
}

// parse reads a statement.
func parse(source string) (s *statement, err error) {
	if len(source) > MaxBytes {
		return nil, errorAt(source, MaxBytes, "the statement has %d bytes, at most %d are allowed", len(source), MaxBytes)
	}
	defer catch(&err)
	p := &parser{lexer: lexer{source: source}}
	p.advance()
	return p.statement(), nil
}

// fail ends parsing.
func (p *parser) fail(pos int, format string, args ...any) {
	panic(errorAt(p.source, pos, format, args...))
}

// unexpected ends parsing at the token.
func (p *parser) unexpected(want string) {
	if p.token.kind == tokenBad {
		p.fail(p.token.pos, "found \"%s\": %s", clip(p.token.text), p.token.what)
	}
	p.fail(p.token.pos, "found %s, expected %s", p.token.found(), want)
}

func (p *parser) advance() token {
	t := p.token
	p.token = p.next()
	return t
}

// acceptWord takes a keyword if it is there.
func (p *parser) acceptWord(keyword string) bool {
	if !p.token.word(keyword) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) accept(symbol string) bool {
	if !p.token.is(symbol) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(symbol string) {
	if !p.accept(symbol) {
		p.unexpected("\"" + symbol + "\"")
	}
}

func (p *parser) statement() *statement {
	s := &statement{}
	if p.acceptWord("SET") {
		s.set = p.assignments()
	}
	if p.token.word("SET") {
		p.fail(p.token.pos, "found a second SET, expected one SET with its assignments separated by commas")
	}
	if !p.acceptWord("SELECT") {
		p.unexpected("SELECT")
	}
	s.selection = p.selection()
	if p.acceptWord("FROM") {
		s.hasFrom, s.fromPos = true, p.token.pos
		s.filter = p.filter()
	}
	if p.acceptWord("WHERE") {
		s.where = p.expression()
	}
	if p.token.kind != tokenEnd {
		switch {
		case s.where != nil:
			p.unexpected("an operator or the end")
		case s.hasFrom:
			p.unexpected("WHERE or the end")
		default:
			p.unexpected("\",\", AS, FROM or an operator")
		}
	}
	return s
}

func (p *parser) assignments() []assignment {
	var list []assignment
	seen := map[string]bool{}
	for {
		t := p.token
		if t.kind != tokenVariable {
			p.unexpected("a variable such as @name")
		}
		if len(t.text)-1 > maxVariable {
			p.fail(t.pos, "the name of a variable has %d characters, at most %d are allowed", len(t.text)-1, maxVariable)
		}
		if seen[t.text] {
			p.fail(t.pos, "%s is set twice", t.text)
		}
		seen[t.text] = true
		p.advance()
		p.expect("=")
		list = append(list, assignment{t.text, p.expression()})
		if !p.accept(",") {
			return list
		}
	}
}

// filter reads the topic filter of FROM.
func (p *parser) filter() string {
	t := p.token
	if t.kind != tokenString || t.quote != '\'' {
		p.unexpected("a topic filter in single quotes")
	}
	if err := topic.CheckFilter(t.text); err != nil {
		p.fail(t.pos, "FROM: %v", err)
	}
	p.advance()
	return t.text
}

// selection reads what comes behind SELECT.
func (p *parser) selection() selection {
	if p.valueFollows() {
		p.advance()
		var of node
		if p.token.is("*") {
			of = star{place(p.advance().pos)}
		} else {
			of = p.expression()
		}
		if p.token.is(",") {
			p.fail(p.token.pos, "found \",\": SELECT VALUE takes one item")
		}
		if p.token.word("AS") {
			p.fail(p.token.pos, "found AS: SELECT VALUE has no key to name")
		}
		return selection{value: true, items: []item{{of: of}}}
	}
	var s selection
	for {
		s.items = append(s.items, p.item())
		if !p.accept(",") {
			return s
		}
	}
}

// valueFollows reports whether the token is the keyword VALUE and not a field of that
// name: something that begins an expression must come behind it.
func (p *parser) valueFollows() bool {
	if !p.token.word("VALUE") {
		return false
	}
	ahead := *p
	ahead.advance()
	t := ahead.token
	switch t.kind {
	case tokenName:
		return !t.word("FROM") && !t.word("AS") && !t.word("WHERE") && !t.word("IS") && !t.word("IN") &&
			!t.word("LIKE") && !t.word("BETWEEN") && !t.word("AND") && !t.word("OR") || t.word("NOT")
	case tokenVariable, tokenNumber, tokenString, tokenBad:
		return true
	case tokenSymbol:
		switch t.text {
		case "(", "{", "[", "-":
			return true
		case "*":
			ahead.advance()
			t = ahead.token
			return t.kind == tokenEnd || t.word("FROM") || t.word("WHERE") || t.is(")") || t.is(",") || t.word("AS")
		}
	case tokenEnd:
	}
	return false
}

func (p *parser) item() item {
	it := item{}
	from := p.token.pos
	if p.token.is("*") {
		it.of, it.star = star{place(p.advance().pos)}, true
	} else {
		it.of = p.expression()
	}
	end := p.token.pos
	if p.acceptWord("AS") {
		it.star = false
		for {
			if p.token.kind != tokenName {
				p.unexpected("a name")
			}
			if len(it.alias) == maxNesting {
				p.fail(p.token.pos, "the alias is nested more than %d levels deep", maxNesting)
			}
			it.alias = append(it.alias, p.advance().text)
			if !p.accept(".") {
				return it
			}
		}
	}
	it.alias = []string{unaliased(it.of, strings.TrimSpace(p.source[from:end]))}
	return it
}

// unaliased is the key of an item without AS: the last name of a path, the name of a
// variable or function, and of anything else its text.
func unaliased(of node, source string) string {
	switch n := of.(type) {
	case *path:
		return n.keys[len(n.keys)-1]
	case *memberOf:
		return n.key
	case *variable:
		return n.name[1:]
	case *call:
		return n.name
	}
	return source
}

// expression reads an expression of any kind.
func (p *parser) expression() node {
	p.enter()
	defer p.leave()
	n := p.conjunction()
	for p.token.word("OR") {
		pos := p.advance().pos
		n = &operation{place(pos), opOr, n, p.conjunction()}
	}
	return n
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		p.fail(p.token.pos, "the expression is nested more than %d levels deep", maxNesting)
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) conjunction() node {
	n := p.negation()
	for p.token.word("AND") {
		pos := p.advance().pos
		n = &operation{place(pos), opAnd, n, p.negation()}
	}
	return n
}

func (p *parser) negation() node {
	if !p.token.word("NOT") {
		return p.comparison()
	}
	p.enter()
	defer p.leave()
	pos := p.advance().pos
	return &unary{place(pos), false, p.negation()}
}

var comparisons = map[string]operator{
	"=": opEqual, "==": opEqual, "<>": opUnequal, "!=": opUnequal,
	"<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual,
}

func (p *parser) comparison() node {
	n := p.sum()
	t := p.token
	if t.kind == tokenSymbol {
		op, ok := comparisons[t.text]
		if !ok {
			return n
		}
		p.advance()
		return &operation{place(t.pos), op, n, p.sum()}
	}
	if p.acceptWord("IS") {
		not := p.acceptWord("NOT")
		if !p.acceptWord("NULL") {
			p.unexpected("NULL")
		}
		return &isNothing{place(t.pos), n, not}
	}
	not := false
	if p.token.word("NOT") { // behind a value it can only belong to IN, LIKE, BETWEEN
		p.advance()
		not = true
	}
	switch {
	case p.acceptWord("IN"):
		return &membership{place(t.pos), n, p.candidates(), not}
	case p.acceptWord("LIKE"):
		return &like{place(t.pos), n, p.sum(), not}
	case p.acceptWord("BETWEEN"):
		low := p.sum()
		if !p.acceptWord("AND") {
			p.unexpected("AND")
		}
		return &between{place(t.pos), n, low, p.sum(), not}
	case not:
		p.unexpected("IN, LIKE or BETWEEN")
	}
	return n
}

// candidates reads what comes behind IN: (a, b) or [a, b], or an expression for an
// array.
func (p *parser) candidates() []node {
	end := ")"
	switch {
	case p.accept("("):
	case p.accept("["):
		end = "]"
	default:
		p.unexpected("\"(\"")
	}
	items := []node{p.expression()}
	for p.accept(",") {
		items = append(items, p.expression())
	}
	p.expect(end)
	return items
}

func (p *parser) sum() node {
	n := p.product()
	for p.token.is("+") || p.token.is("-") {
		t := p.advance()
		op := opAdd
		if t.text == "-" {
			op = opSub
		}
		n = &operation{place(t.pos), op, n, p.product()}
	}
	return n
}

func (p *parser) product() node {
	n := p.unary()
	for p.token.is("*") || p.token.is("/") || p.token.is("%") {
		t := p.advance()
		op := opMul
		switch t.text {
		case "/":
			op = opDiv
		case "%":
			op = opRem
		}
		n = &operation{place(t.pos), op, n, p.unary()}
	}
	return n
}

func (p *parser) unary() node {
	if !p.token.is("-") {
		return p.postfix()
	}
	p.enter()
	defer p.leave()
	pos := p.advance().pos
	return &unary{place(pos), true, p.unary()}
}

func (p *parser) postfix() node {
	n := p.primary()
	for {
		switch {
		case p.token.is("."):
			p.advance()
			if p.token.kind != tokenName {
				p.unexpected("a name; keys that are no names are reached with get(object, 'key')")
			}
			t := p.advance()
			if f, ok := n.(*path); ok {
				f.keys = append(f.keys, t.text)
			} else {
				n = &memberOf{place(t.pos), n, t.text}
			}
		case p.token.is("["):
			pos := p.advance().pos
			n = &index{place(pos), n, p.expression()}
			p.expect("]")
		default:
			return n
		}
	}
}

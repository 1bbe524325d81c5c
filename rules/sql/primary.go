package sql

import "strings"

// primary reads an expression without operators.
func (p *parser) primary() node {
	t := p.token
	switch t.kind {
	case tokenNumber:
		p.advance()
		v := readNumber(strings.Replace(t.text, "+", "", 1), false)
		if !v.isNumber() {
			p.fail(t.pos, "the number %s is too large: exponents up to 999 are possible", clip(t.text))
		}
		return &literal{place(t.pos), v}
	case tokenString:
		p.advance()
		return &literal{place(t.pos), text(t.text)}
	case tokenVariable:
		p.advance()
		return &variable{place(t.pos), t.text}
	case tokenName:
		return p.named()
	case tokenSymbol:
		switch t.text {
		case "(":
			return p.parenthesis()
		case "[":
			p.advance()
			return &list{place(t.pos), p.until("]")}
		case "{":
			return p.object()
		}
	case tokenEnd, tokenBad:
	}
	p.unexpected("an expression")
	return nil
}

// until reads expressions up to a closing bracket.
func (p *parser) until(end string) []node {
	var items []node
	if p.accept(end) {
		return nil
	}
	for {
		items = append(items, p.expression())
		if p.accept(end) {
			return items
		}
		if !p.accept(",") {
			p.unexpected("\",\" or \"" + end + "\"")
		}
	}
}

// parenthesis reads ( expression ) or ( query ).
func (p *parser) parenthesis() node {
	pos := p.advance().pos
	if !p.token.word("SELECT") {
		n := p.expression()
		p.expect(")")
		if f, ok := n.(*path); ok { // (a).b is a.b
			return f
		}
		return n
	}
	p.enter()
	defer p.leave()
	p.advance()
	q := &query{place: place(pos), selection: p.selection()}
	if !p.acceptWord("FROM") {
		p.unexpected("FROM")
	}
	if p.token.kind == tokenString {
		p.fail(p.token.pos, "found a text, expected a field or variable: a nested query selects from an array or object")
	}
	q.source = p.postfix()
	if p.acceptWord("WHERE") {
		q.where = p.expression()
	}
	p.expect(")")
	return q
}

// object reads {'key': value, ...}.
func (p *parser) object() node {
	n := &object{place: place(p.advance().pos)}
	if p.accept("}") {
		return n
	}
	for {
		if p.token.kind != tokenString {
			p.unexpected("a key in quotes")
		}
		n.keys = append(n.keys, p.advance().text)
		p.expect(":")
		n.values = append(n.values, p.expression())
		if p.accept("}") {
			return n
		}
		if !p.accept(",") {
			p.unexpected("\",\" or \"}\"")
		}
	}
}

// named reads what begins with a name: a constant, CASE, a cast, a call, a field.
func (p *parser) named() node {
	t := p.token
	word := strings.ToLower(t.text)
	switch word {
	case "true", "false":
		p.advance()
		return &literal{place(t.pos), boolean(word == "true")}
	case "null":
		p.advance()
		return &literal{place(t.pos), null}
	case "case":
		return p.choice()
	}
	if reserved[word] {
		p.unexpected("an expression")
	}
	p.advance()
	if !p.token.is("(") {
		return &path{place(t.pos), []string{t.text}}
	}
	p.advance()
	if word == "cast" {
		return p.cast(t.pos)
	}
	n := &call{place: place(t.pos), name: word}
	if p.accept(")") {
		return n
	}
	for {
		if p.token.is("*") {
			n.args = append(n.args, star{place(p.advance().pos)})
		} else {
			n.args = append(n.args, p.expression())
		}
		if p.accept(")") {
			return n
		}
		if !p.accept(",") {
			p.unexpected("\",\" or \")\"")
		}
	}
}

func (p *parser) choice() node {
	n := &choice{place: place(p.advance().pos)}
	if !p.token.word("WHEN") {
		n.of = p.expression()
	}
	for p.acceptWord("WHEN") {
		n.whens = append(n.whens, p.expression())
		if !p.acceptWord("THEN") {
			p.unexpected("THEN")
		}
		n.thens = append(n.thens, p.expression())
	}
	if len(n.whens) == 0 {
		p.unexpected("WHEN")
	}
	if p.acceptWord("ELSE") {
		n.otherwise = p.expression()
	}
	if !p.acceptWord("END") {
		p.unexpected("WHEN, ELSE or END")
	}
	return n
}

// castTypes are the types of cast. since2016 are those that came with 2016-03-23.
var castTypes = map[string]struct {
	kind      Kind
	double    bool
	since2016 bool
}{
	"string": {kind: String}, "nvarchar": {kind: String}, "text": {kind: String}, "ntext": {kind: String}, "varchar": {kind: String},
	"int": {kind: Int}, "integer": {kind: Int},
	"double": {kind: Decimal, double: true}, "decimal": {kind: Decimal, since2016: true},
	"bool": {kind: Boolean, since2016: true}, "boolean": {kind: Boolean, since2016: true},
}

// cast reads what comes behind cast( .
func (p *parser) cast(pos int) node {
	n := &cast{place: place(pos), of: p.expression()}
	if !p.acceptWord("AS") {
		p.unexpected("AS")
	}
	n.word = strings.ToLower(p.token.text)
	t, ok := castTypes[n.word]
	if !ok || p.token.kind != tokenName {
		p.unexpected("a type: String, Nvarchar, Text, Ntext, Varchar, Int, Integer, Double, Decimal, Bool or Boolean")
	}
	n.to, n.double = t.kind, t.double
	p.advance()
	p.expect(")")
	return n
}

package sql

import (
	"math"
	"strings"
)

// A printer writes expressions in one way: keywords in capitals, operations in
// parentheses. It gives up where a text has more bytes than it may have.
type printer struct{ most int }

// printed writes all of an expression.
func printed(n node) string { return string(printer{math.MaxInt}.node(nil, n)) }

func (p printer) node(b []byte, n node) []byte {
	if len(b) > p.most {
		return b
	}
	switch n := n.(type) {
	case *literal:
		if n.value.kind == String {
			return appendLiteral(b, n.value.s)
		}
		return n.value.appendJSON(b)
	case *path:
		return append(b, strings.Join(n.keys, ".")...)
	case *variable:
		return append(b, n.name...)
	case *memberOf:
		return append(append(p.node(b, n.of), '.'), n.key...)
	case *index:
		if f, ok := n.of.(*path); ok && len(f.keys) == 1 && strings.EqualFold(f.keys[0], "value") {
			b = append(append(append(b, '('), f.keys[0]...), ')') // SELECT VALUE [0] is something else
		} else {
			b = p.node(b, n.of)
		}
		return append(p.node(append(b, '['), n.key), ']')
	case star:
		return append(b, '*')
	case *unary:
		if n.minus {
			return append(p.node(append(b, "(-"...), n.of), ')')
		}
		return append(p.node(append(b, "(NOT "...), n.of), ')')
	case *operation:
		b = p.node(append(b, '('), n.a)
		b = append(append(append(b, ' '), n.op.String()...), ' ')
		return append(p.node(b, n.b), ')')
	case *isNothing:
		b = append(p.node(append(b, '('), n.of), " IS "...)
		return append(appendNot(b, n.not), "NULL)"...)
	case *membership:
		b = append(appendNot(append(p.node(append(b, '('), n.of), ' '), n.not), "IN ("...)
		return append(p.nodes(b, n.items), "))"...)
	case *between:
		b = append(appendNot(append(p.node(append(b, '('), n.of), ' '), n.not), "BETWEEN "...)
		return append(p.node(append(p.node(b, n.low), " AND "...), n.high), ')')
	case *like:
		b = append(appendNot(append(p.node(append(b, '('), n.of), ' '), n.not), "LIKE "...)
		return append(p.node(b, n.pattern), ')')
	case *list:
		return append(p.nodes(append(b, '['), n.items), ']')
	case *object:
		b = append(b, '{')
		for i, v := range n.values {
			if len(b) > p.most {
				break
			}
			if i > 0 {
				b = append(b, ", "...)
			}
			b = p.node(append(appendLiteral(b, n.keys[i]), ": "...), v)
		}
		return append(b, '}')
	case *call:
		return append(p.nodes(append(append(b, n.name...), '('), n.args), ')')
	case *cast:
		b = append(p.node(append(b, "cast("...), n.of), " AS "...)
		return append(append(b, n.word...), ')')
	case *choice:
		return p.choice(b, n)
	case *query:
		return p.query(b, n)
	}
	return b
}

func appendNot(b []byte, not bool) []byte {
	if not {
		return append(b, "NOT "...)
	}
	return b
}

func (p printer) nodes(b []byte, nodes []node) []byte {
	for i, n := range nodes {
		if len(b) > p.most {
			break
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = p.node(b, n)
	}
	return b
}

// appendLiteral writes a text in single quotes.
func appendLiteral(b []byte, s string) []byte {
	return append(append(append(b, '\''), strings.ReplaceAll(s, "'", "''")...), '\'')
}

func (p printer) choice(b []byte, n *choice) []byte {
	b = append(b, "CASE"...)
	if n.of != nil {
		b = p.node(append(b, ' '), n.of)
	}
	for i := range n.whens {
		if len(b) > p.most {
			break
		}
		b = p.node(append(b, " WHEN "...), n.whens[i])
		b = p.node(append(b, " THEN "...), n.thens[i])
	}
	if n.otherwise != nil {
		b = p.node(append(b, " ELSE "...), n.otherwise)
	}
	return append(b, " END"...)
}

func (p printer) query(b []byte, n *query) []byte {
	b = p.selection(append(b, '('), &n.selection)
	b = p.node(append(b, " FROM "...), n.source)
	if n.where != nil {
		b = p.node(append(b, " WHERE "...), n.where)
	}
	return append(b, ')')
}

func (p printer) selection(b []byte, s *selection) []byte {
	b = append(b, "SELECT "...)
	if s.value {
		return p.node(append(b, "VALUE "...), s.items[0].of)
	}
	for i, it := range s.items {
		if len(b) > p.most {
			break
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = p.node(b, it.of)
		if !it.star && isName(it.alias[0]) { // otherwise it is the text of the item
			b = append(append(b, " AS "...), strings.Join(it.alias, ".")...)
		}
	}
	return b
}

func isName(s string) bool { return isLetter(s[0]) && wordEnd(s, 0) == len(s) }

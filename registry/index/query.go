package index

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Query is a parsed query. It does not change and may be used by many goroutines.
type Query struct {
	root    node
	without string // a part of documents that it does not see; "" for none
}

// Term is the query field:value, for any field and any text; value is matched without
// regard to case, as a phrase if it has several words.
func Term(field, value string) *Query { return &Query{root: newTerm(field, value)} }

// Prefix is the query field:value*, for any field and any text.
func Prefix(field, value string) *Query {
	p := pattern{{any: true}}
	if value != "" {
		p = pattern{{text: fold(value)}, {any: true}}
	}
	return &Query{root: newWildcard(field, p)}
}

// Exact is the query for the very text, case and all. The language has no way to say it.
func Exact(field, value string) *Query { return &Query{root: &exact{field, value}} }

// Without returns a query like q that does not see a part of documents; see [Part].
func (q *Query) Without(part string) *Query { return &Query{q.root, part} }

// String returns a query that parses to the same query, if there is one.
func (q *Query) String() string { return string(q.root.append(nil, true)) }

// Fields returns the fields that q names, sorted, each once.
func (q *Query) Fields() []string {
	var out []string
	q.root.leaves(func(l leaf) {
		if f := l.on(); f != "" {
			out = append(out, f)
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// Bare reports whether a part of q is about any field.
func (q *Query) Bare() (bare bool) {
	q.root.leaves(func(l leaf) { bare = bare || l.on() == "" })
	return bare
}

// A node is a part of a query.
type node interface {
	// holds says whether it does, if test says it of the leaves.
	holds(test func(leaf) bool) bool
	leaves(yield func(leaf))
	append(dst []byte, top bool) []byte
}

type (
	everything struct{}
	and        []node
	or         []node
	not        struct{ of node }
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

func (everything) holds(func(leaf) bool) bool { return true }
func (n and) holds(test func(leaf) bool) bool {
	return !slices.ContainsFunc(n, func(x node) bool { return !x.holds(test) })
}

func (n or) holds(test func(leaf) bool) bool {
	return slices.ContainsFunc(n, func(x node) bool { return x.holds(test) })
}
func (n *not) holds(test func(leaf) bool) bool { return !n.of.holds(test) }

func (everything) leaves(func(leaf)) {}
func (n and) leaves(yield func(leaf)) {
	for _, x := range n {
		x.leaves(yield)
	}
}

func (n or) leaves(yield func(leaf)) {
	for _, x := range n {
		x.leaves(yield)
	}
}
func (n *not) leaves(yield func(leaf)) { n.of.leaves(yield) }

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
	return append(appendEscaped(dst, field, func(r rune) bool { return isSpecial(r) || strings.ContainsRune("*?:<>-", r) }), ':')
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	return append(appendEscaped(dst, s, func(r rune) bool { return r == '"' || r == '\\' }), '"')
}

func appendEscaped(dst []byte, s string, special func(rune) bool) []byte {
	for _, r := range s {
		if special(r) {
			dst = append(dst, '\\')
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

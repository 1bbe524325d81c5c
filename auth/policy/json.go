package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The standard decoder takes the last of two members of one name, matches names
// without case and turns bad text into U+FFFD. Each of these lets one reader see
// another policy than the next, so documents have a reader of their own.

type nodeKind uint8

const (
	objectNode nodeKind = iota
	arrayNode
	stringNode
	numberNode
	boolNode
	nullNode
)

// A node is a JSON value. Text is the string, or a number or literal as written.
type node struct {
	kind    nodeKind
	text    string
	members []member
	items   []node
}

type member struct {
	name  string
	value node
}

// describe says what a node is, for errors.
func (n *node) describe() string {
	switch n.kind {
	case objectNode:
		return "an object"
	case arrayNode:
		if len(n.items) == 0 {
			return "an empty list"
		}
		return "a list"
	case stringNode:
		return shown(n.text)
	default:
		return n.text
	}
}

// maxDepth is more than any document needs: a condition value lies at 6.
const maxDepth = 16

type reader struct {
	text string
	pos  int
}

// readJSON reads one JSON value that fills the whole text.
func readJSON(text string) (node, error) {
	if !utf8.ValidString(text) {
		return node{}, &Malformed{Path: "document", Value: "not UTF-8", Expected: "JSON in UTF-8"}
	}
	r := reader{text: text}
	n, err := r.value(0)
	if err != nil {
		return node{}, err
	}
	r.blanks()
	if r.pos < len(text) {
		return node{}, r.fail("the end of the document")
	}
	return n, nil
}

func (r *reader) fail(expected string) error {
	found := "the end of the text"
	if r.pos < len(r.text) {
		c, _ := utf8.DecodeRuneInString(r.text[r.pos:])
		found = strconv.QuoteRune(c)
	}
	return &Malformed{Path: fmt.Sprintf("byte %d", r.pos), Value: found, Expected: expected}
}

func (r *reader) blanks() {
	for r.pos < len(r.text) && isBlank(rune(r.text[r.pos])) {
		r.pos++
	}
}

// isBlank reports white space of JSON.
func isBlank(c rune) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// take skips blanks and then c, if it is there.
func (r *reader) take(c byte) bool {
	r.blanks()
	if r.pos < len(r.text) && r.text[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

func (r *reader) value(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, r.fail(fmt.Sprintf("at most %d levels", maxDepth))
	}
	r.blanks()
	if r.pos == len(r.text) {
		return node{}, r.fail("a JSON value")
	}
	switch c := r.text[r.pos]; {
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"':
		s, err := r.str()
		return node{kind: stringNode, text: s}, err
	case c == '-' || '0' <= c && c <= '9':
		return r.number()
	}
	for _, l := range [...]struct {
		text string
		kind nodeKind
	}{{"true", boolNode}, {"false", boolNode}, {"null", nullNode}} {
		if strings.HasPrefix(r.text[r.pos:], l.text) {
			r.pos += len(l.text)
			return node{kind: l.kind, text: l.text}, nil
		}
	}
	return node{}, r.fail("a JSON value")
}

func (r *reader) object(depth int) (node, error) {
	n := node{kind: objectNode}
	r.pos++
	if r.take('}') {
		return n, nil
	}
	seen := make(map[string]bool)
	for {
		r.blanks()
		start := r.pos
		if r.pos == len(r.text) || r.text[r.pos] != '"' {
			return n, r.fail("a member name in quotes")
		}
		name, err := r.str()
		if err != nil {
			return n, err
		}
		if seen[name] {
			return n, &Malformed{Path: fmt.Sprintf("byte %d", start), Value: shown(name), Expected: "each member once"}
		}
		seen[name] = true
		if !r.take(':') {
			return n, r.fail("a colon")
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.members = append(n.members, member{name, v})
		if r.take('}') {
			return n, nil
		}
		if !r.take(',') {
			return n, r.fail("a comma or }")
		}
	}
}

func (r *reader) array(depth int) (node, error) {
	n := node{kind: arrayNode}
	r.pos++
	if r.take(']') {
		return n, nil
	}
	for {
		v, err := r.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, v)
		if r.take(']') {
			return n, nil
		}
		if !r.take(',') {
			return n, r.fail("a comma or ]")
		}
	}
}

// digits skips digits and says how many there were.
func (r *reader) digits() int {
	start := r.pos
	for r.pos < len(r.text) && '0' <= r.text[r.pos] && r.text[r.pos] <= '9' {
		r.pos++
	}
	return r.pos - start
}

func (r *reader) sign(signs string) {
	if r.pos < len(r.text) && strings.IndexByte(signs, r.text[r.pos]) >= 0 {
		r.pos++
	}
}

func (r *reader) number() (node, error) {
	start := r.pos
	r.sign("-")
	first := r.pos
	if n := r.digits(); n == 0 || n > 1 && r.text[first] == '0' {
		return node{}, r.fail("a number as JSON has them")
	}
	if r.pos < len(r.text) && r.text[r.pos] == '.' {
		r.pos++
		if r.digits() == 0 {
			return node{}, r.fail("a digit")
		}
	}
	if r.pos < len(r.text) && (r.text[r.pos] == 'e' || r.text[r.pos] == 'E') {
		r.pos++
		r.sign("+-")
		if r.digits() == 0 {
			return node{}, r.fail("a digit")
		}
	}
	return node{kind: numberNode, text: r.text[start:r.pos]}, nil
}

package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may lie in each other.
const maxDepth = 32

// A node is a JSON value as it was written: members in their order, numbers as text.
type node struct {
	kind    byte // one of { [ " 0 t n: object, array, text, number, boolean, null
	text    string
	items   []node
	members []member
}

type member struct {
	name  string
	value node
}

// what describes a node to people.
func (n *node) what() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return fmt.Sprintf("%q", shorten(n.text))
	case 'n':
		return "null"
	}
	return shorten(n.text)
}

// get returns a member, nil if there is none.
func (n *node) get(name string) *node {
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i].value
		}
	}
	return nil
}

// parseJSON reads one JSON value. It is stricter than encoding/json: a name that is
// there twice would be read by one program in this way and by another in that, so it
// is refused, and so is text that is not UTF-8 or deeply nested.
func parseJSON(text []byte) (*node, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	n, err := parseNode(d, 0)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends too early")
		}
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the end of it")
	}
	return &n, nil
}

func parseNode(d *json.Decoder, depth int) (n node, err error) {
	if depth > maxDepth {
		return n, fmt.Errorf("objects and arrays lie more than %d deep in each other", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return n, err
	}
	switch t := t.(type) {
	case string:
		return node{kind: '"', text: t}, nil
	case json.Number:
		return node{kind: '0', text: t.String()}, nil
	case bool:
		return node{kind: 't', text: fmt.Sprint(t)}, nil
	case json.Delim:
		if t == '{' {
			return parseObject(d, depth)
		}
		n.kind = '['
		for d.More() {
			item, err := parseNode(d, depth+1)
			if err != nil {
				return n, err
			}
			n.items = append(n.items, item)
		}
		_, err = d.Token()
		return n, err
	}
	return node{kind: 'n', text: "null"}, nil
}

func parseObject(d *json.Decoder, depth int) (n node, err error) {
	n.kind = '{'
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return n, err
		}
		name, _ := t.(string) // the decoder takes nothing else
		if seen[name] {
			return n, fmt.Errorf("there are two members %q in one object", shorten(name))
		}
		seen[name] = true
		value, err := parseNode(d, depth+1)
		if err != nil {
			return n, err
		}
		n.members = append(n.members, member{name, value})
	}
	_, err = d.Token()
	return n, err
}

// quote returns text as JSON. Unlike json.Marshal it leaves <, > and & alone.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""` // text can always be written
	}
	return strings.TrimSuffix(b.String(), "\n")
}

package policy

import (
	"fmt"
	"strings"
)

// Parse reads a policy document. IoT policies and the IAM policies of roles are the
// same language; neither may name a Principal.
//
// It is strict: besides bad JSON it refuses members that come twice, unknown elements
// and values of the wrong type, an unknown Version, a document without statements, an
// Effect other than "Allow" or "Deny", both or none of Action and NotAction or of
// Resource and NotResource, empty lists, a resource that neither is "*" nor starts with
// "arn:", an action that neither is "*" nor "service:name", unknown condition
// operators, values that an operator for numbers, times, booleans, addresses or bytes
// cannot read, and in version 2012-10-17 a "${" without its end or with nothing in it.
// Errors are a [*Malformed] and wrap [ErrMalformed]. The size is the caller's to
// limit, see [Size]; the work is linear in it.
func Parse(doc []byte) (*Document, error) { return parse(string(doc), false) }

func parse(text string, trust bool) (*Document, error) {
	root, err := readJSON(text)
	if err != nil {
		return nil, err
	}
	d := &Document{text: text, trust: trust}
	if root.kind != objectNode {
		return nil, &Malformed{"document", root.describe(), "an object"}
	}
	// The version decides how statements are read, wherever it stands.
	for i := range root.members {
		if m := &root.members[i]; m.name == "Version" {
			if m.value.kind != stringNode || m.value.text != Version2012 && m.value.text != Version2008 {
				return nil, &Malformed{"Version", m.value.describe(), fmt.Sprintf("%q or %q", Version2012, Version2008)}
			}
			d.version = m.value.text
		}
	}
	found := false
	for i := range root.members {
		m := &root.members[i]
		switch m.name {
		case "Version":
		case "Id":
			if m.value.kind != stringNode {
				return nil, &Malformed{"Id", m.value.describe(), "a string"}
			}
		case "Statement":
			found = true
			if err := d.readStatements(&m.value); err != nil {
				return nil, err
			}
		default:
			return nil, &Malformed{"document", "an object with the element " + shown(m.name), "only Version, Id and Statement"}
		}
	}
	if !found {
		return nil, &Malformed{"Statement", "absent", "a statement or a list of them"}
	}
	return d, nil
}

func (d *Document) readStatements(n *node) error {
	switch n.kind {
	case objectNode:
		return d.readStatement(n, "Statement")
	case arrayNode:
		for i := range n.items {
			if err := d.readStatement(&n.items[i], fmt.Sprintf("Statement[%d]", i)); err != nil {
				return err
			}
		}
		if len(n.items) > 0 {
			return nil
		}
	default:
	}
	return &Malformed{"Statement", n.describe(), "a statement or a list of them"}
}

func (d *Document) readStatement(n *node, path string) error {
	if n.kind != objectNode {
		return &Malformed{path, n.describe(), "an object"}
	}
	s := rawStatement{path: path}
	var effect, action, resource bool
	for i := range n.members {
		m := &n.members[i]
		at := join(path, m.name)
		var err error
		switch d.element(m.name) {
		case "Sid":
			if m.value.kind != stringNode {
				return &Malformed{at, m.value.describe(), "a string"}
			}
			s.sid = m.value.text
		case "Effect":
			effect = true
			if m.value.kind != stringNode || m.value.text != "Allow" && m.value.text != "Deny" {
				return &Malformed{at, m.value.describe(), `"Allow" or "Deny"`}
			}
			if m.value.text == "Deny" {
				s.effect = Deny
			}
		case "Action", "NotAction":
			if action {
				return &Malformed{path, "a statement with Action and NotAction", "one of them"}
			}
			action, s.notAction = true, m.name == "NotAction"
			s.actions, err = readList(&m.value, at, checkAction)
		case "Resource", "NotResource":
			if resource {
				return &Malformed{path, "a statement with Resource and NotResource", "one of them"}
			}
			resource, s.notResource = true, m.name == "NotResource"
			s.resources, err = readList(&m.value, at, d.checkResource)
		case "Principal":
			s.principals, err = readPrincipals(&m.value, at)
		case "Condition":
			err = d.readConditions(&s, &m.value, at)
		default:
			return &Malformed{path, "a statement with the element " + shown(m.name), d.elements()}
		}
		if err != nil {
			return err
		}
	}
	switch {
	case !effect:
		return &Malformed{join(path, "Effect"), "absent", `"Allow" or "Deny"`}
	case !action:
		return &Malformed{join(path, "Action"), "absent", "Action or NotAction"}
	case d.trust && s.principals == nil:
		return &Malformed{join(path, "Principal"), "absent", principalForm}
	case !d.trust && !resource:
		return &Malformed{join(path, "Resource"), "absent", "Resource or NotResource"}
	}
	d.statements = append(d.statements, s)
	return nil
}

// element is the name of an element, empty if the document is of a kind that has none of
// that name.
func (d *Document) element(name string) string {
	switch name {
	case "Principal":
		if !d.trust {
			return ""
		}
	case "Resource", "NotResource":
		if d.trust {
			return ""
		}
	}
	return name
}

func (d *Document) elements() string {
	if d.trust {
		return "only Sid, Effect, Principal, Action, NotAction and Condition"
	}
	return "only Sid, Effect, Action, NotAction, Resource, NotResource and Condition"
}

// readList reads a string or a list of strings that is not empty.
func readList(n *node, path string, check func(s, path string) error) ([]string, error) {
	if n.kind == stringNode {
		return []string{n.text}, check(n.text, path)
	}
	if n.kind != arrayNode || len(n.items) == 0 {
		return nil, &Malformed{path, n.describe(), "a string or a list of strings"}
	}
	list := make([]string, len(n.items))
	for i := range n.items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if n.items[i].kind != stringNode {
			return nil, &Malformed{at, n.items[i].describe(), "a string"}
		}
		list[i] = n.items[i].text
		if err := check(list[i], at); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func checkAction(s, path string) error {
	service, name, found := strings.Cut(s, ":")
	if s == "*" || found && service != "" && name != "" {
		return nil
	}
	return &Malformed{path, shown(s), `"service:name" or "*"`}
}

func (d *Document) checkResource(s, path string) error {
	if s != "*" && !strings.HasPrefix(s, "arn:") {
		return &Malformed{path, shown(s), `"*" or a text that starts with "arn:"`}
	}
	return d.checkVariables(s, path)
}

func (d *Document) checkVariables(s, path string) error {
	if !d.variables() {
		return nil
	}
	for rest := s; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			return nil
		}
		end := strings.IndexByte(rest[i:], '}')
		if end < 0 {
			return &Malformed{path, shown(s), `a "}" after "${"`}
		}
		if strings.TrimSpace(rest[i+2:i+end]) == "" {
			return &Malformed{path, shown(s), `a name between "${" and "}"`}
		}
		rest = rest[i+end+1:]
	}
}

func (d *Document) readConditions(s *rawStatement, n *node, path string) error {
	if n.kind != objectNode {
		return &Malformed{path, n.describe(), "an object of operators"}
	}
	if len(n.members) == 0 {
		s.empty = append(s.empty, path)
	}
	for i := range n.members {
		m := &n.members[i]
		op, expected := parseOperator(m.name)
		if expected != "" {
			return &Malformed{path, "an object with the operator " + shown(m.name), expected}
		}
		at := join(path, m.name)
		if m.value.kind != objectNode {
			return &Malformed{at, m.value.describe(), "an object of keys"}
		}
		if len(m.value.members) == 0 {
			s.empty = append(s.empty, at)
		}
		for j := range m.value.members {
			k := &m.value.members[j]
			if k.name == "" {
				return &Malformed{at, "an object with an empty key", "the name of a condition key"}
			}
			values, err := d.readValues(&k.value, join(at, k.name), &op)
			if err != nil {
				return err
			}
			s.conditions = append(s.conditions, rawCondition{op, k.name, values, join(at, k.name)})
		}
	}
	return nil
}

// readValues reads condition values, which may be numbers and booleans, and none. The
// operator must be able to read them; those with variables show when they are asked for.
func (d *Document) readValues(n *node, path string, op *operator) ([]string, error) {
	items := n.items
	if n.kind != arrayNode {
		items = []node{*n}
	}
	values := make([]string, len(items))
	for i := range items {
		at := path
		if n.kind == arrayNode {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		switch items[i].kind {
		case stringNode:
			if err := d.checkVariables(items[i].text, at); err != nil {
				return nil, err
			}
		case numberNode, boolNode:
		default:
			return nil, &Malformed{at, items[i].describe(), "a string, a number, true or false"}
		}
		values[i] = items[i].text
		if d.variables() && strings.Contains(values[i], "${") {
			continue
		}
		if want := op.expected(values[i]); want != "" {
			return nil, &Malformed{at, items[i].describe(), want}
		}
	}
	return values, nil
}

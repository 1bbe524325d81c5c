package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// A document is a policy document of a template: text of JSON, or an object in which
// functions may stand.
type document struct {
	whole text // nil: it is an object
	open  bool // whole is one parameter: it is JSON and not part of it
	root  *part
}

// A part is a value of a document that is written as an object.
type part struct {
	raw     string // JSON, if nothing else is set
	text    text
	list    list
	object  bool
	names   []string // JSON
	parts   []*part
	isArray bool
}

// document reads a document, and checks what can be checked of it: that it is a JSON
// object. What policies mean is not known here; Policies refuses what is none.
func (t *Template) document(n *node, path string) (*document, error) {
	_, _, isFunction := function(n)
	if n.kind == '{' && !isFunction {
		root, err := t.part(n, path)
		return &document{root: root}, err
	}
	whole, err := t.text(n, path)
	if err != nil {
		return nil, err
	}
	if s, ok := whole.(literal); ok {
		if err := checkDocument(string(s)); err != nil {
			return nil, &Error{Kind: ErrInvalid, Field: path, Value: shorten(string(s)), Want: "a JSON object", Message: fmt.Sprintf("%s is not a JSON object: %v", path, err), Err: err}
		}
	}
	_, open := whole.(ref)
	return &document{whole: whole, open: open}, nil
}

func (t *Template) part(n *node, path string) (*part, error) {
	if name, _, ok := function(n); ok {
		if name == "Fn::Split" {
			l, err := t.list(n, path)
			return &part{list: l}, err
		}
		x, err := t.text(n, path)
		return &part{text: x}, err
	}
	switch n.kind {
	case '"':
		return &part{raw: quote(n.text)}, nil
	case '[':
		p := &part{isArray: true}
		for i := range n.items {
			item, err := t.part(&n.items[i], fmt.Sprintf("%s[%d]", path, i))
			if err != nil {
				return nil, err
			}
			p.parts = append(p.parts, item)
		}
		return p, nil
	case '{':
		p := &part{object: true}
		for i := range n.members {
			m := &n.members[i]
			value, err := t.part(&m.value, path+"."+m.name)
			if err != nil {
				return nil, err
			}
			p.names, p.parts = append(p.names, quote(m.name)), append(p.parts, value)
		}
		return p, nil
	}
	return &part{raw: n.text}, nil
}

// json returns the document for some parameters.
func (d *document) json(e *evaluation, path string) (string, error) {
	e.policy = true
	defer func() { e.policy, e.quoted = false, false }()
	if d.whole == nil {
		var b strings.Builder
		err := d.root.write(&b, e)
		return b.String(), at(path, err)
	}
	// A value that is put into JSON text must not end the string it stands in.
	e.quoted = !d.open
	s, err := d.whole.text(e)
	if err != nil {
		return "", at(path, err)
	}
	if err := checkDocument(s); err != nil {
		return "", wrong(ErrParameters, path, s, "a JSON object with these parameters: "+err.Error())
	}
	return s, nil
}

func (p *part) write(b *strings.Builder, e *evaluation) error {
	switch {
	case p.text != nil:
		s, err := p.text.text(e)
		if err != nil {
			return err
		}
		b.WriteString(quote(s))
	case p.list != nil:
		l, err := p.list.list(e)
		if err != nil {
			return err
		}
		b.WriteByte('[')
		for i, s := range l {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quote(s))
		}
		b.WriteByte(']')
	case p.object || p.isArray:
		return p.writeParts(b, e)
	default:
		b.WriteString(p.raw)
	}
	return nil
}

func (p *part) writeParts(b *strings.Builder, e *evaluation) error {
	brackets := "{}"
	if p.isArray {
		brackets = "[]"
	}
	b.WriteByte(brackets[0])
	for i, x := range p.parts {
		if i > 0 {
			b.WriteByte(',')
		}
		if p.object {
			b.WriteString(p.names[i])
			b.WriteByte(':')
		}
		if err := x.write(b, e); err != nil {
			return err
		}
	}
	b.WriteByte(brackets[1])
	return nil
}

func checkDocument(s string) error {
	n, err := parseJSON([]byte(s))
	if err == nil && n.kind != '{' {
		err = fmt.Errorf("it is %s", n.what())
	}
	return err
}

// policyName is the name of a policy that a template gives by its document alone.
func policyName(document string) string {
	sum := sha256.Sum256([]byte(document))
	return strings.ToUpper(hex.EncodeToString(sum[:20]))
}

package sql

import (
	"context"
	"fmt"
	"strings"
)

// A Template is a compiled substitution template. It is immutable and may be used by
// many goroutines.
type Template struct {
	source string
	parts  []part
	calls  callSet
	alone  *Plan // of the fields that it looks at; nil if there are none
	// warnings are about what can never yield a value.
	warnings []*Error
}

// A part is text, or an expression.
type part struct {
	text string
	of   expr // nil for text
}

// Template compiles a text with ${...} in it. It sees the message and the variables of
// the statement's SET, not what SELECT makes. The error is an [*Error].
func (s *Statement) Template(source string, o Options) (t *Template, err error) {
	if o.Version == "" {
		o.Version = s.version
	}
	c, err := newCompiler(source, o)
	if err != nil {
		return nil, err
	}
	c.names = s.names
	defer catch(&err)
	t = &Template{source: source}
	rest := 0
	for {
		i := strings.Index(source[rest:], "${")
		if i < 0 {
			break
		}
		if i > 0 {
			t.parts = append(t.parts, part{text: source[rest : rest+i]})
		}
		p := &parser{lexer: lexer{source: source, pos: rest + i + 2}}
		p.advance()
		n := p.expression()
		if !p.token.is("}") {
			p.unexpected("\"}\"")
		}
		t.parts = append(t.parts, part{of: c.expr(n)})
		rest = p.token.pos + 1
	}
	if rest < len(source) {
		t.parts = append(t.parts, part{text: source[rest:]})
	}
	t.calls, t.warnings = c.calls, c.warnings
	c.paths = c.scope.paths
	c.alone = NewPlan(c.Statement)
	t.alone = c.alone
	return t, nil
}

// CallsOut reports that the template has functions that may wait.
func (t *Template) CallsOut() bool { return t.calls != 0 }

// String returns the text.
func (t *Template) String() string { return t.source }

// Constant reports that the template is text without ${...}.
func (t *Template) Constant() bool {
	return len(t.parts) == 0 || len(t.parts) == 1 && t.parts[0].of == nil
}

// begin makes the template what is evaluated, with the variables of statement i.
func (r *Run) begin(ctx context.Context, i int, t *Template) error {
	if !r.enter(ctx, i) {
		return r.err
	}
	r.clause("TEMPLATE")
	own, payload := t.alone, view(r.m.Payload)
	if cap(r.texts) < own.nodes {
		r.texts = make([]slot, own.nodes)
	}
	r.texts = r.texts[:own.nodes]
	r.stmt = own.parts[0].statement
	r.whole = r.stmt.whole
	r.frame = frame{text: payload, slots: r.texts, at: own.parts[0].at}
	if len(r.stmt.paths) == 0 {
		return nil
	}
	if payload == "" {
		clear(r.texts)
	} else if !r.scanner.scan(payload, &own.root, r.texts) {
		return fmt.Errorf("sql: %w", ErrPayload)
	}
	return nil
}

// finish makes the message what names mean again.
func (r *Run) finish() { r.text, r.slots = view(r.m.Payload), r.top }

// Text renders a template of statement i, which need not have been evaluated. undefined
// reports that the template is one ${...} whose value is Undefined; within a longer text
// an Undefined is nothing. Errors are those of Eval.
func (r *Run) Text(ctx context.Context, i int, t *Template) (s string, undefined bool, err error) {
	if t.Constant() {
		return t.source, false, nil
	}
	defer r.finish()
	if err := r.begin(ctx, i, t); err != nil {
		return "", false, err
	}
	b := r.borrow()
	for _, p := range t.parts {
		if p.of == nil {
			b = append(b, p.text...)
			continue
		}
		v := p.of(r)
		undefined = v.kind == Undefined && len(t.parts) == 1
		if v.kind == Null {
			b = append(b, "null"...)
		} else if s, ok := r.toText(v); ok {
			if b = append(b, s...); r.enough(b) {
				break
			}
		}
	}
	s = string(b)
	r.forget(b)
	if !r.inBounds() {
		return "", false, r.err
	}
	return s, undefined, nil
}

// JSON is Text for a template that is one ${...}: its value as JSON, nil if it is
// Undefined. Any other template yields its text as a JSON string.
func (r *Run) JSON(ctx context.Context, i int, t *Template) ([]byte, error) {
	if len(t.parts) != 1 || t.parts[0].of == nil {
		s, _, err := r.Text(ctx, i, t)
		if err != nil {
			return nil, err
		}
		return appendQuoted(nil, s), nil
	}
	defer r.finish()
	if err := r.begin(ctx, i, t); err != nil {
		return nil, err
	}
	v := t.parts[0].of(r)
	if !r.inBounds() {
		return nil, r.err
	}
	return v.appendJSON(nil), nil
}

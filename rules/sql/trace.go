package sql

import (
	"bytes"
	"context"

	"github.com/thinghub/thinghub/actions"
)

// A Step is one sub-expression that was evaluated, and its value.
type Step struct {
	// Clause is SET, WHERE, SELECT or, in a template, TEMPLATE.
	Clause string `json:"clause"`
	// Expression is the text of the expression, written in one way and shortened to
	// 1 KiB.
	Expression string `json:"expression"`
	// Kind is the type of the value.
	Kind string `json:"type"`
	// Value is the value as JSON, shortened to 1 KiB of text if it is longer; empty if
	// it is Undefined.
	Value string `json:"value,omitempty"`
	// Line and Column say where the expression is, or its operator.
	Line   int `json:"line"`
	Column int `json:"column"`
}

// mostSteps bounds a trace.
const mostSteps = 1000

// A tracer collects the steps of a run.
type tracer struct {
	steps  []Step
	clause string
}

// traceOf makes an expression tell what it yields.
func (c *compiler) traceOf(n node, e expr) expr {
	if _, ok := n.(*literal); ok {
		return e
	}
	return func(r *Run) Value {
		v := e(r)
		if t := r.trace; t != nil && len(t.steps) < mostSteps {
			where := errorAt(c.source, n.at(), "")
			t.steps = append(t.steps, Step{
				Clause: t.clause, Expression: shortened(printer{mostShown}.node(nil, n)), Kind: v.kind.String(),
				Line: where.Line, Column: where.Column, Value: v.shown(),
			})
		}
		return v
	}
}

// mostShown is how many bytes of a value or an expression a trace shows.
const mostShown = 1 << 10

// shown is the value as JSON, shortened.
func (v Value) shown() string {
	switch v.kind {
	case String, Array, Object:
		v.s = v.s[:min(len(v.s), mostShown+1)]
	case Undefined, Null, Boolean, Int, Decimal:
	}
	return shortened(v.appendJSON(nil))
}

// clause says what is evaluated next.
func (r *Run) clause(name string) {
	if r.trace != nil {
		r.trace.clause = name
	}
}

func shortened(b []byte) string {
	if len(b) > mostShown {
		return string(bytes.ToValidUTF8(b[:mostShown], nil)) + "..."
	}
	return string(b)
}

// A Trace tells how a statement is evaluated on a message.
type Trace struct {
	Result
	// Steps are the sub-expressions in the order in which they were evaluated, at
	// most 1000.
	Steps []Step
	// Texts are the rendered templates, and Undefined those that are.
	Texts []Rendered
	// Err is why the evaluation failed as a whole, or nil.
	Err error
}

// A Rendered is a template and what it is for a message.
type Rendered struct {
	Template, Text string
	Undefined      bool
	Err            error
}

// Trace evaluates the statement and templates of it on a message, whatever FROM says,
// and tells each step. It is much slower than Eval. o must be what the statement was
// compiled with; functions that call out are called.
func (s *Statement) Trace(ctx context.Context, m *actions.Message, o Options, templates ...string) (Trace, error) {
	traced, err := compile(s.source, o, true)
	if err != nil {
		return Trace{}, err
	}
	r := traced.alone.Begin(m)
	defer r.End()
	r.trace = &tracer{}
	t := Trace{}
	res, err := r.Eval(ctx, 0)
	t.Err, t.Result = err, res
	t.Output = bytes.Clone(res.Output)
	for _, text := range templates {
		tpl, err := traced.Template(text, o)
		if err != nil {
			return t, err
		}
		rendered := Rendered{Template: text}
		rendered.Text, rendered.Undefined, rendered.Err = r.Text(ctx, 0, tpl)
		t.Texts = append(t.Texts, rendered)
	}
	t.Steps = r.trace.steps
	return t, nil
}

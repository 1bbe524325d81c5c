package rules

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/topic"
	"github.com/thinghub/thinghub/rules/sql"
)

// A Trace tells what a rule does with a message, and why. Nothing of it is done.
type Trace struct {
	Rule string
	// Matched reports that the message is on a topic that the rule listens to, and that
	// the rule is enabled.
	Matched bool
	// Passed reports that its condition is true.
	Passed bool
	// Reason says in one sentence why the rule did not match or pass; empty if it did.
	Reason string
	// Undefined reports that the outgoing payload is empty because a SELECT VALUE is
	// Undefined.
	Undefined bool
	// Output is the outgoing payload.
	Output []byte
	// Steps are the sub-expressions in the order in which they were evaluated.
	Steps []Step
	// Actions are what the actions would get.
	Actions []ActionTrace
	// Warnings are those of the rule, and for Try those of the templates: their Field is
	// "templates[0]" and so on.
	Warnings []*Error
	// Texts are the rendered templates of [TryOptions].
	Texts []Rendered
	// Err is why the evaluation failed as a whole.
	Err error
}

// A Step is one sub-expression and its value.
type Step = sql.Step

// A Rendered is a template and what it is for a message.
type Rendered = sql.Rendered

// An ActionTrace is what an action would get.
type ActionTrace struct {
	// Kind is what the action is called in a rule.
	Kind   string
	Params []ParamTrace
}

// A ParamTrace is one rendered parameter of an action.
type ParamTrace struct {
	Name, Template, Value string
	// Err is why the action would fail because of it.
	Err error
}

// Trace tells what the rules, or those that are named, would do with a message. It runs
// no actions, but functions that call out. The rules come by their names. The error is
// ErrNotFound for a name that there is no rule of.
func (s *Service) Trace(ctx context.Context, m *actions.Message, names ...string) ([]Trace, error) {
	m = traceable(m)
	s.mu.Lock()
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(s.rules))
	}
	type traced struct {
		record   Rule
		revision *revision
	}
	list := make([]traced, 0, len(names))
	for _, name := range names {
		rl := s.rules[name]
		if rl == nil {
			s.mu.Unlock()
			return nil, notFound("rule", name)
		}
		list = append(list, traced{rl.record, rl.revision})
	}
	s.mu.Unlock()
	traces := make([]Trace, 0, len(list))
	for _, t := range list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		traces = append(traces, trace(ctx, &t.record, t.revision, m, s.cfg.MaxHops, nil))
	}
	return traces, nil
}

// TryOptions say how a rule is tried.
type TryOptions struct {
	// Account is what accountid() returns. Default: that of the service.
	Account string
	// Externals stand in for those of the service. Nil: those of the service.
	Externals *sql.Externals
	// Templates are rendered as if they were parameters of an action.
	Templates []string
}

// Try tells what a rule would do with a message that is not put: nothing is stored and no
// action runs. The name may be empty. Errors are those of Put, and ErrSQL for a template.
func (s *Service) Try(ctx context.Context, r Rule, m *actions.Message, o TryOptions) (Trace, error) {
	if r.Name != "" {
		if err := checkName(r.Name); err != nil {
			return Trace{}, err
		}
	}
	r = r.clone()
	so := s.options()
	if o.Account != "" {
		so.Account = o.Account
	}
	if o.Externals != nil {
		so.Externals = *o.Externals
	}
	rev, err := s.compile(&r, so)
	if err != nil {
		return Trace{}, err
	}
	rev.rule = &rule{name: r.Name}
	for i, text := range o.Templates {
		field := fmt.Sprintf("templates[%d]", i)
		t, err := rev.program.template(text, false)
		if err != nil {
			return Trace{}, refused(field, err)
		}
		r.Warnings = warningsOf(r.Warnings, field, t.Warnings())
	}
	return trace(ctx, &r, rev, traceable(m), s.cfg.MaxHops, o.Templates), nil
}

// traceable gives a message what a trace needs to be the same throughout.
func traceable(m *actions.Message) *actions.Message {
	c := *m
	or(&c.TraceID, actions.NewTraceID())
	return &c
}

func trace(ctx context.Context, r *Rule, rev *revision, m *actions.Message, maxHops uint8, texts []string) (t Trace) {
	t.Rule, t.Warnings = r.Name, slices.Clone(r.Warnings)
	if t.Reason = mismatch(r, m, maxHops); t.Reason != "" {
		return t
	}
	t.Matched = true
	templates := texts
	for _, st := range rev.steps {
		for _, p := range st.params {
			templates = append(templates, p.Text)
		}
	}
	var told sql.Trace
	err := safely(func() error {
		var err error
		told, err = rev.program.trace(ctx, m, templates)
		return err
	})
	t.Steps = told.Steps
	switch {
	case err != nil:
		t.Err = err
	case told.Err != nil:
		t.Err = told.Err
	case told.Matched:
		t.Passed, t.Undefined, t.Output = true, told.Undefined, told.Output
	default:
		t.Reason = "the condition is not true"
	}
	if t.Err != nil {
		t.Reason = "the evaluation failed: " + t.Err.Error()
	}
	if n := len(texts); n > 0 && len(told.Texts) >= n {
		t.Texts = told.Texts[:n]
		told.Texts = told.Texts[n:]
	}
	if t.Passed {
		t.Actions = actionTraces(rev, told.Texts)
	}
	return t
}

// mismatch says why a rule does not get a message, "" if it does.
func mismatch(r *Rule, m *actions.Message, maxHops uint8) string {
	name, rest, direct := ingest(m.Topic)
	switch {
	case r.Broken != nil:
		return "the rule cannot work any more: " + r.Broken.Error()
	case r.Disabled:
		return "the rule is disabled"
	case direct && name != r.Name:
		return fmt.Sprintf("the topic is one of Basic Ingest for the rule %q", name)
	case !direct && r.Filter == "":
		return "the rule has no topic filter, so it gets messages of Basic Ingest alone"
	case r.Filter != "" && !topic.Match(r.Filter, rest):
		return fmt.Sprintf("the topic %q does not match %q", rest, r.Filter)
	case m.Hops > maxHops:
		return fmt.Sprintf("the message has %d hops, at most %d are allowed", m.Hops, maxHops)
	}
	return ""
}

// actionTraces tells what the actions would get, from the rendered templates of all of
// their parameters.
func actionTraces(rev *revision, rendered []sql.Rendered) []ActionTrace {
	list := make([]ActionTrace, len(rev.steps))
	for i, st := range rev.steps {
		list[i].Kind = st.kind
		for _, p := range st.params {
			pt := ParamTrace{Name: p.Name, Template: p.Text}
			if len(rendered) > 0 {
				pt.Value, pt.Err = rendered[0].Text, rendered[0].Err
				if pt.Err == nil && !p.Optional && pt.Value == "" {
					pt.Err = emptyParam(&p)
				}
				rendered = rendered[1:]
			}
			list[i].Params = append(list[i].Params, pt)
		}
	}
	return list
}

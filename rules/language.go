package rules

import (
	"context"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// A program is what the text of a rule is compiled to, in any language. It may be used by
// many goroutines.
type program interface {
	// filter returns the topic filter, and false if the program is for Basic Ingest
	// alone.
	filter() (string, bool)
	// callsOut reports that evaluating it may wait.
	callsOut() bool
	// template compiles a text with ${...}; final is for an error action.
	template(text string, final bool) (template, error)
	// passesAll reports that every message passes as it is.
	passesAll() bool
	// warnings tell what can never yield a value.
	warnings() []*sql.Error
	// language says which programs can be evaluated together.
	language() language
	// trace evaluates program and templates and tells how, slowly.
	trace(ctx context.Context, m *actions.Message, texts []string) (sql.Trace, error)
}

// A template is a compiled text, of one language.
type template interface {
	// Constant reports that there is no ${...} in it.
	Constant() bool
	// CallsOut reports that rendering it may wait.
	CallsOut() bool
	// Warnings tell what can never yield a value.
	Warnings() []*sql.Error
}

// A language makes plans of programs of its own.
type language interface {
	plan(ps []program) plan
}

// A plan evaluates several programs on one message. It may be used by many goroutines.
type plan interface {
	// begin starts an evaluation. own is nil, or for a statement to use.
	begin(m *actions.Message, own *sql.Run) run
}

// A run is the evaluation of one message. It belongs to one goroutine. The methods are
// those of [sql.Run].
type run interface {
	Eval(ctx context.Context, i int) (sql.Result, error)
	Text(ctx context.Context, i int, t template) (text string, undefined bool, err error)
	JSON(ctx context.Context, i int, t template) ([]byte, error)
	End()
}

// sqlProgram is a statement.
type sqlProgram struct {
	s *sql.Statement
	o sql.Options
}

func (p *sqlProgram) filter() (string, bool) { return p.s.Filter() }
func (p *sqlProgram) callsOut() bool         { return p.s.CallsOut() }
func (p *sqlProgram) passesAll() bool        { return p.s.PassesAll() }
func (p *sqlProgram) warnings() []*sql.Error { return p.s.Warnings() }
func (p *sqlProgram) language() language     { return sqlLanguage{} }

func (p *sqlProgram) template(text string, final bool) (template, error) {
	o := p.o
	o.NoExternals = final
	t, err := p.s.Template(text, o)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (p *sqlProgram) trace(ctx context.Context, m *actions.Message, texts []string) (sql.Trace, error) {
	return p.s.Trace(ctx, m, p.o, texts...)
}

type sqlLanguage struct{}

func (sqlLanguage) plan(ps []program) plan {
	statements := make([]*sql.Statement, len(ps))
	for i, p := range ps {
		statements[i] = p.(*sqlProgram).s
	}
	return sqlPlan{sql.NewPlan(statements...)}
}

type sqlPlan struct{ p *sql.Plan }

func (p sqlPlan) begin(m *actions.Message, own *sql.Run) run {
	if own == nil {
		return sqlRun{p.p.Begin(m)}
	}
	own.Begin(p.p, m)
	return sqlRun{own}
}

// sqlRun is one pointer, so that it fits into an interface without memory of its own.
type sqlRun struct{ *sql.Run }

func (r sqlRun) Text(ctx context.Context, i int, t template) (string, bool, error) {
	return r.Run.Text(ctx, i, t.(*sql.Template))
}

func (r sqlRun) JSON(ctx context.Context, i int, t template) ([]byte, error) {
	return r.Run.JSON(ctx, i, t.(*sql.Template))
}

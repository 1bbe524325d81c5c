package rules

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/thinghub/thinghub/internal/topic"
	"github.com/thinghub/thinghub/rules/sql"
)

// Expr is a rule in the language of github.com/expr-lang/expr, for those who prefer it
// to SQL. Expressions are compiled and their types checked when the rule is put; what
// they may use is:
//
//	topic, clientId, principal, sourceIp, traceId   texts
//	contentType, responseTopic                      texts, MQTT 5
//	segments        the levels of the topic; segments[0] is the first
//	qos             0, 1 or 2
//	timestamp       milliseconds since 1970
//	payload         what the payload is as JSON; whole numbers are ints, others floats
//	text            the payload as it came
//	userProperties  a list of {key, value}
//
// the functions of the language, and those of [Config.Functions]. Two things differ from
// SQL: numbers are those of Go, and a member of nothing, or a comparison with it, makes
// the evaluation fail, which is counted; payload?.a?.b and payload.a ?? 0 avoid that. An
// empty payload is an empty object.
//
// What an expression may do and make is bounded by [Config.ExprSteps] and
// [Config.ExprMemory], before it does or makes it; beyond that the evaluation fails with
// [ErrBudget]. A pattern of matches that is no constant may have 256 bytes.
//
// Templates in the parameters of actions hold expressions too.
type Expr struct {
	// Filter is the topic filter. Empty: the rule is for Basic Ingest alone.
	Filter string
	// Where is the condition; it must be a truth value. Empty: true.
	Where string
	// Select makes the outgoing payload, as JSON; bytes are sent as they are, and nil is
	// an empty payload. Empty: the payload as it came.
	Select string
}

// exprEnv is what expressions may use.
var exprEnv = types.Map{
	"topic": types.String, "clientId": types.String, "principal": types.String, "sourceIp": types.String, "traceId": types.String,
	"contentType": types.String, "responseTopic": types.String,
	"segments": types.TypeOf([]string(nil)), "qos": types.Int, "timestamp": types.Int, "payload": types.Any, "text": types.String,
	"userProperties": types.Array(types.Map{"key": types.String, "value": types.String}),
	ledgerName:       types.TypeOf((*ledger)(nil)),
}

// exprCompiler compiles expressions with one configuration.
type exprCompiler struct {
	options []expr.Option
	nodes   uint
	memory  uint
	steps   uint
}

func newExprCompiler(c *Config) *exprCompiler {
	e := &exprCompiler{nodes: c.ExprNodes, memory: c.ExprMemory, steps: c.ExprSteps}
	// The optimizer joins loops and puts others in their place, which nobody would count.
	e.options = []expr.Option{expr.Env(exprEnv), expr.MaxNodes(e.nodes), expr.Optimize(false)}
	for name, f := range c.Functions {
		e.options = append(e.options, expr.Function(name, adapt(name, f), signatures(f)...))
	}
	return e
}

// adapt makes a function of the host's one of an expression.
func adapt(name string, f sql.Function) func(params ...any) (any, error) {
	return func(params ...any) (any, error) {
		args := make([][]byte, len(params))
		for i, p := range params {
			if p == nil {
				continue
			}
			b, err := appendJSON(nil, p)
			if err != nil {
				return nil, fmt.Errorf("%s: argument %d: %w", name, i+1, err)
			}
			args[i] = b
		}
		// A function of the host's is quick; there is nothing to bound.
		result, err := f.Call(context.Background(), args)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if result == nil {
			return nil, nil
		}
		v, err := decodeJSON(result)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return v, nil
	}
}

// signatures are the types of a function with Min to Max arguments, for the type check.
func signatures(f sql.Function) (list []any) {
	anything := reflect.TypeFor[any]()
	in := make([]reflect.Type, f.Min, f.Min+1)
	for i := range in {
		in[i] = anything
	}
	if f.Max < 0 {
		t := reflect.FuncOf(append(in, reflect.TypeFor[[]any]()), []reflect.Type{anything}, true)
		return []any{reflect.New(t).Interface()}
	}
	for n := f.Min; n <= f.Max; n++ {
		list = append(list, reflect.New(reflect.FuncOf(in, []reflect.Type{anything}, false)).Interface())
		in = append(in, anything)
	}
	return list
}

// An exprCode is a compiled expression.
type exprCode struct {
	text    string
	program *vm.Program
	uses    exprUses
}

// compile compiles one expression. The error is an [*sql.Error].
func (c *exprCompiler) compile(text string, more ...expr.Option) (*exprCode, error) {
	code := &exprCode{text: text}
	budget := &exprBudget{}
	options := append(append([]expr.Option(nil), c.options...), more...)
	// The text as it is first: types of what a budget puts in are not checked.
	program, err := compileExpr(text, append(options, expr.Patch(&code.uses))...)
	if err == nil {
		program, err = compileExpr(text, append(append(options, countedFunctions...), expr.Patch(budget))...)
	}
	if budget.err != nil {
		err = budget.err
	}
	if err != nil {
		if err = placed(text, err); !errors.As(err, new(*sql.Error)) {
			err = &sql.Error{Line: 1, Column: 1, Message: err.Error()} // about the expression as a whole
		}
		return nil, err
	}
	code.program = program
	return code, nil
}

// compileExpr compiles a text. Whatever a text makes the compiler do, it is an error.
func compileExpr(text string, options ...expr.Option) (_ *vm.Program, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it cannot be compiled: %v", p)
		}
	}()
	return expr.Compile(text, options...)
}

// placed makes an error of ours of one of expr.
func placed(text string, err error) error {
	var e *file.Error
	if !errors.As(err, &e) {
		return err
	}
	at := placedAt(text, e.From)
	at.Message = e.Message
	return at
}

// placedAt makes an error of a place in a text, counted in characters.
func placedAt(text string, chars int) *sql.Error {
	e := &sql.Error{Line: 1, Column: 1, Offset: len(text)}
	for i, c := range text {
		if chars == 0 {
			e.Offset = i
			break
		}
		chars--
		e.Column++
		if c == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}

// exprUses notes what an expression looks at, so that only that is prepared.
type exprUses map[string]bool

// Visit notes a name.
func (u *exprUses) Visit(n *ast.Node) {
	if id, ok := (*n).(*ast.IdentifierNode); ok {
		if *u == nil {
			*u = exprUses{}
		}
		(*u)[id.Value] = true
	}
}

// exprProgram is a rule in expressions.
type exprProgram struct {
	e      Expr
	c      *exprCompiler
	where  *exprCode // nil: true
	choose *exprCode // nil: the payload
	lang   *exprLanguage
}

// program compiles a rule.
func (c *exprCompiler) program(e Expr, lang *exprLanguage) (_ *exprProgram, field string, err error) {
	p := &exprProgram{e: e, c: c, lang: lang}
	if e.Filter != "" {
		if err := topic.CheckFilter(e.Filter); err != nil {
			return nil, "expr.filter", err
		}
	}
	if e.Where != "" {
		if p.where, err = c.compile(e.Where, expr.AsBool()); err != nil {
			return nil, "expr.where", err
		}
	}
	if e.Select != "" {
		if p.choose, err = c.compile(e.Select); err != nil {
			return nil, "expr.select", err
		}
	}
	return p, "", nil
}

func (p *exprProgram) filter() (string, bool) { return p.e.Filter, p.e.Filter != "" }
func (p *exprProgram) callsOut() bool         { return false }
func (p *exprProgram) passesAll() bool        { return p.where == nil && p.choose == nil }
func (p *exprProgram) warnings() []*sql.Error { return nil }
func (p *exprProgram) language() language     { return p.lang }

// An exprTemplate is a text with expressions in it.
type exprTemplate struct {
	source string
	parts  []exprPart
}

// An exprPart is text, or an expression.
type exprPart struct {
	text string
	code *exprCode // nil for text
}

// Constant reports that there is no expression.
func (t *exprTemplate) Constant() bool { return len(t.parts) == 0 }

// CallsOut is false: expressions cannot.
func (t *exprTemplate) CallsOut() bool { return false }

// Warnings are none: what an expression has that is wrong is an error.
func (t *exprTemplate) Warnings() []*sql.Error { return nil }

func (p *exprProgram) template(text string, _ bool) (template, error) {
	t := &exprTemplate{source: text}
	rest := 0
	for {
		i := strings.Index(text[rest:], "${")
		if i < 0 {
			break
		}
		if i > 0 {
			t.parts = append(t.parts, exprPart{text: text[rest : rest+i]})
		}
		start := rest + i + 2
		end := closing(text, start)
		if end < 0 {
			return nil, moved(text, start-2, &sql.Error{Line: 1, Column: 1, Message: `the template has no "}"`})
		}
		code, err := p.c.compile(text[start:end])
		if err != nil {
			return nil, moved(text, start, err)
		}
		t.parts = append(t.parts, exprPart{code: code})
		rest = end + 1
	}
	if rest < len(text) && rest > 0 {
		t.parts = append(t.parts, exprPart{text: text[rest:]})
	}
	return t, nil
}

// closing returns where the brace is that ends an expression, -1 if there is none: not
// in a text and not that of a map or predicate.
func closing(s string, from int) int {
	depth := 0
	for i := from; i < len(s); i++ {
		switch c := s[i]; c {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		case '\'', '"', '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '`' {
					i++
				}
			}
		}
	}
	return -1
}

// moved makes an error of a part of a text one of the text.
func moved(text string, by int, err error) error {
	var e *sql.Error
	if !errors.As(err, &e) {
		return err
	}
	before := text[:by]
	line := strings.Count(before, "\n")
	if e.Line == 1 {
		e.Column += len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
	}
	e.Line += line
	e.Offset += by
	return e
}

// parse returns the tree of an expression as it was written, for a trace.
func (c *exprCompiler) parse(text string) (ast.Node, error) {
	config := conf.CreateNew()
	for _, o := range c.options {
		o(config)
	}
	config.Check()
	tree, err := parser.ParseWithConfig(text, config)
	if err != nil {
		return nil, placed(text, err)
	}
	return tree.Node, nil
}

package rules

import (
	"context"
	"encoding/json"

	"github.com/expr-lang/expr/ast"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

const (
	mostSteps = 1000
	mostShown = 1 << 10
	mostTimes = 10 // the budget of one evaluation
)

// trace evaluates the rule on a message, and what its expressions consist of one by one.
func (p *exprProgram) trace(ctx context.Context, m *actions.Message, texts []string) (sql.Trace, error) {
	r := (&exprPlan{programs: []*exprProgram{p}}).begin(m, nil).(*exprRun)
	defer r.End()
	var t sql.Trace
	passed := true
	if p.where != nil {
		v, err := r.evaluate(p.where, p.c)
		passed = err == nil && v == true
		if err := r.steps(p.c, &t, "WHERE", p.e.Where); err != nil {
			return t, err
		}
	}
	if passed && p.choose != nil {
		if err := r.steps(p.c, &t, "SELECT", p.e.Select); err != nil {
			return t, err
		}
	}
	t.Result, t.Err = r.Eval(ctx, 0)
	for _, text := range texts {
		tpl, err := p.template(text, false)
		if err != nil {
			return t, err
		}
		rendered := sql.Rendered{Template: text}
		rendered.Text, rendered.Undefined, rendered.Err = r.Text(ctx, 0, tpl)
		t.Texts = append(t.Texts, rendered)
	}
	t.Output = append([]byte(nil), t.Output...)
	return t, nil
}

// steps evaluates the parts of an expression, inner ones first. Those that need the
// element of a loop or a variable are left to the whole, and so are those that there is no
// time for: each part does again what the parts in it did.
func (r *exprRun) steps(c *exprCompiler, t *sql.Trace, clause, text string) error {
	root, err := c.parse(text)
	if err != nil {
		return err
	}
	for _, n := range parts(nil, root) {
		if len(t.Steps) == mostSteps || r.spent/mostTimes > int(min(c.steps, mostBudget)) {
			break
		}
		code, err := c.compile(n.String())
		if err != nil {
			continue // it means something only where it stands
		}
		place := placedAt(text, n.Location().From)
		s := sql.Step{Clause: clause, Expression: code.text, Line: place.Line, Column: place.Column}
		v, err := r.evaluate(code, c)
		if err != nil {
			s.Kind, s.Value = "Error", clipped(err.Error())
		} else {
			s.Kind = kindOf(v)
			if b, err := r.encode(nil, v); err == nil && v != nil {
				s.Value = clipped(string(b))
			}
		}
		t.Steps = append(t.Steps, s)
	}
	return nil
}

// parts lists a tree from the leaves up, without constants.
func parts(list []ast.Node, n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		list = parts(list, n.Node)
	case *ast.BinaryNode:
		list = parts(parts(list, n.Left), n.Right)
	case *ast.ChainNode:
		return append(parts(list, n.Node), n)
	case *ast.MemberNode:
		return append(list, n)
	case *ast.CallNode:
		for _, a := range n.Arguments {
			list = parts(list, a)
		}
	case *ast.BuiltinNode:
		for _, a := range n.Arguments {
			list = parts(list, a)
		}
	case *ast.ConditionalNode:
		list = parts(parts(parts(list, n.Cond), n.Exp1), n.Exp2)
	case *ast.ArrayNode:
		for _, e := range n.Nodes {
			list = parts(list, e)
		}
	case *ast.MapNode:
		for _, e := range n.Pairs {
			list = parts(list, e.(*ast.PairNode).Value)
		}
	case *ast.IdentifierNode, *ast.SliceNode, *ast.VariableDeclaratorNode, *ast.SequenceNode:
	default:
		return list // constants, and what stands in a loop
	}
	return append(list, n)
}

// kindOf names a type as SQL does.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "Undefined"
	case bool:
		return "Boolean"
	case int, int64:
		return "Int"
	case float64, json.Number:
		return "Decimal"
	case string, []byte:
		return "String"
	case map[string]any:
		return "Object"
	}
	return "Array"
}

func clipped(s string) string {
	if len(s) <= mostShown {
		return s
	}
	return s[:mostShown] + "..."
}

package rules

import (
	"reflect"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/file"
)

// ledgerName is the name under which an evaluation's ledger is passed to functions.
// Expressions cannot mention it.
const ledgerName = "$ledger"

// shortText is how long a text is that is compared in one step.
const shortText = 64

// An exprBudget looks at each node of an expression, its children first, and puts
// functions in the place of what may be much work or make much: they charge the ledger of
// the evaluation before they do it. What is outside of loops and has no texts or arrays to
// look at is bounded by the number of nodes, and stays as it is.
type exprBudget struct {
	err *file.Error // the first one
}

// Visit implements ast.Visitor.
func (b *exprBudget) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, "$") && b.err == nil {
			b.err = &file.Error{Location: n.Location(), Message: "unknown name " + n.Value}
		}
	case *ast.MemberNode:
		if wide(n.Property) {
			n.Property = priceText(n.Property, 1) // which is hashed
		}
	case *ast.PairNode:
		if wide(n.Key) {
			n.Key = priceText(n.Key, 1)
		}
	case *ast.CallNode:
		for i, arg := range n.Arguments {
			if wide(arg) {
				n.Arguments[i] = call("$all", arg, arg.Type(), arg)
			}
		}
	case *ast.BuiltinNode:
		b.builtin(node, n)
	case *ast.BinaryNode:
		b.binary(node, n)
	}
}

// zoneSteps is what it costs to look for a time zone, which may be a file.
const zoneSteps = 2000

func (b *exprBudget) builtin(node *ast.Node, n *ast.BuiltinNode) {
	switch i, ok := builtin.Index[n.Name]; {
	case len(n.Arguments) == 0 || !ok:
	case builtin.Builtins[i].Predicate:
		steps := 2 // the loop itself
		for _, arg := range n.Arguments[1:] {
			if p, ok := arg.(*ast.PredicateNode); ok {
				steps += nodesOf(p.Node)
				if (n.Name == "sortBy" || n.Name == "groupBy") && wide(p.Node) {
					p.Node = priceText(p.Node, 8) // which is compared with others, or hashed
				}
			}
		}
		n.Arguments[0] = call("$each", n, n.Arguments[0].Type(), n.Arguments[0], &ast.IntegerNode{Value: steps})
	case prices[n.Name] != nil:
		*node = call("$"+n.Name, n, n.Type(), n.Arguments...)
	case n.Name == "date" || n.Name == "timezone":
		// These stay themselves, because a time zone must keep its type.
		last := len(n.Arguments) - 1
		for i, arg := range n.Arguments {
			switch {
			case i == last && (i == 2 || n.Name == "timezone"):
				n.Arguments[i] = priceText(arg, zoneSteps)
			case wide(arg):
				n.Arguments[i] = priceText(arg, 8)
			}
		}
	}
}

func (b *exprBudget) binary(node *ast.Node, n *ast.BinaryNode) {
	both := wide(n.Left) && wide(n.Right)
	switch n.Operator {
	case "==", "!=", "<", "<=", ">", ">=":
		if both {
			*node = call("$"+n.Operator, n, n.Type(), n.Left, n.Right)
		}
	case "+":
		// A text that is a constant may be added to again and again.
		if textual(n.Left) && textual(n.Right) {
			*node = call("$+", n, n.Type(), n.Left, n.Right)
		}
	case "in":
		if !shortList(n.Right) {
			*node = call("$in", n, n.Type(), n.Left, n.Right)
		}
	case "matches":
		if pattern, ok := n.Right.(*ast.StringNode); ok {
			// 8, because a step is for so many bytes that are only looked at.
			n.Left = priceText(n.Left, textStep*(1+patternSize(pattern.Value)/32))
		} else {
			*node = call("$matches", n, n.Type(), n.Left, n.Right)
		}
	case "contains":
		for _, side := range [...]*ast.Node{&n.Left, &n.Right} {
			if wide(*side) {
				*side = priceText(*side, 1)
			}
		}
	case "startsWith", "endsWith":
		if wide(n.Right) {
			n.Right = priceText(n.Right, 1)
		}
	}
}

// textual reports whether a node may be a text, or have texts in it.
func textual(n ast.Node) bool {
	t := n.Type()
	if t == nil {
		return true
	}
	switch t.Kind() { //nolint:exhaustive // all others have no text in them
	case reflect.Interface, reflect.Map, reflect.Slice, reflect.Array, reflect.String, reflect.Invalid:
		return true
	}
	return false
}

// wide reports whether it may take more than a step to look at what a node is.
func wide(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.NilNode, *ast.PredicateNode:
		return false
	case *ast.StringNode:
		return len(n.Value) > shortText
	}
	return textual(n)
}

// shortList reports whether a node is a list of constants that are compared in a step.
func shortList(n ast.Node) bool {
	array, ok := n.(*ast.ArrayNode)
	if !ok {
		return false
	}
	for _, e := range array.Nodes {
		if wide(e) {
			return false
		}
	}
	return true
}

// priceText is a node that costs n times its text.
func priceText(node ast.Node, n int) ast.Node {
	return call("$text", node, node.Type(), node, &ast.IntegerNode{Value: n})
}

// call is a call of one of our functions in the place of a node.
func call(name string, in ast.Node, t reflect.Type, args ...ast.Node) ast.Node {
	n := &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: name},
		Arguments: append([]ast.Node{&ast.IdentifierNode{Value: ledgerName}}, args...),
	}
	n.SetLocation(in.Location())
	n.SetType(t)
	return n
}

// A nodeCounter counts nodes.
type nodeCounter int

func (c *nodeCounter) Visit(*ast.Node) { *c++ }

func nodesOf(n ast.Node) int {
	var c nodeCounter
	ast.Walk(&n, &c)
	return int(c)
}

package shadow

import (
	"fmt"
	"reflect"
	"regexp/syntax"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// ledgerName is the name under which an evaluation's ledger is passed to functions.
// Conditions cannot mention it.
const ledgerName = "$ledger"

// The bounds of a regular expression, whose work is their product for each byte.
const (
	longestPattern = 256
	mostPattern    = 1000 // instructions
)

// functions are those that conditions may call. The others can make much of little, read
// the disk, or are of no use for a question.
var functions = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(`abs all any ceil count date duration filter find findIndex findLast findLastIndex first float floor
		hasPrefix hasSuffix indexOf int keys last lastIndexOf len lower map max mean median min none one round string sum trim
		trimPrefix trimSuffix type upper values`) {
		m[name] = true
	}
	return m
}()

// A language looks at each node of a condition, its children first. It refuses what
// conditions do not have, and puts functions of ours in the place of what must be exact
// or may be much work.
type language struct {
	text []rune
	err  *file.Error // the first one
	uses map[string]bool
}

func (l *language) refuse(n ast.Node, format string, args ...any) {
	if l.err == nil {
		l.err = &file.Error{Location: n.Location(), Message: fmt.Sprintf(format, args...)}
	}
}

// Visit implements ast.Visitor.
func (l *language) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, "$") {
			l.refuse(n, "unknown name %s", n.Value)
		}
		l.uses[n.Value] = true
	case *ast.FloatNode:
		l.float(node, n)
	case *ast.UnaryNode:
		if c, ok := n.Node.(*ast.ConstantNode); ok && n.Operator == "-" {
			if v, ok := c.Value.(bigNumber); ok {
				l.constant(node, v.negated())
			}
		}
	case *ast.VariableDeclaratorNode:
		l.refuse(n, "conditions have no variables")
	case *ast.SequenceNode:
		l.refuse(n, "a condition is one expression")
	case *ast.BytesNode:
		l.refuse(n, "conditions have no bytes")
	case *ast.BuiltinNode:
		l.builtin(n)
	case *ast.BinaryNode:
		l.binary(node, n)
	}
}

// float keeps a number that float64 does not hold as it is written.
func (l *language) float(node *ast.Node, n *ast.FloatNode) {
	from, to := n.Location().From, n.Location().To
	if from < 0 || from > to || to > len(l.text) {
		return
	}
	written := strings.ReplaceAll(string(l.text[from:to]), "_", "")
	if v, ok := numberOf([]byte(written)).(bigNumber); ok {
		l.constant(node, v)
	}
}

func (l *language) constant(node *ast.Node, v bigNumber) {
	ast.Patch(node, &ast.ConstantNode{Value: v})
	(*node).SetType(numberType)
}

func (l *language) builtin(n *ast.BuiltinNode) {
	switch {
	case !functions[n.Name]:
		l.refuse(n, "conditions have no function %s", n.Name)
		return
	case n.Name == "date" && len(n.Arguments) > 2:
		l.refuse(n, "date takes no time zone here")
		return
	}
	for i, arg := range n.Arguments {
		switch {
		case i+1 < len(n.Arguments) && isPredicate(n.Arguments[i+1]):
			n.Arguments[i] = call("$each", arg, anyType, arg, &ast.IntegerNode{Value: nodesOf(n.Arguments[i+1])})
		case !isPredicate(arg):
			n.Arguments[i] = weighed(arg)
		}
	}
}

func (l *language) binary(node *ast.Node, n *ast.BinaryNode) {
	left, right := n.Left.Type(), n.Right.Type()
	switch n.Operator {
	case "==", "!=", "<", "<=", ">", ">=":
		if vague(left) || vague(right) || isNumber(left) && isNumber(right) && (left != right || left == numberType) {
			*node = call("$"+n.Operator, n, boolType, n.Left, n.Right)
		}
	case "in":
		if vague(right) {
			*node = call("$in", n, boolType, n.Left, n.Right)
		}
	case "+":
		if vague(left) || vague(right) || left.Kind() == reflect.String {
			*node = call("$+", n, n.Type(), n.Left, n.Right)
		}
	case "matches":
		pattern, ok := n.Right.(*ast.StringNode)
		if !ok {
			l.refuse(n.Right, "matches takes a constant pattern here")
			return
		}
		size := patternSize(pattern.Value)
		if size > mostPattern {
			l.refuse(n.Right, "the pattern is too large")
			return
		}
		n.Left = call("$text", n.Left, n.Left.Type(), n.Left, &ast.IntegerNode{Value: 1 + size/32})
	case "contains", "startsWith", "endsWith":
		n.Left, n.Right = weighed(n.Left), weighed(n.Right)
	case "..":
		l.refuse(n, "conditions have no operator ..")
	}
}

// patternSize is how many instructions a regular expression has; 0 if it is none, which
// the checker says.
func patternSize(pattern string) int {
	if len(pattern) > longestPattern {
		return mostPattern + 1
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0
	}
	return len(prog.Inst)
}

var (
	anyType    = reflect.TypeFor[any]()
	boolType   = reflect.TypeFor[bool]()
	numberType = reflect.TypeFor[bigNumber]()
)

// vague reports whether values of a type may be or hold numbers of any kind.
func vague(t reflect.Type) bool {
	return t.Kind() == reflect.Interface || t.Kind() == reflect.Map || t.Kind() == reflect.Slice
}

func isNumber(t reflect.Type) bool {
	return t.Kind() == reflect.Int || t.Kind() == reflect.Float64 || t == numberType
}

func isPredicate(n ast.Node) bool {
	_, ok := n.(*ast.PredicateNode)
	return ok
}

// weighed is a node whose value is counted by its size, if it may have one.
func weighed(n ast.Node) ast.Node {
	if t := n.Type(); vague(t) || t.Kind() == reflect.String {
		return call("$size", n, t, n)
	}
	return n
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

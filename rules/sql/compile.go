package sql

import (
	"sort"
	"strings"
)

type (
	// An expr is a compiled expression.
	expr func(r *Run) Value
	// A test is a compiled condition: whether it is true.
	test func(r *Run) bool
)

// A compiler makes closures of a syntax tree. Its methods panic with an *Error.
type compiler struct {
	*Statement
	options Options
	scope   *scope
	traced  bool
	numbers map[string]int // of variables, by their names
}

// A scope is what names mean: the fields of the message, or of an element of a nested
// query.
type scope struct {
	top     bool
	paths   [][]string
	numbers map[string]int // of the paths, by their names with dots
}

// path returns the number of a path.
func (s *scope) path(keys []string) int {
	name := strings.Join(keys, ".")
	i, there := s.numbers[name]
	if !there {
		if s.numbers == nil {
			s.numbers = map[string]int{}
		}
		i = len(s.paths)
		s.numbers[name] = i
		s.paths = append(s.paths, keys)
	}
	return i
}

// newCompiler checks options and fills in their defaults.
func newCompiler(source string, o Options) (*compiler, error) {
	switch o.Version {
	case "":
		o.Version = V2016
	case V2015, V2016, Beta:
	default:
		return nil, errorAt(source, 0, "the SQL version is %q, expected %s, %s or %s", o.Version, V2016, V2015, Beta)
	}
	if o.Account == "" {
		o.Account = "000000000000"
	}
	s := &Statement{source: source, version: o.Version, whole: o.Version != V2015, account: o.Account, limits: o.Externals.withDefaults()}
	return &compiler{Statement: s, options: o, scope: &scope{top: true}}, nil
}

func compile(source string, o Options, traced bool) (s *Statement, err error) {
	c, err := newCompiler(source, o)
	if err != nil {
		return nil, err
	}
	c.traced = traced
	if c.ast, err = parse(source); err != nil {
		return nil, err
	}
	defer catch(&err)
	c.statement(c.ast)
	c.paths = c.scope.paths
	c.alone = NewPlan(c.Statement)
	return c.Statement, nil
}

// fail ends compiling.
func (c *compiler) fail(at int, format string, args ...any) {
	panic(errorAt(c.source, at, format, args...))
}

// since2016 refuses what the version of the statement does not have.
func (c *compiler) since2016(at int, what string) {
	if c.version == V2015 {
		c.fail(at, "%s needs SQL version %s, this is %s", what, V2016, V2015)
	}
}

func (c *compiler) statement(s *statement) {
	c.filter, c.hasFrom = s.filter, s.hasFrom
	for _, a := range s.set {
		c.since2016(a.value.at(), "SET")
		e := c.expr(a.value)
		c.names = append(c.names, a.name)
		c.set = append(c.set, e)
	}
	if s.where != nil {
		c.where = c.test(s.where)
	}
	c.output = c.topSelection(&s.selection)
	c.passesAll = s.where == nil && len(c.set) == 0 && len(s.selection.items) == 1 && s.selection.items[0].star
}

// expr compiles an expression.
func (c *compiler) expr(n node) expr {
	e := c.plain(n)
	if c.traced {
		return c.traceOf(n, e)
	}
	return e
}

func (c *compiler) plain(n node) expr {
	switch n := n.(type) {
	case *literal:
		v := constant(n.value, c.whole)
		return func(*Run) Value { return v }
	case *path:
		i := c.scope.path(n.keys)
		return func(r *Run) Value { return r.field(i) }
	case *variable:
		return c.variable(n)
	case *memberOf:
		of, key := c.expr(n.of), n.key
		return func(r *Run) Value { return r.member(of(r), key) }
	case *index:
		of, key := c.expr(n.of), c.expr(n.key)
		return func(r *Run) Value { return r.element(of(r), key(r)) }
	case star:
		top := c.scope.top
		return func(r *Run) Value { return r.star(top) }
	case *unary:
		return c.unary(n)
	case *operation:
		return c.binary(n)
	case *isNothing:
		of, not := c.expr(n.of), n.not
		return func(r *Run) Value {
			v := of(r)
			if v.kind == Undefined {
				return undefined
			}
			return boolean((v.kind == Null) != not)
		}
	case *membership:
		return c.membership(n)
	case *between:
		return c.between(n)
	case *like:
		return c.like(n)
	case *list:
		return c.list(n)
	case *object:
		return c.object(n)
	case *call:
		return c.call(n)
	case *cast:
		return c.cast(n)
	case *choice:
		return c.choice(n)
	case *query:
		return c.query(n)
	}
	c.fail(n.at(), "this expression is not supported")
	return nil
}

// constant is the value of a literal. One with a point is a Decimal, also if it is
// whole: n / 2.0 has a fraction.
func constant(v Value, whole bool) Value {
	if !v.isNumber() {
		return v
	}
	v = computed(v)
	if whole && v.kind == Decimal && !v.big {
		return asDecimal(number(v.n, v.exp, true))
	}
	return v
}

func (c *compiler) variable(n *variable) expr {
	for i := len(c.numbers); i < len(c.names); i++ {
		if c.numbers == nil {
			c.numbers = map[string]int{}
		}
		c.numbers[c.names[i]] = i
	}
	i, there := c.numbers[n.name]
	if !there {
		want := "there is no SET"
		if len(c.names) > 0 {
			want = "SET gives " + clip(strings.Join(c.names, ", "))
		}
		c.fail(n.at(), "%s is not set before it is used: %s", clip(n.name), want)
	}
	return func(r *Run) Value { return r.vars[i] }
}

func (c *compiler) unary(n *unary) expr {
	of := c.expr(n.of)
	if !n.minus {
		return func(r *Run) Value {
			v := of(r)
			switch v.truth() {
			case yes:
				return vFalse
			case no:
				return vTrue
			case unknown:
			}
			return undefined
		}
	}
	if l, ok := n.of.(*literal); ok && l.value.isNumber() {
		v := negate(l.value, c.whole)
		return func(*Run) Value { return v }
	}
	return func(r *Run) Value { return negate(of(r), r.whole) }
}

// negate returns -v.
func negate(v Value, whole bool) Value {
	v = v.toNumber(whole)
	if !v.isNumber() {
		return undefined
	}
	if v.big || v.n == -1<<63 {
		return ofDecimal(v.decimal().Neg(), whole)
	}
	v.n, v.verbatim, v.s = -v.n, false, ""
	return v
}

func (c *compiler) binary(n *operation) expr {
	a, b, op := c.expr(n.a), c.expr(n.b), n.op
	switch op {
	case opAnd:
		return func(r *Run) Value {
			v, w := a(r), b(r)
			x, y := v.truth(), w.truth()
			if x == unknown || y == unknown {
				return undefined
			}
			return boolean(x == yes && y == yes)
		}
	case opOr:
		return func(r *Run) Value {
			v, w := a(r), b(r)
			x, y := v.truth(), w.truth()
			if x == unknown || y == unknown {
				return undefined
			}
			return boolean(x == yes || y == yes)
		}
	case opEqual:
		return func(r *Run) Value { return equal(a(r), b(r)) }
	case opUnequal:
		return func(r *Run) Value {
			v := equal(a(r), b(r))
			if v.kind == Boolean {
				v.n ^= 1
			}
			return v
		}
	case opLess, opLessEqual, opGreater, opGreaterEqual:
		return func(r *Run) Value { return order(op, a(r), b(r), r.whole) }
	default:
		return func(r *Run) Value { return r.calculate(op, a(r), b(r), r.whole) }
	}
}

func (c *compiler) membership(n *membership) expr {
	of, items, not := c.expr(n.of), c.exprs(n.items), n.not
	return func(r *Run) Value {
		v := of(r)
		if v.kind == Undefined {
			return undefined
		}
		for _, e := range items {
			if w := equal(v, e(r)); w.n != 0 {
				return boolean(!not)
			}
		}
		return boolean(not)
	}
}

func (c *compiler) between(n *between) expr {
	of, low, high, not := c.expr(n.of), c.expr(n.low), c.expr(n.high), n.not
	return func(r *Run) Value {
		v := of(r)
		x, y := order(opGreaterEqual, v, low(r), r.whole), order(opLessEqual, v, high(r), r.whole)
		if x.kind == Undefined || y.kind == Undefined {
			return undefined
		}
		return boolean((x.n != 0 && y.n != 0) != not)
	}
}

func (c *compiler) exprs(nodes []node) []expr {
	list := make([]expr, len(nodes))
	for i, n := range nodes {
		list[i] = c.expr(n)
	}
	return list
}

func (c *compiler) list(n *list) expr {
	c.since2016(n.at(), "an array literal")
	items := c.exprs(n.items)
	return func(r *Run) Value {
		b := append(r.borrow(), '[')
		for _, e := range items {
			v := e(r)
			if v.kind == Undefined {
				continue
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			if b = v.appendJSON(b); r.enough(b) {
				break
			}
		}
		return Value{kind: Array, s: r.keep(append(b, ']'))}
	}
}

func (c *compiler) object(n *object) expr {
	c.since2016(n.at(), "an object literal")
	values := c.exprs(n.values)
	keys := make([]string, len(n.keys))
	seen := make(map[string]bool, len(n.keys))
	for i, k := range n.keys {
		if seen[k] {
			c.fail(n.values[i].at(), "the key '%s' is there twice", clip(k))
		}
		seen[k] = true
		keys[i] = string(appendQuoted(nil, k)) + ":"
	}
	return func(r *Run) Value {
		b := append(r.borrow(), '{')
		for i, e := range values {
			v := e(r)
			if v.kind == Undefined {
				continue
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			if b = v.appendJSON(append(b, keys[i]...)); r.enough(b) {
				break
			}
		}
		return Value{kind: Object, s: r.keep(append(b, '}'))}
	}
}

func (c *compiler) choice(n *choice) expr {
	whens, thens := c.exprs(n.whens), c.exprs(n.thens)
	otherwise := func(*Run) Value { return undefined }
	if n.otherwise != nil {
		otherwise = c.expr(n.otherwise)
	}
	if n.of == nil {
		return func(r *Run) Value {
			for i, when := range whens {
				if v := when(r); v.truth() == yes {
					return thens[i](r)
				}
			}
			return otherwise(r)
		}
	}
	of := c.expr(n.of)
	return func(r *Run) Value {
		v := of(r)
		if v.kind == Undefined {
			return undefined
		}
		for i, when := range whens {
			if w := equal(v, when(r)); w.n != 0 {
				return thens[i](r)
			}
		}
		return otherwise(r)
	}
}

// nearest returns the name that is most like a misspelt one, "" if none is.
func nearest(name string, names []string) string {
	if len(name) > maxVariable {
		return ""
	}
	best, least := "", 3
	sort.Strings(names)
	for _, n := range names {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters must be changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

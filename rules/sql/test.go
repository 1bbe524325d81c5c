package sql

// test compiles a condition: only true counts, so an AND need not look at its right
// side when the left one is not true. What rules ask for most is compared without
// making a value of the field.
func (c *compiler) test(n node) test {
	b, ok := n.(*operation)
	if !ok || c.traced {
		return c.truthOf(n)
	}
	f, isPath := b.a.(*path)
	l, isLiteral := b.b.(*literal)
	switch {
	case b.op == opAnd:
		x, y := c.test(b.a), c.test(b.b)
		return func(r *Run) bool { return x(r) && y(r) }
	case !isPath || !isLiteral:
		return c.truthOf(n)
	case b.op >= opLess && b.op <= opGreaterEqual && l.value.kind == Int && !l.value.big:
		return fieldOrdered(b.op, c.scope.path(f.keys), l.value)
	case b.op == opEqual && l.value.kind == String:
		return fieldIs(c.scope.path(f.keys), l.value.s)
	}
	return c.truthOf(n)
}

// truthOf is test for any expression.
func (c *compiler) truthOf(n node) test {
	e := c.expr(n)
	return func(r *Run) bool { v := e(r); return v.truth() == yes }
}

// fieldOrdered is field < constant and the like.
func fieldOrdered(op operator, field int, limit Value) test {
	return func(r *Run) bool {
		s := &r.slots[r.at[field]]
		switch s.kind {
		case slotInt:
			return ordered(op, compareInts(s.n, limit.n))
		case slotFraction:
			if m, ok := scale(limit.n, -s.exp); ok {
				return ordered(op, compareInts(s.n, m))
			}
		default:
		}
		v := order(op, r.field(field), limit, r.whole)
		return v.n != 0
	}
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// fieldIs is field = 'text'.
func fieldIs(field int, want string) test {
	return func(r *Run) bool {
		s := &r.slots[r.at[field]]
		switch s.kind {
		case slotString:
			return r.text[s.from:s.to] == want
		case slotEscaped:
			v := r.field(field)
			return v.s == want
		default:
			return false
		}
	}
}

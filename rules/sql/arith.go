package sql

import (
	"math"
	"math/bits"
	"strings"

	"github.com/thinghub/thinghub/internal/decimal"
)

// An operator of two values.
type operator uint8

const (
	opAdd operator = iota
	opSub
	opMul
	opDiv
	opRem
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opEqual
	opUnequal
	opAnd
	opOr
	opIn
	opLike
)

var operatorNames = [...]string{"+", "-", "*", "/", "%", "<", "<=", ">", ">=", "=", "<>", "AND", "OR", "IN", "LIKE"}

func (o operator) String() string { return operatorNames[o] }

// arithmetic is - * / % and + of numbers. Only two Ints make an Int: 1.5 * 2 is a
// Decimal that is written 3, and half of it is 1.5.
func arithmetic(op operator, a, b Value, whole bool) Value {
	bothInt := a.kind == Int && b.kind == Int
	if !a.big && !b.big {
		if bothInt {
			if n, ok := intArithmetic(op, a.n, b.n); ok {
				return n
			}
		} else if n, exp, ok := scaledArithmetic(op, &a, &b); ok {
			return asDecimal(number(n, exp, whole))
		}
	}
	v := bigArithmetic(op, a.decimal(), b.decimal(), bothInt, whole)
	if !bothInt {
		v = asDecimal(v)
	}
	return v
}

// intArithmetic reports false where an int64 does not do.
func intArithmetic(op operator, a, b int64) (Value, bool) {
	switch op {
	case opAdd:
		c := a + b
		return integer(c), (c > a) == (b > 0)
	case opSub:
		c := a - b
		return integer(c), (c < a) == (b > 0)
	case opMul:
		c, ok := multiply(a, b)
		return integer(c), ok
	case opDiv:
		if b == 0 {
			return undefined, true
		}
		return integer(a / b), a != math.MinInt64
	case opRem:
		if b == 0 {
			return undefined, true
		}
		return integer(a % b), a != math.MinInt64
	default:
		return undefined, false
	}
}

func multiply(a, b int64) (int64, bool) {
	if a == math.MinInt64 || b == math.MinInt64 {
		return 0, false
	}
	high, low := bits.Mul64(uint64(magnitude(a)), uint64(magnitude(b)))
	if high != 0 || low > math.MaxInt64 {
		return 0, false
	}
	if (a < 0) != (b < 0) {
		return -int64(low), true
	}
	return int64(low), true
}

func magnitude(a int64) int64 {
	if a < 0 {
		return -a
	}
	return a
}

// scaledArithmetic is + - * % where the result is exact in an int64.
func scaledArithmetic(op operator, a, b *Value) (n int64, exp int32, ok bool) {
	if op == opMul {
		n, ok = multiply(a.n, b.n)
		return n, a.exp + b.exp, ok
	}
	if op == opDiv {
		return 0, 0, false
	}
	x, y, exp, ok := sameScale(a, b)
	if !ok || op == opRem && y == 0 {
		return 0, 0, false
	}
	v, ok := intArithmetic(op, x, y)
	return v.n, exp, ok
}

// sameScale brings two numbers to the smaller of their exponents, if that is possible
// in an int64.
func sameScale(a, b *Value) (x, y int64, exp int32, ok bool) {
	x, y = a.n, b.n
	if a.exp == b.exp {
		return x, y, a.exp, true
	}
	if a.exp > b.exp {
		x, ok = scale(x, a.exp-b.exp)
		return x, y, b.exp, ok
	}
	y, ok = scale(y, b.exp-a.exp)
	return x, y, a.exp, ok
}

func scale(n int64, by int32) (int64, bool) {
	if by > 18 {
		return 0, n == 0
	}
	return multiply(n, intPowers[by])
}

// intPowers are the powers of ten that fit.
var intPowers = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

func bigArithmetic(op operator, a, b decimal.Decimal, bothInt, whole bool) Value {
	var c decimal.Decimal
	var ok bool
	switch op {
	case opAdd:
		c, ok = a.Add(b)
	case opSub:
		c, ok = a.Sub(b)
	case opMul:
		c, ok = a.Mul(b)
	case opDiv:
		if bothInt {
			c, ok = a.QuoInt(b)
		} else {
			c, ok = a.Quo(b)
		}
	case opRem:
		c, ok = a.Rem(b)
	default:
	}
	if !ok {
		return undefined
	}
	return ofDecimal(c, whole)
}

// compareNumbers returns -1, 0 or 1.
func compareNumbers(a, b *Value) int {
	if !a.big && !b.big {
		if x, y, _, ok := sameScale(a, b); ok {
			return compareInts(x, y)
		}
	}
	return a.decimal().Cmp(b.decimal())
}

// order is < <= > >= : both sides as numbers.
func order(op operator, a, b Value, whole bool) Value {
	a, b = a.toNumber(whole), b.toNumber(whole)
	if !a.isNumber() || !b.isNumber() {
		return undefined
	}
	return boolean(ordered(op, compareNumbers(&a, &b)))
}

func ordered(op operator, c int) bool {
	switch op {
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	case opGreater:
		return c > 0
	default:
		return c >= 0
	}
}

// calculate is + - * / % of any values.
func (r *Run) calculate(op operator, a, b Value, whole bool) Value {
	if a.isNumber() && b.isNumber() {
		return arithmetic(op, a, b, whole)
	}
	if a.kind != String && b.kind != String {
		return undefined
	}
	if op == opAdd {
		s, ok1 := r.toText(a)
		t, ok2 := r.toText(b)
		if !ok1 || !ok2 {
			return undefined
		}
		return text(r.join(s, t))
	}
	a, b = a.toNumber(whole), b.toNumber(whole)
	if !a.isNumber() || !b.isNumber() {
		return undefined
	}
	// A String beside an Int makes a Decimal: '7' / 2 has a fraction.
	return arithmetic(op, asDecimal(a), asDecimal(b), whole)
}

// asDecimal makes a Decimal of an Int: a division of it keeps the fraction.
func asDecimal(v Value) Value {
	if v.kind == Int {
		v.kind = Decimal
	}
	return v
}

// equal is = : without conversions; false for different types.
func equal(a, b Value) Value {
	switch {
	case a.kind == Undefined || b.kind == Undefined:
		return undefined
	case a.isNumber() && b.isNumber():
		return boolean(compareNumbers(&a, &b) == 0)
	case a.kind != b.kind:
		return vFalse
	case a.kind == Array || a.kind == Object:
		return boolean(sameJSON(a.s, b.s))
	case a.kind == Boolean:
		return boolean(a.n == b.n)
	case a.kind == String, a.kind == Decimal: // a Decimal that nobody can compute with
		return boolean(a.s == b.s)
	}
	return vTrue // Null
}

// A truth is what logic makes of a value.
type truth uint8

const (
	unknown truth = iota
	no
	yes
)

// truth converts for AND, OR, NOT and WHERE.
func (v *Value) truth() truth {
	switch {
	case v.kind == Boolean:
		return no + truth(v.n)
	case v.kind != String:
		return unknown
	case strings.EqualFold(v.s, "true"):
		return yes
	case strings.EqualFold(v.s, "false"):
		return no
	}
	return unknown
}

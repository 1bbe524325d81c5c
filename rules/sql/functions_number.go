package sql

import (
	"math"

	"github.com/thinghub/thinghub/internal/decimal"
)

// The functions of numbers. Those that are computed in double precision are marked so.
var _ = register(map[string]*builtin{
	"abs":   {min: 1, max: 1, f1: ofNumber(absolute)},
	"ceil":  {min: 1, max: 1, f1: rounding(decimal.Ceil)},
	"floor": {min: 1, max: 1, f1: rounding(decimal.Floor)},
	"round": {min: 1, max: 1, f1: rounding(decimal.HalfUp)},
	"sign": {min: 1, max: 1, f1: ofNumber(func(_ *Run, v Value) Value {
		zero := integer(0)
		return integer(int64(compareNumbers(&v, &zero)))
	})},
	"trunc":     {min: 2, max: 2, f2: truncate},
	"mod":       {min: 2, max: 2, f2: remainder},
	"remainder": {min: 2, max: 2, f2: remainder},

	"acos":  {min: 1, max: 1, f1: double(math.Acos)},
	"asin":  {min: 1, max: 1, f1: double(math.Asin)},
	"atan":  {min: 1, max: 1, f1: double(math.Atan)},
	"cos":   {min: 1, max: 1, f1: double(math.Cos)},
	"cosh":  {min: 1, max: 1, f1: double(math.Cosh)},
	"exp":   {min: 1, max: 1, f1: double(math.Exp)},
	"ln":    {min: 1, max: 1, f1: double(math.Log)},
	"log":   {min: 1, max: 1, f1: double(math.Log10)},
	"sin":   {min: 1, max: 1, f1: double(math.Sin)},
	"sinh":  {min: 1, max: 1, f1: double(math.Sinh)},
	"sqrt":  {min: 1, max: 1, f1: double(math.Sqrt)},
	"tan":   {min: 1, max: 1, f1: double(math.Tan)},
	"tanh":  {min: 1, max: 1, f1: double(math.Tanh)},
	"atan2": {min: 2, max: 2, f2: double2(math.Atan2)},
	"power": {min: 2, max: 2, f2: double2(math.Pow)},

	"bitand": {min: 2, max: 2, f2: bitwise(func(a, b int64) int64 { return a & b })},
	"bitor":  {min: 2, max: 2, f2: bitwise(func(a, b int64) int64 { return a | b })},
	"bitxor": {min: 2, max: 2, f2: bitwise(func(a, b int64) int64 { return a ^ b })},
	// The complement of all bits, as of a Java long. The published example is a view of
	// four bits: ~13 is 2 there, and -14 here.
	"bitnot": {min: 1, max: 1, f1: func(_ *Run, v Value) Value {
		n, ok := v.toInt(decimal.Floor)
		if !ok {
			return undefined
		}
		return integer(^n)
	}},
})

// ofNumber makes a function of a number one of any value: Undefined for what is none.
func ofNumber(f func(r *Run, v Value) Value) func(r *Run, v Value) Value {
	return func(r *Run, v Value) Value {
		v = v.toNumber(r.whole)
		if !v.isNumber() {
			return undefined
		}
		return f(r, v)
	}
}

func absolute(r *Run, v Value) Value {
	zero := integer(0)
	if compareNumbers(&v, &zero) >= 0 {
		return v
	}
	return negate(v, r.whole)
}

// rounding makes an Int of a number.
func rounding(way decimal.Rounding) func(r *Run, v Value) Value {
	return ofNumber(func(_ *Run, v Value) Value {
		return rounded(v, way)
	})
}

// truncate is trunc(x, places): places from 0 to 34, trailing zeroes stripped.
func truncate(r *Run, x, places Value) Value {
	x = x.toNumber(r.whole)
	n, ok := places.toInt(decimal.Floor)
	if !x.isNumber() || !ok {
		return undefined
	}
	if x.kind == Int {
		return x
	}
	n = max(0, min(n, decimal.Digits))
	return ofDecimal(x.decimal().Round(int(n), decimal.Down).Strip(), r.whole)
}

func remainder(r *Run, a, b Value) Value {
	a, b = a.toNumber(r.whole), b.toNumber(r.whole)
	if !a.isNumber() || !b.isNumber() {
		return undefined
	}
	return arithmetic(opRem, a, b, r.whole)
}

// double makes a function of doubles one of values. What has no real result is
// Undefined.
func double(f func(float64) float64) func(r *Run, v Value) Value {
	return ofNumber(func(r *Run, v Value) Value { return ofFloat(f(v.float()), r.whole) })
}

func double2(f func(a, b float64) float64) func(r *Run, a, b Value) Value {
	return func(r *Run, a, b Value) Value {
		a, b = a.toNumber(r.whole), b.toNumber(r.whole)
		if !a.isNumber() || !b.isNumber() {
			return undefined
		}
		return ofFloat(f(a.float(), b.float()), r.whole)
	}
}

// bitwise makes a function of integers one of values, which are rounded down.
func bitwise(f func(a, b int64) int64) func(r *Run, a, b Value) Value {
	return func(_ *Run, a, b Value) Value {
		x, ok1 := a.toInt(decimal.Floor)
		y, ok2 := b.toInt(decimal.Floor)
		if !ok1 || !ok2 {
			return undefined
		}
		return integer(f(x, y))
	}
}

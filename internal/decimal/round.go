package decimal

import (
	"math/big"
	"strconv"
	"strings"
)

// A Rounding says which way a fraction goes.
type Rounding uint8

// The ways: towards zero, minus infinity, plus infinity, and to the nearest with ties
// away from zero.
const (
	Down Rounding = iota
	Floor
	Ceil
	HalfUp
)

// Round returns a with at most the given places behind the point.
func (a Decimal) Round(places int, way Rounding) Decimal {
	drop := -places - a.exp
	if drop <= 0 || a.Sign() == 0 {
		return a
	}
	if drop > 2*(MaxExp+Digits) {
		drop = 2 * (MaxExp + Digits) // all of it is fraction anyhow
	}
	div, rem := power(drop), new(big.Int)
	quo, _ := new(big.Int).QuoRem(a.value(), div, rem)
	away := false
	switch way {
	case Down:
	case Floor:
		away = rem.Sign() < 0
	case Ceil:
		away = rem.Sign() > 0
	case HalfUp:
		away = new(big.Int).Lsh(rem, 1).CmpAbs(div) >= 0
	}
	if away {
		quo.Add(quo, big.NewInt(int64(rem.Sign())))
	}
	return Decimal{quo, -places}
}

// Strip returns a without trailing zeroes behind the point.
func (a Decimal) Strip() Decimal { return a.stripTo(0) }

// stripTo removes trailing zeroes as long as the exponent is less than exp.
func (a Decimal) stripTo(exp int) Decimal {
	if a.Sign() == 0 {
		return Decimal{zero, max(a.exp, min(exp, 0))}
	}
	coef, rem := a.coef, new(big.Int)
	for a.exp < exp {
		quo, r := new(big.Int).QuoRem(coef, ten, rem)
		if r.Sign() != 0 {
			break
		}
		coef = quo
		a.exp++
	}
	return Decimal{coef, a.exp}
}

// Whole returns a as an integer: a Decimal with the exponent 0. It reports false if a
// has a fraction or more than 34 digits.
func (a Decimal) Whole() (Decimal, bool) {
	switch {
	case a.Sign() == 0:
		return Decimal{}, true
	case a.exp < 0:
		s := a.Strip()
		return s, s.exp == 0
	case a.exp == 0:
		return a, true
	case a.exp+digits(a.coef) > Digits:
		return a, false
	}
	return Decimal{new(big.Int).Mul(a.coef, power(a.exp)), 0}, true
}

// Small returns a as n × 10^exp if n fits.
func (a Decimal) Small() (n int64, exp int, ok bool) {
	v := a.value()
	return v.Int64(), a.exp, v.IsInt64()
}

// Float returns the nearest double.
func (a Decimal) Float() float64 {
	f, _ := strconv.ParseFloat(a.value().String()+"e"+strconv.Itoa(a.exp), 64)
	return f
}

// String returns the number as Append writes it.
func (a Decimal) String() string { return string(a.Append(nil)) }

// Append appends the number: as digits with a point, or with an exponent if it is very
// small or has zeroes that say nothing, as java.math.BigDecimal does.
func (a Decimal) Append(dst []byte) []byte {
	if a.Sign() < 0 {
		dst = append(dst, '-')
	}
	return AppendDigits(dst, new(big.Int).Abs(a.value()).String(), a.exp)
}

// AppendDigits appends digits × 10^exp in the form of Append.
func AppendDigits(dst []byte, digits string, exp int) []byte {
	top := exp + len(digits) - 1
	switch {
	case exp == 0:
		return append(dst, digits...)
	case exp < 0 && top >= -6:
		point := len(digits) + exp
		if point <= 0 {
			dst = append(append(dst, "0."...), strings.Repeat("0", -point)...)
			return append(dst, digits...)
		}
		dst = append(append(dst, digits[:point]...), '.')
		return append(dst, digits[point:]...)
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	dst = append(dst, 'E')
	if top >= 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(top), 10)
}

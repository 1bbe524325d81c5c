package sql

import (
	"math"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/internal/decimal"
)

func (c *compiler) cast(n *cast) expr {
	of, to := c.expr(n.of), n.to
	if castTypes[n.word].since2016 {
		c.since2016(n.at(), "cast to "+n.word)
	}
	switch {
	case n.double:
		return func(r *Run) Value { return r.double(castNumber(of(r), r.whole)) }
	case to == String:
		return func(r *Run) Value {
			s, ok := r.toText(of(r))
			if !ok {
				return undefined
			}
			return text(s)
		}
	case to == Int:
		return func(r *Run) Value { return castInt(castNumber(of(r), true)) }
	case to == Decimal:
		return func(r *Run) Value { return castNumber(of(r), r.whole) }
	}
	return func(r *Run) Value {
		v := of(r)
		switch {
		case v.kind == Boolean:
			return v
		case v.isNumber():
			return boolean(v.big || v.n != 0)
		case v.kind == String && strings.EqualFold(v.s, "true"):
			return vTrue
		case v.kind == String && strings.EqualFold(v.s, "false"):
			return vFalse
		}
		return undefined
	}
}

// castNumber is toNumber with Booleans as 1 and 0.
func castNumber(v Value, whole bool) Value {
	if v.kind == Boolean {
		return integer(v.n)
	}
	return v.toNumber(whole)
}

// castInt rounds down.
func castInt(v Value) Value {
	if v.kind != Decimal {
		return v
	}
	return rounded(v, decimal.Floor)
}

// double makes a number that has the precision of a double.
func (r *Run) double(v Value) Value {
	if !v.isNumber() {
		return undefined
	}
	return ofFloat(v.float(), r.whole)
}

// ofFloat makes a value of a double: the shortest text that reads as the same one.
// Infinities and NaN are Undefined.
func ofFloat(f float64, whole bool) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return undefined
	}
	var b [32]byte
	s := strings.Replace(string(strconv.AppendFloat(b[:0], f, 'g', -1, 64)), "+", "", 1)
	return computed(readNumber(s, whole))
}

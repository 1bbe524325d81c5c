package sql

import "github.com/thinghub/thinghub/internal/decimal"

// rounded makes an Int of a number.
func rounded(v Value, way decimal.Rounding) Value {
	switch {
	case v.kind == Int:
		return v
	case v.big || v.exp > 0:
		return ofDecimal(v.decimal().Round(0, way), true)
	case v.exp == 0:
		return integer(v.n)
	}
	places := int(-v.exp)
	if places >= len(intPowers) { // less than 1
		if half := int64(5e18); places == len(intPowers) && way == decimal.HalfUp && (v.n >= half || v.n <= -half) {
			return integer(v.n>>63 | 1)
		}
		return integer(roundedUnit(v.n, 0, way))
	}
	unit := intPowers[places]
	n, rest := v.n/unit, v.n%unit
	return integer(n + roundedUnit(rest, unit, way))
}

// roundedUnit returns what the rest of a division by unit adds to its result: 0, 1 or -1.
// A unit of 0 is one that is much larger than the rest.
func roundedUnit(rest, unit int64, way decimal.Rounding) int64 {
	switch way {
	case decimal.Floor:
		if rest < 0 {
			return -1
		}
	case decimal.Ceil:
		if rest > 0 {
			return 1
		}
	case decimal.HalfUp:
		switch {
		case unit == 0:
		case rest >= unit-rest:
			return 1
		case -rest >= unit+rest:
			return -1
		}
	case decimal.Down:
	}
	return 0
}

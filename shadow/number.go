package shadow

import "bytes"

// equalNumbers compares two JSON numbers by value, exactly: 1, 1.0 and 10e-1 are
// equal, 9007199254740993 and 9007199254740992 are not. It takes time linear in the
// texts, however large the exponents; of numbers whose exponents have more than 18
// digits only equal texts are equal.
func equalNumbers(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if isInteger(a) && isInteger(b) { // two spellings of one have 0 alone
		return isZero(a) && isZero(b)
	}
	x, y := decimalOf(a), decimalOf(b)
	if x.zero || y.zero {
		return x.zero && y.zero
	}
	return !x.vast && !y.vast && x.negative == y.negative && x.exponent == y.exponent && equalDigits(x, y)
}

// isInteger reports that a number has neither a fraction nor an exponent.
func isInteger(s []byte) bool {
	for _, c := range s {
		if c == '.' || c|0x20 == 'e' {
			return false
		}
	}
	return true
}

// isZero reports that an integer is 0 or -0.
func isZero(s []byte) bool { return s[len(s)-1] == '0' && len(s) <= 2 && (len(s) == 1 || s[0] == '-') }

// A decimal is a number as 0.d₁d₂d₃… times ten to the exponent, where neither the
// first nor the last digit is 0. The digits are those of two texts, one after the
// other, so that a number need not be copied to lose its point.
type decimal struct {
	high, low      []byte
	exponent       int64
	negative, zero bool
	vast           bool // the exponent is out of range
}

func decimalOf(s []byte) decimal {
	var d decimal
	if s[0] == '-' {
		d.negative, s = true, s[1:]
	}
	var exponent []byte
	point, end := len(s), len(s)
	for i, c := range s {
		if c == '.' {
			point = i
		} else if c|0x20 == 'e' {
			end, exponent = i, s[i+1:]
			break
		}
	}
	d.high = s[:min(point, end)]
	if point < end {
		d.low = s[point+1 : end]
	}
	// Leading zeros: each of the fraction's, once the integer has no digits, makes
	// the exponent one less.
	d.high = bytes.TrimLeft(d.high, "0")
	d.exponent = int64(len(d.high))
	if len(d.high) == 0 {
		low := bytes.TrimLeft(d.low, "0")
		d.exponent = int64(len(low) - len(d.low))
		d.low = low
	}
	d.low = bytes.TrimRight(d.low, "0")
	if len(d.low) == 0 {
		d.high = bytes.TrimRight(d.high, "0")
	}
	d.zero = len(d.high)+len(d.low) == 0
	var e int64
	sign := int64(1)
	if len(exponent) > 0 && (exponent[0] == '-' || exponent[0] == '+') {
		if exponent[0] == '-' {
			sign = -1
		}
		exponent = exponent[1:]
	}
	exponent = bytes.TrimLeft(exponent, "0")
	d.vast = len(exponent) > 18
	if !d.vast {
		for _, c := range exponent {
			e = 10*e + int64(c-'0')
		}
	}
	d.exponent += sign * e
	return d
}

func equalDigits(x, y decimal) bool {
	if len(x.high)+len(x.low) != len(y.high)+len(y.low) {
		return false
	}
	if len(x.high) > len(y.high) {
		x, y = y, x
	}
	n := len(x.high)
	m := len(y.high) - n // how much of x's low part is in y's high part
	return bytes.Equal(x.high, y.high[:n]) && bytes.Equal(x.low[:m], y.high[n:]) && bytes.Equal(x.low[m:], y.low)
}

package shadow

// compareNumbers orders two JSON numbers by value, exactly, in time linear in the texts.
// Those whose exponents have more than 18 digits have no order.
func compareNumbers(a, b []byte) (int, bool) {
	x, y := decimalOf(a), decimalOf(b)
	if x.vast && !x.zero || y.vast && !y.zero {
		return 0, false
	}
	return x.compare(y), true
}

func (x decimal) compare(y decimal) int {
	sx, sy := x.sign(), y.sign()
	switch {
	case sx != sy:
		return compareInts(sx, sy)
	case sx == 0:
		return 0
	case x.exponent != y.exponent:
		if x.exponent > y.exponent {
			return sx
		}
		return -sx
	}
	// Neither has a zero at its end: what goes on longer is more.
	n, m := len(x.high)+len(x.low), len(y.high)+len(y.low)
	for i := range min(n, m) {
		if c := compareInts(int(x.digit(i)), int(y.digit(i))); c != 0 {
			return sx * c
		}
	}
	return sx * compareInts(n, m)
}

func (x decimal) sign() int {
	switch {
	case x.zero:
		return 0
	case x.negative:
		return -1
	}
	return 1
}

func (x decimal) digit(i int) byte {
	if i < len(x.high) {
		return x.high[i]
	}
	return x.low[i-len(x.high)]
}

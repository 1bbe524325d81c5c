package decimal

import (
	"math"
	"math/big"
)

const (
	// Digits is how many significant digits a Decimal has at most.
	Digits = 34
	// MaxExp bounds the exponent of the first digit, both ways.
	MaxExp = 999
)

// A Decimal is a number: coefficient × 10^exponent. It is immutable. The zero value is
// 0. Trailing zeroes of the coefficient are kept, so that 1.50 stays 1.50.
type Decimal struct {
	coef *big.Int // nil: 0
	exp  int
}

var (
	zero  = new(big.Int)
	one   = big.NewInt(1)
	ten   = big.NewInt(10)
	limit = power(Digits) // the first coefficient with too many digits
)

func power(n int) *big.Int { return new(big.Int).Exp(ten, big.NewInt(int64(n)), nil) }

// New returns n × 10^exp.
func New(n int64, exp int) Decimal { return Decimal{big.NewInt(n), exp} }

// Parse reads a number: an optional minus sign, digits, perhaps a point and digits,
// perhaps an exponent. It reports false for anything else, and for a number that is
// too large. Digits beyond the 34th are rounded. Its time is linear in the text.
func Parse(s string) (Decimal, bool) {
	// Two digits more than there can be tell how to round, if a third one says
	// whether any of the others is not 0.
	const enough = Digits + 2
	var digits [1 + enough + 1]byte
	n, exp, rest := 0, 0, false
	i := 0
	if i < len(s) && s[i] == '-' {
		digits[0], n = '-', 1
		i++
	}
	first, sign := i, n
	point := -1
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && point < 0 && i > first {
			point = i
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		switch {
		case n == sign && c == '0': // leading
		case n < sign+enough:
			digits[n] = c
			n++
		default:
			rest = rest || c != '0'
			exp++
		}
		if point >= 0 {
			exp--
		}
	}
	if i == first || s[i-1] == '.' {
		return Decimal{}, false
	}
	e, ok := exponent(s[i:])
	if !ok {
		return Decimal{}, false
	}
	exp += e
	if n == sign {
		digits[n] = '0'
		n++
	}
	if rest {
		digits[n] = '1'
		n++
		exp--
	}
	coef, _ := new(big.Int).SetString(string(digits[:n]), 10)
	return fit(coef, exp)
}

// exponent reads an exponent if there is one. What is out of reach is the nearest one
// that is.
func exponent(s string) (n int, ok bool) {
	if s == "" {
		return 0, true
	}
	i, negative := 1, false
	if s[0]|0x20 != 'e' {
		return 0, false
	}
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		negative = s[i] == '-'
		i++
	}
	if i == len(s) {
		return 0, false
	}
	const most = 1 << 30 // more than a text has digits
	var v int64
	for ; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		v = min(v*10+int64(s[i]-'0'), most)
	}
	if negative {
		v = -v
	}
	return int(v), true
}

// fit rounds to 34 digits and checks the exponent. It may change coef. What is too
// small is 0.
func fit(coef *big.Int, exp int) (Decimal, bool) {
	if coef.CmpAbs(limit) >= 0 {
		drop := digits(coef) - Digits
		coef = roundedQuo(coef, drop)
		exp += drop
		if coef.CmpAbs(limit) >= 0 { // 99…9 was rounded up
			coef.Quo(coef, ten)
			exp++
		}
	}
	if coef.Sign() == 0 {
		return Decimal{coef, max(-MaxExp, min(exp, MaxExp))}, true
	}
	switch top := exp + digits(coef) - 1; {
	case top > MaxExp:
		return Decimal{}, false
	case top < -MaxExp:
		return Decimal{}, true
	}
	return Decimal{coef, exp}, true
}

// digits returns how many decimal digits x has, at least 1.
func digits(x *big.Int) int {
	bits := x.BitLen()
	if bits == 0 {
		return 1
	}
	n := int(float64(bits-1)*math.Log10(2)) + 1 // exact, or one too small
	if x.CmpAbs(power(n)) >= 0 {
		n++
	}
	return n
}

// roundedQuo returns x / 10^n, half to even.
func roundedQuo(x *big.Int, n int) *big.Int {
	div := power(n)
	rem := new(big.Int)
	quo, _ := new(big.Int).QuoRem(x, div, rem)
	rem.Abs(rem).Lsh(rem, 1)
	if c := rem.Cmp(div); c > 0 || c == 0 && quo.Bit(0) == 1 {
		if x.Sign() < 0 {
			quo.Sub(quo, one)
		} else {
			quo.Add(quo, one)
		}
	}
	return quo
}

func (a Decimal) value() *big.Int {
	if a.coef == nil {
		return zero
	}
	return a.coef
}

// align returns both coefficients with the smaller exponent. It reports false if one
// number is nothing beside the other.
func align(a, b Decimal) (x, y *big.Int, exp int, ok bool) {
	x, y = a.value(), b.value()
	switch d := a.exp - b.exp; {
	case d > 4*MaxExp || d < -4*MaxExp:
		return nil, nil, 0, false
	case d > 0:
		return new(big.Int).Mul(x, power(d)), y, b.exp, true
	case d < 0:
		return x, new(big.Int).Mul(y, power(-d)), a.exp, true
	}
	return x, y, a.exp, true
}

// Add returns a + b; false if it is too large.
func (a Decimal) Add(b Decimal) (Decimal, bool) {
	x, y, exp, ok := align(a, b)
	if !ok {
		return Decimal{}, false
	}
	return fit(new(big.Int).Add(x, y), exp)
}

// Sub returns a - b; false if it is too large.
func (a Decimal) Sub(b Decimal) (Decimal, bool) { return a.Add(b.Neg()) }

// Mul returns a × b; false if it is too large.
func (a Decimal) Mul(b Decimal) (Decimal, bool) {
	return fit(new(big.Int).Mul(a.value(), b.value()), a.exp+b.exp)
}

// Quo returns a / b, with no more digits than an exact result needs; false if b is 0 or
// the result too large.
func (a Decimal) Quo(b Decimal) (Decimal, bool) {
	if b.Sign() == 0 {
		return Decimal{}, false
	}
	// Enough digits for 34 and one to round by; what is left of the division goes
	// into one more, so that a half is told from a little more than a half.
	shift := max(0, Digits+2+digits(b.value())-digits(a.value()))
	rem := new(big.Int)
	quo, _ := new(big.Int).QuoRem(new(big.Int).Mul(a.value(), power(shift)), b.value(), rem)
	exp := a.exp - b.exp - shift
	if rem.Sign() != 0 {
		quo.Mul(quo, ten)
		if a.Sign()*b.Sign() < 0 {
			quo.Sub(quo, one)
		} else {
			quo.Add(quo, one)
		}
		return fit(quo, exp-1)
	}
	d, ok := fit(quo, exp)
	return d.stripTo(a.exp - b.exp), ok
}

// QuoInt returns a / b without its fraction; false if b is 0 or the result too large.
func (a Decimal) QuoInt(b Decimal) (Decimal, bool) {
	x, y, _, ok := align(a, b)
	if !ok || y.Sign() == 0 {
		return Decimal{}, false
	}
	return fit(new(big.Int).Quo(x, y), 0)
}

// Rem returns what is left of a / b, with the sign of a; false if b is 0.
func (a Decimal) Rem(b Decimal) (Decimal, bool) {
	x, y, exp, ok := align(a, b)
	if !ok || y.Sign() == 0 {
		return Decimal{}, false
	}
	return fit(new(big.Int).Rem(x, y), exp)
}

// Neg returns -a.
func (a Decimal) Neg() Decimal { return Decimal{new(big.Int).Neg(a.value()), a.exp} }

// Sign returns -1, 0 or 1.
func (a Decimal) Sign() int { return a.value().Sign() }

// Cmp compares by value: -1, 0 or 1.
func (a Decimal) Cmp(b Decimal) int {
	if s, t := a.Sign(), b.Sign(); s != t || s == 0 {
		return compare(s, t)
	}
	// Numbers with different first digits' places need no aligning.
	if p, q := a.exp+digits(a.value()), b.exp+digits(b.value()); p != q {
		return compare(p, q) * a.Sign()
	}
	x, y, _, _ := align(a, b)
	return x.Cmp(y)
}

func compare(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

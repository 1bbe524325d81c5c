package sql

import (
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/internal/decimal"
)

// A Kind is the type of a value.
type Kind uint8

// The kinds.
const (
	Undefined Kind = iota
	Null
	Boolean
	Int
	Decimal
	String
	Array
	Object
)

var kindNames = [...]string{"Undefined", "Null", "Boolean", "Int", "Decimal", "String", "Array", "Object"}

// String returns the name of the kind as it is in documentation.
func (k Kind) String() string { return kindNames[k] }

// A Value is one value of the language. The zero value is Undefined. Values are small
// and are passed by value; their texts may be parts of a message's payload or of a
// run's memory, and are valid as long as those.
//
// A number is n × 10^exp, or, when that is too small for it, the text s. Arrays and
// objects are their JSON text, without white space between the tokens unless they
// are untouched parts of the payload.
type Value struct {
	kind Kind
	// verbatim: s is the number as it stood in the payload, and is how it goes out.
	verbatim bool
	// big: the number is only in s.
	big bool
	// vast: the number in s is out of reach. It goes out as it came in, and everything
	// else takes it for no number.
	vast bool
	exp  int32
	n    int64  // of a number; 0 or 1 of a Boolean
	s    string // a String's text, an Array's or Object's JSON
}

var (
	undefined = Value{}
	null      = Value{kind: Null}
	vTrue     = Value{kind: Boolean, n: 1}
	vFalse    = Value{kind: Boolean}
)

func boolean(b bool) Value {
	if b {
		return vTrue
	}
	return vFalse
}

func integer(n int64) Value { return Value{kind: Int, n: n} }

func text(s string) Value { return Value{kind: String, s: s} }

// isNumber reports that v is an Int or a Decimal.
func (v *Value) isNumber() bool { return (v.kind == Int || v.kind == Decimal) && !v.vast }

// isNothing reports that v is Null or Undefined.
func (v *Value) isNothing() bool { return v.kind <= Null }

// number makes a value of n × 10^exp. whole says that whole numbers are Ints however
// they are written, as in 2016-03-23.
func number(n int64, exp int32, whole bool) Value {
	if exp == 0 {
		return integer(n)
	}
	if !whole {
		return Value{kind: Decimal, n: n, exp: exp}
	}
	if n == 0 {
		return integer(0)
	}
	m, e := n, exp
	for e < 0 && m%10 == 0 {
		m /= 10
		e++
	}
	for e > 0 && e < 19 {
		const most = 1<<63 - 1
		if m > most/10 || m < -most/10 {
			return ofDecimal(decimal.New(n, int(exp)), whole)
		}
		m *= 10
		e--
	}
	if e == 0 {
		return integer(m)
	}
	if e > 0 {
		return ofDecimal(decimal.New(n, int(exp)), whole)
	}
	return Value{kind: Decimal, n: n, exp: exp}
}

// ofDecimal makes a value of a Decimal.
func ofDecimal(d decimal.Decimal, whole bool) Value {
	kind := Decimal
	if n, exp, ok := d.Small(); ok && exp == 0 {
		return integer(n)
	} else if whole {
		if w, ok := d.Whole(); ok {
			d, kind = w, Int
		}
	} else if exp == 0 {
		kind = Int
	}
	if n, exp, ok := d.Small(); ok {
		return Value{kind: kind, n: n, exp: int32(exp)}
	}
	return Value{kind: kind, big: true, s: d.String()}
}

// decimal returns a number as a Decimal.
func (v *Value) decimal() decimal.Decimal {
	if v.big {
		d, _ := decimal.Parse(v.s)
		return d
	}
	return decimal.New(v.n, int(v.exp))
}

// float returns a number as a double.
func (v *Value) float() float64 {
	const exact = 1 << 53
	if !v.big && v.n > -exact && v.n < exact {
		switch {
		case v.exp == 0:
			return float64(v.n)
		case v.exp < 0 && v.exp >= -22:
			return float64(v.n) / powersOfTen[-v.exp]
		}
	}
	return v.decimal().Float()
}

var powersOfTen = [...]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// readNumber makes a value of the text of a JSON number, which must be one. Text that
// says nothing else than the value is kept, to go out as it came in.
func readNumber(s string, whole bool) Value {
	if n, exp, ok := smallNumber(s); ok {
		v := number(n, exp, whole)
		if v.kind == Decimal && !v.big {
			v.verbatim, v.s = true, s
		}
		return v
	}
	d, ok := decimal.Parse(s)
	if !ok {
		return Value{kind: Decimal, big: true, vast: true, s: s}
	}
	if d.Sign() == 0 && strings.ContainsAny(mantissa(s), "123456789") { // too small to be told from 0
		return Value{kind: Decimal, verbatim: true, s: s}
	}
	v := ofDecimal(d, whole)
	if v.big && (v.kind == Decimal || countDigits(s) == len(s)) {
		v.s = s
	}
	return v
}

// mantissa returns what is before the exponent of a number.
func mantissa(s string) string {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		return s[:i]
	}
	return s
}

// smallNumber reads n × 10^exp if it fits.
func smallNumber(s string) (n int64, exp int32, ok bool) {
	if len(s) > 19 {
		return 0, 0, false
	}
	i, negative := 0, false
	if s != "" && s[0] == '-' {
		i, negative = 1, true
	}
	point := -1
	for ; i < len(s); i++ { // 19 digits wrap to a negative number at worst
		c := s[i]
		if c-'0' <= 9 {
			n = n*10 + int64(c-'0')
			continue
		}
		if c != '.' {
			break
		}
		point = i
	}
	if n < 0 {
		return 0, 0, false
	}
	if point >= 0 {
		exp = int32(point + 1 - i)
	}
	if i < len(s) { // e or E
		e, err := strconv.ParseInt(s[i+1:], 10, 16)
		if err != nil || e > 400 || e < -400 {
			return 0, 0, false
		}
		exp += int32(e)
	}
	if negative {
		n = -n
	}
	return n, exp, true
}

// appendNumber appends a number as it goes out.
func (v *Value) appendNumber(dst []byte) []byte {
	switch {
	case v.verbatim || v.big:
		return append(dst, v.s...)
	case v.exp == 0:
		return strconv.AppendInt(dst, v.n, 10)
	}
	return v.appendScaled(dst)
}

// appendScaled appends n × 10^exp.
func (v *Value) appendScaled(dst []byte) []byte {
	var digits [20]byte
	u := uint64(v.n)
	if v.n < 0 {
		dst = append(dst, '-')
		u = -u
	}
	return decimal.AppendDigits(dst, string(strconv.AppendUint(digits[:0], u, 10)), int(v.exp))
}

// appendJSON appends v as JSON; an Undefined is nothing.
func (v *Value) appendJSON(dst []byte) []byte {
	switch v.kind {
	case Undefined:
		return dst
	case Null:
		return append(dst, "null"...)
	case Boolean:
		return strconv.AppendBool(dst, v.n != 0)
	case Int, Decimal:
		return v.appendNumber(dst)
	case String:
		return appendQuoted(dst, v.s)
	case Array, Object:
		return append(dst, v.s...)
	}
	return dst
}

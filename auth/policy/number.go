package policy

import (
	"strconv"
	"strings"
	"time"
)

// A number is a decimal of any length: 0.digits times ten to the power of exp. It is
// compared exactly; a float would take 9007199254740993 for its neighbour.
type number struct {
	negative bool
	digits   string // without zeros at both ends; empty is zero
	exp      int
}

// maxExponent keeps sums of exponents far from overflow.
const maxExponent = 1_000_000

// parseNumber reads an optional sign, digits, an optional fraction and an optional
// exponent.
func parseNumber(s string) (number, bool) {
	var n number
	switch {
	case strings.HasPrefix(s, "-"):
		n.negative, s = true, s[1:]
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > maxExponent || e < -maxExponent {
			return n, false
		}
		n.exp, s = e, s[:i]
	}
	whole, fraction, point := strings.Cut(s, ".")
	if !isDigits(whole) || point && !isDigits(fraction) {
		return n, false
	}
	n.digits = strings.TrimLeft(whole, "0")
	n.exp += len(n.digits)
	if fraction != "" {
		if n.digits == "" {
			short := strings.TrimLeft(fraction, "0")
			n.exp -= len(fraction) - len(short)
			n.digits = short
		} else {
			n.digits += fraction
		}
	}
	if n.digits = strings.TrimRight(n.digits, "0"); n.digits == "" {
		return number{}, true
	}
	return n, true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// compare is negative, zero or positive as n is less than, equal to or greater than m.
func (n number) compare(m number) int {
	if n.sign() != m.sign() {
		return n.sign() - m.sign()
	}
	order := n.exp - m.exp
	if order == 0 {
		order = strings.Compare(n.digits, m.digits)
	}
	if n.negative {
		return -order
	}
	return order
}

func (n number) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.negative:
		return -1
	}
	return 1
}

// top is the number of digits before the point.
func (n number) top() int {
	if n.digits == "" {
		return 0
	}
	return max(n.exp, 0)
}

// time takes n, of at most 12 digits before the point, for seconds since 1970 and
// rounds up to nanoseconds.
func (n number) time() time.Time {
	if n.digits == "" {
		return time.Unix(0, 0).UTC()
	}
	// All digits up to nanoseconds, and whether there are more.
	want := n.exp + 9
	digits := n.digits
	more := false
	if want < len(digits) {
		digits, more = digits[:max(want, 0)], true
	}
	var seconds, nanos int64
	for i := range want {
		d := int64(0)
		if i < len(digits) {
			d = int64(digits[i] - '0')
		}
		if i < n.exp {
			seconds = seconds*10 + d
		} else {
			nanos = nanos*10 + d
		}
	}
	if n.negative {
		return time.Unix(-seconds, -nanos).UTC()
	}
	if more {
		nanos++
	}
	return time.Unix(seconds, nanos).UTC()
}

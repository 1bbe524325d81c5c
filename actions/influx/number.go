package influx

import (
	"strconv"
	"strings"
)

// whole returns the value of a JSON number, and whether it is whole and fits into 64 bits:
// 12, 12.0 and 1.2e1 are the same.
func whole(literal string) (int64, bool) {
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return n, true
	}
	digits, negative := strings.CutPrefix(literal, "-")
	mantissa, exponent := digits, 0
	if i := strings.IndexAny(digits, "eE"); i >= 0 {
		mantissa = digits[:i]
		e, err := strconv.Atoi(digits[i+1:])
		if err != nil { // beyond all that fits, unless the number is 0
			return 0, strings.Trim(mantissa, "0.") == ""
		}
		exponent = e
	}
	before, after, _ := strings.Cut(mantissa, ".")
	after = strings.TrimRight(after, "0")
	all := strings.TrimLeft(before+after, "0")
	shift := exponent - len(after)
	if after == "" {
		trimmed := strings.TrimRight(all, "0")
		shift += len(all) - len(trimmed)
		all = trimmed
	}
	switch {
	case all == "":
		return 0, true
	case shift < 0 || len(all)+shift > 19:
		return 0, false
	}
	all += strings.Repeat("0", shift)
	if negative {
		all = "-" + all
	}
	n, err := strconv.ParseInt(all, 10, 64)
	return n, err == nil
}

// exact returns a JSON number as a float, and whether that is what it says. The digits of a
// fraction are a measurement, which a float holds as well as any; those of a number without
// point and exponent may be a counter or an id.
func exact(literal string) (float64, bool, error) {
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil || len(literal) < 16 || strings.ContainsAny(literal, ".eE") {
		return f, true, err
	}
	return f, strconv.FormatFloat(f, 'f', 0, 64) == literal, nil
}

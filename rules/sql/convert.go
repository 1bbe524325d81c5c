package sql

import (
	"strconv"

	"github.com/thinghub/thinghub/internal/decimal"
)

// toNumber converts to a number as operators and functions do: a number is itself, a
// String that spells one is read, anything else is Undefined.
func (v Value) toNumber(whole bool) Value {
	switch v.kind {
	case Int, Decimal:
		if v.vast {
			return undefined
		}
		return v
	case String:
		return parseNumber(v.s, whole)
	case Undefined, Null, Boolean, Array, Object:
	}
	return undefined
}

// parseNumber reads a text of the form ^-?\d+(\.\d+)?((?i)E-?\d+)?$; Undefined for
// anything else.
func parseNumber(s string, whole bool) Value {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	n := countDigits(s[i:])
	if n == 0 {
		return undefined
	}
	if i += n; i < len(s) && s[i] == '.' {
		if n = countDigits(s[i+1:]); n == 0 {
			return undefined
		}
		i += 1 + n
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && s[i] == '-' {
			i++
		}
		if n = countDigits(s[i:]); n == 0 {
			return undefined
		}
		i += n
	}
	if i != len(s) {
		return undefined
	}
	return computed(readNumber(s, whole))
}

// computed is a number without the text it came from; one out of reach is Undefined.
func computed(v Value) Value {
	if v.vast {
		return undefined
	}
	v.verbatim = false
	if !v.big {
		v.s = ""
	}
	return v
}

func countDigits(s string) int {
	n := 0
	for n < len(s) && s[n]-'0' <= 9 {
		n++
	}
	return n
}

// toInt converts to an int64, rounding a fraction in the given way. It reports false if
// v is no number; what does not fit is the nearest int64.
func (v Value) toInt(way decimal.Rounding) (int64, bool) {
	v = v.toNumber(true)
	if !v.isNumber() {
		return 0, false
	}
	if v = rounded(v, way); !v.big && v.exp == 0 {
		return v.n, true
	}
	d := v.decimal()
	if d.Sign() < 0 {
		return -1 << 63, true
	}
	return 1<<63 - 1, true
}

// asInt converts to an int64 where an Int is expected: a Decimal to the nearest one, a
// String without its fraction.
func (v Value) asInt() (int64, bool) {
	if v.kind == String {
		return v.toInt(decimal.Down)
	}
	return v.toInt(decimal.HalfUp)
}

// toText converts to a String: Null and Undefined have none.
func (r *Run) toText(v Value) (string, bool) {
	switch v.kind {
	case String:
		return v.s, true
	case Boolean:
		return strconv.FormatBool(v.n != 0), true
	case Int, Decimal:
		if v.verbatim || v.big {
			return v.s, true
		}
		from := r.arena.mark()
		r.arena.bytes = v.appendNumber(r.arena.bytes)
		return r.arena.since(from), true
	case Array, Object:
		from := r.arena.mark()
		r.arena.bytes = appendCompact(r.arena.bytes, v.s)
		return r.arena.since(from), true
	case Undefined, Null:
	}
	return "", false
}

// join returns s and t in one text. What was made last is not copied, so that a + b + c
// + ... is linear.
func (r *Run) join(s, t string) string {
	made := view(r.arena.bytes)
	switch from := len(made) - len(s); {
	case s == "" || t == "":
	case from >= 0 && made[from:] == s:
		r.arena.bytes = append(r.arena.bytes, t...)
		return r.arena.since(from)
	case from >= len(t) && made[len(made)-len(t):] == t && made[from-len(t):len(made)-len(t)] == s:
		return r.arena.since(from - len(t))
	}
	from := r.arena.mark()
	r.arena.bytes = append(append(r.arena.bytes, s...), t...)
	return r.arena.since(from)
}

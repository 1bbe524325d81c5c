package policy

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"strings"
	"time"
)

// A wanted is a condition value with its variables put in: one text, or the six parts
// of a resource name.
type wanted [6]string

// fits reports whether a value of the request stands in the operator's relation to a
// value of the policy; negation is the caller's. A value that is not of the operator's
// kind fits nothing.
func (o *operator) fits(have string, want *wanted) bool {
	switch o.family {
	case stringFamily:
		return have == want[0]
	case foldFamily:
		return strings.EqualFold(have, want[0])
	case likeFamily:
		return match(want[0], have)
	case numericFamily:
		x, ok := parseNumber(have)
		y, fine := parseNumber(want[0])
		return ok && fine && o.holds(x.compare(y))
	case dateFamily:
		x, ok := parseDate(have)
		y, fine := parseDate(want[0])
		return ok && fine && o.holds(x.Compare(y))
	case boolFamily:
		return sameFold(have, want[0]) && (sameFold(have, "true") || sameFold(have, "false"))
	case binaryFamily:
		x, err := base64.StdEncoding.DecodeString(have)
		y, err2 := base64.StdEncoding.DecodeString(want[0])
		return err == nil && err2 == nil && bytes.Equal(x, y)
	case ipFamily:
		a, err := netip.ParseAddr(have)
		p, ok := parseBlock(want[0])
		return err == nil && ok && p.Contains(plainAddr(a))
	case arnFamily:
		return matchARN(have, want)
	default:
		return false // Null looks at no value, see condition.go
	}
}

// expected says what a value of the policy must be, if it is something else. What is no
// resource name is left to Lint: it may be meant as a pattern.
func (o *operator) expected(v string) string {
	ok, want := true, ""
	switch o.family {
	case numericFamily:
		_, ok = parseNumber(v)
		want = "a number"
	case dateFamily:
		_, ok = parseDate(v)
		want = "a time in RFC 3339, a date, or seconds since 1970"
	case boolFamily, nullFamily:
		ok = sameFold(v, "true") || sameFold(v, "false")
		want = "true or false"
	case ipFamily:
		_, ok = parseBlock(v)
		want = "an address or a CIDR block"
	case binaryFamily:
		_, err := base64.StdEncoding.DecodeString(v)
		ok, want = err == nil, "base64"
	case stringFamily, foldFamily, likeFamily, arnFamily:
	}
	if ok {
		return ""
	}
	return want
}

// parseBlock reads a CIDR block or a single address. A block of IPv4 addresses in IPv6
// form is one of IPv4.
func parseBlock(s string) (netip.Prefix, bool) {
	if strings.IndexByte(s, '/') < 0 {
		a, err := netip.ParseAddr(s)
		a = plainAddr(a)
		return netip.PrefixFrom(a, a.BitLen()), err == nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// matchARN compares part by part: a wildcard does not reach over a colon, except in
// the last part, where colons are ordinary.
func matchARN(have string, want *wanted) bool {
	for i := range 5 {
		before, after, found := strings.Cut(have, ":")
		if !found || !match(want[i], before) {
			return false
		}
		have = after
	}
	return match(want[5], have)
}

// parseDate reads RFC 3339, the shorter forms of ISO 8601 that IAM takes (a month, a date,
// or a time without seconds), or seconds since 1970. Four digits are seconds, no year.
func parseDate(s string) (time.Time, bool) {
	if t, ok := parseEpoch(s); ok {
		return t, true
	}
	upper := strings.ToUpper(s) // RFC 3339 allows t and z
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", time.DateOnly, "2006-01"} {
		if t, err := time.Parse(layout, upper); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseEpoch reads seconds since 1970, also with a fraction. What lies between two
// nanoseconds is rounded up: the times it is compared with are whole seconds, and
// stay on the same side of it.
func parseEpoch(s string) (time.Time, bool) {
	n, ok := parseNumber(s)
	if !ok || n.top() > 12 { // the year 33658
		return time.Time{}, false
	}
	return n.time(), true
}

package policy_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

func (r *reference) conditionsHold(st map[string]any, vars bool) bool {
	conditions, _ := st["Condition"].(map[string]any)
	for op, keys := range conditions {
		for key, values := range keys.(map[string]any) {
			var texts []string
			for _, v := range asList(values) {
				switch v := v.(type) {
				case string:
					texts = append(texts, v)
				case json.Number:
					texts = append(texts, v.String())
				case bool:
					texts = append(texts, strconv.FormatBool(v))
				}
			}
			if !r.conditionHolds(op, r.values(key), texts, vars) {
				return false
			}
		}
	}
	return true
}

func (r *reference) conditionHolds(op string, have, want []string, vars bool) bool {
	set := ""
	if before, after, found := strings.Cut(op, ":"); found {
		set, op = before, after
	}
	op, ifExists := strings.CutSuffix(op, "IfExists")
	if op == "Null" {
		for _, w := range want {
			if text, ok := r.expand(w, vars, false); ok && asciiLower(strings.Join(text, "")) == strconv.FormatBool(len(have) == 0) {
				return true
			}
		}
		return false
	}
	negated := strings.Contains(op, "Not")
	op = strings.Replace(op, "Not", "", 1)
	one := func(h string) bool {
		for _, w := range want {
			if r.compare(op, h, w, vars) {
				return !negated
			}
		}
		return negated
	}
	n := 0
	for _, h := range have {
		if one(h) {
			n++
		}
	}
	switch {
	case len(have) == 0 && ifExists:
		return true
	case set == "ForAllValues":
		return n == len(have)
	case set == "ForAnyValue":
		return n > 0
	case len(have) == 0:
		return negated
	case negated:
		return n == len(have)
	}
	return n > 0
}

func (r *reference) compare(op, have, want string, vars bool) bool {
	switch op {
	case "StringLike":
		p, ok := r.expand(want, vars, true)
		return ok && naiveMatch(p, chars(have))
	case "ArnEquals", "ArnLike":
		return r.compareARN(have, want, vars)
	}
	list, ok := r.expand(want, vars, false)
	if !ok {
		return false
	}
	want = strings.Join(list, "")
	order := func(i int, suffix string) bool {
		switch suffix {
		case "LessThan":
			return i < 0
		case "LessThanEquals":
			return i <= 0
		case "GreaterThan":
			return i > 0
		case "GreaterThanEquals":
			return i >= 0
		}
		return i == 0
	}
	switch {
	case op == "StringEquals":
		return have == want
	case op == "StringEqualsIgnoreCase":
		return strings.EqualFold(have, want)
	case op == "Bool":
		h, w := asciiLower(have), asciiLower(want)
		return h == w && (h == "true" || h == "false")
	case op == "BinaryEquals":
		x, err := base64.StdEncoding.DecodeString(have)
		y, err2 := base64.StdEncoding.DecodeString(want)
		return err == nil && err2 == nil && string(x) == string(y)
	case op == "IpAddress":
		if !strings.Contains(want, "/") {
			a, err := netip.ParseAddr(have)
			b, err2 := netip.ParseAddr(want)
			return err == nil && err2 == nil && a.Unmap().WithZone("") == b.Unmap().WithZone("")
		}
		_, block, err := net.ParseCIDR(want)
		ip := net.ParseIP(have)
		return err == nil && ip != nil && (ip.To4() == nil) == (block.IP.To4() == nil) && block.Contains(ip)
	case strings.HasPrefix(op, "Numeric"):
		x, ok := new(big.Rat).SetString(have)
		y, fine := new(big.Rat).SetString(want)
		return ok && fine && order(x.Cmp(y), op[len("Numeric"):])
	case strings.HasPrefix(op, "Date"):
		x, ok := naiveDate(have)
		y, fine := naiveDate(want)
		return ok && fine && order(x.Cmp(y), op[len("Date"):])
	}
	panic(op)
}

// naiveDate is a time in nanoseconds since 1970, exactly.
func naiveDate(s string) (*big.Rat, bool) {
	if n, ok := new(big.Rat).SetString(s); ok {
		return n, true
	}
	var t time.Time
	err := errors.New("no layout")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", time.DateOnly, "2006-01"} {
		if err != nil {
			t, err = time.Parse(layout, strings.ToUpper(s))
		}
	}
	if err != nil {
		return nil, false
	}
	nanos := new(big.Int).Add(new(big.Int).Mul(big.NewInt(t.Unix()), big.NewInt(1e9)), big.NewInt(int64(t.Nanosecond())))
	return new(big.Rat).SetFrac(nanos, big.NewInt(1e9)), true
}

// compareARN cuts both names at five colons, the one of the policy before variables
// are put in.
func (r *reference) compareARN(have, want string, vars bool) bool {
	names := strings.SplitN(have, ":", 6)
	if len(names) < 6 {
		return false
	}
	var parts []string
	depth, start := false, 0
	for i := 0; i < len(want) && len(parts) < 5; i++ {
		switch {
		case vars && strings.HasPrefix(want[i:], "${"):
			depth = true
		case want[i] == '}':
			depth = false
		case want[i] == ':' && !depth:
			parts = append(parts, want[start:i])
			start = i + 1
		}
	}
	parts = append(parts, want[start:])
	if len(parts) < 6 {
		return false
	}
	for i := range parts {
		p, ok := r.expand(parts[i], vars, true)
		if !ok || !naiveMatch(p, chars(names[i])) {
			return false
		}
	}
	return true
}

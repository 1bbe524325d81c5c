package shadowtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// skew is how far a timestamp may be from now.
const skew = 120

// A Matcher compares JSON with what is expected of it. In an expectation these
// strings stand for other values:
//
//	$any             anything
//	$optional        a member that may be absent, or anything
//	$null_or_absent  null, or a member that is absent
//	$gt:N            an integer greater than N
//	$prefix:S        a string that starts with S
//	$ts              an integer: epoch seconds within two minutes of now
//	$ts#x            the same, and equal wherever the matcher meets $ts#x
//	$ts>x            the same, and greater than $ts#x
//
// and {"$fill":N} is a string of N letters x.
type Matcher struct{ times map[string]int64 }

// NewMatcher returns a Matcher that has met no times yet.
func NewMatcher() *Matcher { return &Matcher{times: map[string]int64{}} }

// Match returns an error that says where got is not as expected. Objects have
// exactly the expected members; numbers are compared by value. nil and null in got
// are the same.
func (m *Matcher) Match(want, got []byte) error { return m.match(want, got, false) }

// MatchSome is Match, but the outermost object may have more members.
func (m *Matcher) MatchSome(want, got []byte) error { return m.match(want, got, true) }

func (m *Matcher) match(want, got []byte, more bool) error {
	w, err := decode(want)
	if err != nil {
		return fmt.Errorf("the expectation is not JSON: %w", err)
	}
	if got == nil {
		got = []byte("null")
	}
	g, err := decode(got)
	if err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	return m.value("", filled(w), g, more)
}

func decode(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one value in %s", text)
	}
	return v, nil
}

// filled puts strings in place of {"$fill":N}.
func filled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if n, ok := v["$fill"].(json.Number); ok && len(v) == 1 {
			if n, err := strconv.Atoi(n.String()); err == nil {
				return strings.Repeat("x", n)
			}
		}
		for k := range v {
			v[k] = filled(v[k])
		}
	case []any:
		for i := range v {
			v[i] = filled(v[i])
		}
	}
	return v
}

func (m *Matcher) value(at string, want, got any, more bool) error {
	differ := func() error { return fmt.Errorf("%s is %v, expected %v", name(at), got, want) }
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			return differ()
		}
		for k, w := range want {
			g, ok := got[k]
			if !ok && (w == "$optional" || w == "$null_or_absent") {
				continue
			}
			if !ok {
				return fmt.Errorf("%s is missing", name(at+"/"+k))
			}
			if err := m.value(at+"/"+k, w, g, false); err != nil {
				return err
			}
		}
		for k, g := range got {
			if _, ok := want[k]; !ok && !more {
				return fmt.Errorf("%s is %v, expected none", name(at+"/"+k), g)
			}
		}
		return nil
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			return differ()
		}
		for i := range want {
			if err := m.value(fmt.Sprintf("%s/%d", at, i), want[i], got[i], false); err != nil {
				return err
			}
		}
		return nil
	case string:
		if strings.HasPrefix(want, "$") {
			return m.special(at, want, got)
		}
	case json.Number:
		g, ok := got.(json.Number)
		if !ok || !sameNumber(want, g) {
			return differ()
		}
		return nil
	}
	if want != got {
		return differ()
	}
	return nil
}

func (m *Matcher) special(at, want string, got any) error {
	differ := func() error { return fmt.Errorf("%s is %v, expected %s", name(at), got, want) }
	if s, ok := strings.CutPrefix(want, "$prefix:"); ok {
		if g, ok := got.(string); !ok || !strings.HasPrefix(g, s) {
			return differ()
		}
		return nil
	}
	switch want {
	case "$any", "$optional":
		return nil
	case "$null_or_absent":
		if got != nil {
			return differ()
		}
		return nil
	}
	g, ok := got.(json.Number)
	if !ok {
		return differ()
	}
	n, err := strconv.ParseInt(g.String(), 10, 64)
	if err != nil {
		return differ()
	}
	if s, ok := strings.CutPrefix(want, "$gt:"); ok {
		if least, err := strconv.ParseInt(s, 10, 64); err != nil || n <= least {
			return differ()
		}
		return nil
	}
	rest, ok := strings.CutPrefix(want, "$ts")
	if now := time.Now().Unix(); !ok || n < now-skew || n > now+skew {
		return differ()
	}
	if rest == "" {
		return nil
	}
	label := rest[1:]
	bound, known := m.times[label]
	switch {
	case rest[0] == '#' && !known:
		m.times[label] = n
	case rest[0] == '#' && n == bound:
	case rest[0] == '>' && known && n > bound:
	default:
		return fmt.Errorf("%s is %d, expected %s where %s is %d", name(at), n, want, label, bound)
	}
	return nil
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, ok1 := new(big.Rat).SetString(a.String())
	y, ok2 := new(big.Rat).SetString(b.String())
	return ok1 && ok2 && x.Cmp(y) == 0
}

func name(at string) string {
	if at == "" {
		return "the whole"
	}
	return at
}

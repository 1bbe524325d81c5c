package shadow

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm/runtime"
)

// A ledger counts the steps of one evaluation.
type ledger struct{ left int }

var errSteps = errors.New("it takes too many steps")

// charge counts n steps.
func (l *ledger) charge(n int) error {
	if l.left -= n; l.left < 0 {
		return errSteps
	}
	return nil
}

// weigh counts a value with all that is in it.
func (l *ledger) weigh(v any) error {
	switch v := v.(type) {
	case string:
		return l.charge(1 + len(v)/8)
	case []any:
		for _, e := range v {
			if err := l.weigh(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, e := range v {
			if err := l.charge(1 + len(k)/8); err != nil {
				return err
			}
			if err := l.weigh(e); err != nil {
				return err
			}
		}
	}
	return l.charge(1)
}

// conditionFunctions are what a language puts into a condition.
var conditionFunctions = []expr.Option{
	// $each(array, n) is an array that is gone through with n nodes for each element.
	function("$each", func(l *ledger, args []any) (any, error) {
		array, ok := args[0].([]any)
		if !ok {
			return nil, fmt.Errorf("expected an array, not %s", kindOf(args[0]))
		}
		return array, l.charge(len(array) * args[1].(int))
	}, new(func(*ledger, any, int) any)),
	// $size(v) is v, $text(v, n) too, which costs n for each byte.
	function("$size", func(l *ledger, args []any) (any, error) {
		return args[0], l.weigh(args[0])
	}, new(func(*ledger, any) any)),
	function("$text", func(l *ledger, args []any) (any, error) {
		s, ok := args[0].(string)
		if !ok && args[0] != nil {
			return nil, fmt.Errorf("expected text, not %s", kindOf(args[0]))
		}
		return args[0], l.charge(min(len(s), MaxConditionSteps) * args[1].(int))
	}, new(func(*ledger, any, int) any)),
	function("$+", func(l *ledger, args []any) (any, error) {
		for _, arg := range args {
			if s, ok := arg.(string); ok {
				if err := l.charge(len(s) / 8); err != nil {
					return nil, err
				}
			}
		}
		return runtime.Add(args[0], args[1]), nil
	}, new(func(*ledger, any, any) any)),
	function("$==", func(l *ledger, args []any) (any, error) {
		return l.equal(args[0], args[1])
	}, new(func(*ledger, any, any) bool)),
	function("$!=", func(l *ledger, args []any) (any, error) {
		equal, err := l.equal(args[0], args[1])
		return !equal, err
	}, new(func(*ledger, any, any) bool)),
	function("$in", func(l *ledger, args []any) (any, error) {
		return l.in(args[0], args[1])
	}, new(func(*ledger, any, any) bool)),
	order("$<", func(c int) bool { return c < 0 }, runtime.Less),
	order("$<=", func(c int) bool { return c <= 0 }, runtime.LessOrEqual),
	order("$>", func(c int) bool { return c > 0 }, runtime.More),
	order("$>=", func(c int) bool { return c >= 0 }, runtime.MoreOrEqual),
}

func function(name string, f func(l *ledger, args []any) (any, error), signature any) expr.Option {
	return expr.Function(name, func(args ...any) (any, error) { return f(args[0].(*ledger), args[1:]) }, signature)
}

// order is a comparison: of numbers as is says, of other values as others does.
func order(name string, is func(int) bool, others func(a, b any) bool) expr.Option {
	return function(name, func(l *ledger, args []any) (any, error) {
		a, b := args[0], args[1]
		if !numeric(a) || !numeric(b) {
			if a == nil || b == nil {
				return nil, fmt.Errorf("%s and %s have no order", kindOf(a), kindOf(b))
			}
			return others(a, b), l.weigh(a)
		}
		c, ok := compareValues(a, b)
		return ok && is(c), nil
	}, new(func(*ledger, any, any) bool))
}

// equal compares two values, numbers by value.
func (l *ledger) equal(a, b any) (bool, error) {
	if err := l.charge(1); err != nil {
		return false, err
	}
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return ok && x == y, l.charge(len(x) / 8)
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		for i := range x {
			if equal, err := l.equal(x[i], y[i]); !equal || err != nil {
				return false, err
			}
		}
		return true, nil
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok {
				return false, nil
			}
			if equal, err := l.equal(v, w); !equal || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	if numeric(a) && numeric(b) {
		c, ok := compareValues(a, b)
		return ok && c == 0, nil
	}
	return runtime.Equal(a, b), nil
}

// in reports whether an array has an element, or a map a key.
func (l *ledger) in(needle, in any) (bool, error) {
	switch in := in.(type) {
	case nil:
		return false, nil
	case []any:
		for _, e := range in {
			if equal, err := l.equal(needle, e); equal || err != nil {
				return equal, err
			}
		}
		return false, nil
	case map[string]any:
		key, ok := needle.(string)
		_, found := in[key]
		return ok && found, nil
	}
	return false, fmt.Errorf("expected an array or an object after in, not %s", kindOf(in))
}

// A bigNumber is a number, as JSON, that neither int nor float64 holds as it is.
type bigNumber struct{ text string }

// String returns the number.
func (b bigNumber) String() string { return b.text }

func (b bigNumber) negated() bigNumber {
	if text, negative := strings.CutPrefix(b.text, "-"); negative {
		return bigNumber{text}
	}
	return bigNumber{"-" + b.text}
}

func numeric(v any) bool {
	switch v.(type) {
	case int, float64, bigNumber:
		return true
	}
	return false
}

// compareValues compares two numbers exactly. Of NaN nothing holds, nor of two numbers
// whose exponents are beyond all measure.
func compareValues(a, b any) (int, bool) {
	x, xIsInt := a.(int)
	y, yIsInt := b.(int)
	if xIsInt && yIsInt {
		return compareInts(x, y), true
	}
	f, fIsFloat := a.(float64)
	g, gIsFloat := b.(float64)
	if fIsFloat && special64(f) || gIsFloat && special64(g) || fIsFloat && gIsFloat {
		f, g = floatOf(a), floatOf(b)
		switch {
		case f < g:
			return -1, true
		case f > g:
			return 1, true
		}
		return 0, f == g
	}
	return compareNumbers(numberText(a), numberText(b))
}

func compareInts(x, y int) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func special64(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) }

func floatOf(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case float64:
		return v
	}
	return 0 // any number is as good beside NaN and infinity
}

func numberText(v any) []byte {
	switch v := v.(type) {
	case int:
		return strconv.AppendInt(nil, int64(v), 10)
	case float64:
		return strconv.AppendFloat(nil, v, 'g', -1, 64)
	case bigNumber:
		return []byte(v.text)
	}
	return nil
}

// numberOf is a JSON number as a condition sees it.
func numberOf(text []byte) any {
	if n, err := strconv.Atoi(string(text)); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err == nil && equalNumbers(text, strconv.AppendFloat(nil, f, 'g', -1, 64)) {
		return f
	}
	return bigNumber{string(text)}
}

// kindOf says what a value is, for people.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case bool:
		return "a bool"
	case string:
		return "text"
	case int, float64, bigNumber:
		return "a number"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}

// environment is what a condition sees of a document, as far as it looks at it.
func (c *Condition) environment(k Key, d Document, now time.Time) (map[string]any, error) {
	env := map[string]any{
		"version": 0, "exists": d.Live(), "updated": d.Updated, "thing": k.Thing, "name": k.Name, "now": now,
		ledgerName: &ledger{MaxConditionSteps},
	}
	if d.Live() {
		env["version"] = int(d.Version)
	}
	if !c.uses["desired"] && !c.uses["reported"] && !c.uses["delta"] && !c.uses["times"] {
		return env, nil
	}
	w := newWork()
	defer w.free()
	if err := w.load(d); err != nil {
		return nil, failed("read", k, err)
	}
	times := map[string]any{}
	for _, side := range [...]Side{Desired, Reported} {
		s := w.old[side]
		values, stamps := map[string]any{}, map[string]any{}
		if !s.empty() {
			if c.uses[side.String()] {
				values, _ = s.tree.anyOf(0).(map[string]any)
			}
			if c.uses["times"] {
				stamps, _ = s.timesOf(0).(map[string]any)
			}
		}
		env[side.String()], times[side.String()] = values, stamps
	}
	env["times"] = times
	delta := map[string]any{}
	if c.uses["delta"] && w.diffState(w.old) {
		s := &w.sections[2]
		if err := w.scanner.section(s, w.deltaState); err != nil {
			return nil, failed("read", k, err)
		}
		delta, _ = s.tree.anyOf(0).(map[string]any)
	}
	env["delta"] = delta
	return env, nil
}

// anyOf is a value as a condition sees it. It recurses as deep as a document.
func (t *tree) anyOf(i uint32) any {
	n := &t.nodes[i]
	switch n.kind {
	case kindNull:
		return nil
	case kindFalse, kindTrue:
		return n.kind == kindTrue
	case kindNumber:
		return numberOf(t.value(i))
	case kindString:
		return unquote(t.text[n.start+1 : n.end-1])
	case kindArray:
		array := make([]any, 0, n.count)
		for c := i + 1; c < n.next; c = t.nodes[c].next {
			array = append(array, t.anyOf(c))
		}
		return array
	case kindObject:
	}
	object := make(map[string]any, n.count)
	for c := i + 1; c < n.next; c = t.nodes[c].next {
		object[unquote(t.key(c))] = t.anyOf(c)
	}
	return object
}

// timesOf is when each value in a value was last set.
func (s *section) timesOf(i uint32) any {
	t := &s.tree
	n := &t.nodes[i]
	switch n.kind {
	case kindArray:
		array := make([]any, 0, n.count)
		for c := i + 1; c < n.next; c = t.nodes[c].next {
			array = append(array, s.timesOf(c))
		}
		return array
	case kindObject:
		object := make(map[string]any, n.count)
		for c := i + 1; c < n.next; c = t.nodes[c].next {
			object[unquote(t.key(c))] = s.timesOf(c)
		}
		return object
	case kindNull, kindFalse, kindTrue, kindNumber, kindString:
	}
	return time.Unix(s.timeOf(n.leaf), 0).UTC()
}

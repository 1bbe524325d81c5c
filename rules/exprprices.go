package rules

import (
	"fmt"
	"math/bits"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/vm/runtime"
)

// prices are what functions of the language cost, by their names: those that look at
// texts, or at all that is in an array, or make something. All others cost a step.
var prices = map[string]func(l *ledger, args []any) error{
	"concat": flat(1), "duration": flat(0), "float": flat(0), "fromBase64": flat(1), "fromPairs": flat(2), "hasPrefix": flat(0), "hasSuffix": flat(0),
	"indexOf": flat(0), "int": flat(0), "keys": flat(1), "lastIndexOf": flat(0), "len": flat(0), "lower": flat(2), "reverse": flat(1), "toBase64": flat(2),
	"toPairs": flat(3), "trim": flat(0), "trimPrefix": flat(0), "trimSuffix": flat(0), "upper": flat(2), "values": flat(1),
	"split": flat(wordSize), "splitAfter": flat(wordSize), "fromJSON": flat(wordSize), // an element of each byte
	"max": deep(0, 0), "mean": deep(0, 0), "median": deep(1, 0), "min": deep(0, 0), "string": deep(1, 0),
	"flatten": deep(1, wordSize), // each level copies
	"toJSON":  deep(6, 2),        // which indents
	"get":     func(l *ledger, args []any) error { return flat(0)(l, args[1:]) },
	"join":    joined, "repeat": repeated, "replace": replaced, "sort": sorted, "uniq": unique,
}

// flat is the price of what looks at texts and the elements of arrays, and makes so many
// times as much.
func flat(made int) func(l *ledger, args []any) error {
	return func(l *ledger, args []any) error {
		for _, arg := range args {
			if err := (weigher{ledger: l, made: made, flat: true}).value(arg, 0); err != nil {
				return err
			}
		}
		return nil
	}
}

// deep is the price of what looks at all that is in its arguments.
func deep(made, indent int) func(l *ledger, args []any) error {
	return func(l *ledger, args []any) error {
		for _, arg := range args {
			if err := (weigher{ledger: l, made: made, indent: indent}).value(arg, 0); err != nil {
				return err
			}
		}
		return nil
	}
}

func joined(l *ledger, args []any) error {
	err := l.weigh(args[0], 1)
	if len(args) > 1 && err == nil {
		glue, _ := args[1].(string)
		err = l.take(product(lengthOf(args[0]), len(glue)))
	}
	return err
}

func repeated(l *ledger, args []any) error {
	s, _ := args[0].(string)
	n := product(len(s), runtime.ToInt(args[1]))
	return l.make(n)
}

func replaced(l *ledger, args []any) error {
	if err := flat(1)(l, args[:3]); err != nil {
		return err
	}
	s, _ := args[0].(string)
	old, _ := args[1].(string)
	by, _ := args[2].(string)
	return l.take(product(strings.Count(s, old), len(by)))
}

// sorted costs the logarithm of the length for each element.
func sorted(l *ledger, args []any) error {
	before := l.steps
	if err := l.weigh(args[0], 0); err != nil {
		return err
	}
	n := lengthOf(args[0])
	if err := l.take(product(n, wordSize)); err != nil {
		return err
	}
	return l.step(product(before-l.steps, bits.Len(uint(n))) / 2)
}

// unique costs the length for each element: each is compared with those before it.
func unique(l *ledger, args []any) error {
	before := l.steps
	if err := l.weigh(args[0], 0); err != nil {
		return err
	}
	n := lengthOf(args[0])
	if err := l.take(product(n, wordSize)); err != nil {
		return err
	}
	return l.step(product(before-l.steps, n) / 4)
}

// lengthOf is how many elements an array has, 0 for what is none.
func lengthOf(v any) int {
	switch r := reflect.ValueOf(v); r.Kind() { //nolint:exhaustive // the others have no elements
	case reflect.Slice, reflect.Array, reflect.Map:
		return r.Len()
	}
	return 0
}

// priced is a function of the language behind its price.
func priced(name string, price func(l *ledger, args []any) error) expr.Option {
	f := builtin.Builtins[builtin.Index[name]]
	return counted("$"+name, func(l *ledger, args []any) (any, error) {
		if err := price(l, args); err != nil {
			return nil, err
		}
		switch {
		case f.Fast != nil:
			return f.Fast(args[0]), nil
		case f.Safe != nil:
			v, _, err := f.Safe(args...) // which the price has counted
			return v, err
		}
		return f.Func(args...)
	}, new(func(*ledger, ...any) any))
}

// counted is a function that gets the ledger of the evaluation.
func counted(name string, f func(l *ledger, args []any) (any, error), signature any) expr.Option {
	return expr.Function(name, func(args ...any) (any, error) { return f(args[0].(*ledger), args[1:]) }, signature)
}

// countedFunctions are what a budget puts into an expression.
var countedFunctions = func() []expr.Option {
	list := []expr.Option{
		// $each(array, n) is an array that is gone through with n steps for each element.
		counted("$each", func(l *ledger, args []any) (any, error) {
			return args[0], l.step(product(lengthOf(args[0]), args[1].(int)))
		}, new(func(*ledger, any, int) any)),
		// $all(v) is v, which costs all that is in it, and as much again is made of it.
		counted("$all", func(l *ledger, args []any) (any, error) {
			return args[0], l.weigh(args[0], 2)
		}, new(func(*ledger, any) any)),
		// $text(v, n) is v, which costs n times its text.
		counted("$text", func(l *ledger, args []any) (any, error) {
			s, _ := args[0].(string)
			return args[0], l.step(product(1+len(s)/textStep, args[1].(int)))
		}, new(func(*ledger, any, int) any)),
		counted("$+", func(l *ledger, args []any) (any, error) {
			n := 0
			for _, arg := range args {
				if s, ok := arg.(string); ok {
					n += len(s)
				}
			}
			if err := l.make(n); err != nil {
				return nil, err
			}
			return runtime.Add(args[0], args[1]), nil
		}, new(func(*ledger, any, any) any)),
		counted("$==", func(l *ledger, args []any) (any, error) {
			return l.equal(args[0], args[1])
		}, new(func(*ledger, any, any) bool)),
		counted("$!=", func(l *ledger, args []any) (any, error) {
			equal, err := l.equal(args[0], args[1])
			return !equal, err
		}, new(func(*ledger, any, any) bool)),
		counted("$in", func(l *ledger, args []any) (any, error) {
			return l.in(args[0], args[1])
		}, new(func(*ledger, any, any) bool)),
		counted("$matches", func(l *ledger, args []any) (any, error) {
			return l.matches(args[0], args[1])
		}, new(func(*ledger, any, any) bool)),
	}
	for name, less := range map[string]func(a, b any) bool{"<": runtime.Less, "<=": runtime.LessOrEqual, ">": runtime.More, ">=": runtime.MoreOrEqual} {
		list = append(list, counted("$"+name, func(l *ledger, args []any) (any, error) {
			if err := flat(0)(l, args[:1]); err != nil {
				return nil, err
			}
			return less(args[0], args[1]), nil
		}, new(func(*ledger, any, any) bool)))
	}
	for name, price := range prices {
		list = append(list, priced(name, price))
	}
	return list
}()

// The bounds of a regular expression that is made when a message comes.
const (
	longestPattern = 256
	mostPattern    = 1000 // parts
)

// matches looks for a regular expression that is no constant.
func (l *ledger) matches(v, pattern any) (bool, error) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	s, isText := v.(string)
	p, ok := pattern.(string)
	if !isText || !ok {
		if v == nil || pattern == nil {
			return false, nil
		}
		return false, fmt.Errorf("invalid operation: matches (mismatched types %T and %T)", v, pattern)
	}
	if len(p) > longestPattern {
		return false, fmt.Errorf("the pattern has %d bytes, expected at most %d", len(p), longestPattern)
	}
	parts := patternSize(p)
	if parts > mostPattern {
		return false, fmt.Errorf("the pattern has %d parts, expected at most %d", parts, mostPattern)
	}
	if err := l.step(20*(len(p)+parts) + product(len(s), 1+parts/32)); err != nil {
		return false, err
	}
	return regexp.MatchString(p, s)
}

// patternSize is how many parts a regular expression has when its repetitions are written
// out; 0 if it is none, which is said later.
func patternSize(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	return regexpSize(re)
}

func regexpSize(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += regexpSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		n = product(n, max(re.Min, re.Max, 1))
	}
	return n
}

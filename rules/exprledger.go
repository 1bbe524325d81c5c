package rules

import (
	"math"
	"math/bits"
	"reflect"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm/runtime"

	"github.com/thinghub/thinghub/rules/sql"
)

// A ledger counts what one evaluation of an expression may still do and make. The virtual
// machine counts the elements of arrays by itself, and nothing else.
type ledger struct {
	steps  int
	memory int // in units of wordSize bytes
}

// wordSize is about what an element of an array takes, the unit of [Config].ExprMemory;
// textStep is how many bytes of text are looked at or made in one step.
const (
	wordSize = 16
	textStep = 8
)

// A budgetError is an [ErrBudget] that says which one.
type budgetError string

func (e budgetError) Error() string        { return string(e) }
func (e budgetError) Is(target error) bool { return target == ErrBudget }

const (
	errSteps  = budgetError("it takes too many steps")
	errMemory = budgetError("it takes too much memory")
	// vmMemory is what the virtual machine says of its own budget.
	vmMemory = "memory budget exceeded"
)

// step counts n steps.
func (l *ledger) step(n int) error {
	if n > l.steps {
		l.steps = 0
		return errSteps
	}
	l.steps -= n
	return nil
}

// take counts n bytes of memory.
func (l *ledger) take(n int) error {
	if n /= wordSize; n > l.memory {
		l.memory = 0
		return errMemory
	}
	l.memory -= n
	return nil
}

// make counts a text of n bytes that is made.
func (l *ledger) make(n int) error {
	if err := l.step(n / textStep); err != nil {
		return err
	}
	return l.take(n)
}

// A weigher counts values: as many steps as there is in them, and made times their memory
// besides. Nested values weigh their depth more where there is indent.
type weigher struct {
	*ledger
	made   int
	indent int
	flat   bool // what is in an array or object does not count
}

// value counts one value. It recurses as deep as the value is nested, of which steps are
// the bound.
func (w weigher) value(v any, depth int) error {
	switch v := v.(type) {
	case nil, bool, int, float64:
		return w.element(depth)
	case string:
		return w.text(len(v), depth)
	case []byte:
		return w.text(len(v), depth)
	case []int:
		return w.elements(len(v), depth)
	case []any:
		if w.flat {
			return w.elements(len(v), depth)
		}
		for _, e := range v {
			if err := w.value(e, depth+1); err != nil {
				return err
			}
		}
		return w.element(depth)
	case map[string]any:
		if w.flat {
			return w.elements(len(v), depth)
		}
		for k, e := range v {
			if err := w.text(len(k), depth); err != nil {
				return err
			}
			if err := w.value(e, depth+1); err != nil {
				return err
			}
		}
		return w.element(depth)
	}
	return w.other(reflect.ValueOf(v), depth)
}

// other counts what only functions of the language make, such as pairs.
func (w weigher) other(v reflect.Value, depth int) error {
	switch v.Kind() { //nolint:exhaustive // nothing else has anything in it
	case reflect.Slice, reflect.Array:
		if w.flat {
			return w.elements(v.Len(), depth)
		}
		for i := range v.Len() {
			if err := w.value(v.Index(i).Interface(), depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		if w.flat {
			return w.elements(v.Len(), depth)
		}
		for i := v.MapRange(); i.Next(); {
			if err := w.value(i.Key().Interface(), depth); err != nil {
				return err
			}
			if err := w.value(i.Value().Interface(), depth+1); err != nil {
				return err
			}
		}
	}
	return w.element(depth)
}

func (w weigher) element(depth int) error { return w.elements(1, depth) }

func (w weigher) elements(n, depth int) error {
	if err := w.step(1 + n); err != nil {
		return err
	}
	return w.take(n*w.made*wordSize + product(n, depth*w.indent))
}

func (w weigher) text(n, depth int) error {
	if err := w.step(1 + n/textStep); err != nil {
		return err
	}
	return w.take(product(n, w.made) + depth*w.indent)
}

// weigh counts a value with all that is in it as looked at, and made times as made.
func (l *ledger) weigh(v any, made int) error {
	return weigher{ledger: l, made: made}.value(v, 0)
}

// product is a times b, or what is more than any budget.
func product(a, b int) int {
	const most = math.MaxInt / 4 // so that a little can be added
	high, low := bits.Mul64(uint64(max(a, 0)), uint64(max(b, 0)))
	if high > 0 || low > most {
		return most
	}
	return int(low)
}

// narrow reports that to compare a value takes one step, whatever the other one is.
func narrow(v any) bool {
	switch v := v.(type) {
	case nil, bool, int, float64:
		return true
	case string:
		return len(v) <= shortText
	}
	return false
}

// equal compares two values as == does.
func (l *ledger) equal(a, b any) (bool, error) {
	if err := l.step(1); err != nil {
		return false, err
	}
	if !narrow(a) && !narrow(b) {
		if err := l.weigh(a, 0); err != nil {
			return false, err
		}
	}
	return runtime.Equal(a, b), nil
}

// in looks for a value as the operator of that name does.
func (l *ledger) in(needle, in any) (bool, error) {
	if array, ok := in.([]any); ok {
		for _, e := range array {
			if equal, err := l.equal(e, needle); equal || err != nil {
				return equal, err
			}
		}
		return false, nil
	}
	// A key of a map is hashed; of the other arrays all elements have one type.
	n := 1
	switch v := reflect.ValueOf(in); v.Kind() { //nolint:exhaustive // the others are refused
	case reflect.Slice, reflect.Array:
		n += v.Len()
	}
	before := l.steps
	if err := l.weigh(needle, 0); err != nil {
		return false, err
	}
	if err := l.step(product(n, before-l.steps)); err != nil {
		return false, err
	}
	return runtime.In(needle, in), nil
}

// failed makes an error of one of the virtual machine's: with its place, and what it wraps.
func (c *exprCode) failed(err error) error {
	at, ok := err.(*file.Error) //nolint:errorlint // Run returns just this
	if !ok {
		return err
	}
	e := &exprError{at: placedAt(c.text, at.From), cause: at.Prev}
	e.at.Message = at.Message
	if at.Message == vmMemory {
		e.at.Message, e.cause = errMemory.Error(), errMemory
	}
	return e
}

// An exprError is the failure of an evaluation at a place.
type exprError struct {
	at    *sql.Error
	cause error // nil if it is but a text
}

func (e *exprError) Error() string { return e.at.Error() }

func (e *exprError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.at}
	}
	return []error{e.at, e.cause}
}

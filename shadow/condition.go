package shadow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// The bounds of conditions, so that the text may be anybody's.
const (
	// MaxConditionBytes is how long the text of a condition may be.
	MaxConditionBytes = 4096
	// MaxConditionNodes is how many operators, names, constants and calls it may have.
	MaxConditionNodes = 500
	// MaxConditionSteps bounds the work of one evaluation: about one step for each
	// node that is evaluated, again for each element of an array that a function goes
	// through, and for every eight bytes of text that are looked at or made.
	MaxConditionSteps = 250_000
)

// A Condition is a question about a document, in the expression language of
// github.com/expr-lang/expr. Make it with [CompileCondition]; it may be used
// concurrently. It sees
//
//	desired, reported  the two sides, {} where a side has no keys
//	delta              what desired has and reported lacks or has otherwise, or {}
//	version            0 if there is no such shadow
//	exists             whether there is one
//	times              times.desired and times.reported: when each value was last set
//	updated            when the version was made
//	thing, name        the names of thing and shadow, name "" for the classic one
//	now                the time
//
// as in
//
//	exists && desired.target ?? 0 < 30
//	reported.state in ["idle", "done"] && all(reported.valves, !.open)
//	now - times.reported.celsius < duration("5m")
//
// A member that is not there is nil, whose members cannot be asked for: write
// reported.fan?.speed and ?? for what may be missing. The answer must be a bool; nil
// counts as false.
//
// Numbers lose nothing unseen. A whole number of up to 63 bits is an int and any other
// number a float64; one that neither holds as it is, such as 18446744073709551616 or
// 0.12345678901234567890, remains its text. ==, !=, <, <=, >, >= and in compare all of
// these exactly, by value; other operators fail with the last kind. That goes for the
// numbers in a condition too, except that whole ones beyond 63 bits need a point.
//
// Of the language there is what looks at values: all operators except .. and a pattern
// for matches that is not a constant; no variables; and of the functions abs, all, any,
// ceil, count, date, duration, filter, find, findIndex, findLast, findLastIndex, first,
// float, floor, hasPrefix, hasSuffix, indexOf, int, keys, last, lastIndexOf, len, lower,
// map, max, mean, median, min, none, one, round, string, sum, trim, trimPrefix,
// trimSuffix, type, upper and values.
type Condition struct {
	text    string
	program *vm.Program
	uses    map[string]bool // the names it mentions
}

// CompileCondition reads a condition. The error is an [Error] with ErrInvalid and says
// what is wrong, and where: names that are not there, types that do not fit, an answer
// that is no bool, anything over the bounds.
func CompileCondition(text string) (*Condition, error) {
	if len(text) > MaxConditionBytes {
		return nil, invalid(fmt.Sprintf("Invalid condition: it has %d bytes, expected at most %d", len(text), MaxConditionBytes))
	}
	l := &language{text: []rune(text), uses: map[string]bool{}}
	program, err := compileCondition(text, l)
	if l.err != nil {
		err = l.err
	}
	if err != nil {
		return nil, invalid("Invalid condition: " + describe(text, err))
	}
	return &Condition{text: text, program: program, uses: l.uses}, nil
}

// compileCondition compiles a text. Whatever a text makes the compiler do, it is an
// error.
func compileCondition(text string, l *language) (program *vm.Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be compiled: %v", r)
		}
	}()
	options := []expr.Option{
		expr.Env(map[string]any{
			"desired": map[string]any{}, "reported": map[string]any{}, "delta": map[string]any{}, "times": map[string]any{},
			"version": 0, "exists": false, "updated": time.Time{}, "thing": "", "name": "", "now": time.Time{}, ledgerName: (*ledger)(nil),
		}),
		expr.AsBool(), expr.MaxNodes(MaxConditionNodes), expr.Optimize(false), expr.DisableBuiltin("now"),
	}
	// The text as it is first: types of what a language puts in are not checked.
	if _, err := expr.Compile(text, options...); err != nil {
		return nil, err
	}
	options = append(options, expr.Patch(l))
	return expr.Compile(text, append(options, conditionFunctions...)...)
}

// describe is the message of an error of the expression language, in one line.
func describe(text string, err error) string {
	var at *file.Error
	if !errors.As(err, &at) {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return first
	}
	line, column := 1, 1
	for i, r := range []rune(text) {
		if i == at.From {
			break
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
	}
	return fmt.Sprintf("%s (line %d, column %d)", at.Message, line, column)
}

// String returns the text.
func (c *Condition) String() string { return c.text }

// Holds evaluates the condition for a document as it is at a time. The error is an
// [Error] with ErrInvalid and says what cannot be evaluated, and where.
func (c *Condition) Holds(k Key, d Document, now time.Time) (bool, error) {
	env, err := c.environment(k, d, now)
	if err != nil {
		return false, err
	}
	machine := vm.VM{MemoryBudget: MaxConditionSteps}
	answer, err := machine.Run(c.program, env)
	if err != nil {
		return false, invalid("Condition failed: " + describe(c.text, err))
	}
	is, _ := answer.(bool) // which the compiler has made sure of
	return is, nil
}

// UpdateIf is [Service.Update] if a condition holds for the document before the update:
// the two are one step, so that no other change comes between. nil always holds.
//
// Errors are those of Update and, after a version in the request was found to be the
// current one, an [Error] with ErrCondition, code 412, if the condition does not hold, and
// with ErrInvalid if it cannot be evaluated.
func (s *Service) UpdateIf(ctx context.Context, k Key, c *Condition, request []byte, by Requester) (Accepted, error) {
	return s.updateIf(ctx, k, request, by, c)
}

// check refuses an update unless the condition holds.
func (c *Condition) check(k Key, current Document, now time.Time) error {
	if c == nil {
		return nil
	}
	holds, err := c.Holds(k, current, now)
	if err == nil && !holds {
		return &Error{Code: codeCondition, Message: textCondition}
	}
	return err
}

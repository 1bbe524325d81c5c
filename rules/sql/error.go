package sql

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

var (
	// ErrPayload is wrapped by the error of an evaluation that looks into a payload
	// which is not JSON.
	ErrPayload = errors.New("the payload is not JSON")
	// ErrCall is wrapped by the error of an evaluation in which a function that calls
	// out has failed.
	ErrCall = errors.New("a function that calls out has failed")
	// ErrTooLarge is wrapped by the error of an evaluation that makes far more of a
	// message than there is of it.
	ErrTooLarge = errors.New("the result is too large")
)

// An Error is a mistake in a statement or template, found when it is compiled.
type Error struct {
	// Line and Column say where, both from 1; columns count characters.
	Line, Column int
	// Offset is the same in bytes from the start of the text.
	Offset int
	// Message says what was found and what was expected.
	Message string
}

// Error returns the message with its place: "line 1, column 8: ...".
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// errorAt makes the error of a place in a text.
func errorAt(source string, offset int, format string, args ...any) *Error {
	offset = min(offset, len(source))
	before := source[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return &Error{
		Line:    strings.Count(before, "\n") + 1,
		Column:  utf8.RuneCountInString(before[start:]) + 1,
		Offset:  offset,
		Message: fmt.Sprintf(format, args...),
	}
}

// clip shortens a text for a message.
func clip(s string) string {
	const longest = 40
	if len(s) <= longest {
		return s
	}
	cut := longest
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

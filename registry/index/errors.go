package index

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

var (
	// ErrInvalidQuery is in the chain of every error about the text of a query or
	// about a field that a query must not name.
	ErrInvalidQuery = errors.New("invalid query")
	// ErrInvalidAggregation is in the chain of every error about a field that cannot
	// be aggregated, or not in this way.
	ErrInvalidAggregation = errors.New("invalid aggregation")
	// ErrInvalidSchema is in the chain of the errors of [New] and [Schema.Validate].
	ErrInvalidSchema = errors.New("invalid index schema")
)

// SyntaxError says where a query cannot be read. [Parse] returns no other type.
type SyntaxError struct {
	Offset   int    // in bytes from the start of the query
	Found    string // what is there, cut to a printable length; "" is the end of the query
	Expected string // for people
}

func (e *SyntaxError) Error() string {
	found := "the end of the query"
	if e.Found != "" {
		found = shown(e.Found)
	}
	return fmt.Sprintf("%v: at offset %d: found %s, expected %s", ErrInvalidQuery, e.Offset, found, e.Expected)
}

// Unwrap returns [ErrInvalidQuery].
func (e *SyntaxError) Unwrap() error { return ErrInvalidQuery }

// FieldError says why a query or an aggregation cannot use a field.
type FieldError struct {
	Field  string
	Reason string // for people
	kind   error
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("%v: field %s: %s", e.kind, shown(e.Field), e.Reason)
}

// Unwrap returns [ErrInvalidQuery], [ErrInvalidAggregation] or [ErrInvalidSchema].
func (e *FieldError) Unwrap() error { return e.kind }

// maxShown bounds what an error repeats of text that came from a client.
const maxShown = 80

func shown(s string) string {
	if len(s) <= maxShown {
		return strconv.Quote(s)
	}
	cut := maxShown
	for cut > maxShown-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}

package topic

import (
	"errors"
	"strconv"
	"unicode/utf8"
)

// ErrInvalid is in the chain of every error of this package.
var ErrInvalid = errors.New("invalid topic")

// Error says what is wrong with a topic name, a topic filter or a share name.
// All checks of this package return *Error.
type Error struct {
	Kind   string // "topic name", "topic filter" or "share name"
	Value  string // the text as it was given: cut to a printable length and quoted
	Reason string // for people
}

func (e *Error) Error() string { return e.Kind + " " + e.Value + ": " + e.Reason }

// Unwrap returns ErrInvalid.
func (e *Error) Unwrap() error { return ErrInvalid }

const (
	kindName   = "topic name"
	kindFilter = "topic filter"
	kindShare  = "share name"
)

// maxShown bounds what an error repeats of text that came from a client: it
// ends up in logs and reason strings.
const maxShown = 80

func invalid(kind, value, reason string) error {
	return &Error{Kind: kind, Value: shown(value), Reason: reason}
}

func shown(s string) string {
	if len(s) <= maxShown {
		return strconv.Quote(s)
	}
	cut := maxShown
	// Do not cut a character in two; invalid UTF-8 may have no start nearby.
	for cut > maxShown-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}

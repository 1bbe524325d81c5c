package actions

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrPermanent is in the chain of errors that must not be retried. Mark one with
// [Permanent].
var ErrPermanent = errors.New("actions: not to be retried")

// ErrNoHost is what an action that needs a hub returns when it has none: it was called
// without being part of a rule, or the hub does not have what it needs.
var ErrNoHost = errors.New("actions: the hub does not provide what the action needs")

// Permanent marks an error: trying again would not help. The text stays the same; nil
// stays nil.
func Permanent(err error) error {
	if err == nil || errors.Is(err, ErrPermanent) {
		return err
	}
	return &permanent{err}
}

type permanent struct{ err error }

func (p *permanent) Error() string        { return p.err.Error() }
func (p *permanent) Unwrap() error        { return p.err }
func (p *permanent) Is(target error) bool { return target == ErrPermanent }

// ErrSinkWorks is in the chain of errors that may pass, but that are no sign of a sink that
// is down. Mark one with [SinkWorks].
var ErrSinkWorks = errors.New("actions: the sink works, but does not take this")

// SinkWorks marks an error of a [Sinked] action: trying again may help, because somebody
// can mend what is wrong, but other actions of the sink have no reason to wait meanwhile. It
// is for what one rule names: a table that is missing, a right that the user lacks. The
// text stays the same; nil stays nil.
func SinkWorks(err error) error {
	if err == nil || errors.Is(err, ErrSinkWorks) || errors.Is(err, ErrPermanent) {
		return err
	}
	return &sinkWorks{err}
}

type sinkWorks struct{ err error }

func (w *sinkWorks) Error() string        { return w.err.Error() }
func (w *sinkWorks) Unwrap() error        { return w.err }
func (w *sinkWorks) Is(target error) bool { return target == ErrSinkWorks }

// A FieldError says which parameter of an action is wrong.
type FieldError struct {
	// Field is the path in the action's JSON, such as "headers[2].key".
	Field string
	// Value is what stands there, shortened and quoted; empty if the field is absent.
	Value string
	// Want is what was expected.
	Want string
}

// Error is one sentence for people.
func (e *FieldError) Error() string {
	if e.Value == "" {
		return e.Field + " is missing, expected " + e.Want
	}
	return e.Field + " is " + e.Value + ", expected " + e.Want
}

// WrongField returns the [FieldError] of a field with a text, which may come from a device:
// it is [Shown]. An empty text counts as absent.
func WrongField(field, value, want string) error {
	if value != "" {
		value = Shown(value)
	}
	return &FieldError{Field: field, Value: value, Want: want}
}

// maxShown bounds what an error repeats of text that may come from a device.
const maxShown = 80

// Shown returns a text in quotes as errors have it: 80 bytes of it at most.
func Shown(s string) string {
	if len(s) <= maxShown {
		return strconv.Quote(s)
	}
	cut := maxShown
	for cut > maxShown-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}

// static returns the part of a text before its first template, and whether that is all.
func static(text string) (string, bool) {
	before, _, found := strings.Cut(text, "${")
	return before, !found
}

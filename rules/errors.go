package rules

import (
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/rules/sql"
)

// Kinds of failures. Every error of a [Service] that is the caller's doing is an
// [*Error] of one of these kinds; test with errors.Is. A [Store] returns ErrNotFound and
// ErrVersion as they are, or wrapped.
var (
	// ErrNotFound: there is no such rule or destination.
	ErrNotFound = errors.New("rules: not found")
	// ErrExists: there is a rule of that name, or a destination for that URL.
	ErrExists = errors.New("rules: already exists")
	// ErrInvalid: the request breaks a rule of form. Field says which part.
	ErrInvalid = errors.New("rules: invalid request")
	// ErrSQL: a statement, an expression or a template cannot be compiled. The error
	// wraps an [*sql.Error], which has the position.
	ErrSQL = errors.New("rules: invalid statement")
	// ErrLimitExceeded: there are as many rules as may be.
	ErrLimitExceeded = errors.New("rules: limit exceeded")
	// ErrVersion: the record was changed by others meanwhile.
	ErrVersion = errors.New("rules: version conflict")
	// ErrClosed: the service was shut down.
	ErrClosed = errors.New("rules: closed")
	// ErrBudget: the evaluation of an expression took more steps or memory than
	// [Config] allows. It is what [Trace].Err wraps then; the message counts as failed.
	ErrBudget = errors.New("rules: an expression takes too much")
)

// An Error is a failure that is the caller's doing.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Field is the part of the rule that is to blame, as it is called in JSON: "sql",
	// "actions[1].http.url". Empty if it is none.
	Field string
	// Message is one sentence for people, without the name of the package.
	Message string
	// Err is the cause, if there is one.
	Err error
}

// Error returns the message with the name of the package before it.
func (e *Error) Error() string { return "rules: " + e.Message }

// Is matches the kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// invalid makes an error about a field.
func invalid(field, format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Field: field, Message: field + " " + fmt.Sprintf(format, args...)}
}

// refused wraps what somebody says against a part of a rule: a mistake in the language
// becomes ErrSQL.
func refused(field string, err error) error {
	kind := ErrInvalid
	if e := (*sql.Error)(nil); errors.As(err, &e) {
		kind = ErrSQL
	}
	return &Error{Kind: kind, Field: field, Message: field + ": " + err.Error(), Err: err}
}

func notFound(what, name string) error {
	return &Error{Kind: ErrNotFound, Message: fmt.Sprintf("%s %s cannot be found", what, name)}
}

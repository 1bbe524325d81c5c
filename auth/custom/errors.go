package custom

import (
	"errors"
	"fmt"
	"strings"
)

// Kinds of failures. Every error that is the caller's doing is an [*Error] of one of
// these kinds; test with errors.Is.
var (
	// ErrNotFound: there is no such authorizer, or no default one.
	ErrNotFound = errors.New("custom: not found")
	// ErrExists: the name is taken, or there is another default authorizer.
	ErrExists = errors.New("custom: already exists")
	// ErrInvalid: the request breaks a rule.
	ErrInvalid = errors.New("custom: invalid request")
	// ErrDeleteConflict: the authorizer is active or the default.
	ErrDeleteConflict = errors.New("custom: still in use")
	// ErrLimitExceeded: there are as many authorizers as there may be.
	ErrLimitExceeded = errors.New("custom: limit exceeded")
	// ErrInvalidResponse: the function failed or its answer breaks a rule. What it
	// wraps says why.
	ErrInvalidResponse = errors.New("custom: invalid response")
)

// An Error is a failure that is the caller's doing, or the function's.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Message is one sentence for people, without the name of the package.
	Message string
	// Field is the member of the request that is to blame, as AWS spells it, Value what
	// stood there, shortened, and Want what was expected. Set where one is to blame.
	Field, Value, Want string
	// ResourceID and ResourceARN name what was there first. Set for ErrExists.
	ResourceID, ResourceARN string
	// Cause is what went wrong in a function.
	Cause error
}

// Error returns the message with the name of the package before it.
func (e *Error) Error() string { return "custom: " + e.Message }

// Is matches the kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// exceptions are AWS's names for the kinds.
var exceptions = map[error]string{
	ErrNotFound: "ResourceNotFoundException", ErrExists: "ResourceAlreadyExistsException", ErrInvalid: "InvalidRequestException",
	ErrDeleteConflict: "DeleteConflictException", ErrLimitExceeded: "LimitExceededException", ErrInvalidResponse: "InvalidResponseException",
}

// Exception is the name of AWS's exception for the kind.
func (e *Error) Exception() string { return exceptions[e.Kind] }

// invalid is the error of one field that breaks a rule of form, in AWS's words.
func invalid(field, value, want string) *Error {
	value = shorten(value)
	return &Error{
		Kind: ErrInvalid, Field: field, Value: value, Want: want,
		Message: "1 validation error detected: Value '" + value + "' at '" + field + "' failed to satisfy constraint: " + want,
	}
}

func failed(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// badResponse is the error of a function's answer.
func badResponse(field, value, want string) *Error {
	value = shorten(value)
	return &Error{Kind: ErrInvalidResponse, Field: field, Value: value, Want: want, Message: fmt.Sprintf("the function answered with %s %q, expected %s", field, value, want)}
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

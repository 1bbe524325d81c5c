package registry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kinds of failures. Every error of a [Service] that is the caller's doing is an
// [*Error] of one of these kinds; test with errors.Is. A [Registry] returns
// ErrNotFound and ErrVersion as they are, or wrapped.
var (
	// ErrNotFound: there is no such thing, type, group, index or resource.
	ErrNotFound = errors.New("registry: not found")
	// ErrExists: the name is taken by a resource that is configured otherwise. The
	// error carries ResourceID and ResourceARN.
	ErrExists = errors.New("registry: already exists")
	// ErrVersion: the resource has another version than the one expected.
	ErrVersion = errors.New("registry: version conflict")
	// ErrInvalid: the request breaks a rule. Field, Value and Want say which, if
	// one field is to blame.
	ErrInvalid = errors.New("registry: invalid request")
	// ErrDeleteConflict: something still hangs on what was to be deleted. An error
	// of this kind is also ErrInvalid: for things, types and groups the AWS API
	// knows no other code.
	ErrDeleteConflict = errors.New("registry: still in use")
	// ErrLimitExceeded: one of [Limits] is reached.
	ErrLimitExceeded = errors.New("registry: limit exceeded")
	// ErrInvalidQuery: the query of a search, an aggregation or a dynamic group
	// cannot be read, or asks for what is not indexed.
	ErrInvalidQuery = errors.New("registry: invalid query")
	// ErrInvalidAggregation: the field or the parameters of an aggregation do not fit.
	ErrInvalidAggregation = errors.New("registry: invalid aggregation")
	// ErrIndexNotReady: the index is switched on and being built for the first time.
	ErrIndexNotReady = errors.New("registry: index not ready")
)

// An Error is a failure that is the caller's doing.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Message is one sentence for people, without the name of the package.
	Message string
	// Field is the member of the request that is to blame, as AWS spells it
	// ("thingName"), Value what stood there, shortened, and Want what was expected.
	// Set for ErrInvalid where one field is to blame.
	Field, Value, Want string
	// ResourceID and ResourceARN name what was there first. Set for ErrExists.
	ResourceID, ResourceARN string
}

// Error returns the message with the name of the package before it.
func (e *Error) Error() string { return "registry: " + e.Message }

// Is matches the kind; an ErrDeleteConflict is an ErrInvalid too.
func (e *Error) Is(target error) bool {
	return target == e.Kind || (e.Kind == ErrDeleteConflict && target == ErrInvalid)
}

// invalid is the error of one field that breaks a rule of form. The text is that of
// AWS, which tools show to people and tests look for.
func invalid(field, value, want string) *Error {
	value = shorten(value)
	return &Error{
		Kind: ErrInvalid, Field: field, Value: value, Want: want,
		Message: "1 validation error detected: Value '" + value + "' at '" + field + "' failed to satisfy constraint: " + want,
	}
}

// refused is the error of a request that is well formed but against the rules.
func refused(format string, args ...any) *Error {
	return &Error{Kind: ErrInvalid, Message: fmt.Sprintf(format, args...)}
}

func inUse(format string, args ...any) *Error {
	return &Error{Kind: ErrDeleteConflict, Message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) *Error {
	return &Error{Kind: ErrNotFound, Message: fmt.Sprintf(format, args...)}
}

func overLimit(format string, args ...any) *Error {
	return &Error{Kind: ErrLimitExceeded, Message: fmt.Sprintf(format, args...)}
}

func exists(id, arn, format string, args ...any) *Error {
	return &Error{Kind: ErrExists, Message: fmt.Sprintf(format, args...), ResourceID: id, ResourceARN: arn}
}

// checkVersion compares the version somebody expects with the one there is.
func checkVersion(what, name string, expected *int64, version int64) error {
	if expected == nil || *expected == version {
		return nil
	}
	return &Error{
		Kind: ErrVersion, Field: "expectedVersion", Value: strconv.FormatInt(*expected, 10), Want: strconv.FormatInt(version, 10),
		Message: fmt.Sprintf("The version for %s %s does not match the expected version: expected %d, it is %d.", what, name, *expected, version),
	}
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

package roles

import (
	"errors"
	"fmt"
)

// Kinds of failures. Every error of a [Service] that is the caller's doing is an [*Error]
// of one of these kinds; test with errors.Is.
var (
	// ErrNotFound: there is no such role alias or role (ResourceNotFoundException).
	ErrNotFound = errors.New("roles: not found")
	// ErrExists: the role alias or the role is there already (ResourceAlreadyExistsException).
	ErrExists = errors.New("roles: already exists")
	// ErrInvalid: the request breaks a rule (InvalidRequestException).
	ErrInvalid = errors.New("roles: invalid request")
	// ErrMalformed: a trust policy cannot be read (MalformedPolicyException).
	ErrMalformed = errors.New("roles: malformed policy")
	// ErrNotTrusted: there is no such role, or it may not be taken by who wants to
	// (UnauthorizedException).
	ErrNotTrusted = errors.New("roles: the role does not trust the caller")
)

// exceptions are the names that AWS IoT has for the kinds.
var exceptions = map[error]string{
	ErrNotFound:   "ResourceNotFoundException",
	ErrExists:     "ResourceAlreadyExistsException",
	ErrInvalid:    "InvalidRequestException",
	ErrMalformed:  "MalformedPolicyException",
	ErrNotTrusted: "UnauthorizedException",
}

// An Error is a failure that is the caller's doing.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Message is one sentence for people, without the name of the package.
	Message string
	// ResourceID and ResourceARN name what was there first. Set for ErrExists.
	ResourceID, ResourceARN string
	// Cause is why, for the host and not for who asked; nil if there is nothing to say.
	Cause error
}

// Error returns the message with the name of the package before it, and the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return "roles: " + e.Message + ": " + e.Cause.Error()
	}
	return "roles: " + e.Message
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Exception returns the name that AWS IoT has for errors of this kind, such as
// "ResourceNotFoundException".
func (e *Error) Exception() string { return exceptions[e.Kind] }

func fault(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

func invalid(field, value, want string) *Error {
	if len(value) > 100 {
		value = value[:100] + "..."
	}
	return fault(ErrInvalid, "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, field, want)
}

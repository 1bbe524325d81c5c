package access

import (
	"errors"
	"fmt"
)

// Kinds of failures. Every error of a [Service] that is the caller's doing is an [*Error]
// of one of these kinds; test with errors.Is.
var (
	// ErrNotFound: there is no such policy, version or target
	// (ResourceNotFoundException).
	ErrNotFound = errors.New("access: not found")
	// ErrExists: the name is taken; the error carries ResourceID and ResourceARN
	// (ResourceAlreadyExistsException).
	ErrExists = errors.New("access: already exists")
	// ErrInvalid: the request breaks a rule (InvalidRequestException).
	ErrInvalid = errors.New("access: invalid request")
	// ErrMalformed: a policy document is refused (MalformedPolicyException). It also
	// wraps policy.ErrMalformed.
	ErrMalformed = errors.New("access: malformed policy")
	// ErrDeleteConflict: something still hangs on what was to be deleted
	// (DeleteConflictException).
	ErrDeleteConflict = errors.New("access: still in use")
	// ErrVersionsLimit: the policy has as many versions as it may
	// (VersionsLimitExceededException).
	ErrVersionsLimit = errors.New("access: too many versions")
	// ErrLimit: the target has as many policies as it may (LimitExceededException).
	ErrLimit = errors.New("access: limit exceeded")
	// ErrConflict: others change the same all the time; try again
	// (ServiceUnavailableException).
	ErrConflict = errors.New("access: conflict")
)

// exceptions are the names that AWS IoT has for the kinds.
var exceptions = map[error]string{
	ErrNotFound:       "ResourceNotFoundException",
	ErrExists:         "ResourceAlreadyExistsException",
	ErrInvalid:        "InvalidRequestException",
	ErrMalformed:      "MalformedPolicyException",
	ErrDeleteConflict: "DeleteConflictException",
	ErrVersionsLimit:  "VersionsLimitExceededException",
	ErrLimit:          "LimitExceededException",
	ErrConflict:       "ServiceUnavailableException",
}

// An Error is a failure that is the caller's doing.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Message is one sentence for people, without the name of the package.
	Message string
	// ResourceID and ResourceARN name what was there first. Set for ErrExists.
	ResourceID, ResourceARN string

	cause error
}

// Error returns the message with the name of the package before it.
func (e *Error) Error() string { return "access: " + e.Message }

// Unwrap returns the kind, and what lies behind it if that is something.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.cause}
}

// Exception returns the name that AWS IoT has for errors of this kind, such as
// "MalformedPolicyException".
func (e *Error) Exception() string { return exceptions[e.Kind] }

func fault(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// invalid is the error of one field. The text is that of AWS, which tools show to people.
func invalid(field, value, want string) *Error {
	if len(value) > 100 {
		value = value[:100] + "..."
	}
	return fault(ErrInvalid, "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, field, want)
}

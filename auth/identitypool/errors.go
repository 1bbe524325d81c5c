package identitypool

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Kinds of failures. Every error that is the caller's doing is an [*Error] of one of these
// kinds; test with errors.Is. In brackets is AWS's name.
var (
	// ErrNotFound: there is no such pool or identity (ResourceNotFoundException).
	ErrNotFound = errors.New("identitypool: not found")
	// ErrInvalid: the request breaks a rule (InvalidParameterException).
	ErrInvalid = errors.New("identitypool: invalid parameter")
	// ErrNotAuthorized: a login is not proved or not for this identity, or the pool allows
	// no guests (NotAuthorizedException).
	ErrNotAuthorized = errors.New("identitypool: not authorized")
	// ErrConflict: a login belongs to another identity (ResourceConflictException).
	ErrConflict = errors.New("identitypool: resource conflict")
	// ErrRegistered: a user of the host's backend belongs to another identity
	// (DeveloperUserAlreadyRegisteredException).
	ErrRegistered = errors.New("identitypool: developer user already registered")
	// ErrLimit: an identity has as many logins as it may have (LimitExceededException).
	ErrLimit = errors.New("identitypool: limit exceeded")
	// ErrTooMany: too many guests come at once (TooManyRequestsException).
	ErrTooMany = errors.New("identitypool: too many requests")
	// ErrConfiguration: the pool has no role for the identity, or the role does not trust
	// the pool (InvalidIdentityPoolConfigurationException).
	ErrConfiguration = errors.New("identitypool: invalid configuration of the pool")
	// ErrExternal: a login provider cannot be asked (ExternalServiceException).
	ErrExternal = errors.New("identitypool: login provider unavailable")
	// ErrConcurrent: others change the same all the time
	// (ConcurrentModificationException).
	ErrConcurrent = errors.New("identitypool: changed by others")
)

var exceptions = map[error]string{
	ErrNotFound: "ResourceNotFoundException", ErrInvalid: "InvalidParameterException", ErrNotAuthorized: "NotAuthorizedException",
	ErrConflict: "ResourceConflictException", ErrRegistered: "DeveloperUserAlreadyRegisteredException", ErrLimit: "LimitExceededException",
	ErrTooMany: "TooManyRequestsException", ErrConfiguration: invalidConfiguration, ErrExternal: "ExternalServiceException",
	ErrConcurrent: "ConcurrentModificationException",
}

const invalidConfiguration = "InvalidIdentityPoolConfigurationException"

// An Error is a failure that is the caller's doing.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Message is one sentence for people, without the name of the package. It has no
	// secrets in it and is shown to who asked.
	Message string
	// Cause is what it comes from, such as the error of a verifier; nil if nothing. It is
	// not for who asked.
	Cause error
}

// Error returns the message with the name of the package before it, and the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return "identitypool: " + e.Message + ": " + e.Cause.Error()
	}
	return "identitypool: " + e.Message
}

// Is matches the kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Exception returns AWS's name for errors of this kind.
func (e *Error) Exception() string { return exceptions[e.Kind] }

// Public returns the HTTP status and what who asked may know.
func (e *Error) Public() (status int, message string) {
	if errors.Is(e.Kind, ErrTooMany) {
		return http.StatusTooManyRequests, e.Message
	}
	return http.StatusBadRequest, e.Message
}

func fault(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// invalid is the error of one field that breaks a rule of form, in AWS's words.
func invalid(field, value, want string) *Error {
	return fault(ErrInvalid, "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", shorten(value), field, want)
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

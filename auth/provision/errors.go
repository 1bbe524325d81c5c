package provision

import (
	"errors"
	"fmt"
	"strings"
)

// Kinds of failures. Every error of the package that is the caller's or a device's
// doing is an [*Error] of one of these kinds; test with errors.Is. [Certificates],
// [Things] and [Policies] return the ones that their methods name, as they are or
// wrapped.
var (
	// ErrInvalid: the request breaks a rule. Field, Value and Want say which, if one
	// member is to blame. ErrPayload, ErrParameters, ErrToken and ErrRegistration are
	// ErrInvalid too.
	ErrInvalid = errors.New("provision: invalid request")
	// ErrPayload: a message is not what the topic asks for.
	ErrPayload = errors.New("provision: invalid payload")
	// ErrParameters: a parameter of a template is missing, or makes something invalid.
	ErrParameters = errors.New("provision: invalid parameters")
	// ErrToken: the certificate ownership token is unknown, used, expired or somebody
	// else's.
	ErrToken = errors.New("provision: invalid certificate ownership token")
	// ErrRegistration: something that a template names cannot be made or is not there.
	ErrRegistration = errors.New("provision: registration failed")
	// ErrNotFound: there is no such template, version, thing, certificate or policy.
	ErrNotFound = errors.New("provision: not found")
	// ErrExists: the name is taken. The error carries ResourceID and ResourceARN.
	ErrExists = errors.New("provision: already exists")
	// ErrConflict: a resource is there already, and the template says to fail then, or
	// its state does not permit what is asked.
	ErrConflict = errors.New("provision: resource conflict")
	// ErrUpdateConflict: somebody else has changed the resource meanwhile.
	ErrUpdateConflict = errors.New("provision: conflicting update")
	// ErrDeleteConflict: the resource is in use.
	ErrDeleteConflict = errors.New("provision: still in use")
	// ErrVersionsLimit: the template has as many versions as it may have.
	ErrVersionsLimit = errors.New("provision: too many versions")
	// ErrLimitExceeded: one of [Limits] is reached.
	ErrLimitExceeded = errors.New("provision: limit exceeded")
	// ErrDenied: the requester may not do this, or the pre-provisioning hook refused.
	ErrDenied = errors.New("provision: access denied")
	// ErrThrottled: there is too much to do at the moment.
	ErrThrottled = errors.New("provision: too many requests")
)

// An Error is a failure that is the caller's doing.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Message is one sentence for people, without the name of the package. Devices see
	// it too.
	Message string
	// Field is the member that is to blame, as a path such as
	// "templateBody.Resources.thing.Properties.ThingName"; Value is what stood there,
	// shortened, and Want what was expected. Set where one member is to blame.
	Field, Value, Want string
	// ResourceID and ResourceARN name what was there first. Set for ErrExists.
	ResourceID, ResourceARN string
	// Err is what led to it, nil if nothing did.
	Err error
}

// Error returns the message with the name of the package before it.
func (e *Error) Error() string { return "provision: " + e.Message }

// Unwrap returns what led to the error.
func (e *Error) Unwrap() error { return e.Err }

// Is matches the kind; some kinds are ErrInvalid too.
func (e *Error) Is(target error) bool {
	if target == e.Kind {
		return true
	}
	switch e.Kind {
	case ErrPayload, ErrParameters, ErrToken, ErrRegistration:
		return target == ErrInvalid
	}
	return false
}

// kinds says what each kind of failure is called: by the AWS API over HTTP, and in the
// rejection of a message.
var kinds = []struct {
	kind      error
	exception string
	code      string
	rejected  int
}{
	{ErrInvalid, "InvalidRequestException", "InvalidRequest", 400},
	{ErrPayload, "InvalidRequestException", "InvalidPayload", 400},
	{ErrParameters, "InvalidRequestException", "InvalidParameters", 400},
	{ErrToken, "InvalidRequestException", "InvalidCertificateOwnershipToken", 400},
	{ErrRegistration, "ResourceRegistrationFailureException", "ResourceRegistrationFailure", 400},
	{ErrNotFound, "ResourceNotFoundException", "ResourceNotFound", 404},
	{ErrExists, "ResourceAlreadyExistsException", "ResourceAlreadyExists", 409},
	{ErrConflict, "ResourceConflictException", "ResourceConflict", 409},
	{ErrUpdateConflict, "ConflictingResourceUpdateException", "ConflictingResourceUpdate", 409},
	{ErrDeleteConflict, "DeleteConflictException", "DeleteConflict", 409},
	{ErrVersionsLimit, "VersionsLimitExceededException", "VersionsLimitExceeded", 409},
	{ErrLimitExceeded, "LimitExceededException", "LimitExceeded", 429},
	{ErrDenied, "UnauthorizedException", "AccessDenied", 403},
	{ErrThrottled, "ThrottlingException", "Throttling", 429},
}

// Exception returns the name that the AWS API has for the error. An error of a kind that
// is not of this package is an internal failure.
func (e *Error) Exception() string {
	for _, k := range kinds {
		if errors.Is(e.Kind, k.kind) {
			return k.exception
		}
	}
	return "InternalFailureException"
}

// rejection is what a device is told of an error.
func rejection(err error) (r rejected, internal bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		for _, k := range kinds {
			if errors.Is(e.Kind, k.kind) {
				return rejected{StatusCode: k.rejected, ErrorCode: k.code, ErrorMessage: e.Message}, false
			}
		}
	}
	return rejected{StatusCode: 500, ErrorCode: "InternalFailure", ErrorMessage: "internal failure"}, true
}

// wrong is the error of one member that is not what was expected.
func wrong(kind error, field, value, want string) *Error {
	value = shorten(value)
	return &Error{Kind: kind, Field: field, Value: value, Want: want, Message: fmt.Sprintf("%s is %q, expected %s", field, value, want)}
}

// amiss is wrong for what is no text: something describes it.
func amiss(field, something, want string) *Error {
	return &Error{Kind: ErrInvalid, Field: field, Value: something, Want: want, Message: fmt.Sprintf("%s is %s, expected %s", field, something, want)}
}

func failf(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 128
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

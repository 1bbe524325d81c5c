package certs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

// Kinds of failures. Every error of a [Service] that is the caller's doing is an
// [*Error] of one of these kinds; test with errors.Is. In brackets is the exception that
// AWS IoT has for it.
var (
	// ErrInvalid: the request breaks a rule of form (InvalidRequestException). Field,
	// Value and Want say which, if one field is to blame.
	ErrInvalid = errors.New("certs: invalid request")
	// ErrNotFound: there is no such certificate, registration code or CRL
	// (ResourceNotFoundException).
	ErrNotFound = errors.New("certs: not found")
	// ErrExists: the certificate is registered (ResourceAlreadyExistsException). The
	// error carries ResourceID and ResourceARN.
	ErrExists = errors.New("certs: already exists")
	// ErrState: the status of the certificate, or of its CA, does not allow it
	// (CertificateStateException).
	ErrState = errors.New("certs: the status does not allow it")
	// ErrValidation: the certificate is none that can be registered
	// (CertificateValidationException).
	ErrValidation = errors.New("certs: the certificate is not valid")
	// ErrConflict: several registered CAs may have signed the certificate
	// (CertificateConflictException).
	ErrConflict = errors.New("certs: more than one CA fits")
	// ErrRegistrationCode: a verification certificate is not for the registration code
	// (RegistrationCodeValidationException).
	ErrRegistrationCode = errors.New("certs: wrong registration code")
	// ErrTransferConflict: policies or things are attached to what was to be
	// transferred, or the other account has the certificate (TransferConflictException).
	ErrTransferConflict = errors.New("certs: the certificate cannot be transferred")
	// ErrTransferCompleted: the transfer was accepted before
	// (TransferAlreadyCompletedException).
	ErrTransferCompleted = errors.New("certs: the transfer is complete")
	// ErrDeleteConflict: policies or things are attached to what was to be deleted
	// (DeleteConflictException).
	ErrDeleteConflict = errors.New("certs: still in use")
	// ErrLimitExceeded: ten CAs have the same subject (LimitExceededException).
	ErrLimitExceeded = errors.New("certs: limit exceeded")
)

// exceptions are the names that AWS has for the kinds.
var exceptions = map[error]string{
	ErrInvalid:           "InvalidRequestException",
	ErrNotFound:          "ResourceNotFoundException",
	ErrExists:            "ResourceAlreadyExistsException",
	ErrState:             "CertificateStateException",
	ErrValidation:        "CertificateValidationException",
	ErrConflict:          "CertificateConflictException",
	ErrRegistrationCode:  "RegistrationCodeValidationException",
	ErrTransferConflict:  "TransferConflictException",
	ErrTransferCompleted: "TransferAlreadyCompletedException",
	ErrDeleteConflict:    "DeleteConflictException",
	ErrLimitExceeded:     "LimitExceededException",
}

// An Error is a failure that is the caller's doing.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Message is one sentence for people, without the name of the package.
	Message string
	// Field is the member of the request that is to blame, as AWS spells it
	// ("certificatePem"), Value what stood there, shortened, and Want what was expected.
	// Set where one field is to blame. Value is empty for PEM texts.
	Field, Value, Want string
	// ResourceID and ResourceARN name what was there first. Set for ErrExists.
	ResourceID, ResourceARN string
	// Err is the cause, if there is one.
	Err error
}

// Error returns the message with the name of the package before it.
func (e *Error) Error() string { return "certs: " + e.Message }

// Is matches the kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Exception returns the name that AWS IoT has for errors of this kind, such as
// "CertificateStateException".
func (e *Error) Exception() string { return exceptions[e.Kind] }

// invalid is the error of one field that breaks a rule of form, in the words of AWS.
func invalid(field, value, want string) *Error {
	value = shorten(value)
	return &Error{
		Kind: ErrInvalid, Field: field, Value: value, Want: want,
		Message: "1 validation error detected: Value '" + value + "' at '" + field + "' failed to satisfy constraint: " + want,
	}
}

// badLength is invalid without the value, which may be a key that was sent by mistake.
func badLength(field string, most int) *Error {
	want := "Member must have length between 1 and " + itoa(most)
	return &Error{
		Kind: ErrInvalid, Field: field, Want: want,
		Message: "1 validation error detected: Value at '" + field + "' failed to satisfy constraint: " + want,
	}
}

// unfit is the error of a PEM text that is not what it should be. kind is ErrValidation
// for certificates, ErrInvalid for what is not one.
func unfit(kind error, field, problem, want string, cause error) *Error {
	msg := field + " " + problem
	if want != "" {
		msg += ", expected " + want
	}
	return &Error{Kind: kind, Field: field, Want: want, Message: msg, Err: cause}
}

func failed(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

func notFound(what, id string) *Error {
	return failed(ErrNotFound, "%s %s cannot be found", what, id)
}

// refuse is the answer of Authenticate to who may not come in.
func refuse(format string, args ...any) error {
	return fmt.Errorf("certs: "+format+": %w", append(args, auth.ErrNotAuthorized)...)
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 128
	if len(s) <= most {
		return strings.ToValidUTF8(s, "")
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

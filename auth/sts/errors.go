package sts

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

// Kinds of failures. Every error that is the caller's doing, or a login provider's, is an
// [*Error] of one of these kinds; test with errors.Is. In brackets is AWS's code.
var (
	// ErrInvalid: a parameter breaks a rule (ValidationError).
	ErrInvalid = errors.New("sts: invalid request")
	// ErrDenied: there is no such role, or it does not trust who asks (AccessDenied).
	ErrDenied = errors.New("sts: access denied")
	// ErrInvalidToken: the token or the assertion is not good (InvalidIdentityToken).
	ErrInvalidToken = errors.New("sts: invalid identity token")
	// ErrExpired: it was good once (ExpiredTokenException).
	ErrExpired = errors.New("sts: expired token")
	// ErrRejected: the login provider does not accept it (IDPRejectedClaim).
	ErrRejected = errors.New("sts: rejected by the login provider")
	// ErrUnavailable: the login provider cannot be asked (IDPCommunicationError).
	ErrUnavailable = errors.New("sts: login provider unavailable")
	// ErrMalformedPolicy: a session policy cannot be read (MalformedPolicyDocument).
	ErrMalformedPolicy = errors.New("sts: malformed policy")
	// ErrPolicyTooLarge: session policies do not fit into a token (PackedPolicyTooLarge).
	ErrPolicyTooLarge = errors.New("sts: policy too large")
)

// answers are what kinds of errors are to who asked.
var answers = map[error]struct {
	code   string
	status int
}{
	ErrInvalid:         {"ValidationError", http.StatusBadRequest},
	ErrDenied:          {"AccessDenied", http.StatusForbidden},
	ErrInvalidToken:    {"InvalidIdentityToken", http.StatusBadRequest},
	ErrExpired:         {"ExpiredTokenException", http.StatusBadRequest},
	ErrRejected:        {"IDPRejectedClaim", http.StatusForbidden},
	ErrUnavailable:     {"IDPCommunicationError", http.StatusBadRequest},
	ErrMalformedPolicy: {"MalformedPolicyDocument", http.StatusBadRequest},
	ErrPolicyTooLarge:  {"PackedPolicyTooLarge", http.StatusBadRequest},
}

// An Error is a failure that is the caller's doing, or a login provider's.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Message is one sentence for people, without the name of the package. It has no
	// secrets in it and is shown to who asked.
	Message string
	// Cause is what it comes from, nil if nothing. It is not for who asked.
	Cause error
}

// Error returns the message with the name of the package before it, and the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return "sts: " + e.Message + ": " + e.Cause.Error()
	}
	return "sts: " + e.Message
}

// Is matches the kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Code returns AWS's code for errors of this kind.
func (e *Error) Code() string { return answers[e.Kind].code }

func fault(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

func invalid(field, value, want string) *Error {
	return fault(ErrInvalid, "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", shorten(value), field, want)
}

// refusal is what is said of a token that is not good. Why is for the host to know.
func refusal(err error, what string) error {
	e := &Error{Cause: err}
	switch {
	case errors.Is(err, auth.ErrTokenExpired):
		e.Kind, e.Message = ErrExpired, what+" is expired"
	case errors.Is(err, auth.ErrBadCredentials):
		e.Kind, e.Message = ErrInvalidToken, what+" provided could not be validated"
	case errors.Is(err, auth.ErrNotAuthorized), errors.Is(err, auth.ErrBanned):
		e.Kind, e.Message = ErrRejected, "The identity provider does not accept what was provided"
	default:
		e.Kind, e.Message = ErrUnavailable, "The identity provider cannot be asked at the moment"
	}
	return e
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

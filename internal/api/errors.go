package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/thinghub/thinghub/shadow"
)

// A failure is what a caller is told.
type failure struct {
	status  int
	kind    string // of the AWS model
	message string
}

func (f failure) Error() string { return fmt.Sprintf("api: %d %s: %s", f.status, f.kind, f.message) }

var (
	internal     = failure{http.StatusInternalServerError, "InternalFailureException", "internal failure"}
	unauthorized = failure{http.StatusUnauthorized, "UnauthorizedException", "the request is not signed by anybody who is known here"}
)

// invalid says which member of a request is wrong.
func invalid(member, value, want string) failure {
	if len(value) > 100 {
		value = value[:100] + "..."
	}
	return failure{http.StatusBadRequest, "InvalidRequestException", fmt.Sprintf("%s is %q, expected %s", member, value, want)}
}

// shadowKinds are the types of errors about shadows, by status.
var shadowKinds = map[int]string{
	400: "InvalidRequestException", 401: "UnauthorizedException", 403: "ForbiddenException", 404: "ResourceNotFoundException",
	405: "MethodNotAllowedException", 409: "ConflictException", 413: "RequestEntityTooLargeException",
	415: "UnsupportedDocumentEncodingException", 429: "ThrottlingException", 500: "InternalFailureException", 503: "ServiceUnavailableException",
}

// failureOf is the one place that says what becomes of an error.
func failureOf(err error) failure {
	if f, ok := errors.AsType[failure](err); ok {
		return f
	}
	if e, ok := errors.AsType[*shadow.Error](err); ok {
		kind, ok := shadowKinds[e.Code]
		switch {
		case ok:
		case e.Code < http.StatusInternalServerError:
			kind = "InvalidRequestException"
		default:
			kind = "InternalFailureException"
		}
		return failure{e.Code, kind, e.Message}
	}
	switch {
	case errors.Is(err, ErrNoRetained):
		return failure{http.StatusNotFound, "ResourceNotFoundException", "there is no retained message for this topic"}
	case errors.Is(err, ErrNotConnected):
		return failure{http.StatusNotFound, "ResourceNotFoundException", "the client is not connected"}
	case errors.Is(err, ErrRefused):
		return failure{http.StatusBadRequest, "InvalidRequestException", err.Error()}
	}
	return internal
}

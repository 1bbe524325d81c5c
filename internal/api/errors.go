package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/shadow"
)

// A failure is what a caller is told.
type failure struct {
	status  int
	kind    string // of the AWS model
	message string
	more    map[string]any // further members of the body
}

func (f failure) Error() string { return fmt.Sprintf("api: %d %s: %s", f.status, f.kind, f.message) }

var (
	internal     = failure{status: http.StatusInternalServerError, kind: "InternalFailureException", message: "internal failure"}
	unauthorized = failure{status: http.StatusUnauthorized, kind: "UnauthorizedException", message: "the request is not signed by anybody who is known here"}
)

// invalid says which member of a request is wrong.
func invalid(member, value, want string) failure {
	if len(value) > 100 {
		value = value[:100] + "..."
	}
	return failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: fmt.Sprintf("%s is %q, expected %s", member, value, want)}
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
		return failure{status: e.Code, kind: kind, message: e.Message, more: shadowMembers(e)}
	}
	switch {
	case errors.Is(err, ErrNoRetained):
		return failure{status: http.StatusNotFound, kind: "ResourceNotFoundException", message: "there is no retained message for this topic"}
	case errors.Is(err, ErrNotConnected):
		return failure{status: http.StatusNotFound, kind: "ResourceNotFoundException", message: "the client is not connected"}
	case errors.Is(err, ErrRefused):
		return failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: err.Error()}
	}
	if e, ok := errors.AsType[*registry.Error](err); ok {
		for _, k := range registryKinds {
			if !errors.Is(e, k.err) {
				continue
			}
			f := failure{status: k.status, kind: k.kind, message: e.Message}
			if e.ResourceARN != "" {
				f.more = map[string]any{"resourceId": e.ResourceID, "resourceArn": e.ResourceARN}
			}
			return f
		}
	}
	return internal
}

// registryKinds are the types of errors about the registry. The first that fits counts.
var registryKinds = []struct {
	err    error
	status int
	kind   string
}{
	{registry.ErrNotFound, http.StatusNotFound, "ResourceNotFoundException"},
	{registry.ErrExists, http.StatusConflict, "ResourceAlreadyExistsException"},
	{registry.ErrVersion, http.StatusConflict, "VersionConflictException"},
	{registry.ErrLimitExceeded, http.StatusGone, "LimitExceededException"},
	{registry.ErrInvalidQuery, http.StatusBadRequest, "InvalidQueryException"},
	{registry.ErrInvalidAggregation, http.StatusBadRequest, "InvalidAggregationException"},
	{registry.ErrIndexNotReady, http.StatusBadRequest, "IndexNotReadyException"},
	{registry.ErrInvalid, http.StatusBadRequest, "InvalidRequestException"},
}

// shadowMembers are what the answer over MQTT has besides code and message: the
// clientToken of the request.
func shadowMembers(e *shadow.Error) map[string]any {
	var m map[string]any
	if json.Unmarshal(e.AppendJSON(nil), &m) != nil {
		return nil
	}
	delete(m, "code") // a number, which SDKs would take for the type
	delete(m, "message")
	return m
}

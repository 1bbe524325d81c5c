package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/shadow"
)

// A failure is what a caller is told.
type failure struct {
	status  int
	kind    string // of the AWS model
	message string
	more    map[string]any // further members of the body
	cause   error          // what the host may know besides
}

func (f failure) Error() string {
	text := fmt.Sprintf("api: %d %s: %s", f.status, f.kind, f.message)
	if f.cause != nil {
		text += ": " + f.cause.Error()
	}
	return text
}

func (f failure) Unwrap() error { return f.cause }

var internal = failure{status: http.StatusInternalServerError, kind: "InternalFailureException", message: "internal failure"}

// errUnavailable says that nobody could tell who asks.
var errUnavailable = errors.New("api: authentication failed")

// kinds are types of errors, without "Exception" at the end.
type kinds []string

// usual are the types that most operations have; few those that all have.
func usual(more ...string) kinds { return few(append(more, "Unauthorized", "ServiceUnavailable")...) }

func few(more ...string) kinds {
	return append(more, "InvalidRequest", "Throttling", "InternalFailure")
}

// fit returns f as an error that an operation may end with. SDKs make their exceptions
// from the operation's list: one that is not in it is only a number to them. Who may
// not ask at all is told so in any case.
func (k kinds) fit(f failure) failure {
	switch {
	case f.status == http.StatusUnauthorized, f.status == http.StatusForbidden, slices.Contains(k, strings.TrimSuffix(f.kind, "Exception")):
		return f
	case f.status >= http.StatusInternalServerError:
		f.status, f.kind = internal.status, internal.kind
		if slices.Contains(k, "Internal") { // as topic rules call it
			f.kind = "InternalException"
		}
	case f.status == http.StatusRequestEntityTooLarge:
		f.kind = "InvalidRequestException"
	default:
		f.status, f.kind, f.more = http.StatusBadRequest, "InvalidRequestException", nil
	}
	return f
}

// invalid says which member of a request is wrong.
func invalid(member, value, want string) failure {
	if len(value) > 100 {
		value = strings.ToValidUTF8(value[:100], "") + "..."
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
	if e, ok := errors.AsType[*Refusal](err); ok {
		if e.Throttled {
			return failure{status: http.StatusTooManyRequests, kind: "ThrottlingException", message: e.Text}
		}
		return failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: e.Text}
	}
	switch {
	case errors.Is(err, errUnavailable):
		return failure{status: http.StatusServiceUnavailable, kind: "ServiceUnavailableException", message: "authentication is not possible at the moment"}
	case errors.Is(err, ErrNoRetained):
		return failure{status: http.StatusNotFound, kind: "ResourceNotFoundException", message: "there is no retained message for this topic"}
	case errors.Is(err, ErrNotConnected):
		return failure{status: http.StatusNotFound, kind: "ResourceNotFoundException", message: "the client is not connected"}
	}
	// These first: provisioning wraps errors of other rooms, and its own counts.
	if e, ok := errors.AsType[exception](err); ok {
		return failureOfException(e)
	}
	if e, ok := errors.AsType[*rules.Error](err); ok {
		return ruleFailure(e)
	}
	if errors.Is(err, rules.ErrClosed) {
		return failure{status: http.StatusServiceUnavailable, kind: "ServiceUnavailableException", message: "the hub is shutting down"}
	}
	if e, ok := errors.AsType[*registry.Error](err); ok {
		return failureOfKind(registryKinds, e, e.Message, e.ResourceID, e.ResourceARN)
	}
	switch {
	case errors.Is(err, auth.ErrConflict):
		return failure{status: http.StatusServiceUnavailable, kind: "ServiceUnavailableException", message: "others change the same all the time; try again"}
	case errors.Is(err, auth.ErrUnavailable):
		return failure{status: http.StatusServiceUnavailable, kind: "ServiceUnavailableException", message: "too much is going on; try again"}
	}
	return internal
}

// An exception is an error of a room below auth. It knows its name in the model.
type exception interface {
	error
	Exception() string
}

// failureOfException is the failure that an exception is. A name that the model does not
// have is an error of ours.
func failureOfException(e exception) failure {
	name := e.Exception()
	status, ok := statuses[name]
	if !ok {
		return internal
	}
	f := failure{status: status, kind: name}
	var id, arn string
	switch e := e.(type) {
	case *access.Error:
		f.message, id, arn = e.Message, e.ResourceID, e.ResourceARN
	case *certs.Error:
		f.message, id, arn = e.Message, e.ResourceID, e.ResourceARN
	case *custom.Error:
		f.message, id, arn = e.Message, e.ResourceID, e.ResourceARN
	case *provision.Error:
		f.message, id, arn = e.Message, e.ResourceID, e.ResourceARN
	case *roles.Error:
		f.message, id, arn = e.Message, e.ResourceID, e.ResourceARN
	default:
		f.message = e.Error()
	}
	if arn != "" {
		f.more = map[string]any{"resourceId": id, "resourceArn": arn}
	}
	return f
}

// statuses are those of the exceptions.
var statuses = map[string]int{
	"CertificateConflictException":         http.StatusConflict,
	"CertificateStateException":            http.StatusNotAcceptable,
	"CertificateValidationException":       http.StatusBadRequest,
	"ConflictingResourceUpdateException":   http.StatusConflict,
	"DeleteConflictException":              http.StatusConflict,
	"InvalidRequestException":              http.StatusBadRequest,
	"InvalidResponseException":             http.StatusBadRequest,
	"LimitExceededException":               http.StatusGone,
	"MalformedPolicyException":             http.StatusBadRequest,
	"RegistrationCodeValidationException":  http.StatusBadRequest,
	"ResourceAlreadyExistsException":       http.StatusConflict,
	"ResourceConflictException":            http.StatusConflict,
	"ResourceNotFoundException":            http.StatusNotFound,
	"ResourceRegistrationFailureException": http.StatusBadRequest,
	"ServiceUnavailableException":          http.StatusServiceUnavailable,
	"ThrottlingException":                  http.StatusTooManyRequests,
	"TransferAlreadyCompletedException":    http.StatusGone,
	"TransferConflictException":            http.StatusConflict,
	"UnauthorizedException":                http.StatusUnauthorized,
	"VersionsLimitExceededException":       http.StatusConflict,
}

// A kindOf is what errors of a kind are to callers.
type kindOf struct {
	err    error
	status int
	kind   string
}

// failureOfKind is the failure of the first kind that fits. id and arn name what was there
// before, empty for nothing.
func failureOfKind(kinds []kindOf, err error, message, id, arn string) failure {
	for _, k := range kinds {
		if !errors.Is(err, k.err) {
			continue
		}
		f := failure{status: k.status, kind: k.kind, message: message}
		if arn != "" {
			f.more = map[string]any{"resourceId": id, "resourceArn": arn}
		}
		return f
	}
	return internal
}

// registryKinds are the types of errors about the registry. The first that fits counts.
var registryKinds = []kindOf{
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

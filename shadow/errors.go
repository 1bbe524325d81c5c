package shadow

import (
	"bytes"
	"errors"
	"fmt"
)

// The errors of this package, for errors.Is. A [Store] returns ErrNotFound and
// ErrVersion as they are; the methods of [Service] return an [Error], which is one
// of these by its code.
var (
	// ErrInvalid is a request that is not well formed: code 400.
	ErrInvalid = errors.New("shadow: invalid request")
	// ErrForbidden is a request that a hook refused: code 403.
	ErrForbidden = errors.New("shadow: forbidden")
	// ErrNotFound says that there is no such shadow, or from Config.Require that
	// there is no such thing: code 404.
	ErrNotFound = errors.New("shadow: not found")
	// ErrVersion is a version that is not the current one: code 409.
	ErrVersion = errors.New("shadow: version conflict")
	// ErrCondition is a condition that does not hold: code 412.
	ErrCondition = errors.New("shadow: condition not met")
	// ErrTooLarge is a document or request over its limit: code 413.
	ErrTooLarge = errors.New("shadow: too large")
	// ErrEncoding is a request that is not UTF-8: code 415.
	ErrEncoding = errors.New("shadow: not UTF-8")
	// ErrThrottled is a request over a rate or in-flight limit: code 429.
	ErrThrottled = errors.New("shadow: too many requests")
	// ErrInternal is a failure of the store or of a hook: code 500.
	ErrInternal = errors.New("shadow: internal failure")
)

// The texts that devices compare.
const (
	textInvalidJSON    = "Invalid JSON"
	textNoState        = "Missing required node: state"
	textState          = "State node must be an object"
	textDesired        = "Desired node must be an object"
	textReported       = "Reported node must be an object"
	textVersion        = "Invalid version"
	textToken          = "Invalid clientToken"
	textNode           = "State contains an invalid node"
	textNesting        = "JSON contains too many levels of nesting; maximum is %d"
	textForbidden      = "Forbidden"
	textNoThing        = "Thing not found"
	textNoShadow       = "No shadow exists with name: '%s'"
	textConflict       = "Version conflict"
	textCondition      = "Condition not met"
	textTooLarge       = "The payload exceeds the maximum size allowed"
	textEncoding       = "Unsupported documented encoding; supported encoding is UTF-8"
	textThrottled      = "Too many requests"
	textInternal       = "Internal service failure"
	textNextToken      = "Invalid nextToken"
	textPageSize       = "Invalid pageSize: expected 1 to 100"
	longestQuotedNode  = 64 // of a key in an error text
	codeInvalid        = 400
	codeForbidden      = 403
	codeNotFound       = 404
	codeVersion        = 409
	codeCondition      = 412
	codeTooLarge       = 413
	codeEncoding       = 415
	codeThrottled      = 429
	codeInternal       = 500
	lowestRefusalCode  = 400
	highestRefusalCode = 599
)

// sentinels are the errors by code.
var sentinels = map[int]error{
	codeInvalid: ErrInvalid, codeForbidden: ErrForbidden, codeNotFound: ErrNotFound, codeVersion: ErrVersion, codeCondition: ErrCondition,
	codeTooLarge: ErrTooLarge, codeEncoding: ErrEncoding, codeThrottled: ErrThrottled, codeInternal: ErrInternal,
}

// An Error is a refused request, as it is told to who made it: the members code and
// message of the answer on …/rejected, status and message of an HTTP answer.
//
// errors.Is holds for the sentinel of its code and for its cause.
type Error struct {
	Code    int    // an HTTP status
	Message string // byte for byte what AWS IoT Core says, where it is known
	cause   error  // not told to the requester
	token   []byte // the request's clientToken as JSON between the quotes
}

// Refuse returns an Error for hooks and validators to return. A code that is not
// that of a refusal (400 to 599) becomes 403.
func Refuse(code int, message string) *Error {
	if code < lowestRefusalCode || code > highestRefusalCode {
		code = codeForbidden
	}
	return &Error{Code: code, Message: message}
}

// Error returns code, message and cause.
func (e *Error) Error() string {
	var inner *Error // what a hook has returned
	if errors.As(e.cause, &inner) {
		return e.cause.Error()
	}
	if e.cause != nil && e.cause.Error() != e.Message {
		return fmt.Sprintf("shadow: %d %s: %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("shadow: %d %s", e.Code, e.Message)
}

// Is reports whether target is the sentinel of the error's code.
func (e *Error) Is(target error) bool { return sentinels[e.Code] == target }

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf returns the code an error has on the wire: that of an [Error] or of a
// sentinel, 500 for any other, 0 for nil.
func CodeOf(err error) int {
	if err == nil {
		return 0
	}
	return asError(err).Code
}

// asError is the refusal that err means.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	switch {
	case errors.Is(err, ErrVersion):
		return &Error{Code: codeVersion, Message: textConflict, cause: err}
	case errors.Is(err, ErrNotFound):
		return &Error{Code: codeNotFound, Message: textNoThing, cause: err}
	case errors.Is(err, ErrInvalid):
		return &Error{Code: codeInvalid, Message: textInvalidJSON, cause: err}
	case errors.Is(err, ErrForbidden):
		return &Error{Code: codeForbidden, Message: textForbidden, cause: err}
	case errors.Is(err, ErrCondition):
		return &Error{Code: codeCondition, Message: textCondition, cause: err}
	case errors.Is(err, ErrTooLarge):
		return &Error{Code: codeTooLarge, Message: textTooLarge, cause: err}
	case errors.Is(err, ErrEncoding):
		return &Error{Code: codeEncoding, Message: textEncoding, cause: err}
	case errors.Is(err, ErrThrottled):
		return &Error{Code: codeThrottled, Message: textThrottled, cause: err}
	}
	return internal(err)
}

// refuse returns err as a refusal of w's request, with its clientToken.
func (w *work) refuse(err error) *Error {
	e := *asError(err) // which may be the host's own
	e.token = bytes.Clone(w.request.token)
	return &e
}

func invalid(message string) *Error { return &Error{Code: codeInvalid, Message: message} }

// invalidNode says which member of state is at fault, unless its name is too long
// to repeat.
func invalidNode(name string) *Error {
	if len(name) > longestQuotedNode {
		return invalid(textNode)
	}
	return invalid(textNode + ": '" + name + "'")
}

func noShadow(k Key) *Error {
	return &Error{Code: codeNotFound, Message: fmt.Sprintf(textNoShadow, k)}
}

func conflict() *Error  { return &Error{Code: codeVersion, Message: textConflict} }
func tooLarge() *Error  { return &Error{Code: codeTooLarge, Message: textTooLarge} }
func throttled() *Error { return &Error{Code: codeThrottled, Message: textThrottled} }

func internal(cause error) *Error {
	return &Error{Code: codeInternal, Message: textInternal, cause: cause}
}

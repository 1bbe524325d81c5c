package aws

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/thinghub/thinghub/actions"
)

// maxText bounds what an error repeats of what a service said.
const maxText = 500

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

// passing are the codes of errors that pass by themselves, besides those the SDK knows.
// Most come with a status that says so too, but not in the answers to batches.
var passing = []string{
	"BadDigest", "ConcurrentAccess", "ConcurrentAccessException", "ConcurrentModificationException",
	"IncompleteBody", "InternalError", "InternalErrorException", "InternalException", "InternalFailure",
	"InternalServerError", "InternalServerException", "InternalServiceError", "InternalServiceException",
	"KMS.ThrottlingException", "KMSThrottling", "KMSThrottlingException", "KmsThrottled",
	"LimitExceeded", "OperationAborted", "OperationAbortedException", "OverLimit", "ReplicatedWriteConflictException",
	"RequestTimeout", "ServiceUnavailable", "ServiceUnavailableException", "ServiceUnavailableError",
	"Throttled", "TransactionConflictException", "UnavailableException",
}

// lapsed are the codes of errors of the host's credentials, which are not for good: keys
// are rotated, clocks set.
var lapsed = []string{
	"AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "IncompleteSignatureException",
	"InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSecurity", "InvalidSignatureException", "InvalidToken",
	"MissingAuthenticationToken", "MissingAuthenticationTokenException", "NotSignedUp", "RequestExpired", "RequestInTheFuture",
	"RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClientException",
}

// standing are the codes of errors of the resource, not of the event: it is missing, not
// ready or not allowed, until somebody changes that.
var standing = []string{
	"AWS.SimpleQueueService.NonExistentQueue", "AccessDenied", "AccessDeniedException", "AccountProblem", "AllAccessDisabled",
	"AuthorizationError", "AuthorizationErrorException", "AuthorizationHeaderMalformed", "EndpointDisabled", "Forbidden",
	"InvalidKMSResourceException", "KMSAccessDenied", "KMSAccessDeniedException", "KMSDisabled", "KMSDisabledException", "KMSInvalidState", "KMSInvalidStateException",
	"KMSNotFound", "KMSNotFoundException", "KMSOptInRequired", "KmsAccessDenied", "KmsDisabled", "KmsInvalidState", "KmsNotFound", "KmsOptInRequired",
	"NoSuchBucket", "NotAuthorized", "NotAuthorizedException", "NotFound", "NotFoundException", "OptInRequired",
	"PermanentRedirect", "QueueDoesNotExist", "ResourceInUseException", "ResourceNotFound", "ResourceNotFoundException",
	"ResourceNotReadyException", "StateMachineDoesNotExist", "TableNotFoundException", "TopicNotFound", "UnauthorizedOperation",
}

// judge says how an error of a call is taken. It passes, and the event is tried again, if
// the service cannot be reached, is slow, throttles or fails by itself; if the credentials
// of the host are at fault; and if the resource is missing or not allowed, unless the event
// has chosen it: then, as whenever the service refuses what the event has, the error is for
// good.
//
// What to retry of access denied and not found is a choice. The rules of AWS drop such
// events. Here they wait, because it is the configuration that is wrong for all of them: the
// queue of the rule keeps them until that is mended, and the sink's health tells why. But no
// device may hold up others by choosing a key that is denied.
func judge(err error, chosen bool) error {
	if err == nil || errors.Is(err, actions.ErrPermanent) {
		return err
	}
	switch v := weigh(err); {
	case v == byEvent, v == byResource && chosen:
		return actions.Permanent(&callError{err})
	default:
		return &callError{err}
	}
}

// A verdict says what an error of a call is about.
type verdict uint8

const (
	byService  verdict = iota // the service, or the way to it
	byResource                // what it is asked to write to
	byEvent                   // what it is asked to write
)

// denied reports whether the caller may not make the call.
func denied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "AccessDeniedException" || api.ErrorCode() == "AccessDenied")
}

func weigh(err error) verdict {
	var (
		call, inner *smithy.OperationError
		api         smithy.APIError
		answer      *smithyhttp.ResponseError
		invalid     smithy.InvalidParamsError
		written     *smithy.SerializationError
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return byService
	case errors.As(err, &call) && errors.As(call.Err, &inner):
		return byService // a call to get credentials
	case errors.As(err, &invalid), errors.As(err, &written):
		return byEvent
	}
	status := 0
	if errors.As(err, &answer) {
		status = answer.HTTPStatusCode()
	}
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case code == "" && status == 0:
		return byService // there was no answer
	case throttled || slices.Contains(passing, code) || slices.Contains(lapsed, code):
		return byService
	case status == http.StatusNotImplemented:
		return byEvent
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return byService
	case slices.Contains(standing, code), status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusNotFound, status == http.StatusProxyAuthRequired, status > 0 && status < 400:
		return byResource
	}
	return byEvent
}

// entryError is the error of one entry in the answer to a batch; call is such as
// "SQS SendMessageBatch".
func entryError(call, code, message string, chosen bool) error {
	service, operation, _ := strings.Cut(call, " ")
	return judge(&smithy.OperationError{
		ServiceID: service, OperationName: operation, Err: &smithy.GenericAPIError{Code: code, Message: message},
	}, chosen)
}

// A callError has the text of a call that failed, without what must not be told.
type callError struct{ err error }

func (e *callError) Unwrap() error { return e.err }

func (e *callError) Error() string {
	var (
		call  *smithy.OperationError
		api   smithy.APIError
		where string
	)
	if errors.As(e.err, &call) {
		where = call.ServiceID + " " + call.OperationName + ": "
	}
	if errors.As(e.err, &api) {
		text := api.ErrorCode()
		// The message of a signature that does not match may repeat the session token.
		if m := api.ErrorMessage(); m != "" && !slices.Contains(lapsed, text) {
			text += ": " + m
		}
		return where + clip(text, maxText)
	}
	err := e.err
	if call != nil {
		err = call.Err
	}
	return where + clip(err.Error(), maxText)
}

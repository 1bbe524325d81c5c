package sigv4

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

// An Error is a refusal as SDKs know it. It wraps auth.ErrBadCredentials. It has no
// secrets, session tokens or expected signatures in it and may be shown to whoever
// asked.
type Error struct {
	// Status is the HTTP status that AWS answers with, 400 or 403.
	Status int
	// Code is the name of AWS's exception, such as "InvalidSignatureException".
	Code string
	// Message is a sentence for people, AWS's own where tools look at it.
	Message string
}

// Error returns the code and the message.
func (e *Error) Error() string { return "sigv4: " + e.Code + ": " + e.Message }

// Unwrap returns auth.ErrBadCredentials.
func (e *Error) Unwrap() error { return auth.ErrBadCredentials }

// incomplete refuses what is no signature that could be checked.
func incomplete(format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Code: "IncompleteSignatureException", Message: fmt.Sprintf(format, args...)}
}

// mismatch refuses a signature that does not fit the request.
func mismatch(format string, args ...any) error {
	return &Error{Status: http.StatusForbidden, Code: "InvalidSignatureException", Message: fmt.Sprintf(format, args...)}
}

// wrongSignature is all that is said about a signature that is wrong.
func wrongSignature() error {
	return mismatch("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
}

// unknownKey is the answer to a key that is not known, is disabled, or came with a
// session token that does not belong to it: which of them is nobody's business.
func unknownKey() error {
	return &Error{Status: http.StatusForbidden, Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
}

func expiredKey() error {
	return &Error{Status: http.StatusForbidden, Code: "ExpiredTokenException", Message: "The security token included in the request is expired."}
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

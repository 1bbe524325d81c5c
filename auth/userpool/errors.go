package userpool

import (
	"errors"
	"fmt"
	"strings"
)

// Kinds of failures. Every error of a [Service] that is the caller's doing is an [*Error]
// of one of these kinds; test with errors.Is. In brackets is the exception of the AWS
// model that HTTP clients see.
var (
	// ErrNotAuthorized: the password, the token, the session or the secret is not
	// accepted, or the user is disabled (NotAuthorizedException).
	ErrNotAuthorized = errors.New("userpool: not authorized")
	// ErrUserNotFound: there is no such user (UserNotFoundException).
	ErrUserNotFound = errors.New("userpool: user not found")
	// ErrNotConfirmed: the user has not confirmed its sign-up (UserNotConfirmedException).
	ErrNotConfirmed = errors.New("userpool: user not confirmed")
	// ErrUserExists: the user name is taken (UsernameExistsException).
	ErrUserExists = errors.New("userpool: user exists")
	// ErrAliasExists: the e-mail address, phone number or preferred name is another
	// user's alias (AliasExistsException).
	ErrAliasExists = errors.New("userpool: alias exists")
	// ErrCodeMismatch: the code is not the one that was sent (CodeMismatchException).
	ErrCodeMismatch = errors.New("userpool: wrong code")
	// ErrExpiredCode: the code was right once (ExpiredCodeException).
	ErrExpiredCode = errors.New("userpool: expired code")
	// ErrCodeDelivery: a code could not be sent (CodeDeliveryFailureException).
	ErrCodeDelivery = errors.New("userpool: code not delivered")
	// ErrInvalid: a field breaks a rule (InvalidParameterException).
	ErrInvalid = errors.New("userpool: invalid parameter")
	// ErrPassword: a new password breaks the pool's policy (InvalidPasswordException).
	ErrPassword = errors.New("userpool: invalid password")
	// ErrResetRequired: the password must be reset first (PasswordResetRequiredException).
	ErrResetRequired = errors.New("userpool: password reset required")
	// ErrNotFound: there is no such pool, client or group (ResourceNotFoundException).
	ErrNotFound = errors.New("userpool: not found")
	// ErrGroupExists: the group is there already (GroupExistsException).
	ErrGroupExists = errors.New("userpool: group exists")
	// ErrLimit: a limit is reached: codes sent or tried, pools, groups
	// (LimitExceededException).
	ErrLimit = errors.New("userpool: limit exceeded")
	// ErrTooMany: too many calls, or too many at once about one user or group
	// (TooManyRequestsException).
	ErrTooMany = errors.New("userpool: too many requests")
	// ErrRefused: a hook has refused (UserLambdaValidationException).
	ErrRefused = errors.New("userpool: refused by a hook")
	// ErrBadHook: a hook answered what cannot be (InvalidLambdaResponseException).
	ErrBadHook = errors.New("userpool: a hook's answer is invalid")
	// ErrNoSoftwareToken: the user has no software token
	// (SoftwareTokenMFANotFoundException).
	ErrNoSoftwareToken = errors.New("userpool: no software token")
	// ErrEnableSoftwareToken: the code for a software token is wrong
	// (EnableSoftwareTokenMFAException).
	ErrEnableSoftwareToken = errors.New("userpool: software token not enabled")
	// ErrState: the user's status does not permit it (UnsupportedUserStateException).
	ErrState = errors.New("userpool: unsupported user state")
	// ErrTokenType: the token is not a refresh token (UnsupportedTokenTypeException).
	ErrTokenType = errors.New("userpool: unsupported token type")
	// ErrUnauthorized: the token belongs to another client (UnauthorizedException).
	ErrUnauthorized = errors.New("userpool: unauthorized")
	// ErrReuse: a refresh token was used again after its rotation, so all tokens of its
	// login are revoked (RefreshTokenReuseException).
	ErrReuse = errors.New("userpool: refresh token reused")
	// ErrUnsupported: an operation or flow that is not offered
	// (UnsupportedOperationException).
	ErrUnsupported = errors.New("userpool: unsupported operation")
	// ErrScope: there is no such scope (ScopeDoesNotExistException).
	ErrScope = errors.New("userpool: scope does not exist")
	// ErrOAuthFlow: flows that do not go together (InvalidOAuthFlowException).
	ErrOAuthFlow = errors.New("userpool: invalid OAuth flow")
	// ErrConcurrent: others change the same pool or client without pause
	// (ConcurrentModificationException).
	ErrConcurrent = errors.New("userpool: concurrent modification")
)

// exceptions are the names that the AWS model has for the kinds.
var exceptions = map[error]string{
	ErrNotAuthorized:       "NotAuthorizedException",
	ErrUserNotFound:        "UserNotFoundException",
	ErrNotConfirmed:        "UserNotConfirmedException",
	ErrUserExists:          "UsernameExistsException",
	ErrAliasExists:         "AliasExistsException",
	ErrCodeMismatch:        "CodeMismatchException",
	ErrExpiredCode:         "ExpiredCodeException",
	ErrCodeDelivery:        "CodeDeliveryFailureException",
	ErrInvalid:             "InvalidParameterException",
	ErrPassword:            "InvalidPasswordException",
	ErrResetRequired:       "PasswordResetRequiredException",
	ErrNotFound:            "ResourceNotFoundException",
	ErrGroupExists:         "GroupExistsException",
	ErrLimit:               "LimitExceededException",
	ErrTooMany:             "TooManyRequestsException",
	ErrRefused:             "UserLambdaValidationException",
	ErrBadHook:             "InvalidLambdaResponseException",
	ErrNoSoftwareToken:     "SoftwareTokenMFANotFoundException",
	ErrEnableSoftwareToken: "EnableSoftwareTokenMFAException",
	ErrState:               "UnsupportedUserStateException",
	ErrTokenType:           "UnsupportedTokenTypeException",
	ErrUnauthorized:        "UnauthorizedException",
	ErrReuse:               "RefreshTokenReuseException",
	ErrUnsupported:         "UnsupportedOperationException",
	ErrScope:               "ScopeDoesNotExistException",
	ErrOAuthFlow:           "InvalidOAuthFlowException",
	ErrConcurrent:          "ConcurrentModificationException",
}

// An Error is a failure that is the caller's doing.
type Error struct {
	// Kind is one of the package's sentinels.
	Kind error
	// Message is one sentence for people, without the name of the package.
	Message string

	why string // for events alone
}

// Error returns the message with the name of the package before it.
func (e *Error) Error() string { return "userpool: " + e.Message }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Exception returns the name that the AWS model has for errors of this kind, such as
// "NotAuthorizedException".
func (e *Error) Exception() string { return exceptions[e.Kind] }

// because is the same failure with its reason, of which who asked is told nothing: it goes
// into events. It has no secrets in it either.
func (e *Error) because(format string, args ...any) *Error {
	with := *e
	with.why = fmt.Sprintf(format, args...)
	return &with
}

// whole is the message with the reason.
func (e *Error) whole() string {
	if e.why == "" {
		return e.Message
	}
	return e.Message + " (" + e.why + ")"
}

func fault(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// invalid names the field, what stood there and what was expected. Values that are
// secret are given as the empty text's stand-in by [secretField].
func invalid(field, value, want string) *Error {
	return fault(ErrInvalid, "%s is %q, expected %s", field, shorten(value), want)
}

// secretField is invalid for a field whose value must not be repeated.
func secretField(field, want string) *Error {
	return fault(ErrInvalid, "%s is not valid, expected %s", field, want)
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// Errors whose text is always the same, so that it tells nobody which users there are.
var (
	errBadLogin   = fault(ErrNotAuthorized, "Incorrect username or password.")
	errTries      = fault(ErrNotAuthorized, "Password attempts exceeded")
	errCodeTries  = fault(ErrNotAuthorized, "Code attempts exceeded")
	errNoUser     = fault(ErrUserNotFound, "User does not exist.")
	errBadCode    = fault(ErrCodeMismatch, "Invalid verification code provided, please try again.")
	errOldCode    = fault(ErrExpiredCode, "Invalid code provided, please request a code again.")
	errAttempts   = fault(ErrLimit, "Attempt limit exceeded, please try after some time.")
	errBadSession = fault(ErrNotAuthorized, "Invalid session for the user.")
	errUsedCode   = fault(ErrNotAuthorized, "The code was used before.")
	errOldSession = fault(ErrNotAuthorized, "Invalid session for the user, session is expired.")
	errDisabled   = fault(ErrNotAuthorized, "User is disabled.")
	errBadAccess  = fault(ErrNotAuthorized, "Invalid Access Token")
	errOldAccess  = fault(ErrNotAuthorized, "Access Token has expired")
	errRevoked    = fault(ErrNotAuthorized, "Access Token has been revoked")
	errBadRefresh = fault(ErrNotAuthorized, "Invalid Refresh Token")
	errNoRefresh  = fault(ErrNotAuthorized, "Refresh Token has been revoked")
	errOldRefresh = fault(ErrNotAuthorized, "Refresh Token has expired")
	errConcurrent = fault(ErrTooMany, "The user was changed meanwhile, please try again.")
	errAttribute  = fault(ErrNotAuthorized, "A client attempted to write unauthorized attribute")
	errScope      = fault(ErrNotAuthorized, "Access Token does not have required scopes")
)

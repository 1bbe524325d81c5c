package auth

import (
	"errors"
	"fmt"
)

// Refusals an [Authenticator] returns. MQTT 5 clients see the reason code in
// brackets, MQTT 3.1.1 clients the nearest return code.
var (
	// ErrBadCredentials: user name, password or certificate are not accepted (0x86).
	ErrBadCredentials = errors.New("auth: bad credentials")
	// ErrNotAuthorized: known, but not allowed to connect (0x87).
	ErrNotAuthorized = errors.New("auth: not authorized")
	// ErrBanned: known and shut out (0x8A).
	ErrBanned = errors.New("auth: banned")
	// ErrUnavailable: nobody can tell at the moment, try again later (0x88).
	ErrUnavailable = errors.New("auth: authentication is unavailable")
	// ErrUnrecognised: there are no credentials that the Authenticator is for. It wraps
	// ErrNotAuthorized.
	ErrUnrecognised = fmt.Errorf("%w: the credentials are of no kind that is known here", ErrNotAuthorized)
	// ErrBadMethod: the Authentication Method is not supported (0x8C).
	ErrBadMethod = errors.New("auth: bad authentication method")
)

// Errors of a [Directory].
var (
	// ErrNotFound: there is no record of that key.
	ErrNotFound = errors.New("auth: no such record")
	// ErrConflict: somebody else has changed a record meanwhile; nothing was committed.
	ErrConflict = errors.New("auth: a record has been changed meanwhile")
)

// ErrDenied is wrapped by every refusal of an [Authorizer].
var ErrDenied = errors.New("auth: denied")

// Denied is a refusal with its reason, for logs and for the person who has to
// find the missing grant.
type Denied struct {
	Action   Action
	Resource string
	// Reason is a sentence for people, such as "no statement allows it".
	Reason string
	// Explain, where Reason is empty, finds it out: whoever is not asked why need not
	// know. It may be called at any time, and repeatedly.
	Explain func() string
}

// Why is the reason.
func (d *Denied) Why() string {
	if d.Reason == "" && d.Explain != nil {
		return d.Explain()
	}
	return d.Reason
}

// Error names the action, the resource and the reason.
func (d *Denied) Error() string {
	return fmt.Sprintf("auth: %s on %q is denied: %s", d.Action, d.Resource, d.Why())
}

// Unwrap returns [ErrDenied].
func (d *Denied) Unwrap() error { return ErrDenied }

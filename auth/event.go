package auth

import (
	"errors"
	"time"
)

// An Event is one decision about somebody: a login or a request that was accepted or
// refused. It has what an audit log keeps, and no secrets. It is read-only.
type Event struct {
	Time time.Time
	// Service is where it happened, by the names of AWS where there is one: "mqtt", "tls"
	// (handshakes), "iot" (the control plane), "iotdata" (the data plane), "credentials"
	// (the credential provider), "provision" (fleet provisioning), "cognito-idp" (user
	// pools), "cognito-identity" (identity pools) or "sts".
	Service string
	// Operation is what was asked for, by the name that Service has for it: "Connect",
	// "Publish", "CreateThing", "InitiateAuth". It is one of few names and never what a
	// client wrote: empty for operations that do not exist.
	Operation string
	Outcome   Outcome
	// Principal and PrincipalARN are the Principal of the [Identity] and what its policies
	// hang on ([Identity.Attached]); empty for somebody who has not proved who they are.
	Principal, PrincipalARN string
	// User is the name that somebody gave, known or not: the user name of MQTT or HTTP
	// Basic (as [BareName] has it), or that of a user pool.
	User string
	// ClientID is the MQTT client identifier, empty for HTTP.
	ClientID string
	// RemoteAddr is the address of the other end, such as "192.0.2.1:49152"; empty if
	// there is none.
	RemoteAddr string
	// Action and Resource are what the [Authorizer] was asked about, or would have been;
	// empty where it is not asked. Resource is that of [Request], or an ARN.
	Action   Action
	Resource string
	// Err is why; nil if Outcome is Accepted. An [*Denied] in it has the statement that
	// decided, which it finds only when somebody wants to read it (see Why): that takes
	// longer than to refuse.
	Err error
}

// Why is the reason of a refusal in words, with the policy and the statement that decided
// if policies did. It is for the host and its administrators, not for who was refused.
func (e *Event) Why() string {
	if e.Err == nil {
		return ""
	}
	var d *Denied
	if errors.As(e.Err, &d) {
		return d.Why()
	}
	return e.Err.Error()
}

// An Outcome says how a decision ended.
type Outcome uint8

// The outcomes.
const (
	// Accepted: they may, and it is done.
	Accepted Outcome = iota
	// Refused: they did not prove who they are, or are who must not come in.
	Refused
	// Forbidden: they are known, and may not do it.
	Forbidden
	// Failed: they may, and it was not done: there is no such thing, the input is not
	// valid, a store failed.
	Failed
	outcomes
)

var outcomeNames = [outcomes]string{"accepted", "refused", "forbidden", "failed"}

// String returns the name of the outcome as used in logs and metrics, such as "accepted".
func (o Outcome) String() string {
	if o < outcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// MarshalText returns the name, for JSON.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// OutcomeOf is the outcome that an error of an [Authenticator] or [Authorizer] means.
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Accepted
	case errors.Is(err, ErrDenied):
		return Forbidden
	case errors.Is(err, ErrBadCredentials), errors.Is(err, ErrNotAuthorized), errors.Is(err, ErrBanned), errors.Is(err, ErrBadMethod), errors.Is(err, ErrUnrecognised):
		return Refused
	default:
		return Failed
	}
}

// An Auditor is told of events on the goroutine that does the work, event loops included,
// many at once: it must return quickly and wait for nothing. It may keep the event.
type Auditor func(e *Event)

// Audit tells a, if it is not nil.
func (a Auditor) Audit(e *Event) {
	if a != nil {
		a(e)
	}
}

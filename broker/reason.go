package broker

import (
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// ReasonCode is an MQTT 5 reason code. Codes from 0x80 on are failures and serve
// as errors: a [Router] or an authorizer may return one to choose what the client
// is told.
type ReasonCode byte

// The reason codes of MQTT 5.0, section 2.4.
const (
	Success                     ReasonCode = 0x00
	DisconnectWithWill          ReasonCode = 0x04
	NoMatchingSubscribers       ReasonCode = 0x10
	NoSubscriptionExisted       ReasonCode = 0x11
	ContinueAuthentication      ReasonCode = 0x18
	ReAuthenticate              ReasonCode = 0x19
	UnspecifiedError            ReasonCode = 0x80
	MalformedPacket             ReasonCode = 0x81
	ProtocolError               ReasonCode = 0x82
	ImplementationSpecificError ReasonCode = 0x83
	UnsupportedProtocolVersion  ReasonCode = 0x84
	ClientIDNotValid            ReasonCode = 0x85
	BadUserNameOrPassword       ReasonCode = 0x86
	NotAuthorized               ReasonCode = 0x87
	ServerUnavailable           ReasonCode = 0x88
	ServerBusy                  ReasonCode = 0x89
	Banned                      ReasonCode = 0x8A
	ServerShuttingDown          ReasonCode = 0x8B
	BadAuthenticationMethod     ReasonCode = 0x8C
	KeepAliveTimeout            ReasonCode = 0x8D
	SessionTakenOver            ReasonCode = 0x8E
	TopicFilterInvalid          ReasonCode = 0x8F
	TopicNameInvalid            ReasonCode = 0x90
	PacketIDInUse               ReasonCode = 0x91
	PacketIDNotFound            ReasonCode = 0x92
	ReceiveMaximumExceeded      ReasonCode = 0x93
	TopicAliasInvalid           ReasonCode = 0x94
	PacketTooLarge              ReasonCode = 0x95
	MessageRateTooHigh          ReasonCode = 0x96
	QuotaExceeded               ReasonCode = 0x97
	AdministrativeAction        ReasonCode = 0x98
	PayloadFormatInvalid        ReasonCode = 0x99
	RetainNotSupported          ReasonCode = 0x9A
	QoSNotSupported             ReasonCode = 0x9B
	UseAnotherServer            ReasonCode = 0x9C
	ServerMoved                 ReasonCode = 0x9D
	SharedNotSupported          ReasonCode = 0x9E
	ConnectionRateExceeded      ReasonCode = 0x9F
	MaximumConnectTime          ReasonCode = 0xA0
	SubscriptionIDsNotSupported ReasonCode = 0xA1
	WildcardsNotSupported       ReasonCode = 0xA2
)

var reasonNames = map[ReasonCode]string{
	Success: "success", DisconnectWithWill: "disconnect with will", NoMatchingSubscribers: "no matching subscribers",
	NoSubscriptionExisted: "no subscription existed", ContinueAuthentication: "continue authentication",
	ReAuthenticate: "re-authenticate", UnspecifiedError: "unspecified error", MalformedPacket: "malformed packet",
	ProtocolError: "protocol error", ImplementationSpecificError: "implementation specific error",
	UnsupportedProtocolVersion: "unsupported protocol version", ClientIDNotValid: "client identifier not valid",
	BadUserNameOrPassword: "bad user name or password", NotAuthorized: "not authorized", ServerUnavailable: "server unavailable",
	ServerBusy: "server busy", Banned: "banned", ServerShuttingDown: "server shutting down",
	BadAuthenticationMethod: "bad authentication method", KeepAliveTimeout: "keep alive timeout",
	SessionTakenOver: "session taken over", TopicFilterInvalid: "topic filter invalid", TopicNameInvalid: "topic name invalid",
	PacketIDInUse: "packet identifier in use", PacketIDNotFound: "packet identifier not found",
	ReceiveMaximumExceeded: "receive maximum exceeded", TopicAliasInvalid: "topic alias invalid",
	PacketTooLarge: "packet too large", MessageRateTooHigh: "message rate too high", QuotaExceeded: "quota exceeded",
	AdministrativeAction: "administrative action", PayloadFormatInvalid: "payload format invalid",
	RetainNotSupported: "retain not supported", QoSNotSupported: "QoS not supported", UseAnotherServer: "use another server",
	ServerMoved: "server moved", SharedNotSupported: "shared subscriptions not supported",
	ConnectionRateExceeded: "connection rate exceeded", MaximumConnectTime: "maximum connect time",
	SubscriptionIDsNotSupported: "subscription identifiers not supported", WildcardsNotSupported: "wildcard subscriptions not supported",
}

// String returns the name the standard gives the code.
func (r ReasonCode) String() string {
	if n, ok := reasonNames[r]; ok {
		return n
	}
	return fmt.Sprintf("reason 0x%02X", byte(r))
}

// Error makes a failure code an error.
func (r ReasonCode) Error() string { return "mqtt: " + r.String() }

// A refusal is a reason code with a sentence for the other side (Reason String)
// and for the log.
type refusal struct {
	code ReasonCode
	text string
}

func (r *refusal) Error() string { return r.code.Error() + ": " + r.text }
func (r *refusal) Unwrap() error { return r.code }

func refuse(code ReasonCode, format string, args ...any) error {
	return &refusal{code: code, text: fmt.Sprintf(format, args...)}
}

// Refuse returns an error that carries a reason code and a sentence. MQTT 5
// clients see the sentence as Reason String unless they asked not to.
func Refuse(code ReasonCode, text string) error { return &refusal{code: code, text: text} }

// ReasonOf returns the reason code an error stands for: its own if it wraps a
// [ReasonCode], the matching one for the sentinels of package auth, Success for
// nil and UnspecifiedError for anything else.
func ReasonOf(err error) ReasonCode {
	if err == nil {
		return Success
	}
	var r ReasonCode
	if errors.As(err, &r) {
		return r
	}
	var p *packet.Error
	if errors.As(err, &p) {
		return ReasonCode(p.Code)
	}
	switch {
	case errors.Is(err, auth.ErrBadCredentials):
		return BadUserNameOrPassword
	case errors.Is(err, auth.ErrNotAuthorized), errors.Is(err, auth.ErrDenied):
		return NotAuthorized
	case errors.Is(err, auth.ErrBanned):
		return Banned
	case errors.Is(err, auth.ErrUnavailable):
		return ServerUnavailable
	case errors.Is(err, auth.ErrBadMethod):
		return BadAuthenticationMethod
	}
	return UnspecifiedError
}

// codeFor is the reason code of an error as packets of type t may carry it; those
// that have no such code say UnspecifiedError.
func codeFor(t packet.Type, err error) byte {
	code := byte(ReasonOf(err))
	if !packet.ValidReason(t, code, true) {
		return byte(UnspecifiedError)
	}
	return code
}

// reasonText is the sentence of an error that may be shown to a client: only what
// was written for it, never the text of a host's internal error.
func reasonText(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.text
	}
	var p *packet.Error
	if errors.As(err, &p) {
		return p.Reason
	}
	return ""
}

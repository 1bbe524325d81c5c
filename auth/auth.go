package auth

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// Action is what somebody wants to do, by its name in AWS policies. The control
// plane asks about its operations by their names, such as "iot:CreateThing".
type Action string

// The actions of the gateway and the data plane.
const (
	Connect       Action = "iot:Connect"
	Publish       Action = "iot:Publish"
	RetainPublish Action = "iot:RetainPublish"
	Subscribe     Action = "iot:Subscribe"
	Receive       Action = "iot:Receive"

	GetThingShadow           Action = "iot:GetThingShadow"
	UpdateThingShadow        Action = "iot:UpdateThingShadow"
	DeleteThingShadow        Action = "iot:DeleteThingShadow"
	ListNamedShadowsForThing Action = "iot:ListNamedShadowsForThing"
	GetRetainedMessage       Action = "iot:GetRetainedMessage"
	ListRetainedMessages     Action = "iot:ListRetainedMessages"
	DeleteConnection         Action = "iot:DeleteConnection"
)

// Credentials is everything a client presented when it connected. Which fields
// are set depends on the way it came in; a nil or empty field was not presented.
// The value and what it points to must not be modified or kept after the call,
// except for Username, ClientID and the strings in general.
type Credentials struct {
	// ClientID is the MQTT client identifier, the one the hub assigned when the
	// client sent none. Empty for HTTP.
	ClientID string
	// Username and Password are the fields of CONNECT or of HTTP Basic. Password
	// is nil when the client sent none, which differs from an empty one.
	Username    string
	HasUsername bool
	Password    []byte
	// TLS is the state of the TLS connection, nil on plain TCP. A WebSocket behind
	// a TLS terminating http.Server has it too.
	TLS *tls.ConnectionState
	// Request is the HTTP request of a WebSocket upgrade or of a call to one of the
	// planes. Its body must not be read.
	Request *http.Request
	// Body returns the body of Request, read once and within the limits of the plane;
	// its error is of no interest to the client. nil if there is no body to come.
	Body func() ([]byte, error)
	// RemoteAddr and LocalAddr are the two ends of the connection.
	RemoteAddr, LocalAddr net.Addr
	// Method and Data are MQTT 5's Authentication Method and Authentication Data.
	Method string
	Data   []byte
	// ProtocolVersion is the MQTT level of the CONNECT packet, 4 (3.1.1) or 5.
	ProtocolVersion byte
}

// Conn is what an Authorizer may know about the connection a request comes from.
type Conn struct {
	// ClientID is empty for HTTP.
	ClientID   string
	RemoteAddr net.Addr
	// ServerName is the name by which the client asked for the server (SNI), empty if
	// it did not. Secure says that the connection is encrypted.
	ServerName string
	Secure     bool
	// CleanStart, Persistent, HasWill and WillRetain describe the CONNECT packet.
	// Persistent is what AWS calls a persistent session: MQTT 3.1.1 without
	// CleanSession, MQTT 5 with a Session Expiry Interval.
	CleanStart bool
	Persistent bool
	HasWill    bool
	WillRetain bool
	// WillTopic is the topic of the will, empty without one.
	WillTopic string
	// Username is what the client sent; a label, not proof of anything.
	Username string
	// End, if it is not nil, ends the connection because of err: a refusal as of
	// Authenticate tells the client. It may be called at any time, by anybody, and
	// does not wait.
	End func(err error)
}

// Request is one question to an Authorizer.
type Request struct {
	Action Action
	// Resource is the client id (Connect, DeleteConnection), the filter as the
	// client wrote it, "$share/" included (Subscribe), or the topic name (Publish,
	// RetainPublish, Receive, GetRetainedMessage). For the shadow actions and the
	// control plane it is the resource's part of its ARN, such as "thing/pump-1" or
	// "thing/pump-1/settings", the whole ARN if it is none of the hub's, and "*" where an
	// operation names no resource. An operation on several of them asks about each.
	Resource string
	Conn     Conn
}

// An Authenticator says who somebody is.
//
// Authenticate returns the identity behind c. A refusal wraps one of
// [ErrBadCredentials], [ErrNotAuthorized] or [ErrBanned], or an MQTT reason code
// (broker.ReasonCode). [ErrUnrecognised] says that c has nothing that this Authenticator
// is for; alone it refuses as ErrNotAuthorized does, in a [Chain] the next one is asked.
// Any other error counts as [ErrUnavailable]; both are logged as
// warnings, refusals at debug level. It may wait; ctx ends with the hub and after the
// host's connect timeout. Safe for concurrent use.
type Authenticator interface {
	Authenticate(ctx context.Context, c *Credentials) (*Identity, error)
}

// Immediate is an optional ability of an [Authenticator], an [Authorizer] or another
// of the hub's seams whose methods never wait (they look into a map, they check a
// signature). Where it reports true the hub calls them on its event loops instead of
// starting a goroutine.
type Immediate interface{ Immediate() bool }

// An Exchanger is an Authenticator that speaks MQTT 5 enhanced authentication.
//
// Exchange starts an exchange for c.Method; it returns [ErrBadMethod] when it does
// not know the method. The hub calls it for a CONNECT that carries an
// Authentication Method, and again when a connected client re-authenticates.
type Exchanger interface {
	Authenticator
	Exchange(ctx context.Context, c *Credentials) (Exchange, error)
}

// An Exchange is one run of an authentication method. Its methods are called by
// one goroutine at a time.
type Exchange interface {
	// Next takes the client's Authentication Data (nil when it sent none) and
	// returns the server's. id is nil while the exchange goes on: the data then
	// leaves in an AUTH packet with reason 0x18. With an id the exchange is over
	// and the data leaves with CONNACK (or the closing AUTH of a
	// re-authentication). A refusal is an error as of Authenticate.
	Next(ctx context.Context, data []byte) (reply []byte, id *Identity, err error)
	// Close releases what the exchange holds. It is called exactly once, also when the
	// client leaves or the hub ends in the middle, and never while Next runs.
	Close()
}

// An Authorizer decides what an identity may do.
//
// Authorize returns nil to allow, or an error that wraps [ErrDenied] (usually a
// *[Denied]). Any other error denies as well and is logged as a warning, except for
// Receive, which is asked for every delivery and whose refusals are only counted. Safe
// for concurrent use.
type Authorizer interface {
	Authorize(ctx context.Context, id *Identity, r *Request) error
}

// An Opener is an Authorizer that can prepare for a connection. Open is called after
// Authorize allowed Connect; ctx ends with the connect timeout. A nil Session without
// an error refuses the connection.
//
// Both are called again when an MQTT 5 client has authenticated again, with its new
// identity, which has the same principal. The new session takes the place of the old
// one, which is closed; a refusal ends the connection (Not authorized).
type Opener interface {
	Authorizer
	Open(ctx context.Context, id *Identity, c *Conn) (Session, error)
}

// An Owner is a [Session] that knows to whom the MQTT session of its connection
// belongs besides its principal: the thing, say, whose certificate is replaced by
// another one. Owner must not wait; "" is nobody.
type Owner interface{ Owner() string }

// A Session answers for one connection.
//
// Allow is called for every message: it must not wait, must not keep resource
// (which may point into a network buffer) and should not allocate. It is called
// by many goroutines at once, and also after Close: for messages on their way, and
// for a will that waits for its delay. It must not wait for Conn.End either, which it may
// call. Close is called exactly once.
type Session interface {
	Allow(a Action, resource string) error
	Close()
}

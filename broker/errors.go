package broker

import "errors"

var (
	// ErrClosed is returned by a server that was shut down or closed.
	ErrClosed = errors.New("broker: server is closed")
	// ErrNotConnected is returned for a client id that has no connection.
	ErrNotConnected = errors.New("broker: client is not connected")
	// ErrNotRetained is wrapped by what Server.Publish returns for a message that was
	// delivered but that the retained store did not take.
	ErrNotRetained = errors.New("broker: the message was delivered but not retained")
	// ErrRetainedFull is returned by a RetainedStore at its bound. It carries the
	// reason code Quota exceeded.
	ErrRetainedFull = Refuse(QuotaExceeded, "the store of retained messages is full")
)

// Causes of an end that its reason code alone does not tell; see [EndingOf].
var (
	// ErrClientDisconnected: the client sent DISCONNECT with another reason code than
	// 0x00, which the cause carries; its will was published.
	ErrClientDisconnected = errors.New("broker: the client disconnected")
	// ErrConnectionLost: the transport ended without DISCONNECT.
	ErrConnectionLost = errors.New("broker: the connection was lost")
	// ErrDisconnected: the host called Server.Disconnect. The cause also wraps
	// DisconnectOptions.Reason.
	ErrDisconnected = errors.New("broker: disconnected by the host")
	// ErrReauthentication: an MQTT 5 client that authenticated again was refused.
	ErrReauthentication = errors.New("broker: re-authentication failed")
)

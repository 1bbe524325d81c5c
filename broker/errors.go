package broker

import "errors"

var (
	// ErrClosed is returned by a server that was shut down or closed.
	ErrClosed = errors.New("broker: server is closed")
	// ErrNotConnected is returned for a client id that has no connection.
	ErrNotConnected = errors.New("broker: client is not connected")
	// ErrRetainedFull is returned by a RetainedStore at its bound. It carries the
	// reason code Quota exceeded.
	ErrRetainedFull = Refuse(QuotaExceeded, "the store of retained messages is full")
)

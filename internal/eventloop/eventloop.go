package eventloop

import "errors"

// ErrUnsupported is returned by [New] on systems without an implementation.
var ErrUnsupported = errors.New("eventloop: not supported on this system")

// ErrClosed is returned for operations on a closed loop or connection.
var ErrClosed = errors.New("eventloop: closed")

// A Handler receives the events of one connection. Its methods are called on the
// loop's goroutine, one at a time, and must not wait.
type Handler interface {
	// Data hands over bytes that were read. p is valid during the call only.
	Data(p []byte)
	// Writable is called once after [Conn.ArmWrite], when the socket takes bytes again.
	Writable()
	// Gone reports the end of the connection: io.EOF when the peer closed it, the
	// error otherwise, ErrClosed after Close. It is the last call.
	Gone(err error)
}

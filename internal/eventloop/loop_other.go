//go:build !linux

package eventloop

import "net"

// A Loop drives connections; there is none on this system.
type Loop struct{}

// New returns ErrUnsupported.
func New(func()) (*Loop, error) { return nil, ErrUnsupported }

// Run returns ErrUnsupported.
func (*Loop) Run() error { return ErrUnsupported }

// Close does nothing.
func (*Loop) Close() {}

// Abandon does nothing.
func (*Loop) Abandon() {}

// Post reports false.
func (*Loop) Post(func()) bool { return false }

// Add returns ErrUnsupported.
func (*Loop) Add(*net.TCPConn) (*Conn, error) { return nil, ErrUnsupported }

// Conn is one connection of a loop.
type Conn struct{}

// Start returns ErrUnsupported.
func (*Conn) Start(Handler) error { return ErrUnsupported }

// Discard does nothing.
func (*Conn) Discard() {}

// Write returns ErrUnsupported.
func (*Conn) Write([]byte) (int, error) { return 0, ErrUnsupported }

// ArmWrite does nothing.
func (*Conn) ArmWrite() {}

// Pause does nothing.
func (*Conn) Pause() {}

// Resume does nothing.
func (*Conn) Resume() {}

// CloseWrite does nothing.
func (*Conn) CloseWrite() {}

// Close does nothing.
func (*Conn) Close() {}

// Post reports false.
func (*Conn) Post(func()) bool { return false }

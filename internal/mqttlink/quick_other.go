//go:build !linux

package mqttlink

import "syscall"

// quick does nothing: the system has no such thing.
func quick(syscall.RawConn) {}

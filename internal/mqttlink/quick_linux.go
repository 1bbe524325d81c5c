package mqttlink

import "syscall"

// quick has the system acknowledge what it has received without waiting for something to
// send with it. It lasts for a while only.
func quick(c syscall.RawConn) {
	if c == nil {
		return
	}
	_ = c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) })
}

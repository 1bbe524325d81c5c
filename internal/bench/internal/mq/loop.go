//go:build linux

package mq

import (
	"fmt"
	"net"
	"syscall"
	"time"
	"unsafe"
)

// Conn is one client connection driven by a Loop.
type Conn struct {
	FD      int
	Idx     int
	Version byte
	Up      bool // CONNACK received
	Closed  bool
	Err     error
	Data    any

	in      []byte
	out     []byte
	off     int
	dirty   bool
	wantW   bool
	nextPID uint16
}

// PID returns the next packet identifier.
func (c *Conn) PID() uint16 {
	c.nextPID++
	if c.nextPID == 0 {
		c.nextPID = 1
	}
	return c.nextPID
}

// Loop is a level-triggered epoll loop on the calling thread.
type Loop struct {
	OnPacket func(c *Conn, p *Packet)
	OnClose  func(c *Conn)
	Now      int64 // ns since Base, refreshed before each read event

	base   time.Time
	ep     int
	byFD   []*Conn
	dirty  []*Conn
	buf    []byte
	events []syscall.EpollEvent
	pkt    Packet
	Reads  int64
	Writes int64
}

// NewLoop returns a loop.
func NewLoop() (*Loop, error) {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &Loop{ep: ep, base: time.Now(), buf: make([]byte, 512<<10), events: make([]syscall.EpollEvent, 1024)}, nil
}

// Clock returns the time in ns since the loop was made.
func (l *Loop) Clock() int64 { return int64(time.Since(l.base)) }

// Dial starts a non-blocking connect; src may be empty.
func (l *Loop) Dial(addr *net.TCPAddr, src net.IP) (*Conn, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	if src != nil {
		const ipBindAddressNoPort = 24
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
		var sa syscall.SockaddrInet4
		copy(sa.Addr[:], src.To4())
		if err := syscall.Bind(fd, &sa); err != nil {
			syscall.Close(fd)
			return nil, err
		}
	}
	var sa syscall.SockaddrInet4
	sa.Port = addr.Port
	copy(sa.Addr[:], addr.IP.To4())
	if err := syscall.Connect(fd, &sa); err != nil && err != syscall.EINPROGRESS {
		syscall.Close(fd)
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &Conn{FD: fd, Version: 4}
	for fd >= len(l.byFD) {
		l.byFD = append(l.byFD, make([]*Conn, 1024+len(l.byFD))...)
	}
	l.byFD[fd] = c
	c.wantW = true
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP, Fd: int32(fd)}
	if err := syscall.EpollCtl(l.ep, syscall.EPOLL_CTL_ADD, fd, &ev); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return c, nil
}

// Out gives the output buffer to append to; hand the result to Queue.
func (c *Conn) Out() []byte { return c.out }

// Queue stores b, the result of appending to Out, to be written by Flush.
func (l *Loop) Queue(c *Conn, b []byte) {
	c.out = b
	if !c.dirty && !c.Closed {
		c.dirty = true
		l.dirty = append(l.dirty, c)
	}
}

// Pending is the number of bytes not yet accepted by the socket.
func (c *Conn) Pending() int { return len(c.out) - c.off }

// Flush writes what is queued.
func (l *Loop) Flush() {
	for _, c := range l.dirty {
		c.dirty = false
		if !c.wantW && !c.Closed {
			l.write(c)
		}
	}
	l.dirty = l.dirty[:0]
}

func (l *Loop) write(c *Conn) {
	for c.off < len(c.out) {
		l.Writes++
		n, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.FD), uintptr(unsafe.Pointer(&c.out[c.off])), uintptr(len(c.out)-c.off))
		if e == syscall.EINTR {
			continue
		}
		if e == syscall.EAGAIN {
			l.setW(c, true)
			return
		}
		if e != 0 {
			l.close(c, e)
			return
		}
		c.off += int(n)
	}
	if cap(c.out) > 64<<10 {
		c.out = nil
	}
	c.out, c.off = c.out[:0], 0
	l.setW(c, false)
}

func (l *Loop) setW(c *Conn, on bool) {
	if c.wantW == on {
		return
	}
	c.wantW = on
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: int32(c.FD)}
	if on {
		ev.Events |= syscall.EPOLLOUT
	}
	_ = syscall.EpollCtl(l.ep, syscall.EPOLL_CTL_MOD, c.FD, &ev)
}

// Close closes a connection without telling OnClose.
func (l *Loop) Close(c *Conn) {
	if c.Closed {
		return
	}
	c.Closed = true
	l.byFD[c.FD] = nil
	syscall.Close(c.FD)
	c.in, c.out = nil, nil
}

func (l *Loop) close(c *Conn, err error) {
	if c.Closed {
		return
	}
	c.Err = err
	l.Close(c)
	if l.OnClose != nil {
		l.OnClose(c)
	}
}

// Poll flushes, waits at most d for events and handles them.
func (l *Loop) Poll(d time.Duration) error {
	l.Flush()
	if d < 0 {
		d = 0
	}
	ts := syscall.NsecToTimespec(int64(d))
	const sysEpollPwait2 = 441
	var n uintptr
	var e syscall.Errno
	if d == 0 {
		n, _, e = syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.ep), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), 0, 0, 0)
	} else {
		n, _, e = syscall.Syscall6(sysEpollPwait2, uintptr(l.ep), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	}
	if e == syscall.EINTR {
		return nil
	}
	if e != 0 {
		return e
	}
	for i := 0; i < int(n); i++ {
		ev := &l.events[i]
		c := l.byFD[ev.Fd]
		if c == nil {
			continue
		}
		if ev.Events&syscall.EPOLLOUT != 0 {
			l.write(c)
			if c.Closed {
				continue
			}
		}
		if ev.Events&(syscall.EPOLLIN|syscall.EPOLLHUP|syscall.EPOLLERR|syscall.EPOLLRDHUP) != 0 {
			l.read(c)
		}
	}
	l.Flush()
	return nil
}

func (l *Loop) read(c *Conn) {
	l.Now = l.Clock()
	k := copy(l.buf, c.in)
	l.Reads++
	n, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(c.FD), uintptr(unsafe.Pointer(&l.buf[k])), uintptr(len(l.buf)-k))
	if e == syscall.EAGAIN || e == syscall.EINTR {
		return
	}
	if e != 0 {
		l.close(c, e)
		return
	}
	if n == 0 {
		l.close(c, fmt.Errorf("closed by broker"))
		return
	}
	b := l.buf[:k+int(n)]
	for {
		m, err := Parse(b, c.Version, &l.pkt)
		if err != nil {
			l.close(c, err)
			return
		}
		if m == 0 {
			break
		}
		b = b[m:]
		l.OnPacket(c, &l.pkt)
		if c.Closed {
			return
		}
	}
	if len(b) == 0 {
		if cap(c.in) > 8<<10 {
			c.in = nil
		}
		c.in = c.in[:0]
		return
	}
	c.in = append(c.in[:0], b...)
}

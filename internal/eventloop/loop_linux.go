package eventloop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	readBuffer = 256 << 10 // shared by all connections of a loop
	readBudget = 64 << 10  // bytes one connection may take per turn
	maxEvents  = 512
)

// A Loop drives connections. Make it with [New], start it with [Loop.Run].
type Loop struct {
	epoll   *os.File // the epoll descriptor, registered with Go's poller
	raw     syscall.RawConn
	epfd    int
	wakefd  int
	after   func()
	conns   []*Conn // by descriptor; touched by the loop's goroutine only
	buf     []byte
	events  []unix.EpollEvent
	stopped bool // set on the loop's goroutine

	ctl sync.Mutex // orders changes of what epoll is asked for

	mu     sync.Mutex
	posted []func() // guarded by mu
	closed bool     // guarded by mu
	spare  []func()
}

// New makes a loop. after is called on the loop's goroutine at the end of every
// round of events and posted functions.
func New(after func()) (*Loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("eventloop: epoll_create: %w", err)
	}
	if err := unix.SetNonblock(epfd, true); err != nil {
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("eventloop: %w", err)
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("eventloop: eventfd: %w", err)
	}
	l := &Loop{epfd: epfd, wakefd: wakefd, after: after, buf: make([]byte, readBuffer), events: make([]unix.EpollEvent, maxEvents)}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wakefd)}
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, wakefd, &ev); err != nil {
		_ = unix.Close(wakefd)
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("eventloop: epoll_ctl: %w", err)
	}
	l.epoll = os.NewFile(uintptr(epfd), "epoll")
	if l.raw, err = l.epoll.SyscallConn(); err != nil {
		_ = unix.Close(wakefd)
		_ = l.epoll.Close()
		return nil, fmt.Errorf("eventloop: %w", err)
	}
	return l, nil
}

// Run handles events until [Loop.Close]. All connections are closed when it
// returns, and every handler has seen Gone.
func (l *Loop) Run() error {
	var n int
	wait := func(uintptr) bool {
		n = epollPoll(l.epfd, l.events)
		return n != 0
	}
	var err error
	for !l.stopped {
		n = 0
		if err = l.raw.Read(wait); err != nil {
			break
		}
		if n < 0 {
			err = errors.New("eventloop: epoll_wait failed")
			break
		}
		woken := false
		for i := range l.events[:n] {
			ev := &l.events[i]
			if int(ev.Fd) == l.wakefd {
				woken = true
				continue
			}
			if c := l.conns[ev.Fd]; c != nil {
				l.handle(c, ev.Events)
			}
		}
		// Posted functions run after the events: a descriptor that was closed in
		// this round cannot come back under the same number before its end.
		if woken {
			l.runPosted()
		}
		l.after()
	}
	l.shut()
	return err
}

// epollPoll asks for events without waiting. It returns -1 on an error that is
// not a mere interruption.
func epollPoll(epfd int, events []unix.EpollEvent) int {
	for {
		r, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		switch e {
		case 0:
			return int(r)
		case syscall.EINTR:
		default:
			return -1
		}
	}
}

func (l *Loop) handle(c *Conn, events uint32) {
	if events&unix.EPOLLOUT != 0 {
		c.update(func(interest uint32) uint32 { return interest &^ unix.EPOLLOUT })
		c.h.Writable()
		if c.gone {
			return
		}
	}
	if events&^unix.EPOLLOUT == 0 {
		return
	}
	if c.interest.Load()&unix.EPOLLIN == 0 {
		// Paused: only an error or a hang-up can have woken us.
		if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			l.end(c, io.EOF)
		}
		return
	}
	n, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&l.buf[0])), readBudget)
	switch {
	case e == syscall.EAGAIN || e == syscall.EINTR:
	case e != 0:
		l.end(c, os.NewSyscallError("read", e))
	case n == 0:
		l.end(c, io.EOF)
	default:
		c.h.Data(l.buf[:n])
	}
}

// end takes a connection out of the loop and tells its handler.
func (l *Loop) end(c *Conn, err error) {
	if c.gone {
		return
	}
	c.gone = true
	if c.h != nil { // nil: closed before it was started
		l.conns[c.fd] = nil
		c.h.Gone(err)
	}
	c.release()
}

// Post has f called on the loop's goroutine. It reports whether the loop is still
// running; if not, f is not called.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	l.posted = append(l.posted, f)
	if len(l.posted) == 1 {
		l.wake() // under the lock: shut closes the descriptor
	}
	l.mu.Unlock()
	return true
}

func (l *Loop) wake() {
	one := uint64(1)
	_, _ = unix.Write(l.wakefd, (*[8]byte)(unsafe.Pointer(&one))[:])
}

func (l *Loop) runPosted() {
	var b [8]byte
	_, _ = unix.Read(l.wakefd, b[:])
	l.mu.Lock()
	fs := l.posted
	l.posted = l.spare[:0]
	l.mu.Unlock()
	for i, f := range fs {
		f()
		fs[i] = nil
	}
	l.spare = fs
}

// Close ends Run. It returns at once; calling it twice is fine.
func (l *Loop) Close() {
	l.Post(func() { l.stopped = true })
}

// shut closes what is left; the loop's goroutine runs it last.
func (l *Loop) shut() {
	l.mu.Lock()
	l.closed = true
	fs := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range fs {
		f() // additions: they find the loop stopped
	}
	for _, c := range l.conns {
		if c != nil {
			l.end(c, ErrClosed)
		}
	}
	l.after()
	_ = l.epoll.Close()
	_ = unix.Close(l.wakefd)
}

// Abandon frees a loop whose Run was never called.
func (l *Loop) Abandon() {
	l.stopped = true
	l.shut()
}

// Add takes nc over: its descriptor is duplicated and nc is closed, so that Go's
// poller does not watch the socket as well. After an error nc is as it was. Nothing
// is read before Start.
func (l *Loop) Add(nc *net.TCPConn) (*Conn, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("eventloop: %w", err)
	}
	fd := -1
	var dupErr error
	if err := raw.Control(func(s uintptr) { fd, dupErr = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, fmt.Errorf("eventloop: %w", err)
	}
	if dupErr != nil {
		return nil, fmt.Errorf("eventloop: dup: %w", dupErr)
	}
	_ = nc.Close()
	c := &Conn{loop: l, fd: int32(fd)}
	c.refs.Store(1)
	c.interest.Store(unix.EPOLLIN)
	return c, nil
}

// Start begins to read; h.Gone ends it. After an error, which means that the loop
// is closed, no method of h is called.
func (c *Conn) Start(h Handler) error {
	l := c.loop
	ok := l.Post(func() {
		c.h = h
		if l.stopped || c.gone {
			h.Gone(ErrClosed)
			if !c.gone {
				c.gone = true
				c.release()
			}
			return
		}
		fd := int(c.fd)
		for fd >= len(l.conns) {
			l.conns = append(l.conns, make([]*Conn, max(64, len(l.conns)))...)
		}
		l.conns[fd] = c
		l.ctl.Lock()
		ev := unix.EpollEvent{Events: c.interest.Load(), Fd: c.fd}
		err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev)
		c.added = err == nil
		l.ctl.Unlock()
		if err != nil {
			l.end(c, os.NewSyscallError("epoll_ctl", err))
		}
	})
	if !ok {
		c.release()
		return ErrClosed
	}
	return nil
}

// Conn is one connection of a loop.
type Conn struct {
	loop     *Loop
	h        Handler
	fd       int32
	refs     atomic.Int32  // the loop's own reference and one per call in progress
	interest atomic.Uint32 // what epoll is asked for; written under loop.ctl
	added    bool          // guarded by loop.ctl
	gone     bool          // the loop's goroutine only
}

// acquire keeps the descriptor open during a call from another goroutine.
func (c *Conn) acquire() bool {
	for {
		n := c.refs.Load()
		if n <= 0 {
			return false
		}
		if c.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (c *Conn) release() {
	if c.refs.Add(-1) == 0 {
		_ = unix.Close(int(c.fd))
	}
}

// Discard closes a connection that was not started.
func (c *Conn) Discard() { c.release() }

// Write writes what the socket takes without waiting and returns how much that
// was; less than len(p) with a nil error means that it is full (see ArmWrite). Any
// goroutine may call it; the caller orders concurrent writes.
func (c *Conn) Write(p []byte) (int, error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	defer c.release()
	done := 0
	for done < len(p) {
		n, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&p[done])), uintptr(len(p)-done))
		switch e {
		case 0:
			done += int(n)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return done, nil
		default:
			return done, os.NewSyscallError("write", e)
		}
	}
	return done, nil
}

// update changes the events epoll reports. Any goroutine may call it.
func (c *Conn) update(f func(uint32) uint32) {
	if !c.acquire() {
		return
	}
	defer c.release()
	c.loop.ctl.Lock()
	defer c.loop.ctl.Unlock()
	old := c.interest.Load()
	want := f(old)
	if want == old {
		return
	}
	c.interest.Store(want)
	if c.added {
		ev := unix.EpollEvent{Events: want, Fd: c.fd}
		_ = unix.EpollCtl(c.loop.epfd, unix.EPOLL_CTL_MOD, int(c.fd), &ev)
	}
}

// ArmWrite has Handler.Writable called once, as soon as the socket takes bytes.
func (c *Conn) ArmWrite() { c.update(func(i uint32) uint32 { return i | unix.EPOLLOUT }) }

// Pause stops reading until Resume.
func (c *Conn) Pause() { c.update(func(i uint32) uint32 { return i &^ unix.EPOLLIN }) }

// Resume reads again after Pause.
func (c *Conn) Resume() { c.update(func(i uint32) uint32 { return i | unix.EPOLLIN }) }

// CloseWrite tells the peer that nothing more will come.
func (c *Conn) CloseWrite() {
	if c.acquire() {
		_ = unix.Shutdown(int(c.fd), unix.SHUT_WR)
		c.release()
	}
}

// Close ends the connection; Handler.Gone follows on the loop's goroutine. Any
// goroutine may call it, more than once.
func (c *Conn) Close() {
	c.loop.Post(func() { c.loop.end(c, ErrClosed) })
}

// Post has f called on the goroutine of the connection's loop.
func (c *Conn) Post(f func()) bool { return c.loop.Post(f) }

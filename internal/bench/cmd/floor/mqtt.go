//go:build linux

package main

import (
	"net"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// ---- protocol, shared by both modes ----

type hub[C comparable] struct {
	subs map[string][]sub[C]
}

type sub[C comparable] struct {
	c   C
	qos byte
}

// frame cuts one packet off b; total 0 means incomplete.
func frame(b []byte) (body []byte, total int) {
	n, i, sh := 0, 1, 0
	for {
		if i >= len(b) {
			return nil, 0
		}
		c := b[i]
		i++
		n |= int(c&127) << sh
		if c < 128 {
			break
		}
		sh += 7
	}
	if len(b)-i < n {
		return nil, 0
	}
	return b[i : i+n], i + n
}

func appendRemLen(b []byte, n int) []byte {
	for n >= 128 {
		b = append(b, byte(n)|128)
		n >>= 7
	}
	return append(b, byte(n))
}

func subscribeFilters(body []byte, f func(topic string, qos byte)) (ack []byte) {
	ack = []byte{0x90, 0, body[0], body[1]}
	b := body[2:]
	for len(b) > 2 {
		n := int(b[0])<<8 | int(b[1])
		q := b[2+n]
		f(string(b[2:2+n]), q)
		ack = append(ack, q)
		b = b[3+n:]
	}
	ack[1] = byte(len(ack) - 2)
	return ack
}

// publish parts
func pubParts(h byte, body []byte) (topic []byte, pid []byte, payload []byte) {
	n := int(body[0])<<8 | int(body[1])
	topic = body[2 : 2+n]
	payload = body[2+n:]
	if h&6 != 0 {
		pid, payload = payload[:2], payload[2:]
	}
	return
}

func appendPub(out []byte, raw []byte, h byte, topic, payload []byte, qos byte, pid *uint16) []byte {
	if qos == 0 && h&6 == 0 {
		return append(out, raw...)
	}
	if h>>1&3 < qos {
		qos = h >> 1 & 3
	}
	n := 2 + len(topic) + len(payload)
	if qos > 0 {
		n += 2
	}
	out = append(out, 0x30|qos<<1)
	out = appendRemLen(out, n)
	out = append(out, byte(len(topic)>>8), byte(len(topic)))
	out = append(out, topic...)
	if qos > 0 {
		*pid++
		if *pid == 0 {
			*pid = 1
		}
		out = append(out, byte(*pid>>8), byte(*pid))
	}
	return append(out, payload...)
}

// ---- epoll mode: one thread, no goroutine per connection ----

type econn struct {
	fd    int
	in    []byte
	out   []byte
	dirty bool
	wantW bool
	dead  bool
	pid   uint16
}

func serveEpoll(addr string) error {
	runtime.LockOSThread()
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	lfd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	syscall.SetsockoptInt(lfd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	sa := &syscall.SockaddrInet4{Port: a.Port}
	copy(sa.Addr[:], a.IP.To4())
	if err := syscall.Bind(lfd, sa); err != nil {
		return err
	}
	if err := syscall.Listen(lfd, 4096); err != nil {
		return err
	}
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		return err
	}
	syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, lfd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(lfd)})
	var conns []*econn
	h := hub[*econn]{subs: map[string][]sub[*econn]{}}
	buf := make([]byte, 256<<10)
	evs := make([]syscall.EpollEvent, 512)
	var dirty []*econn
	var spare [][]byte
	mark := func(c *econn) {
		if !c.dirty {
			c.dirty = true
			dirty = append(dirty, c)
		}
		if c.out == nil && len(spare) > 0 {
			c.out = spare[len(spare)-1]
			spare = spare[:len(spare)-1]
		}
	}
	kill := func(c *econn) {
		c.dead = true
		conns[c.fd] = nil
		syscall.Close(c.fd)
		for t, l := range h.subs {
			k := l[:0]
			for _, s := range l {
				if s.c != c {
					k = append(k, s)
				}
			}
			h.subs[t] = k
		}
	}
	flush := func(c *econn) {
		for len(c.out) > 0 {
			n, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&c.out[0])), uintptr(len(c.out)))
			if e == syscall.EAGAIN {
				if !c.wantW {
					c.wantW = true
					syscall.EpollCtl(ep, syscall.EPOLL_CTL_MOD, c.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT, Fd: int32(c.fd)})
				}
				return
			}
			if e != 0 {
				return
			}
			if int(n) == len(c.out) {
				break
			}
			c.out = c.out[n:]
		}
		if cap(c.out) >= 1024 && len(spare) < 256 && cap(c.out) <= 64<<10 {
			spare = append(spare, c.out[:0])
		}
		c.out = nil
		if c.wantW {
			c.wantW = false
			syscall.EpollCtl(ep, syscall.EPOLL_CTL_MOD, c.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c.fd)})
		}
	}
	for {
		n, _, e := syscall.Syscall6(syscall.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&evs[0])), uintptr(len(evs)), ^uintptr(0), 0, 0)
		if e == syscall.EINTR {
			continue
		}
		if e != 0 {
			return e
		}
		for i := 0; i < int(n); i++ {
			fd := int(evs[i].Fd)
			if fd == lfd {
				for {
					cfd, _, err := syscall.Accept4(lfd, syscall.SOCK_NONBLOCK)
					if err != nil {
						break
					}
					syscall.SetsockoptInt(cfd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
					for cfd >= len(conns) {
						conns = append(conns, make([]*econn, 1024)...)
					}
					conns[cfd] = &econn{fd: cfd}
					syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, cfd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(cfd)})
				}
				continue
			}
			c := conns[fd]
			if c == nil {
				continue
			}
			if evs[i].Events&syscall.EPOLLOUT != 0 {
				flush(c)
			}
			if evs[i].Events&^syscall.EPOLLOUT == 0 {
				continue
			}
			k := copy(buf, c.in)
			rn, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf[k])), uintptr(len(buf)-k))
			if e == syscall.EAGAIN {
				continue
			}
			if e != 0 || rn == 0 {
				kill(c)
				continue
			}
			b := buf[:k+int(rn)]
			for {
				body, total := frame(b)
				if total == 0 {
					break
				}
				raw := b[:total]
				b = b[total:]
				switch raw[0] >> 4 {
				case 1:
					mark(c)
					c.out = append(c.out, 0x20, 2, 0, 0)
				case 3:
					topic, pid, payload := pubParts(raw[0], body)
					for _, s := range h.subs[string(topic)] {
						mark(s.c)
						s.c.out = appendPub(s.c.out, raw, raw[0], topic, payload, s.qos, &s.c.pid)
					}
					if pid != nil {
						mark(c)
						c.out = append(c.out, 0x40, 2, pid[0], pid[1])
					}
				case 8:
					ack := subscribeFilters(body, func(t string, q byte) { h.subs[t] = append(h.subs[t], sub[*econn]{c, q}) })
					mark(c)
					c.out = append(c.out, ack...)
				case 12:
					mark(c)
					c.out = append(c.out, 0xd0, 0)
				}
			}
			if len(b) > 0 {
				c.in = append(c.in[:0], b...)
			} else {
				c.in = nil
			}
		}
		for _, c := range dirty {
			c.dirty = false
			if !c.dead && !c.wantW {
				flush(c)
			}
		}
		dirty = dirty[:0]
	}
}

// ---- goroutine mode: one goroutine per connection, no buffer while idle ----

type gconn struct {
	nc    *net.TCPConn
	rc    syscall.RawConn
	in    []byte
	mu    sync.Mutex
	out   []byte
	busy  bool // a writer is at work
	pid   uint16
	dirty bool // owned by the reader that marked it, under mu
}

var rbufs = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

func serveGo(addr string) error {
	ln, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	h := &hub[*gconn]{subs: map[string][]sub[*gconn]{}}
	var mu sync.RWMutex
	for {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		t := nc.(*net.TCPConn)
		rc, err := t.SyscallConn()
		if err != nil {
			t.Close()
			continue
		}
		go (&gconn{nc: t, rc: rc}).serve(h, &mu)
	}
}

// flush writes out what is queued unless another goroutine is doing so.
func (c *gconn) flush() {
	c.mu.Lock()
	c.dirty = false
	if c.busy {
		c.mu.Unlock()
		return
	}
	c.busy = true
	for len(c.out) > 0 {
		b := c.out
		c.out = nil
		c.mu.Unlock()
		_, err := c.nc.Write(b)
		c.mu.Lock()
		if err != nil {
			c.out = nil
			break
		}
		if c.out == nil && cap(b) <= 16<<10 {
			c.out = b[:0]
		}
	}
	if len(c.out) == 0 && cap(c.out) > 0 {
		c.out = nil
	}
	c.busy = false
	c.mu.Unlock()
}

func (c *gconn) serve(h *hub[*gconn], mu *sync.RWMutex) {
	defer func() {
		c.nc.Close()
		mu.Lock()
		for t, l := range h.subs {
			k := make([]sub[*gconn], 0, len(l))
			for _, s := range l {
				if s.c != c {
					k = append(k, s)
				}
			}
			h.subs[t] = k
		}
		mu.Unlock()
	}()
	for c.turn(h, mu) {
	}
}

func (c *gconn) turn(h *hub[*gconn], mu *sync.RWMutex) bool {
	var bp *[]byte
	var n int
	var err error
	// Take a buffer only when there is something to read.
	rerr := c.rc.Read(func(fd uintptr) bool {
		bp = rbufs.Get().(*[]byte)
		k := copy(*bp, c.in)
		for {
			n, err = syscall.Read(int(fd), (*bp)[k:])
			if err != syscall.EINTR {
				break
			}
		}
		if err == syscall.EAGAIN {
			rbufs.Put(bp)
			return false
		}
		n += k
		if n == k {
			err = net.ErrClosed
		}
		return true
	})
	if rerr != nil {
		return false
	}
	defer rbufs.Put(bp)
	if err != nil {
		return false
	}
	return c.handle((*bp)[:n], h, mu)
}

func (c *gconn) add(dirty []*gconn, f func([]byte) []byte) []*gconn {
	c.mu.Lock()
	c.out = f(c.out)
	if !c.dirty {
		c.dirty = true
		dirty = append(dirty, c)
	}
	c.mu.Unlock()
	return dirty
}

func (c *gconn) handle(b []byte, h *hub[*gconn], mu *sync.RWMutex) bool {
	var da [64]*gconn
	dirty := da[:0]
	for {
		body, total := frame(b)
		if total == 0 {
			break
		}
		raw := b[:total]
		b = b[total:]
		switch raw[0] >> 4 {
		case 1:
			dirty = c.add(dirty, func(o []byte) []byte { return append(o, 0x20, 2, 0, 0) })
		case 3:
			topic, pid, payload := pubParts(raw[0], body)
			mu.RLock()
			l := h.subs[string(topic)]
			mu.RUnlock()
			for _, s := range l {
				t := s.c
				t.mu.Lock()
				t.out = appendPub(t.out, raw, raw[0], topic, payload, s.qos, &t.pid)
				if !t.dirty {
					t.dirty = true
					dirty = append(dirty, t)
				}
				t.mu.Unlock()
			}
			if pid != nil {
				dirty = c.add(dirty, func(o []byte) []byte { return append(o, 0x40, 2, pid[0], pid[1]) })
			}
		case 8:
			ack := subscribeFilters(body, func(t string, q byte) {
				mu.Lock()
				l := h.subs[t]
				h.subs[t] = append(l[:len(l):len(l)], sub[*gconn]{c, q})
				mu.Unlock()
			})
			dirty = c.add(dirty, func(o []byte) []byte { return append(o, ack...) })
		case 12:
			dirty = c.add(dirty, func(o []byte) []byte { return append(o, 0xd0, 0) })
		}
	}
	if len(b) > 0 {
		c.in = append(c.in[:0], b...)
	} else {
		c.in = nil
	}
	for _, t := range dirty {
		t.flush()
	}
	return true
}

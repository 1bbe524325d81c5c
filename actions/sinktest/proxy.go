package sinktest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A Proxy forwards TCP connections to a counterpart, and misbehaves on demand. All methods
// may be called concurrently.
type Proxy struct {
	l      net.Listener
	target string
	wg     sync.WaitGroup

	mu      sync.Mutex
	mode    mode
	delay   time.Duration
	changed chan struct{} // closed when mode or delay changes
	conns   map[net.Conn]struct{}
	closed  bool
}

type mode uint8

const (
	forward mode = iota
	refuse       // connections are reset
	hang         // connections are taken, and nothing passes
	errs         // requests of HTTP are answered with 503
)

// NewProxy returns a proxy in front of an address. It ends with the test.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{l: l, target: target, conns: map[net.Conn]struct{}{}, changed: make(chan struct{})}
	p.wg.Go(p.accept)
	tb.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		l.Close()
		p.Down() // what hangs goes on too
		p.wg.Wait()
	})
	return p
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// Up forwards, at once.
func (p *Proxy) Up() { p.set(forward, 0) }

// Down resets all connections, present and new ones.
func (p *Proxy) Down() { p.set(refuse, 0) }

// Hang takes connections and bytes, and lets none of them pass.
func (p *Proxy) Hang() { p.set(hang, 0) }

// Fail answers each request of HTTP with 503.
func (p *Proxy) Fail() { p.set(errs, 0) }

// Slow forwards each piece that it reads after a delay.
func (p *Proxy) Slow(delay time.Duration) { p.set(forward, delay) }

// Cut resets the present connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

func (p *Proxy) cut() {
	for c := range p.conns {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		c.Close()
	}
}

func (p *Proxy) set(m mode, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m == refuse || m == errs || p.mode == errs {
		p.cut()
	}
	p.mode, p.delay = m, delay
	close(p.changed)
	p.changed = make(chan struct{})
}

// state returns how the proxy behaves, and a channel that is closed when that changes.
func (p *Proxy) state() (m mode, delay time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode, p.delay, p.changed
}

// keep remembers a connection to be cut; false if the proxy ends.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	c.Close()
}

func (p *Proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		if p.keep(c) {
			p.wg.Go(func() {
				defer p.drop(c)
				p.serve(c)
			})
		}
	}
}

func (p *Proxy) serve(c net.Conn) {
	switch m, _, _ := p.state(); m {
	case forward, hang:
	case refuse:
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		return
	case errs:
		answer503(c)
		return
	}
	to, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(to) {
		return
	}
	defer p.drop(to)
	var back sync.WaitGroup
	back.Go(func() {
		p.copy(c, to)
		c.Close()
	})
	p.copy(to, c)
	to.Close()
	back.Wait()
}

// copy copies as the proxy behaves.
func (p *Proxy) copy(to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		for n > 0 {
			m, delay, changed := p.state()
			if m == forward {
				if delay > 0 {
					time.Sleep(delay)
				}
				break
			}
			if m != hang {
				return
			}
			<-changed // what came meanwhile passes afterwards
		}
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if t, ok := to.(*net.TCPConn); ok && errors.Is(err, io.EOF) {
				_ = t.CloseWrite()
			}
			return
		}
	}
}

// answer503 answers the requests of a connection.
func answer503(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		req.Body.Close()
		const text = "the service is overloaded"
		resp := http.Response{
			StatusCode: http.StatusServiceUnavailable, ProtoMajor: 1, ProtoMinor: 1, Request: req,
			ContentLength: 0, Header: http.Header{"X-Reason": {text}},
		}
		if resp.Write(c) != nil {
			return
		}
	}
}

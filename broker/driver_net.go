package broker

import (
	"crypto/tls"
	"net"
	"sync"

	"github.com/thinghub/thinghub/auth"
)

// netDriver drives one connection with a goroutine that reads and, while there is
// something to write, one that writes. It takes any net.Conn.
type netDriver struct {
	nc     net.Conn
	meta   connInfo
	once   sync.Once
	mu     sync.Mutex
	paused bool
	moved  *sync.Cond // paused changed, or the connection was closed
	closed bool
}

const (
	smallRead = 512      // what a connection at rest holds
	largeRead = 64 << 10 // what it borrows while data flows
)

var readPool = sync.Pool{New: func() any { b := make([]byte, largeRead); return &b }}

// serveNet drives nc until it is closed. meta may be nil.
func (s *Server) serveNet(nc net.Conn, meta *connInfo) {
	d := &netDriver{nc: nc}
	d.moved = sync.NewCond(&d.mu)
	if meta != nil {
		d.meta = *meta
	} else {
		d.meta = describe(nc)
	}
	c := s.newConn(d)
	if !s.remember(c) {
		_ = nc.Close()
		c.gone(ErrClosed)
		return
	}
	err := d.read(s, c)
	d.close()
	c.gone(err)
	_ = nc.Close() // the layers above the socket
}

// describe finds out what nc is.
func describe(nc net.Conn) connInfo {
	i := connInfo{transport: "tcp", remote: nc.RemoteAddr(), local: nc.LocalAddr()}
	switch t := nc.(type) {
	case *tls.Conn:
		i.transport = "tls"
		i.creds = func(c *auth.Credentials) {
			st := t.ConnectionState()
			c.TLS = &st
		}
	case *net.TCPConn:
	default:
		if a := nc.RemoteAddr(); a != nil && a.Network() == "pipe" {
			i.transport = "inproc"
		}
	}
	return i
}

// read feeds the protocol machine. The buffer grows from small to a borrowed large
// one while reads fill it, and back.
func (d *netDriver) read(s *Server, c *conn) error {
	small := make([]byte, smallRead)
	buf := small
	var large *[]byte
	defer func() {
		if large != nil {
			readPool.Put(large)
		}
	}()
	for {
		n, err := d.nc.Read(buf)
		if n > 0 {
			b := s.borrow()
			c.received(b, buf[:n])
			b.done()
		}
		if err != nil {
			return err
		}
		d.mu.Lock()
		for d.paused && !d.closed {
			d.moved.Wait()
		}
		d.mu.Unlock()
		switch {
		case large == nil && n == len(buf):
			large = readPool.Get().(*[]byte)
			buf = *large
		case large != nil && n < len(buf):
			// Most likely there is no more, and who knows for how long.
			readPool.Put(large)
			large, buf = nil, small
		}
	}
}

func (d *netDriver) write(p []byte) (int, error) { return d.nc.Write(p) }
func (d *netDriver) blocking() bool              { return true }
func (d *netDriver) arm()                        {}
func (d *netDriver) info() *connInfo             { return &d.meta }

// post is not used: whatever waits may do so on the reading goroutine.
func (d *netDriver) post(func()) bool { return false }

func (d *netDriver) pause() { d.setPaused(true) }

func (d *netDriver) resume() { d.setPaused(false) }

func (d *netDriver) setPaused(p bool) {
	d.mu.Lock()
	d.paused = p
	d.moved.Signal()
	d.mu.Unlock()
}

func (d *netDriver) finish() {
	if w, ok := d.nc.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
		return // the reader goes on until the peer closes or linger ends
	}
	d.close()
}

func (d *netDriver) close() {
	d.once.Do(func() {
		d.mu.Lock()
		d.closed = true
		d.moved.Signal()
		d.mu.Unlock()
		cut(d.nc)
	})
}

// cut closes a connection without a word and without waiting; Close of TLS and
// WebSocket connections has both.
func cut(nc net.Conn) {
	switch t := nc.(type) {
	case *tls.Conn:
		_ = t.NetConn().Close()
	case *wsConn:
		t.cut()
	default:
		_ = nc.Close()
	}
}

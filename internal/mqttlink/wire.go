package mqttlink

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// A wire is a connection whose writes have a deadline. Paho locks it around the parts of a
// packet, which are then written as one.
type wire struct {
	net.Conn
	raw     syscall.RawConn // nil if there is none
	timeout time.Duration

	mu  sync.Mutex
	buf []byte
	err error // of the last flush
}

const keptBuffer = 64 << 10

// Read asks for acknowledgements at once. A broker that holds back small packets until those
// before are acknowledged, as Mosquitto does by default, would otherwise take its time with
// a row of PUBACKs.
func (w *wire) Read(p []byte) (int, error) {
	quick(w.raw)
	return w.Conn.Read(p)
}

// Lock begins a packet, or several.
func (w *wire) Lock() { w.mu.Lock() }

// Unlock writes them. An error is returned by the next Write, and ends the connection, so
// that its reader learns of it.
func (w *wire) Unlock() {
	if w.err == nil && len(w.buf) > 0 {
		_ = w.SetWriteDeadline(time.Now().Add(w.timeout))
		if _, w.err = w.Conn.Write(w.buf); w.err != nil {
			_ = w.Close()
		}
	}
	w.buf = w.buf[:0]
	if cap(w.buf) > keptBuffer {
		w.buf = nil
	}
	w.mu.Unlock()
}

// Write is called between Lock and Unlock.
func (w *wire) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// dial connects to a mqtt or mqtts URL.
func (c *Config) dial(ctx context.Context, u *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	port := u.Port()
	if port == "" {
		port = "1883"
		if u.Scheme == "mqtts" {
			port = "8883"
		}
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	var raw syscall.RawConn
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err = sc.SyscallConn(); err != nil {
			raw = nil
		}
	}
	if u.Scheme == "mqtts" {
		cfg := &tls.Config{}
		if c.TLS != nil {
			cfg = c.TLS.Clone()
		}
		if cfg.ServerName == "" {
			cfg.ServerName = u.Hostname()
		}
		t := tls.Client(nc, cfg)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, nc.Close())
		}
		nc = t
	}
	return &wire{Conn: nc, raw: raw, timeout: c.Timeout}, nil
}

// failed returns why the last flush failed.
func (w *wire) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

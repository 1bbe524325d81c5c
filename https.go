package thinghub

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/thinghub/thinghub/auth/certs"
)

// ConfigureServer makes an HTTPS server what AWS IoT has on port 443. Clients that ask for
// MQTT with ALPN ("x-amzn-mqtt-ca", "mqtt") get it on the same port; those that ask for
// "x-amzn-http-ca" are served like those that ask for "http/1.1" or nothing. Clients may
// show certificates, which are checked as [certs.Service.TLSConfig] says; one is not
// required, since there are other ways to be let in.
//
// It is to be called once, before the server serves. TLSConfig is replaced by a copy,
// what it has in TLSNextProto stays, and HTTP/2 is not spoken unless that is in there:
//
//	srv := &http.Server{Handler: hub.Handler(), TLSConfig: &tls.Config{GetCertificate: ...}}
//	hub.ConfigureServer(srv)
//	err := srv.ListenAndServeTLS("", "")
//
// [Hub.Shutdown] ends the MQTT connections of the server; the server's own Shutdown waits
// for them, so it comes after that.
func (h *Hub) ConfigureServer(srv *http.Server) {
	cfg := &tls.Config{}
	if srv.TLSConfig != nil {
		cfg = srv.TLSConfig.Clone()
	}
	if srv.TLSNextProto == nil {
		srv.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	mqtt := func(_ *http.Server, c *tls.Conn, _ http.Handler) { _ = h.server.ServeConn(c) } // which says only that the hub ends
	for proto, serve := range map[string]func(*http.Server, *tls.Conn, http.Handler){
		certs.ALPNMQTT: mqtt, certs.ALPNMQTTCustom: mqtt, certs.ALPNHTTP: newHTTP1().serve, certs.ALPNHTTP1: nil,
	} {
		if !slices.Contains(cfg.NextProtos, proto) {
			cfg.NextProtos = append(cfg.NextProtos, proto)
		}
		if serve != nil && srv.TLSNextProto[proto] == nil {
			srv.TLSNextProto[proto] = serve
		}
	}
	srv.TLSConfig = h.principals.certs.TLSConfig(cfg)
}

// An http1 serves HTTP/1.1 on connections whose protocol has another name, which net/http
// does not do by itself.
type http1 struct {
	begin, once sync.Once
	conns       chan net.Conn
	closed      chan struct{} // when Accept is to end
	ended       chan struct{} // when nobody takes conns any more
}

func newHTTP1() *http1 {
	return &http1{conns: make(chan net.Conn), closed: make(chan struct{}), ended: make(chan struct{})}
}

// serve serves one connection of srv, and returns when it is closed.
func (p *http1) serve(srv *http.Server, c *tls.Conn, _ http.Handler) {
	p.begin.Do(func() { p.start(srv) })
	conn := &http1Conn{Conn: c, tls: c, closed: make(chan struct{})}
	select {
	case p.conns <- conn:
		<-conn.closed
	case <-p.ended:
	}
}

// start runs a server beside srv, with its settings, that ends when it does.
func (p *http1) start(srv *http.Server) {
	inner := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, ok := r.Context().Value(http1Key{}).(*http1Conn); ok {
				state := c.tls.ConnectionState()
				r.TLS = &state
			}
			h := srv.Handler
			if h == nil {
				h = http.DefaultServeMux
			}
			h.ServeHTTP(w, r)
		}),
		ReadTimeout: srv.ReadTimeout, ReadHeaderTimeout: srv.ReadHeaderTimeout, WriteTimeout: srv.WriteTimeout, IdleTimeout: srv.IdleTimeout,
		MaxHeaderBytes: srv.MaxHeaderBytes, ErrorLog: srv.ErrorLog,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if srv.ConnContext != nil {
				ctx = srv.ConnContext(ctx, c)
			}
			return context.WithValue(ctx, http1Key{}, c)
		},
	}
	srv.RegisterOnShutdown(func() { _ = inner.Shutdown(context.Background()) })
	go func() {
		defer close(p.ended)
		_ = inner.Serve(p) // which says that it was shut down
	}()
}

type http1Key struct{}

// Accept returns the next connection.
func (p *http1) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (p *http1) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr is of no interest to anybody.
func (p *http1) Addr() net.Addr { return &net.TCPAddr{} }

// An http1Conn is a TLS connection that net/http takes for a plain one: its handshake is
// over.
type http1Conn struct {
	net.Conn
	tls    *tls.Conn
	once   sync.Once
	closed chan struct{}
}

// Close ends the connection.
func (c *http1Conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.closed) })
	return err
}

package broker

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"github.com/thinghub/thinghub/auth"
)

// subprotocols are the WebSocket subprotocols we answer to: the standard's, and
// what older clients offer.
var subprotocols = []string{"mqtt", "mqttv3.1.1", "mqttv3.1"}

// WebSocket returns a handler that upgrades requests to MQTT over WebSocket
// [MQTT-6.0.0-1 and following]. Mount it where clients expect it, usually "/mqtt".
// Requests without the subprotocol "mqtt", or from a web page of a host that
// Config.WebSocketOrigins does not allow, are refused before the upgrade.
func (s *Server) WebSocket() http.Handler { return http.HandlerFunc(s.serveWebSocket) }

func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		http.Error(w, "the hub is shutting down", http.StatusServiceUnavailable)
		return
	}
	defer s.wg.Done()
	if max := s.cfg.MaxConnections; max > 0 && s.openConns() >= max+64 {
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && !offersMQTT(r) {
		http.Error(w, `Sec-WebSocket-Protocol must offer "mqtt"`, http.StatusBadRequest)
		return
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && !canHijack(w) {
		http.Error(w, "WebSocket needs a connection that can be taken over: HTTP/1.1", http.StatusNotImplemented)
		return
	}
	spy := &hijackSpy{ResponseWriter: w}
	ws, err := websocket.Accept(spy, r, &websocket.AcceptOptions{Subprotocols: subprotocols, OriginPatterns: s.cfg.WebSocketOrigins})
	if err != nil {
		s.log.Debug("broker: WebSocket not accepted", "remote", r.RemoteAddr, "err", err)
		if spy.status == http.StatusForbidden { // by its origin
			s.tellHooksDenied(&Denial{RemoteAddr: httpAddr(r.RemoteAddr), Action: auth.Connect, Err: fmt.Errorf("%w: %w", NotAuthorized, err)})
		}
		return // Accept has answered
	}
	ws.SetReadLimit(-1) // a message is a piece of a byte stream; packets have their own limit
	nc := websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
	meta := &connInfo{transport: "ws", remote: httpAddr(r.RemoteAddr)}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		meta.local = a
	}
	if r.TLS != nil {
		meta.transport = "wss"
	}
	meta.creds = func(c *auth.Credentials) { c.TLS, c.Request = r.TLS, r }
	s.serveNet(&wsConn{Conn: nc, ws: ws, under: spy.nc}, meta)
}

func offersMQTT(r *http.Request) bool {
	for _, h := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(h, ",") {
			if slices.ContainsFunc(subprotocols, func(s string) bool { return strings.EqualFold(s, strings.TrimSpace(p)) }) {
				return true
			}
		}
	}
	return false
}

// wsConn is the byte stream of a WebSocket.
type wsConn struct {
	net.Conn
	ws    *websocket.Conn
	under net.Conn
}

func (c *wsConn) Close() error { return c.ws.CloseNow() }

// CloseWrite makes the closing handshake, which waits for the peer; cut ends that.
func (c *wsConn) CloseWrite() error {
	_ = c.ws.Close(websocket.StatusNormalClosure, "")
	return nil
}

func (c *wsConn) cut() { cut(c.under) }

// hijackSpy notes the connection under a WebSocket, so that it can be cut without
// waiting for anybody, and the answer if there is none.
type hijackSpy struct {
	http.ResponseWriter
	nc     net.Conn
	status int // of the answer without an upgrade
}

func (h *hijackSpy) WriteHeader(status int) {
	h.status = status
	h.ResponseWriter.WriteHeader(status)
}

func (h *hijackSpy) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.nc = nc
	return nc, rw, err
}

// WriteHeaderNow passes on what some frameworks' writers need for the upgrade.
func (h *hijackSpy) WriteHeaderNow() {
	if w, ok := h.ResponseWriter.(interface{ WriteHeaderNow() }); ok {
		w.WriteHeaderNow()
	}
}

// canHijack reports whether w, or what it wraps, can hand over its connection.
func canHijack(w http.ResponseWriter) bool {
	for {
		if _, ok := w.(http.Hijacker); ok {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}

func (h *hijackSpy) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// httpAddr is the address of an HTTP client.
type httpAddr string

func (a httpAddr) Network() string { return "tcp" }
func (a httpAddr) String() string  { return string(a) }

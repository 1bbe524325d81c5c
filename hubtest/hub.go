package hubtest

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// patience is how long anything in this package waits before it fails the test.
const patience = 10 * time.Second

// A Hub is a hub for one test. Everything a [thinghub.Hub] can do, it can.
type Hub struct {
	*thinghub.Hub

	tlsOnce sync.Once
	tls     *tls.Config
	tlsErr  error
}

// New returns a hub that is closed when t ends. It lets everybody do everything
// ([auth.InsecureAllowAll]), publishes no $SYS topics and logs to t. Functions in
// mod may change its configuration:
//
//	hub := hubtest.New(t, func(c *thinghub.Config) { c.Gateway.MaxQueuedMessages = 3 })
func New(t testing.TB, mod ...func(*thinghub.Config)) *Hub {
	t.Helper()
	cfg := thinghub.Config{
		Authenticator: auth.InsecureAllowAll{},
		Authorizer:    auth.InsecureAllowAll{},
		Logger:        logger(t),
		Gateway:       broker.Config{SysInterval: -1},
	}
	for _, f := range mod {
		f(&cfg)
	}
	h, err := thinghub.New(cfg)
	if err != nil {
		t.Fatalf("hubtest: %v", err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return &Hub{Hub: h}
}

// Listen serves the hub on a free TCP port of the loopback interface until t ends
// and returns its address, for clients that are not part of the test's program.
func (h *Hub) Listen(t testing.TB) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("hubtest: %v", err)
	}
	served := make(chan struct{})
	go func() { // ends when l is closed
		defer close(served)
		_ = h.Serve(l)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-served
	})
	return l.Addr().String()
}

// URL serves the hub's Handler on a free port of the loopback interface until t
// ends and returns the address for MQTT over WebSocket, such as
// "ws://127.0.0.1:40123/mqtt".
func (h *Hub) URL(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(h.Handler())
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/mqtt"
}

// logger returns a logger that writes to t's log until t ends. A benchmark prints
// its log always, so it gets the warnings only.
func logger(t testing.TB) *slog.Logger {
	level := slog.LevelDebug
	if _, ok := t.(*testing.B); ok {
		level = slog.LevelWarn
	}
	w := &logWriter{t: t}
	t.Cleanup(w.stop)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// logWriter drops what is written after the test: its log panics then.
type logWriter struct {
	mu    sync.Mutex
	t     testing.TB
	ended bool
}

func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return len(p), nil
	}
	return w.t.Output().Write(p)
}

func (w *logWriter) stop() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/thinghub/thinghub"
)

// servers are the program's listeners and what serves them.
type servers struct {
	hub    *thinghub.Hub
	log    *slog.Logger
	list   []server
	http   []*http.Server
	failed chan error // buffered; the first failure ends the program
}

type server struct {
	name  string
	ln    net.Listener
	serve func() error
}

// open opens all listeners. Nothing is served yet.
func (s *servers) open(o *options, f *file) error {
	for _, l := range o.listeners() {
		ln, err := net.Listen("tcp", l.addr)
		if err != nil {
			return fmt.Errorf("-%s is %q, expected an address that can be listened on: %w", l.name, l.addr, err)
		}
		sv := server{name: l.name, ln: ln}
		switch l.name {
		case "mqtt":
			sv.serve = func() error { return s.hub.Serve(ln) }
		case "mqtts":
			secure := tls.NewListener(ln, s.tls(f, "mqtt", "x-amzn-mqtt-ca"))
			sv.serve = func() error { return s.hub.Serve(secure) }
		case "http":
			h := s.newHTTP(handler(s.hub))
			sv.serve = func() error { return h.Serve(ln) }
		case "https":
			h := s.newHTTP(handler(s.hub))
			h.TLSConfig = f.server.TLSConfig(nil)
			s.hub.ConfigureServer(h)
			sv.serve = func() error { return h.ServeTLS(ln, "", "") }
		case "pprof":
			h := s.newHTTP(profiler())
			h.ReadTimeout = 0 // a profile may take longer
			sv.serve = func() error { return h.Serve(ln) }
		}
		s.list = append(s.list, sv)
	}
	return nil
}

// start serves all listeners and says so.
func (s *servers) start(stdout io.Writer) {
	for _, sv := range s.list {
		go func() { // ends with its listener
			if err := sv.serve(); !errors.Is(err, thinghub.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
				select {
				case s.failed <- fmt.Errorf("serving %s: %w", sv.name, err):
				default:
				}
			}
		}()
		fmt.Fprintf(stdout, "listening %s %s\n", sv.name, sv.ln.Addr())
	}
}

// newHTTP returns a server that does not wait long for those who send nothing, or a body
// drop by drop. WebSockets are out of its hands: there the hub's own limits apply.
func (s *servers) newHTTP(h http.Handler) *http.Server {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.http = append(s.http, srv)
	return srv
}

// shutdown ends the HTTP servers; the hub has ended its connections already.
func (s *servers) shutdown(ctx context.Context) {
	for _, h := range s.http {
		if h.Shutdown(ctx) != nil {
			_ = h.Close()
		}
	}
}

// close closes listeners that were opened but not served.
func (s *servers) close() {
	for _, sv := range s.list {
		_ = sv.ln.Close()
	}
}

// tls is the configuration of a listener that clients may show certificates to.
func (s *servers) tls(f *file, protocols ...string) *tls.Config {
	return s.hub.Certificates().TLSConfig(f.server.TLSConfig(&tls.Config{NextProtos: protocols}))
}

// handler is everything the hub serves over HTTP, metrics and a sign of life.
func handler(hub *thinghub.Hub) http.Handler {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collector{hub})
	own := http.NewServeMux()
	own.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	own.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	everything := hub.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics", "/healthz":
			own.ServeHTTP(w, r)
		default: // not by way of a ServeMux, which would clean the topics in paths
			everything.ServeHTTP(w, r)
		}
	})
}

func profiler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

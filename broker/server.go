package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/internal/topic"
)

// A Server is an MQTT server: it accepts connections, speaks 3.1.1 and 5, keeps
// sessions and delivers messages. Make it with [NewServer]; its zero value is not
// usable. All methods are safe for concurrent use.
type Server struct {
	cfg   Config
	log   *slog.Logger
	hooks hooks
	count counters

	tree       topic.Tree[subscription]
	groups     shareGroups
	interest   interest
	sessions   sessionTable
	herald     herald
	serials    atomic.Uint32
	timers     timers
	batches    sync.Pool // of *batch
	start      time.Time
	closedDoor sync.Once // for the warning that nobody can connect
	slow       bool      // a seam may wait: Config.mayWait
	local      bool      // the Broker is the default one

	ctx     context.Context // ends with Close; for work nobody else bounds
	cancel  context.CancelFunc
	closing atomic.Bool  // Shutdown or Close began
	leaving atomic.Int64 // connections that are giving up their sessions
	idle    chan struct{}

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	hosts     map[*hostSub]struct{}
	loops     []*loop
	nextLoop  int
	wg        sync.WaitGroup // every goroutine of the server's
	gone      chan struct{}  // closed when wg is done after closed
}

// NewServer returns a server. It starts nothing: call Run for the background work,
// Serve for listeners. The error names the Config field that is wrong.
func NewServer(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, hooks: newHooks(cfg.Hooks), start: time.Now(),
		listeners: map[net.Listener]struct{}{}, conns: map[*conn]struct{}{}, hosts: map[*hostSub]struct{}{},
		idle: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	s.slow = s.cfg.mayWait()
	s.sessions.byID = map[string]*session{}
	s.timers.wake = make(chan struct{}, 1)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if m, ok := cfg.Broker.(*Memory); ok {
		m.bind(s.deliver)
		s.local = true
	} else {
		s.interest.broker = cfg.Broker
	}
	return s, nil
}

// clock is the server's time: nanoseconds since it was made, monotonic.
func (s *Server) clock() int64 { return int64(time.Since(s.start)) + 1 }

// since converts a time to the server's clock.
func (s *Server) since(t time.Time) int64 { return int64(t.Sub(s.start)) + 1 }

// Route hands m to Config.Router, as the server does with everything clients
// publish: the door for messages of the host and of other rooms. m is valid until
// Route returns.
func (s *Server) Route(ctx context.Context, m *Message) error {
	if s.cfg.Router != nil {
		return s.cfg.Router.Route(ctx, m)
	}
	return s.Publish(ctx, m)
}

func (s *Server) route(m *Message) error { return s.Route(s.ctx, m) }

// Run does the server's background work (timers, $SYS topics, messages from other
// hubs) until ctx ends or the server is closed, which waits for Run to return. A
// Broker that ends before that is logged; its error is returned when Run is over.
func (s *Server) Run(ctx context.Context) error {
	if !s.join() {
		return nil
	}
	defer s.wg.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { s.timers.run(ctx, s.clock, s.fire) })
	if s.cfg.SysInterval > 0 {
		wg.Go(func() { s.sysTopics(ctx) })
	}
	err := s.runBroker(ctx)
	if ctx.Err() != nil {
		err = nil
	} else {
		s.log.Error("broker: the Broker ended before the server", "err", err)
		<-ctx.Done()
	}
	wg.Wait()
	return err
}

// fire runs what is due. Wills and ended sessions reach the host's seams; where
// these may wait, the other deadlines do not wait with them.
func (s *Server) fire(t timed, now int64) {
	if s.slow {
		s.spawn(func() { t.due(now) })
		return
	}
	t.due(now)
}

// spawn runs f on a goroutine that Close waits for; false when it may be waiting
// already.
func (s *Server) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.spawnLocked(f)
	return true
}

// spawnLocked is spawn where mu is held and the server is not closed.
func (s *Server) spawnLocked(f func()) {
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		f()
	}()
}

// shield calls foreign code (a hook, an authorizer, a handler of the host) where a
// panic would end more than one connection: it is logged and goes no further.
func (s *Server) shield(what string, f func()) {
	defer s.rescue(what)
	f()
}

// rescue is deferred; see shield.
func (s *Server) rescue(what string) {
	if r := recover(); r != nil {
		s.log.Error("broker: panic in "+what, "err", fmt.Sprint(r), "stack", string(debug.Stack()))
	}
}

// Serve accepts MQTT connections from l until the server or l is closed; it closes
// l. The error is ErrClosed after Shutdown or Close, the listener's otherwise. TLS
// comes with the listener (tls.NewListener). Plain TCP connections are driven by
// event loops where the system has them.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closed || s.closing.Load() {
		s.mu.Unlock()
		_ = l.Close()
		return ErrClosed
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
		_ = l.Close()
	}()
	var delay time.Duration
	for {
		nc, err := l.Accept()
		if err == nil {
			delay = 0
			s.accept(nc)
			continue
		}
		if s.closing.Load() {
			return ErrClosed
		}
		var ne net.Error
		if !errors.As(err, &ne) || !isTemporary(err) {
			return err
		}
		// Out of descriptors, most likely: wait for some to come free.
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.log.Warn("broker: accept failed, trying again", "err", err, "delay", delay)
		t := time.NewTimer(delay)
		select {
		case <-t.C:
		case <-s.ctx.Done():
			t.Stop()
			return ErrClosed
		}
	}
}

// isTemporary reports whether accepting may work again later.
func isTemporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

// accept starts driving a connection.
func (s *Server) accept(nc net.Conn) {
	if max := s.cfg.MaxConnections; max > 0 && s.openConns() >= max+64 {
		_ = nc.Close() // beyond the room for polite refusals
		return
	}
	if tc, ok := nc.(*net.TCPConn); ok && s.serveLoop(tc) {
		return
	}
	_ = s.Go(nc) // closed meanwhile: so is nc
}

// ServeConn serves MQTT on one connection and returns when it is closed. It takes
// any net.Conn: TCP, TLS, a pipe, a WebSocket's byte stream.
func (s *Server) ServeConn(nc net.Conn) error {
	if !s.enter() {
		_ = nc.Close()
		return ErrClosed
	}
	defer s.wg.Done()
	s.serveNet(nc, nil)
	return nil
}

// enter is join for a goroutine that brings a connection; false when these are not
// taken any more.
func (s *Server) enter() bool { return !s.closing.Load() && s.join() }

// join counts the caller's goroutine as one that Close waits for; false when it may be
// waiting already. Otherwise s.wg.Done follows.
func (s *Server) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

func (s *Server) openConns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// remember enters a connection; false when the server is closed or about to be.
func (s *Server) remember(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.closing.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	last := len(s.conns) == 0
	s.mu.Unlock()
	if last {
		select {
		case s.idle <- struct{}{}:
		default:
		}
	}
}

// Go serves MQTT on one connection like ServeConn, on a goroutine of the server's.
func (s *Server) Go(nc net.Conn) error {
	if !s.enter() {
		_ = nc.Close()
		return ErrClosed
	}
	go func() {
		defer s.wg.Done()
		s.serveNet(nc, nil)
	}()
	return nil
}

// Closed reports whether Shutdown or Close began.
func (s *Server) Closed() bool { return s.closing.Load() }

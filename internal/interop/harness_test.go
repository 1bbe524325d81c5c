package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// patience is how long a test waits for what must come; silence how long it watches
// for what must not.
const (
	patience = 30 * time.Second
	silence  = 200 * time.Millisecond
)

// huge is a payload of 3 MB without short periods.
var huge = func() []byte {
	b := make([]byte, 3_000_000)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}()

// A testHub is a hub with a plain listener on a loopback port.
type testHub struct {
	*thinghub.Hub
	addr string
	seen *witness
	stop func() // ends the hub in good order; runs at the end of the test if not before
}

type change = func(*thinghub.Config)

// startHub runs a hub that lets everybody in, unless a change says otherwise.
func startHub(t *testing.T, changes ...change) *testHub {
	t.Helper()
	return startHubAt(t, "127.0.0.1:0", changes...)
}

func startHubAt(t *testing.T, addr string, changes ...change) *testHub {
	t.Helper()
	seen := &witness{}
	cfg := thinghub.Config{
		Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{},
		Hooks: []broker.Hook{seen}, Logger: slog.New(slog.DiscardHandler),
		Gateway: broker.Config{SysInterval: -1},
	}
	for _, c := range changes {
		c(&cfg)
	}
	hub, err := thinghub.New(cfg)
	require.NoError(t, err)
	h := &testHub{Hub: hub, seen: seen}
	h.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, hub.Shutdown(ctx))
	})
	t.Cleanup(h.stop)
	h.addr = h.serve(t, listen(t, addr))
	return h
}

// listen takes a port; one that a hub has just given back may need a moment.
func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	var ln net.Listener
	await(t, "a listener on "+addr, func() (err error) {
		ln, err = net.Listen("tcp", addr)
		return err
	})
	return ln
}

func (h *testHub) serve(t *testing.T, ln net.Listener) (addr string) {
	done := make(chan error, 1)
	go func() { done <- h.Serve(ln) }()
	t.Cleanup(func() {
		h.stop()
		require.ErrorIs(t, <-done, thinghub.ErrClosed)
	})
	return ln.Addr().String()
}

// serveTLS adds a listener for MQTT over TLS.
func (h *testHub) serveTLS(t *testing.T, cfg *tls.Config) (addr string) {
	t.Helper()
	return h.serve(t, tls.NewListener(listen(t, "127.0.0.1:0"), cfg))
}

// serveHTTP adds an HTTP server for all the hub has, without TLS if cfg is nil.
func (h *testHub) serveHTTP(t *testing.T, cfg *tls.Config) (addr string) {
	t.Helper()
	return h.serveHandler(t, cfg, h.Handler())
}

// serveHandler adds an HTTP server for one of the hub's handlers.
func (h *testHub) serveHandler(t *testing.T, cfg *tls.Config, handler http.Handler) (addr string) {
	t.Helper()
	ln := listen(t, "127.0.0.1:0")
	addr = ln.Addr().String()
	if cfg != nil {
		ln = tls.NewListener(ln, cfg)
	}
	h.serveOn(t, ln, handler)
	return addr
}

// serveOn adds an HTTP server with a listener.
func (h *testHub) serveOn(t *testing.T, ln net.Listener, handler http.Handler) {
	t.Helper()
	srv := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		h.stop()
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
}

// endpoints returns the URL of the hub for each transport.
func (h *testHub) endpoints(t *testing.T, p *pki) map[string]string {
	t.Helper()
	cfg := p.serverConfig(tls.NoClientCert)
	return map[string]string{
		"tcp": "tcp://" + h.addr,
		"tls": "tls://" + h.serveTLS(t, cfg),
		"ws":  "ws://" + h.serveHTTP(t, nil) + "/mqtt",
		"wss": "wss://" + h.serveHTTP(t, cfg) + "/mqtt",
	}
}

// hear collects what the host receives.
func (h *testHub) hear(t *testing.T, filter string) inbox[*thinghub.Message] {
	t.Helper()
	in := newInbox[*thinghub.Message]()
	stop, err := h.Subscribe(t.Context(), filter, in.put)
	require.NoError(t, err)
	t.Cleanup(stop)
	return in
}

// say publishes as the host.
func (h *testHub) say(t *testing.T, name, payload string, qos broker.QoS) {
	t.Helper()
	require.NoError(t, h.PublishMessage(t.Context(), &thinghub.Message{Topic: name, Payload: []byte(payload), QoS: qos}))
}

// client returns what the hub knows about a connected client.
func (h *testHub) client(t *testing.T, id string) broker.ClientInfo {
	t.Helper()
	for _, c := range h.Clients() {
		if c.ClientID == id {
			return c
		}
	}
	require.FailNow(t, "not connected: "+id)
	panic("unreachable")
}

// A witness is a hook that remembers what happened to clients.
type witness struct {
	mu   sync.Mutex
	list []event
}

// An event is "connected", "disconnected", "subscribed" or "unsubscribed".
type event struct {
	what, client, filter string
	cause                error
}

func (w *witness) add(e event) {
	w.mu.Lock()
	w.list = append(w.list, e)
	w.mu.Unlock()
}

func (w *witness) Connected(c *broker.ClientInfo) {
	w.add(event{what: "connected", client: c.ClientID})
}

func (w *witness) Disconnected(c *broker.ClientInfo, cause error) {
	w.add(event{what: "disconnected", client: c.ClientID, cause: cause})
}

func (w *witness) Subscribed(c *broker.ClientInfo, granted []broker.Grant) {
	for _, g := range granted {
		w.add(event{what: "subscribed", client: c.ClientID, filter: g.Filter})
	}
}

func (w *witness) Unsubscribed(c *broker.ClientInfo, filters []string) {
	for _, f := range filters {
		w.add(event{what: "unsubscribed", client: c.ClientID, filter: f})
	}
}

func (w *witness) events(what, client string) (out []event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.list {
		if e.what == what && e.client == client {
			out = append(out, e)
		}
	}
	return out
}

// await waits for the nth event of its kind and returns it.
func (w *witness) await(t *testing.T, what, client string, n int) event {
	t.Helper()
	await(t, what+" "+client, func() error {
		if len(w.events(what, client)) < n {
			return errors.New("did not happen")
		}
		return nil
	})
	return w.events(what, client)[n-1]
}

// await repeats try until it succeeds.
func await(t *testing.T, what string, try func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			require.NoError(t, err, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// An inbox holds what a client received.
type inbox[M any] struct{ c chan M }

func newInbox[M any]() inbox[M] { return inbox[M]{make(chan M, 1<<16)} }

func (in inbox[M]) put(m M) { in.c <- m }

// next waits for the next message.
func (in inbox[M]) next(t *testing.T) M {
	t.Helper()
	select {
	case m := <-in.c:
		return m
	case <-time.After(patience):
		require.FailNow(t, "no message arrived")
		panic("unreachable")
	}
}

// none checks that nothing arrives.
func (in inbox[M]) none(t *testing.T) {
	t.Helper()
	select {
	case m := <-in.c:
		require.FailNow(t, "unexpected message", "%+v", m)
	case <-time.After(silence):
	}
}

// byCertificate makes the common name of a client's certificate its principal.
type byCertificate struct{}

func (byCertificate) Authenticate(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.TLS == nil || len(c.TLS.PeerCertificates) == 0 {
		return nil, auth.ErrBadCredentials
	}
	return &auth.Identity{
		Principal:  c.TLS.PeerCertificates[0].Subject.CommonName,
		Attributes: map[string]string{"alpn": c.TLS.NegotiatedProtocol},
	}, nil
}

// byPassword knows users and their passwords.
type byPassword map[string]string

func (u byPassword) Authenticate(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
	want, known := u[c.Username]
	switch {
	case !known:
		return nil, auth.ErrNotAuthorized
	case want != string(c.Password):
		return nil, auth.ErrBadCredentials
	}
	return &auth.Identity{Principal: c.Username}, nil
}

// exceptSecret allows everything but the topic and filter "secret".
type exceptSecret struct{}

func (exceptSecret) Authorize(_ context.Context, _ *auth.Identity, r *auth.Request) error {
	if r.Resource == "secret" {
		return &auth.Denied{Action: r.Action, Resource: r.Resource, Reason: "it is secret"}
	}
	return nil
}

// program finds a program; the test fails if it is not installed.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && !strings.Contains(name, "/") {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	require.NoError(t, err, "install it with: make test (or scripts/testdeps.sh)")
	return path
}

// run runs a program to its end and returns what it printed and its exit code.
func run(t *testing.T, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return runWith(t, nil, name, args...)
}

// runWith is run with variables added to the environment.
func runWith(t *testing.T, env []string, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, name), args...)
	cmd.Env = append(cmd.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "%s %q did not end; it wrote %q", name, args, errs.String())
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return out.String(), errs.String(), exit.ExitCode()
	}
	require.NoError(t, err)
	return out.String(), errs.String(), 0
}

// A process is a program that runs beside the test.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  inbox[string] // its stdout
	exited chan struct{} // closed when it has ended and all lines are in
	errors *safeBuffer   // its stderr
}

// begin starts a program; it is killed at the end of the test if it still runs.
func begin(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return beginWith(t, nil, name, args...)
}

// beginWith is begin with variables added to the environment.
func beginWith(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{
		cmd: exec.Command(program(t, name), args...), lines: newInbox[string](),
		exited: make(chan struct{}), errors: &safeBuffer{},
	}
	p.cmd.Env = append(p.cmd.Environ(), env...)
	p.cmd.Stderr = p.errors
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.exited)
		r := bufio.NewReader(stdout)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				break
			}
			p.lines.put(line[:len(line)-1])
		}
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s wrote: %s", name, p.errors)
		}
	})
	return p
}

// kill ends the process as a power cut would, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// says yields what a process writes until it ends. It may take its time, as long as it goes
// on.
func (p *process) says(t *testing.T) iter.Seq[string] {
	t.Helper()
	return func(yield func(string) bool) {
		for {
			select {
			case line := <-p.lines.c:
				if !yield(line) {
					return
				}
			case <-p.exited:
				for len(p.lines.c) > 0 {
					if !yield(<-p.lines.c) {
						return
					}
				}
				return
			case <-time.After(patience):
				require.FailNow(t, "the process says nothing", "%q", p.cmd.Args)
			}
		}
	}
}

// wait returns the exit code of a process that ends by itself.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		require.FailNow(t, "the process did not end", "%q", p.cmd.Args)
		panic("unreachable")
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

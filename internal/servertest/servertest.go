//go:build unix

package servertest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start, on a machine that does other things.
const patience = 2 * time.Minute

// A Program is a server that is to be started.
type Program struct {
	// Name is that of the program, looked for on the PATH and in /usr/sbin, or its path.
	Name string
	Args []string
	// Env is added to the environment.
	Env []string
	// Dir is the working directory.
	Dir string
	// User is who runs it, if the test is run by root; empty: the same.
	User string
	// Ready is asked until it returns nil.
	Ready func(ctx context.Context) error
}

// A Server is a program that runs.
type Server struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// Start starts a program and waits until it is ready. It ends with the test.
func Start(tb testing.TB, p Program) *Server {
	tb.Helper()
	s, err := start(p)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.Kill()
		if tb.Failed() {
			tb.Logf("%s wrote:\n%s", p.Name, s.out)
		}
	})
	return s
}

var shared struct {
	sync.Mutex
	values map[string]any
	err    map[string]error
	ends   []func()
}

// Shared returns what open made when it was called first with this name: one server for
// all tests of a binary. The test main must be [Main].
func Shared[T any](tb testing.TB, name string, open func() (T, func(), error)) T {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.values == nil {
		shared.values, shared.err = map[string]any{}, map[string]error{}
	}
	v, ok := shared.values[name]
	if !ok && shared.err[name] == nil {
		made, end, err := open()
		if err != nil {
			shared.err[name] = err
		} else {
			shared.values[name], v = made, made
			shared.ends = append(shared.ends, end)
		}
	}
	if err := shared.err[name]; err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return v.(T)
}

// Main runs the tests of a package and ends the servers that they shared.
func Main(m *testing.M) {
	code := m.Run()
	shared.Lock()
	for i := len(shared.ends) - 1; i >= 0; i-- {
		shared.ends[i]()
	}
	shared.Unlock()
	os.Exit(code)
}

// Run is Start for [Shared]: the caller ends the server.
func Run(p Program) (*Server, error) { return start(p) }

func start(p Program) (*Server, error) {
	path, err := Find(p.Name)
	if err != nil {
		return nil, err
	}
	s := &Server{cmd: exec.Command(path, p.Args...), out: &output{}, done: make(chan struct{})}
	s.cmd.Env = append(s.cmd.Environ(), p.Env...)
	s.cmd.Dir = p.Dir
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.WaitDelay = 5 * time.Second // a child of its may keep the pipe
	s.cmd.SysProcAttr = attributes()
	if p.User != "" && os.Geteuid() == 0 {
		uid, gid, err := ids(p.User)
		if err != nil {
			return nil, err
		}
		s.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait()
	}()
	if err := s.await(p); err != nil {
		s.Kill()
		return nil, fmt.Errorf("%w; it wrote:\n%s", err, s.out)
	}
	return s, nil
}

func (s *Server) await(p Program) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := p.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s ended before it was ready: %s", p.Name, s.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w", p.Name, patience, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends the server and its children as a power cut would, and waits for it.
func (s *Server) Kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.done
}

// Stop asks the server to end, and kills it if it does not within ten seconds.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
	}
	s.Kill()
}

// Output is what the server wrote so far.
func (s *Server) Output() string { return s.out.String() }

// Find returns the path of a program. The error says how it is installed.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range [...]string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed; scripts/testdeps.sh installs what the tests talk to: %w", name, err)
}

func ids(name string) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return 0, 0, err
	}
	g, err := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(n), uint32(g), err
}

// Dir makes a folder outside of those of tests, for a server that others share, which
// belongs to a user if the test is run by root. The caller removes it.
func Dir(owner string) (string, error) {
	dir, err := os.MkdirTemp("", "thinghub-server-")
	if err != nil || owner == "" || os.Geteuid() != 0 {
		return dir, err
	}
	uid, gid, err := ids(owner)
	if err == nil {
		err = os.Chown(dir, int(uid), int(gid))
	}
	return dir, err
}

// ports are those that Port has returned.
var ports sync.Map

// Port returns a port of loopback that is free now, and no other one each time. It is below
// those that systems give to connections, so that none takes it before the server does.
func Port() (int, error) {
	const low, high, tries = 10_000, 32_000, 100
	var err error
	for range tries {
		port := low + rand.IntN(high-low)
		if _, taken := ports.LoadOrStore(port, true); taken {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", Addr(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no port is free: %w", err)
}

// Addr is the address of a port on loopback.
func Addr(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// Dials is a Program.Ready: somebody takes connections at the address.
func Dials(addr string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// Answers is a Program.Ready: GET on the URL is answered with a status below 400.
func Answers(url string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode >= http.StatusBadRequest {
			return fmt.Errorf("GET %s: %s", url, resp.Status)
		}
		return nil
	}
}

// An output keeps the last that a program wrote.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const mostOutput = 64 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(p)
	if n := o.b.Len() - mostOutput; n > 0 {
		o.b.Next(n)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

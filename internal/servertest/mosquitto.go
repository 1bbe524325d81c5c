//go:build unix

package servertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A Mosquitto is an MQTT broker of its own for one test, which can be killed and started
// again on the same port.
type Mosquitto struct {
	// Addr is where it listens, "127.0.0.1:1883".
	Addr string

	tb      testing.TB
	dir     string
	program Program

	mu     sync.Mutex
	server *Server
}

// A MosquittoConfig is what a broker has besides a listener. Without it, it lets everybody
// in.
type MosquittoConfig struct {
	// Lines are added to its configuration; {dir} in them is its folder.
	Lines []string
	// Files are written to its folder.
	Files map[string]string
}

// NewMosquitto starts a broker that ends with the test.
func NewMosquitto(tb testing.TB, config MosquittoConfig) *Mosquitto {
	tb.Helper()
	m, err := newMosquitto(tb.TempDir(), config)
	if err != nil {
		tb.Fatal(err)
	}
	m.tb = tb
	tb.Cleanup(func() {
		m.Kill()
		if s := m.running(); s != nil && tb.Failed() {
			tb.Logf("mosquitto wrote:\n%s", s.Output())
		}
	})
	m.Start()
	return m
}

// SharedMosquitto is the address of a broker for all tests of a binary, which lets
// everybody in.
func SharedMosquitto(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "mosquitto", func() (string, func(), error) {
		dir, err := Dir("")
		if err != nil {
			return "", nil, err
		}
		m, err := newMosquitto(dir, MosquittoConfig{})
		if err == nil {
			m.server, err = Run(m.program)
		}
		if err != nil {
			_ = os.RemoveAll(dir)
			return "", nil, err
		}
		return m.Addr, func() {
			m.server.Kill()
			_ = os.RemoveAll(dir)
		}, nil
	})
}

func newMosquitto(dir string, config MosquittoConfig) (*Mosquitto, error) {
	port, err := Port()
	if err != nil {
		return nil, err
	}
	m := &Mosquitto{Addr: Addr(port), dir: dir}
	lines := []string{fmt.Sprintf("listener %d 127.0.0.1", port), "max_queued_messages 1000000", "log_type error", "log_type warning", "log_type notice", "log_dest stderr"}
	if os.Geteuid() == 0 {
		lines = append(lines, "user root")
	}
	if !strings.Contains(strings.Join(config.Lines, "\n"), "allow_anonymous") {
		lines = append(lines, "allow_anonymous true")
	}
	for _, l := range config.Lines {
		lines = append(lines, strings.ReplaceAll(l, "{dir}", dir))
	}
	for name, text := range config.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	m.program = Program{Name: "mosquitto", Args: []string{"-c", file}, Dir: dir, Ready: Dials(m.Addr)}
	return m, nil
}

// Dir is the folder of the broker, {dir} in its configuration.
func (m *Mosquitto) Dir() string { return m.dir }

// Start starts the broker again, on the port that it had.
func (m *Mosquitto) Start() {
	m.tb.Helper()
	s, err := Run(m.program)
	if err != nil {
		m.tb.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.server = s
}

func (m *Mosquitto) running() *Server {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.server
}

// Kill ends the broker as a power cut would.
func (m *Mosquitto) Kill() {
	if s := m.running(); s != nil {
		s.Kill()
	}
}

// Stop ends the broker in good order, in which it keeps what it is configured to keep.
func (m *Mosquitto) Stop() { m.running().Stop() }

// Reload makes the broker read its files of passwords and permissions again, and part with
// clients that are not let in any more.
func (m *Mosquitto) Reload() { _ = syscall.Kill(m.running().cmd.Process.Pid, syscall.SIGHUP) }

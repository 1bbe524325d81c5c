// Package programtest builds and runs the program of the package under test.
package programtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything here waits before it fails the test.
const patience = 30 * time.Second

var binary string

// Main is for TestMain: it builds the program in the current folder, with the race
// detector, and runs the tests.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "thinghub-example-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "program.exe") // a name that every system runs
	if out, err := exec.Command("go", "build", "-race", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A Program is a running program. It is killed when the test ends.
type Program struct {
	cmd    *exec.Cmd
	lines  chan string
	ended  chan struct{} // after the last line and the exit
	stdout text
	stderr text
}

// Start starts the program.
func Start(t testing.TB, args ...string) *Program {
	t.Helper()
	p := &Program{cmd: exec.Command(binary, args...), lines: make(chan string, 1000), ended: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	r, w := io.Pipe()
	p.cmd.Stdout = io.MultiWriter(&p.stdout, w)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			p.lines <- s.Text()
		}
	})
	go func() { // ends with the program, which the cleanup kills
		_ = p.cmd.Wait()
		_ = w.Close()
		reading.Wait()
		close(p.lines)
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), p.Stdout(), p.Stderr())
		}
	})
	return p
}

// Line returns what follows prefix on the next line of standard output that starts
// with it.
func (p *Program) Line(t testing.TB, prefix string) string {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the program ended without a line %q", prefix)
			}
			if rest, found := strings.CutPrefix(line, prefix); found {
				return rest
			}
		case <-late:
			t.Fatalf("no line %q within %s", prefix, patience)
		}
	}
}

// Signal sends a signal to the program.
func (p *Program) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Wait waits for the end of the program and returns its exit status.
func (p *Program) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // shows what it does
		t.Fatalf("the program did not end within %s", patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Stdout returns what the program has written to standard output.
func (p *Program) Stdout() string { return p.stdout.String() }

// Stderr returns what the program has written to standard error.
func (p *Program) Stderr() string { return p.stderr.String() }

// text collects output while it is read.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len()+len(p) > 1<<20 {
		return 0, errors.New("programtest: too much output")
	}
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

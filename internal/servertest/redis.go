//go:build unix

package servertest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Redis returns the address of a redis-server that keeps nothing on disk, for all tests of
// a binary.
func Redis(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "redis-server", func() (string, func(), error) {
		dir, err := Dir("")
		if err != nil {
			return "", nil, err
		}
		addr, s, err := RunRedis(dir)
		if err != nil {
			_ = os.RemoveAll(dir)
			return "", nil, err
		}
		return addr, func() { s.Kill(); _ = os.RemoveAll(dir) }, nil
	})
}

// RunRedis starts a redis-server on a free port, with more of its arguments, such as
// "--cluster-enabled", "yes". What it writes goes to dir.
func RunRedis(dir string, args ...string) (addr string, s *Server, err error) {
	return onFreePort(func(port int) (*Server, error) { return RunRedisOn(dir, port, args...) })
}

var redisPorts struct {
	sync.Mutex
	given map[int]bool
}

// onFreePort tries some ports, because one that is free now may be taken when the server
// comes to it. None is given twice: else one of two servers would be taken for the other.
func onFreePort(run func(port int) (*Server, error)) (addr string, s *Server, err error) {
	for range 5 {
		var port int
		if port, err = Port(); err != nil {
			return "", nil, err
		}
		redisPorts.Lock()
		if redisPorts.given == nil {
			redisPorts.given = map[int]bool{}
		}
		taken := redisPorts.given[port]
		redisPorts.given[port] = true
		redisPorts.Unlock()
		if taken {
			err = fmt.Errorf("port %d was given to another server", port)
			continue
		}
		if s, err = run(port); err == nil || !strings.Contains(err.Error(), "Address already in use") {
			return Addr(port), s, err
		}
	}
	return "", nil, err
}

// RunRedisOn is RunRedis with a port.
func RunRedisOn(dir string, port int, args ...string) (*Server, error) {
	return Run(Program{
		Name:  "redis-server",
		Args:  append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir}, args...),
		Ready: answersPing(Addr(port)),
	})
}

// RunSentinel starts a sentinel on a free port that watches a master called name, and
// takes it for dead after half a second.
func RunSentinel(dir, name, master string) (addr string, s *Server, err error) {
	host, at, err := net.SplitHostPort(master)
	if err != nil {
		return "", nil, err
	}
	return onFreePort(func(port int) (*Server, error) {
		file := filepath.Join(dir, fmt.Sprintf("sentinel-%d.conf", port))
		conf := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 5000\n",
			port, dir, name, host, at, name, name)
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			return nil, err
		}
		return Run(Program{Name: "redis-server", Args: []string{file, "--sentinel"}, Ready: answersPing(Addr(port))})
	})
}

// answersPing is a Program.Ready: the server answers PING, if only that it wants a password.
func answersPing(addr string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write([]byte("PING\r\n")); err != nil {
			return err
		}
		b := make([]byte, 128)
		n, err := c.Read(b)
		if err != nil {
			return err
		}
		if got := string(b[:n]); !strings.HasPrefix(got, "+PONG") && !strings.HasPrefix(got, "-NOAUTH") {
			return fmt.Errorf("PING: %q", got)
		}
		return nil
	}
}

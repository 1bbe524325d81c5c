//go:build unix

package servertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// PostgresUser is the superuser of the server of [Postgres], who needs no password.
const PostgresUser = "postgres"

// Postgres returns the address of a PostgreSQL server that the tests of the binary share.
// Whoever connects is trusted; there is a database "postgres".
func Postgres(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "postgres", func() (string, func(), error) {
		initdb, err := findPostgres("initdb")
		if err != nil {
			return "", nil, err
		}
		server, err := findPostgres("postgres")
		if err != nil {
			return "", nil, err
		}
		dir, err := Dir("postgres")
		if err != nil {
			return "", nil, err
		}
		remove := func() { _ = os.RemoveAll(dir) }
		data := filepath.Join(dir, "data")
		if err := runAs("postgres", dir, initdb, "-D", data, "-A", "trust", "-U", PostgresUser, "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
			remove()
			return "", nil, err
		}
		port, err := Port()
		if err != nil {
			remove()
			return "", nil, err
		}
		s, err := Run(Program{
			Name: server, Dir: dir, User: "postgres",
			Args: []string{"-D", data, "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", dir, "-c", "log_min_messages=fatal", "-c", "max_connections=60"},
			Ready: func(ctx context.Context) error {
				if err := Dials(Addr(port))(ctx); err != nil {
					return err
				}
				isready, err := findPostgres("pg_isready")
				if err != nil {
					return err
				}
				return exec.CommandContext(ctx, isready, "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(port)).Run()
			},
		})
		if err != nil {
			remove()
			return "", nil, err
		}
		return Addr(port), func() {
			s.Kill()
			remove()
		}, nil
	})
}

// findPostgres finds a program of PostgreSQL: on the PATH, or where Debian has them, of the
// newest version.
func findPostgres(name string) (string, error) {
	path, err := Find(name)
	if err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is right
	if len(found) == 0 {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 if it is no number
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return found[len(found)-1], nil
}

// runAs runs a program to its end, as a user if the test is run by root.
func runAs(owner, dir, path string, args ...string) error {
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = attributes()
	if os.Geteuid() == 0 {
		uid, gid, err := ids(owner)
		if err != nil {
			return fmt.Errorf("%w; scripts/testdeps.sh installs what the tests talk to", err)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w; it wrote:\n%s", filepath.Base(path), err, out.String())
	}
	return nil
}

//go:build unix

package servertest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// MariaDBUser may do everything on the server of [MariaDB], without a password;
// MariaDBDatabase is a database there.
const (
	MariaDBUser     = "thinghub"
	MariaDBDatabase = "thinghub"
)

// MariaDB returns the address of a MariaDB server that the tests of the binary share.
func MariaDB(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "mariadb", func() (string, func(), error) {
		install, err := Find("mariadb-install-db")
		if err != nil {
			return "", nil, err
		}
		dir, err := Dir("mysql")
		if err != nil {
			return "", nil, err
		}
		remove := func() { _ = os.RemoveAll(dir) }
		fail := func(err error) (string, func(), error) {
			remove()
			return "", nil, err
		}
		data, first := filepath.Join(dir, "data"), filepath.Join(dir, "first.sql")
		if err := os.WriteFile(first, []byte("CREATE DATABASE IF NOT EXISTS "+MariaDBDatabase+";\n"+
			"CREATE USER IF NOT EXISTS '"+MariaDBUser+"'@'%';\n"+
			"GRANT ALL ON *.* TO '"+MariaDBUser+"'@'%' WITH GRANT OPTION;\n"), 0o644); err != nil {
			return fail(err)
		}
		if err := runAs("mysql", dir, install, "--no-defaults", "--datadir="+data, "--skip-test-db", "--auth-root-authentication-method=normal"); err != nil {
			return fail(err)
		}
		port, err := Port()
		if err != nil {
			return fail(err)
		}
		s, err := Run(Program{
			Name: "mariadbd", Dir: dir, User: "mysql",
			Args: []string{
				"--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port),
				"--socket=" + filepath.Join(dir, "socket"), "--pid-file=" + filepath.Join(dir, "pid"), "--init-file=" + first,
				"--skip-name-resolve", "--innodb-buffer-pool-size=64M",
			},
			Ready: Dials(Addr(port)),
		})
		if err != nil {
			return fail(err)
		}
		return Addr(port), func() {
			s.Kill()
			remove()
		}, nil
	})
}

//go:build unix

package servertest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The login of the two.
const (
	InfluxUser     = "root"
	InfluxPassword = "sesame,open!"
)

// Influx is the address of an InfluxDB 1.6, which has the first write API, and asks for
// InfluxUser and InfluxPassword.
func Influx(tb testing.TB) string { return influx(tb, "influxd") }

// Influx18 is the address of an InfluxDB 1.8, which has the write API of InfluxDB 2 too:
// a bucket is a database, a token InfluxUser:InfluxPassword. influx.sh builds it.
func Influx18(tb testing.TB) string {
	_, file, _, _ := runtime.Caller(0)
	return influx(tb, filepath.Join(filepath.Dir(file), "..", "..", ".tools", "influx", "v1.8.10", "influxd"))
}

func influx(tb testing.TB, program string) string {
	tb.Helper()
	return Shared(tb, program, func() (string, func(), error) {
		dir, err := Dir("")
		if err != nil {
			return "", nil, err
		}
		port, err := Port()
		if err != nil {
			return "", nil, err
		}
		rpc, err := Port()
		if err != nil {
			return "", nil, err
		}
		config := fmt.Sprintf(`reporting-disabled = true
bind-address = "127.0.0.1:%d"
[meta]
dir = "%s/meta"
[data]
dir = "%[2]s/data"
wal-dir = "%[2]s/wal"
[monitor]
store-enabled = false
[subscriber]
enabled = false
[http]
bind-address = "127.0.0.1:%d"
log-enabled = false
auth-enabled = true
[logging]
level = "error"
`, rpc, dir, port)
		file := filepath.Join(dir, "influx.conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return "", nil, err
		}
		addr := Addr(port)
		s, err := Run(Program{Name: program, Args: []string{"-config", file}, Ready: Answers("http://" + addr + "/ping")})
		if err != nil {
			return "", nil, err
		}
		end := func() {
			s.Kill()
			_ = os.RemoveAll(dir)
		}
		_, err = influxAsk(http.MethodPost, "http://"+addr+"/query", "", "", url.Values{
			"q": {fmt.Sprintf("CREATE USER %s WITH PASSWORD '%s' WITH ALL PRIVILEGES", InfluxUser, InfluxPassword)},
		})
		if err != nil {
			end()
			return "", nil, err
		}
		return addr, end, nil
	})
}

// influxAsk sends a form and returns the answer.
func influxAsk(method, to, user, password string, form url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return text, err
}

// InfluxQuery asks an InfluxDB 1, as InfluxUser, and returns its JSON. Times are in
// nanoseconds.
func InfluxQuery(tb testing.TB, addr, database, query string) []byte {
	tb.Helper()
	text, err := influxAsk(http.MethodPost, "http://"+addr+"/query", InfluxUser, InfluxPassword, url.Values{"db": {database}, "epoch": {"ns"}, "q": {query}})
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return text
}

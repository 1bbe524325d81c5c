//go:build unix

package servertest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The login of the default user.
const (
	ClickHouseUser     = "default"
	ClickHousePassword = "sesame,open!"
)

// ClickHouse is the address of the HTTP interface of a ClickHouse, which asks for
// ClickHouseUser and ClickHousePassword.
func ClickHouse(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "clickhouse-server", func() (string, func(), error) {
		dir, err := Dir("")
		if err != nil {
			return "", nil, err
		}
		port, err := Port()
		if err != nil {
			return "", nil, err
		}
		native, err := Port()
		if err != nil {
			return "", nil, err
		}
		config := fmt.Sprintf(`<yandex>
<logger><level>error</level><console>1</console></logger>
<listen_host>127.0.0.1</listen_host>
<http_port>%d</http_port>
<tcp_port>%d</tcp_port>
<path>%s/data/</path>
<tmp_path>%[3]s/tmp/</tmp_path>
<users_config>users.xml</users_config>
<mark_cache_size>268435456</mark_cache_size>
<default_profile>default</default_profile>
<default_database>default</default_database>
</yandex>
`, port, native, dir)
		users := fmt.Sprintf(`<yandex>
<profiles><default></default></profiles>
<quotas><default></default></quotas>
<users><%s><password>%s</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></%[1]s></users>
</yandex>
`, ClickHouseUser, ClickHousePassword)
		for name, text := range map[string]string{"config.xml": config, "users.xml": users} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return "", nil, err
			}
		}
		addr := Addr(port)
		s, err := Run(Program{
			Name: "clickhouse-server", Args: []string{"--config-file=" + filepath.Join(dir, "config.xml")}, Dir: dir,
			Ready: Answers("http://" + addr + "/ping"),
		})
		if err != nil {
			return "", nil, err
		}
		return addr, func() {
			s.Kill()
			_ = os.RemoveAll(dir)
		}, nil
	})
}

// ClickHouseQuery runs a statement, as ClickHouseUser, and returns what it yields: with one
// thread, which reads a Log in the order in which it was written.
func ClickHouseQuery(tb testing.TB, addr, query string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/?max_threads=1", strings.NewReader(query))
	if err != nil {
		tb.Fatal(err)
	}
	r.SetBasicAuth(ClickHouseUser, ClickHousePassword)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %s %s %v", query, resp.Status, text, err)
	}
	return string(text)
}

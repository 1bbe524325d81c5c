//go:build unix

package servertest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// Moto returns the URL of a moto_server, which plays many AWS services, for all tests of
// a binary. Any credentials do. Functions of Lambda are not run; an invocation is answered
// with what it sends.
func Moto(tb testing.TB) string {
	tb.Helper()
	return Shared(tb, "moto", func() (string, func(), error) {
		port, err := Port()
		if err != nil {
			return "", nil, err
		}
		url := "http://" + Addr(port)
		name, args := motoServer()
		s, err := Run(Program{
			Name: name, Args: append(args, "-H", "127.0.0.1", "-p", strconv.Itoa(port)),
			// What moto does by itself in the name of some service needs credentials.
			Env: []string{
				"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=eu-central-1", "AWS_EC2_METADATA_DISABLED=true",
			},
			Ready: Answers(url + "/moto-api/"),
		})
		if err != nil {
			return "", nil, err
		}
		if err := configureMoto(url); err != nil {
			s.Kill()
			return "", nil, err
		}
		return url, s.Kill, nil
	})
}

// configureMoto lets it do without containers.
func configureMoto(url string) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/moto-api/config", bytes.NewReader([]byte(`{"lambda":{"use_docker":false},"batch":{"use_docker":false}}`)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("configure moto_server: %s", resp.Status)
	}
	return nil
}

// motoServer is the Python of the .venv beside this file with start_moto.py, or moto_server if
// there is none.
func motoServer() (name string, args []string) {
	if _, file, _, ok := runtime.Caller(0); ok {
		dir := filepath.Dir(file)
		python := filepath.Join(dir, ".venv", "bin", "python")
		if _, err := os.Stat(filepath.Join(dir, ".venv", "bin", "moto_server")); err == nil {
			return python, []string{filepath.Join(dir, "start_moto.py")}
		}
	}
	return "moto_server", nil
}

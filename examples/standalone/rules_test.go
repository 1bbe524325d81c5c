package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/examples/internal/programtest"
)

// The file's rules work: one leads to the next, which calls a web service of this machine
// once that has confirmed.
func TestRules(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 10)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies <- string(b)
	}))
	t.Cleanup(web.Close)
	config := filepath.Join(t.TempDir(), "hub.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"rules": [
		{"name": "hot", "sql": "SELECT temp, topic(2) AS device FROM 'dt/+/temp' WHERE temp > 80", "sqlVersion": "2016-03-23",
		 "actions": [{"republish": {"topic": "alerts/${topic(2)}", "qos": 1}}], "errorAction": {"republish": {"topic": "errors/hot"}}},
		{"ruleName": "tell", "sql": "SELECT * FROM 'alerts/#'", "actions": [{"http": {"url": "`+web.URL+`/in"}}]}
	]}`), 0o600))
	p := programtest.Start(t, "-anonymous", "-config", config, "-http", "127.0.0.1:0")
	base := "http://" + p.Line(t, "listening http ")
	post := func(path, body string) {
		resp, err := http.Post(base+path, "", strings.NewReader(body))
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode, path)
	}
	var asked struct{ ConfirmationToken string }
	require.NoError(t, json.Unmarshal([]byte(<-bodies), &asked))
	resp, err := http.Get(base + "/confirmdestination/" + asked.ConfirmationToken)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)

	post("/topics/dt%2Fpump-1%2Ftemp?qos=1", `{"temp":79}`)
	post("/topics/dt%2Fpump-1%2Ftemp?qos=1", `{"temp":81}`)
	require.JSONEq(t, `{"temp":81,"device":"pump-1"}`, <-bodies)
	require.Contains(t, get(t, http.DefaultClient, base+"/metrics"), `thinghub_rule_passed_total{rule="hot"} 1`)
	p.Signal(t, syscall.SIGTERM)
	require.Zero(t, p.Wait(t))
}

func TestRulesThatAreWrong(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		`rules[0] has no name`:                `{"rules": [{"sql": "SELECT * FROM 'a'", "actions": []}]}`,
		`rules[0] (a): rules: sql`:            `{"rules": [{"name": "a", "sql": "SELECT * FROM 'a' WHERE", "actions": []}]}`,
		`line 1, column 24`:                   `{"rules": [{"name": "a", "sql": "SELECT * FROM 'a' WHERE", "actions": []}]}`,
		`no action teleport`:                  `{"rules": [{"name": "a", "sql": "SELECT * FROM 'a'", "actions": [{"teleport": {}}]}]}`,
		`rules[1] (b): rules: sql is missing`: `{"rules": [{"name": "a", "sql": "SELECT * FROM 'a'", "actions": []}, {"name": "b", "actions": []}]}`,
	} {
		config := filepath.Join(t.TempDir(), "hub.json")
		require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
		var stderr strings.Builder
		require.Equal(t, 2, run(t.Context(), nil, []string{"-config", config, "-mqtt", "127.0.0.1:0"}, io.Discard, &stderr))
		require.Contains(t, stderr.String(), want)
	}
}

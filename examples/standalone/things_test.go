package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/examples/internal/programtest"
)

// The file's things are in the registry, under the file's account and region, and
// both planes are served; topics in paths are left as they are.
func TestThings(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "hub.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"account": "123456789012", "region": "plant-1",
		"things": [{"name": "pump-1", "type": "pump", "attributes": {"site": "north"}, "groups": ["pumps", "north"]}, {"name": "pump-2", "type": "pump"}]}`), 0o600))
	p := programtest.Start(t, "-anonymous", "-config", config, "-http", "127.0.0.1:0")
	base := "http://" + p.Line(t, "listening http ")

	ask := func(method, path, body string) (int, map[string]any) {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := http.DefaultTransport.RoundTrip(req) // which follows no redirects
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		var out map[string]any
		require.NoError(t, json.Unmarshal(text, &out), "%s", text)
		return resp.StatusCode, out
	}
	status, out := ask("GET", "/things/pump-1", "")
	require.Equal(t, 200, status)
	require.Equal(t, "arn:aws:iot:plant-1:123456789012:thing/pump-1", out["thingArn"])
	require.Equal(t, map[string]any{"site": "north"}, out["attributes"])
	_, out = ask("GET", "/things/pump-1/thing-groups", "")
	require.Len(t, out["thingGroups"], 2)
	status, _ = ask("POST", "/topics/a//b/../c?retain=true", "x")
	require.Equal(t, 200, status)
	_, out = ask("GET", "/retainedMessage/a%2F%2Fb%2F..%2Fc", "")
	require.Equal(t, "eA==", out["payload"])
	status, _ = ask("POST", "/things/pump-1/shadow", `{"state":{"desired":{"on":true}}}`)
	require.Equal(t, 200, status)
	p.Signal(t, syscall.SIGTERM)
	require.Zero(t, p.Wait(t))
}

func TestThingsThatAreWrong(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		`things[0] has no name`:                      `{"things": [{"type": "pump"}]}`,
		`unknown name "color" in things[0]`:          `{"things": [{"name": "a", "color": "red"}]}`,
		`things[0].attributes.a is 1, expected a te`: `{"things": [{"name": "a", "attributes": {"a": 1}}]}`,
		`things[0].groups[0] is 1, expected a text`:  `{"things": [{"name": "a", "groups": [1]}]}`,
		`things[1]: `: `{"things": [{"name": "a"}, {"name": "b/c"}]}`,
	} {
		config := filepath.Join(t.TempDir(), "hub.json")
		require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
		var stderr strings.Builder
		require.Equal(t, 2, run(t.Context(), nil, []string{"-config", config, "-mqtt", "127.0.0.1:0"}, io.Discard, &stderr))
		require.Contains(t, stderr.String(), want)
	}
}

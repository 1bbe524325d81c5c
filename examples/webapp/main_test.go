package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/examples/internal/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// TestProgram: what it prints is enough to sign in.
func TestProgram(t *testing.T) {
	t.Parallel()
	p := programtest.Start(t, "-http", "127.0.0.1:0")
	url := p.Line(t, "The page is at ")
	password, _, _ := strings.Cut(p.Line(t, "Sign in as demo with the password "), ",")
	answer, err := http.Get(url)
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Contains(t, string(text), "<title>Greenhouse</title>")
	require.Contains(t, answer.Header.Get("Content-Security-Policy"), "default-src 'none'")

	body, err := json.Marshal(map[string]any{
		"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": map[string]string{"USERNAME": demo, "PASSWORD": password},
	})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/identity/", bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSCognitoIdentityProviderService.InitiateAuth")
	answer, err = http.DefaultClient.Do(r)
	require.NoError(t, err)
	text, err = io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Contains(t, string(text), `"IdToken"`)

	p.Signal(t, os.Interrupt)
	require.Zero(t, p.Wait(t), "%s", p.Stderr())
	require.Empty(t, p.Stderr())
}

func TestFails(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, taken.Close()) })
	for addr, want := range map[string]string{
		"0.0.0.0:0":           `-http is "0.0.0.0:0", expected a loopback address`,
		"127.0.0.1:none":      "lookup tcp/none",
		taken.Addr().String(): "where somebody listens already; try -http 127.0.0.1:0",
	} {
		p := programtest.Start(t, "-http", addr)
		require.Equal(t, 1, p.Wait(t))
		require.Contains(t, p.Stderr(), want)
	}
}

// TestVendor: MQTT.js is what npm has, of the version that the other tests use.
func TestVendor(t *testing.T) {
	t.Parallel()
	for ours, theirs := range map[string]string{"mqtt.esm.js": "dist/mqtt.esm.js", "mqtt.LICENSE.md": "LICENSE.md"} {
		want, err := os.ReadFile("../../internal/interop/node_modules/mqtt/" + theirs)
		require.NoError(t, err, "scripts/testdeps.sh installs it")
		got, err := os.ReadFile("web/vendor/" + ours)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "web/vendor/%s is not %s of the npm package mqtt, expected a copy of it", ours, theirs)
	}
}

// TestGreenhouse: it takes orders as far as it can, and time makes it warmer or cooler.
func TestGreenhouse(t *testing.T) {
	t.Parallel()
	g := greenhouse{Target: 21, Temperature: 20.9, Heating: true}
	g.step()
	require.Equal(t, greenhouse{Target: 21, Temperature: 21}, g)
	g.step()
	require.Equal(t, greenhouse{Target: 21, Temperature: 21}, g)
	g.follow(orders{Light: new(true)})
	require.Equal(t, greenhouse{Target: 21, Temperature: 21, Light: true}, g)
	g.follow(orders{Target: new(-300.0)})
	g.step()
	require.Equal(t, greenhouse{Target: 5, Temperature: 20.9, Light: true}, g)
	g.follow(orders{Target: new(35.04)})
	require.Equal(t, greenhouse{Target: 35, Temperature: 20.9, Heating: true, Light: true}, g)

	for topic, payload := range map[string]string{
		"$aws/things/greenhouse/shadow/get/accepted": `{"state":{"desired":{"target":22,"light":true},"reported":{"target":21}}}`,
		"$aws/things/greenhouse/shadow/update/delta": `{"state":{"target":22,"light":true}}`,
	} {
		o, err := read(topic, []byte(payload))
		require.NoError(t, err)
		require.Equal(t, orders{new(22.0), new(true)}, o)
		_, err = read(topic, []byte(`{"state":{"desired":{"target":"warm"},"target":"warm"}}`))
		require.Error(t, err)
		o, err = read(topic, []byte(`{"state":{}}`))
		require.NoError(t, err)
		require.Equal(t, orders{}, o)
	}
}

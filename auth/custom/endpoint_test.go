package custom_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/custom"
)

// TestEndpoint asks a web service over HTTPS.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("X-Secret") + " " + string(body)
		_, _ = io.WriteString(w, `{"isAuthenticated":true,"principalId":"alice1","disconnectAfterInSeconds":3600,"refreshAfterInSeconds":600,
			"policyDocuments":[{"Version":"2012-10-17","Statement":[]},"{\"Version\":\"2012-10-17\"}"],"context":{"more":1}}`)
	}))
	defer srv.Close()
	e, err := custom.NewEndpoint(custom.EndpointConfig{URL: srv.URL + "/login", Client: srv.Client(), Header: http.Header{"X-Secret": {"s"}, "Content-Type": {"no"}}})
	require.NoError(t, err)
	r := newRig(t, func(c *custom.Config) { c.Functions["login"] = e })
	r.create(t, "corp", false)
	c := connect("alice?"+nameHeader+"=corp", "secret")
	id, err := r.Authenticate(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "alice1", id.Principal)
	require.Equal(t, `{"Version":"2012-10-17","Statement":[]}`, id.Grant.Policies[0].Text)
	require.Equal(t, `{"Version":"2012-10-17"}`, id.Grant.Policies[1].Text)

	head, body, _ := strings.Cut(<-got, "{")
	require.Equal(t, "POST /login application/json s ", head)
	var sent map[string]any
	require.NoError(t, json.Unmarshal([]byte("{"+body), &sent))
	id1 := sent["connectionMetadata"].(map[string]any)["id"]
	require.Len(t, id1, 36)
	require.Equal(t, map[string]any{
		"signatureVerified": false, "protocols": []any{"tls", "mqtt"}, "connectionMetadata": map[string]any{"id": id1},
		"protocolData": map[string]any{
			"tls":  map[string]any{"serverName": "hub.test"},
			"mqtt": map[string]any{"username": "alice?" + nameHeader + "=corp", "password": "c2VjcmV0", "clientId": "client-1"},
		},
	}, sent)
}

// TestEndpointFails goes through answers that are none.
func TestEndpointFails(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	answer := func(path, body string, status int) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	good, err := json.Marshal(welcome())
	require.NoError(t, err)
	answer("/good", string(good), 200)
	answer("/refused", `{"isAuthenticated":false}`, 200)
	answer("/403", `{"isAuthenticated":false}`, 403)
	answer("/201", string(good), 201)
	answer("/empty", "", 200)
	answer("/null", "null", 200)
	answer("/text", "welcome", 200)
	answer("/two", string(good)+string(good), 200)
	answer("/wrong", `{"isAuthenticated":"true"}`, 200)
	answer("/fraction", `{"isAuthenticated":true,"refreshAfterInSeconds":1.5}`, 200)
	answer("/long", strings.Repeat(" ", 5000)+string(good), 200)
	mux.Handle("/redirect", http.RedirectHandler("/good", http.StatusTemporaryRedirect))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for _, c := range []struct{ path, want string }{
		{"good", ""},
		{"refused", ""},
		{"403", "answered with status 403, expected 200"},
		{"201", "answered with status 201"},
		{"redirect", "answered with status 307"},
		{"empty", "answered with what is no JSON"},
		{"null", "answered with nothing"},
		{"text", "answered with what is no JSON"},
		{"two", "answered with what is no JSON"},
		{"wrong", "answered with a string as isAuthenticated, expected bool"},
		{"fraction", "as refreshAfterInSeconds, expected int"},
		{"long", "answered with more than 4096 bytes"},
	} {
		t.Run(c.path, func(t *testing.T) {
			e, err := custom.NewEndpoint(custom.EndpointConfig{URL: srv.URL + "/" + c.path, AllowPlain: true, MaxResponse: 4096})
			require.NoError(t, err)
			r := newRig(t, func(cfg *custom.Config) { cfg.Functions["login"] = e })
			r.create(t, "corp", false)
			a, err := r.TestInvokeAuthorizer(t.Context(), "corp", custom.TestRequest{})
			if c.want != "" {
				failure(t, err, custom.ErrInvalidResponse, "InvalidResponseException", c.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.path == "good", a.IsAuthenticated)
		})
	}
}

// TestEndpointSlow: a service that does not answer is given up, and its connection too.
func TestEndpointSlow(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
		close(left)
	}))
	defer srv.Close()
	e, err := custom.NewEndpoint(custom.EndpointConfig{URL: srv.URL, AllowPlain: true})
	require.NoError(t, err)
	r := newRig(t, func(c *custom.Config) { c.Functions["login"], c.Timeout = e, time.Minute })
	r.create(t, "corp", false)
	_, err = r.TestInvokeAuthorizer(ctx, "corp", custom.TestRequest{})
	require.ErrorIs(t, err, context.Canceled)
	<-left
}

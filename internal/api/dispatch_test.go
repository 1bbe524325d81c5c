package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/api"
)

const signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/%s/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"

func signedFor(service string) string { return strings.Replace(signed, "%s", service, 1) }

// A path that both planes have goes where the request says, by host or signature.
func TestSharedPaths(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := api.Shared(s.API, "GET", "/things/{thingName}/jobs")
	for _, c := range []struct{ host, authorization, query, want string }{
		{"hub.test", "", "", "control"},
		{"hub.test", signedFor("iot"), "", "control"},
		{"hub.test", signedFor("execute-api"), "", "control"},
		{"hub.test", signedFor("iot-jobs-data"), "", "data"},
		{"hub.test", signedFor("iotdata"), "", "data"},
		{"hub.test", signedFor("iotdevicegateway"), "", "data"},
		{"hub.test", signedFor("s3"), "", "control"},
		{"hub.test", "AWS4-ECDSA-P256-SHA256 Credential=AKID/20260102/iot-jobs-data/aws4_request,SignedHeaders=host,Signature=0", "", "data"},
		{"hub.test", "", "?X-Amz-Credential=AKID%2F20260102%2Feu-west-1%2Fiot-jobs-data%2Faws4_request", "data"},
		{"hub.test", "Basic YTpi", "", "control"},
		{"hub.test", "AWS4-HMAC-SHA256 Credential=", "", "control"},
		{"data.jobs.iot.eu-west-1.amazonaws.com", signedFor("iot"), "", "data"},
		{"ABC.Jobs.IoT.eu-west-1.hub.test:8443", "", "", "data"},
		{"jobs.iot.hub.test", "", "", "data"},
		{"abc.credentials.iot.eu-west-1.amazonaws.com", signedFor("iot"), "", "data"},
		{"credentials.iot", "", "", "control"},
		{"jobs.iot", "", "", "control"},
		{"iot.eu-west-1.hub.test", "", "", "control"},
	} {
		r := httptest.NewRequest("GET", "http://"+c.host+"/things/a/jobs"+c.query, nil)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, 200, w.Code, c)
		require.JSONEq(t, `{"plane":"`+c.want+`"}`, w.Body.String(), c)
	}
	r := httptest.NewRequest("POST", "http://data.jobs.iot.test/things/a/jobs", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, 405, w.Code)
}

// What only one plane has is served whatever the request is signed for: older SDKs
// had other names.
func TestUnsharedPaths(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ask(t, s.Handler(), "POST", "/things/a", "")
	for _, service := range []string{"iot", "iotdata", "iot-jobs-data", "execute-api", "anything"} {
		for target, want := range map[string]int{"/things/a": 200, "/things/a/shadow": 404, "/things": 200, "/retainedMessage": 200} {
			require.Equal(t, want, ask(t, s.Handler(), "GET", target, "", "Authorization", signedFor(service)).status, "%s %s", service, target)
		}
	}
}

// A host puts the hub before its own mux, which then never sees the hub's paths.
func TestBefore(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *api.Config) { c.AllowedOrigins, c.Authenticator = []string{"*"}, auth.InsecureAllowAll{} })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /own/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		require.Empty(t, w.Header())
		_, _ = io.WriteString(w, "own "+r.PathValue("rest"))
	})
	get := func(h http.Handler, method, target string) (int, string, http.Header) {
		r := httptest.NewRequest(method, "http://hub.test"+target, strings.NewReader("x"))
		r.Header.Set("Origin", "https://app.test")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String(), w.Header()
	}
	h := s.Before(mux)
	for _, path := range []string{"a//b", "/a", "a/../b", "a/./b", "a//"} {
		status, text, _ := get(h, "POST", "/topics/"+path)
		require.Equal(t, 200, status, text)
		require.Equal(t, path, s.gateway.published[len(s.gateway.published)-1].Topic)
	}
	status, text, header := get(h, "GET", "/own/x/y")
	require.Equal(t, 200, status)
	require.Equal(t, "own x/y", text)
	require.Empty(t, header.Get("X-Amzn-Requestid"))
	status, _, _ = get(h, "OPTIONS", "/own/x")
	require.Equal(t, 405, status, "the mux's own answer")
	status, _, header = get(h, "GET", "//own/x")
	require.Equal(t, "/own/x", header.Get("Location"), "which is the mux's affair: %d", status)
	status, text, _ = get(h, "GET", "/none")
	require.Equal(t, 404, status)
	require.Equal(t, "404 page not found\n", text)
	status, text, _ = get(h, "PUT", "/things/a")
	require.Equal(t, 405, status)
	require.Contains(t, text, "MethodNotAllowedException", "the path is the hub's")
	status, _, _ = get(h, "OPTIONS", "/things/a/shadow")
	require.Equal(t, 204, status)
	require.Equal(t, 200, ask(t, h, "POST", "/things/a", "").status)

	// What the documentation warns of: in a mux, topics do not arrive.
	around := http.NewServeMux()
	around.Handle("/", s.Handler())
	n := len(s.gateway.published)
	status, _, header = get(around, "POST", "/topics/a//b")
	require.GreaterOrEqual(t, status, 301)
	require.Equal(t, "/topics/a/b", header.Get("Location"))
	require.Len(t, s.gateway.published, n)
	// A prefix that is stripped is fine.
	status, _, _ = get(http.StripPrefix("/iot", s.Handler()), "POST", "/iot/topics/a//b%2Fc")
	require.Equal(t, 200, status)
	require.Equal(t, "a//b/c", s.gateway.published[len(s.gateway.published)-1].Topic)
}

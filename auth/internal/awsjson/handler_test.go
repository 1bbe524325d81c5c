package awsjson_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/internal/awsjson"
	"github.com/thinghub/thinghub/auth/sigv4"
)

type input struct {
	Text string            `json:"Text"`
	Map  map[string]string `json:"Map"`
	List []struct{ N int } `json:"List"`
}

// An exception is an error of a room.
type exception struct{ status int }

func (exception) Error() string     { return "room: secret cause" }
func (exception) Exception() string { return "RoomException" }

// A shown exception says what may be known of it.
type shown struct{ exception }

func (s shown) Public() (int, string) { return s.status, "what may be known" }

func handler(log io.Writer, err error) *awsjson.Handler {
	return &awsjson.Handler{
		Prefix: "Service", MaxBody: 1000, Invalid: "BadInput", Logger: slog.New(slog.NewTextHandler(log, nil)), Room: &audit.Room{Service: "service", Now: time.Now},
		Operations: map[string]awsjson.Operation{"Echo": awsjson.Of("BadInput", func(_ context.Context, _ *http.Request, _ []byte, in input) (any, error) {
			if in.Text == "func" {
				return func() {}, nil
			}
			return in, err
		})},
	}
}

func send(t testing.TB, h http.Handler, change func(*http.Request), body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
	q.Header.Set("Content-Type", "application/x-amz-json-1.1; charset=utf-8")
	q.Header.Set("X-Amz-Target", "Service.Echo")
	if change != nil {
		change(q)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return w
}

func TestHandler(t *testing.T) {
	t.Parallel()
	h := handler(io.Discard, nil)
	w := send(t, h, nil, strings.NewReader(`{"Text": "<&>", "Map": {"a": "b"}, "Other": [1, {"x": null}]}`))
	require.Equal(t, 200, w.Code)
	require.Equal(t, `{"Text":"<&>","Map":{"a":"b"},"List":null}`, w.Body.String())
	require.Len(t, w.Header().Get("X-Amzn-Requestid"), 32)
	require.Equal(t, 200, send(t, h, nil, strings.NewReader(" \n")).Code, "an empty body is an empty object")
	w = send(t, h, func(q *http.Request) { q.Method = http.MethodOptions }, nil)
	require.Equal(t, 204, w.Code)
	require.Contains(t, w.Header().Get("Access-Control-Allow-Headers"), "X-Amz-Target")

	for name, c := range map[string]struct {
		change func(*http.Request)
		body   string
		status int
		kind   string
	}{
		"GET":               {func(q *http.Request) { q.Method = http.MethodGet }, "{}", 405, "UnknownOperationException"},
		"no target":         {func(q *http.Request) { q.Header.Del("X-Amz-Target") }, "{}", 400, "UnknownOperationException"},
		"two targets":       {func(q *http.Request) { q.Header.Add("X-Amz-Target", "Service.Echo") }, "{}", 400, "UnknownOperationException"},
		"another service":   {func(q *http.Request) { q.Header.Set("X-Amz-Target", "Other.Echo") }, "{}", 400, "UnknownOperationException"},
		"another operation": {func(q *http.Request) { q.Header.Set("X-Amz-Target", "Service.Other") }, "{}", 400, "UnknownOperationException"},
		"another type":      {func(q *http.Request) { q.Header.Set("Content-Type", "application/json") }, "{}", 415, "SerializationException"},
		"too long":          {nil, `{"Text": "` + strings.Repeat("a", 1000) + `"}`, 413, "RequestEntityTooLargeException"},
		"no JSON":           {nil, `{"Text": `, 400, "BadInput"},
		"more than one":     {nil, `{} {}`, 400, "BadInput"},
		"a list":            {nil, `[]`, 400, "BadInput"},
		"null":              {nil, `null`, 400, "BadInput"},
		"no UTF-8":          {nil, "{\"Text\": \"\xff\"}", 400, "BadInput"},
		"a number":          {nil, `{"Text": 1}`, 400, "BadInput"},
		"twice":             {nil, `{"Text": "a", "Text": "b"}`, 400, "BadInput"},
		"in another case":   {nil, `{"Text": "a", "tEXT": "b"}`, 400, "BadInput"},
		"with a long s":     {nil, `{"List": [], "Liſt": []}`, 400, "BadInput"},
		"deep":              {nil, `{"List": [{"N": 1, "n": 2}]}`, 400, "BadInput"},
	} {
		w := send(t, h, c.change, strings.NewReader(c.body))
		require.Equal(t, c.status, w.Code, name)
		var out struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
		require.Equal(t, c.kind, out.Type, name)
		require.Equal(t, c.kind, w.Header().Get("X-Amzn-Errortype"))
		require.NotEmpty(t, out.Message)
	}
	require.Equal(t, 400, send(t, h, nil, io.MultiReader(strings.NewReader("{"), failing{})).Code)
}

// What was asked for is told once, by a name that the handler has.
func TestEvents(t *testing.T) {
	t.Parallel()
	var got []string
	h := handler(io.Discard, nil)
	h.Room.Audit = func(e *auth.Event) {
		got = append(got, e.Service+" "+e.Operation+" "+e.Outcome.String()+" "+e.RemoteAddr)
	}
	send(t, h, nil, strings.NewReader("{}"))
	send(t, h, nil, strings.NewReader("{"))
	send(t, h, func(q *http.Request) { q.Header.Set("X-Amz-Target", "Service.Other") }, strings.NewReader("{}"))
	send(t, h, func(q *http.Request) { q.Header.Set("Content-Type", "text/plain") }, strings.NewReader("{}"))
	send(t, h, func(q *http.Request) { q.Method = http.MethodGet }, nil)
	send(t, h, func(q *http.Request) { q.Method = http.MethodOptions }, nil)
	require.Equal(t, []string{"service Echo accepted 192.0.2.1:1234", "service Echo failed 192.0.2.1:1234", "service  failed 192.0.2.1:1234", "service Echo failed 192.0.2.1:1234"}, got)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("gone") }

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		status  int
		kind    string
		message string
		logged  bool
	}{
		{awsjson.Failure{Status: 418, Type: "Teapot", Message: "short"}, 418, "Teapot", "short", false},
		{fmt.Errorf("x: %w", exception{}), 400, "RoomException", "room: secret cause", false},
		{fmt.Errorf("x: %w", shown{exception{429}}), 429, "RoomException", "what may be known", false},
		{&sigv4.Error{Status: 403, Code: "InvalidSignatureException", Message: "wrong"}, 403, "InvalidSignatureException", "wrong", false},
		{&auth.Denied{Action: "a:B", Resource: "c", Reason: "so"}, 400, "AccessDeniedException", `Not authorized to perform a:B on resource "c"`, false},
		{fmt.Errorf("x: %w", auth.ErrDenied), 400, "AccessDeniedException", "Not authorized", false},
		{auth.ErrUnrecognised, 403, "MissingAuthenticationTokenException", "Missing Authentication Token", false},
		{auth.ErrBadCredentials, 403, "UnrecognizedClientException", "The security token included in the request is invalid.", false},
		{auth.ErrNotAuthorized, 403, "UnrecognizedClientException", "The security token included in the request is invalid.", false},
		{auth.ErrUnavailable, 503, "ServiceUnavailableException", "too much is going on; try again", true},
		{auth.ErrConflict, 503, "ServiceUnavailableException", "too much is going on; try again", true},
		{errors.New("the secret is 1234"), 500, "InternalErrorException", "An internal error occurred", true},
	} {
		var log bytes.Buffer
		w := send(t, handler(&log, c.err), nil, strings.NewReader("{}"))
		require.Equal(t, c.status, w.Code)
		var out map[string]string
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
		require.Equal(t, map[string]string{"__type": c.kind, "message": c.message}, out)
		require.Equal(t, c.logged, log.Len() > 0)
	}
	w := send(t, handler(io.Discard, nil), nil, strings.NewReader(`{"Text": "func"}`))
	require.Equal(t, 500, w.Code, "what cannot be written")
}

func FuzzBody(f *testing.F) {
	h := handler(io.Discard, nil)
	f.Add(`{"Text": "a", "Map": {"b": "c"}, "List": [{"N": 1}]}`)
	f.Add(`{"a": {"b": [[[{"c": 1, "C": 2}]]]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		w := send(t, h, nil, strings.NewReader(body))
		require.True(t, json.Valid(w.Body.Bytes()))
		require.False(t, w.Code == 500 && !strings.Contains(body, "func"))
	})
}

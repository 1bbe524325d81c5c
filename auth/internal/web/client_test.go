package web_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/internal/web"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func ask(t *testing.T, f roundTrip) (int, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://server.test/?secret=s3cret", nil)
	require.NoError(t, err)
	return web.Do(web.Client(&http.Client{Transport: f}, time.Second), r)
}

func says(r *http.Request, body string) *http.Response {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r, Header: http.Header{}}
}

func TestClient(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("x", web.MostAnswer)
	status, body, err := ask(t, func(r *http.Request) (*http.Response, error) { return says(r, whole), nil })
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Equal(t, whole, string(body))
	_, _, err = ask(t, func(r *http.Request) (*http.Response, error) { return says(r, whole+"x"), nil })
	require.ErrorContains(t, err, "more than 1048576 bytes")
	_, _, err = ask(t, func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") })
	require.EqualError(t, err, "refused", "no URL, which may hold secrets")
	for to, expects := range map[string]string{"http://server.test/": "redirected from https:// to http://", "https://server.test/": "redirected 10 times"} {
		_, _, err = ask(t, func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 302, Header: http.Header{"Location": {to}}, Body: http.NoBody, Request: r}, nil
		})
		require.ErrorContains(t, err, expects)
	}
	own := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("mine") }, Timeout: time.Millisecond}
	c := web.Client(own, time.Second)
	require.Equal(t, time.Millisecond, c.Timeout)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://server.test/", nil)
	require.NoError(t, err)
	require.EqualError(t, c.CheckRedirect(r, []*http.Request{r}), "mine")
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][2]bool{ // without and with plain
		"https://a.b/c?d": {true, true}, "http://localhost:1": {true, true}, "http://127.0.0.9": {true, true}, "http://[::1]/": {true, true},
		"http://a.b": {false, true}, "http://localhost.evil": {false, true}, "": {}, "a.b": {}, "ftp://a.b": {}, "https://": {}, "https://u@a.b": {}, "https://a.b#c": {}, "%": {}, "file:///x": {},
	} {
		for i, plain := range []bool{false, true} {
			err := web.CheckURL("Config.URL", raw, plain)
			require.Equal(t, want[i], err == nil, "%q: %v", raw, err)
			if err != nil {
				require.ErrorContains(t, err, "Config.URL is ")
			}
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ab", web.Shorten("ab", 2))
	require.Equal(t, "a...", web.Shorten("aäb", 2))
	long := errors.New(strings.Repeat("x", 1000))
	require.Len(t, web.Brief(long).Error(), 303)
	short := errors.New("x")
	require.Equal(t, short, web.Brief(short))
}

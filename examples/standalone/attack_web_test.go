package main

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/sigv4"
)

// A call is an HTTP request of an attacker.
type call struct {
	method string // GET by default, POST with a body
	path   string // as it goes over the wire, with its query
	body   string
	secure bool
	// Of these at most one: a login, a signature, or the certificates of the client.
	user, password string
	key            sigv4.Signer
	service        string // iotdata by default
	header         http.Header
	change         func(r *http.Request) // after it was signed
	client         *http.Client
}

type reply struct {
	status int
	body   string
	header http.Header
}

var (
	adminKey  = sigv4.Signer{ID: "AKIAADMIN", Secret: "admin-secret"}
	dataKey   = sigv4.Signer{ID: "AKIADATA", Secret: "data-secret"}
	readerKey = sigv4.Signer{ID: "AKIAREADER", Secret: "reader-secret"}
	nobodyKey = sigv4.Signer{ID: "AKIANOPOLICY", Secret: "nopolicy-secret"}
	appKey    = sigv4.Signer{ID: "AKIAAPP", Secret: "app-secret"}
)

// do makes a request. The path is not touched on its way.
func (h *target) do(t *testing.T, c call) reply {
	t.Helper()
	base := "http://" + h.addr["http"]
	if c.secure {
		base = "https://" + h.addr["https"]
	}
	if c.method == "" {
		c.method = http.MethodGet
		if c.body != "" || strings.HasPrefix(c.path, "/topics") {
			c.method = http.MethodPost
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), c.method, base, bytes.NewReader([]byte(c.body)))
	require.NoError(t, err)
	path, query, _ := strings.Cut(c.path, "?")
	plain, err := url.PathUnescape(path)
	require.NoError(t, err)
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = plain, path, query
	for k, v := range c.header {
		r.Header[k] = v
	}
	switch {
	case c.user != "":
		r.SetBasicAuth(c.user, c.password)
	case c.key.ID != "":
		c.key.Region = "local"
		if c.key.Service = c.service; c.service == "" {
			c.key.Service = "iotdata"
		}
		require.NoError(t, c.key.Sign(r, []byte(c.body)))
	}
	if c.change != nil {
		c.change(r)
	}
	if c.client == nil {
		c.client = h.web(t)
	}
	a, err := c.client.Do(r)
	if err != nil {
		return reply{status: refused, body: err.Error()}
	}
	defer func() { _ = a.Body.Close() }()
	body, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	return reply{a.StatusCode, string(body), a.Header}
}

// body gives a request another body.
func body(r *http.Request, text string) {
	r.Body, r.ContentLength, r.GetBody = io.NopCloser(strings.NewReader(text)), int64(len(text)), nil
}

// cutAuthorization leaves out the end of the Authorization header, from a word on.
func cutAuthorization(r *http.Request, from string) {
	before, _, _ := strings.Cut(r.Header.Get("Authorization"), from)
	r.Header.Set("Authorization", before)
}

func add(r *http.Request, text string) {
	r.Header.Set("Authorization", r.Header.Get("Authorization")+text)
}

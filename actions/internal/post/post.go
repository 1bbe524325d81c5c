// Package post writes events to sinks that take several of them in one HTTP request, as
// lines one after the other: it makes the requests, tells what the answers mean and finds
// the events for which a request was refused.
package post

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Config configures a [Client].
type Config struct {
	// Client sends the requests. Default: one of its own, which follows no redirects.
	Client *http.Client
	// Gzip compresses bodies.
	Gzip bool
	// Header is what each request has, credentials for one.
	Header http.Header
}

// A Client sends requests. It may be used concurrently.
type Client struct {
	client *http.Client
	own    bool
	gzip   bool
	header http.Header
}

const (
	maxAnswer = 64 << 10
	maxShown  = 400
	// Servers close connections that were idle for some seconds. One that does when a
	// request is on its way fails it.
	idleTime = 5 * time.Second
	mostIdle = 64
	dialTime = 10 * time.Second
)

// New returns a client.
func New(cfg Config) *Client {
	c := &Client{client: cfg.Client, gzip: cfg.Gzip, header: cfg.Header}
	if c.client == nil {
		t := &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTime, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:   true,
			TLSHandshakeTimeout: dialTime,
			IdleConnTimeout:     idleTime,
			MaxIdleConnsPerHost: mostIdle,
		}
		c.own = true
		c.client = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return c
}

// Close closes the connections that nothing uses.
func (c *Client) Close() {
	if c.own {
		c.client.CloseIdleConnections()
	}
}

// An Answer is what a server said.
type Answer struct {
	Status int
	Header http.Header
	// Text is the body, up to 64 KiB.
	Text string
}

// Shown is the answer for an error: its status and, if it has some, its text on one line,
// shortened.
func (a *Answer) Shown(text string) string {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)))
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return status
	}
	if len(text) > maxShown {
		cut := maxShown
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "..."
	}
	return status + ": " + text
}

// Send posts a body, which must not be changed afterwards, and returns the answer,
// whatever its status. An error is one that may pass.
func (c *Client) Send(ctx context.Context, to string, body []byte) (*Answer, error) {
	if c.gzip {
		body = compress(body)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	for name, values := range c.header {
		r.Header[name] = values
	}
	if c.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer resp.Body.Close()
	if resp.Request != nil && resp.Request.Method != http.MethodPost {
		return nil, errors.New("the request was redirected, which took its body away")
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Text: string(text)}, nil
}

// withoutURL takes the URL, which may hold more than others should see, out of an error.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

var writers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // a level that there is
	return w
}}

func compress(body []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(body)/4 + 64)
	w := writers.Get().(*gzip.Writer)
	w.Reset(&b)
	_, _ = w.Write(body) // to memory
	_ = w.Close()
	writers.Put(w)
	return b.Bytes()
}

// CheckURL reports whether a text is the URL of a server: with a host, without a login,
// which belongs into fields of its own, and without a query.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("it cannot be parsed") // the error repeats it, and it may hold a password
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("it does not begin with http:// or https://")
	case u.Hostname() == "":
		return errors.New("it has no host")
	case u.User != nil:
		return errors.New("it has a login, which has fields of its own")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("it has a query or a fragment")
	}
	return nil
}

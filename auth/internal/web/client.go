// Package web asks servers on the network, within bounds, for the packages below auth.
package web

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// MostAnswer bounds what a server may answer, in bytes.
const MostAnswer = 1 << 20

// Client is a copy of own, which may be nil, with bounds for answers. It does not follow
// from https:// to http://.
func Client(own *http.Client, timeout time.Duration) *http.Client {
	b := http.Client{}
	if own != nil {
		b = *own
	}
	if b.Transport == nil {
		b.Transport = http.DefaultTransport
	}
	b.Transport = limited{b.Transport}
	if b.Timeout == 0 || b.Timeout > timeout {
		b.Timeout = timeout
	}
	follow := b.CheckRedirect
	b.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != "https" && via[0].URL.Scheme == "https" {
			return errors.New("redirected from https:// to " + r.URL.Scheme + "://")
		}
		if follow != nil {
			return follow(r, via)
		}
		if len(via) >= 10 {
			return errors.New("redirected 10 times")
		}
		return nil
	}
	return &b
}

// limited bounds the bodies of answers.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitedBody{resp.Body, MostAnswer}
	return resp, nil
}

type limitedBody struct {
	io.ReadCloser
	left int
}

// Read fails once there is more than the limit: half an answer must not pass for one.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, fmt.Errorf("an answer of more than %d bytes", MostAnswer)
	}
	return n, err
}

// Do sends a request and reads the answer. Its errors do not have the URL, which may hold
// secrets.
func Do(c *http.Client, r *http.Request) (status int, body []byte, err error) {
	resp, err := c.Do(r)
	if err != nil {
		return 0, nil, Bare(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// Bare takes the URL off an error of package http.
func Bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// Brief bounds an error that quotes what a server sent.
func Brief(err error) error {
	const most = 300
	if t := err.Error(); len(t) > most {
		return errors.New(Shorten(t, most))
	}
	return err
}

// Shorten keeps what somebody sent from filling logs.
func Shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// CheckURL checks the URL of a server that is trusted: nobody on the way may change what
// comes from there. plain permits http:// from other machines. The error names field.
func CheckURL(field, raw string, plain bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("%s is %q, expected a URL: %w", field, raw, err)
	case u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%s is %q, expected a URL such as https://issuer.example.com", field, raw)
	case u.Scheme == "http" && !plain && !isLocal(u.Hostname()):
		return fmt.Errorf("%s is %q, expected https://; http:// is only for this machine", field, raw)
	}
	return nil
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// IsHTTPS says whether a URL is safe on its way.
func IsHTTPS(raw string) bool { return strings.HasPrefix(raw, "https://") }

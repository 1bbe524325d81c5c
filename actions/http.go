package actions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// HTTP sends the outgoing payload to a web service, with POST. It is the AWS action
// "http". The service must have been confirmed, unless the hub does without.
//
// The content type is application/json if the payload is JSON, otherwise
// application/octet-stream; a header of that name takes its place. An answer with 429 or
// 500 to 599 is tried again, three tries in all; nothing else is.
type HTTP struct {
	// URL may have templates, but not in its scheme, host and port.
	URL string `json:"url"`
	// ConfirmationURL is what URL begins with, and what was confirmed. It may be absent
	// if URL has no templates: then it is URL.
	ConfirmationURL string       `json:"confirmationUrl,omitempty"`
	Headers         []HTTPHeader `json:"headers,omitempty"`
	Auth            *HTTPAuth    `json:"auth,omitempty"`
	// EnableBatching sends several payloads as one JSON array. Payloads that are no
	// JSON go as texts; those that are not UTF-8 fail.
	EnableBatching bool         `json:"enableBatching,omitempty"`
	BatchConfig    *BatchConfig `json:"batchConfig,omitempty"`
}

// An HTTPHeader is a header of a request. The value may have templates; one that is
// empty once it is rendered is left out. A batch has the headers of its last message.
type HTTPHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// HTTPAuth says how requests are authenticated.
type HTTPAuth struct {
	SigV4 *SigV4 `json:"sigv4,omitempty"`
}

// SigV4 says how requests are signed with Signature Version 4.
type SigV4 struct {
	SigningRegion string `json:"signingRegion"`
	ServiceName   string `json:"serviceName"`
	RoleARN       string `json:"roleArn"`
}

// BatchConfig bounds batches. What is 0 has its default.
type BatchConfig struct {
	// MaxBatchOpenMs is how long the first message waits for others: 5 to 200, default 20.
	MaxBatchOpenMs int `json:"maxBatchOpenMs,omitempty"`
	// MaxBatchSize is how many messages there are: 2 to 10, default 10.
	MaxBatchSize int `json:"maxBatchSize,omitempty"`
	// MaxBatchSizeBytes bounds their payloads: 100 to 131072, default 5120.
	MaxBatchSizeBytes int `json:"maxBatchSizeBytes,omitempty"`
	// BatchAcrossTopics lets messages of different topics go together.
	BatchAcrossTopics bool `json:"batchAcrossTopics,omitempty"`
}

const (
	maxURL     = 2000
	maxHeaders = 100
	maxKey     = 256
	httpTries  = 3
	maxAnswer  = 16384
)

// Kind is "http".
func (HTTP) Kind() string { return "http" }

// Resource is the URL.
func (HTTP) Resource(ev Event) string { return ev.Params[0] }

// Do fails: the action works on a host.
func (HTTP) Do(context.Context, Event) error { return Permanent(ErrNoHost) }

// Params are the URL, the confirmation URL and the values of the headers.
func (a HTTP) Params() []Param {
	params := []Param{{Name: "url", Text: a.URL}, {Name: "confirmationUrl", Text: a.confirmation()}}
	for i, h := range a.Headers {
		params = append(params, Param{Name: fmt.Sprintf("headers[%d].value", i), Text: h.Value, Optional: true})
	}
	return params
}

func (a HTTP) confirmation() string {
	if a.ConfirmationURL == "" {
		return a.URL
	}
	return a.ConfirmationURL
}

// Destination is what must be confirmed before messages are sent; empty if templates
// decide.
func (a HTTP) Destination() string {
	if c, all := static(a.confirmation()); all {
		return c
	}
	return ""
}

// Check reports what can be seen to be wrong before a message comes.
func (a HTTP) Check() error {
	host, err := fixedHost("url", a.URL)
	if err != nil {
		return err
	}
	confirmed, err := fixedHost("confirmationUrl", a.confirmation())
	if err != nil {
		return err
	}
	fixed, all := static(a.URL)
	if !all && a.ConfirmationURL == "" {
		return WrongField("confirmationUrl", "", "the part of url without templates that was confirmed")
	}
	prefix, _ := static(a.confirmation())
	n := min(len(prefix), len(fixed))
	if host != confirmed || fixed[:n] != prefix[:n] || all && len(prefix) > len(fixed) {
		return WrongField("url", a.URL, "a URL that begins with confirmationUrl")
	}
	if len(a.Headers) > maxHeaders {
		return &FieldError{Field: "headers", Value: fmt.Sprintf("an array of %d", len(a.Headers)), Want: "0 to 100 items"}
	}
	for i, h := range a.Headers {
		if err := checkHeader(fmt.Sprintf("headers[%d]", i), h); err != nil {
			return err
		}
	}
	if a.Auth != nil && (a.Auth.SigV4 == nil || a.Auth.SigV4.SigningRegion == "" || a.Auth.SigV4.ServiceName == "") {
		return WrongField("auth.sigv4", "", "signingRegion, serviceName and roleArn")
	}
	return a.BatchConfig.check()
}

func (c *BatchConfig) check() error {
	if c == nil {
		return nil
	}
	for _, b := range [...]struct {
		name          string
		is, low, high int
	}{
		{"maxBatchOpenMs", c.MaxBatchOpenMs, 5, 200},
		{"maxBatchSize", c.MaxBatchSize, 2, 10},
		{"maxBatchSizeBytes", c.MaxBatchSizeBytes, 100, 131072},
	} {
		if b.is != 0 && (b.is < b.low || b.is > b.high) {
			return &FieldError{Field: "batchConfig." + b.name, Value: fmt.Sprint(b.is), Want: fmt.Sprintf("%d to %d", b.low, b.high)}
		}
	}
	return nil
}

// fixedHost returns scheme, host and port of a URL with templates, which must be in its
// fixed part.
func fixedHost(field, text string) (string, error) {
	if len(text) > maxURL {
		return "", WrongField(field, text, "at most 2000 bytes")
	}
	fixed, all := static(text)
	scheme, rest, ok := strings.Cut(fixed, "://")
	if !ok || scheme != "https" && scheme != "http" {
		return "", WrongField(field, text, "a URL that begins with https://")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		if !all {
			return "", WrongField(field, text, "a URL whose host is followed by / before a template begins, so that no message chooses the host")
		}
		end = len(rest)
	}
	host := scheme + "://" + rest[:end]
	if u, err := url.Parse(host); err != nil || u.Hostname() == "" || u.User != nil {
		return "", WrongField(field, text, "a URL with a host and without a user")
	}
	if all {
		if _, err := url.Parse(text); err != nil || strings.Contains(text, "#") {
			return "", WrongField(field, text, "a valid URL without a fragment")
		}
	}
	return host, nil
}

// ours are headers that belong to HTTP itself.
var ours = []string{"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func checkHeader(field string, h HTTPHeader) error {
	key := field + ".key"
	switch {
	case h.Key == "" || len(h.Key) > maxKey:
		return WrongField(key, h.Key, "1 to 256 bytes")
	case strings.ContainsFunc(h.Key, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}):
		return WrongField(key, h.Key, "the name of a header")
	case slices.Contains(ours, http.CanonicalHeaderKey(h.Key)):
		return WrongField(key, h.Key, "a header that is not HTTP's own")
	}
	if v, all := static(h.Value); all {
		return checkValue(field+".value", v)
	}
	return nil
}

func checkValue(field, v string) error {
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return WrongField(field, v, "a text without control characters")
	}
	return nil
}

// On needs h.Web.
func (a HTTP) On(h Host) (Action, error) {
	switch {
	case h.Web == nil || h.Web.Client == nil:
		return nil, fmt.Errorf("http: %w: a way to web services", ErrNoHost)
	case !h.Web.Plain && !strings.HasPrefix(a.URL, "https://"):
		return nil, WrongField("url", a.URL, "a URL that begins with https://")
	case a.Auth != nil && h.Web.Signer == nil:
		return nil, fmt.Errorf("auth.sigv4: %w: a signer", ErrNoHost)
	}
	host, err := fixedHost("url", a.URL)
	if err != nil {
		return nil, err
	}
	fixed, _ := static(a.URL)
	return &webhook{HTTP: a, web: h.Web, host: host, dots: hasDots(fixed)}, nil
}

type webhook struct {
	HTTP
	web  *Web
	host string
	dots bool // the author wrote a path with . or ..
}

// Retry is what AWS documents: three tries.
func (w *webhook) Retry() Retry { return Retry{Tries: httpTries} }

// Batch is batchConfig.
func (w *webhook) Batch() Batch {
	if !w.EnableBatching {
		return Batch{}
	}
	c := BatchConfig{}
	if w.BatchConfig != nil {
		c = *w.BatchConfig
	}
	b := Batch{
		Events: 10, Bytes: 5120, Open: 20 * time.Millisecond, AcrossTopics: c.BatchAcrossTopics,
		Key: func(ev Event) string { return ev.Params[0] },
	}
	if c.MaxBatchSize != 0 {
		b.Events = c.MaxBatchSize
	}
	if c.MaxBatchSizeBytes != 0 {
		b.Bytes = c.MaxBatchSizeBytes
	}
	if c.MaxBatchOpenMs != 0 {
		b.Open = time.Duration(c.MaxBatchOpenMs) * time.Millisecond
	}
	return b
}

// DoBatch sends one request for all events, which have the same URL.
func (w *webhook) DoBatch(ctx context.Context, evs []Event) []error {
	errs := make([]error, len(evs))
	body := []byte{'['}
	last := -1
	for i, ev := range evs {
		item := ev.Payload
		if !json.Valid(item) {
			if !utf8.Valid(item) {
				errs[i] = Permanent(errors.New("the payload is not UTF-8, which a batch cannot hold"))
				continue
			}
			item, _ = json.Marshal(string(item)) // a text has no error
		}
		if last >= 0 {
			body = append(body, ',')
		}
		body = append(body, item...)
		last = i
	}
	if last < 0 {
		return errs
	}
	err := w.post(ctx, evs[last], append(body, ']'), "application/json")
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return errs
}

func (w *webhook) Do(ctx context.Context, ev Event) error {
	contentType := "application/octet-stream"
	if json.Valid(ev.Payload) {
		contentType = "application/json"
	}
	// net/http may still read the body when the answer is there.
	return w.post(ctx, ev, bytes.Clone(ev.Payload), contentType)
}

// post sends one request, with the URL and the headers of an event.
func (w *webhook) post(ctx context.Context, ev Event, body []byte, contentType string) error {
	if err := w.checkURL(ev.Params[0], ev.Params[1]); err != nil {
		return Permanent(err)
	}
	if w.web.Enabled != nil {
		if err := w.web.Enabled(ev.Params[1]); err != nil {
			return Permanent(err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, ev.Params[0], bytes.NewReader(body))
	if err != nil {
		return Permanent(fmt.Errorf("url: %w", withoutURL(err)))
	}
	r.Header.Set("Content-Type", contentType)
	for i, h := range w.Headers {
		v := ev.Params[2+i]
		if err := checkValue(fmt.Sprintf("headers[%d].value", i), v); err != nil {
			return Permanent(err)
		}
		if v == "" {
			continue
		}
		if http.CanonicalHeaderKey(h.Key) == "Content-Type" {
			r.Header.Set(h.Key, v)
		} else {
			r.Header.Add(h.Key, v)
		}
	}
	if w.Auth != nil {
		if err := w.web.Signer.Sign(ctx, r, body, *w.Auth.SigV4); err != nil {
			return fmt.Errorf("sign: %w", err)
		}
	}
	return send(w.web.Client, r)
}

// checkURL checks a rendered URL: a template must not lead it somewhere else.
func (w *webhook) checkURL(text, confirmation string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return WrongField("url", text, "at most 2000 bytes")
	case err != nil:
		return fmt.Errorf("url: %w", withoutURL(err))
	case u.Scheme+"://"+u.Host != w.host || u.User != nil || strings.Contains(text, "#"):
		return WrongField("url", text, "a URL of "+w.host)
	case !w.dots && hasDots(u.Path):
		return WrongField("url", text, "a path without . and ..")
	case !strings.HasPrefix(text, confirmation):
		return WrongField("url", text, "a URL that begins with "+confirmation)
	}
	return nil
}

// hasDots reports whether a path has a segment that servers resolve.
func hasDots(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}

// send sends a request whose answer is judged by its status.
func send(c *http.Client, r *http.Request) error {
	resp, err := c.Do(r)
	if err != nil {
		return Permanent(withoutURL(err))
	}
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer+1))
	_ = resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	failure := fmt.Errorf("the endpoint answered %s", status(resp.StatusCode))
	if again := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode/100 == 5; !again || err != nil || n > maxAnswer {
		return Permanent(failure)
	}
	return failure
}

func status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// withoutURL takes the URL, which may hold secrets, out of an error of net/http.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func decodeHTTP(data []byte) (Action, error) {
	o := ReadObject(data)
	a := HTTP{URL: o.Need("url"), ConfirmationURL: o.Text("confirmationUrl"), EnableBatching: o.Bool("enableBatching")}
	o.Each("headers", 0, maxHeaders, func(item *Object) {
		a.Headers = append(a.Headers, HTTPHeader{Key: item.Need("key"), Value: item.Text("value")})
	})
	if auth, ok := o.Object("auth"); ok {
		s, _ := auth.Object("sigv4")
		a.Auth = &HTTPAuth{SigV4: &SigV4{
			SigningRegion: s.Need("signingRegion"), ServiceName: s.Need("serviceName"), RoleARN: s.Need("roleArn"),
		}}
		for _, o := range [...]*Object{s, auth} {
			if err := o.Done(); err != nil {
				return nil, err
			}
		}
	}
	if c, ok := o.Object("batchConfig"); ok {
		a.BatchConfig = &BatchConfig{
			MaxBatchOpenMs:    c.Int("maxBatchOpenMs", 5, 200),
			MaxBatchSize:      c.Int("maxBatchSize", 2, 10),
			MaxBatchSizeBytes: c.Int("maxBatchSizeBytes", 100, 131072),
			BatchAcrossTopics: c.Bool("batchAcrossTopics"),
		}
		if err := c.Done(); err != nil {
			return nil, err
		}
	}
	if err := o.Done(); err != nil {
		return nil, err
	}
	return a, a.Check()
}

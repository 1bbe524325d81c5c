package custom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
)

// EndpointConfig is the configuration of an [Endpoint].
type EndpointConfig struct {
	// URL is where requests are posted to. It must be https:// unless AllowPlain: tokens
	// and passwords are in them.
	URL        string
	AllowPlain bool
	// Header is sent along, a secret that the service knows the hub by, say. It is
	// copied.
	Header http.Header
	// Client sends the requests; its CheckRedirect is not used. nil stands for one of
	// its own.
	Client *http.Client
	// MaxResponse is how many bytes an answer may have, 128 KiB by default.
	MaxResponse int64
}

// An Endpoint is a web service as a [Function]: a [Request] is posted to it as JSON, and
// it answers with status 200 and a [Response] as JSON. Redirects are not followed. Any
// other status is a failure, also 401 and 403: who is refused gets isAuthenticated
// false. It may be used concurrently.
type Endpoint struct {
	url    string
	header http.Header
	client *http.Client
	most   int64
}

// NewEndpoint returns an Endpoint. The error names the field of cfg that is wrong.
func NewEndpoint(cfg EndpointConfig) (*Endpoint, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && (u.Scheme != "http" || !cfg.AllowPlain)) {
		return nil, fmt.Errorf("custom: EndpointConfig.URL is %q, expected https://HOST/PATH", shorten(cfg.URL))
	}
	if cfg.MaxResponse == 0 {
		cfg.MaxResponse = 128 << 10
	}
	if cfg.MaxResponse < 1 {
		return nil, fmt.Errorf("custom: EndpointConfig.MaxResponse is %d, expected a number above 0", cfg.MaxResponse)
	}
	client := http.Client{}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	header := http.Header{}
	maps.Copy(header, cfg.Header.Clone())
	header.Set("Content-Type", "application/json")
	header.Set("Accept", "application/json")
	return &Endpoint{url: cfg.URL, header: header, client: &client, most: cfg.MaxResponse}, nil
}

// Authorize posts a request.
func (e *Endpoint) Authorize(ctx context.Context, r *Request) (*Response, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	post.Header = e.header.Clone()
	answer, err := e.client.Do(post)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the service answered with status %d, expected 200", answer.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, e.most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > e.most {
		return nil, fmt.Errorf("the service answered with more than %d bytes", e.most)
	}
	var out *Response
	if err := json.Unmarshal(text, &out); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("the service answered with a %s as %s, expected %s", t.Value, t.Field, t.Type)
		}
		return nil, fmt.Errorf("the service answered with what is no JSON: %w", err)
	}
	return out, nil
}

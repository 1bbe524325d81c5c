package search

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// Config configures [New]. URLs are needed; what else is empty has its default.
type Config struct {
	// Sink is the circuit breaker of the cluster and its name. The kind is "openSearch",
	// which is the default, or "elasticsearch".
	Sink actions.SinkConfig
	// URLs are those of the nodes of one cluster, "https://10.0.0.1:9200", or of what
	// stands before them. Requests go to one after the other; one that fails is left out
	// for a time. A path at their end goes before those of requests. There is no user in
	// them, see Auth.
	URLs []string
	// Aliases are other endpoints that rules may call the cluster by, such as those of
	// rules that were written for AWS. Nothing is sent to them.
	Aliases []string
	// Auth proves who the hub is. The zero Auth does not.
	Auth Auth
	// HTTP sends the requests. Default: a client that knows no proxies, follows no
	// redirect to another host and trusts the system's authorities.
	// [actions.NewClient] makes one with others.
	HTTP *http.Client
	// Pipeline is an ingest pipeline that documents go through, instead of the default
	// one of their index.
	Pipeline string
	// Refresh is when what was written can be found: empty, as the index is configured;
	// "wait_for", before the event is done; "true", at once, which costs the server much.
	Refresh string
	// IndexInPath sends a request for each index with that in its path, instead of one
	// for all: for servers that set rest.action.multi.allow_explicit_index to false, and
	// for access rules that look at paths.
	IndexInPath bool
	// Gzip compresses the requests.
	Gzip bool
	// Events is how many events go together at most. Default 500; 1: none do.
	Events int
	// Bytes bounds the payloads of a request of several events. Default 5 MiB.
	Bytes int
	// Open is how long an event waits for others. Default 0: those go together that wait
	// already, as they do while the request before is on its way.
	Open time.Duration
}

// requestTime bounds a request whose context has no deadline.
const requestTime = time.Minute

// A Client is a cluster that actions write to. All methods may be called concurrently.
type Client struct {
	cfg       Config
	sink      *actions.Sink
	nodes     nodes
	endpoints []string
	own       bool // the HTTP client

	// typed says whether the cluster wants the type of documents. It is learned from what
	// it says about requests.
	typed atomic.Bool
}

// New checks the configuration and returns a client. It connects to nothing.
func New(cfg Config) (*Client, error) {
	switch cfg.Sink.Kind {
	case "":
		cfg.Sink.Kind = OpenSearch
	case OpenSearch, Elasticsearch:
	default:
		return nil, fmt.Errorf("search: the kind of the sink is %q, expected %s or %s", cfg.Sink.Kind, OpenSearch, Elasticsearch)
	}
	switch cfg.Refresh {
	case "", "true", "wait_for":
	default:
		return nil, fmt.Errorf("search: Refresh is %q, expected true, wait_for or nothing", cfg.Refresh)
	}
	if len(cfg.URLs) == 0 {
		return nil, errors.New("search: URLs are missing")
	}
	if cfg.Events <= 0 {
		cfg.Events = 500
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = 5 << 20
	}
	c := &Client{cfg: cfg, sink: actions.NewSink(cfg.Sink)}
	for i, text := range slices.Concat(cfg.URLs, cfg.Aliases) {
		field := fmt.Sprintf("URLs[%d]", i)
		if i >= len(cfg.URLs) {
			field = fmt.Sprintf("Aliases[%d]", i-len(cfg.URLs))
		}
		e, err := endpoint(field, text)
		if err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		c.endpoints = append(c.endpoints, e)
		if i < len(cfg.URLs) {
			c.nodes.all = append(c.nodes.all, &node{url: e})
		}
	}
	c.nodes.last = len(c.nodes.all) - 1 // the first one is next
	if cfg.HTTP == nil {
		c.own = true
		c.cfg.HTTP = actions.NewClient(actions.ClientConfig{AllowPrivate: true, Timeout: requestTime})
	}
	return c, nil
}

// Name is that of the sink: what rules call the client as "sink".
func (c *Client) Name() string { return c.sink.Name() }

// Sink is the circuit breaker, with the health of the cluster.
func (c *Client) Sink() *actions.Sink { return c.sink }

// Close ends connections that are idle, unless the HTTP client is the host's. The actions
// should not be in use any more.
func (c *Client) Close() error {
	if c.own {
		c.cfg.HTTP.CloseIdleConnections()
	}
	return nil
}

// is reports whether an endpoint, as endpoint returns it, is one of the client.
func (c *Client) is(endpoint string) bool { return slices.Contains(c.endpoints, endpoint) }

// endpoint checks the URL of a server and returns the form in which URLs are compared. The
// error calls it field. It does not repeat what may hold a password.
func endpoint(field, text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "${"):
		return "", &actions.FieldError{Field: field, Value: "a text with a template", Want: "a fixed URL, so that no message chooses the server"}
	case err != nil || u.User != nil:
		return "", &actions.FieldError{Field: field, Value: "no URL, or one with a user", Want: "a URL without a user"}
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "", actions.WrongField(field, text, "a URL that begins with https:// and a host")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return "", actions.WrongField(field, text, "a URL of a host, without a query and a fragment")
	}
	host := strings.ToLower(u.Host)
	if p := u.Port(); p == "" || u.Scheme == "https" && p == "443" || u.Scheme == "http" && p == "80" {
		host = strings.TrimSuffix(host, ":"+p)
	}
	return u.Scheme + "://" + host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// oneOf joins what is possible.
func oneOf(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

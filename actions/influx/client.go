package influx

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/internal/post"
)

// API is how a server takes points.
type API int

// The APIs.
const (
	// V1 is that of InfluxDB 1: POST /write?db={databaseName}.
	V1 API = iota
	// V2 is that of InfluxDB 2, InfluxDB 1.8, and of InfluxDB 3 for compatibility:
	// POST /api/v2/write?org={organization}&bucket={databaseName}.
	V2
	// VictoriaMetrics is V1 for VictoriaMetrics, which stores numbers and nothing else.
	// Texts, for which it would store 0, are left out. The name of the database becomes
	// the label db.
	VictoriaMetrics
)

// Config configures a [Client].
type Config struct {
	// Sink is the name and the circuit breaker of the far end.
	Sink actions.SinkConfig
	// URL is where the server is, "https://influx.example.com:8086"; it may have a path,
	// to which that of the API is added.
	URL string
	// API is what the server speaks. Default V1.
	API API
	// Username and Password log in to InfluxDB 1, with HTTP basic authentication.
	Username, Password string
	// Token logs in to InfluxDB 2, as "Authorization: Token ..."; to what stands before
	// VictoriaMetrics, as "Authorization: Bearer ...". There is either this or Username.
	Token string
	// Gzip compresses requests.
	Gzip bool
	// LineBreaks says that the server takes texts with line breaks, as InfluxDB does. Other
	// servers of the line protocol, VictoriaMetrics for one, take what follows for another
	// point, which a device could use to write what it likes. So without this an event
	// with such a text fails.
	LineBreaks bool
	// Client sends the requests. Default: one with the system's authorities and proxies,
	// which follows no redirects.
	Client *http.Client
}

// A Client writes to one server. Nothing goes there before the first event does. A client
// may be used concurrently.
type Client struct {
	sink       *actions.Sink
	api        API
	url        string // with the path of the API
	lineBreaks bool
	post       *post.Client
}

// Open makes a client. It does not need the server.
func Open(cfg Config) (*Client, error) {
	if err := post.CheckURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("influx: Config.URL: %w", err)
	}
	c := &Client{api: cfg.API, lineBreaks: cfg.LineBreaks, url: strings.TrimSuffix(cfg.URL, "/") + "/write"}
	scheme := "Token "
	switch cfg.API {
	case V1:
	case V2:
		c.url = strings.TrimSuffix(cfg.URL, "/") + "/api/v2/write"
	case VictoriaMetrics:
		scheme = "Bearer "
		if cfg.LineBreaks {
			return nil, fmt.Errorf("influx: Config.LineBreaks is set, which VictoriaMetrics cannot do")
		}
	default:
		return nil, fmt.Errorf("influx: Config.API is %d, expected V1, V2 or VictoriaMetrics", cfg.API)
	}
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	switch {
	case cfg.Token != "" && cfg.Username+cfg.Password != "":
		return nil, fmt.Errorf("influx: Config.Token is set beside Username, expected one of them")
	case cfg.Token != "":
		header.Set("Authorization", scheme+cfg.Token)
	case cfg.Username+cfg.Password != "":
		r := http.Request{Header: header}
		r.SetBasicAuth(cfg.Username, cfg.Password)
	}
	cfg.Sink.Kind = kind
	c.sink = actions.NewSink(cfg.Sink)
	c.post = post.New(post.Config{Client: cfg.Client, Gzip: cfg.Gzip, Header: header})
	return c, nil
}

// Sink is the far end with its health.
func (c *Client) Sink() *actions.Sink { return c.sink }

// Close lets go of the connections. Events that still come make new ones.
func (c *Client) Close() error {
	c.post.Close()
	return nil
}

// target is the URL that points of a database go to. Times are always in nanoseconds, the
// precision that a server assumes.
func (c *Client) target(database, organization string) string {
	q := url.Values{}
	if c.api == V2 {
		q.Set("bucket", database)
		if organization != "" {
			q.Set("org", organization)
		}
	} else {
		q.Set("db", database)
	}
	return c.url + "?" + q.Encode()
}

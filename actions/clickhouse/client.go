package clickhouse

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/internal/post"
)

// Config configures a [Client].
type Config struct {
	// Sink is the name and the circuit breaker of the far end.
	Sink actions.SinkConfig
	// URL is where the HTTP interface is, "https://ch.example.com:8443"; it may have a path.
	URL string
	// Username and Password log in. Default: as the server's user "default", without one.
	Username, Password string
	// Database is that of tables whose action names none. Default: that of the user.
	Database string
	// Settings are settings of the server for each insert, such as
	// date_time_input_format=best_effort, without which a DateTime takes no "T" and "Z".
	// With async_insert=1, wait_for_async_insert=1 is added unless it is there: what is
	// acknowledged without waiting may be lost.
	Settings map[string]string
	// Gzip compresses requests.
	Gzip bool
	// Client sends the requests. Default: one with the system's authorities and proxies,
	// which follows no redirects.
	Client *http.Client
}

// A Client writes to one server. Nothing goes there before the first event does. A client
// may be used concurrently.
type Client struct {
	sink     *actions.Sink
	url      string
	database string
	settings url.Values
	post     *post.Client
	// old is set when the server turned out not to know tokens of deduplication, which
	// came with version 22.2.
	old atomic.Bool
}

const (
	tokenSetting = "insert_deduplication_token"
	async        = "async_insert"
	waitForAsync = "wait_for_async_insert"
)

// notSettings are parameters of the HTTP interface that are no settings, and settings that
// would take from the actions what they promise.
var notSettings = []string{
	"buffer_size", "client_protocol_version", "compress", "database", "decompress", "default_format",
	"input_format_allow_errors_num", "input_format_allow_errors_ratio", "param", "password", "query", "query_id", "quota_key", "role",
	"session_check", "session_id", "session_timeout", "stacktrace", tokenSetting, "user",
}

// Open makes a client. It does not need the server.
func Open(cfg Config) (*Client, error) {
	if err := post.CheckURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("clickhouse: Config.URL: %w", err)
	}
	if cfg.Database != "" && !isName(cfg.Database) {
		return nil, fmt.Errorf("clickhouse: Config.Database is %q, expected %s", cfg.Database, wantName)
	}
	if cfg.Username == "" && cfg.Password != "" {
		return nil, errors.New("clickhouse: Config.Password is set without Username")
	}
	c := &Client{url: strings.TrimSuffix(cfg.URL, "/") + "/", database: cfg.Database, settings: url.Values{}}
	for _, name := range slices.Sorted(maps.Keys(cfg.Settings)) {
		if !isName(name) || slices.Contains(notSettings, name) || strings.HasPrefix(name, "param_") {
			return nil, fmt.Errorf("clickhouse: Config.Settings has %q, which is not a setting to make", name)
		}
		c.settings.Set(name, cfg.Settings[name])
	}
	if c.settings.Has(async) && c.settings.Get(async) != "0" && !c.settings.Has(waitForAsync) {
		c.settings.Set(waitForAsync, "1")
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if cfg.Username != "" {
		header.Set("X-ClickHouse-User", cfg.Username)
		header.Set("X-ClickHouse-Key", cfg.Password)
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

const (
	maxName  = 128
	wantName = "1 to 128 letters, digits and underscores, not beginning with a digit"
)

// isName reports whether a text is a plain name of a database, a table or a setting.
func isName(s string) bool {
	return s != "" && len(s) <= maxName && (s[0] < '0' || s[0] > '9') && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
}

// isColumn is isName for a column, which may be one of a nested structure, "a.b".
func isColumn(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if !isName(part) {
			return false
		}
	}
	return len(s) <= maxName
}

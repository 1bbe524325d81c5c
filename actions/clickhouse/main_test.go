package clickhouse_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/clickhouse"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// event makes an event without an engine. Its id is that of its number.
func event(n byte, payload string) actions.Event {
	return actions.Event{
		Rule: "rule", Payload: []byte(payload),
		Message: &actions.Message{Topic: "dt/a", Payload: []byte(payload), Time: time.Unix(1700000000, 0), TraceID: actions.NumberedTraceID(1, uint64(n))},
	}
}

// open makes a client.
func open(tb testing.TB, cfg clickhouse.Config) *clickhouse.Client {
	tb.Helper()
	if cfg.URL == "" {
		cfg.URL = "http://127.0.0.1:1"
	}
	c, err := clickhouse.Open(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Close()) })
	return c
}

// A server answers as a test wants.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

// serve answers requests, one after the other, with what respond writes.
func serve(tb testing.TB, respond func(w http.ResponseWriter, r *http.Request, body string)) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			body = unzipped
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(text))
		if respond != nil {
			respond(w, r, string(text))
		}
	}))
	tb.Cleanup(s.Close)
	return s
}

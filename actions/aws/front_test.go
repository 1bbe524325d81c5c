package aws

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// A request is one that a front has seen.
type request struct {
	*http.Request
	body []byte
}

// target is the operation that the JSON protocols name.
func (r request) target() string {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return op
}

// A front is what actions talk to: it remembers the requests that were answered well.
type front struct {
	url string

	mu  sync.Mutex
	got []request
}

// newFront returns a front whose answers are those of a function.
func newFront(tb testing.TB, answer func(w http.ResponseWriter, r request)) *front {
	tb.Helper()
	f := &front{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the connection has ended
		}
		seen := request{r.Clone(context.Background()), body}
		rec := httptest.NewRecorder()
		answer(rec, seen)
		if rec.Code/100 == 2 { // before the caller may go on
			f.mu.Lock()
			f.got = append(f.got, seen)
			f.mu.Unlock()
		}
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}))
	tb.Cleanup(s.Close)
	f.url = s.URL
	return f
}

// answers is a newFront that always answers the same.
func answers(tb testing.TB, status int, body string) *front {
	tb.Helper()
	return newFront(tb, func(w http.ResponseWriter, _ request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// before is a newFront before moto, for what moto does not tell afterwards.
func before(tb testing.TB) *front {
	tb.Helper()
	moto := servertest.Moto(tb)
	return newFront(tb, func(w http.ResponseWriter, r request) {
		to, err := http.NewRequestWithContext(context.Background(), r.Method, moto+r.RequestURI, bytes.NewReader(r.body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		to.Header = r.Header.Clone()
		to.Host = r.Host
		resp, err := http.DefaultClient.Do(to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		for _, name := range []string{"Content-Type", "X-Amz-Function-Error", "X-Amzn-Errortype", "X-Amzn-Invoked-Production-Variant"} {
			if v := resp.Header.Get(name); v != "" {
				w.Header().Set(name, v)
			}
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})
}

func (f *front) requests() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]request(nil), f.got...)
}

// only returns the one request that a front has seen.
func (f *front) only(tb testing.TB) request {
	tb.Helper()
	got := f.requests()
	require.Len(tb, got, 1)
	return got[0]
}

// addr is where a URL leads to.
func addr(url string) string { return strings.TrimPrefix(url, "http://") }

// faulty returns Services for a rig, at an address.
func faulty(tb testing.TB, addr string) *Services {
	tb.Helper()
	return open(tb, "http://"+addr, func(c *Config) { c.Sink = sinktest.Quick("", "") })
}

// A verdictCase is an answer of a service and what is made of it.
type verdictCase struct {
	name, code string
	status     int
	body       string // instead of one with code
	want       string // kindOf
}

// judgements checks what an action makes of answers. newAction makes it; its event is for the
// answer of nobody.
func judgements(t *testing.T, cases []verdictCase, newAction func(s *Services) (actions.Action, actions.Event), answer func(c verdictCase) (header map[string]string, body string)) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFront(t, func(w http.ResponseWriter, _ request) {
				header, body := answer(c)
				for name, v := range header {
					w.Header().Set(name, v)
				}
				if c.body != "" {
					body = c.body
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, body)
			})
			a, ev := newAction(open(t, f.url, nil))
			require.NoError(t, a.(actions.Checker).Check())
			err := a.Do(t.Context(), ev)
			require.Equal(t, c.want, kindOf(err), "%v", err)
		})
	}
}

// jsonError is how the services with a JSON protocol answer an error.
func jsonError(c verdictCase) (map[string]string, string) {
	return map[string]string{"X-Amzn-Errortype": c.code, "Content-Type": "application/x-amz-json-1.1"}, `{"__type":"` + c.code + `","message":"so it is","Message":"so it is"}`
}

// otherCredentials are not those of the host.
var otherCredentials = credentials.NewStaticCredentialsProvider("other", "secret", "")

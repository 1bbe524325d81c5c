package sinktest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
)

// A ledger is a counterpart: it keeps the lines that are posted, a batch as a whole.
type ledger struct {
	mu    sync.Mutex
	lines []string
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut off: nothing of it counts
	}
	if bytes.Contains(body, []byte("poison")) {
		http.Error(w, "poison", http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(body) {
		l.lines = append(l.lines, string(line))
	}
}

// A post is an action that writes to a ledger.
type post struct {
	url    string
	sink   *actions.Sink
	client *http.Client
}

func (p *post) Sink() *actions.Sink { return p.sink }

func (p *post) Batch() actions.Batch {
	return actions.Batch{Events: 50, AcrossTopics: true, Parallel: true}
}

func (p *post) Do(ctx context.Context, ev actions.Event) error {
	return p.post(ctx, append(bytes.Clone(ev.Payload), '\n'))
}

func (p *post) DoBatch(ctx context.Context, evs []actions.Event) []error {
	var body []byte
	for _, ev := range evs {
		body = append(append(body, ev.Payload...), '\n')
	}
	err := p.post(ctx, body)
	errs := make([]error, len(evs))
	for i, ev := range evs {
		if errs[i] = err; errors.Is(err, actions.ErrPermanent) {
			errs[i] = p.Do(ctx, ev) // which of them it is
		}
	}
	return errs
}

func (p *post) post(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return actions.Permanent(err)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusBadRequest:
		return actions.Permanent(errors.New("refused"))
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the ledger answers %s", resp.Status)
	}
	return nil
}

func newRig(tb testing.TB) sinktest.Rig {
	l := &ledger{}
	s := httptest.NewServer(l)
	tb.Cleanup(s.Close)
	return sinktest.Rig{
		Addr: s.Listener.Addr().String(),
		Action: func(tb testing.TB, addr string) actions.Action {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
			tb.Cleanup(client.CloseIdleConnections)
			return &post{"http://" + addr, actions.NewSink(sinktest.Quick("post", "ledger")), client}
		},
		Read: func(tb testing.TB) (list []sinktest.Record) {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, line := range l.lines {
				var r sinktest.Record
				require.NoError(tb, json.Unmarshal([]byte(line), &r))
				list = append(list, r)
			}
			return list
		},
		HTTP:   true,
		Poison: []byte(`{"key":"k1","n":"poison"}`),
	}
}

// TestRun has the suite check an action that does what it ought to.
func TestRun(t *testing.T) { sinktest.Run(t, newRig) }

func BenchmarkLedger(b *testing.B) { sinktest.Bench(b, newRig) }

// TestProxy_EndsWhileItHangs has a test that fails in the middle.
func TestProxy_EndsWhileItHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	t.Run("test", func(t *testing.T) {
		p := sinktest.NewProxy(t, l.Addr().String())
		p.Hang()
		c, err := net.Dial("tcp", p.Addr())
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
		_, err = c.Write(make([]byte, 64<<20)) // until the proxy takes no more
		require.Error(t, err)
	})
}

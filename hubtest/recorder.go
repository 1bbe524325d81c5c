package hubtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/thinghub/thinghub"
)

// A Recorder keeps what was published to the topics of a filter, in order. Its
// messages are shared: read them, do not change them.
type Recorder struct {
	t      testing.TB
	filter string

	mu       sync.Mutex
	messages []*thinghub.Message
	read     int           // how many Next has returned
	more     chan struct{} // closed and replaced when a message arrives
}

// Recorder records what matches filter, retained messages first, from now until t
// ends. It subscribes as the host, so permissions do not apply to it.
func (h *Hub) Recorder(t testing.TB, filter string) *Recorder {
	t.Helper()
	r := &Recorder{t: t, filter: filter, more: make(chan struct{})}
	stop, err := h.Subscribe(t.Context(), filter, r.record)
	if err != nil {
		t.Fatalf("hubtest: recorder on %q: %v", filter, err)
	}
	t.Cleanup(stop)
	return r
}

func (r *Recorder) record(m *thinghub.Message) {
	r.mu.Lock()
	r.messages = append(r.messages, m)
	close(r.more)
	r.more = make(chan struct{})
	r.mu.Unlock()
}

// Messages returns what was recorded so far. A message that was just published may
// still be on its way: use Wait, or synctest.Wait in a bubble.
func (r *Recorder) Messages() []*thinghub.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// Next returns the first message that no call of Next returned before. It waits for
// it until ctx ends, but no longer than 10 s, and then fails the test, saying what
// was recorded.
func (r *Recorder) Next(ctx context.Context) *thinghub.Message {
	r.t.Helper()
	r.mu.Lock()
	r.read++
	n := r.read
	r.mu.Unlock()
	return r.wait(ctx, n)[n-1]
}

// Wait returns the first n messages of the recording. It waits up to 10 s for them
// and then fails the test, saying what was recorded.
func (r *Recorder) Wait(n int) []*thinghub.Message {
	r.t.Helper()
	return r.wait(r.t.Context(), n)[:n]
}

// wait returns at least n messages, or does not return.
func (r *Recorder) wait(ctx context.Context, n int) []*thinghub.Message {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		r.mu.Lock()
		got, more := slices.Clone(r.messages), r.more
		r.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-more:
		case <-ctx.Done():
			r.t.Fatalf("hubtest: waiting for message %d on %q: %v; received %s", n, r.filter, ctx.Err(), describe(got))
		}
	}
}

// describe lists messages for a failure, the latest if there are many.
func describe(messages []*thinghub.Message) string {
	const most = 20
	if len(messages) == 0 {
		return "none"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d:", len(messages))
	if skip := len(messages) - most; skip > 0 {
		fmt.Fprintf(&b, "\n\t(%d more)", skip)
		messages = messages[skip:]
	}
	for _, m := range messages {
		fmt.Fprintf(&b, "\n\t%s %s QoS %d", m.Topic, shorten(m.Payload), m.QoS)
		if m.Retain {
			b.WriteString(" retained")
		}
	}
	return b.String()
}

func shorten(payload []byte) string {
	const most = 80
	if len(payload) <= most {
		return fmt.Sprintf("%q", payload)
	}
	return fmt.Sprintf("%q... (%d bytes)", payload[:most], len(payload))
}

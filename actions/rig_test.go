package actions_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

type unnamed struct{}

func (unnamed) Do(context.Context, actions.Event) error { return nil }

type namedPager struct{ pager }

func (namedPager) Do(context.Context, actions.Event) error { return nil }
func (namedPager) Kind() string                            { return "pager" }
func (namedPager) Resource(actions.Event) string           { return "" }

// event is what the engine would make for an action whose params are rendered to texts.
func event(payload string, params ...string) actions.Event {
	return actions.Event{
		Rule: "rule", Payload: []byte(payload), Params: params, Attempt: 1,
		Message: &actions.Message{Topic: "dev/a/temp", ClientID: "a", TraceID: actions.NamedTraceID("trace"), Time: time.Unix(1700000000, 5e8), Hops: 1},
	}
}

// names returns the names of the parameters of an action.
func names(a actions.Templated) (names []string) {
	for _, p := range a.Params() {
		names = append(names, p.Name)
	}
	return names
}

// on puts an action on a host.
func on(t *testing.T, a actions.Hosted, h actions.Host) actions.Action {
	t.Helper()
	require.ErrorIs(t, a.Do(t.Context(), event("")), actions.ErrNoHost)
	_, err := a.On(actions.Host{})
	if _, always := a.(actions.Log); !always {
		require.ErrorIs(t, err, actions.ErrNoHost)
	}
	hosted, err := a.On(h)
	require.NoError(t, err)
	return hosted
}

// hub takes what actions publish and change.
type hub struct {
	mu        sync.Mutex
	published []actions.Publication
	updates   [][3]string
	err       error
}

func (h *hub) Publish(_ context.Context, p *actions.Publication) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.published = append(h.published, *p)
	return h.err
}

func (h *hub) UpdateShadow(_ context.Context, thing, name string, document []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.updates = append(h.updates, [3]string{thing, name, string(document)})
	return h.err
}

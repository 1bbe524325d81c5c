package aws

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// event makes an event for an action as the engine would: texts without templates are
// their own result, ${topic()} and ${topic(2)} are rendered, values are those of the others
// in their order.
func event(tb testing.TB, a actions.Action, topic, payload string, values ...string) actions.Event {
	tb.Helper()
	ev := actions.Event{
		Rule: "rule", Payload: []byte(payload), Attempt: 1,
		Message: &actions.Message{Topic: topic, Payload: []byte(payload), TraceID: actions.NewTraceID()},
	}
	t, ok := a.(actions.Templated)
	if !ok {
		return ev
	}
	for _, p := range t.Params() {
		text := p.Text
		switch {
		case text == "${topic()}":
			text = topic
		case text == "${topic(2)}":
			text = strings.Split(topic, "/")[1]
		case strings.Contains(text, "${"):
			require.NotEmpty(tb, values, "a value for %s", p.Name)
			text, values = values[0], values[1:]
		}
		ev.Params = append(ev.Params, text)
	}
	require.Empty(tb, values)
	return ev
}

// events makes one for each payload.
func events(tb testing.TB, a actions.Action, topic string, payloads ...string) []actions.Event {
	tb.Helper()
	var evs []actions.Event
	for _, p := range payloads {
		evs = append(evs, event(tb, a, topic, p))
	}
	return evs
}

// batch is DoBatch of an action that is one.
func batch(tb testing.TB, a actions.Action, evs []actions.Event) []error {
	tb.Helper()
	b, ok := a.(actions.Batcher)
	require.True(tb, ok, "%T", a)
	errs := b.DoBatch(tb.Context(), evs)
	require.Len(tb, errs, len(evs))
	return errs
}

// well requires that there is no error.
func well(tb testing.TB, errs []error) {
	tb.Helper()
	for i, err := range errs {
		require.NoError(tb, err, "event %d", i)
	}
}

// kindOf says what an engine would make of an error.
func kindOf(err error) string {
	switch {
	case err == nil:
		return "well"
	case errors.Is(err, actions.ErrPermanent):
		return "permanent"
	}
	return "again"
}

// requireDecode decodes the JSON of an action, and encodes it again.
func requireDecode(tb testing.TB, s *Services, text string) actions.Action {
	tb.Helper()
	kinds := Kinds(s)
	a, err := actions.Decode([]byte(text), kinds)
	require.NoError(tb, err, text)
	again, ok, err := actions.Encode(a, kinds)
	require.NoError(tb, err)
	require.True(tb, ok)
	require.JSONEq(tb, text, string(again))
	return a
}

// requireRefused requires that the JSON of an action is refused with a text.
func requireRefused(tb testing.TB, s *Services, text, expected string) {
	tb.Helper()
	require.True(tb, json.Valid([]byte(text)), text)
	_, err := actions.Decode([]byte(text), Kinds(s))
	require.ErrorContains(tb, err, expected, text)
}

// unique returns a name for a resource of a test.
func unique(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("t%s", strings.ToLower(actions.NewTraceID().String()))[:24]
}

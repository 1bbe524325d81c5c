package actions_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

func TestClone(t *testing.T) {
	t.Parallel()
	buf := []byte("topic/payload/data")
	m := actions.Message{
		Topic: "a/b", Payload: buf[6:13], QoS: 1, ClientID: "c", Principal: "p", Protocol: actions.ProtocolMQTT, SourceIP: netip.MustParseAddr("127.0.0.1"),
		TraceID: actions.NamedTraceID("t"), Time: time.Unix(1, 0), Hops: 3, PayloadFormat: actions.FormatUTF8, ContentType: "x/y", ResponseTopic: "r",
		CorrelationData: buf[14:],
		UserProperties: func(yield func(string, string) bool) {
			_ = yield("k", "1") && yield("l", string(buf[:5]))
		},
	}
	c := m.Clone()
	copy(buf, "################################")
	require.Equal(t, "payload", string(c.Payload))
	require.Equal(t, "data", string(c.CorrelationData))
	require.Equal(t, map[string]string{"k": "1", "l": "topic"}, maps.Collect(c.UserProperties))
	for range c.UserProperties {
		break // the copy stops when it is told to
	}
	_ = append(c.Payload, "overflow"...)
	require.Equal(t, "data", string(c.CorrelationData), "the payload cannot grow into what follows")

	m.Payload, m.CorrelationData, m.UserProperties = nil, nil, nil
	c.Payload, c.CorrelationData, c.UserProperties = nil, nil, nil
	require.Equal(t, &m, c)
}

func TestCloneKeepsWhatIsAbsent(t *testing.T) {
	t.Parallel()
	none := (&actions.Message{}).Clone()
	require.Equal(t, &actions.Message{}, none)

	m := actions.Message{Payload: []byte{}, CorrelationData: []byte{}, UserProperties: func(func(string, string) bool) {}}
	c := m.Clone()
	require.NotNil(t, c.Payload)
	require.NotNil(t, c.CorrelationData)
	require.Nil(t, c.UserProperties, "no properties are as good as none")

	require.Equal(t, []byte("x"), (&actions.Message{CorrelationData: []byte("x")}).Clone().CorrelationData)
}

func TestEventID(t *testing.T) {
	t.Parallel()
	ev := actions.Event{Rule: "hot", Action: 2, Message: &actions.Message{TraceID: actions.NamedTraceID("id")}, Attempt: 1}
	again := ev
	again.Attempt = 2
	require.Equal(t, "id/hot/2", ev.ID())
	require.Equal(t, ev.ID(), again.ID())
	ev.Action = actions.ErrorAction
	require.Equal(t, "id/hot/-1", ev.ID())
}

func TestTraceID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := actions.NewTraceID()
		require.False(t, id.IsZero())
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id.String())
		require.Equal(t, id.String(), string(id.AppendTo(nil)), "it stays the same")
		seen[id.String()] = true
	}
	require.Len(t, seen, 1000)
	require.Equal(t, actions.RandomTraceID(rand.NewPCG(1, 2)), actions.RandomTraceID(rand.NewPCG(1, 2)))
	require.Equal(t, "given", actions.NamedTraceID("given").String())
	require.Equal(t, "[given", string(actions.NamedTraceID("given").AppendTo([]byte("["))))
	require.True(t, actions.TraceID{}.IsZero())
	require.True(t, actions.NamedTraceID("").IsZero())
	require.Empty(t, actions.TraceID{}.String())
	require.Empty(t, actions.TraceID{}.AppendTo(nil))
}

func TestEventClone(t *testing.T) {
	t.Parallel()
	buf := []byte("abcdefgh")
	text := func(from, to int) string { return unsafe.String(&buf[from], to-from) }
	for name, payload := range map[string][]byte{"of its own": buf[2:4], "the message's": buf[4:6], "its beginning": buf[4:5], "empty": {}, "absent": nil} {
		copy(buf, "abcdefgh")
		ev := actions.Event{
			Rule: "r", Action: 3, Payload: payload, Params: []string{text(0, 1), text(1, 2)}, Attempt: 2,
			Message: &actions.Message{Topic: text(6, 8), Payload: buf[4:6], TraceID: actions.NamedTraceID(text(0, 2))},
		}
		want := fmt.Sprint(ev, *ev.Message)
		kept := ev.Clone()
		require.Equal(t, ev, kept, name)
		ev.Params[0] = "x"
		message := *kept.Message
		copy(buf, "########")
		require.Equal(t, want, strings.ReplaceAll(fmt.Sprint(kept, message), fmt.Sprintf("%p", kept.Message), fmt.Sprintf("%p", ev.Message)), name)
		_ = append(kept.Payload, "overflow"...)
		require.Equal(t, "ef", string(kept.Message.Payload), name)
	}
	require.Equal(t, actions.Event{Rule: "r", Payload: []byte("x")}, actions.Event{Rule: "r", Payload: []byte("x")}.Clone())
}

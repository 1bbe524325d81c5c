package shadow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
	"github.com/thinghub/thinghub/shadow/shadowtest"
)

// Every conversation, over the request topics and over the methods that the HTTP
// API calls.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range shadowtest.Vectors(t, "testdata/shadow.json") {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			for _, open := range []func(*testing.T) shadowtest.Driver{
				func(t *testing.T) shadowtest.Driver { return &topicDriver{newRig(t, shadow.Config{})} },
				func(t *testing.T) shadowtest.Driver { return &methodDriver{newRig(t, shadow.Config{})} },
			} {
				synctest.Test(t, func(t *testing.T) { v.Run(t, open(t)) })
			}
		})
	}
}

// A topicDriver publishes requests, as MQTT clients do.
type topicDriver struct{ *rig }

func (*topicDriver) Via() string { return "mqtt" }

func (d *topicDriver) Do(t testing.TB, r shadowtest.Request) shadowtest.Answer {
	d.messages = nil
	handled, err := d.svc.Handle(t.Context(), r.Topic, r.Payload, shadow.Requester{Source: shadow.FromMQTT, ClientID: "c"})
	require.NoError(t, err)
	require.True(t, handled, r.Topic)
	return d.answer(t, r.Topic)
}

// A methodDriver calls the methods, as the HTTP API does.
type methodDriver struct{ *rig }

func (*methodDriver) Via() string { return "rest" }

func (d *methodDriver) Do(t testing.TB, r shadowtest.Request) (a shadowtest.Answer) {
	d.messages = nil
	by := shadow.Requester{Source: shadow.FromHTTP, Principal: "p"}
	var err error
	var body []byte
	switch r.Op {
	case "update":
		var u shadow.Accepted
		u, err = d.svc.Update(t.Context(), r.Key, r.Payload, by)
		body = u.AppendJSON(nil)
	case "get":
		var v shadow.View
		v, err = d.svc.Get(t.Context(), r.Key, by)
		body = v.AppendJSON(nil)
		require.Empty(t, d.messages, "a get publishes nothing")
	case "delete":
		var del shadow.Deletion
		del, err = d.svc.Delete(t.Context(), r.Key, by)
		body = del.AppendJSON(nil)
	default:
		return (&topicDriver{d.rig}).Do(t, r)
	}
	var e *shadow.Error
	if errors.As(err, &e) {
		require.Empty(t, d.messages, "a failure publishes nothing")
		return shadowtest.Answer{Rejected: e.AppendJSON(nil), Status: e.Code}
	}
	require.NoError(t, err)
	a = d.answer(t, r.Topic)
	if r.Op == "get" {
		a.Accepted = body
	}
	require.Equal(t, string(body), string(a.Accepted), "what is published is what is returned")
	return a
}

// A rig is a service whose messages are kept.
type rig struct {
	svc      *shadow.Service
	messages []message
}

type message struct{ topic, payload string }

func newRig(t testing.TB, cfg shadow.Config) *rig {
	t.Helper()
	r := &rig{}
	cfg.Publisher = shadow.PublisherFunc(func(_ context.Context, topic string, payload []byte) error {
		r.messages = append(r.messages, message{topic, string(payload)})
		return nil
	})
	var err error
	r.svc, err = shadow.New(cfg)
	require.NoError(t, err)
	return r
}

// answer sorts the messages that a request on a topic has caused, and checks their
// order.
func (r *rig) answer(t testing.TB, topic string) (a shadowtest.Answer) {
	t.Helper()
	var order []string
	for _, m := range r.messages {
		kind, ok := strings.CutPrefix(m.topic, topic+"/")
		require.True(t, ok, "%s is no answer to %s", m.topic, topic)
		order = append(order, kind)
		switch kind {
		case "accepted":
			a.Accepted = []byte(m.payload)
		case "rejected":
			a.Rejected = []byte(m.payload)
		case "delta":
			a.Delta = []byte(m.payload)
		case "documents":
			a.Documents = []byte(m.payload)
		default:
			require.Fail(t, "unknown answer", m.topic)
		}
	}
	switch {
	case a.Rejected != nil:
		require.Equal(t, []string{"rejected"}, order)
	case strings.HasSuffix(topic, "/update") && a.Delta != nil:
		require.Equal(t, []string{"delta", "accepted", "documents"}, order)
	case strings.HasSuffix(topic, "/update"):
		require.Equal(t, []string{"accepted", "documents"}, order)
	}
	return a
}

package thinghub_test

import (
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/shadow/shadowtest"
)

// overMQTT brings requests to shadows as a device does.
type overMQTT struct {
	hub    *hubtest.Hub
	device *paho.Client
}

func (overMQTT) Via() string { return "mqtt" }

func (d overMQTT) Do(t testing.TB, r shadowtest.Request) (a shadowtest.Answer) {
	messages := make(chan *thinghub.Message, 16)
	stop, err := d.hub.Subscribe(t.Context(), "$aws/things/"+r.Key.Thing+"/shadow/#", func(m *thinghub.Message) { messages <- m.Clone() })
	require.NoError(t, err)
	defer stop()
	_, err = d.device.Publish(t.Context(), &paho.Publish{QoS: 1, Topic: r.Topic, Payload: r.Payload})
	require.NoError(t, err)
	require.Equal(t, r.Topic, (<-messages).Topic, "the request is a message, too")
	for m := range messages {
		require.False(t, m.Retain)
		require.EqualValues(t, 1, m.QoS)
		kind := strings.TrimPrefix(m.Topic, r.Topic)
		switch kind {
		case "/accepted":
			a.Accepted = m.Payload
		case "/rejected":
			a.Rejected = m.Payload
			return a
		case "/delta":
			require.Nil(t, a.Accepted, "delta comes before accepted")
			a.Delta = m.Payload
		case "/documents":
			a.Documents = m.Payload
			return a
		}
		if kind == "/accepted" && !strings.HasSuffix(r.Topic, "/update") {
			return a
		}
	}
	return a
}

// TestShadowVectors has the known conversations with the whole hub.
func TestShadowVectors(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	drivers := []shadowtest.Driver{overMQTT{hub, hub.Client(t, "device")}}
	for _, d := range drivers {
		t.Run(d.Via(), func(t *testing.T) {
			t.Parallel()
			for _, v := range shadowtest.Vectors(t, "shadow/testdata/shadow.json") {
				t.Run(v.ID, func(t *testing.T) { v.Run(t, d) })
			}
		})
	}
}

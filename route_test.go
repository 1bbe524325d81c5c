package thinghub_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/shadow"
)

const lamp = "$aws/things/lamp/shadow"

// publishing returns the reason code of a QoS 1 publish.
func publishing(t *testing.T, c *paho.Client, p *paho.Publish) byte {
	t.Helper()
	p.QoS = 1
	r, err := c.Publish(t.Context(), p)
	if r == nil {
		require.NoError(t, err)
	}
	return r.ReasonCode
}

// An update of a device is answered, and whoever watches sees request, delta,
// accepted and documents in this order.
func TestShadow_UpdateOverMQTT(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	watch := hub.Recorder(t, lamp+"/#")
	device := hub.Client(t, "lamp")
	require.Zero(t, publishing(t, device, &paho.Publish{Topic: lamp + "/update", Payload: []byte(`{"state":{"desired":{"on":true}},"clientToken":"x"}`)}))
	for _, want := range []string{"/update", "/update/delta", "/update/accepted", "/update/documents"} {
		m := watch.Next(t.Context())
		require.Equal(t, lamp+want, m.Topic)
		require.True(t, json.Valid(m.Payload))
	}
	view, err := hub.Shadows().Get(t.Context(), shadow.Key{Thing: "lamp"}, shadow.Requester{})
	require.NoError(t, err)
	require.Contains(t, string(view.AppendJSON(nil)), `"delta":{"on":true}`)
}

// What the host changes reaches the devices.
func TestShadow_UpdateByTheHost(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	_, got := receiver(t, hub, "lamp", lamp+"/update/delta")
	_, err := hub.Shadows().Update(t.Context(), shadow.Key{Thing: "lamp"}, []byte(`{"state":{"desired":{"on":true}}}`), shadow.Requester{})
	require.NoError(t, err)
	require.Contains(t, string((<-got).Payload), `"state":{"on":true}`)
	require.NoError(t, hub.Publish(t.Context(), lamp+"/update", []byte(`{"state":{"desired":{"on":false}}}`)), "the host may ask by message, too")
	require.Contains(t, string((<-got).Payload), `"state":{"on":false}`)
}

// Topics of the hub are not for clients to publish to, apart from requests.
func TestReservedTopics(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	watch := hub.Recorder(t, "$aws/things/#")
	device := hub.Client(t, "lamp")
	for _, topic := range []string{
		lamp + "/update/accepted", lamp + "/update/delta", lamp + "/get/rejected", lamp, lamp + "/", lamp + "/other",
		"$aws/events/presence/connected/lamp", "$aws/things/lamp", "$aws/", "$aws/rules/x",
	} {
		require.Equal(t, byte(broker.NotAuthorized), publishing(t, device, &paho.Publish{Topic: topic, Payload: []byte(`{}`)}), topic)
	}
	require.Equal(t, byte(broker.NotAuthorized), publishing(t, device, &paho.Publish{Topic: lamp + "/get", Retain: true}))
	require.Zero(t, publishing(t, device, &paho.Publish{Topic: lamp + "/get"}))
	require.Equal(t, lamp+"/get", watch.Next(t.Context()).Topic)
	m := watch.Next(t.Context())
	require.Equal(t, lamp+"/get/rejected", m.Topic)
	require.JSONEq(t, `{"code":404,"message":"No shadow exists with name: 'lamp'"}`, string(m.Payload))
}

// A will on a request topic is a message like any other, not a request.
func TestShadow_WillIsNoRequest(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	watch := hub.Recorder(t, lamp+"/#")
	hub.Client(t, "lamp", func(_ *paho.ClientConfig, c *paho.Connect) {
		c.WillMessage = &paho.WillMessage{Topic: lamp + "/update", Payload: []byte(`{"state":{"reported":{"on":false}}}`)}
		c.WillProperties = &paho.WillProperties{}
	})
	require.NoError(t, hub.Disconnect("lamp", broker.DisconnectOptions{}))
	require.Equal(t, lamp+"/update", watch.Next(t.Context()).Topic)
	_, err := hub.Shadows().Get(t.Context(), shadow.Key{Thing: "lamp"}, shadow.Requester{})
	require.ErrorIs(t, err, shadow.ErrNotFound)
}

func TestShadowConfigIsChecked(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]thinghub.Config{
		"Config.ShadowConfig.Publisher is set, expected nil": {ShadowConfig: shadow.Config{Publisher: shadow.PublisherFunc(func(context.Context, string, []byte) error { return nil })}},
		"Config.MaxDepth is 5000, expected at most 1000":     {ShadowConfig: shadow.Config{MaxDepth: 5000}},
		"Config.Region is \"a/b\", expected letters":         {Region: "a/b"},
		"Config.Gateway.Router is set, expected nil":         {Gateway: broker.Config{Router: noRoute{}}},
	} {
		_, err := thinghub.New(cfg)
		require.ErrorContains(t, err, want)
	}
}

type noRoute struct{}

func (noRoute) Route(context.Context, *broker.Message) error { return nil }

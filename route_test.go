package thinghub_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/registry"
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
		"$aws/events/presence/connected/lamp", "$aws/things/lamp", "$aws/", "$aws/rule/x",
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

// With RequireThings the shadows of things that are not in the registry are refused,
// whoever asks.
func TestShadow_RequireThings(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t, func(c *thinghub.Config) {
		c.RequireThings = true
		c.ShadowConfig.Require = func(_ context.Context, thing string) error {
			if thing == "closed" {
				return shadow.Refuse(403, "Closed")
			}
			return nil
		}
	})
	server := httptest.NewServer(hub.DataPlane())
	t.Cleanup(server.Close)
	watch := hub.Recorder(t, "$aws/things/+/shadow/update/+")
	device := hub.Client(t, "device")
	overMQTT := func(thing string) string {
		t.Helper()
		update := &paho.Publish{Topic: "$aws/things/" + thing + "/shadow/update", Payload: []byte(`{"state":{"reported":{"on":true}},"clientToken":"x"}`)}
		require.Less(t, publishing(t, device, update), byte(broker.UnspecifiedError))
		m := watch.Next(t.Context())
		if strings.HasSuffix(m.Topic, "/accepted") {
			require.Equal(t, update.Topic+"/documents", watch.Next(t.Context()).Topic)
			return "accepted"
		}
		require.Equal(t, update.Topic+"/rejected", m.Topic)
		return string(m.Payload)
	}
	overHTTP := func(thing string) (int, string, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/things/"+thing+"/shadow", strings.NewReader(`{"state":{"reported":{"on":true}}}`))
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		if answer.StatusCode == http.StatusOK {
			require.Equal(t, "$aws/things/"+thing+"/shadow/update/accepted", watch.Next(t.Context()).Topic)
			require.Equal(t, "$aws/things/"+thing+"/shadow/update/documents", watch.Next(t.Context()).Topic)
		}
		return answer.StatusCode, answer.Header.Get("x-amzn-ErrorType"), string(body)
	}
	require.JSONEq(t, `{"code":404,"message":"Thing not found","clientToken":"x"}`, overMQTT("lamp"))
	status, kind, body := overHTTP("lamp")
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "ResourceNotFoundException", kind)
	require.Contains(t, body, `"message":"Thing not found"`)
	_, err := hub.Shadows().Update(t.Context(), shadow.Key{Thing: "lamp"}, []byte(`{"state":{}}`), shadow.Requester{})
	require.ErrorIs(t, err, shadow.ErrNotFound)

	for _, name := range []string{"lamp", "closed"} {
		_, err = hub.Registry().CreateThing(t.Context(), registry.CreateThingInput{Name: name})
		require.NoError(t, err)
	}
	require.Equal(t, "accepted", overMQTT("lamp"))
	status, _, _ = overHTTP("lamp")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"code":403,"message":"Closed","clientToken":"x"}`, overMQTT("closed"))

	// A thing that is deleted leaves its shadow, which may be read but not written.
	require.NoError(t, hub.Registry().DeleteThing(t.Context(), "lamp", nil))
	require.JSONEq(t, `{"code":404,"message":"Thing not found","clientToken":"x"}`, overMQTT("lamp"))
	_, err = hub.Shadows().Get(t.Context(), shadow.Key{Thing: "lamp"}, shadow.Requester{})
	require.NoError(t, err)
}

// What a client does shows in a watch, with who it was; the end of the hub ends it.
func TestShadow_Watch(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	k := shadow.Key{Thing: "lamp"}
	device := hub.Client(t, "lamp")
	require.Less(t, publishing(t, device, &paho.Publish{Topic: lamp + "/update", Payload: []byte(`{"state":{"reported":{"on":true}}}`)}), byte(broker.UnspecifiedError))
	f := shadow.Only(k)
	f.Current = true
	var versions []int64
	for c, err := range hub.Shadows().Watch(t.Context(), f) {
		if err != nil {
			require.ErrorIs(t, err, shadow.ErrClosed)
			break
		}
		versions = append(versions, c.Current.Version)
		switch c.Current.Version {
		case 1:
			require.Equal(t, shadow.Snapshot, c.Kind)
			require.Less(t, publishing(t, device, &paho.Publish{Topic: lamp + "/update", Payload: []byte(`{"state":{"reported":{"on":false}}}`)}), byte(broker.UnspecifiedError))
		case 2:
			require.Equal(t, "lamp", c.By.ClientID)
			require.Equal(t, shadow.FromMQTT, c.By.Source)
			require.NoError(t, hub.Shutdown(t.Context()))
		}
	}
	require.Equal(t, []int64{1, 2}, versions)
}

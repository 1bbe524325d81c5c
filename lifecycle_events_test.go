package thinghub_test

import (
	"context"
	"encoding/json"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/registry"
)

// event takes the next message and returns its topic and body.
func event(t *testing.T, r *hubtest.Recorder) (topic string, body map[string]any) {
	t.Helper()
	m := r.Next(t.Context())
	require.NoError(t, json.Unmarshal(m.Payload, &body))
	return m.Topic, body
}

func TestLifecycleEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := hubtest.New(t)
		_, err := hub.Registry().CreateThing(t.Context(), registry.CreateThingInput{Name: "pump-1"})
		require.NoError(t, err)
		events := hub.Recorder(t, "$aws/events/presence/#")
		subscriptions := hub.Recorder(t, "$aws/events/subscriptions/#")
		now := float64(time.Now().UnixMilli())

		c := hub.Client(t, "pump-1")
		topic, connected := event(t, events)
		require.Equal(t, "$aws/events/presence/connected/pump-1", topic)
		require.Len(t, connected["sessionIdentifier"], 32)
		require.Equal(t, map[string]any{
			"clientId": "pump-1", "timestamp": now, "eventType": "connected", "principalIdentifier": "anonymous",
			"sessionIdentifier": connected["sessionIdentifier"], "versionNumber": connected["versionNumber"],
		}, connected)
		is, err := hub.Registry().GetThingConnectivityData(t.Context(), "pump-1")
		require.NoError(t, err)
		require.True(t, is.Connected)

		_, err = c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "a/#"}, {Topic: "b", QoS: 1}}})
		require.NoError(t, err)
		topic, body := event(t, subscriptions)
		require.Equal(t, "$aws/events/subscriptions/subscribed/pump-1", topic)
		require.Equal(t, map[string]any{
			"clientId": "pump-1", "timestamp": now, "eventType": "subscribed", "principalIdentifier": "anonymous",
			"sessionIdentifier": connected["sessionIdentifier"], "topics": []any{"a/#", "b"},
		}, body)
		_, err = c.Unsubscribe(t.Context(), &paho.Unsubscribe{Topics: []string{"b"}})
		require.NoError(t, err)
		topic, body = event(t, subscriptions)
		require.Equal(t, "$aws/events/subscriptions/unsubscribed/pump-1", topic)
		require.Equal(t, []any{"b"}, body["topics"])

		time.Sleep(time.Second)
		require.NoError(t, hub.Disconnect("pump-1", broker.DisconnectOptions{}))
		topic, body = event(t, events)
		require.Equal(t, "$aws/events/presence/disconnected/pump-1", topic)
		require.Equal(t, map[string]any{
			"clientId": "pump-1", "timestamp": now + 1000, "eventType": "disconnected", "principalIdentifier": "anonymous",
			"sessionIdentifier": connected["sessionIdentifier"], "versionNumber": connected["versionNumber"],
			"clientInitiatedDisconnect": false, "disconnectReason": "API_INITIATED_DISCONNECT",
		}, body)
		is, err = hub.Registry().GetThingConnectivityData(t.Context(), "pump-1")
		require.NoError(t, err)
		require.False(t, is.Connected)
		require.Equal(t, "API_INITIATED_DISCONNECT", is.DisconnectReason)
	})
}

// A client is connected as the thing that its principal has for itself, otherwise as the
// thing of its id, and leaves as the same, whatever was attached meanwhile.
func TestConnectivity_Exclusive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := hubtest.New(t)
		r := hub.Registry()
		for _, name := range []string{"device", "pump"} {
			_, err := r.CreateThing(t.Context(), registry.CreateThingInput{Name: name})
			require.NoError(t, err)
		}
		require.NoError(t, r.UpdateIndexingConfiguration(t.Context(), registry.IndexingConfiguration{
			Things: &registry.ThingIndexing{Mode: registry.IndexRegistry, Connectivity: registry.IndexStatus},
		}))
		connected := func() (names []string) {
			t.Helper()
			synctest.Wait()
			found, _, err := r.SearchIndex(t.Context(), registry.Search{Query: "connectivity.connected:true"}, registry.Page{})
			require.NoError(t, err)
			for _, f := range found.Things {
				names = append(names, f.Name)
			}
			return names
		}
		require.Empty(t, connected())
		c := hub.Client(t, "device")
		require.Equal(t, []string{"device"}, connected())
		require.NoError(t, r.AttachThingPrincipal(t.Context(), registry.Attachment{Thing: "pump", Principal: "anonymous", Type: registry.Exclusive}))
		require.NoError(t, c.Disconnect(&paho.Disconnect{}))
		require.Empty(t, connected())
		c = hub.Client(t, "device")
		require.Equal(t, []string{"pump"}, connected())
		require.NoError(t, r.DetachThingPrincipal(t.Context(), "pump", "anonymous"))
		require.NoError(t, c.Disconnect(&paho.Disconnect{}))
		require.Empty(t, connected())

		// A take-over ends connected.
		hub.Client(t, "device")
		hub.Client(t, "device")
		require.Equal(t, []string{"device"}, connected())
	})
}

// Every end of a connection has AWS IoT's name for it.
func TestLifecycleEvents_Reasons(t *testing.T) {
	t.Parallel()
	for want, end := range map[string]func(t *testing.T, hub *hubtest.Hub, c *paho.Client){
		"CLIENT_INITIATED_DISCONNECT": func(t *testing.T, _ *hubtest.Hub, c *paho.Client) {
			require.NoError(t, c.Disconnect(&paho.Disconnect{}))
		},
		"DUPLICATE_CLIENTID": func(t *testing.T, hub *hubtest.Hub, _ *paho.Client) { hub.Client(t, "pump-1") },
		"MQTT_KEEP_ALIVE_TIMEOUT": func(*testing.T, *hubtest.Hub, *paho.Client) {
			time.Sleep(time.Minute)
		},
		"SERVER_INITIATED_DISCONNECT": func(t *testing.T, hub *hubtest.Hub, _ *paho.Client) {
			require.NoError(t, hub.Shutdown(t.Context()))
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := make(chan *thinghub.Message, 10)
				hub := hubtest.New(t)
				_, err := hub.Subscribe(t.Context(), "$aws/events/presence/disconnected/+", func(m *thinghub.Message) { got <- m.Clone() })
				require.NoError(t, err)
				c := hub.Client(t, "pump-1", func(cfg *paho.ClientConfig, c *paho.Connect) {
					c.KeepAlive = 10
					if want == "MQTT_KEEP_ALIVE_TIMEOUT" {
						cfg.PingHandler = silent{paho.NewDefaultPinger()}
					}
				})
				end(t, hub, c)
				var body map[string]any
				require.NoError(t, json.Unmarshal((<-got).Payload, &body))
				require.Equal(t, want, body["disconnectReason"])
				require.Equal(t, want == "CLIENT_INITIATED_DISCONNECT", body["clientInitiatedDisconnect"])
			})
		})
	}
}

// silent never pings.
type silent struct{ paho.Pinger }

func (silent) Run(ctx context.Context, _ net.Conn, _ uint16) error {
	<-ctx.Done()
	return nil
}

// A client id that is no part of a topic has no events, and breaks nothing.
func TestLifecycleEvents_WildcardsInTheClientID(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	events := hub.Recorder(t, "$aws/events/#")
	hub.Client(t, "a/+/#")
	hub.Client(t, "b/c")
	topic, _ := event(t, events)
	require.Equal(t, "$aws/events/presence/connected/b/c", topic)
}

package upstream_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker/upstream"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/internal/servertest"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/shadow"
)

// mosquittoPub publishes with Mosquitto's own client.
func mosquittoPub(t *testing.T, addr string, args ...string) {
	t.Helper()
	path, err := servertest.Find("mosquitto_pub")
	require.NoError(t, err)
	host, port, _ := net.SplitHostPort(addr)
	out, err := exec.CommandContext(t.Context(), path, append([]string{"-h", host, "-p", port}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// A tail is what a client of the upstream hears, by topic.
func (d *device) on(topic string) (payloads []string) {
	for _, p := range d.received() {
		if p.Topic == topic {
			payloads = append(payloads, string(p.Payload))
		}
	}
	return payloads
}

// TestHubOnMosquitto is the whole of it: registry, shadows and rules for devices that know
// Mosquitto alone, which is killed and started meanwhile.
func TestHubOnMosquitto(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	who, err := upstream.ClientFromTopic("dt/{client}/#", "$aws/things/{client}/#")
	require.NoError(t, err)
	up := newBroker(t, m.Addr, upstream.Config{Identify: who})
	hub := hubtest.New(t, func(c *thinghub.Config) {
		c.Broker, c.RequireThings = up, true
		c.Authenticator, c.Authorizer = auth.InsecureAllowAll{}, auth.InsecureAllowAll{}
	})
	ctx := t.Context()
	_, err = hub.Registry().CreateThing(ctx, registry.CreateThingInput{Name: "pump"})
	require.NoError(t, err)
	fired := actions.NewRecorder()
	require.NoError(t, hub.Rules().Put(ctx, rules.Rule{
		Name: "hot", SQL: `SELECT temp, clientid() AS id FROM 'dt/+/temp' WHERE temp > 80`,
		Actions: []actions.Action{fired, actions.Republish{Topic: "alerts/${topic(2)}", QoS: 1}},
	}))
	watched := actions.NewRecorder()
	require.NoError(t, hub.Rules().Put(ctx, rules.Rule{
		Name: "shadows", SQL: `SELECT state FROM '$aws/things/+/shadow/update/accepted'`, Actions: []actions.Action{watched},
	}))
	require.NoError(t, up.Ready(ctx))
	var mu sync.Mutex
	var panel []string // a client of the hub, with subscriptions that overlap
	for _, f := range []string{"dt/#", "dt/+/temp"} {
		stop, err := hub.Subscribe(ctx, f, func(m *thinghub.Message) {
			mu.Lock()
			defer mu.Unlock()
			panel = append(panel, f+" "+string(m.Payload))
		})
		require.NoError(t, err)
		defer stop()
	}
	seen := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), panel...)
	}

	const update, accepted = "$aws/things/pump/shadow/update", "$aws/things/pump/shadow/update/accepted"
	local := hub.Client(t, "local") // connected to the hub itself
	for round := 1; round <= 2; round++ {
		d := connect(t, m.Addr, "$aws/things/#", "alerts/#")
		// A device updates its shadow, and gets the answer and the delta.
		d.publish(update, `{"state":{"reported":{"on":false}},"clientToken":"a"}`, 1)
		until(t, "the device has the answer", func() bool { return len(d.on(accepted)) == 1 })
		// So does one that speaks 3.1.1.
		mosquittoPub(t, m.Addr, "-V", "311", "-q", "1", "-t", update, "-m", fmt.Sprintf(`{"state":{"desired":{"on":true,"round":%d}}}`, round))
		until(t, "the device has answer and delta", func() bool {
			return len(d.on(accepted)) == 2 && len(d.on(update+"/delta")) >= 1 && len(d.on(update+"/documents")) == 2
		})
		var v struct{ Version int }
		require.NoError(t, json.Unmarshal([]byte(d.on(accepted)[1]), &v))
		require.Equal(t, 3*round-1, v.Version)
		// One that is connected to the hub has its answer there, and Mosquitto's clients see it.
		_, err := local.Publish(ctx, &paho.Publish{Topic: update, Payload: []byte(`{"state":{"reported":{"local":1}}}`), QoS: 1})
		require.NoError(t, err)
		until(t, "the device sees it", func() bool { return len(d.on(accepted)) == 3 && len(d.on(update)) == 3 })
		until(t, "rules see each answer once", func() bool { return len(watched.Events()) == 3*round })

		// Nobody but the hub says what happened.
		d.publish(accepted, `{"state":{"reported":{"fake":1}}}`, 1)
		d.publish("$aws/things/nobody/shadow/update", `{"state":{"reported":{"on":true}}}`, 1)
		until(t, "an unknown thing is refused", func() bool { return len(d.on("$aws/things/nobody/shadow/update/rejected")) == 1 })
		require.Contains(t, d.on("$aws/things/nobody/shadow/update/rejected")[0], "404")

		// Rules fire on what devices publish, once, and publish to them.
		mosquittoPub(t, m.Addr, "-V", "5", "-q", "1", "-t", "dt/pump/temp", "-m", `{"temp":79}`)
		mosquittoPub(t, m.Addr, "-V", "5", "-q", "2", "-t", "dt/pump/temp", "-m", `{"temp":81}`)
		until(t, "the device is alerted", func() bool { return len(d.on("alerts/pump")) == 1 })
		require.JSONEq(t, `{"temp":81,"id":"pump"}`, d.on("alerts/pump")[0])
		until(t, "the hub's subscribers have it", func() bool { return len(seen()) == 4*round })
		require.Len(t, fired.Events(), round)
		ev := fired.Events()[round-1]
		require.Equal(t, "pump", ev.Message.ClientID)
		require.Equal(t, actions.ProtocolMQTT, ev.Message.Protocol)
		require.Len(t, watched.Events(), 3*round, "the one that the device made up is none")

		if round == 1 {
			m.Kill()
			until(t, "the hub has noticed", func() bool { return !up.Health().Connected })
			m.Start()
			require.NoError(t, up.Ready(ctx))
		}
	}
	view, err := hub.Shadows().Get(ctx, shadow.Key{Thing: "pump"}, shadow.Requester{})
	require.NoError(t, err)
	require.Contains(t, string(view.AppendJSON(nil)), `"round":2`)
	require.NotContains(t, string(view.AppendJSON(nil)), "fake")
	h := up.Health()
	require.Zero(t, h.Failed+h.Dropped+h.Repeated)
	require.EqualValues(t, 2, h.Refused)
	require.EqualValues(t, 2, h.Connections)
}

// TestProvisioningIsNotForOthers checks that a device of the upstream cannot have a
// certificate sent to a client of the hub.
func TestProvisioningIsNotForOthers(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	up := newBroker(t, m.Addr, upstream.Config{Identify: upstream.ClientFromProperty("id")})
	hub := hubtest.New(t, func(c *thinghub.Config) {
		c.Broker = up
		c.Authenticator, c.Authorizer = auth.InsecureAllowAll{}, auth.InsecureAllowAll{}
	})
	require.NoError(t, up.Ready(t.Context()))
	heard := make(chan string, 10)
	victim := hub.Client(t, "victim", func(c *paho.ClientConfig, _ *paho.Connect) {
		c.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			heard <- p.Packet.Topic
			return true, nil
		}}
	})
	_, err := victim.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "$aws/certificates/create/json/+", QoS: 1}, {Topic: "end", QoS: 1}}})
	require.NoError(t, err)
	d := connect(t, m.Addr)
	d.publish("$aws/certificates/create/json", "{}", 1, "id", "victim")
	until(t, "it is refused", func() bool { return up.Health().Refused == 1 })
	require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "end", QoS: 1}))
	require.Equal(t, "end", <-heard)
}

// TestLocalClients checks that clients of the hub and of the upstream hear each other.
func TestLocalClients(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	up := newBroker(t, m.Addr, upstream.Config{Filters: []string{"dt/#"}, Wait: 200 * time.Millisecond})
	hub := hubtest.New(t, func(c *thinghub.Config) {
		c.Broker = up
		c.Authenticator, c.Authorizer = auth.InsecureAllowAll{}, auth.InsecureAllowAll{}
	})
	require.NoError(t, up.Ready(t.Context()))
	got := make(chan string, 100)
	local := hub.Client(t, "local", func(c *paho.ClientConfig, _ *paho.Connect) {
		c.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			got <- p.Packet.Topic + "=" + string(p.Packet.Payload)
			return true, nil
		}}
	})
	_, err := local.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "chat/+", QoS: 1, NoLocal: true}}})
	require.NoError(t, err)
	d := connect(t, m.Addr, "chat/#")
	d.publish("chat/a", "from device", 1)
	require.Equal(t, "chat/a=from device", <-got)
	_, err = local.Publish(t.Context(), &paho.Publish{Topic: "chat/b", Payload: []byte("from client"), QoS: 1})
	require.NoError(t, err)
	until(t, "the device has both", func() bool { return len(d.received()) == 2 })
	d.publish("chat/a", "end", 1)
	require.Equal(t, "chat/a=end", <-got)

	// While the upstream is down a client is told, and knows that nobody has it.
	m.Kill()
	until(t, "the hub has noticed", func() bool { return !up.Health().Connected })
	began := time.Now()
	resp, err := local.Publish(t.Context(), &paho.Publish{Topic: "chat/b", Payload: []byte("nobody"), QoS: 1})
	require.Error(t, err)
	require.NotNil(t, resp, "after %s", time.Since(began))
	require.EqualValues(t, 0x80, resp.ReasonCode)
	require.True(t, strings.Contains(up.Health().Err.Error(), "connect") || strings.Contains(up.Health().Err.Error(), "EOF"), up.Health().Err)
}

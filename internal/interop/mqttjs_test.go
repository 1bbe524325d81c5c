package interop_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
)

// eachJS runs a test with MQTT.js for both protocol versions over TCP and WebSocket,
// each with a hub and a process of its own.
func eachJS(t *testing.T, f func(t *testing.T, h *testHub, j *mqttJS)) {
	t.Parallel()
	for _, transport := range []string{"tcp", "ws"} {
		for _, version := range []int{4, 5} {
			t.Run(fmt.Sprintf("%s %d", transport, version), func(t *testing.T) {
				t.Parallel()
				h := startHub(t)
				url := "mqtt://" + h.addr
				if transport == "ws" {
					url = "ws://" + h.serveHTTP(t, nil) + "/mqtt"
				}
				f(t, h, &mqttJS{beginJS(t, "mqttjs.js"), url, version})
			})
		}
	}
}

// mqttJS is a process of MQTT.js clients of one version that connect to one URL.
type mqttJS struct {
	*jsProcess
	url     string
	version int
}

// dial connects a client.
func (j *mqttJS) dial(t *testing.T, id string, options object) *jsClient {
	t.Helper()
	c := j.start(t, id, options)
	c.ups.next(t)
	return c
}

// start begins to connect a client that does not come back by itself.
func (j *mqttJS) start(t *testing.T, id string, options object) *jsClient {
	t.Helper()
	all := object{"clientId": id, "protocolVersion": j.version, "reconnectPeriod": 0}
	for k, v := range options {
		all[k] = v
	}
	return j.open(t, id, object{"url": j.url, "options": all})
}

func TestMQTTjs(t *testing.T) {
	eachJS(t, func(t *testing.T, h *testHub, j *mqttJS) {
		a, b := j.dial(t, "a", nil), j.dial(t, "b", nil)
		info := h.client(t, "a")
		require.Equal(t, byte(j.version), info.ProtocolVersion)
		require.True(t, strings.HasPrefix(j.url, "ws") == (info.Transport == "ws"))
		host := h.hear(t, "q/#")
		for granted := range 3 {
			filter := fmt.Sprintf("q/%d/+", granted)
			b.sub(t, filter, granted)
			for qos := range 3 {
				name := fmt.Sprintf("q/%d/%d", granted, qos)
				a.pub(t, name, "grüße", qos)
				m := b.messages.next(t)
				require.Equal(t, fmt.Sprintf("%s %d false grüße", name, min(qos, granted)), m.String())
				require.Equal(t, broker.QoS(qos), host.next(t).QoS)
				h.say(t, name, "host", broker.QoS(qos))
				require.Equal(t, fmt.Sprintf("%s %d false host", name, min(qos, granted)), b.messages.next(t).String())
				host.next(t)
			}
			b.do(t, "unsubscribe", object{"filter": filter})
		}
		// Large, and many in order.
		b.sub(t, "large", 2)
		a.pub(t, "large", string(huge), 2)
		require.Equal(t, huge, b.messages.next(t).Payload)
		b.sub(t, "order", 2)
		for i := range 300 {
			h.say(t, "order", fmt.Sprint(i), broker.QoS(i%3))
		}
		last := map[int]int{0: -3, 1: -2, 2: -1}
		for range 300 {
			m := b.messages.next(t)
			var i int
			_, err := fmt.Sscan(string(m.Payload), &i)
			require.NoError(t, err)
			require.Equal(t, last[m.QoS]+3, i, "QoS %d", m.QoS) // it hands over QoS 2 at PUBREL
			last[m.QoS] = i
		}
		// Retained.
		a.do(t, "publish", object{"topic": "r", "payload": b64("kept"), "qos": 1, "retain": true})
		b.sub(t, "r", 1)
		require.Equal(t, "r 1 true kept", b.messages.next(t).String())
		a.do(t, "publish", object{"topic": "r", "payload": "", "qos": 1, "retain": true})
		require.Equal(t, "r 1 false ", b.messages.next(t).String())
		b.do(t, "unsubscribe", object{"filter": "r"})
		b.sub(t, "r", 1)
		b.messages.none(t)
		a.do(t, "end", nil)
		require.NoError(t, h.seen.await(t, "disconnected", "a", 1).cause)
	})
}

func TestMQTTjsWill(t *testing.T) {
	eachJS(t, func(t *testing.T, h *testHub, j *mqttJS) {
		host := h.hear(t, "will/#")
		will := func(id string) object {
			return object{"will": object{
				"topic": "will/" + id, "payload": b64("gone"), "qos": 2, "retain": true,
				"properties": object{
					"contentType": "text/plain", "responseTopic": "r", "correlationData": b64("c"), "payloadFormatIndicator": true,
					"messageExpiryInterval": 60, "userProperties": object{"k": []string{"v", "w"}},
				},
			}}
		}
		j.dial(t, "polite", will("polite")).do(t, "end", nil)
		h.seen.await(t, "disconnected", "polite", 1)
		j.dial(t, "cut", will("cut")).do(t, "cut", nil)
		m := host.next(t)
		require.Equal(t, "will/cut", m.Topic)
		require.Equal(t, "gone", string(m.Payload))
		require.Equal(t, broker.ExactlyOnce, m.QoS)
		require.True(t, m.Retain)
		if j.version == 5 {
			require.Equal(t, "text/plain", m.ContentType)
			require.Equal(t, "r", m.ResponseTopic)
			require.Equal(t, []byte("c"), m.CorrelationData)
			require.Equal(t, broker.FormatUTF8, m.PayloadFormat)
			require.False(t, m.Expires.IsZero())
			var users []string
			for k, v := range m.UserProperties() {
				users = append(users, k+"="+v)
			}
			require.Equal(t, []string{"k=v", "k=w"}, users)
		}
		host.none(t)
	})
}

// TestMQTTjsReconnect cuts the link of a client with a persistent session, which
// comes back by itself.
func TestMQTTjsReconnect(t *testing.T) {
	eachJS(t, func(t *testing.T, h *testHub, j *mqttJS) {
		options := object{"clean": false, "reconnectPeriod": 300, "resubscribe": false}
		if j.version == 5 {
			options["properties"] = object{"sessionExpiryInterval": 60}
		}
		c := j.start(t, "c", options)
		require.False(t, c.ups.next(t).SessionPresent)
		c.sub(t, "q", 2)
		for round := range 3 {
			c.do(t, "cut", nil)
			h.seen.await(t, "disconnected", "c", round+1)
			for i := range 10 {
				h.say(t, "q", fmt.Sprint(i), broker.AtLeastOnce)
			}
			require.True(t, c.ups.next(t).SessionPresent)
			for i := range 10 {
				require.Equal(t, fmt.Sprintf("q 1 false %d", i), c.messages.next(t).String())
			}
		}
		c.pub(t, "q", "still here", 2)
		require.Equal(t, "q 2 false still here", c.messages.next(t).String())
		c.messages.none(t)
		c.do(t, "end", nil)
	})
}

func TestMQTTjsProperties(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) { c.Gateway.TopicAliasMaximum, c.Gateway.ReceiveMaximum = 10, 20 })
	j := &mqttJS{beginJS(t, "mqttjs.js"), "mqtt://" + h.addr, 5}
	pub := j.start(t, "pub", object{"autoAssignTopicAlias": true})
	up := pub.ups.next(t)
	require.EqualValues(t, 10, up.Properties["topicAliasMaximum"])
	require.EqualValues(t, 20, up.Properties["receiveMaximum"])
	require.EqualValues(t, 8<<20, up.Properties["maximumPacketSize"])
	sub := j.dial(t, "sub", object{"properties": object{"topicAliasMaximum": 5, "receiveMaximum": 10}})

	// Overlapping subscriptions: one message with all identifiers.
	for id, filter := range []string{"p/x", "p/+", "p/#"} {
		sub.do(t, "subscribe", object{"filters": object{filter: object{"qos": id}}, "properties": object{"subscriptionIdentifier": id + 1}})
	}
	props := object{
		"contentType": "text/plain", "responseTopic": "r", "correlationData": b64("c\x00"), "payloadFormatIndicator": true,
		"messageExpiryInterval": 100.0, "userProperties": object{"k": []any{"v", "w"}, "l": "x"},
	}
	for range 3 { // the second and third time with topic aliases on both legs
		pub.do(t, "publish", object{"topic": "p/x", "payload": b64("hello"), "qos": 2, "properties": props})
		m := sub.messages.next(t)
		require.Equal(t, "p/x 2 false hello", m.String())
		require.ElementsMatch(t, []any{1.0, 2.0, 3.0}, m.Properties["subscriptionIdentifier"])
		delete(m.Properties, "subscriptionIdentifier")
		delete(m.Properties, "topicAlias")
		require.Equal(t, props, m.Properties)
	}
	sub.messages.none(t)

	// Reason codes.
	require.EqualValues(t, 0x11, sub.do(t, "unsubscribe", object{"filter": "never/subscribed"}).([]any)[0])
	pub.pub(t, "nobody/there", "hello", 1)
	require.NoError(t, h.Disconnect("sub", broker.DisconnectOptions{}))
	e := sub.downs.next(t)
	require.Equal(t, "disconnect", e.Event)
	require.Equal(t, int(broker.AdministrativeAction), e.ReasonCode)
	_ = j.dial(t, "pub", nil)
	h.seen.await(t, "disconnected", "pub", 1)
}

func TestMQTTjsRefused(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) { c.Authenticator, c.Authorizer = byPassword{"ann": "right"}, exceptSecret{} })
	p := beginJS(t, "mqttjs.js")
	for version, codes := range map[int][]int{4: {4, 5}, 5: {int(broker.BadUserNameOrPassword), int(broker.NotAuthorized)}} {
		j := &mqttJS{p, "mqtt://" + h.addr, version}
		for i, u := range []object{{"username": "ann", "password": "wrong"}, {"username": "eve"}} {
			e := j.start(t, fmt.Sprint("refused", version, i), u).downs.next(t)
			require.Equal(t, "error", e.Event)
			require.EqualValues(t, codes[i], e.Code, e.Error)
		}
		c := j.dial(t, fmt.Sprint("c", version), object{"username": "ann", "password": "right"})
		e := c.ask(t, "subscribe", object{"filters": object{"secret": object{"qos": 1}}})
		require.Equal(t, version == 5, strings.Contains(e.Error, "Not authorized"), "%+v", e)
	}
}

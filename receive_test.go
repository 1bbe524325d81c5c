package thinghub_test

import (
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
)

// What somebody may not receive does not reach them, whenever that was decided: for messages
// that wait, that is when they are sent. It does not matter who speaks.
func TestReceive_PolicyChanges(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := newGuarded(t)
	g.policy(t, "all", allows("iot:Connect iot:Subscribe iot:Receive iot:Publish", "client/*", "topicfilter/*", "topic/*"))
	d, c := g.device(t, "pump-1", "all")
	_, c2 := g.device(t, "pump-2", "all")
	const deny = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iot:Receive","Resource":["` + prefix + `topic/secret/*","` + prefix + `topic/$aws/things/*/shadow/*"]}}`
	g.policy(t, "deny", deny)
	hide := func() { require.NoError(t, g.Policies().AttachPolicy(ctx, "deny", d.CertificateARN)) }
	show := func() { require.NoError(t, g.Policies().DetachPolicy(ctx, "deny", d.CertificateARN)) }
	keep := func(c *paho.Connect) {
		expiry := uint32(600)
		c.CleanStart, c.Properties = false, &paho.ConnectProperties{SessionExpiryInterval: &expiry}
	}
	subscribe := func(client *paho.Client, filters ...string) {
		for _, f := range filters {
			_, err := client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: f, QoS: 1}}})
			require.NoError(t, err)
		}
	}
	say := func(topic string) {
		require.NoError(t, g.PublishMessage(ctx, &thinghub.Message{Topic: topic, Payload: []byte("x"), QoS: 1}))
	}

	// While it is away.
	got := make(chan string, 100)
	collect := func(p *paho.Publish) { got <- p.Topic }
	client, _, err := g.connectWith(t, c, "pump-1", collect, keep)
	require.NoError(t, err)
	subscribe(client, "secret/#", "open/#")
	require.NoError(t, client.Disconnect(&paho.Disconnect{}))
	require.Eventually(t, func() bool { return len(g.Clients()) == 0 }, patience, time.Millisecond)
	for _, topic := range []string{"secret/1", "open/1", "secret/2", "open/2"} {
		say(topic)
	}
	hide()
	client, _, err = g.connectWith(t, c, "pump-1", collect, keep)
	require.NoError(t, err)
	require.Equal(t, "open/1", <-got)
	require.Equal(t, "open/2", <-got)
	show()
	say("secret/3")
	say("open/3")
	require.Equal(t, "secret/3", <-got, "what was skipped does not come back")
	require.Equal(t, "open/3", <-got)
	require.NoError(t, client.Disconnect(&paho.Disconnect{}))

	// While it takes one at a time and has not acknowledged the first.
	first, release := make(chan struct{}), make(chan struct{})
	slow := func(p *paho.Publish) {
		if p.Topic == "open/first" {
			close(first)
			<-release
		}
		got <- p.Topic
	}
	client, _, err = g.connectWith(t, c, "pump-1", slow, keep, func(c *paho.Connect) {
		one := uint16(1)
		c.Properties.ReceiveMaximum = &one
	})
	require.NoError(t, err)
	for _, topic := range []string{"open/first", "secret/4", "open/4", "secret/5"} {
		say(topic)
	}
	<-first
	hide()
	close(release)
	say("open/last")
	for _, topic := range []string{"open/first", "open/4", "open/last"} {
		require.Equal(t, topic, <-got)
	}
	show()

	// Wills, shadow answers, and whoever else speaks.
	subscribe(client, "$aws/things/+/shadow/#")
	hide()
	second, _, err := g.connect(t, c2, "pump-2", func(c *paho.Connect) { c.WillMessage = &paho.WillMessage{Topic: "secret/will", QoS: 1} })
	require.NoError(t, err)
	_, err = second.Publish(ctx, &paho.Publish{Topic: "$aws/things/pump-2/shadow/update", QoS: 1, Payload: []byte(`{"state":{"reported":{"a":1}}}`)})
	require.NoError(t, err)
	_, err = client.Publish(ctx, &paho.Publish{Topic: "$aws/things/pump-1/shadow/get", QoS: 1})
	require.NoError(t, err)
	require.NoError(t, second.Disconnect(&paho.Disconnect{ReasonCode: 4})) // with the will
	require.Eventually(t, func() bool { return len(g.Clients()) == 1 }, patience, time.Millisecond)
	say("open/end")
	require.Equal(t, "open/end", <-got)
	require.Empty(t, got)
}

package thinghub_test

import (
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/access"
)

// What clients of a running hub do shows which statements of its policies nobody needs.
func TestPolicyCoverage(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	scope := "arn:aws:iot:local:000000000000:"
	g.policy(t, "wide", `{"Version":"2012-10-17","Statement":[
		{"Sid":"Connect","Effect":"Allow","Action":"iot:Connect","Resource":"`+scope+`client/${iot:Connection.Thing.ThingName}"},
		{"Sid":"Publish","Effect":"Allow","Action":"iot:Publish","Resource":"`+scope+`topic/dt/${iot:ClientId}/*"},
		{"Sid":"Subscribe","Effect":"Allow","Action":"iot:Subscribe","Resource":"`+scope+`topicfilter/dt/*"},
		{"Sid":"Receive","Effect":"Allow","Action":"iot:Receive","Resource":"`+scope+`topic/dt/*"},
		{"Sid":"Secret","Effect":"Deny","Action":"iot:Receive","Resource":"`+scope+`topic/dt/*/secret"},
		{"Sid":"Old","Effect":"Allow","Action":"iot:Publish","Resource":"`+scope+`topic/old/*"}]}`)
	_, c := g.device(t, "pump-1", "wide")
	before, _, err := g.connect(t, c, "pump-1")
	require.NoError(t, err)
	unused := func(want ...string) {
		t.Helper()
		c, err := g.Policies().Coverage(t.Context())
		require.NoError(t, err)
		require.Len(t, c.Used, 6-len(want))
		var sids []string
		for _, st := range c.Unused {
			require.Equal(t, "wide", st.Policy)
			sids = append(sids, st.Sid)
		}
		require.Equal(t, want, sids)
	}
	publish := func(topic string) {
		t.Helper()
		_, err := before.Publish(t.Context(), &paho.Publish{Topic: topic, QoS: 1})
		require.NoError(t, err)
	}

	g.Policies().StartCoverage()
	unused("Connect", "Publish", "Subscribe", "Receive", "Secret", "Old")
	publish("dt/pump-1/temp") // on a connection that was there before
	unused("Connect", "Subscribe", "Receive", "Secret", "Old")
	_, err = before.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "dt/#", QoS: 1}}})
	require.NoError(t, err)
	unused("Connect", "Receive", "Secret", "Old")
	publish("dt/pump-1/temp")
	unused("Connect", "Secret", "Old")
	publish("dt/pump-1/secret")
	unused("Connect", "Old")
	_, _, err = g.connect(t, c, "pump-1")
	require.NoError(t, err)
	unused("Old")
	g.Policies().StopCoverage()
	_, err = g.Policies().Coverage(t.Context())
	require.ErrorIs(t, err, access.ErrCoverageOff)
}

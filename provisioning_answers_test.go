package thinghub_test

import (
	"context"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/hubtest"
)

// byName knows everybody by the name.
type byName struct{}

func (byName) Authenticate(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
	return &auth.Identity{Principal: c.Username}, nil
}

// An answer with a private key in it does not go to who has the client id of the device by
// then.
func TestProvisioningAnswersWhoAsked(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t, func(c *thinghub.Config) { c.Authenticator = byName{} })
	got := make(chan string, 10)
	c := hub.Client(t, "device", func(cfg *paho.ClientConfig, p *paho.Connect) {
		p.UsernameFlag, p.Username = true, "bob"
		cfg.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			got <- p.Packet.Topic
			return true, nil
		}}
	})
	_, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "$aws/certificates/#"}}})
	require.NoError(t, err)
	for who, wants := range map[string]bool{"alice": false, "bob": true} {
		answered, err := hub.Provisioning().Handle(t.Context(), "$aws/certificates/create/json", nil, provision.Requester{Principal: who, ClientID: "device"})
		require.Equal(t, wants, err == nil, "%s: %v", who, err)
		require.True(t, answered)
	}
	select {
	case topic := <-got:
		require.Equal(t, "$aws/certificates/create/json/accepted", topic)
	case <-time.After(20 * time.Second):
		require.Fail(t, "no answer")
	}
	_, err = c.Publish(t.Context(), &paho.Publish{Topic: "x", QoS: 1})
	require.NoError(t, err)
	require.Empty(t, got)
}

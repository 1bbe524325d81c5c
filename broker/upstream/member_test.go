package upstream_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
)

func errorsIs(err, target error) bool { return errors.Is(err, target) }

// member connects a client to a hub and subscribes.
func member(t testing.TB, s *server, id, filter string) *listener {
	t.Helper()
	client, srv := net.Pipe()
	require.NoError(t, s.Go(srv))
	l := &listener{}
	c := paho.NewClient(paho.ClientConfig{ClientID: id, Conn: client, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.got = append(l.got, &broker.Message{Topic: p.Packet.Topic, Payload: p.Packet.Payload})
			return true, nil
		},
	}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := c.Connect(ctx, &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 60})
	require.NoError(t, err)
	_, err = c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	return l
}

package thinghub_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// ownTopics is an Authorizer: a client may use the topics below its own name. It is
// also an Opener, so it is asked once per connection for a session, which answers
// for every message at no cost.
type ownTopics struct{}

func (ownTopics) Authorize(_ context.Context, _ *auth.Identity, r *auth.Request) error {
	if r.Action == auth.Connect {
		return nil
	}
	return session{prefix: r.Conn.ClientID + "/"}.Allow(r.Action, r.Resource)
}

func (ownTopics) Open(_ context.Context, _ *auth.Identity, c *auth.Conn) (auth.Session, error) {
	return session{prefix: c.ClientID + "/"}, nil
}

type session struct{ prefix string }

var errNotYours = errors.Join(auth.ErrDenied, errors.New("not your topic"))

func (s session) Allow(_ auth.Action, topicOrFilter string) error {
	if strings.HasPrefix(topicOrFilter, s.prefix) {
		return nil
	}
	return errNotYours
}

func (session) Close() {}

// An Authorizer decides on every publish, subscription and delivery of a client.
func Example_authorizer() {
	ctx := context.Background()
	hub, err := thinghub.New(thinghub.Config{
		Authenticator: auth.InsecureAllowAll{},
		Authorizer:    ownTopics{},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	conn, err := hub.Dial(ctx)
	if err != nil {
		log.Fatal(err)
	}
	pump := connect(ctx, conn, "pump-1", func(string, []byte) {})
	defer func() { _ = pump.Disconnect(&paho.Disconnect{}) }()

	for _, filter := range []string{"pump-1/#", "#"} {
		ack, _ := pump.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter}}})
		fmt.Printf("subscribe to %s: %s\n", filter, broker.ReasonCode(ack.Reasons[0]).String())
	}
	for _, topic := range []string{"pump-1/temp", "pump-2/temp"} {
		ack, _ := pump.Publish(ctx, &paho.Publish{Topic: topic, Payload: []byte("20"), QoS: 1})
		fmt.Printf("publish to %s: %s\n", topic, broker.ReasonCode(ack.ReasonCode).String())
	}

	// Output:
	// subscribe to pump-1/#: success
	// subscribe to #: not authorized
	// publish to pump-1/temp: success
	// publish to pump-2/temp: not authorized
}

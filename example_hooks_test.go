package thinghub_test

import (
	"context"
	"fmt"
	"log"

	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// presence is a hook. It implements the two interfaces of those it is interested
// in; there are more in package broker.
type presence struct{ seen chan string }

func (p presence) Connected(c *broker.ClientInfo) {
	p.seen <- fmt.Sprintf("%s is here, with MQTT %d over %s", c.ClientID, c.ProtocolVersion, c.Transport)
}

func (p presence) Disconnected(c *broker.ClientInfo, cause error) {
	p.seen <- fmt.Sprintf("%s is gone: %v", c.ClientID, broker.ReasonOf(cause).String())
}

// Hooks tell the host what happens at the gateway. They are called where the work
// is done, so they pass on what they see and return.
func Example_hooks() {
	ctx := context.Background()
	p := presence{seen: make(chan string, 10)}
	hub, err := thinghub.New(thinghub.Config{
		Authenticator: auth.InsecureAllowAll{},
		Authorizer:    auth.InsecureAllowAll{},
		Hooks:         []broker.Hook{p},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()

	for _, id := range []string{"pump-1", "pump-2"} {
		conn, err := hub.Dial(ctx)
		if err != nil {
			log.Fatal(err)
		}
		c := connect(ctx, conn, id, nil)
		fmt.Println(<-p.seen)
		if id == "pump-1" {
			_ = c.Disconnect(&paho.Disconnect{}) // of its own accord
		} else if err := hub.Disconnect(id, broker.DisconnectOptions{}); err != nil {
			log.Fatal(err)
		}
		fmt.Println(<-p.seen)
	}

	// Output:
	// pump-1 is here, with MQTT 5 over inproc
	// pump-1 is gone: success
	// pump-2 is here, with MQTT 5 over inproc
	// pump-2 is gone: administrative action
}

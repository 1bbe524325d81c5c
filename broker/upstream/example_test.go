package upstream_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/url"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/broker/upstream"
)

// A hub on a broker that is there already: a device that is connected there updates its
// shadow.
func Example() {
	addr, end := existingBroker() // your Mosquitto
	defer end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	who, err := upstream.ClientFromTopic("dt/{client}/#", "$aws/things/{client}/#")
	if err != nil {
		log.Fatal(err)
	}
	up, err := upstream.New(upstream.Config{URL: "mqtt://" + addr, Identify: who})
	if err != nil {
		log.Fatal(err)
	}
	hub, err := thinghub.New(thinghub.Config{Broker: up})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = hub.Close() }()
	if err := up.Ready(ctx); err != nil {
		log.Fatal(err)
	}

	answers := make(chan string, 10)
	device := connectDevice(ctx, addr, "$aws/things/pump/shadow/update/delta", func(p *paho.Publish) { answers <- p.Topic })
	for _, request := range []string{`{"state":{"desired":{"on":true}}}`, `{"state":{"reported":{"on":false}}}`} {
		_, err := device.Publish(ctx, &paho.Publish{Topic: "$aws/things/pump/shadow/update", Payload: []byte(request), QoS: 1})
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(<-answers)
	fmt.Println(up.Health().Connected)
	// Output:
	// $aws/things/pump/shadow/update/delta
	// true
}

// existingBroker stands for a broker that runs somewhere.
func existingBroker() (addr string, end func()) {
	s, err := broker.NewServer(broker.Config{Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}})
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	return ln.Addr().String(), func() { _ = s.Close() }
}

// connectDevice connects a device to a broker and subscribes.
func connectDevice(ctx context.Context, addr, filter string, got func(*paho.Publish)) *autopaho.ConnectionManager {
	c, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls: []*url.URL{{Scheme: "mqtt", Host: addr}}, KeepAlive: 30, CleanStartOnInitialConnection: true,
		ClientConfig: paho.ClientConfig{ClientID: "pump", OnPublishReceived: []func(paho.PublishReceived) (bool, error){
			func(p paho.PublishReceived) (bool, error) {
				got(p.Packet)
				return true, nil
			},
		}},
		ReconnectBackoff: autopaho.NewConstantBackoff(0),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.AwaitConnection(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}}); err != nil {
		log.Fatal(err)
	}
	return c
}

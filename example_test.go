package thinghub_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

// A hub in a few lines: the host listens to what devices say and answers one.
func Example() {
	ctx := context.Background()
	hub, err := thinghub.New(thinghub.Config{
		Authenticator: auth.InsecureAllowAll{}, // without these two nobody gets in
		Authorizer:    auth.InsecureAllowAll{},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	// Devices in the field come over a network: ln, err := net.Listen("tcp", ":1883"),
	// then go hub.Serve(ln). This one lives in the same program.
	conn, err := hub.Dial(ctx)
	if err != nil {
		log.Fatal(err)
	}
	commands := make(chan string)
	pump := connect(ctx, conn, "pump-1", func(topic string, payload []byte) {
		commands <- fmt.Sprintf("%s %s", topic, payload)
	})
	defer func() { _ = pump.Disconnect(&paho.Disconnect{}) }()
	_, err = pump.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "cmd/pump-1/+"}}})
	if err != nil {
		log.Fatal(err)
	}

	_, err = hub.Subscribe(ctx, "dt/+/temp", func(m *thinghub.Message) {
		fmt.Printf("host: %s is at %s\n", m.Origin.ClientID, m.Payload)
		if err := hub.Publish(ctx, "cmd/pump-1/speed", []byte("slow")); err != nil {
			log.Print(err)
		}
	})
	if err != nil {
		log.Fatal(err)
	}

	_, err = pump.Publish(ctx, &paho.Publish{Topic: "dt/pump-1/temp", Payload: []byte("93.5"), QoS: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("pump:", <-commands)

	// Output:
	// host: pump-1 is at 93.5
	// pump: cmd/pump-1/speed slow
}

// connect makes an MQTT client on conn. The hub does not care which library a
// device uses; this one is paho.golang.
func connect(ctx context.Context, conn net.Conn, id string, received func(topic string, payload []byte)) *paho.Client {
	c := paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			received(p.Packet.Topic, p.Packet.Payload)
			return true, nil
		}},
	})
	if _, err := c.Connect(ctx, &paho.Connect{ClientID: id, KeepAlive: 30, CleanStart: true}); err != nil {
		log.Fatal(err)
	}
	return c
}

package mqtt_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mqtt"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/rules"
)

// A hub and another broker, which is a second hub here, exchange messages: telemetry comes
// in, commands and a rule's alerts go out.
func Example() {
	plant, addr := otherBroker() // your Mosquitto, EMQX, HiveMQ
	defer func() { _ = plant.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	telemetry, err := mqtt.ParseTopic("dt/# in 1 plant/")
	if err != nil {
		log.Fatal(err)
	}
	commands, err := mqtt.ParseTopic("cmd/# out 1 plant/")
	if err != nil {
		log.Fatal(err)
	}
	far, err := mqtt.Open(mqtt.Config{Sink: actions.SinkConfig{Name: "plant"}, Name: "hub-1", URL: "mqtt://" + addr, Topics: []mqtt.Topic{telemetry, commands}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = far.Close() }()

	hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Kinds: mqtt.Kinds(far)}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = hub.Close() }()
	go func() { _ = far.Run(ctx, hub) }()
	for _, r := range far.Rules("plant_") {
		if err := hub.Rules().Put(ctx, rules.Rule{Name: r.Name, SQL: r.SQL, Actions: []actions.Action{r.Action}}); err != nil {
			log.Fatal(err)
		}
	}
	hot, err := hub.Rules().DecodeRule("hot", []byte(`{
		"sql": "SELECT temp FROM 'plant/dt/+/temp' WHERE temp > 80",
		"actions": [{"mqtt": {"sink": "plant", "topic": "alerts/${topic(3)}", "qos": 1}}]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	if err := hub.Rules().Put(ctx, hot); err != nil {
		log.Fatal(err)
	}
	if err := far.Ready(ctx); err != nil {
		log.Fatal(err)
	}

	seen := make(chan string, 10)
	for _, filter := range []string{"alerts/#", "cmd/#"} {
		if _, err := plant.Subscribe(ctx, filter, func(m *thinghub.Message) { seen <- m.Topic + " " + string(m.Payload) }); err != nil {
			log.Fatal(err)
		}
	}
	if err := plant.PublishMessage(ctx, &thinghub.Message{Topic: "dt/pump/temp", Payload: []byte(`{"temp":81}`), QoS: 1}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-seen)
	if err := hub.PublishMessage(ctx, &thinghub.Message{Topic: "plant/cmd/pump", Payload: []byte("stop"), QoS: 1}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-seen)
	// Output:
	// alerts/pump {"temp":81}
	// cmd/pump stop
}

// otherBroker stands for a broker that runs somewhere.
func otherBroker() (*thinghub.Hub, string) {
	hub, err := thinghub.New(thinghub.Config{Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}})
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = hub.Serve(ln) }()
	return hub, ln.Addr().String()
}

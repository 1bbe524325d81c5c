package kafka_test

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/kafka"
	"github.com/thinghub/thinghub/rules"
)

// The host has the cluster's addresses and the login; rules have neither.
func Example() {
	client, err := kafka.Open(kafka.Config{
		Sink:    actions.SinkConfig{Name: "main"},
		Brokers: []string{"kafka-1:9093", "kafka-2:9093"},
		Options: []kgo.Opt{kgo.DialTLS(), kgo.SASL(scram.Auth{User: "hub", Pass: "secret"}.AsSha512Mechanism())},
	})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	engine, err := rules.New(rules.Config{Kinds: kafka.Kinds(client)})
	if err != nil {
		panic(err)
	}
	_, err = engine.DecodeRule("temperatures", []byte(`{
		"sql": "SELECT * FROM 'dev/+/temp'",
		"actions": [{"kafka": {
			"destinationArn": "arn:aws:iot:eu-central-1:123456789012:ruledestination/vpc/main",
			"topic": "temperatures",
			"key": "${topic(2)}",
			"clientProperties": {"security.protocol": "SASL_SSL", "acks": "1"}
		}}]
	}`))
	fmt.Println(err)

	_, err = engine.DecodeRule("temperatures", []byte(`{
		"sql": "SELECT * FROM 'dev/+/temp'",
		"actions": [{"kafka": {"topic": "temperatures", "clientProperties": {"sasl.scram.password": "secret"}}}]
	}`))
	fmt.Println(err)

	h := client.Sink().Health()
	fmt.Println(h.Kind, h.Name, h.Down)
	// Output:
	// <nil>
	// rules: actions[0]: kafka: clientProperties is "sasl.scram.password", expected acks, bootstrap.servers, compression.type, key.serializer, sasl.mechanism, security.protocol or value.serializer; anything else, credentials above all, is set where the client is made
	// kafka main false
}

// In Go an action is made by the client that it writes with.
func ExampleClient_Action() {
	client, err := kafka.Open(kafka.Config{Brokers: []string{"localhost:9092"}})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	rule := rules.Rule{
		Name: "temperatures",
		SQL:  "SELECT * FROM 'dev/+/temp'",
		Actions: []actions.Action{client.Action(kafka.Action{
			Topic:   "temperatures",
			Key:     "${topic(2)}",
			Headers: []kafka.Header{{Key: "trace", Value: "${traceid()}"}},
		})},
	}
	fmt.Println(rule.Actions[0].(actions.Checker).Check())
	// Output: <nil>
}

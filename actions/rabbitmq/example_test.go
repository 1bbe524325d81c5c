package rabbitmq_test

import (
	"fmt"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/rabbitmq"
	"github.com/thinghub/thinghub/rules"
)

// The host has the address and the password; rules have neither.
func Example() {
	client, err := rabbitmq.Open(rabbitmq.Config{
		Sink: actions.SinkConfig{Name: "main"},
		URL:  "amqp://hub:secret@localhost:5672/things",
	})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	engine, err := rules.New(rules.Config{Kinds: rabbitmq.Kinds(client)})
	if err != nil {
		panic(err)
	}
	_, err = engine.DecodeRule("temperatures", []byte(`{
		"sql": "SELECT * FROM 'dev/+/temp'",
		"actions": [{"rabbitmq": {"exchange": "events", "routingKey": "temp.${topic(2)}", "mandatory": true}}]
	}`))
	fmt.Println(err)

	_, err = engine.DecodeRule("temperatures", []byte(`{
		"sql": "SELECT * FROM 'dev/+/temp'",
		"actions": [{"rabbitmq": {"exchange": "${topic(2)}"}}]
	}`))
	fmt.Println(err)
	// Output:
	// <nil>
	// rules: actions[0]: rabbitmq: exchange is "${topic(2)}", expected a text without templates, so that no device chooses the exchange
}

// In Go an action is made by the client that it writes with.
func ExampleClient_Action() {
	client, err := rabbitmq.Open(rabbitmq.Config{URL: "amqp://localhost"})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	rule := rules.Rule{
		Name: "temperatures",
		SQL:  "SELECT * FROM 'dev/+/temp'",
		Actions: []actions.Action{client.Action(rabbitmq.Action{
			Exchange:   "events",
			RoutingKey: "temp.${topic(2)}",
			Persistent: new(false),
		})},
	}
	fmt.Println(rule.Actions[0].(actions.Checker).Check())
	// Output: <nil>
}

package thinghub_test

import (
	"context"
	"fmt"
	"log"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// A rule looks at what devices send, and leads to actions: here a new message, and a
// function of the program.
func Example_ruleRepublish() {
	hub, err := thinghub.New(thinghub.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = hub.Close() }()

	ctx := context.Background()
	seen := make(chan string, 2)
	if _, err := hub.Subscribe(ctx, "alerts/#", func(m *thinghub.Message) { seen <- m.Topic + " " + string(m.Payload) }); err != nil {
		log.Fatal(err)
	}
	err = hub.Rules().Put(ctx, rules.Rule{
		Name: "hot",
		SQL:  `SELECT temp, topic(2) AS device FROM 'dt/+/temp' WHERE temp > 80`,
		Actions: []actions.Action{
			actions.Republish{Topic: "alerts/${topic(2)}"},
			actions.Func(func(_ context.Context, ev actions.Event) error {
				seen <- "function " + string(ev.Payload)
				return nil
			}),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, temp := range []string{"79", "81"} {
		if err := hub.Publish(ctx, "dt/pump-1/temp", []byte(`{"temp":`+temp+`}`)); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(<-seen)
	fmt.Println(<-seen)
	// Unordered output:
	// alerts/pump-1 {"temp":81,"device":"pump-1"}
	// function {"temp":81,"device":"pump-1"}
}

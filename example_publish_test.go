package thinghub_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
)

// PublishMessage sends everything a message can have. A retained one is kept for
// those who subscribe later.
func ExampleHub_PublishMessage() {
	ctx := context.Background()
	hub, err := thinghub.New(thinghub.Config{}) // nobody can connect; the host needs no permission
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()

	m := &thinghub.Message{
		Topic:       "site/north/mode",
		Payload:     []byte(`{"mode":"eco"}`),
		QoS:         broker.AtLeastOnce,
		Retain:      true,
		ContentType: "application/json",
		Expires:     time.Now().Add(24 * time.Hour),
	}
	m.AddUserProperty("set-by", "night shift")
	if err := hub.PublishMessage(ctx, m); err != nil {
		log.Fatal(err)
	}

	done := make(chan struct{})
	stop, err := hub.Subscribe(ctx, "site/+/mode", func(m *thinghub.Message) {
		fmt.Println(m.Topic, string(m.Payload), m.ContentType)
		for k, v := range m.UserProperties() {
			fmt.Println(k, "=", v)
		}
		close(done)
	})
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	<-done

	fmt.Println(hub.Publish(ctx, "site/#", nil))

	// Output:
	// site/north/mode {"mode":"eco"} application/json
	// set-by = night shift
	// thinghub: publish: topic name "site/#": "#" is allowed in filters only
}

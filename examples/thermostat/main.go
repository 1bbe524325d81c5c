// Thermostat is a device and its shadow in one program: the host says what it wants of
// a thermostat, the device hears of it, does it, and reports what it is.
//
//	go run ./examples/thermostat
//
// The host uses a typed shadow. The device speaks MQTT and knows nothing of thinghub:
// it is written as for AWS IoT Core, and one with an AWS IoT device SDK does the same.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/shadow"
)

// patience is how long anything here may take: an answer of a shadow comes once, and
// who has lost it must not wait for ever.
const patience = 10 * time.Second

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := run(ctx, func(format string, a ...any) { fmt.Printf(format+"\n", a...) }); err != nil {
		fmt.Fprintln(os.Stderr, "thermostat:", err)
		os.Exit(1)
	}
}

// thermostat is both sides of the shadow, as the host sees it.
type thermostat struct {
	Target  float64 `json:"target,omitempty"`  // °C, what is wanted
	Celsius float64 `json:"celsius,omitempty"` // °C, what it is
	Heating bool    `json:"heating,omitempty"`
}

// run has a hub until the hall is warm.
func run(ctx context.Context, say func(format string, a ...any)) error {
	hub, err := thinghub.New(thinghub.Config{
		Authenticator: auth.InsecureAllowAll{}, // who is it? anybody
		Authorizer:    auth.InsecureAllowAll{}, // what may they do? everything
		ShadowConfig:  shadow.Config{History: shadow.Retention{Versions: 100}},
	})
	if err != nil {
		return err
	}
	defer hub.Close()
	if _, err := hub.Registry().CreateThing(ctx, registry.CreateThingInput{Name: "hall", Attributes: map[string]string{"floor": "1"}}); err != nil {
		return err
	}

	// The host wants 21 °C, whether the device is there or not.
	hall := shadow.Of[thermostat](hub.Shadows(), shadow.Key{Thing: "hall"})
	wanted, err := hall.Change(ctx, shadow.Desired, func(t *thermostat) error { t.Target = 21; return nil })
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() { stop(device(ctx, hub, say)) }() // ends with ctx or the hub

	// Whatever the device has reported since, the host hears of.
	for c, err := range hall.Watch(ctx, shadow.Filter{After: &shadow.Position{Version: wanted.Version}}) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		is := c.Is.Reported
		say("host: the hall has %.1f °C, heating: %v", is.Celsius, is.Heating)
		if is.Celsius >= wanted.Desired.Target && !is.Heating {
			break
		}
	}
	is, err := hall.Get(ctx)
	if err != nil {
		return err
	}
	say("host: done at version %d, nothing left to do: %v", is.Version, !is.HasDelta)
	return nil
}

// device is the thermostat. It asks what is wanted of it when it starts, because it may
// have missed it, and then listens to what differs.
func device(ctx context.Context, hub *thinghub.Hub, say func(format string, a ...any)) error {
	conn, err := hub.Dial(ctx)
	if err != nil {
		return err
	}
	const topic = "$aws/things/hall/shadow/"
	targets := make(chan float64, 10)
	c := paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			var m struct {
				State struct {
					Target float64
					Delta  struct{ Target float64 }
				}
			}
			if err := json.Unmarshal(p.Packet.Payload, &m); err != nil {
				return true, err
			}
			if t := max(m.State.Target, m.State.Delta.Target); t > 0 {
				targets <- t
			}
			return true, nil
		}},
	})
	if _, err := c.Connect(ctx, &paho.Connect{ClientID: "hall", KeepAlive: 30, CleanStart: true}); err != nil {
		return err
	}
	defer func() { _ = c.Disconnect(&paho.Disconnect{}) }()
	_, err = c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic + "get/accepted", QoS: 1}, {Topic: topic + "update/delta", QoS: 1}}})
	if err != nil {
		return err
	}
	if _, err := c.Publish(ctx, &paho.Publish{Topic: topic + "get", QoS: 1, Payload: []byte(`{"clientToken":"start"}`)}); err != nil {
		return err
	}
	celsius := 20.0
	for {
		var target float64
		select {
		case target = <-targets:
		case <-ctx.Done():
			return nil
		case <-c.Done():
			return errors.New("the device lost its connection")
		}
		if celsius >= target {
			continue // an old wish
		}
		say("device: somebody wants %.1f °C", target)
		for celsius < target {
			celsius = min(celsius+0.5, target)
			report := map[string]any{"state": map[string]any{"reported": map[string]any{"target": target, "celsius": celsius, "heating": celsius < target}}}
			body, err := json.Marshal(report)
			if err != nil {
				return err
			}
			if _, err := c.Publish(ctx, &paho.Publish{Topic: topic + "update", QoS: 1, Payload: body}); err != nil {
				return err
			}
		}
	}
}

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// A greenhouse is what the device reports.
type greenhouse struct {
	Target      float64 `json:"target"`      // °C, what it was told
	Temperature float64 `json:"temperature"` // °C, what it has
	Heating     bool    `json:"heating"`
	Light       bool    `json:"light"`
}

// Orders are what is wanted of it: what is nil is not mentioned.
type orders struct {
	Target *float64 `json:"target"`
	Light  *bool    `json:"light"`
}

// follow takes orders, as far as it can: 5 to 35 °C, in tenths.
func (g *greenhouse) follow(o orders) {
	if o.Target != nil {
		g.Target = tenths(min(max(*o.Target, 5), 35))
	}
	if o.Light != nil {
		g.Light = *o.Light
	}
	g.Heating = g.Temperature < g.Target
}

// step lets a little time pass: it gets warmer, or cools down.
func (g *greenhouse) step() {
	if d := g.Target - g.Temperature; d != 0 {
		g.Temperature = tenths(g.Temperature + math.Copysign(min(math.Abs(d), 0.1), d))
	}
	g.Heating = g.Temperature < g.Target
}

func tenths(f float64) float64 { return math.Round(f*10) / 10 }

// device is the greenhouse: it asks what is desired when it starts, listens to what
// differs, and reports whatever changes. It knows nothing of thinghub: with another
// address and certificate it works with AWS IoT Core. The end of ctx is no error.
func (a *app) device(ctx context.Context) (err error) {
	defer func() {
		if ctx.Err() != nil {
			err = nil
		}
	}()
	conn, err := (&tls.Dialer{Config: a.deviceTLS}).DialContext(ctx, "tcp", a.deviceAddr)
	if err != nil {
		return err
	}
	const topic = "$aws/things/" + thing + "/shadow/"
	var mu sync.Mutex // guards is
	is, told := greenhouse{Target: 21, Temperature: 18.5, Heating: true}, greenhouse{}
	changed := make(chan struct{}, 1)
	c := paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			o, err := read(p.Packet.Topic, p.Packet.Payload)
			if err != nil {
				a.say("The greenhouse does not understand %s: %v", p.Packet.Topic, err)
				return true, nil
			}
			mu.Lock()
			is.follow(o)
			mu.Unlock()
			select {
			case changed <- struct{}{}:
			default: // it is to look anyway
			}
			return true, nil
		}},
	})
	if _, err := c.Connect(ctx, &paho.Connect{ClientID: thing, KeepAlive: 30, CleanStart: true}); err != nil {
		return errors.Join(err, conn.Close())
	}
	defer func() { _ = c.Disconnect(&paho.Disconnect{}) }()
	_, err = c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic + "get/accepted", QoS: 1}, {Topic: topic + "update/delta", QoS: 1}}})
	if err != nil {
		return err
	}
	if _, err := c.Publish(ctx, &paho.Publish{Topic: topic + "get", QoS: 1, Payload: []byte(`{"clientToken":"start"}`)}); err != nil {
		return err
	}
	clock := time.NewTicker(a.tick)
	defer clock.Stop()
	for {
		mu.Lock()
		now := is
		mu.Unlock()
		if now != told {
			report, err := json.Marshal(map[string]any{"state": map[string]any{"reported": now}})
			if err != nil {
				return err
			}
			if _, err := c.Publish(ctx, &paho.Publish{Topic: topic + "update", QoS: 1, Payload: report}); err != nil {
				return err
			}
			told = now
		}
		select {
		case <-changed:
		case <-clock.C:
			mu.Lock()
			is.step()
			mu.Unlock()
		case <-ctx.Done():
			return nil
		case <-c.Done():
			return errors.New("the greenhouse has lost its connection")
		}
	}
}

// read finds orders in a message. In update/delta they are all of the state; get/accepted
// has them beside what was reported.
func read(topic string, payload []byte) (orders, error) {
	if topic == "$aws/things/"+thing+"/shadow/update/delta" {
		var m struct{ State orders }
		err := json.Unmarshal(payload, &m)
		return m.State, err
	}
	var m struct{ State struct{ Desired orders } }
	err := json.Unmarshal(payload, &m)
	return m.State.Desired, err
}

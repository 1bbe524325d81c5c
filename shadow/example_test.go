package shadow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/thinghub/thinghub/shadow"
)

// timestamps differ from run to run.
var timestamps = regexp.MustCompile(`"timestamp":\d+`)

func show(topic string, payload []byte) {
	fmt.Println(topic)
	fmt.Printf("  %s\n", timestamps.ReplaceAll(payload, []byte(`"timestamp":T`)))
}

// A device reports over MQTT: Handle is given what it publishes, and what it is
// answered goes to the Publisher.
func Example() {
	svc, err := shadow.New(shadow.Config{
		Publisher: shadow.PublisherFunc(func(_ context.Context, topic string, payload []byte) error {
			show(topic, payload)
			return nil
		}),
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	_, err = svc.Update(ctx, shadow.Key{Thing: "lamp"}, []byte(`{"state":{"desired":{"color":"red","on":true}}}`), shadow.Requester{})
	if err != nil {
		panic(err)
	}
	device := shadow.Requester{Source: shadow.FromMQTT, ClientID: "lamp"}
	request := []byte(`{"state":{"reported":{"color":"red"}},"clientToken":"t-1"}`)
	if _, err := svc.Handle(ctx, "$aws/things/lamp/shadow/update", request, device); err != nil {
		panic(err)
	}
	// Output:
	// $aws/things/lamp/shadow/update/delta
	//   {"version":1,"timestamp":T,"state":{"color":"red","on":true},"metadata":{"color":{"timestamp":T},"on":{"timestamp":T}}}
	// $aws/things/lamp/shadow/update/accepted
	//   {"state":{"desired":{"color":"red","on":true}},"metadata":{"desired":{"color":{"timestamp":T},"on":{"timestamp":T}}},"version":1,"timestamp":T}
	// $aws/things/lamp/shadow/update/documents
	//   {"previous":null,"current":{"state":{"desired":{"color":"red","on":true}},"metadata":{"desired":{"color":{"timestamp":T},"on":{"timestamp":T}}},"version":1},"timestamp":T}
	// $aws/things/lamp/shadow/update/delta
	//   {"version":2,"timestamp":T,"state":{"on":true},"metadata":{"on":{"timestamp":T}},"clientToken":"t-1"}
	// $aws/things/lamp/shadow/update/accepted
	//   {"state":{"reported":{"color":"red"}},"metadata":{"reported":{"color":{"timestamp":T}}},"version":2,"timestamp":T,"clientToken":"t-1"}
	// $aws/things/lamp/shadow/update/documents
	//   {"previous":{"state":{"desired":{"color":"red","on":true}},"metadata":{"desired":{"color":{"timestamp":T},"on":{"timestamp":T}}},"version":1},"current":{"state":{"desired":{"color":"red","on":true},"reported":{"color":"red"}},"metadata":{"desired":{"color":{"timestamp":T},"on":{"timestamp":T}},"reported":{"color":{"timestamp":T}}},"version":2},"timestamp":T,"clientToken":"t-1"}
}

// What the host asks for itself is answered with values and errors.
func ExampleService_Update() {
	svc, err := shadow.New(shadow.Config{})
	if err != nil {
		panic(err)
	}
	ctx, k := context.Background(), shadow.Key{Thing: "pump-1", Name: "config"}
	accepted, err := svc.Update(ctx, k, []byte(`{"state":{"desired":{"rpm":1500.0}}}`), shadow.Requester{})
	fmt.Println(accepted.Version, string(accepted.Current.Desired), err)

	_, err = svc.Update(ctx, k, []byte(`{"state":{"desired":{"rpm":900}},"version":7}`), shadow.Requester{})
	fmt.Println(shadow.CodeOf(err), err)

	view, err := svc.Get(ctx, k, shadow.Requester{})
	fmt.Println(view.Version, string(view.Delta), err)

	_, err = svc.Get(ctx, shadow.Key{Thing: "pump-1"}, shadow.Requester{})
	fmt.Println(err)
	// Output:
	// 1 {"rpm":1500.0} <nil>
	// 409 shadow: 409 Version conflict
	// 1 {"rpm":1500.0} <nil>
	// shadow: 404 No shadow exists with name: 'pump-1'
}

// A hook that lets devices write only what they report.
type sides struct{}

func (sides) Updating(_ context.Context, p *shadow.Pending) error {
	if p.By.Source == shadow.FromMQTT && p.Writes(shadow.Desired) {
		return shadow.Refuse(403, "Devices report; they do not desire")
	}
	return nil
}

func ExampleHookUpdating() {
	svc, err := shadow.New(shadow.Config{Hooks: []shadow.Hook{sides{}}})
	if err != nil {
		panic(err)
	}
	ctx, k, device := context.Background(), shadow.Key{Thing: "lamp"}, shadow.Requester{Source: shadow.FromMQTT, ClientID: "lamp"}
	_, err = svc.Update(ctx, k, []byte(`{"state":{"reported":{"on":true}}}`), device)
	fmt.Println(err)
	_, err = svc.Update(ctx, k, []byte(`{"state":{"desired":{"on":true}}}`), device)
	fmt.Println(err)
	// Output:
	// <nil>
	// shadow: 403 Devices report; they do not desire
}

// noFever refuses temperatures beyond what the sensor can measure.
type noFever struct{}

func (noFever) Validate(_ context.Context, _ shadow.Key, current []byte) error {
	var doc struct {
		Reported struct {
			Celsius float64 `json:"celsius"`
		} `json:"reported"`
	}
	if err := json.Unmarshal(current, &doc); err != nil {
		return err
	}
	if doc.Reported.Celsius > 125 {
		return fmt.Errorf("/reported/celsius is %v, expected at most 125", doc.Reported.Celsius)
	}
	return nil
}

func ExampleValidator() {
	svc, err := shadow.New(shadow.Config{Validators: []shadow.Validator{noFever{}}})
	if err != nil {
		panic(err)
	}
	_, err = svc.Update(context.Background(), shadow.Key{Thing: "probe"}, []byte(`{"state":{"reported":{"celsius":1e3}}}`), shadow.Requester{})
	fmt.Println(err)
	// Output: shadow: 400 /reported/celsius is 1000, expected at most 125
}

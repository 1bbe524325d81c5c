package hubtest_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/hubtest"
)

// watchTemperatures is the code under test: it warns of everything above 80 degrees.
func watchTemperatures(t *testing.T, hub *thinghub.Hub) (stop func(), err error) {
	return hub.Subscribe(t.Context(), "dt/+/temp", func(m *thinghub.Message) {
		if v, err := strconv.ParseFloat(string(m.Payload), 64); err == nil && v > 80 {
			thing := strings.Split(m.Topic, "/")[1]
			_ = hub.Publish(t.Context(), "alerts/"+thing, m.Payload)
		}
	})
}

// testHotPump is a test with a hub, as your own tests could have it.
func testHotPump(t *testing.T) {
	hub := hubtest.New(t)
	alerts := hub.Recorder(t, "alerts/#")
	stop, err := watchTemperatures(t, hub.Hub)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()

	pump := hub.Client(t, "pump-1")
	for _, temp := range []string{"21.5", "93.0"} {
		if _, err := pump.Publish(t.Context(), &paho.Publish{Topic: "dt/pump-1/temp", Payload: []byte(temp), QoS: 1}); err != nil {
			t.Fatal(err)
		}
	}

	m := alerts.Next(t.Context())
	if m.Topic != "alerts/pump-1" || string(m.Payload) != "93.0" {
		t.Errorf("alert %s %s, want alerts/pump-1 93.0", m.Topic, m.Payload)
	}
}

// The functions of this package need the *testing.T of a test: name testHotPump
// TestHotPump and go test runs it.
func Example() {
	_ = testHotPump
}

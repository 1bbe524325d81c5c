// Package hubtest gives tests a hub, connected MQTT clients and recorders in one
// line each. What it starts ends with the test:
//
//	func TestPumpReports(t *testing.T) {
//		hub := hubtest.New(t)                   // open to everybody, without a port
//		alerts := hub.Recorder(t, "alerts/#")   // what arrives there
//		monitor.Start(t.Context(), hub.Hub)     // the code under test, on the hub
//		pump := hub.Client(t, "pump-1")         // a connected paho client
//		_, err := pump.Publish(t.Context(), &paho.Publish{Topic: "dt/pump-1/temp", Payload: []byte("93")})
//		if err != nil {
//			t.Fatal(err)
//		}
//		if m := alerts.Next(t.Context()); m.Topic != "alerts/pump-1" { // waits, but not for ever
//			t.Errorf("the alert went to %q", m.Topic)
//		}
//	}
//
// With [Guarded] the hub lets in only devices that were provisioned; [Hub.Device] makes
// one, and [Hub.DeviceClient] connects it over mutual TLS.
//
// Hub, clients and recorders also work in the bubbles of testing/synctest, where
// waiting costs no time: sleep an hour and an hour of keep alives has passed, call
// synctest.Wait and everything published has arrived. All of them must be made in
// the bubble that uses them. [Hub.Listen] and [Hub.URL] open real sockets, which do
// not belong there.
//
// Its functions fail the test where they cannot go on, so they must be called from
// the goroutine of the test.
package hubtest

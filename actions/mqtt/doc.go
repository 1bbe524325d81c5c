// Package mqtt is a bridge to another MQTT 5 broker, in both directions: an action that
// publishes there, and subscriptions there whose messages enter the hub.
//
// The program opens a client, which connects, and connects again whenever the connection
// breaks; the broker need not be there. Rules then name it:
//
//	far, err := mqtt.Open(mqtt.Config{Sink: actions.SinkConfig{Name: "plant"}, URL: "mqtts://broker.example.com", Username: "hub", Password: secret})
//	hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Kinds: mqtt.Kinds(far)}})
//
//	{"mqtt": {"sink": "plant", "topic": "alerts/${topic(2)}", "qos": 1, "retain": true, "headers": {"contentType": "application/json"}}}
//
// # Topics that cross
//
// [Config.Topics] are what the "topic" lines of a bridge of Mosquitto are ([ParseTopic]
// reads them): a pattern, a direction, a QoS, and the prefixes that its topics have here
// and there. Those that come in do so while [Client.Run] runs; those that go out are rules,
// which [Client.Rules] returns:
//
//	go far.Run(ctx, hub)
//	for _, r := range far.Rules("plant_") {
//		err = hub.Rules().Put(ctx, rules.Rule{Name: r.Name, SQL: r.SQL, Actions: []actions.Action{r.Action}})
//	}
//
// What devices write behind a prefix cannot become a topic that begins with "$", which may
// be a request to the hub, unless the line itself says so. Messages that come in are the
// host's to the hub: they pass its permissions.
//
// # Loops
//
// No message crosses the same bridge twice. Each that does gets the name of the bridge
// ([ViaProperty]), which is why [Config.Name] must be another one for each; subscriptions
// have No Local besides. So a topic may cross in both directions, and bridges may form a
// ring. An action that names a topic makes a new message, which may go back to where the one
// came from that led to it; what that leads to ends by the number of hops, which crosses too
// ([HopsProperty]).
//
// # What is guaranteed
//
// Out: the events of a rule are published in their order, up to BatchSize at once, and each
// is done when the broker has acknowledged it. QoS 1: at least once; after a broken
// connection or a timeout what was not acknowledged is sent again. QoS 2: the same, since it is
// a new message then; within a connection exactly once. QoS 0: what is written counts as
// done. MQTT has no place for an id that tells duplicates. There is no queue here: that is
// the rule's. Different QoS may overtake each other, as in MQTT at large. When the broker
// refuses a message for now but takes later ones of the same topic, these are sent again
// behind it.
//
// Not authorized (0x87), topic name invalid (0x90), packet too large (0x95; also by the
// broker's Maximum Packet Size, which is looked at before), payload format invalid,
// retain or QoS not supported, malformed: permanent. All else, such as quota exceeded
// (0x97), is tried again, as are all failures to connect: a user that is locked may be let
// in later.
//
// In: a message with QoS 1 or 2 is acknowledged when the hub has taken it; one that it cannot
// take now is tried for some seconds and then counted as rejected. Messages of a topic stay in their order. With
// Config.SessionExpiry the broker keeps QoS 1 and 2 while the bridge is away; otherwise
// they pass by. The flag for retaining is kept, and retained messages of the broker come
// with each new session. QoS is kept up to that of the line. A 3.1.1 broker does not do: No
// Local, properties and reason codes are MQTT 5.
//
// # Health
//
// [Client.Health] says how the connection is, [Client.Sink] how its actions fare: while the
// broker is away events wait in their rules.
//
// Tested against Mosquitto 2.0.11, also killed and started again.
package mqtt
